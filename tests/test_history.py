"""The clients' history of a scenario, and what the clients were shown held against it."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest

from support.drivers.gateway import Answer
from support.vocabulary import outcomes, visibility
from support.world import Attempt, Ledger, View, World

KEY = ("handbook", "menu")


def answer(**body: Any) -> Answer:
    return Answer("getVector", 200, {}, body, "", 1.0)


def test_of_writes_at_the_same_time_the_highest_version_counts() -> None:
    ledger = Ledger()
    with ledger.writing(KEY):
        with ledger.writing(KEY):
            ledger.acknowledge(KEY, 3)
        ledger.acknowledge(KEY, 2)
    assert ledger.acknowledged == {KEY: 3}
    assert ledger.unknown == set()


def test_of_writes_at_the_same_time_as_a_deletion_nothing_is_known() -> None:
    ledger = Ledger()
    with ledger.writing(KEY, deletes=True), ledger.writing(KEY):
        ledger.acknowledge(KEY, 3)
        ledger.acknowledge(KEY, 0)
    assert (ledger.acknowledged, ledger.refused, ledger.unknown) == ({}, set(), set())


def test_one_unknown_outcome_among_writes_at_the_same_time_is_kept() -> None:
    ledger = Ledger()
    with ledger.writing(KEY), ledger.writing(KEY):
        ledger.doubt(KEY)
        ledger.acknowledge(KEY, 3)
    assert ledger.unknown == {KEY}
    with ledger.writing(KEY):
        ledger.acknowledge(KEY, 4)
    assert ledger.unknown == set()


def test_a_collection_dropped_meanwhile_leaves_no_history() -> None:
    ledger = Ledger()
    with ledger.writing(KEY):
        ledger.forget("handbook")
        ledger.acknowledge(KEY, 1)
    assert ledger.acknowledged == {}


def reading(began: float, version: int, client: int = 1) -> Attempt:
    made = answer(id="menu", version=version)
    return Attempt("a reader reads", made, view=View("handbook", "menu"), began=began, client=client)


def world_of(*attempts: Attempt) -> World:
    ledger = Ledger(journal=[(1.0, KEY, 1), (2.0, KEY, 2)])
    return cast(World, SimpleNamespace(attempts=attempts, ledger=ledger))


def test_what_is_shown_in_time_is_no_complaint() -> None:
    assert visibility.shown_older(world_of(reading(1.5, 1), reading(1.9, 2), reading(2.5, 2))) == []


@pytest.mark.parametrize(
    ("seen", "complaint"),
    [
        ([(1.5, 1), (2.5, 1)], "version 2 had been acknowledged"),
        ([(1.5, 2), (1.9, 1)], "had been shown in version 2"),
        ([(2.5, 2), (2.6, 2)], "nothing change"),
    ],
)
def test_what_is_old_or_proves_nothing_is_told(seen: list[tuple[float, int]], complaint: str) -> None:
    told = visibility.shown_older(world_of(*(reading(*each) for each in seen)))
    assert len([each for each in told if complaint in each]) == 1, told


def test_outcomes_are_counted_in_any_order() -> None:
    made = [Attempt("stores", answer(outcome="created", version=1))]
    made += [Attempt("stores", answer(outcome="unchanged", version=1))] * 2
    world = cast(World, SimpleNamespace(attempts=made))
    right = [{"outcome": "created", "number": "1"}, {"outcome": "unchanged", "number": "at least 2"}]
    assert outcomes.deviations(world, right) == []
    wrong = outcomes.deviations(world, [{"outcome": "created", "number": "2"}])
    assert "expected 2 of outcome created, were 1" in wrong[0]
    assert len([each for each in wrong if each.startswith("expected by no row")]) == 2


def test_a_row_may_be_of_one_answer_or_of_those_that_meet_a_condition() -> None:
    made = [Attempt("repairs", answer(repaired=3, busy=1)), Attempt("repairs", answer(repaired=0, busy=0))]
    world = cast(World, SimpleNamespace(attempts=made))
    row = {"field": "repaired", "value": "3"}
    assert outcomes.shown_otherwise(world, [{**row, "answer": "1"}]) == []
    assert outcomes.shown_otherwise(world, [{**row, "if": "busy = 1"}]) == []
    assert len(outcomes.shown_otherwise(world, [{**row, "answer": "2"}])) == 1
    with pytest.raises(AssertionError, match="no answer shows busy = 7"):
        outcomes.shown_otherwise(world, [{**row, "if": "busy = 7"}])
