"""Workers against behave itself: the same project, run by one process and by several, says the same."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from support.plugins.parallel import times
from support.waiting import eventually
from tests import test_plugins
from tests.test_plugins import ROOT, Run

# Far above what these small projects need: only a defect is slower.
WITHIN_S = 60.0
ENDS_WITHIN_S = 10.0

ENVIRONMENT = (
    test_plugins.ENVIRONMENT.replace(
        "    console.announce(context, 7)\n",
        """    console.announce(context, 7)
    context.add_cleanup(note, "cleaned up")
    if worker_context.OWN.is_worker and os.environ.get("REFUSED_WORKER") in (worker_context.OWN.name, "all"):
        raise worker_context.CannotBegin("no platform for this one")
    parallel.distribute(
        context,
        int(os.environ.get("WORKERS", "1")),
        logs=Path("logs"),
        memory=Path("durations.json"),
        before_alone=lambda context: note("alone from now on"),
        cores=8,
    )
    worker_context.OWN.introduction = "here I am"
""",
    )
    .replace(
        "from support.plugins import allure_corrections, attachments, console\n",
        """from pathlib import Path

from support.plugins import allure_corrections, attachments, console, parallel, worker_context


def note(what):
    with open("notes.txt", "a") as notes:
        notes.write(f"{worker_context.OWN.name} {os.getpid()} {what}\\n")

""",
    )
    .replace(
        """    attachments.attach_json("Figures", {"mean": 1})
""",
        """    note("after all")
    worker_context.OWN.figures = worker_context.OWN.name
    if not worker_context.OWN.is_worker:
        print("figures of", sorted(parallel.figures(context) or []))
    if os.environ.get("BREAK") == "after_all of w2" and worker_context.OWN.name == "w2":
        raise RuntimeError("worker could not tidy up")
""",
    )
    .replace(
        "def after_scenario(context, scenario):\n",
        """def after_scenario(context, scenario):
    note(f"ran {scenario.name}")
""",
    )
)

STEPS = (
    test_plugins.STEPS
    + """

import os
from pathlib import Path
from support.plugins import worker_context
from support.waiting import eventually

@given("{count:d} are at work together")
def together(context, count):
    Path(f"at-work-{worker_context.OWN.name}").touch()
    seen = lambda: len(list(Path(".").glob("at-work-w*")))
    eventually(seen, lambda number: number >= count, within=20, what="the others are at work")

@given("the process ends with {code:d}")
def ends(context, code): os._exit(code)

@given("it takes until it is interrupted")
def long(context):
    Path(f"waiting-{worker_context.OWN.name}").touch()
    eventually(lambda: False, bool, within=50, what="the interrupt")
"""
)

TOGETHER = """
Feature: Together {number}
  Scenario: together {number}
    Given 2 are at work together
  Scenario: fine {number}
    Given all is well
"""
ALONE = """
Feature: Alone
  @alone
  Scenario: measured alone
    Given all is well
"""
CRASH = """
Feature: Crash
  Scenario: before the crash
    Given all is well
  Scenario: crashes
    Given the process ends with 7
    And all is well
  Scenario: after the crash
    Given all is well
"""
LONG = """
Feature: Long {number}
  Scenario: over {number}
    Given all is well
  Scenario: lasts {number}
    Given it takes until it is interrupted
  Scenario: never begun {number}
    Given all is well
"""
OUTCOMES = {
    "some_area/outcomes.feature": test_plugins.OUTCOMES,
    "some_area/before_feature.feature": test_plugins.BEFORE_FEATURE,
    "other/after_feature.feature": test_plugins.AFTER_FEATURE,
}
PAIR = {f"area/together_{number}.feature": TOGETHER.format(number=number) for number in (1, 2)}
LONGS = {f"area/long_{number}.feature": LONG.format(number=number) for number in (1, 2)}


def project(folder: Path, features: dict[str, str]) -> None:
    """A project with these features."""
    ini = test_plugins.BEHAVE_INI.replace("junit = yes", "junit = yes\nsummary = yes")
    files = {"behave.ini": ini, "environment.py": ENVIRONMENT, "steps/steps.py": STEPS}
    files |= {f"features/{name}": text for name, text in features.items()}
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")


@contextmanager
def behave(folder: Path, *arguments: str, workers: int, **environ: str) -> Iterator[subprocess.Popen[str]]:
    """Plain ``behave`` under way in ``folder``; whatever of it still lives afterwards is ended."""
    run = subprocess.Popen(
        [Path(sys.executable).with_name("behave"), "--no-color", *arguments],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT), "CI": "1", "WORKERS": str(workers), **environ},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        yield run
    finally:
        for process in [psutil.Process(run.pid), *family(run)] if run.poll() is None else []:
            process.kill()
        run.wait(WITHIN_S)


def done(folder: Path, features: dict[str, str], *arguments: str, workers: int, **environ: str) -> Run:
    """What a run that ends by itself left."""
    project(folder, features)
    with behave(folder, *arguments, workers=workers, **environ) as run:
        output, _ = run.communicate(timeout=WITHIN_S)
    return Run(folder, output, run.returncode)


def family(run: subprocess.Popen[str]) -> list[psutil.Process]:
    return psutil.Process(run.pid).children(recursive=True)


def notes(folder: Path) -> list[tuple[str, str]]:
    """``(lane, what)`` of everything that the project's hooks noted, in order."""
    lines = (folder / "notes.txt").read_text().splitlines()
    return [(line.split()[0], line.split(maxsplit=2)[2]) for line in lines]


def ran(folder: Path, name: str) -> list[str]:
    """The lanes in which a scenario ran."""
    return [lane for lane, what in notes(folder) if what == f"ran {name}"]


def cases(folder: Path) -> dict[str, tuple[str, str]]:
    """Status and problem of every JUnit test case."""
    found = {}
    for path in sorted(folder.glob("junit/*.xml")):
        for case in ET.parse(path).iter("testcase"):
            problem = next((each for each in case if each.tag in ("failure", "error")), None)
            told = "" if problem is None else f"{problem.get('type')}: {problem.get('message')}"
            found[f"{path.name} {case.attrib['name']}"] = (case.attrib["status"], told)
    return found


def without_times(text: str) -> str:
    return re.sub(r"\d+\.\d+(?=s|\b)", "#", text)


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> tuple[Run, Run]:
    """The same project run by one process and by three workers, with several formatters."""
    runs = []
    for name, workers in (("serial", 1), ("parallel", 3)):
        folder = tmp_path_factory.mktemp(name)
        project(folder, OUTCOMES | {"area/alone.feature": ALONE})
        # Files that come from nothing but formatters of behave's own, next to the project's console.
        formatters = ["-f", "json", "-o", "out.json", "-f", "plain", "-o", "out.txt"]
        allure = ["-f", "allure_behave.formatter:AllureFormatter", "-o", "allure-results"]
        selected = ["-t", "not @left_out", *allure, *formatters]
        runs.append(done(folder, {}, *selected, workers=workers))
    return runs[0], runs[1]


def test_every_verdict_is_the_same(both: tuple[Run, Run]) -> None:
    serial, parallel = both
    assert "3 feature files in 3 workers" in parallel.output
    told = [
        {
            name: (result["status"], result.get("statusDetails", {}).get("message"), result["historyId"])
            for name, result in run.results().items()
        }
        for run in both
    ]
    assert told[0] == told[1]
    assert len(told[0]) == 19
    assert serial.code == parallel.code == 1
    assert serial.summary() == parallel.summary()


def test_junit_json_and_plain_are_the_same(both: tuple[Run, Run]) -> None:
    serial, parallel = (run.folder for run in both)
    assert cases(serial) == cases(parallel)
    elements = []
    for folder in (serial, parallel):
        features = json.loads((folder / "out.json").read_text())
        elements.append(
            {
                (feature["location"], element["location"]): (
                    feature["status"],
                    element["status"],
                    [
                        (step["name"], step.get("match"), step.get("result", {}).get("status"))
                        for step in element["steps"]
                    ],
                )
                for feature in features
                for element in feature.get("elements", ())
                if element["type"] == "scenario"
            }
        )
    assert elements[0] == elements[1]
    plain = [
        sorted(without_times((folder / "out.txt").read_text()).splitlines()) for folder in (serial, parallel)
    ]
    assert plain[0] == plain[1]


def test_a_lone_feature_runs_in_the_run_itself_when_the_workers_have_ended(both: tuple[Run, Run]) -> None:
    told = notes(both[1].folder)
    alone = told.index(("w0", "alone from now on"))
    assert "w0" not in {lane for lane, _what in told[:alone]}
    assert {lane for lane, what in told[:alone] if what == "cleaned up"} == {"w1", "w2", "w3"}
    assert {lane for lane, _what in told[alone:]} == {"w0"}
    assert ("w0", "ran measured alone") in told[alone:]


def test_features_really_run_together_each_in_a_lane_of_its_own(tmp_path: Path) -> None:
    run = done(tmp_path, PAIR, workers=2)
    assert run.code == 0, run.output
    assert {*ran(tmp_path, "together 1"), *ran(tmp_path, "together 2")} == {"w1", "w2"}
    threads = {
        label["value"]
        for result in run.results().values()
        for label in result["labels"]
        if label["name"] == "thread"
    }
    assert threads == {"worker 1", "worker 2"}
    assert "figures of ['w1', 'w2']" in run.output
    assert "w1: here I am" in run.output
    assert len(re.findall(r"^\[ +\d+/4\] ok +\d+\.\d\d s  w\d  (together|fine) \d$", run.output, re.M)) == 4
    assert json.loads((tmp_path / "durations.json").read_text()).keys() == {
        f"features/{name}" for name in PAIR
    }


def test_a_crash_breaks_what_it_kept_from_running_and_the_rest_goes_on(tmp_path: Path) -> None:
    features = {"area/crash.feature": CRASH, **OUTCOMES, "area/other.feature": ALONE.replace("@alone", "")}
    (tmp_path / "durations.json").write_text('{"features/area/crash.feature": 99}')
    run = done(tmp_path, features, "-t", "not @left_out", workers=2)
    assert run.code == 1
    results = run.results()
    assert results["before the crash"]["status"] == "passed"
    assert results["crashes"]["status"] == results["after the crash"]["status"] == "broken"
    assert re.match(r"worker w[12] ended with exit code 7", results["crashes"]["statusDetails"]["message"])
    told = results["after the crash"]["statusDetails"]["message"]
    assert re.fullmatch(r'not run: worker w[12] ended with exit code 7 in "crashes"', told)
    assert cases(tmp_path)["TESTS-area.crash.xml crashes"][0] == "error"
    assert "ended with exit code 7" in cases(tmp_path)["TESTS-area.crash.xml crashes"][1]
    assert "ended with exit code 7" in run.output
    assert ran(tmp_path, "measured alone"), "the rest still ran"
    # The scenarios of both halves, as in a run without the crash.
    assert len(results) == 19 + 3
    assert not list(tmp_path.glob("allure-results/*.tmp"))


def test_a_crash_in_every_worker_leaves_a_whole_report(tmp_path: Path) -> None:
    features = {f"area/crash_{n}.feature": CRASH.replace("rash", f"rash {n}") for n in range(3)}
    run = done(tmp_path, features, workers=2)
    assert run.code == 1
    assert run.verdicts() == {"passed": 3, "broken": 6}
    assert run.summary()["passed"] == 3
    assert run.summary()["error"] == 6


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_ends_all_workers_cleanly_and_leaves_whole_reports(
    tmp_path: Path, number: signal.Signals
) -> None:
    project(tmp_path, LONGS | {"area/alone.feature": ALONE})
    with behave(tmp_path, workers=2) as run:
        at_work = lambda: len(list(tmp_path.glob("waiting-w*")))  # noqa: E731
        eventually(at_work, lambda count: count == 2, within=WITHIN_S, what="both workers wait")
        left = family(run)
        begun = time.monotonic()
        run.send_signal(number)
        output, _ = run.communicate(timeout=WITHIN_S)
        assert time.monotonic() - begun < ENDS_WITHIN_S
    result = Run(tmp_path, output, run.returncode)
    assert result.code == 1
    assert not [process for process in left if process.is_running()], "a worker is left"
    assert {lane for lane, what in notes(tmp_path) if what == "cleaned up"} == {"w0", "w1", "w2"}
    assert {lane for lane, what in notes(tmp_path) if what == "after all"} == {"w0", "w1", "w2"}
    statuses = {name: found["status"] for name, found in result.results().items()}
    assert statuses == {"over 1": "passed", "over 2": "passed", "lasts 1": "broken", "lasts 2": "broken"}
    told = {name.split(" ", 1)[1]: status for name, (status, _problem) in cases(tmp_path).items()}
    assert told["over 1"] == "passed"
    assert told["lasts 2"] == "error"
    assert told["never begun 1"] == told["measured alone"] == "untested"


def test_workers_end_when_the_run_is_killed(tmp_path: Path) -> None:
    project(tmp_path, LONGS)
    with behave(tmp_path, workers=2) as run:
        at_work = lambda: len(list(tmp_path.glob("waiting-w*")))  # noqa: E731
        eventually(at_work, lambda count: count == 2, within=WITHIN_S, what="both workers wait")
        left = family(run)
        assert len(left) == 2
        run.kill()
        gone = lambda: [process.pid for process in left if process.is_running()]  # noqa: E731
        eventually(gone, lambda pids: not pids, within=ENDS_WITHIN_S, what="the workers have ended")
    assert {lane for lane, what in notes(tmp_path) if what == "cleaned up"} == {"w1", "w2"}


def test_a_worker_that_cannot_begin_is_told_once_and_the_others_do_its_work(tmp_path: Path) -> None:
    features = {name: text.replace("2 are", "1 are") for name, text in PAIR.items()}
    run = done(tmp_path, features, workers=2, REFUSED_WORKER="w2")
    assert run.code == 1
    assert run.verdicts() == {"passed": 4}
    assert run.output.count("worker w2 could not begin: no platform for this one") == 1
    assert [error for error in run.global_errors() if "no platform" in error] == [
        "worker w2 could not begin: no platform for this one"
    ]


def test_without_any_worker_the_run_does_not_begin(tmp_path: Path) -> None:
    run = done(tmp_path, PAIR, workers=2, REFUSED_WORKER="all")
    assert run.code == 1
    assert run.output.count("no platform for this one") == 1
    (result,) = run.results().values()
    assert result["status"] == "broken"
    assert "no platform for this one" in result["statusDetails"]["message"]


def test_what_breaks_after_all_in_a_worker_makes_the_run_red(tmp_path: Path) -> None:
    run = done(tmp_path, PAIR, workers=2, BREAK="after_all of w2")
    assert run.code == 1
    assert "worker w2: after_all: RuntimeError: worker could not tidy up" in run.output
    assert any("worker could not tidy up" in error for error in run.global_errors())


def test_stop_ends_the_run_at_the_first_failure(tmp_path: Path) -> None:
    failing = "Feature: Red\n  Scenario: red\n    Given 2 are at work together\n    And 1 is 2\n"
    late = "".join(f"  Scenario: late {n}\n    Given all is well\n" for n in range(3))
    features = {"a/red.feature": failing + late, **dict([*PAIR.items()][:1])}
    features |= {
        f"b/more_{n}.feature": ALONE.replace("@alone", "").replace("lone", f"lone {n}") for n in (1, 2)
    }
    (tmp_path / "durations.json").write_text(
        '{"features/a/red.feature": 99, "features/area/together_1.feature": 98}'
    )
    run = done(tmp_path, features, "--stop", workers=2)
    assert run.code == 1
    results = run.results()
    assert results["red"]["status"] == "failed"
    assert not any(name.startswith("late") for name in results)
    assert results["together 1"]["status"] == "passed"


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["-n", "^fine"], {"fine 1", "fine 2"}),
        (["-t", "@critical"], {"passes"}),
        (
            ["features/area/together_1.feature:5", "features/area/together_2.feature"],
            {"fine 1", "together 2", "fine 2"},
        ),
    ],
)
def test_what_is_selected_is_what_runs(tmp_path: Path, arguments: list[str], expected: set[str]) -> None:
    features = {name: text.replace("2 are", "1 are") for name, text in PAIR.items()}
    features["area/outcomes.feature"] = test_plugins.OUTCOMES
    run = done(tmp_path, features, *arguments, workers=2)
    assert run.code == 0, run.output
    assert run.results().keys() == expected


def test_a_dry_run_needs_no_workers(tmp_path: Path) -> None:
    run = done(tmp_path, PAIR, "--dry-run", workers=2)
    assert run.code == 0, run.output
    assert not (tmp_path / "logs").exists()


def test_the_longest_file_is_expected_by_memory_else_by_size(tmp_path: Path) -> None:
    sizes = {"a": 100, "b": 50, "c": 300}
    for name, size in sizes.items():
        (tmp_path / name).write_text("x" * size)
    files = [str(tmp_path / name) for name in sizes]
    assert times.expected(files, {}) == dict(zip(files, [100.0, 50.0, 300.0], strict=True))
    known = times.expected(files, {files[0]: 2.0})
    assert known == pytest.approx({files[0]: 2.0, files[1]: 1.0, files[2]: 6.0})


def test_times_are_remembered_and_a_broken_memory_is_none(tmp_path: Path) -> None:
    memory = tmp_path / "durations.json"
    times.remember(memory, {"a": 1.0})
    times.remember(memory, {"b": 2.0})
    assert times.recall(memory) == {"a": 1.0, "b": 2.0}
    memory.write_text("{half")
    assert times.recall(memory) == {}
