"""``make bench``: how fast the audit is beside plain reading of the same stores, and what memory it takes.

Throw-away stores are filled with consistent items; then, in turn, a client that only takes the bytes in reads
both stores at once, and ``python -m support audit`` runs as a process of its own. Ends with 1 when the audit
is slower than half the plain reading at the largest size, or when its memory grows with the number of points.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from http.client import HTTPConnection
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid5

import orjson

from support.settings import ROOT
from tests.filled_stores import Filled
from tests.own_stores import Endpoints, open_stores, started
from tests.running import bare_environment

POINTS = (10_000, 100_000)
SIZE = 384
# From so many points on only ids and payloads are read, and the vectors are short.
MANY, SHORT = 200_000, 8
ROUNDS = 3
PAGE = 1000
LEAST_RATIO = 0.5
# What two runs of one size differ by: the allocator's and the servers' moods.
MEMORY_SLACK_MB = 16.0
WITHIN_S = 1800.0


@dataclass(slots=True)
class Figures:
    """What one size gave: points per second of plain reading and of audits, ratios, peak memory in MB."""

    points: int
    size: int
    raw: list[float] = field(default_factory=list)
    audits: list[float] = field(default_factory=list)
    memory_mb: list[float] = field(default_factory=list)
    parallel: float = 0.0

    @property
    def ratio(self) -> float:
        """Audit to plain reading; each audit is compared with the readings before and after it."""
        around = [statistics.fmean(pair) for pair in zip(self.raw, self.raw[1:], strict=False)]
        return statistics.median(a / b for a, b in zip(self.audits, around, strict=True))

    @property
    def peak_mb(self) -> float:
        """The largest of the audits' peaks."""
        return max(self.memory_mb)

    def line(self) -> str:
        """For people."""
        what = f"{self.size} numbers" if self.size != SHORT else "ids and payloads"
        return (
            f"{self.points:>9,} points ({what}): plain reading {statistics.median(self.raw):>8,.0f}/s,"
            f" audit {statistics.median(self.audits):>8,.0f}/s ({self.ratio:.0%}),"
            f" by two processes {self.parallel:>8,.0f}/s, peak memory {self.peak_mb:.0f} MB"
        )


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure; 1 when a requirement is not met."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench_audit", description=__doc__)
    parser.add_argument("points", nargs="*", type=int, default=list(POINTS), help="such as 10000 100000")
    parser.add_argument("--size", type=int, default=SIZE, help=f"numbers of a vector ({SIZE})")
    parser.add_argument("--rounds", type=int, default=ROUNDS, help=f"audits of each size ({ROUNDS})")
    asked = parser.parse_args(arguments)
    found = []
    for points in sorted(asked.points):
        with started() as at:
            size, vectors = (SHORT, False) if points > MANY else (asked.size, True)
            figures = measure(at, points, size, vectors=vectors, rounds=asked.rounds)
        print(figures.line(), flush=True)
        found.append(figures)
    return judge(found)


def judge(found: Sequence[Figures]) -> int:
    """Say whether the requirements are met."""
    problems = []
    largest = found[-1]
    if largest.ratio < LEAST_RATIO:
        problems.append(
            f"the audit has {largest.ratio:.0%} of the plain reading's speed, not {LEAST_RATIO:.0%}"
        )
    grown = max(each.peak_mb for each in found) - found[0].peak_mb
    if grown > MEMORY_SLACK_MB:
        problems.append(f"memory grows with the points: {grown:.0f} MB more than at {found[0].points:,}")
    for problem in problems:
        print(f"NOT MET: {problem}")
    return 1 if problems else 0


def measure(at: Endpoints, points: int, size: int, *, vectors: bool, rounds: int) -> Figures:
    """Fill the stores and read them in turn."""
    filled = Filled(at, f"at_bench_{points}", points, size).create()
    figures = Figures(points, size)
    cuts = sorted(str(uuid5(filled.collection_id, f"doc-{number}")) for number in range(points))[::PAGE]
    figures.raw.append(_read(filled, cuts, vectors=vectors))
    for _round in range(rounds):
        speed, memory = _audit(filled, vectors=vectors)
        figures.audits.append(speed)
        figures.memory_mb.append(memory)
        figures.raw.append(_read(filled, cuts, vectors=vectors))
    figures.parallel, _memory = _audit(filled, "--workers", "2", vectors=vectors)
    return figures


def _read(filled: Filled, cuts: Sequence[str], *, vectors: bool) -> float:
    """Points per second of a client that reads both stores at once and looks at nothing."""
    stores = open_stores(filled.at)
    other = threading.Thread(target=_scroll, args=(filled, cuts), kwargs={"vectors": vectors})
    began = time.monotonic()
    other.start()
    rows = sum(len(page) for page in stores.metadata.briefs(filled.collection_id, None, None, page=PAGE))
    other.join()
    seconds = time.monotonic() - began
    stores.metadata.close()
    stores.vectors.close()
    assert rows == filled.points
    return filled.points / seconds


def _scroll(filled: Filled, cuts: Sequence[str], *, vectors: bool) -> None:
    place = urlsplit(filled.at.qdrant_url)
    connection = HTTPConnection(place.hostname or "", place.port, timeout=30)
    for cut in cuts:
        asked = {"limit": PAGE, "offset": cut, "with_payload": True, "with_vector": vectors}
        path = f"/collections/{filled.name}/points/scroll"
        connection.request("POST", path, orjson.dumps(asked), {"content-type": "application/json"})
        connection.getresponse().read()
    connection.close()


def _audit(filled: Filled, *arguments: str, vectors: bool) -> tuple[float, float]:
    """Points per second and peak memory (MB) of one audit in a process of its own."""
    at = filled.at
    separator = "&" if "?" in at.database_url else "?"
    settings = {
        "TEST_DATABASE_URL": f"{at.database_url}{separator}options=-csearch_path%3D{at.schema}",
        "TEST_REDIS_URL": at.redis_url,
        "QDRANT_URL": at.qdrant_url,
    }
    with TemporaryDirectory() as directory:
        report = Path(directory) / "report.json"
        command = [
            sys.executable, "-m", "support", "audit", "--collection", filled.name, "--json", str(report),
            "--limit", str(WITHIN_S), *([] if vectors else ["--no-vectors"]), *arguments,
        ]  # fmt: skip
        subprocess.run(
            command, cwd=ROOT, env=bare_environment(**settings), stdout=subprocess.DEVNULL, timeout=WITHIN_S
        )
        told: dict[str, Any] = json.loads(report.read_text())
    assert (told["verdict"], told["agreeing"]) == ("CLEAN", filled.points), told
    return filled.points / told["duration_s"], told["peak_memory_mb"]


if __name__ == "__main__":
    sys.exit(main())
