"""Who may inject what: the user's programs, the table of what is possible, and the guard rails."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import psycopg2
import pytest

from support import doctor
from support.citadel import Citadel
from support.errors import Unavailable
from support.faults import FaultError, Faults, capabilities, commands, plan
from support.faults.capabilities import Capabilities
from support.faults.commands import CommandsError
from support.faults.fault_types import LINK_KINDS, LONGEST_S, STATE_KINDS, TARGETS, kinds_of
from support.faults.guard import Guard
from support.isolation.names import Run
from support.isolation.processes import Mark
from support.lifecycle import steady_state
from support.settings import ROOT, Settings
from support.stack import servers
from support.stack.ports import free_ports
from support.stack.servers import LOOPBACK
from tests.own_stores import workshop_of

PLATFORM = {"INTEGRATION_TEST_HOST": "platform", "CITADEL_API_KEY": "a-key-of-sixteen-letters"}


def settings(**environ: str) -> Settings:
    return Settings.load(environ, dotenv=None)


class Reaper:
    """Notes what it is told."""

    def __init__(self) -> None:
        self.told: list[str] = []

    def end_fault(self, fault: str, rollback: Any, within_s: float, *, outlives: bool) -> str:
        assert within_s == LONGEST_S
        self.told.append(f"{fault}: {' '.join(rollback['arguments'])}")
        return "1"

    def end_program(self, mark: Mark) -> str:
        return "a program"

    def forget(self, registration: str) -> None:
        if registration != "a program":
            self.told.append(f"forget {registration}")


# --- the user's programs


def script(folder: Path, **parts: str) -> str:
    """A file with the pair for the fault redis:frozen, made of lines of Python."""
    lines = []
    for name, code in parts.items():
        path = folder / f"{name}.py"
        path.write_text(code)
        lines.append(f'{name} = "{sys.executable} {path}"')
    file = folder / "commands.toml"
    file.write_text("within_s = 5\n[redis.frozen]\n" + "\n".join(lines) + "\n")
    return str(file)


def commanded(file: str, *listed: str, reaper: Reaper | None = None) -> Faults:
    return Faults(None, {}, {}, listed, pairs=commands.load(file), reaper=reaper)


def test_a_pair_of_programs_injects_and_ends(tmp_path: Path) -> None:
    mark = tmp_path / "frozen"
    file = script(
        tmp_path,
        do=f"open({str(mark)!r}, 'w')",
        undo=f"import os; os.path.exists({str(mark)!r}) and os.remove({str(mark)!r})",
        check=f"import os, sys; sys.exit(not os.path.exists({str(mark)!r}))",
    )
    reaper = Reaper()
    fault = commanded(file, "redis:frozen", reaper=reaper).inject("redis", "frozen")
    assert mark.exists()
    assert reaper.told == [f"redis frozen: {sys.executable} {tmp_path / 'undo.py'}"]
    assert fault.hits() == 1
    fault.end()
    assert not mark.exists()
    assert fault.hits() == 0
    assert reaper.told[1:] == ["forget 1"]


def test_what_was_not_injected_is_no_failure_of_the_platform(tmp_path: Path) -> None:
    mark = tmp_path / "ended"
    file = script(
        tmp_path, do="import sys; print('no such host'); sys.exit(3)", undo=f"open({str(mark)!r}, 'w')"
    )
    faults = commanded(file, "redis")
    with pytest.raises(FaultError, match=r"redis frozen could not be injected: .* exit code 3: no such host"):
        faults.inject("redis", "frozen")
    assert mark.exists(), "half done is possible, so it was ended"
    assert faults.end_all() == []


def test_a_program_that_does_nothing_is_found_out_by_its_check(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(commands, "SEEN_WITHIN_S", 0.3)
    file = script(tmp_path, do="", undo="", check="import sys; sys.exit(1)")
    with pytest.raises(FaultError, match=r"could not be injected: .*sees the fault: not within 0\.3 s"):
        commanded(file, "redis").inject("redis", "frozen")


def test_a_program_that_hangs_is_ended(tmp_path: Path) -> None:
    file = script(tmp_path, do="import time; time.sleep(60)", undo="")
    text = Path(file).read_text().replace("within_s = 5", "within_s = 0.5")
    Path(file).write_text(text)
    with pytest.raises(FaultError, match=r"did not end within 0\.5 s"):
        commanded(file, "redis").inject("redis", "frozen")


def test_no_shell_sees_the_line(tmp_path: Path) -> None:
    file = tmp_path / "commands.toml"
    file.write_text(f'[redis.frozen]\ndo = "true > {tmp_path}/written"\nundo = "true"\n')
    commanded(str(file), "redis").inject("redis", "frozen").end()
    assert not (tmp_path / "written").exists()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[redis.frozen]\ndo = 'a'", "needs do and undo"),
        ("[redis.frozen]\ndo = 'a'\nundo = 'b'\nredo = 'c'", "has nothing else"),
        ("[redis.frozen]\ndo = ''\nundo = 'b'", "not a program"),
        ("[redis.frozen]\ndo = \"it's\"\nundo = 'b'", "No closing quotation"),
        ("[redis.lame]\ndo = 'a'\nundo = 'b'", "no such fault of redis: 'lame'"),
        ("[printer.frozen]\ndo = 'a'\nundo = 'b'", r"no such target: \[printer\]"),
        ("redis = 1", "no such fault of redis"),
        ("within_s = 'soon'", "within_s is a number"),
        ("[redis", "commands.toml"),
    ],
)
def test_a_file_that_cannot_be_used_is_refused_before_the_run(tmp_path: Path, text: str, said: str) -> None:
    file = tmp_path / "commands.toml"
    file.write_text(text)
    with pytest.raises(CommandsError, match=said):
        commands.load(str(file))
    found = {each.what: each for each in doctor.examine(settings(CITADEL_FAULT_COMMANDS=str(file)), tmp_path)}
    assert not found["faults"].ok and "commands.toml" in found["faults"].seen


def test_programs_strike_only_what_is_listed_and_never_a_server_of_the_suite(tmp_path: Path) -> None:
    file = script(tmp_path, do="", undo="")
    with pytest.raises(Unavailable, match="CITADEL_FAULTS does not list redis:frozen"):
        commanded(file).inject("redis", "frozen")
    pairs = commands.load(file)
    own = Capabilities(started=["redis"], commanded=list(pairs))
    assert own.why_not("redis", "frozen") is None
    assert not own.by_command("redis", "frozen")
    assert Capabilities(commanded=list(pairs), listed=["redis:frozen"]).by_command("redis", "frozen")


# --- the table


def test_the_table_says_what_injecting_would_say(tmp_path: Path) -> None:
    """One rule for both, so the report promises nothing that a scenario cannot have."""
    faults = Faults(None, {}, {}, ["postgresql"])
    for possible in faults.capabilities.table():
        assert possible.kinds == []
        told = [kind for kinds in possible.reasons.values() for kind in kinds]
        assert sorted(told) == sorted(kinds_of(possible.target))
        for kind in told:
            with pytest.raises(Unavailable):
                faults.inject(possible.target, kind)


def test_each_mode_has_its_table() -> None:
    def kinds(**environ: str) -> dict[str, list[str]]:
        return {each.target: each.kinds for each in doctor.faults(settings(**environ)).table()}

    embedded = kinds()
    assert all(set(STATE_KINDS[target]) <= set(embedded[target]) for target in STATE_KINDS)
    assert embedded["gateway"] == ["crashed", "stopped", "frozen", "clock_ahead", "clock_behind"]
    attached = {"TEST_DATABASE_URL": "postgresql://u@db/x"}
    assert kinds(**attached)["postgresql"] == list(LINK_KINDS)
    listed = kinds(**attached, CITADEL_FAULTS="postgresql:locked")["postgresql"]
    assert listed == [*LINK_KINDS, "locked"]
    assert kinds(**PLATFORM) == {target: [] for target in TARGETS}
    text = capabilities.text(doctor.faults(settings(**PLATFORM, CITADEL_FAULTS="redis")).table())
    assert "CITADEL_ENVIRONMENT does not say in which environment faults are allowed" in text


def test_a_misspelt_permission_is_told(tmp_path: Path) -> None:
    for listed in ("reddis", "redis:cutt", "qdrant:read_only"):
        found = {each.what: each for each in doctor.examine(settings(CITADEL_FAULTS=listed), tmp_path)}
        assert not found["faults"].ok and "no such" in found["faults"].seen, listed


def test_the_plan_names_every_fault_and_program_and_does_none(tmp_path: Path) -> None:
    mark = tmp_path / "done"
    pairs = commands.load(script(tmp_path, do=f"open({str(mark)!r}, 'w')", undo="print('ended')"))
    given = settings(TEST_REDIS_URL="redis://cache/0", CITADEL_FAULTS="redis")
    lines = plan.plan(Capabilities.expected(given, pairs), pairs)
    assert f"redis frozen: {sys.executable} {tmp_path / 'do.py'} | rolled back by:" in "\n".join(lines)
    assert any(line.startswith("postgresql locked: Somebody holds a lock") for line in lines)
    assert not any(line.startswith("redis crashed") for line in lines)
    assert not mark.exists()


# --- the guard rails


@pytest.fixture(scope="module")
def platform_url() -> Iterator[str]:
    """The PostgreSQL of a platform that calls itself staging."""
    with workshop_of(Run.current()) as (workshop, closing):
        postgres = servers.postgres(workshop, free_ports(1)[0])
        closing.callback(postgres.service.stop)
        postgres.service.start()
        names(postgres.suite_url, "staging")
        yield postgres.suite_url


def names(url: str, environment: str) -> None:
    connection = psycopg2.connect(url, connect_timeout=2)
    connection.autocommit = True
    with connection.cursor() as cursor:
        cursor.execute(f"ALTER DATABASE postgres SET citadel.environment = '{environment}'")
    connection.close()


def test_a_platform_must_say_that_it_is_the_environment_that_may_be_struck(platform_url: str) -> None:
    assert Guard("staging", platform_url).refusal() == ""
    assert "says that it is 'staging'" in Guard("testing", platform_url).refusal()
    assert "does not say in which environment faults are allowed" in Guard(None, platform_url).refusal()
    assert "TEST_DATABASE_URL is not set" in Guard("staging", None).refusal()
    for forbidden in ("production", "eu-live", "PROD2"):
        assert "in production" in Guard(forbidden, platform_url).refusal()
    for told in ("", "eu-live"):
        names(platform_url, told)
        try:
            with pytest.raises(Unavailable, match=r"does not say which|says that it is 'eu-live'"):
                Guard("staging", platform_url).enter()
        finally:
            names(platform_url, "staging")


def test_nothing_is_struck_where_the_guard_refuses(platform_url: str, tmp_path: Path) -> None:
    mark = tmp_path / "struck"
    pairs = commands.load(script(tmp_path, do=f"open({str(mark)!r}, 'w')", undo=""))
    refusing = Faults.deployed(None, ["redis"], Guard("testing", platform_url), pairs)
    with pytest.raises(Unavailable, match="says that it is 'staging'"):
        refusing.inject("redis", "frozen")
    assert not mark.exists()
    letting = Faults.deployed(None, ["redis"], Guard("staging", platform_url), pairs)
    letting.inject("redis", "frozen").end()
    assert mark.exists()
    letting.close()


def test_one_run_at_a_time_strikes(platform_url: str) -> None:
    one, other = Guard("staging", platform_url), Guard("staging", platform_url)
    one.enter()
    one.enter()
    with pytest.raises(Unavailable, match="another run injects faults into this platform"):
        other.enter()
    one.leave()
    other.enter()
    other.leave()


def test_a_lease_that_was_lost_is_taken_again(platform_url: str) -> None:
    guard = Guard("staging", platform_url)
    guard.enter()
    connection = psycopg2.connect(platform_url, connect_timeout=2)
    connection.autocommit = True
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = %s",
            ("citadel-suite-faults",),
        )
    connection.close()
    guard.enter()
    with pytest.raises(Unavailable, match="another run"):
        Guard("staging", platform_url).enter()
    guard.leave()


def test_the_suite_does_not_look_through_the_link_that_it_strikes(platform_url: str) -> None:
    watched = (f"http://{LOOPBACK}:6333", platform_url)
    guard = Guard("staging", platform_url, watched)
    for listen in (f"{LOOPBACK}:6333", "0.0.0.0:6333", "[::]:6333", "localhost:6333"):
        with pytest.raises(Unavailable, match="the suite itself looks through the link"):
            guard.enter({"name": "qdrant", "listen": listen})
    guard.enter({"name": "qdrant", "listen": f"{LOOPBACK}:7333"})
    guard.leave()


def test_a_platform_of_others_is_struck_only_after_it_was_seen_to_be_well() -> None:
    guard = Guard("staging", None)
    assert Faults.deployed(None, ["redis"], guard).shaken, "the first scenario waits for the steady state"
    assert not Faults.deployed(None, [], guard).shaken
    assert not Faults(None, {}, {}).shaken


def test_a_fault_that_cannot_be_removed_aborts_the_run(tmp_path: Path) -> None:
    mark = tmp_path / "can be ended"
    file = script(tmp_path, do="", undo=f"import os, sys; sys.exit(not os.path.exists({str(mark)!r}))")
    faults = commanded(file, "redis")
    fault = faults.inject("redis", "frozen")
    assert faults.not_removed() == ""
    with pytest.raises(FaultError):
        fault.end()
    citadel = cast(Citadel, SimpleNamespace(faults=faults))
    with pytest.raises(AssertionError, match=r"redis frozen could not be removed.*: aborting"):
        steady_state.regain(citadel)
    mark.touch()
    assert faults.not_removed() == "", "it was tried again"
    assert faults.end_all() == []


def test_nothing_in_the_faults_touches_what_is_not_the_suites_own() -> None:
    """No reset or populate of a Toxiproxy, no flush of a Redis, no table dropped, emptied or deleted from."""
    forbidden = ("/reset", "/populate", "FLUSH", "DROP TABLE", "DROP SCHEMA", "TRUNCATE", "DELETE FROM")
    for path in (ROOT / "support" / "faults").glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                assert not [word for word in forbidden if word in node.value], f"{path}: {node.value}"
