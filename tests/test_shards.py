"""A run divided among machines: fairly, the same way everywhere, and whole again when it is merged."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from support.reporting import shards
from support.reporting.outages import Outage, Phase
from support.reporting.output import RECORD
from support.reporting.results import Figures, ScenarioResult
from support.reporting.shards import NotDivided, NotMerged, Record, Shard, divide, merge
from tests.running import behave, support

FILES = {
    f"features/area/{letter}.feature": seconds
    for letter, seconds in zip("abcdef", (9, 7, 5, 4, 3, 2), strict=True)
}


# --- dividing


def test_each_file_goes_to_one_part_and_no_part_has_much_more_to_do() -> None:
    plan = divide(FILES, [], 3)
    assert plan.keys() == FILES.keys()
    loads = [sum(FILES[file] for file, part in plan.items() if part == number) for number in (1, 2, 3)]
    assert loads == [11, 10, 9]


def test_the_order_in_which_a_machine_finds_its_files_does_not_matter() -> None:
    backwards = dict(reversed(FILES.items()))
    assert divide(backwards, [], 3) == divide(FILES, [], 3)


def test_a_feature_that_runs_alone_keeps_its_machine_busy() -> None:
    assert divide({"alone": 10.0, "a": 9.0, "b": 9.0}, ["alone"], 2) == {"alone": 1, "a": 2, "b": 2}


def test_a_scenario_that_breaks_something_is_expected_to_take_longer() -> None:
    assert shards.guess(["G1"]) < shards.guess(["outage"]) < shards.guess(["slow", "outage"])


def test_without_times_every_part_gets_as_many_files() -> None:
    plan = divide(dict.fromkeys(FILES, 0.0), [], 3)
    assert sorted(plan.values()) == [1, 1, 2, 2, 3, 3]


def test_a_part_without_work_is_no_part() -> None:
    with pytest.raises(NotDivided, match="6 feature files are selected: too few for 7 parts"):
        divide(FILES, [], 7)


@pytest.mark.parametrize("text", ["", "2", "0/3", "4/3", "-1/3", "1/0", "a/b", "1/2/3"])
def test_what_is_no_part_is_refused(text: str) -> None:
    with pytest.raises(NotDivided, match="shard=2/3"):
        Shard.parse(text)


# --- merging


def figures(**members: Any) -> Figures:
    given: dict[str, Any] = {
        "mode": "embedded",
        "wall_s": 10.0,
        "busy_s": 9.0,
        "seen": {("getHealth", 200): 3},
        "agreeing": 5,
        "union": 5,
        "audits": 2,
        "findings": 0,
        "performance": {},
        "start_s": {"postgresql": 0.5},
        "outages": [],
        **members,
    }
    return Figures(**given)


def outage(scenario: str) -> dict[str, Any]:
    phase = Phase(2, 1)
    return Outage(scenario, ["redis cut"], 3, 1.5, phase, phase, phase, 0.4, 10.0).plain()


def outcome(letter: str, status: str = "passed") -> ScenarioResult:
    file = f"features/area/{letter}.feature"
    return ScenarioResult("area", f"scenario {letter}", f"{file}:3", status, 1.0, "", ("G1", "alone"))


def record(number: int, letters: str, **members: Any) -> Record:
    plan = {"features/area/a.feature": 1, "features/area/b.feature": 2}
    given: dict[str, Any] = {
        "shard": Shard(number, 2),
        "plan": plan,
        "code": "abc",
        "seed": number * 100,
        "wall_s": 60.0 * number,
        "broken": 0,
        "parts": [figures()],
        "outcomes": [outcome(letter) for letter in letters],
        **members,
    }
    return Record(**given)


def left_by(folder: Path, told: Record) -> Path:
    """What a machine leaves: the record, an Allure result and a JUnit file."""
    told.write(folder, lambda text: text)
    for name in (f"allure-results/{told.shard.number}-result.json", f"junit/TESTS-{told.shard.number}.xml"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("{}")
    return folder


def test_a_record_is_read_as_it_was_written(tmp_path: Path) -> None:
    told = record(1, "a", parts=[figures(seen={("getHealth", 200): 3, ("insertVector", 201): 1})])
    told.write(tmp_path, lambda text: text)
    assert Record.read(tmp_path) == told


def test_the_parts_make_one_whole(tmp_path: Path) -> None:
    struck = outage("scenario b")
    other = figures(seen={("insertVector", 201): 4}, agreeing=4, union=5, audits=3, outages=[struck])
    folders = [
        left_by(tmp_path / "two", record(2, "b", parts=[other], outcomes=[outcome("b", "failed")])),
        left_by(tmp_path / "one", record(1, "a")),
    ]
    table, good = merge(folders, tmp_path / "whole")
    assert not good
    assert "1 passed, 1 failed, 0 skipped of 2" in table
    assert "behave features/area/b.feature:3 -D seed=200" in table, "with the seed of its own machine"
    summary = json.loads((tmp_path / "whole" / "results" / "summary.json").read_text())
    assert summary["coverage"]["observed"] == 2
    assert (summary["consistency"]["percent"], summary["consistency"]["audits"]) == (90.0, 5)
    assert summary["outages"] == [struck]
    assert summary["wall_s"] == 120.0, "as long as the slowest machine took"
    assert len(list((tmp_path / "whole" / "allure-results").iterdir())) == 2
    assert len(list((tmp_path / "whole" / "junit").iterdir())) == 2


@pytest.mark.parametrize(
    ("second", "good"),
    [
        (record(2, "b"), True),
        (record(2, "b", broken=1), False),
        (record(2, "b", outcomes=[outcome("b", "untested")]), False),
        (record(2, "b", outcomes=[outcome("b", "skipped")]), True),
        (record(2, "b", outcomes=[outcome("b", "hook_error")]), False),
    ],
)
def test_all_is_well_if_nothing_failed_broke_or_was_left_out(
    tmp_path: Path, second: Record, good: bool
) -> None:
    folders = [left_by(tmp_path / "one", record(1, "a")), left_by(tmp_path / "two", second)]
    assert merge(folders, tmp_path / "whole")[1] is good


@pytest.mark.parametrize(
    ("second", "reason"),
    [
        (None, "missing: 2/2"),
        (record(1, "a"), "missing: 2/2"),
        (record(2, "b", code="other"), "parts 1/2 and 2/2 ran different code"),
        (record(2, "b", plan={"features/area/b.feature": 2}), "went by different plans"),
        (record(2, "b", shard=Shard(2, 3)), "parts of different runs"),
        (record(2, ""), "part 2/2 has no results of features/area/b.feature"),
    ],
)
def test_what_does_not_belong_together_is_not_merged(
    tmp_path: Path, second: Record | None, reason: str
) -> None:
    folders = [left_by(tmp_path / "one", record(1, "a"))]
    folders += [left_by(tmp_path / "two", second)] if second else []
    with pytest.raises(NotMerged, match=reason):
        merge(folders, tmp_path / "whole")
    assert not (tmp_path / "whole").exists(), "nothing is written before all is known to be right"


def test_a_part_that_is_there_twice_is_not_counted_twice(tmp_path: Path) -> None:
    told = [record(1, "a"), record(2, "b"), record(2, "b")]
    folders = [left_by(tmp_path / str(n), each) for n, each in enumerate(told)]
    with pytest.raises(NotMerged, match="a part is there twice"):
        merge(folders, tmp_path / "whole")


def test_the_whole_does_not_overwrite_a_part(tmp_path: Path) -> None:
    one = left_by(tmp_path / "one", record(1, "a"))
    with pytest.raises(NotMerged, match="cannot be a part and the whole"):
        merge([one], one)


def test_an_undivided_run_has_nothing_to_merge(tmp_path: Path) -> None:
    with pytest.raises(NotMerged, match="no record of a part of a run"):
        merge([tmp_path], tmp_path / "whole")


# --- as a user does it

CHOSEN = ("features/end_to_end/document_life.feature", "features/environment/set_up.feature")


def test_two_machines_run_what_one_would_and_the_results_are_one(tmp_path: Path) -> None:
    parts = [behave(tmp_path / f"{n}", *CHOSEN, "-D", f"shard={n}/2") for n in (1, 2)]
    assert [part.code for part in parts] == [0, 0], "".join(part.printed for part in parts)
    ran = [{each.file for each in Record.read(part.output).outcomes} for part in parts]
    assert ran[0].isdisjoint(ran[1]) and ran[0] | ran[1] == set(CHOSEN)
    whole = tmp_path / "whole"
    merged = support("merge", *(str(part.output) for part in parts), "--output", str(whole))
    assert merged.returncode == 0, merged.stdout
    alone = [part.summary["scenarios"]["passed"] for part in parts]
    summary = json.loads((whole / "results" / "summary.json").read_text())
    assert summary["scenarios"] == {"passed": sum(alone), "failed": 0, "skipped": 0, "total": sum(alone)}
    lost = support("merge", str(parts[0].output), "--output", str(whole))
    assert (lost.returncode, "missing: 2/2" in lost.stdout) == (2, True), lost.stdout


def test_a_run_that_cannot_be_divided_so_does_not_begin(tmp_path: Path) -> None:
    refused = behave(tmp_path, CHOSEN[0], "-D", "shard=1/2")
    assert refused.code == 2
    assert "1 feature files are selected: too few for 2 parts" in refused.printed


def test_the_records_of_a_former_run_are_not_taken_for_this_one(tmp_path: Path) -> None:
    left_by(tmp_path, replace(record(1, "a"), seed=1))
    behave(tmp_path, CHOSEN[0])
    assert not (tmp_path / RECORD).exists()
