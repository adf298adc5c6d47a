"""Whoever of the suite is killed, and whenever: no process and no directory is left, nothing else touched."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path

import psutil
import pytest

from support.isolation import run_directories
from support.isolation.names import Run
from support.isolation.processes import MARK, Identity, own_mark
from support.lifecycle.sweep import sweep
from support.settings import ROOT, Settings
from support.stack import servers
from support.stack.ports import free_ports
from support.waiting import eventually
from tests.own_stores import workshop_of
from tests.running import bare_environment

# What everything of one run under test has in its environment, whether the suite knows it or not.
BELONGS = "AIMED_RUN"
GONE_WITHIN_S = 45.0
# Python loads what lies here before anything else.
SITE = ROOT / "tests" / "kills" / "site"
VICTIMS = (
    ("self",),
    ("self", "deadman"),
    ("deadman",),
    ("server",),
    ("parent",),
    ("parent", "self"),
    ("parent", "deadman"),
    ("parent", "self", "deadman"),
    ("server", "self"),
    ("server", "deadman"),
)
# How often each moment comes in a run in small: the dead-man process and four servers are started; what is
# told are five registrations, five things to forget and the end.
TIMES = {"start": 5, "started": 5, "told": 11}
NOBODY = "nobody was there to be killed"


@dataclass(frozen=True, slots=True)
class Aim:
    """One kill."""

    moment: str
    time: int
    victims: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.moment}-{self.time}-{'+'.join(self.victims)}"


ALL = [
    Aim(moment, number, victims)
    for moment, times in TIMES.items()
    for number, victims in product(range(1, times + 1), VICTIMS)
]
# Every victim, and moments of all kinds.
SAMPLE = [aim for place, aim in enumerate(ALL) if place % 21 == 1]


@pytest.mark.parametrize("aim", SAMPLE, ids=str)
def test_nothing_is_left_of_a_run_in_small(aim: Aim, others: Others) -> None:
    assert struck_in_small(aim) == ""
    others.stand_by()


@pytest.mark.proof
def test_nothing_is_left_after_any_of_200_kills(others: Others) -> None:
    with ThreadPoolExecutor(4) as pool:
        left = dict(zip(map(str, ALL), pool.map(struck_in_small, ALL), strict=True))
    # Before the first start there is no server yet, at the end no dead-man process any more.
    struck = {aim: what for aim, what in left.items() if what != NOBODY}
    assert {aim: what for aim, what in struck.items() if what} == {}
    assert len(struck) >= 200
    others.stand_by()


def struck_in_small(aim: Aim) -> str:
    """Kill in a run in small; what is left afterwards, in words, once the next run has begun."""
    with place() as folder:
        # One whose command is killed has to end by itself.
        hold_s = "60" if "parent" in aim.victims else "0.2"
        command = [sys.executable, "-m", "tests.kills.small", "command", str(folder / "logs"), hold_s]
        return left_by(command, folder, {"in": "run", **aim_of(aim, folder)})


# Of a whole run: the process of behave starts two workers, or eight processes by itself; so does each worker.
REAL = [
    ("run", 2, Aim("started", 1, ("self",))),
    ("run", 2, Aim("started", 2, ("self",))),
    ("run", 2, Aim("start", 2, ("parent",))),
    ("run", 2, Aim("started", 2, ("parent", "self"))),
    ("run", 1, Aim("started", 2, ("self",))),
    ("run", 1, Aim("started", 3, ("self", "deadman"))),
    ("run", 1, Aim("started", 5, ("parent",))),
    ("run", 1, Aim("told", 4, ("deadman",))),
    ("run", 1, Aim("told", 6, ("self",))),
    ("run", 1, Aim("started", 9, ("parent", "self", "deadman"))),
    ("worker", 2, Aim("start", 1, ("self",))),
    ("worker", 2, Aim("started", 1, ("self",))),
    ("worker", 2, Aim("started", 4, ("self", "deadman"))),
    ("worker", 2, Aim("started", 5, ("self", "parent"))),
    ("worker", 2, Aim("told", 5, ("server", "self"))),
    ("worker", 2, Aim("told", 8, ("parent",))),
    ("up", 1, Aim("start", 3, ("self",))),
    ("up", 1, Aim("started", 5, ("self",))),
    ("up", 1, Aim("told", 6, ("self", "deadman"))),
    ("fuzz", 1, Aim("started", 4, ("self",))),
    ("fuzz", 1, Aim("told", 7, ("server", "self", "deadman"))),
    ("flakiness", 1, Aim("started", 1, ("self",))),
]
# What each command is asked for.
ASKED = {"up": (), "fuzz": ("--seconds", "30"), "flakiness": ("--runs", "2")}


@pytest.mark.proof
@pytest.mark.parametrize("within, workers, aim", REAL, ids=str)
def test_nothing_is_left_of_a_whole_run(within: str, workers: int, aim: Aim, others: Others) -> None:
    with place() as folder:
        arguments = [
            "--no-color", "-t", "@smoke", "features/security/secret_leaks.feature",
            "features/environment/set_up.feature", "-D", f"output={folder / 'output'}",
        ]  # fmt: skip
        # Only a run that ends by itself would go on to build the report.
        starter = ["support", "acceptance"] if within == "run" and "parent" in aim.victims else ["behave"]
        if within in ASKED:
            starter = ["support", within, *ASKED[within]]
            arguments = arguments[1:-2] if within == "flakiness" else []
        told = {"in": within, **aim_of(aim, folder)}
        command = [sys.executable, "-m", *starter, *arguments]
        assert left_by(command, folder, told, workers) == ""
        if aim.victims == ("parent",) and within == "run":
            assert list((folder / "output" / "allure-results").glob("*.json")), "what it knows is written"
    others.stand_by()


def aim_of(aim: Aim, folder: Path) -> dict[str, object]:
    return {
        "moment": aim.moment,
        "time": aim.time,
        "victims": aim.victims,
        "file": str(folder / "struck"),
    }


def left_by(command: list[str], folder: Path, aim: dict[str, object], workers: int = 1) -> str:
    """Start a run that is killed at an aimed moment; what is left of it in the end."""
    word = secrets.token_hex(8)
    environment = bare_environment(
        **{
            BELONGS: word,
            "AIMED_KILL": json.dumps(aim),
            "TMPDIR": str(folder / "tmp"),
            "TEST_PARALLEL_WORKERS": str(workers),
            "PYTHONPATH": os.pathsep.join([str(SITE), str(ROOT)]),
        }
    )
    with (folder / "printed").open("wb") as printed:
        process = subprocess.Popen(
            command,
            cwd=ROOT,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=printed,
            stderr=printed,
            start_new_session=True,
        )
    eventually(process.poll, lambda code: code is not None, within=240, what="the command has ended")
    if not (folder / "struck").exists():
        return "the moment did not come:\n" + (folder / "printed").read_text()
    struck = json.loads((folder / "struck").read_text())
    if not struck:
        return NOBODY
    # Who would clean up may have been killed as well: then the next start does, and only then.
    alone = not {"self", "deadman"} <= set(struck)
    if not alone:
        next_start(folder)
    try:
        eventually(
            lambda: [*belonging(word), *map(str, (folder / "tmp").glob("at_*"))],
            lambda found: not found,
            within=GONE_WITHIN_S,
            what=f"all is gone {'by itself' if alone else 'after the next start'}",
        )
    except AssertionError as error:
        logs = "".join(each.read_text(errors="replace") for each in folder.rglob("deadman*.log"))
        return f"{error}\n{(folder / 'printed').read_text()}\n{logs}"
    finally:
        for each in belonging(word):
            with suppress(ProcessLookupError):
                os.kill(int(each.split()[0]), signal.SIGKILL)
    return ""


def next_start(folder: Path) -> None:
    """What every run does before it begins."""
    script = "from support.lifecycle.sweep import sweep; from support.settings import Settings; "
    script += "print(sweep(Settings.load({}, dotenv=None)))"
    subprocess.run(
        [sys.executable, "-c", script],
        cwd=ROOT,
        env=bare_environment(TMPDIR=str(folder / "tmp")),
        check=True,
        timeout=90,
        stdout=subprocess.DEVNULL,
    )


def belonging(word: str) -> list[str]:
    """Everything on this machine that was started in a run under test."""
    found = []
    for pid in psutil.pids():
        try:
            environment = Path(f"/proc/{pid}/environ").read_bytes()
            words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")[:5]
        except OSError:
            continue
        if f"{BELONGS}={word}".encode() in environment and Identity.of(pid) is not None:
            found.append(f"{pid} {words}")
    return found


@contextmanager
def place() -> Iterator[Path]:
    """A folder for one run, which PostgreSQL's account may pass through."""
    folder = Path(tempfile.mkdtemp(prefix="kills_"))
    try:
        folder.chmod(0o755)
        (folder / "tmp").mkdir()
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def test_a_run_goes_on_when_the_shell_that_started_it_ends() -> None:
    """Only what the suite itself has started ends with who started it: `nohup behave &` and CI do not."""
    word = secrets.token_hex(8)
    with place() as folder:
        command = f"{sys.executable} -m tests.kills.small run {folder / 'logs'} 2 & sleep 1"
        with (folder / "printed").open("wb") as printed:
            subprocess.run(
                ["sh", "-c", command],
                cwd=ROOT,
                env=bare_environment(**{BELONGS: word, "TMPDIR": str(folder / "tmp")}),
                stdin=subprocess.DEVNULL,
                stdout=printed,
                stderr=printed,
                timeout=60,
                check=True,
            )
        assert belonging(word), "the shell has ended before the run"
        eventually(lambda: belonging(word), lambda found: not found, within=60, what="it has ended by itself")
        assert (folder / "printed").read_text() == "ended gracefully\n"


def test_a_postgresql_that_was_killed_leaves_no_shared_memory() -> None:
    with workshop_of(Run.current()) as (workshop, _closing):
        service = servers.postgres(workshop, *free_ports(1)).service
        service.start()
        maker = service.pid
        assert memory_of(maker), "PostgreSQL asks the system for memory"
        mapped = [each.path for each in psutil.Process(maker).memory_maps()]
        assert [path for path in mapped if path.startswith("/dev/shm")] == [], "files there would stay"
        service.kill()
        assert memory_of(maker), "the system keeps it"
    assert memory_of(maker) == []


def test_a_postgresql_that_was_killed_while_it_prepared_leaves_no_shared_memory(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As the dead-man process ends it, between the start of ``initdb`` and its end."""
    killed: list[int] = []

    def run(command: list[str], **options: object) -> None:
        for name in ("check", "capture_output", "timeout"):
            del options[name]
        with subprocess.Popen(
            command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **options
        ) as initdb:  # type: ignore[call-overload]
            lock = Path(command[command.index("-D") + 1]) / "postmaster.pid"
            noted = eventually(
                lambda: lock.read_text().splitlines(),
                lambda lines: len(lines) >= 7,
                within=30,
                what="memory is noted",
                transient=(FileNotFoundError,),
            )
            killed.append(abs(int(noted[0])))
            os.kill(killed[0], signal.SIGKILL)
            initdb.kill()
        assert memory_of(killed[0])
        raise KeyboardInterrupt

    monkeypatch.setattr(subprocess, "run", run)
    with pytest.raises(KeyboardInterrupt), workshop_of(Run.current()) as (workshop, _closing):
        servers.postgres(workshop, *free_ports(1))
    eventually(lambda: memory_of(*killed), lambda left: not left, within=5, what="the memory is given back")


def memory_of(maker: int) -> list[str]:
    """The pieces of memory that a process has asked the system for."""
    lines = Path("/proc/sysvipc/shm").read_text().splitlines()[1:]
    return [line for line in lines if line.split()[4] == str(maker)]


# --- what must not be touched


@dataclass(frozen=True, slots=True)
class Others:
    """Processes and directories that look like something of the suite and are not."""

    processes: tuple[subprocess.Popen[bytes], ...]
    directories: tuple[Path, ...]

    def stand_by(self) -> None:
        """Complain if one of them is gone."""
        assert [each.args for each in self.processes if each.poll() is not None] == []
        assert [each for each in self.directories if not each.is_dir()] == []


@pytest.fixture
def others(tmp_path: Path) -> Iterator[Others]:
    dead = replace(own_mark(), owner=Identity(dead_process(), 1), word=secrets.token_hex(8))
    elsewhere = replace(dead, place=own_mark().place.rpartition(".")[0] + ".1")
    hidden = replace(dead, temp="0" * 8)
    with ExitStack() as closing:

        def sleeper(variable: str, value: object, **options: object) -> subprocess.Popen[bytes]:
            environment = {**bare_environment(), variable: str(value)}
            process = subprocess.Popen(["sleep", "3600"], env=environment, **options)  # type: ignore[call-overload]
            closing.callback(process.wait)
            closing.callback(process.kill)
            return process  # type: ignore[no-any-return]

        processes = [
            sleeper(MARK, own_mark()),
            sleeper(MARK, elsewhere),
            sleeper(MARK, hidden),
            sleeper(MARK, f"{dead} "),
            sleeper(MARK, Run.current().prefix),
            sleeper(MARK, ""),
            sleeper(f"OTHER_{MARK}", dead),
            sleeper("ANYTHING", f"{MARK}={dead}"),
        ]
        directories = []
        if os.getuid() == 0:
            # Anybody can read who was the owner; only this account can say that a mark is the suite's.
            processes += [sleeper(MARK, dead, user="nobody")]
            foreign = run_directories.new_name(Run("0" * 16), "w0")
            closing.callback(shutil.rmtree, foreign, ignore_errors=True)
            foreign.mkdir(mode=0o755)
            (foreign / run_directories.FILE).write_text(json.dumps({"server": {"pid": processes[0].pid}}))
            (foreign / run_directories.MARK).write_text(str(dead))
            for each in (foreign, foreign / run_directories.FILE, foreign / run_directories.MARK):
                shutil.chown(each, "nobody")
            directories.append(foreign)
        yield Others(tuple(processes), tuple(directories))


def dead_process() -> int:
    """The number of a process that has ended."""
    process = subprocess.Popen(["true"])
    process.wait()
    return process.pid


def test_the_next_start_and_clean_leave_alone_what_is_not_the_suites(others: Others) -> None:
    for also_kept in (False, True):
        sweep(Settings.load({}, dotenv=None), also_kept=also_kept)
        others.stand_by()
