"""The suite is killed while a fault is in force on servers of others: afterwards nothing is left faulted."""

from __future__ import annotations

import json
import os
import shutil
import signal
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import psutil
import pytest

from support.faults import orphaned_faults, rollbacks
from support.faults.store_faults import DatabaseServer
from support.faults.toxiproxy import Toxiproxy, ToxiproxyError
from support.isolation import lease, schema
from support.isolation.names import Run
from support.isolation.processes import lives
from support.lifecycle.sweep import sweep
from support.settings import ROOT, Settings
from support.stack import servers
from support.stack.ports import free_ports
from support.stack.servers import LOOPBACK
from support.waiting import eventually
from tests.own_stores import workshop_of
from tests.running import UP_WITHIN_S, bare_environment
from tests.scenarios import arguments, of_key

SCHEMA = "platform"
ENDED_WITHIN_S = 15.0
# A suite that breaks all at once and is then killed; it knows its servers as those of others.
SUITE = """
import json, sys, time
from pathlib import Path
from support.faults import Faults
from support.faults.commands import load
from support.faults.store_faults import CacheServer, DatabaseServer
from support.lifecycle.deadman import DeadMan
told = json.loads(sys.argv[1])
faults = Faults(
    told["links"],
    {"qdrant": "of_others_qdrant", "embedding": "of_others_embedding"},
    {},
    ["postgresql", "redis", "gateway:frozen"],
    stores={
        "postgresql": DatabaseServer(told["database"], told["gateway"], told["schema"]),
        "redis": CacheServer(told["cache"]),
    },
    pairs=load(told["commands"]),
    reaper=(reaper := DeadMan.start(Path(told["log"]), Path(told["folder"]) / "faults")),
)
for target, kind in told["faults"]:
    faults.inject(target, kind)
print("struck, watched by", reaper.pid, flush=True)
time.sleep(60)
"""
FAULTS = [
    ("qdrant", "hang"),
    ("embedding", "cut"),
    ("postgresql", "full"),
    ("postgresql", "read_only"),
    ("redis", "full"),
    ("redis", "paused"),
    ("gateway", "frozen"),
]


@dataclass(frozen=True, slots=True)
class Others:
    """Servers of somebody else: the suite has not started them and must leave them as they were."""

    database: DatabaseServer
    cache_url: str
    links_url: str
    frozen: psutil.Process
    folder: Path

    def state(self) -> dict[str, Any]:
        """Everything that a fault changes, and everything that a run makes."""
        ask = self.database.ask
        control = Toxiproxy(self.links_url)
        with closing(lease.connect(self.cache_url)) as client:
            cache: dict[str, Any] = {
                name: client.config_get(name) for name in ("maxmemory", "maxmemory-policy")
            }
            cache["paused"] = client.info("clients")["paused_actions"]
            cache["keys"] = client.info("keyspace")
        return {
            "cache": cache,
            "settings of roles": ask("SELECT count(*) FROM pg_db_role_setting"),
            "triggers": ask("SELECT count(*) FROM pg_trigger WHERE tgname LIKE 'at\\_fault%'"),
            "schemas": ask("SELECT count(*) FROM pg_namespace WHERE nspname LIKE 'at\\_%'"),
            "links": {
                name: (control.link(name)["enabled"], control.link(name)["toxics"])
                for name in control.names()
            },
            "process": self.frozen.status() == psutil.STATUS_STOPPED,
        }


@pytest.fixture(scope="module")
def others() -> Iterator[Others]:
    run = Run.current()
    with workshop_of(run) as (workshop, closing):
        ports = free_ports(5)
        postgres, valkey = servers.postgres(workshop, ports[0]), servers.valkey(workshop, ports[1])
        links_url = f"http://{LOOPBACK}:{ports[2]}"
        links = servers.python_service(
            workshop,
            "links",
            "support.stack.links",
            ["--port", str(ports[2])],
            port=ports[2],
            ready=servers.answers(f"{links_url}/version", {}),
        )
        for service in (postgres.service, valkey.service, links):
            closing.callback(service.stop)
            service.start()
        servers.create_gateway_role(postgres)
        schema.create(postgres.suite_url, SCHEMA, run, servers.GATEWAY_ROLE)
        control = Toxiproxy(links_url)
        for name, port in (("of_others_qdrant", ports[3]), ("of_others_embedding", ports[4])):
            control.create(name, f"{LOOPBACK}:{port}", f"{LOOPBACK}:1")
        sleeper = subprocess.Popen(["sleep", "120"])
        closing.callback(sleeper.wait)
        closing.callback(sleeper.kill)
        database = DatabaseServer(postgres.suite_url, postgres.gateway_url, SCHEMA)
        yield Others(database, valkey.url, links_url, psutil.Process(sleeper.pid), workshop.data)


@contextmanager
def struck(others: Others, log: Path) -> Iterator[int]:
    """A suite that has broken everything; afterwards it is dead. Yields its dead-man process."""
    pid = others.frozen.pid
    commands = others.folder / "commands.toml"
    commands.write_text(f'[gateway.frozen]\ndo = "kill -STOP {pid}"\nundo = "kill -CONT {pid}"\n')
    told = {
        "links": others.links_url,
        "database": others.database.url,
        "gateway": others.database.gateway_url,
        "schema": SCHEMA,
        "cache": others.cache_url,
        "commands": str(commands),
        "log": str(log),
        "folder": str(others.folder),
        "faults": FAULTS,
    }
    before = others.state()
    suite = subprocess.Popen(
        [sys.executable, "-c", SUITE, json.dumps(told)],
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert suite.stdout is not None
        said = suite.stdout.readline()
        assert said.startswith("struck"), log.read_text()
        during = others.state()
        assert [part for part in before if before[part] == during[part]] == ["schemas"], "all is broken"
        yield int(said.split()[-1])
    finally:
        suite.kill()
        suite.communicate()


def noted(others: Others, reaper: int) -> Path:
    """The file of a dead-man process, once all the faults are in it."""

    def files() -> list[Path]:
        found = (others.folder / "faults").glob(f"{reaper}-*.json")
        return [file for file in found if len(json.loads(file.read_text())) == len(FAULTS)]

    (file,) = eventually(files, bool, within=ENDED_WITHIN_S, what="the faults are written down")
    return file


def test_a_killed_suite_leaves_no_fault_of_any_family(others: Others) -> None:
    before, log = others.state(), others.folder / "killed.log"
    with struck(others, log) as reaper:
        file = noted(others, reaper)
        assert stat.S_IMODE(file.stat().st_mode) == 0o600, "it holds passwords"
    eventually(
        log.read_text,
        lambda text: text.endswith("done\n"),
        within=ENDED_WITHIN_S,
        what="the dead-man process has done its work",
    )
    assert others.state() == before
    assert log.read_text().count("ended the fault") == len(FAULTS), log.read_text()
    assert not file.exists()


def test_what_the_death_of_a_machine_left_is_ended_by_the_next_run(
    others: Others, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = others.state()
    with struck(others, others.folder / "died.log") as reaper:
        file = noted(others, reaper)
        machine = psutil.Process(reaper)
        suite = machine.parent()
        assert suite is not None
        # It would start another one.
        suite.suspend()
        for process in (machine, suite):
            process.kill()
            eventually(
                partial(lives, process),
                lambda alive: not alive,
                within=ENDED_WITHIN_S,
                what="nobody is left to end them",
            )
    monkeypatch.setattr("support.faults.orphaned_faults.FOLDER", file.parent)
    lines = [line for line in sweep(Settings.load({}, dotenv=None)) if "fault" in line]
    assert [line.split()[0] for line in lines] == ["ended"] * len(FAULTS), lines
    assert others.state() == before
    assert not file.exists()


def test_what_cannot_be_ended_yet_is_kept_for_another_time(tmp_path: Path) -> None:
    (port,) = free_ports(1)
    rollback = rollbacks.by_cache_commands(
        f"redis://:secret-word@127.0.0.1:{port}/0", [["CLIENT", "UNPAUSE"]]
    )
    orphaned_faults.remember([{"fault": "redis paused", "rollback": rollback}], tmp_path)
    (file,) = tmp_path.glob("*.json")
    assert list(orphaned_faults.of_the_dead(tmp_path)) == [], "this process is alive"
    assert orphaned_faults.end(file) == [] and file.exists(), "nobody ends what a living process looks after"
    let_go(file)
    assert list(orphaned_faults.of_the_dead(tmp_path)) == [file]
    (line,) = orphaned_faults.end(file)
    assert "the fault redis paused of a dead run could not be removed: " in line
    assert line.endswith("rolled back by: CLIENT UNPAUSE") and "secret-word" not in line
    assert file.exists()
    orphaned_faults.remember([], tmp_path)
    assert list(tmp_path.iterdir()) == []


def let_go(file: Path) -> None:
    """As if the process had died that looks after the file."""
    orphaned_faults._held.pop(file).close()


@pytest.mark.parametrize("content", [
    b"", b"{", b"[1]", b"{}", b"null", b'[{"fault": "x"}]',
    b'[{"fault": "x", "rollback": {"by": "program"}}]',
    b'[{"fault": 1, "rollback": {"by": "program", "arguments": ["true"], "within_s": 1}}]',
    b'[{"fault": "x", "rollback": {"by": ["program"], "arguments": ["true"], "within_s": 1}}]',
    b'[{"fault": "x", "rollback": {"by": "program", "arguments": "true", "within_s": 1}}]',
    b'[{"fault": "x", "rollback": {"by": "program", "arguments": ["true"], "within_s": "1"}}]',
    b"\xff\xfe", b"[" * 100_000, b" " * 2_000_000,
])  # fmt: skip
def test_a_file_that_the_suite_has_not_written_is_told_in_one_line(content: bytes, tmp_path: Path) -> None:
    tmp_path.chmod(0o700)
    file = tmp_path / "1.json"
    file.write_bytes(content)
    assert list(orphaned_faults.of_the_dead(tmp_path)) == [file]
    (line,) = orphaned_faults.end(file)
    assert line.startswith("faults that a dead run left were not ended, because ") and "\n" not in line
    assert str(file) in line and file.exists()


@pytest.mark.parametrize(
    "by", ["another user's folder", "another user's file", "a folder for all", "a file for all", "a link"]
)
def test_a_remedy_that_others_can_have_written_is_not_carried_out(by: str, tmp_path: Path) -> None:
    folder, harmed = tmp_path / "faults", tmp_path / "harmed"
    rollback = rollbacks.by_program(["touch", str(harmed)], 5)
    orphaned_faults.remember([{"fault": "redis frozen", "rollback": rollback}], folder)
    (file,) = folder.glob("*.json")
    let_go(file)
    if by == "a folder for all":
        folder.chmod(0o777)
    elif by == "a file for all":
        file.chmod(0o666)
    elif by == "a link":
        file.replace(tmp_path / "elsewhere")
        file.symlink_to(tmp_path / "elsewhere")
    elif os.getuid() != 0:
        pytest.skip("only root can give files away")
    else:
        shutil.chown(folder if "folder" in by else file, "nobody")
    (line,) = orphaned_faults.end(file)
    assert "were not ended, because" in line and "\n" not in line
    assert not harmed.exists()


def test_a_run_that_is_killed_in_an_outage_leaves_the_servers_of_others_as_they_were(
    others: Others, tmp_path: Path
) -> None:
    """Plain behave, attached, killed at the moment in which the cache of others holds back writes."""
    before = others.state()
    run = subprocess.Popen(
        [
            sys.executable, "-m", "behave", "--no-color",
            *arguments(of_key("redis-write-fault-changes-nothing", "holds back writes")),
            "-D", f"output={tmp_path / 'output'}",
        ],
        cwd=ROOT,
        env=bare_environment(
            TEST_DATABASE_URL=others.database.url,
            TEST_REDIS_URL=others.cache_url,
            TOXIPROXY_URL=others.links_url,
            CITADEL_FAULTS="postgresql,redis:paused",
        ),
        stdin=subprocess.DEVNULL,
        stdout=(tmp_path / "printed").open("w"),
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )  # fmt: skip
    try:
        with closing(lease.connect(others.cache_url)) as client:
            eventually(
                lambda: client.info("clients")["paused_actions"],
                lambda paused: paused == "write",
                within=UP_WITHIN_S,
                what="the cache is paused",
            )
        during = others.state()
        run.send_signal(signal.SIGKILL)
    finally:
        run.kill()
        run.wait()
    assert during["schemas"] != before["schemas"] and len(during["links"]) == 7, (
        tmp_path / "printed"
    ).read_text()
    eventually(
        others.state,
        lambda state: state == before,
        within=ENDED_WITHIN_S,
        what="everything is as before",
        transient=(ToxiproxyError,),  # a link may vanish between two looks
    )
