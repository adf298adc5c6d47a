"""Batch jobs of a scenario: what was submitted, every look at it, and what it must have stored."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial

from support.drivers.gateway import Answer, GatewayUnreachable
from support.matchers.requests import told
from support.vocabulary import stores
from support.vocabulary.words import JOBS, Word, any_of
from support.waiting import eventually
from support.world import World

FINAL = ("completed", "failed", "cancelled")
# How the features say that a job has ended, and its status then.
ENDS = {"completes": "completed", "fails": "failed", "is cancelled": "cancelled"}
# What of a job is put in order, and the moment that the platform tells.
MOMENTS = {"started": "started_at", "ended": "completed_at"}
# A minute's work at the promised rate is a thousand documents; scenarios submit a few hundred.
ENDS_WITHIN_S = 30.0
BEGINS_WITHIN_S = 10.0
# A try may wait for every time limit of its dependencies.
TRY_WITHIN_S = 3.0

_STAGES = {
    "has processed some items": "one at least, and others are still to be processed",
    "has written rows but no points": "PostgreSQL holds documents of the job, and Qdrant none",
}
_TRIED = re.compile(r"has been tried (\d+) times")
JOB_STAGE = Word(
    "job_stage",
    'how far a job is, also "has been tried 3 times": begun by a worker so often; the steps wait for it',
    any_of(_STAGES) + "|" + _TRIED.pattern.replace("(", "(?:"),
    str,
    _STAGES,
)


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a job was at one look."""

    state: str
    done: int
    failed: int
    total: int
    percentage: float

    @classmethod
    def of(cls, answer: Answer) -> Progress:
        told = answer.body["progress"]
        return cls(
            answer.body["status"],
            told["processed_items"],
            told["failed_items"],
            told["total_items"],
            told["percentage"],
        )

    def __str__(self) -> str:
        return f"{self.state}, {self.done} succeeded and {self.failed} failed of {self.total}"


@dataclass(slots=True)
class Job:
    """A job that the platform accepted; ``looks`` are all answers about its status, in their order."""

    id: str
    actor: str
    key: str
    collection: str
    items: tuple[str, ...]
    deletes: bool
    looks: list[Answer] = field(default_factory=list)

    @property
    def progress(self) -> Progress:
        """How far it was when it was last looked at."""
        return Progress.of(self.looks[-1])

    @property
    def failures(self) -> dict[str, str]:
        """The problem code of each failed item that was named at the last look."""
        return {error["id"]: error["code"] for error in self.looks[-1].body["errors"]}

    @property
    def succeeded(self) -> list[str]:
        """Its items without the failed ones: in their order, up to where it stopped."""
        seen = self.progress
        return [item for item in self.items[: seen.done + seen.failed] if item not in self.failures]


def of(world: World, name: str) -> Job:
    """The job that a feature names. Raises ``AssertionError`` where there is none, or it may be several."""
    count, place = len(world.jobs), [*JOBS].index(name)
    assert name != "the job" or count <= 1, f'"the job" is one of {count}: say which, such as "the first job"'
    last = f"; the last request, {told(world.attempts[-1])}" if world.attempts else ""
    missing = f"there is no {name.removeprefix('the ')}: {count} jobs have been accepted{last}"
    assert max(0, place - 1) < count, missing
    return world.jobs[max(0, place - 1)]


def look(world: World, job: Job, answer: Answer | None = None) -> Progress:
    """Keep what the platform tells of a job, or ask for it; outcomes are entered in the client's history."""
    if answer is None:
        answer = status_of(world, job.id, job.key)
        assert answer.ok, f"asking for the status of a job: {answer}"
    job.looks.append(answer)
    seen = job.progress
    if seen.state in ("completed", "failed") and len(job.failures) == seen.failed:
        for item in job.items:
            if item in job.failures:
                world.ledger.refuse(job.collection, item)
            elif (job.collection, item) in world.ledger.unknown:
                world.ledger.unknown.discard((job.collection, item))
                world.ledger.acknowledged[job.collection, item] = 0 if job.deletes else 1
    return seen


def status_of(world: World, job_id: str, key: str) -> Answer:
    """What the platform tells of a job."""
    return world.citadel.gateway.call("getJobStatus", job_id=job_id, key=key)


def end(world: World, job_id: str, key: str) -> None:
    """Clean-up: nothing of a job may go on after its scenario. ``key`` is of the job's owner."""
    world.citadel.gateway.call("cancelJob", job_id=job_id, key=key)
    eventually(
        lambda: status_of(world, job_id, key).body.get("status"),
        lambda state: state in FINAL,
        within=BEGINS_WITHIN_S,
        what="the cancelled job has ended",
    )


def ended(world: World, name: str) -> Progress:
    """Wait until a job is in a final state, in which it is found once more."""
    job = of(world, name)
    _look_until(world, job, lambda seen: seen.state in FINAL, ENDS_WITHIN_S, f"{name} has ended")
    return look(world, job)


def await_stage(world: World, name: str, stage: str) -> None:
    """Wait until a job has come so far; it must not have ended before."""
    job = of(world, name)
    if tried := _TRIED.fullmatch(stage):
        count = int(tried[1])
        reached, within = partial(_tries_reach, world, job, count), BEGINS_WITHIN_S + count * TRY_WITHIN_S
    else:
        reached, within = partial(_REACHED[stage], world, job), BEGINS_WITHIN_S
    seen = _look_until(
        world, job, lambda seen: seen.state in FINAL or reached(seen), within, f"{name} {stage}"
    )
    assert seen.state not in FINAL, f"{name} ended before it {stage.replace('has', 'had', 1)}: {seen}"


def _tries_reach(world: World, job: Job, count: int, _seen: Progress) -> bool:
    return stores.rows(world).job_attempts(job.id) >= count


def _some_processed(_world: World, _job: Job, seen: Progress) -> bool:
    return seen.done > 0


def _rows_written(world: World, job: Job, _seen: Progress) -> bool:
    written = any(row.external_id in job.items for row in stores.rows(world).rows(job.collection))
    assert not written or stores.rows(world).open_events(job.collection), "a write of the job is over"
    return written


_REACHED: Mapping[str, Callable[[World, Job, Progress], bool]] = {
    "has processed some items": _some_processed,
    "has written rows but no points": _rows_written,
}


def _look_until(
    world: World, job: Job, accept: Callable[[Progress], bool], within: float, what: str
) -> Progress:
    return eventually(
        partial(look, world, job), accept, within=within, what=what, transient=(GatewayUnreachable,)
    )


def against_the_rules(world: World, name: str) -> list[str]:
    """Looks at a job that contradict the sums or each other: counters decrease, a final state changes."""
    looks = [Progress.of(answer) for answer in of(world, name).looks]
    assert looks, f"nobody has looked at {name} in this scenario yet"
    wrong = []
    for seen in looks:
        over = seen.done + seen.failed
        if over > seen.total:
            wrong.append(f"more is over than there is: {seen}")
        if seen.state in ("completed", "failed") and over != seen.total:
            wrong.append(f"it ended without an outcome for every item: {seen}")
        if abs(seen.percentage - (share := 100.0 * over / seen.total)) > 0.01:
            wrong.append(f"{seen.percentage} % are told, {share:.2f} % are over: {seen}")
    for before, after in itertools.pairwise(looks):
        if after.done < before.done or after.failed < before.failed or after.total != before.total:
            wrong.append(f"the counters decreased: {before}, then {after}")
        if before.state in FINAL and after != before:
            wrong.append(f"a job that had ended changed: {before}, then {after}")
    return list(dict.fromkeys(wrong))


def stored_otherwise(world: World, name: str) -> list[str]:
    """Succeeded items that are not stored exactly once as the job's own, and others that are stored.

    A document that was stored twice would be in its second version.
    """
    job = of(world, name)
    assert job.looks and job.progress.state in FINAL, f"{name} has not ended yet"
    stores.nothing_in_flight(world)
    written = set(stores.rows(world).written_by(job.id))
    versions = {row.external_id: row.version for row in stores.rows(world).rows(job.collection)}
    points = {str(point.external_id) for point in stores.vectors(world).points(job.collection)}
    wrong = []
    for item in job.items:
        if item not in job.succeeded:
            wrong += [f'"{item}" is stored, and did not succeed'] if {item} & (points | set(versions)) else []
            continue
        missing = [
            store for store, held in (("PostgreSQL", versions), ("Qdrant", points)) if item not in held
        ]
        wrong += [f'"{item}" is not in {store}' for store in missing]
        if item in versions and item not in written:
            wrong.append(f'"{item}" is not marked as written by the job')
        if versions.get(item, 1) != 1:
            wrong.append(f'"{item}" is in version {versions[item]}: stored more than once')
    return wrong + stores.halves(world)


def moment(world: World, name: str, what: str) -> str:
    """When a job started or ended, as its owner is told: moments in this form sort by time."""
    job = of(world, name)
    look(world, job)
    return str(job.looks[-1].body["timing"][MOMENTS[what]] or f"{name} has not {what} yet")
