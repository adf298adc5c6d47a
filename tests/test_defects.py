"""The proof by seeded defects: how it is led, and that it holds for one defect of each kind."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from tests.defects import proof
from tests.defects.catalogue import DEFECTS
from tests.defects.defect import Defect
from tests.defects.defect import defect as enter
from tests.defects.proof import Control, Proof, judge, needs_own_servers, seeded, watched
from tests.running import SuiteRun, behave, failures, stack_up
from tests.scenarios import Scenario, arguments, of_key, scenarios

# One of each kind is seeded in every run of the tests; `make defects` seeds them all.
ALWAYS = (
    "answer-lacks-a-member",
    "cache-key-without-fence",
    "delete-forgets-vectors",
    "dropped-collections-stay",
    "embeddings-mixed-up",
    "filter-ignored",
    "hidden-crash",
    "keys-in-the-log",
    "outage-as-empty-answer",
    "pages-skip-an-item",
    "readers-may-write",
    "vectors-never-written",
)


@pytest.fixture(scope="module")
def stores() -> Iterator[dict[str, str]]:
    """Stores that stay up between the defects; only the services on top are restarted."""
    with stack_up() as variables:
        yield {name: variables[name] for name in proof.STORES}


def test_without_a_defect_every_one_of_their_scenarios_passes(stores: dict[str, str], tmp_path: Path) -> None:
    chosen = [DEFECTS[name] for name in ALWAYS if not needs_own_servers(DEFECTS[name])]
    watching = {each for defect in chosen for each in watched(defect)}
    done = behave(tmp_path, *arguments(watching), environ=stores)
    assert done.code == 0, done.printed
    assert done.summary["scenarios"]["passed"] == len(watching)
    assert done.summary["scenarios"]["skipped"] == 0, done.printed


@pytest.mark.parametrize("name", ALWAYS)
def test_a_defect_is_found_and_named(name: str, stores: dict[str, str], tmp_path: Path) -> None:
    defect = DEFECTS[name]
    printed = []

    def run(arguments: Sequence[str], within_s: float) -> SuiteRun:
        given = {} if needs_own_servers(defect) else stores
        done = behave(tmp_path, *arguments, environ={**given, **seeded(name, defect)}, within_s=within_s)
        printed.append(done.printed)
        return done

    verdict = judge(name, defect, run)
    assert verdict.detected and verdict.as_expected and verdict.named, (
        proof.line(verdict) + "\n" + "\n".join(printed)
    )


def test_every_defect_is_watched_by_a_scenario_that_exists() -> None:
    def missing(defect: Defect) -> str:
        try:
            return "" if watched(defect) else "none"
        except LookupError as error:
            return str(error)

    assert {name: missing(defect) for name, defect in DEFECTS.items() if missing(defect)} == {}
    outlines = {each.key for each in scenarios() if each.row}
    assert [name for name, defect in DEFECTS.items() if defect.row and defect.key not in outlines] == []


def test_every_defect_stands_in_the_module_of_its_area() -> None:
    placed = {name: defect.apply.__module__.rpartition(".")[2] for name, defect in DEFECTS.items()}
    assert {name: place for name, place in placed.items() if place != watched(DEFECTS[name])[0].area} == {}


def test_no_defect_hides_another_of_the_same_name() -> None:
    def filter_ignored() -> None:
        """Called like one that is there."""

    before = dict(DEFECTS)
    with pytest.raises(ValueError, match="two defects are called filter-ignored"):
        enter("forgets", key="memory-kept", message="gone")(filter_ignored)
    assert before == DEFECTS


# --- how the proof is led

DEFECT = Defect("forgets", "gateway", lambda: None, "memory-kept", r"gone: \d+")
WATCHING = [Scenario("memory-kept", "It remembers", "features/some_area/a.feature", "", frozenset())]
GREEN = "[ 1/2] ok        0.10 s  It remembers\n[ 2/2] ok        0.10 s  It counts\n\nResults\n  gone: 1\n"


def printed(*red: tuple[str, str]) -> str:
    blocks = [f"[ {i}/9] FAILED   0.10 s  {name}\n      {said}\n" for i, (name, said) in enumerate(red, 1)]
    return "".join(blocks) + "\nResults\n  FAILED   gone: 9\n"


class Runs:
    """Stands for behave: gives what it is told to and remembers what it was asked."""

    def __init__(self, *answers: tuple[int, str] | None) -> None:
        self.answers = list(answers)
        self.asked: list[str] = []

    def __call__(self, arguments: Sequence[str], within_s: float) -> SuiteRun:
        self.asked.append(" ".join(arguments))
        answer = self.answers.pop(0)
        if answer is None:
            raise subprocess.TimeoutExpired("behave", within_s)
        return SuiteRun(*answer, Path())


def test_a_defect_whose_scenario_is_red_needs_no_more() -> None:
    run = Runs((1, printed(("It remembers", "gone: 7"), ("It counts", "other"))))
    verdict = judge("amnesia", DEFECT, run, WATCHING)
    assert (verdict.caught_by, verdict.named, verdict.as_expected) == ("It remembers", True, True)
    assert run.asked == ["features/some_area/a.feature -t @key.memory-kept"]


def test_the_area_is_run_where_the_scenario_stays_green() -> None:
    run = Runs((0, GREEN), (1, printed(("It counts", "gone: 7"))))
    verdict = judge("amnesia", DEFECT, run, WATCHING)
    assert (verdict.caught_by, verdict.named, verdict.as_expected) == ("It counts", True, False)
    assert verdict.why == "the scenario stays green"
    assert run.asked[1] == "features/some_area --stop"


def test_a_message_of_the_closing_table_or_of_another_scenario_names_nothing() -> None:
    verdict = judge("amnesia", DEFECT, Runs((1, printed(("It remembers", "broken")))), WATCHING)
    assert verdict.detected and not verdict.named


@pytest.mark.parametrize(
    ("answers", "why"),
    [
        (((0, GREEN), (0, GREEN)), "the scenario stays green; the area stays green"),
        ((None, (0, GREEN)), "features/some_area/a.feature did not end within 240 s; the area stays green"),
        (((2, ""),), "the run ended with exit code 2"),
    ],
)
def test_what_nobody_sees_is_told_with_the_reason(
    answers: tuple[tuple[int, str] | None, ...], why: str
) -> None:
    verdict = judge("amnesia", DEFECT, Runs(*answers), WATCHING)
    assert (verdict.detected, verdict.named, verdict.why) == (False, False, why)


def verdict(number: int, *, caught: bool = True, named: bool = True) -> Proof:
    return Proof(f"d{number}", "forgets", "area", "memory-kept", "It remembers" * caught, caught, named, 1.0)


@pytest.mark.parametrize(
    ("missed", "unnamed", "alarms", "good"),
    [(0, 0, 0, True), (1, 1, 0, True), (2, 0, 0, False), (0, 3, 0, False), (0, 0, 1, False)],
)
def test_the_proof_holds_from_its_thresholds_on(missed: int, unnamed: int, alarms: int, good: bool) -> None:
    verdicts = [
        verdict(i, caught=i >= missed, named=missed <= i < 20 - unnamed) for i in range(20)
    ]  # of twenty, one may be missed and two may be unnamed, a missed one among them
    control = Control(9, ("It counts",) * alarms)
    assert proof.good(control, verdicts) is good


def test_the_proof_is_written_for_people_and_machines(tmp_path: Path) -> None:
    other = Proof("d9", "forgets | more", "area", "memory-kept", "It counts", False, False, 2.0)
    proof.write(Control(9, ()), [verdict(1), other, verdict(2, caught=False, named=False)], 60.0, tmp_path)
    page = (tmp_path / "defects.md").read_text()
    assert "detected: 2 of 3 = 66.7 % (at least 95 %), 1 by the scenario written for it" in page
    assert "| area | `d1` | forgets | It remembers | yes | 1 |" in page
    assert "It counts (another than expected) | **no** | 2 |" in page
    assert r"forgets \| more" in page
    assert "| **nobody** | **no** |" in page
    told = json.loads((tmp_path / "defects.json").read_text())
    assert (told["good"], told["defects"], told["detected"], told["named"]) == (False, 3, 2, 1)


def test_a_row_is_run_by_its_name_and_an_outline_by_its_key() -> None:
    redis = of_key("redis-outage-refuses-only-dependents", r"redis\.hang")
    assert len(redis) == 1 and redis[0].row.endswith("| redis.hang")
    asked = arguments(redis)
    assert asked[:3] == [redis[0].file, "-t", "@key.redis-outage-refuses-only-dependents"]
    assert asked[3] == "-n" and re.search(asked[4], f"{redis[0].name} -- @1.13 ") and len(asked) == 5
    whole = of_key("redis-outage-refuses-only-dependents")
    assert len(whole) > 1 and arguments(whole) == asked[:3]
    with pytest.raises(LookupError, match=r"no scenario has the tag @key\.nobody"):
        of_key("nobody")


def test_failures_are_told_by_scenario_whatever_the_lane() -> None:
    text = (
        "[ 1/2] FAILED   0.10 s  w2  It remembers\n      at a:1\n[ 2/2] ok  0.1 s  B\n\nResults\n  FAILED C\n"
    )
    assert list(failures(text)) == ["It remembers"]
