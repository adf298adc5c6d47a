"""Whatever stands in a message or a name: every report is written, valid, complete, and shows no secret."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.printable import as_json, printable, quoted
from support.redaction import MASK
from tests import test_parallel
from tests.test_plugins import ROOT

# A terminal would clear its screen, change its title, ring; XML and UTF-8 cannot hold some of it at all.
HOSTILE = "\x1b[2J\x1b]0;owned\x07\x00\x9b31m\ud800\udfff\ufffe\u202e]]>&<\"'\x7f|🙂é\r"
SHOWN = "\\x1b[2J\\x1b]0;owned\\x07\\x00\\x9b31m\\ud800\\udfff\\ufffe\\u202e]]>&<\"'\\x7f|🙂é"
# In a feature file: half a pair is no UTF-8, a carriage return ends a line.
WRITTEN = HOSTILE.replace("\ud800\udfff", "").rstrip("\r").replace("|", "").replace("<", "")
SECRET = "canary-secret"
UNSAFE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff\u202e]")

ENVIRONMENT = (
    test_parallel.ENVIRONMENT.replace("def note(what):\n", "def note(what):\n    return\n")
    .replace(
        "def before_all(context):\n",
        f"""def before_all(context):
    worker_context.OWN.redact = lambda text: text.replace({SECRET!r}, "{MASK}")
""",
    )
    .replace(
        'raise RuntimeError("hook before broke")',
        f'raise RuntimeError("hook before broke {SECRET} " + {HOSTILE!a})',
    )
)
STEPS = (
    test_parallel.STEPS
    + f"""
HOSTILE = {HOSTILE!a}

@given("a failure")
def failure(context): assert not "{SECRET} " + HOSTILE, "{SECRET} " + HOSTILE

@given("a hostile error")
def hostile_error(context):
    print("printed {SECRET} " + HOSTILE)
    raise ValueError("{SECRET} " + HOSTILE)

@given("a reason to skip")
def skip(context): context.scenario.skip("{SECRET} " + HOSTILE)

@given("a hostile clean-up")
def clean_up(context):
    def broken(): raise OSError("{SECRET} " + HOSTILE)
    context.add_cleanup(broken)

@given("words {{words}}")
def words(context, words): pass

@given("a hostile attachment")
def attachment(context):
    from support.plugins import attachments
    attachments.attach_json(HOSTILE, {{HOSTILE: ["{SECRET} " + HOSTILE]}})
    attachments.attach_text("text " + HOSTILE, "{SECRET} " + HOSTILE)
"""
)
FEATURE = f"""
Feature: hostile {{number}} {WRITTEN}
  Scenario: fails {WRITTEN}
    Given a failure
  Scenario: has an error
    Given a hostile error
  Scenario: skips
    Given a reason to skip
  Scenario: clean-up breaks
    Given a hostile clean-up
  @broken_before
  Scenario: hook breaks
    Given all is well
  @tag\x1b[31m
  Scenario: passes {SECRET}
    Given words {WRITTEN} {SECRET}
    And a table
      | a {WRITTEN} |
      | {WRITTEN} |
    And words of a text
      \"\"\"
      {WRITTEN}
      \"\"\"
    And a hostile attachment
  Scenario Outline: row <a>
    Given words <a>
    Examples: {WRITTEN}
      | a |
      | {WRITTEN} |
  Scenario: undefined
    Given nobody wrote {WRITTEN}
"""
VERDICTS = {
    "fails": "failed",
    "has an error": "broken",
    "skips": "skipped",
    "clean-up breaks": "broken",
    "hook breaks": "broken",
    f"passes {MASK}": "passed",
    "row": "passed",
    "undefined": "broken",
}


def environment(workers: int, **environ: str) -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(ROOT), "WORKERS": str(workers), **environ}


def prepare(folder: Path) -> None:
    """The hostile project."""
    features = {f"area/hostile_{number}.feature": FEATURE.format(number=number) for number in (1, 2)}
    # The same file name in two folders.
    features["other/hostile_1.feature"] = FEATURE.format(number=3)
    test_parallel.project(folder, features)
    (folder / "environment.py").write_text(ENVIRONMENT, encoding="utf-8")
    (folder / "steps" / "steps.py").write_text(STEPS, encoding="utf-8")


def start(folder: Path, workers: int, *arguments: str, stdout: int, stderr: int, **environ: str) -> Any:
    """Start the hostile project in so many workers."""
    prepare(folder)
    return subprocess.Popen(
        [Path(sys.executable).with_name("behave"), *arguments],
        cwd=folder,
        env=environment(workers, **environ),
        stdin=subprocess.DEVNULL,
        stdout=stdout,
        stderr=stderr,
    )


def run(folder: Path, workers: int, *arguments: str, **environ: str) -> tuple[int, bytes]:
    """The exit code of the hostile project, and what it printed."""
    process = start(folder, workers, *arguments, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, **environ)
    printed, _ = process.communicate(timeout=60)
    return process.returncode, printed


def assert_complete(folder: Path) -> None:
    """All files of JUnit and all results of Allure are there."""
    cases = [case for file in folder.glob("junit/*.xml") for case in ET.parse(file).iter("testcase")]
    assert len(cases) == len([*folder.glob("allure-results/*-result.json")]) == 3 * len(VERDICTS)


def base(name: str) -> str:
    return next(each for each in VERDICTS if name.startswith(each))


@pytest.mark.parametrize("workers", [1, 2])
def test_hostile_text_costs_nothing(workers: int, tmp_path: Path) -> None:
    code, output = run(tmp_path, workers)
    printed = output.decode("utf-8")
    assert code == 1, printed
    assert f"ASSERT FAILED: {MASK} {SHOWN}" in printed
    assert f"because: {MASK} {SHOWN}" in printed

    # A strict parser reads every JUnit file, and they hold every scenario.
    cases = [
        case for file in sorted(tmp_path.glob("junit/*.xml")) for case in ET.parse(file).iter("testcase")
    ]
    assert len(list(tmp_path.glob("junit/*.xml"))) == 3
    assert sorted(base(case.attrib["name"]) for case in cases) == sorted([*VERDICTS] * 3)
    for case in cases:
        if base(case.attrib["name"]) == "fails":
            assert case.find("failure").attrib["message"] == f"{MASK} {SHOWN}\\x0d"  # type: ignore[union-attr]
        if base(case.attrib["name"]) == "skips":
            assert case.find("skipped").attrib["message"] == f"{MASK} {SHOWN}\\x0d"  # type: ignore[union-attr]

    results = [json.loads(file.read_bytes()) for file in tmp_path.glob("allure-results/*-result.json")]
    assert sorted(base(each["name"]) for each in results) == sorted([*VERDICTS] * 3)
    assert {(base(each["name"]), each["status"]) for each in results} == set(VERDICTS.items())

    written = [
        file for folder in ("junit", "allure-results", "logs") for file in tmp_path.glob(f"{folder}/**/*")
    ]
    for file in filter(Path.is_file, written):
        text = file.read_bytes().decode("utf-8")
        assert not UNSAFE.search(text), file
        assert SECRET not in text, file
        if file.suffix == ".json":
            json.loads(text)
    # behave colours what it tells of undefined steps.
    assert not UNSAFE.search(re.sub(r"\x1b\[[\d;]*m|\x7f", "", printed))
    told = printed.replace(f"passes {SECRET}", "").replace("Given words", "")
    assert SECRET not in told


@pytest.mark.parametrize("formatter", ["plain", "json"])
def test_other_formatters_survive_too(formatter: str, tmp_path: Path) -> None:
    code, _printed = run(tmp_path, 1, "-f", formatter, "-o", str(tmp_path / "out" / "told"), "--no-color")
    assert code == 1
    assert (tmp_path / "out" / "told").stat().st_size > 0
    assert_complete(tmp_path)


@pytest.mark.parametrize(
    "environ",
    [
        {"PYTHONIOENCODING": "ascii"},
        {"LANG": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "LC_ALL": "C"},
    ],
)
@pytest.mark.parametrize("workers", [1, 2])
def test_a_terminal_of_another_encoding_ends_nothing(
    environ: dict[str, str], workers: int, tmp_path: Path
) -> None:
    code, printed = run(tmp_path, workers, **environ)
    assert code == 1
    assert printed.isascii()
    assert_complete(tmp_path)


@given(st.text(alphabet=st.characters(codec=None), max_size=80))
def test_printable_text_fits_everywhere(text: str) -> None:
    shown = printable(text)
    assert printable(shown) == shown
    shown.encode("utf-8")
    assert not UNSAFE.search(shown)
    element = ET.Element("a", text=shown)
    element.text = shown
    assert ET.fromstring(ET.tostring(element, encoding="utf-8")).text == (shown or None)
    assert json.loads(as_json({text: [text]})) == {shown: [shown]}
    assert "\n" not in quoted(text) and len(quoted(text)) < 80


def test_what_is_quoted_shows_no_password() -> None:
    assert "secret" not in quoted("postgresql://me:secret@host/db")


def test_a_reader_that_is_gone_costs_no_result(tmp_path: Path) -> None:
    process = start(tmp_path, 1, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdout is not None and process.stderr is not None
    process.stdout.readline()
    process.stdout.close()
    complaint = process.stderr.read().decode()
    assert process.wait(60) == 1
    assert complaint.count("standard output could not be written: Broken pipe") == 1, complaint
    assert "Traceback" not in complaint and "Exception ignored" not in complaint
    assert_complete(tmp_path)


def test_a_closed_output_costs_no_result(tmp_path: Path) -> None:
    prepare(tmp_path)
    command = f"exec {Path(sys.executable).with_name('behave')} >&- 2>&-"
    done = subprocess.run(["sh", "-c", command], cwd=tmp_path, env=environment(1), timeout=60)
    assert done.returncode == 1
    assert_complete(tmp_path)


FULL = """
@given("the disk is full from now on")
def full(context):
    import resource
    # As on a full disk, no file takes a byte more; pipes do.
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, resource.getrlimit(resource.RLIMIT_FSIZE)[1]))
"""
GONE = """
@given("the disk is full from now on")
def gone(context):
    from pathlib import Path
    Path("junit").rename("junit-was")
    Path("junit").write_text("a file where the folder was")
    Path("allure-results").rename("allure-was")
    Path("allure-results").write_text("a file where the folder was")
"""


@pytest.mark.parametrize("step", [FULL, GONE])
@pytest.mark.parametrize("workers", [1, 2])
def test_results_that_cannot_be_written_are_told_and_the_others_are_kept(
    step: str, workers: int, tmp_path: Path
) -> None:
    first = "Feature: first\n  Scenario: well\n    Given all is well\n"
    second = "Feature: second\n  Scenario: full\n    Given the disk is full from now on\n"
    third = "Feature: third\n  Scenario: after\n    Given all is well\n"
    # Alone, it comes last and runs in the run itself, whatever the number of workers.
    alone = {"area/3.feature": "@alone\n" + second, "area/4.feature": "@alone\n" + third}
    test_parallel.project(tmp_path, {"area/1.feature": first, "area/2.feature": first, **alone})
    (tmp_path / "environment.py").write_text(ENVIRONMENT, encoding="utf-8")
    (tmp_path / "steps" / "steps.py").write_text(test_parallel.STEPS + step, encoding="utf-8")
    done = subprocess.run(
        [Path(sys.executable).with_name("behave")],
        cwd=tmp_path,
        env=environment(workers),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=60,
    )
    printed = done.stdout.decode()
    assert done.returncode == 1, printed
    assert "Traceback" not in printed, printed
    assert printed.count("a result of the Allure report could not be written") == 1, printed
    assert "JUnit's file of features/area/3.feature could not be written" in printed
    assert re.search(r"ok .* after", printed), "the run went on"
    kept = [*tmp_path.glob("junit*/*.xml")]
    assert len(kept) == 2
    for file in kept:
        ET.parse(file)
    results = [*tmp_path.glob("allure-*/*-result.json")]
    assert len(results) == 2 and all(json.loads(file.read_bytes()) for file in results)
    assert not [*tmp_path.glob("allure-*/*.tmp")]
