"""Real runs that share stores, a host name and their process numbers: none touches what is another's.

Each works in a pid namespace of its own, as in a container with the network of its host.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path

import httpx
import psycopg2
import pytest

from support.faults import clocks
from support.isolation import lease
from support.isolation.names import Run
from support.settings import ROOT
from support.stack.ports import free_ports
from support.waiting import eventually
from tests.own_stores import node, workshop_of
from tests.running import bare_environment

DATABASE = os.environ.get("ATTACHED_DATABASE_URL", "")
CACHE = os.environ.get("ATTACHED_REDIS_URL", "")
NAMESPACE = ("unshare", "--pid", "--fork", "--kill-child", "--mount-proc")
# The first process of a namespace collects the orphans, which behave would not.
AS_FIRST = ("sh", "-c", '"$@"; exit $?', "sh")
IN_THE_MIDDLE_WITHIN_S = 240.0
ENDED_WITHIN_S = 240.0
AN_HOUR_S = 3600
FOREIGN = "at_0123456789abcdef_handbook"
# Long enough for another run to begin and to end in its middle; and such a run.
AREA = "features/data_consistency"
LONG = (f"{AREA}/cache.feature", f"{AREA}/separate_lives.feature", f"{AREA}/two_stores.feature")
SHORT = (f"{AREA}/two_stores.feature", "-t", "@smoke")


def _without_namespaces() -> bool:
    try:
        return subprocess.run([*NAMESPACE, "true"], capture_output=True, timeout=10).returncode != 0
    except OSError:
        return True


pytestmark = [
    pytest.mark.proof,
    pytest.mark.skipif(
        not (DATABASE and CACHE), reason="ATTACHED_DATABASE_URL and ATTACHED_REDIS_URL are not set"
    ),
    pytest.mark.skipif(_without_namespaces(), reason="no pid namespace can be made here (unshare --pid)"),
]


@dataclass(slots=True)
class Machine:
    """A run in a namespace of its own, its clock off by so many seconds."""

    name: str
    folder: Path
    qdrant_url: str
    library: Path
    off_s: int = 0
    _process: subprocess.Popen[bytes] | None = None

    def start(self, closing_all: ExitStack, *selection: str) -> Machine:
        """Start it."""
        output = self.folder / self.name / "output"
        (temporary := self.folder / self.name / "tmp").mkdir(parents=True)
        # PostgreSQL or a clock's library may be used by another account.
        temporary.chmod(0o755)
        wrong = clocks.settings(self.library, self.off_s) if self.off_s else {}
        with (self.folder / self.name / "printed").open("wb") as printed:
            self._process = process = subprocess.Popen(
                [
                    *NAMESPACE, *AS_FIRST, sys.executable, "-u", "-m", "behave", "--no-color", *selection,
                    "-D", f"output={output}", "-D", f"allure_results={output / 'allure-results'}",
                    "--junit-directory", str(output / "junit"),
                ],
                cwd=ROOT,
                env=bare_environment(
                    TEST_DATABASE_URL=DATABASE, TEST_REDIS_URL=CACHE, QDRANT_URL=self.qdrant_url,
                    TEST_PARALLEL_WORKERS="1", TMPDIR=str(temporary), **wrong,
                ),
                stdin=subprocess.DEVNULL,
                stdout=printed,
                stderr=subprocess.STDOUT,
            )  # fmt: skip
        closing_all.callback(process.wait, 20)
        closing_all.callback(process.kill)
        return self

    @property
    def printed(self) -> str:
        return (self.folder / self.name / "printed").read_text()

    @property
    def runs(self) -> bool:
        """Whether it has not ended yet."""
        return self._process is not None and self._process.poll() is None

    def in_the_middle(self) -> None:
        """Wait until it has ended its first scenario."""
        eventually(
            lambda: re.search(r"^\[ *1\b", self.printed, re.M) is not None or not self.runs,
            bool,
            within=IN_THE_MIDDLE_WITHIN_S,
            what=f"{self.name} is in the middle",
        )
        assert self.runs, self.printed

    def is_green(self) -> None:
        """Wait for its end: it must be good."""
        assert self._process is not None
        code = self._process.wait(ENDED_WITHIN_S)
        assert code == 0, self.printed

    @property
    def run(self) -> str:
        """The id of its run."""
        told = re.search(r"attached mode, run (\w+)", self.printed)
        assert told, self.printed
        return told[1]

    @property
    def prefix(self) -> str:
        """What its things begin with."""
        return f"at_{self.run}_"


def _left(prefix: str, qdrant_url: str) -> list[str]:
    """What of a run is in the stores."""
    with closing(psycopg2.connect(DATABASE, connect_timeout=3)) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT nspname FROM pg_namespace WHERE starts_with(nspname, %s)", (prefix,))
        found = [str(name) for (name,) in cursor.fetchall()]
    found += [f"Redis {each.index}" for each in lease.leases(CACHE) if each.run.prefix == prefix]
    listed = httpx.get(f"{qdrant_url}/collections", trust_env=False).json()["result"]["collections"]
    return found + [each["name"] for each in listed if each["name"].startswith(prefix)]


@pytest.fixture(scope="module")
def qdrant() -> Iterator[tuple[str, Path]]:
    """A Qdrant of somebody else, with a collection whose name is like ours; and what makes clocks wrong."""
    if reason := clocks.why_right():
        pytest.skip(reason)
    with workshop_of(Run.current()) as (workshop, closing_all):
        (port,) = free_ports(1)
        service = node(workshop, port)
        closing_all.callback(service.stop)
        service.start()
        url = f"http://127.0.0.1:{port}"
        body = {"vectors": {"size": 4, "distance": "Dot"}}
        httpx.put(f"{url}/collections/{FOREIGN}", json=body, trust_env=False).raise_for_status()
        yield url, service.clock.library


def test_runs_that_overlap_on_shared_stores_are_green_whatever_their_clocks_say(
    qdrant: tuple[str, Path], tmp_path: Path
) -> None:
    """One begins and ends in the middle of another, an hour ahead; the next outlives it, an hour behind."""
    url, library = qdrant
    with ExitStack() as closing_all:
        first = Machine("first", tmp_path, url, library).start(closing_all, *LONG)
        first.in_the_middle()
        inside = Machine("inside", tmp_path, url, library, AN_HOUR_S).start(closing_all, *SHORT)
        inside.is_green()
        assert first.runs, "the first one was to be in its middle"
        longer = Machine("longer", tmp_path, url, library, -AN_HOUR_S).start(closing_all, LONG[-1])
        longer.in_the_middle()
        first.is_green()
        longer.is_green()
        machines = (first, inside, longer)
        for machine in machines:
            assert _left(machine.prefix, url) == []
            # Of dead runs of other tests it may have removed something.
            swept = [line for line in machine.printed.splitlines() if "dead run" in line]
            assert [line for line in swept if any(each.run in line for each in machines)] == []
        assert _left(FOREIGN, url) == [FOREIGN]
