"""The dead-man process: a killed suite leaves nothing behind, a living or orderly one is left alone."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import psutil
import pytest

from support.isolation import lease, schema
from support.isolation.beacon import Beacon
from support.isolation.names import Run
from support.isolation.processes import GUARD, Identity, carriers, lives
from support.lifecycle.deadman import SUITE_ENDING, DeadMan, DeadManGone
from support.settings import ROOT
from support.waiting import consistently, eventually
from tests.own_stores import Endpoints, started

# A server that has a descendant in a session of its own, as PostgreSQL has, and one in its own session.
SERVER = """
import subprocess, sys, time
sleep = [sys.executable, "-c", "import time; time.sleep(60)"]
own = subprocess.Popen(sleep, start_new_session=True)
same = subprocess.Popen(sleep)
print(own.pid, same.pid, flush=True)
time.sleep(60)
"""
# A suite that starts that server, registers it and a directory, and obeys one word on its input.
SUITE = """
import json, os, subprocess, sys
from pathlib import Path
from support.lifecycle.deadman import DeadMan
directory, script = Path(sys.argv[1]), sys.argv[2]
deadman = DeadMan.start(directory / "deadman.log")
run = directory / "run"
run.mkdir()
(run / "data").write_text("data")
removal = deadman.remove_directory(run)
server = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, start_new_session=True)
deadman.end_process(server.pid)
children = list(map(int, server.stdout.readline().split()))
print(json.dumps({"deadman": deadman.pid, "processes": [server.pid, *children]}), flush=True)
word = sys.stdin.readline().strip()
if word == "disarm":
    deadman.disarm()
elif word == "forget":
    deadman.forget(removal)
elif word == "lose-server":
    server.kill()
    server.wait()
print("done", flush=True)
sys.stdin.readline()
"""


@dataclass(frozen=True, slots=True)
class Suite:
    """A suite process under test and what it has started."""

    process: subprocess.Popen[str]
    directory: Path
    deadman: psutil.Process
    server: psutil.Process
    own_session: psutil.Process
    same_session: psutil.Process

    def tell(self, word: str) -> None:
        """Let it do what ``word`` says; returns when it has."""
        assert self.process.stdin is not None and self.process.stdout is not None
        self.process.stdin.write(f"{word}\n")
        self.process.stdin.flush()
        assert self.process.stdout.readline() == "done\n"

    def kill(self) -> None:
        """SIGKILL the suite alone."""
        self.process.kill()
        self.process.wait()

    @property
    def started(self) -> list[psutil.Process]:
        return [self.server, self.own_session, self.same_session]

    def deadmen(self) -> list[psutil.Process]:
        """Its dead-man processes."""
        mine = [each for each, mark in carriers(variable=GUARD) if mark.owner.pid == self.process.pid]
        return [psutil.Process(each.pid) for each in mine]

    def ended(self) -> None:
        """Wait until the dead-man process has done its work; what it did is in its log."""
        gone(self.deadman)

    @property
    def log(self) -> str:
        return (self.directory / "deadman.log").read_text()


@contextmanager
def suite(directory: Path) -> Iterator[Suite]:
    """A running suite; whatever it leaves is ended in the end."""
    process = subprocess.Popen(
        [sys.executable, "-c", SUITE, str(directory), SERVER],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    )
    assert process.stdin is not None and process.stdout is not None
    told = json.loads(process.stdout.readline())
    server, own, same = map(psutil.Process, told["processes"])
    started = Suite(process, directory, psutil.Process(told["deadman"]), server, own, same)
    try:
        yield started
    finally:
        process.kill()
        process.wait()
        for left in (*started.started, started.deadman):
            if lives(left):
                left.kill()
        process.stdin.close()
        process.stdout.close()


def gone(process: psutil.Process) -> None:
    """Wait until a process has ended."""
    eventually(lambda: lives(process), lambda alive: not alive, within=8, what=f"{process.pid} has ended")


def test_a_killed_suite_leaves_nothing(tmp_path: Path) -> None:
    with suite(tmp_path) as run:
        run.server.suspend()
        # What ends the suite must not end its reaper.
        for number in SUITE_ENDING:
            os.kill(run.deadman.pid, number)
        run.kill()
        run.ended()
        assert [process.pid for process in run.started if lives(process)] == []
        assert not (tmp_path / "run").exists()
        assert "done" in run.log


def test_descendants_of_a_server_that_died_first_are_ended_too(tmp_path: Path) -> None:
    with suite(tmp_path) as run:
        run.tell("lose-server")
        assert lives(run.same_session)
        run.kill()
        run.ended()
        assert not lives(run.same_session)


def test_a_disarmed_one_leaves_all_alone(tmp_path: Path) -> None:
    with suite(tmp_path) as run:
        run.tell("disarm")
        gone(run.deadman)
        run.kill()
        consistently(
            lambda: all(lives(process) for process in run.started), bool, during=0.3, what="all live"
        )
        assert (tmp_path / "run" / "data").exists()
        assert run.log == ""


def test_what_was_forgotten_is_left_alone(tmp_path: Path) -> None:
    with suite(tmp_path) as run:
        run.tell("forget")
        run.kill()
        run.ended()
        assert (tmp_path / "run" / "data").exists()


def test_a_process_that_only_inherited_the_number_is_left_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stranger = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"], start_new_session=True)
    try:
        deadman = DeadMan.start(tmp_path / "deadman.log")
        with monkeypatch.context() as patch:
            patch.setattr(Identity, "of", lambda pid: Identity(pid, 1))
            deadman.end_process(stranger.pid)
        abandon(deadman)
        assert stranger.poll() is None
        assert "ended 0 processes" in (tmp_path / "deadman.log").read_text()
    finally:
        stranger.kill()
        stranger.wait()


@pytest.fixture(scope="module")
def stores() -> Iterator[Endpoints]:
    """Servers of others, in which runs have a schema and a database."""
    with started() as endpoints:
        yield endpoints


def test_schema_and_lease_of_the_dead_run_are_given_back(stores: Endpoints, tmp_path: Path) -> None:
    run = Run.current()
    ours, foreign = f"{run.prefix}w0", "belongs_to_others"
    schema.create(stores.database_url, ours, run)
    connection = schema.connect(stores.database_url)
    taken = lease.take(stores.redis_url, run)
    client = lease.connect(taken.url)
    client.set("citadel:v1:key", "value")
    client.set("of others", "value")
    with connection.cursor() as cursor:
        cursor.execute(f"CREATE SCHEMA {foreign}")
        deadman = DeadMan.start(tmp_path / "deadman.log")
        for name in (ours, foreign, "at_missing"):
            deadman.drop_schema(stores.database_url, name)
        deadman.release_redis(taken.url, lease.index_of(taken.url), lease.LEASE_KEY)
        abandon(deadman)
        cursor.execute("SELECT nspname FROM pg_namespace WHERE nspname IN (%s, %s)", (ours, foreign))
        assert cursor.fetchall() == [(foreign,)]
    assert client.keys() == [b"of others"]
    connection.close()
    client.flushdb()
    client.close()


def test_collections_of_the_dead_run_are_deleted_and_no_others(stores: Endpoints, tmp_path: Path) -> None:
    run, others = Run.current(), Run.current()
    light = Beacon(stores.qdrant_url, None, run)
    light.light()
    left = {f"{others.prefix}s001_handbook", "of_others"}
    for name in (f"{run.prefix}s001_handbook", *left):
        body = {"vectors": {"size": 4, "distance": "Dot"}}
        url = f"{stores.qdrant_url}/collections/{name}"
        httpx.put(url, json=body, trust_env=False).raise_for_status()
    deadman = DeadMan.start(tmp_path / "deadman.log")
    for each in (run, others):
        deadman.delete_collections(stores.qdrant_url, None, each)
    light._heart.stop()
    abandon(deadman)
    told = httpx.get(f"{stores.qdrant_url}/collections", trust_env=False).json()["result"]["collections"]
    assert {each["name"] for each in told} == left


def test_a_database_that_another_run_has_leased_since_is_left_alone(
    stores: Endpoints, tmp_path: Path
) -> None:
    run = Run.current()
    taken = lease.take(stores.redis_url, run)
    client = lease.connect(taken.url)
    deadman = DeadMan.start(tmp_path / "deadman.log")
    deadman.release_redis(taken.url, lease.index_of(taken.url), lease.LEASE_KEY)
    taken.release()
    other = lease.take(stores.redis_url, Run.current())
    assert other.url == taken.url
    client.set("citadel:v1:key", "of the other run")
    abandon(deadman)
    assert client.dbsize() == 2
    other.release()
    client.close()


def abandon(deadman: DeadMan) -> None:
    """End the pipe as the end of the suite would; returns when the dead-man process has done its work."""
    deadman._disarmed = True
    deadman._pipe.close()
    deadman._process.wait(8)


def test_stores_that_cannot_be_reached_are_told_without_their_secrets(tmp_path: Path) -> None:
    deadman = DeadMan.start(tmp_path / "deadman.log")
    deadman.drop_schema("postgresql://suite:secret-word@127.0.0.1:1/db", "at_schema")
    deadman.drop_schema("postgresql://suite:secret-word@127.0.0.1:nonsense/db", "at_schema")
    last = tmp_path / "last"
    last.mkdir()
    deadman.remove_directory(last)
    abandon(deadman)
    log = (tmp_path / "deadman.log").read_text()
    assert log.count("_drop_schema failed") == 2
    assert "secret-word" not in log
    assert not last.exists(), "one failure stops nothing else"


def test_disarm_ends_it_at_once_and_again_does_nothing(tmp_path: Path) -> None:
    deadman = DeadMan.start(tmp_path / "deadman.log")
    deadman.disarm()
    deadman.disarm()
    deadman.forget("1")
    assert deadman._process.poll() == 0


def test_another_reaper_follows_one_that_was_killed(tmp_path: Path) -> None:
    """It knows all that the first one knew."""
    with suite(tmp_path) as run:
        first = run.deadman
        first.kill()
        (follower,) = eventually(
            lambda: [each for each in run.deadmen() if each != first],
            bool,
            within=8,
            what="there is another dead-man process",
        )
        run.kill()
        gone(follower)
        assert [process.pid for process in run.started if lives(process)] == []
        assert not (tmp_path / "run").exists()


def test_a_run_that_nobody_would_clean_up_after_ends(tmp_path: Path) -> None:
    with suite(tmp_path) as run:

        def kill_all() -> int | None:
            for each in run.deadmen():
                each.kill()
            return run.process.poll()

        eventually(
            kill_all,
            lambda code: code == -signal.SIGTERM,
            within=20,
            what="the run has ended",
        )


def test_a_dead_reaper_is_told(tmp_path: Path) -> None:
    """Also when the run has not been ended yet."""
    deadman = DeadMan.start(tmp_path / "deadman.log")
    deadman.disarm()
    with pytest.raises(DeadManGone, match=r"deadman\.log"):
        deadman.remove_directory(tmp_path / "none")
