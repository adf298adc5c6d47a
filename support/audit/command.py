"""``python -m support audit``: compare the stores that the settings name, without writing to any."""

from __future__ import annotations

import argparse
import json
import resource
import sys
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TextIO

from support import options
from support.audit.auditor import audit
from support.audit.cache_keys import opaque
from support.audit.parameters import EVERYTHING, Options, ScanProgress, Scope, Stores
from support.audit.report import Conclusion, Report
from support.drivers.errors import StoreUnreachable
from support.drivers.journal import Journal
from support.drivers.postgres import MetadataStore
from support.drivers.qdrant import VectorStore
from support.drivers.redis import CacheStore
from support.limits import limits_for
from support.settings import Settings

CODES = {Conclusion.CLEAN: 0, Conclusion.FINDINGS: 1, Conclusion.UNKNOWN: 2}
VARIABLES = {"postgresql": "TEST_DATABASE_URL", "qdrant": "QDRANT_URL", "redis": "TEST_REDIS_URL"}
# An exact count of a large collection takes a server seconds.
ANSWER_WITHIN_S = 30
PAGE = 1000
A_DAY_S = 86_400.0
MOST_WORKERS = 64
NOTHING_NAMED = """\
No store is named, so there is nothing to audit. Name the stores of a platform:
  TEST_DATABASE_URL  its PostgreSQL, with options=-csearch_path%3DNAME where its tables have a schema
  QDRANT_URL         its Qdrant (and QDRANT_API_KEY)
  TEST_REDIS_URL     its Redis
in the environment or in .env; or start a platform with `python -m support up`, which prints them."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what the command takes."""
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--collection", type=options.words, metavar="NAME", help="only this collection")
    which.add_argument(
        "--prefix", type=options.words, metavar="P", help="only collections whose name starts with P"
    )
    parser.add_argument(
        "--json",
        type=options.new_file_or_output,
        metavar="FILE",
        help="also write the report as JSON; - for standard output",
    )
    parser.add_argument(
        "--workers",
        type=options.whole(1, MOST_WORKERS),
        default=1,
        metavar="N",
        help="processes that read (1)",
    )
    parser.add_argument(
        "--sample",
        type=options.whole(1, 10**12),
        metavar="N",
        help="only about N items of each collection",
    )
    parser.add_argument("--no-vectors", action="store_true", help="leave the vectors themselves unread")
    parser.add_argument("--no-cache", action="store_true", help="leave Redis out")
    parser.add_argument(
        "--limit",
        type=options.seconds,
        default=A_DAY_S,
        metavar="SECONDS",
        help="give up after so long (a day)",
    )


def run(settings: Settings, asked: argparse.Namespace) -> int:
    """Audit and report. Returns 0 for CLEAN, 1 for FINDINGS, 2 for UNKNOWN or when nothing could begin."""
    missing = _missing(settings, without_cache=asked.no_cache)
    if missing:
        print(missing, file=sys.stderr)
        return CODES[Conclusion.UNKNOWN]
    scope, stores = _scope(asked), _stores(settings, without_cache=asked.no_cache)
    began, meter = datetime.now(UTC), Meter(sys.stderr)
    how = Options(
        t_max_s=limits_for(settings.mode).converges_s,
        limit_s=asked.limit,
        page=PAGE,
        decode=opaque,
        items=asked.sample,
        vectors=not asked.no_vectors,
        workers=asked.workers,
        progress=meter,
    )
    try:
        if asked.collection and not _exists(stores, asked.collection):
            print(f"neither PostgreSQL nor Qdrant has a collection {asked.collection}", file=sys.stderr)
            return CODES[Conclusion.UNKNOWN]
        report = audit(stores, scope, how)
    except KeyboardInterrupt:
        meter.end()
        print("stopped: nothing can be said", file=sys.stderr)
        return CODES[Conclusion.UNKNOWN]
    finally:
        stores.metadata.close()
        stores.vectors.close()
        if stores.cache is not None:
            stores.cache.close()
    meter.end()
    _publish(report, asked, began)
    return CODES[report.verdict]


def _missing(settings: Settings, *, without_cache: bool) -> str | None:
    """What to do first, or None when all stores are named."""
    given = {
        "postgresql": settings.database_url,
        "qdrant": settings.qdrant_url,
        "redis": settings.redis_url,
    }
    if not any(given.values()):
        return NOTHING_NAMED
    lacking = [store for store, url in given.items() if not (url or (store == "redis" and without_cache))]
    lines = [f"{store} is not named: set {VARIABLES[store]}" for store in lacking]
    if lacking == ["redis"]:
        lines[0] += ", or leave it out with --no-cache"
    return "\n".join(lines)


def _stores(settings: Settings, *, without_cache: bool) -> Stores:
    journal = Journal(settings.secrets(), recording=False)
    cache = settings.redis_url if not without_cache else None
    return Stores(
        MetadataStore(settings.database_url or "", None, journal, ANSWER_WITHIN_S, read_only=True),
        VectorStore(settings.qdrant_url or "", settings.qdrant_api_key, journal, ANSWER_WITHIN_S),
        CacheStore(cache, journal, ANSWER_WITHIN_S) if cache else None,
    )


def _scope(asked: argparse.Namespace) -> Scope:
    if asked.collection:
        return Scope((asked.collection,), exactly=True)
    return Scope((asked.prefix,)) if asked.prefix else EVERYTHING


def _exists(stores: Stores, name: str) -> bool:
    """Whether a store has the collection, or may have it: the audit tells of stores that do not answer."""
    try:
        return stores.metadata.collection(name) is not None or stores.vectors.exists(name)
    except StoreUnreachable:
        return True


def _publish(report: Report, asked: argparse.Namespace, began: datetime) -> None:
    members = {
        "began": began.isoformat(),
        "collection": asked.collection,
        "prefix": asked.prefix,
        "vectors_read": not asked.no_vectors,
        "cache_read": not asked.no_cache,
        "peak_memory_mb": round(_peak_memory_mb(), 1),
        **report.to_dict(),
    }
    written = json.dumps(members, indent=2, ensure_ascii=False) + "\n"
    if asked.json == "-":
        sys.stdout.write(written)
        return
    if asked.json:
        Path(asked.json).write_text(written, encoding="utf-8")
    sys.stdout.write(report.text())
    for store in sorted({doubt.partition(":")[0] for doubt in report.doubts} & VARIABLES.keys()):
        print(f"  {store} is named by {VARIABLES[store]}")
    if asked.no_vectors:
        print("  the vectors themselves were not read, only what both stores note about them")
    if asked.no_cache:
        print("  Redis was left out")


def _peak_memory_mb() -> float:
    """The most memory that this process has held so far, its workers' not counted.

    From Linux itself where it can be had: what getrusage tells there includes the process that started this.
    """
    status = Path("/proc/self/status")
    if status.exists():
        for line in status.read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) / 1024
    used = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return used / (1024**2 if sys.platform == "darwin" else 1024)


@dataclass(slots=True)
class Meter:
    """How far a long audit is: one line that changes on a terminal, a line every half minute elsewhere."""

    out: TextIO
    every_s: float = 30.0
    _what: str = ""
    _since: float = 0.0
    _next: float = 0.0
    _width: int = 0

    def __call__(self, progress: ScanProgress) -> None:
        now = time.monotonic()
        if progress.what != self._what:
            self._what, self._since = progress.what, now
        terminal = self.out.isatty()
        if self._next == 0.0:
            # What is over at once needs no line.
            self._next = now + (1.0 if terminal else self.every_s)
        if now < self._next:
            return
        self._next = now + (0.2 if terminal else self.every_s)
        line = _line(progress, now - self._since)
        if terminal:
            self.out.write(f"\r{line.ljust(self._width)}")
            self._width = len(line)
        else:
            self.out.write(f"{line}\n")
        self.out.flush()

    def end(self) -> None:
        """Remove the line from the terminal."""
        if self._width:
            self.out.write(f"\r{' ' * self._width}\r")
            self.out.flush()
            self._width = 0


def _line(progress: ScanProgress, seconds: float) -> str:
    speed = progress.done / seconds if seconds > 0 else 0.0
    if not progress.expected:
        return f"{progress.what}: {progress.done:,} read, {speed:,.0f} a second"
    left = max(0, progress.expected - progress.done)
    rest = f", about {left / speed:,.0f} s left" if speed else ""
    share = 100 * progress.done / progress.expected
    return (
        f"{progress.what}: {progress.done:,} of about {progress.expected:,} ({share:.0f} %),"
        f" {speed:,.0f} a second{rest}"
    )
