"""What a run is asked: understood or refused in one line, and where it may leave its results."""

from __future__ import annotations

import os
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from support.internal_errors import noted
from support.plugins import user_options
from support.reporting import output
from support.reporting.output import MARK, NotUsable, claim
from support.settings import ROOT
from tests.bad_input import SECRET, TEXTS, files
from tests.running import bare_environment


def understood(name: str, value: str) -> user_options.UserOptions:
    config: Any = SimpleNamespace(userdata={name: value}, junit_directory=user_options.UNTOLD)
    return user_options.read(config)


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(user_options.SEED, "1")


@pytest.mark.parametrize(
    "name", [*user_options.PARSERS, "unknown", "", "\x1b[2J", "postgresql://a:hunter2-canary@b"]
)
def test_every_option_takes_rubbish_or_refuses_it_in_one_line(name: str, tmp_path: Path) -> None:
    refused = 0
    for kind, value in {**TEXTS, **files(tmp_path)}.items():
        try:
            understood(name, value)
        except user_options.NotUnderstood as reason:
            refused += 1
            told = str(reason)
            assert told.startswith("-D "), (kind, told)
            assert "\n" not in told and len(told) < 300, (kind, told)
            assert told.isprintable() and SECRET not in told, (kind, told)
            assert name not in user_options.PARSERS or f"-D {name}" in told, (kind, told)
    # A folder for results may have any name that can be printed.
    assert refused >= (5 if name == "output" else 20), refused


@pytest.mark.parametrize(
    ("name", "value"),
    [("seed", "0"), ("seed", "4294967295"), ("order", "7"), ("shard", "2/3"), ("output", "results")],
)
def test_what_is_meant_is_understood(name: str, value: str) -> None:
    assert str(getattr(understood(name, value), name)) == value


def test_what_an_option_gives_is_not_lost_in_the_environment() -> None:
    assert understood("seed", "12").seed == 12
    assert os.environ[user_options.SEED] == "12"


def test_a_folder_of_others_is_refused_and_left_as_it_is(tmp_path: Path) -> None:
    for name in ("junit", "logs", "thesis.txt"):
        (tmp_path / name).write_text("mine")
    with pytest.raises(NotUsable, match="no run of this suite made"):
        claim(tmp_path, "-D output")
    assert {path.name for path in tmp_path.iterdir()} == {"junit", "logs", "thesis.txt"}


def test_a_run_replaces_what_the_one_before_made_and_nothing_else(tmp_path: Path) -> None:
    claim(tmp_path / "new", "-D output").release()
    kept, outside = tmp_path / "new" / "thesis.txt", tmp_path / "outside"
    kept.write_text("mine")
    outside.mkdir()
    (outside / "mine.txt").write_text("mine")
    for folder in output.FOLDERS:
        (tmp_path / "new" / folder / "below").mkdir(parents=True)
    (tmp_path / "new" / "results").mkdir()
    (tmp_path / "new" / "results" / "defects.md").write_text("another proof")
    for file in output.FILES:
        (tmp_path / "new" / file).write_text("old")
    # A folder that leads elsewhere.
    (tmp_path / "new" / "logs" / "below").rmdir()
    (tmp_path / "new" / "logs").rmdir()
    (tmp_path / "new" / "logs").symlink_to(outside)
    claim(tmp_path / "new", "-D output").release()
    left = {str(path.relative_to(tmp_path / "new")) for path in (tmp_path / "new").rglob("*")}
    assert left == {MARK, "thesis.txt", "results", "results/defects.md"}
    assert (outside / "mine.txt").exists()


def test_two_runs_at_a_time_do_not_share_a_folder(tmp_path: Path) -> None:
    held = claim(tmp_path, "-D output")
    (tmp_path / "junit").mkdir()
    with pytest.raises(NotUsable, match="another run is writing"):
        claim(tmp_path, "-D output")
    assert (tmp_path / "junit").exists()
    held.release()
    claim(tmp_path, "-D output").release()
    assert not (tmp_path / "junit").exists()


def test_a_folder_that_may_not_be_written_is_refused_in_one_line(tmp_path: Path) -> None:
    strange = {
        kind: path for kind, path in files(tmp_path).items() if kind not in ("a directory", "a missing file")
    }
    for kind, value in {**strange, "nobody's": "/proc/x", "too long": "/tmp/" + "x" * 5000}.items():
        with pytest.raises(NotUsable) as refused:
            claim(Path(value), "--output")
        assert "\n" not in str(refused.value) and "--output" in str(refused.value), kind


def behave(folder: Path, *arguments: str, cwd: Path = ROOT) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "behave", "-D", f"output={folder}", *arguments],
        cwd=cwd,
        env=bare_environment(),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
    )


def assert_refused(done: subprocess.CompletedProcess[str], told: str) -> None:
    assert done.returncode == 2, done.stdout + done.stderr
    (line,) = done.stderr.strip().splitlines()
    assert line.startswith("Cannot run: ") and told in line
    assert "Traceback" not in done.stdout


@pytest.fixture
def old(tmp_path: Path) -> Path:
    """The folder of a former run, which was green."""
    claim(tmp_path, "-D output").release()
    for file in (
        "junit/TESTS-old.xml",
        "allure-results/old-result.json",
        "results/summary.json",
        "report/index.html",
    ):
        (tmp_path / file).parent.mkdir(exist_ok=True)
        (tmp_path / file).write_text("old")
    return tmp_path


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("-D", "seed=abc"), "-D seed"),
        (("-t", "@nosuch"), "no such tag: @nosuch"),
        (("no.feature",), "no.feature"),
    ],
)
def test_a_refused_run_leaves_no_result_but_its_refusal(
    arguments: tuple[str, ...], told: str, old: Path
) -> None:
    assert_refused(behave(old, *arguments), told)
    (file,) = (old / "junit").iterdir()
    (case,) = ET.parse(file).iter("testcase")
    assert told in case.find("error").attrib["message"]  # type: ignore[union-attr]
    (result,) = (old / "allure-results").glob("*-result.json")
    assert told in result.read_text()
    assert not (old / "report").exists() and not (old / "results" / "summary.json").exists()


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("-t", "@nosuch"), "no such tag: @nosuch"),
        (("-n", "no such name"), "nothing is selected"),
    ],
)
def test_a_dry_run_is_refused_like_a_run_and_leaves_the_results(
    arguments: tuple[str, ...], told: str, old: Path
) -> None:
    before = sorted(path.read_bytes() for path in old.rglob("*") if path.is_file())
    assert_refused(behave(old, "--dry-run", *arguments), told)
    assert sorted(path.read_bytes() for path in old.rglob("*") if path.is_file()) == before


def test_a_dry_run_writes_nothing(old: Path) -> None:
    before = sorted(path.read_bytes() for path in old.rglob("*") if path.is_file())
    assert behave(old, "--dry-run", "features/security/access.feature").returncode == 0
    assert sorted(path.read_bytes() for path in old.rglob("*") if path.is_file()) == before


def test_the_second_run_into_a_folder_is_refused(old: Path) -> None:
    held = claim(old, "-D output")
    (old / "junit").mkdir()
    assert_refused(behave(old, "features/security/access.feature"), "another run is writing")
    assert not [*(old / "junit").iterdir()]
    held.release()


@pytest.mark.parametrize(("where", "arguments"), [("features", ()), ("", (str(ROOT / "features"),))])
def test_behave_outside_the_root_says_so(where: str, arguments: tuple[str, ...], tmp_path: Path) -> None:
    done = behave(tmp_path, *arguments, cwd=ROOT / where if where else tmp_path)
    assert_refused(done, f"only in {ROOT}")


def test_what_nobody_expected_is_one_line_and_a_file(tmp_path: Path) -> None:
    try:
        raise RuntimeError(f"a\nb \x1b[2J {SECRET}")
    except RuntimeError as error:
        line = noted(error, lambda text: text.replace(SECRET, "***"), tmp_path)
    assert line == f"RuntimeError: a b \\x1b[2J ***; the details are in {tmp_path / 'errors.log'}"
    details = (tmp_path / "errors.log").read_text()
    assert "Traceback" in details and SECRET not in details and "\x1b" not in details


def test_a_run_whose_output_is_lost_is_not_green(old: Path) -> None:
    command = [sys.executable, "-m", "behave", "-D", f"output={old}", "--dry-run"]
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(
            [*command, "features/security/access.feature"],
            cwd=ROOT,
            # Unbuffered, behave itself would fail before it reads a hook.
            env=bare_environment(PYTHONUNBUFFERED=""),
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            timeout=60,
        )
    assert done.returncode == 1
    assert done.stderr.count("standard output could not be written: No space left on device") == 1
    assert "Traceback" not in done.stderr
