"""Who is alive: told by heartbeats that every machine can see, whatever clocks and process numbers say."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest

from support import waiting
from support.faults import clocks
from support.faults.fault_types import LONGEST_S
from support.isolation import heartbeat, run_directories, schema
from support.isolation.heartbeat import Sign
from support.isolation.names import Run
from support.lifecycle.sweep import leftovers, sweep
from support.settings import ROOT, Settings
from support.stack import servers
from support.stack.ports import free_ports
from support.stack.process import ServiceProcess
from support.waiting import consistently, eventually
from tests.own_stores import node, workshop_of
from tests.shared_stores import DEAD_AFTER_S, WATCHED_S, AnotherRun, quick_heartbeats, remove

AN_HOUR_S = 3600
SEEN_WITHIN_S = 10.0


@dataclass(frozen=True, slots=True)
class Shared:
    """Stores that several machines use, and the file that says how wrong their clocks are."""

    settings: Settings
    services: Mapping[str, ServiceProcess]
    clock: Path

    def step(self, off_s: int) -> None:
        """Step the clocks of the running servers."""
        fresh = self.clock.with_suffix(".new")
        fresh.write_text(f"{off_s:+d}s\n")
        fresh.replace(self.clock)


ALL = {"schema", "lease", "beacon", "collection"}


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shared]:
    """PostgreSQL, Valkey and a Qdrant node of others, whose clocks can be stepped while they run."""
    if reason := clocks.why_right():
        pytest.skip(reason)
    with workshop_of(Run.current()) as (workshop, closing):
        clock = workshop.data / "clock"
        clock.write_text("+0s\n")
        ports = free_ports(3)
        postgres = servers.postgres(workshop, ports[0])
        valkey = servers.valkey(workshop, ports[1])
        qdrant = node(workshop, ports[2])
        services = {"postgresql": postgres.service, "redis": valkey.service, "qdrant": qdrant}

        def start(service: ServiceProcess) -> None:
            service.environment = {
                **service.environment,
                "LD_PRELOAD": str(service.clock.library),
                "FAKETIME_TIMESTAMP_FILE": str(clock),
                "FAKETIME_NO_CACHE": "1",
                "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            }
            closing.callback(service.stop)
            service.start()
            clocks.tidy(service.pid)

        with ThreadPoolExecutor(3) as pool:
            list(pool.map(start, services.values()))
        given = {
            "TEST_DATABASE_URL": postgres.suite_url,
            "TEST_REDIS_URL": valkey.url,
            "QDRANT_URL": f"http://{servers.LOOPBACK}:{ports[2]}",
        }
        yield Shared(Settings.load(given, dotenv=None), services, clock)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    quick_heartbeats(monkeypatch, tmp_path)


@pytest.fixture
def living(shared: Shared) -> Iterator[AnotherRun]:
    """A run that lives all the time."""
    run = AnotherRun(shared.settings).start()
    yield run
    shared.step(0)
    run.die()
    remove(run)


def test_the_figures_of_a_real_run_leave_room_for_the_longest_fault() -> None:
    real = subprocess.run(
        [
            sys.executable, "-c",
            "from support.isolation.heartbeat import *; print(BEAT_EVERY_S, WATCHED_S, DEAD_AFTER_S)",
        ],
        cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True, timeout=60,
    )  # fmt: skip
    every, watched, dead = map(float, real.stdout.split())
    assert 3 * every < watched
    assert LONGEST_S + watched < dead
    assert f"older than {dead:g} seconds" in " ".join((ROOT / "docs" / "own-platform.md").read_text().split())


def test_a_living_run_is_left_alone_and_nobody_waits_for_that(shared: Shared, living: AnotherRun) -> None:
    waits = len(waiting.SPANS)
    assert sweep(shared.settings) == []
    assert sweep(shared.settings, also_kept=True) == []
    assert living.left() == ALL
    assert len(waiting.SPANS) == waits


def test_where_nothing_is_left_nobody_waits(shared: Shared) -> None:
    waits = len(waiting.SPANS)
    assert leftovers(shared.settings, also_kept=True) == []
    assert len(waiting.SPANS) == waits


def test_a_dead_run_is_removed_from_every_store_and_nothing_else(shared: Shared, living: AnotherRun) -> None:
    dead = AnotherRun(shared.settings).start()
    dead.die()
    assert sweep(shared.settings) == [], "it was alive a moment ago"
    assert dead.left() == ALL
    lines = eventually(
        lambda: sweep(shared.settings), bool, within=3 * DEAD_AFTER_S, what="the dead run is swept"
    )
    while dead.left():
        lines += eventually(lambda: sweep(shared.settings), bool, within=3 * DEAD_AFTER_S, what="the rest")
    assert len(lines) == 3, lines
    assert all("of a dead run" in line for line in lines)
    assert living.left() == ALL


@pytest.mark.parametrize("off_s", [AN_HOUR_S, -AN_HOUR_S], ids=["ahead", "behind"])
def test_a_clock_that_is_stepped_on_the_servers_changes_nothing(
    shared: Shared, living: AnotherRun, off_s: int
) -> None:
    """Right after the step every beat is an hour old, or will come in an hour; the dead are dead still."""
    dead = AnotherRun(shared.settings).start()
    dead.die()
    shared.step(off_s)
    eventually(
        lambda: shared.services["postgresql"].clock.tell(),
        lambda told: abs(told - time.time() - off_s) < 60,
        within=SEEN_WITHIN_S,
        what="the clock is stepped",
    )
    while dead.left():
        sweep(shared.settings)
        assert living.left() == ALL


@pytest.mark.parametrize("store", ["postgresql", "redis", "qdrant"])
def test_a_heartbeat_goes_on_after_a_restart_of_its_store(
    shared: Shared, living: AnotherRun, store: str
) -> None:
    before = living.signs()
    service = shared.services[store]
    service.kill()
    service.start()
    clocks.tidy(service.pid)
    eventually(
        living.signs,
        lambda signs: set(signs) == set(before) and signs[store] != before[store],
        within=SEEN_WITHIN_S,
        what=f"the run beats in {store} again",
        transient=(Exception,),
    )
    assert sweep(shared.settings) == []


def test_a_run_that_could_not_beat_while_the_stores_stood_still_is_not_dead(
    shared: Shared, living: AnotherRun
) -> None:
    for service in shared.services.values():
        service.pause()
    try:
        # This process cannot look meanwhile either, which says nothing about the run.
        consistently(lambda: True, bool, during=1.2 * DEAD_AFTER_S, what="the stores stand still")
    finally:
        for service in shared.services.values():
            service.resume()
    assert sweep(shared.settings) == []
    assert living.left() == ALL


def test_one_store_in_which_a_run_beats_is_enough(shared: Shared, living: AnotherRun) -> None:
    """It is cut off from the others: its things there are left alone as well."""
    for end in living._ends[:2]:
        end()
    consistently(lambda: True, bool, during=1.5 * DEAD_AFTER_S, what="it beats in Qdrant alone")
    assert sweep(shared.settings) == []
    assert living.left() == ALL


@pytest.mark.parametrize("age", [None, 2 * DEAD_AFTER_S, -AN_HOUR_S, AN_HOUR_S])
@pytest.mark.parametrize("alive", [True, False])
def test_an_odd_age_is_no_death_before_the_beat_was_watched(age: float | None, alive: bool) -> None:
    looks: list[int] = []

    def look() -> Mapping[str, list[Sign]]:
        looks.append(1)
        return {"a run": [Sign(f"qdrant {len(looks) // 3 if alive else 0}", age)]}

    started = time.monotonic()
    dead = heartbeat.stopped({"a run": [Sign("qdrant 0", age)]}, look)
    took = time.monotonic() - started
    assert dead == (set() if alive else {"a run"})
    if not alive:
        assert took >= (DEAD_AFTER_S if age is None else WATCHED_S)


KILLED = """
import sys, time
from support.isolation import run_directories, schema
from support.isolation.names import Run
url, run = sys.argv[1], Run.current()
directory = run_directories.new_name(run, "w0")
run_directories.make(directory)
schema.create(url, f"{run.prefix}w0", run)
print(directory, flush=True)
time.sleep(60)
"""


def test_a_directory_tells_at_once_that_its_run_lives_or_was_killed_unless_it_is_a_copy(
    shared: Shared, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(heartbeat, "DEAD_AFTER_S", 60.0)
    directories, clone = tmp_path / "machine", tmp_path / "clone"
    directories.mkdir()
    url = shared.settings.database_url or ""
    process = subprocess.Popen(
        [sys.executable, "-c", KILLED, url],
        cwd=ROOT, env={**os.environ, "TMPDIR": str(directories)}, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdout is not None
    try:
        path = Path(process.stdout.readline().strip())
        run = Run.of(path.name)
        assert run is not None
        monkeypatch.setattr(tempfile, "tempdir", str(directories))
        assert sweep(shared.settings) == [] and path.exists()
        shutil.copytree(directories, clone)
        monkeypatch.setattr(tempfile, "tempdir", str(clone))
        (line,) = sweep(shared.settings)
        assert line == f"removed the run directory {clone / path.name}"
        assert [each.run for each in schema.ours(url)] == [run]
        process.send_signal(signal.SIGKILL)
        process.wait()
        monkeypatch.setattr(tempfile, "tempdir", str(directories))
        assert sweep(shared.settings) == [
            f"removed the run directory {path}",
            f"dropped the schema {path.name.rpartition('_')[0]} of a dead run",
        ]
        assert list(directories.iterdir()) == []
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def test_a_directory_is_held_by_its_run_and_then_by_one_sweep_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    directory = run_directories.new_name(Run.current(), "w0")
    run_directories.make(directory)
    assert not run_directories.abandoned(directory)
    os.close(run_directories._held.pop(directory))
    assert run_directories.abandoned(directory)
    with run_directories.seized(directory) as first, run_directories.seized(directory) as second:
        assert (first, second) == (True, False)
        assert not run_directories.abandoned(directory)
