"""Batch jobs of a scenario: which one is meant, what contradicts the looks at it, what it has stored."""

from __future__ import annotations

from typing import Any, cast

import pytest

from support.drivers.gateway import Answer
from support.isolation.names import Names, Run
from support.vocabulary import jobs
from support.vocabulary.jobs import Job
from support.world import World


def answer(state: str, done: int, failed: int, share: float, *failures: tuple[str, str]) -> Answer:
    progress = {"total_items": 4, "processed_items": done, "failed_items": failed, "percentage": share}
    errors = [{"index": 0, "id": item, "code": code} for item, code in failures]
    return Answer("getJobStatus", 200, {}, {"status": state, "progress": progress, "errors": errors}, "", 1.0)


@pytest.fixture
def world() -> World:
    return World(cast(Any, None), Names(Run("0" * 16), 1), lambda _action: None)


def job(world: World, *looks: Answer) -> Job:
    made = Job("1", "an editor", "key", "handbook", ("a", "b", "c", "d"), deletes=False)
    world.jobs.append(made)
    world.ledger.unknown |= {("handbook", item) for item in made.items}
    for each in looks:
        jobs.look(world, made, each)
    return made


def test_the_job_is_the_only_one_and_others_are_counted(world: World) -> None:
    with pytest.raises(AssertionError, match="there is no job: 0 jobs have been accepted"):
        jobs.of(world, "the job")
    first = job(world)
    assert jobs.of(world, "the job") is jobs.of(world, "the first job") is first
    second = job(world)
    assert jobs.of(world, "the second job") is second
    with pytest.raises(AssertionError, match='"the job" is one of 2'):
        jobs.of(world, "the job")
    with pytest.raises(AssertionError, match="there is no third job"):
        jobs.of(world, "the third job")


def test_looks_that_agree_are_no_complaint_and_outcomes_are_entered(world: World) -> None:
    done = answer("completed", 3, 1, 100.0, ("b", "dimension-mismatch"))
    made = job(world, answer("queued", 0, 0, 0.0), answer("processing", 1, 1, 50.0), done, done)
    assert jobs.against_the_rules(world, "the job") == []
    assert made.succeeded == ["a", "c", "d"]
    assert world.ledger.acknowledged == {("handbook", item): 1 for item in "acd"}
    assert (world.ledger.refused, world.ledger.unknown) == ({("handbook", "b")}, set())


@pytest.mark.parametrize(
    ("looks", "complaint"),
    [
        ([answer("processing", 2, 0, 50.0), answer("processing", 1, 0, 25.0)], "the counters decreased"),
        ([answer("processing", 3, 2, 125.0)], "more is over than there is"),
        ([answer("completed", 3, 0, 75.0)], "it ended without an outcome for every item"),
        ([answer("processing", 1, 0, 50.0)], "50.0 % are told, 25.00 % are over"),
        (
            [answer("cancelled", 1, 0, 25.0), answer("processing", 2, 0, 50.0)],
            "a job that had ended changed: cancelled, 1 succeeded and 0 failed of 4, then processing",
        ),
    ],
)
def test_looks_that_contradict_are_told(world: World, looks: list[Answer], complaint: str) -> None:
    job(world, *looks)
    assert any(each.startswith(complaint) for each in jobs.against_the_rules(world, "the job"))


def test_a_cancelled_job_has_stored_its_first_items(world: World) -> None:
    assert job(world, answer("cancelled", 2, 0, 50.0)).succeeded == ["a", "b"]
    assert world.ledger.acknowledged == {}
