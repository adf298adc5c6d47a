"""Flakiness: what repeats prove, what they do not, and that only runs of the same code are put together."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from support.reporting import flakiness
from support.reporting.flakiness import Repeat, Tally, append, fingerprint, recall, report, tally


def repeat(code: str = "now", **verdicts: str) -> Repeat:
    names = {scenario: f"the scenario {scenario}" for scenario in verdicts}
    return Repeat("2026-01-01T00:00:00+00:00", code, [], 1.0, verdicts, names)


def test_flaky_is_what_both_passed_and_failed() -> None:
    repeats = [
        repeat(a="passed", b="failed", c="passed"),
        repeat(a="passed", b="broken", c="broken"),
        repeat(a="passed", b="failed", c="passed"),
    ]
    tallies = tally(repeats)
    assert tallies == [
        Tally("the scenario b", 3, 3),
        Tally("the scenario c", 3, 1),
        Tally("the scenario a", 3, 0),
    ]
    told = report(tallies, repeats)
    assert "1 flaky = 33.3 %, at most 86.5 %; goal: below 5.0 %" in told
    assert "3 red = 100.0 %, at most 100.0 %" in told
    assert "executions 4 of 9 red, at most 74.86 %" in told
    assert "never failed in 3 runs may still fail 63.2 % of the time" in told
    assert "flaky        1 of 3, at most 86.5 %: the scenario c" in told
    assert "always fails 3 of 3, at most 100.0 %: the scenario b" in told


def test_only_runs_of_the_same_code_count_and_half_a_line_is_passed_over(tmp_path: Path) -> None:
    history = tmp_path / "below" / "flakiness.jsonl"
    assert recall(history, "now") == []
    append(history, repeat("before", a="failed"))
    append(history, repeat("now", a="passed"))
    with history.open("a") as file:
        file.write('{"at": "2026')
    assert recall(history, "now") == [repeat("now", a="passed")]


def test_the_fingerprint_changes_with_a_step_but_not_with_a_result(tmp_path: Path) -> None:
    (tmp_path / "steps").mkdir()
    (tmp_path / "steps" / "some.py").write_text("a = 1")
    first = fingerprint(tmp_path)
    (tmp_path / ".acceptance").mkdir()
    (tmp_path / ".acceptance" / "durations.json").write_text("{}")
    assert fingerprint(tmp_path) == first
    (tmp_path / "steps" / "some.py").write_text("a = 2")
    assert fingerprint(tmp_path) != first


FEATURE = (
    "Feature: Dice\n  Scenario: steady\n    Given all is well\n  Scenario: sometimes\n    Given a coin\n"
)
STEPS = """
from pathlib import Path
from behave import given

@given("all is well")
def fine(context): pass

@given("a coin")
def coin(context):
    mark = Path("tossed")
    tossed = mark.exists()
    mark.touch()
    assert tossed, "tails"
"""
ENVIRONMENT = """
from support.plugins import allure_corrections
allure_corrections.install()
def before_all(context): allure_corrections.attach_formatter(context)
"""


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name, text in {
        "behave.ini": "[behave]\npaths = features\n",
        "features/dice.feature": FEATURE,
        "steps/dice.py": STEPS,
        "environment.py": ENVIRONMENT,
    }.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).resolve().parent.parent))
    monkeypatch.setattr(flakiness, "ROOT", tmp_path)
    return tmp_path


def test_a_scenario_that_fails_once_in_three_runs_is_found(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = project / "out"
    assert flakiness.measure(3, [], output) == 1
    told = capsys.readouterr().out
    assert "run 1 of 3: 1 passed, 1 failed" in told
    assert "run 3 of 3: 2 passed, 0 failed" in told
    assert "1 of 3, at most 86.5 %: sometimes" in told
    assert [path.name for path in (output / "flakiness").iterdir()] == ["run-1"], "red runs are kept"
    assert len((output / "flakiness.jsonl").read_text().splitlines()) == 3
    assert json.loads((output / "flakiness.jsonl").read_text().splitlines()[0])["code"] == fingerprint(
        project
    )


def test_what_cannot_run_is_no_repeat(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert flakiness.measure(2, ["-n", "no such scenario"], project / "out") == 2
    assert "run 1 of 2: behave ended with exit code 0" in capsys.readouterr().err
    assert not (project / "out" / "flakiness.jsonl").exists()


def test_no_runs_at_all_are_refused() -> None:
    command = [sys.executable, "-m", "support", "flakiness", "--runs", "0"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 2
    assert "--runs" in done.stderr
