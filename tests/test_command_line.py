"""``python -m support``: every option against rubbish. One line that names it, exit code 2, no secret."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from support import __main__ as command_line
from support import packages
from support.__main__ import main, parser
from support.reporting.output import RECORD
from support.settings import ROOT
from tests.bad_input import SECRET, TEXTS, files
from tests.running import bare_environment


def options() -> Iterator[tuple[str, str]]:
    """Each command with each of its options that take a value."""
    (commands,) = (action for action in parser()._actions if isinstance(action, argparse._SubParsersAction))
    for command, own in commands.choices.items():
        for action in own._actions:
            if action.option_strings and action.nargs is None:
                yield command, action.option_strings[0]


def assert_one_line(told: str, about: str) -> None:
    assert told.count("\n") == 1 and told.endswith("\n"), (about, told)
    assert told[:-1].isprintable() and SECRET not in told and len(told) < 500, (about, told)


@pytest.mark.parametrize(("command", "option"), [*options()])
def test_every_option_takes_rubbish_or_refuses_it(
    command: str, option: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    refused = 0
    before = set(tmp_path.rglob("*"))
    for kind, value in {**TEXTS, **files(tmp_path)}.items():
        try:
            # What cannot be refused here is a good value: a command with it is run elsewhere.
            parser().parse_known_args(
                [command, *([str(tmp_path)] if command == "merge" else []), f"{option}={value}"]
            )
        except SystemExit as end:
            refused += 1
            told = capsys.readouterr().err
            assert end.code == 2, kind
            assert_one_line(told, kind)
            assert option in told, (kind, told)
    assert refused >= 4, "nothing at all is refused"
    assert before <= set(tmp_path.rglob("*"))
    assert not (tmp_path / "missing").exists(), "to look is not to leave a file"


def test_the_list_of_options_is_not_empty() -> None:
    assert {("audit", "--limit"), ("fuzz", "--seed"), ("flakiness", "--runs")} <= set(options())


@pytest.mark.parametrize(("command", "option"), [*options()])
def test_no_option_is_given_twice_or_cut_short(
    command: str, option: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    value = "7" if option not in ("--output", "--json") else str(tmp_path / "new")
    start = [command, *([str(tmp_path)] if command == "merge" else [])]
    parser().parse_args([*start, option, value])
    with pytest.raises(SystemExit) as end:
        parser().parse_args([*start, option, value, option, value])
    assert end.value.code == 2
    assert_one_line(capsys.readouterr().err, option)
    with pytest.raises(SystemExit):
        parser().parse_args([*start, option[:-2], value])


@pytest.mark.parametrize("kind", [*TEXTS, "nobody"])
def test_what_is_no_command_is_refused(kind: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        main([TEXTS.get(kind, "nobody")])
    assert end.value.code == 2
    assert_one_line(capsys.readouterr().err, kind)


@pytest.mark.parametrize("command", ["doctor", "faults", "up", "clean", "audit", "report", "fuzz"])
def test_what_nobody_asked_for_is_refused(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    for kind, text in TEXTS.items():
        with pytest.raises(SystemExit) as end:
            main([command, text])
        assert end.value.code == 2
        assert_one_line(capsys.readouterr().err, kind)


@pytest.mark.parametrize("command", ["acceptance", "flakiness"])
@pytest.mark.parametrize(
    "arguments", [["--nosuch"], ["-t", "@a and"], ["-n", "["], ["-f", "nosuch"], ["--jobs", "x"], ["-D"]]
)
def test_what_behave_does_not_understand_is_one_line(
    command: str, arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([command, *arguments]) == 2
    assert_one_line(capsys.readouterr().err, str(arguments))


RECORDS = {
    "nothing": "",
    "a word": "rubbish",
    "null": "null",
    "a list": "[]",
    "half": '{"shard": {"number": 1',
    "too deep": "[" * 100_000,
    "no numbers": '{"shard": {"number": "a", "of": []}, "plan": [], "code": 1, "outcomes": {}}',
    "not a number": '{"shard": {"number": NaN, "of": Infinity}}',
    "too little": '{"shard": {"number": 1, "of": 1}}',
    "wrong parts": json.dumps(
        {
            "shard": {"number": 1, "of": 1}, "plan": {}, "code": "", "seed": 1, "wall_s": 1.0, "broken": 0,
            "parts": [{"mode": 7}], "outcomes": [{"name": []}],
        }
    ),
    "a secret": f'"postgresql://me:{SECRET}@host"',
    "control characters": "\x1b[2J\x00",
}  # fmt: skip


@pytest.mark.parametrize("kind", RECORDS)
def test_bad_input_is_not_merged(kind: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    part, whole = tmp_path / "part", tmp_path / "whole"
    (part / RECORD).parent.mkdir(parents=True)
    (part / RECORD).write_text(RECORDS[kind])
    assert main(["merge", str(part), "--output", str(whole)]) == 2
    assert_one_line(capsys.readouterr().err, kind)
    assert not whole.exists()


def test_a_part_that_is_a_binary_file_or_lies_where_the_whole_goes_is_not_merged(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    part = tmp_path / "junit" / "part"
    (part / RECORD).parent.mkdir(parents=True)
    (part / RECORD).write_bytes(bytes(range(256)))
    assert main(["merge", str(part), "--output", str(tmp_path / "whole")]) == 2
    assert_one_line(capsys.readouterr().err, "binary")
    assert main(["merge", str(part), "--output", str(tmp_path)]) == 2
    assert_one_line(capsys.readouterr().err, "inside")
    assert (part / RECORD).exists()


@pytest.mark.parametrize("command", ["clean", "clean --check"])
def test_to_look_and_not_to_find_is_not_to_fail_to_look(
    command: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TEST_DATABASE_URL", f"postgresql://me:{SECRET}@127.0.0.1:1/none")
    assert main(command.split()) == 2
    assert_one_line(capsys.readouterr().err, command)


@pytest.mark.parametrize(("left", "code"), [([], 0), ([("schema", "at_x")], 1)])
def test_the_check_tells_by_its_exit_code(
    left: list[tuple[str, str]], code: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(command_line, "leftovers", lambda *_, **__: left)
    assert main(["clean", "--check"]) == code


def test_what_nobody_expected_is_one_line(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise LookupError(f"postgresql://me:{SECRET}@host \x1b[2J")

    monkeypatch.setattr(command_line, "leftovers", broken)
    monkeypatch.setattr(command_line, "OUTPUT", tmp_path)
    monkeypatch.setenv("TEST_DATABASE_URL", f"postgresql://me:{SECRET}@host")
    assert main(["clean", "--check"]) == 2
    told = capsys.readouterr().err
    assert_one_line(told, "unexpected")
    assert "LookupError" in told and str(tmp_path) in told
    assert SECRET not in (tmp_path / "errors.log").read_text()


def test_a_python_that_is_too_old_and_a_missing_package_are_told(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(packages, "OLDEST_PYTHON", (99, 1))
    with pytest.raises(SystemExit) as end:
        packages.exit_unless_installed()
    assert end.value.code == 2
    told = capsys.readouterr().err
    assert_one_line(told, "old")
    assert "Python 99.1 or newer is needed" in told
    monkeypatch.undo()
    monkeypatch.setattr(packages, "pins", lambda **_: {"no-such-package": "1"})
    with pytest.raises(SystemExit):
        packages.exit_unless_installed()
    assert "no-such-package==1 is missing" in capsys.readouterr().err


def test_a_real_command_prints_no_traceback() -> None:
    for arguments in (["audit", "--limit", "x"], ["report", "--output", "/proc/none"], [b"fuzz\xff\xfe"]):
        done = subprocess.run(
            [sys.executable, "-m", "support", *arguments],
            cwd=ROOT,
            env=bare_environment(PYTHONIOENCODING="ascii"),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=60,
        )
        assert done.returncode == 2, arguments
        assert b"Traceback" not in done.stderr and len((done.stderr + done.stdout).splitlines()) == 1
