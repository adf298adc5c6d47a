"""Batch jobs: handed over, watched, cancelled, and what became of their documents."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from hamcrest import assert_that, equal_to

from support.drivers.gateway import Answer, GatewayUnreachable
from support.matchers.answers import succeeded
from support.vocabulary import actors, collections, documents, outages, searches, stores
from support.vocabulary.texts import sentences
from support.waiting import consistently, eventually
from support.world import World

FINAL = {"completed", "failed", "cancelled"}
# Small, so that a job of some dozens of documents is seen in the middle.
BATCH = 5
# A job of so many is about speed, and is left to the platform's own batches.
MANY = 200
# A minute's work at the promised rate is a thousand documents; scenarios hand over a few hundred.
ENDS_WITHIN_S = 30.0
BEGINS_WITHIN_S = 10.0
WAITS_FOR_S = 0.7
LARGEST_JOB = 10_000
# The third try proves that the second one is over.
TRIES = 3
# What a scenario remembers of the job of which it speaks.
_OF_A_JOB = ("job", "handed over", "job titles", "job texts", "progress", "handed over at", "deletes")
# Texts of a job that are searched for: each must be the first of its own search.
SEARCHED = 3


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a job was at one look."""

    state: str
    done: int
    failed: int
    total: int

    @classmethod
    def of(cls, answer: Answer) -> Progress:
        told = answer.body["progress"]
        return cls(answer.body["status"], told["processed_items"], told["failed_items"], told["total_items"])

    def __str__(self) -> str:
        return f"{self.state}, {self.done} done and {self.failed} failed of {self.total}"


def hand_over(world: World, count: int, **options: Any) -> Answer:
    """Hand over ``count`` new documents by their texts as one job."""
    titles, texts = _new_texts(world, count)
    return _hand_over(world, titles, texts, options)


def _new_texts(world: World, count: int) -> tuple[list[str], list[str]]:
    """Titles and texts of another job."""
    number = world.evidence["jobs handed over"] = world.evidence.get("jobs handed over", 0) + 1
    texts = sentences(count, f"{world.names.prefix}job {number}")
    return [f"job {number} document {place}" for place in range(1, count + 1)], texts


def _hand_over(world: World, titles: list[str], texts: list[str], options: dict[str, Any]) -> Answer:
    world.evidence["job texts"] = dict(zip(titles, texts, strict=True))
    data = [
        {"id": world.names.document(title), "text": text}
        for title, text in world.evidence["job texts"].items()
    ]
    return _submit(world, titles, options, operation="bulk_embed", data=data)


def be_poisoned(world: World) -> None:
    """From now on a certain text kills the embedding service; all others are embedded as ever."""
    world.evidence["poison"] = f"poison of {world.names.prefix}"
    outages.strike(world, "embedding", "choke", on=world.evidence["poison"])


def hand_over_poisoned(world: World, count: int, poisoned: int) -> Answer:
    """Hand over new documents as one job, of which number ``poisoned`` has the deadly text."""
    titles, texts = _new_texts(world, count)
    texts[poisoned - 1] += f" With {world.evidence['poison']}."
    return _hand_over(world, titles, texts, {})


def hand_over_vectors(world: World, count: int, flawed: int) -> Answer:
    """Hand over vectors for a collection of four numbers; number ``flawed`` has one number too many."""
    titles = [f"vector {place}" for place in range(1, count + 1)]
    data = [
        {"id": world.names.document(title), "vector": [float(place), 1.0, 0.5, 0.25]}
        for place, title in enumerate(titles, 1)
    ]
    data[flawed - 1]["vector"] = [1.0] * 5
    return _submit(world, titles, {}, operation="bulk_insert", data=data)


def hand_over_deletion(world: World, titles: Sequence[str]) -> Answer:
    """Hand over the deletion of documents, there or not."""
    ids = [world.names.document(title) for title in titles]
    return _submit(world, titles, {}, operation="bulk_delete", ids=ids)


def hand_over_flawed(world: World, flaw: str) -> Answer:
    """Hand over a job that can never be carried out."""
    return _submit(world, [], {}, **_FLAWED[flaw](world))


def _twice(world: World) -> dict[str, Any]:
    document = {"id": world.names.document("twin"), "text": "One and the same."}
    return {"operation": "bulk_embed", "data": [document, document]}


def _texts_as_vectors(world: World) -> dict[str, Any]:
    return {"operation": "bulk_insert", "data": [{"id": "a", "text": "No vector."}]}


def _nowhere(world: World) -> dict[str, Any]:
    return {"operation": "bulk_delete", "ids": ["a"], "collection": world.names.collection("nowhere")}


def _too_many(world: World) -> dict[str, Any]:
    return {"operation": "bulk_delete", "ids": [f"d{number}" for number in range(LARGEST_JOB + 1)]}


_FLAWED: dict[str, Callable[[World], dict[str, Any]]] = {
    "a document twice": _twice,
    "texts where vectors belong": _texts_as_vectors,
    "a collection that is not there": _nowhere,
    "no document": lambda world: {"operation": "bulk_embed", "data": []},
    "more documents than a job may have": _too_many,
}


def _submit(world: World, titles: Sequence[str], options: dict[str, Any], **content: Any) -> Answer:
    world.wrote = True
    body = {
        "collection": world.names.collection(world.collection),
        "options": {**({"batch_size": BATCH} if len(titles) < MANY else {}), **options},
        **content,
    }
    world.answer = world.citadel.gateway.call("submitJob", json_body=body, key=world.key)
    world.evidence["handed over"] = world.answer
    if world.answer.ok:
        job = world.evidence["job"] = str(world.answer.body["job_id"])
        world.evidence["deletes"] = "ids" in content
        collection = world.names.collection(world.collection)
        world.ledger.unknown |= {(collection, world.names.document(title)) for title in titles}
        world.evidence["job titles"] = list(titles)
        world.evidence["progress"] = []
        world.evidence["handed over at"] = time.monotonic()
        world.undo(partial(end, world, job, world.citadel.keys["editor"]))
    return world.answer


def accepted(world: World) -> str:
    """The number of the job that was handed over last; it must have been accepted."""
    assert_that(world.evidence["handed over"], succeeded(), "handing over a job")
    return str(world.evidence["job"])


def look(world: World) -> Progress:
    """How far the scenario's job is; every look is remembered."""
    answer = status_of(world, world.evidence["job"])
    assert_that(answer, succeeded(), "asking for the job")
    world.evidence["status"] = answer
    seen = Progress.of(answer)
    world.evidence["progress"].append(seen)
    return seen


def status_of(world: World, job: str, key: str | None = None) -> Answer:
    """What the platform tells of a job, asked with ``key`` or the acting role's."""
    return world.citadel.gateway.call("getJobStatus", job_id=job, key=world.key if key is None else key)


def ended(world: World) -> Progress:
    """The job in its final state, in which it must be found once more."""
    seen = _look_until(world, lambda progress: progress.state in FINAL, ENDS_WITHIN_S, "the job has ended")
    world.evidence["took s"] = time.monotonic() - world.evidence["handed over at"]
    look(world)
    if seen.state != "cancelled" and not world.evidence.get("dropped"):
        _note(world, seen)
    return seen


def _note(world: World, seen: Progress) -> None:
    """Enter the job's outcomes in the client's history; its documents were new, or were to be deleted."""
    failed = {title for title, _code in failures(world)}
    if len(failed) < seen.failed:
        # The list of failures is cut off: which of the others were done remains unknown.
        return
    collection = world.names.collection(world.collection)
    for title in titles(world):
        item = world.names.document(title)
        if title in failed:
            world.ledger.refuse(collection, item)
        else:
            world.ledger.unknown.discard((collection, item))
            world.ledger.acknowledged[collection, item] = 0 if world.evidence["deletes"] else 1


def some_done(world: World) -> Progress:
    """The job in the middle: something is done, and it goes on."""
    seen = _look_until(
        world,
        lambda progress: progress.done > 0 or progress.state in FINAL,
        BEGINS_WITHIN_S,
        "some documents of the job are done",
    )
    assert seen.state == "processing", f"the job is not in the middle of its work any more: {seen}"
    return seen


def waits(world: World) -> Progress:
    """The job has been taken up, but nothing of it can be done, and nothing fails."""
    _look_until(
        world, lambda progress: progress.state != "queued", BEGINS_WITHIN_S, "the job has been taken up"
    )
    return consistently(
        partial(look, world),
        lambda progress: (progress.state, progress.done, progress.failed) == ("processing", 0, 0),
        during=WAITS_FOR_S,
        what="the job waits",
    )


def _look_until(world: World, accept: Callable[[Progress], bool], within: float, what: str) -> Progress:
    return eventually(partial(look, world), accept, within=within, what=what, transient=(GatewayUnreachable,))


def cancel(world: World, key: str | None = None) -> Answer:
    """Ask for the job's end."""
    return cancel_of(world, world.evidence["job"], key)


def cancel_of(world: World, job: str, key: str | None = None) -> Answer:
    """Ask for the end of any job, with ``key`` or the acting role's."""
    key = world.key if key is None else key
    return world.citadel.gateway.call("cancelJob", job_id=job, key=key)


def end(world: World, job: str, key: str) -> None:
    """Clean-up: nothing of a job may go on after its scenario. ``key`` is of the job's owner."""
    cancel_of(world, job, key)
    eventually(
        lambda: status_of(world, job, key).body.get("status"),
        lambda state: state in FINAL,
        within=BEGINS_WITHIN_S,
        what="the cancelled job has ended",
    )


def against_the_rules(world: World) -> list[str]:
    """Looks at the job that contradict the sums or each other: counters fall, a final state changes."""
    seen: list[Progress] = world.evidence["progress"]
    wrong = [f"more is over than there is: {each}" for each in seen if each.done + each.failed > each.total]
    for before, after in itertools.pairwise(seen):
        if after.done < before.done or after.failed < before.failed or after.total != before.total:
            wrong.append(f"the counters went back: {before}, then {after}")
        if before.state in FINAL and after != before:
            wrong.append(f"a job that had ended changed: {before}, then {after}")
    last = seen[-1]
    if last.state in ("completed", "failed") and last.done + last.failed != last.total:
        wrong.append(f"it ended without an outcome for every document: {last}")
    told = world.evidence["status"].body["progress"]
    share = 100.0 * (last.done + last.failed) / last.total
    if abs(told["percentage"] - share) > 0.01:
        wrong.append(f"{told['percentage']} % are told, {share:.2f} % are over: {last}")
    return wrong


def titles(world: World) -> list[str]:
    """Titles of the job's documents, in its order."""
    return list(world.evidence["job titles"])


def stored(world: World) -> list[str]:
    """Titles of what the scenario's collection shows, the job's in its order, then any others."""
    shown = set(documents.titles_listed(world, 100))
    ordered = [title for title in titles(world) if title in shown]
    return ordered + sorted(shown - set(ordered))


def lost(world: World) -> list[str]:
    """Titles of the job's documents that are neither stored nor named as failed."""
    known = {*stored(world), *(title for title, _code in failures(world))}
    return [title for title in titles(world) if title not in known]


def not_found(world: World) -> list[str]:
    """Some of the job's documents, searched by their own texts: those that are not the first result."""
    texts: dict[str, str] = world.evidence["job texts"]
    chosen = list(texts.items())[:: max(1, len(texts) // SEARCHED)]
    wrong = []
    for title, text in chosen:
        ranking = searches.ranking(world, searches.ask(world, text, use_cache=False))
        if not ranking or ranking[0].title != title:
            wrong.append(f"{title}: found {[hit.title for hit in ranking[:3]]}")
    return wrong


def failures(world: World) -> list[tuple[str, str]]:
    """``(title, reason)`` of each document that the job names as failed."""
    errors = world.evidence["status"].body["errors"]
    named = [(titles(world)[error["index"]], error) for error in errors]
    mixed_up = [title for title, error in named if world.names.document(title) != error["id"]]
    assert not mixed_up, f"the job names other ids than those at these places: {mixed_up}"
    return [(title, error["code"]) for title, error in named]


def not_done_once(world: World) -> list[str]:
    """Documents of the job that are not stored exactly once, in their first version, and as the job's own."""
    outages.nothing_in_flight(world)
    written = set(stores.rows(world).written_by(str(world.evidence["job"])))
    versions = {
        world.names.alias_of(row.external_id): row.version
        for row in stores.rows(world).rows(world.names.collection(world.collection))
    }
    missing = [f"{title} is not stored" for title in titles(world) if title not in versions]
    not_marked = [
        f"{title} is not marked as written by the job"
        for title in titles(world)
        if title in versions and world.names.document(title) not in written
    ]
    return (
        missing
        + not_marked
        + [
            f"{title} is in version {number}: done more than once"
            for title, number in versions.items()
            if number != 1
        ]
    )


def items_a_minute(world: World) -> float:
    """Documents of the job per minute, from its handing over to the look that found it ended."""
    progress: list[Progress] = world.evidence["progress"]
    return 60.0 * progress[-1].done / float(world.evidence["took s"])


def hold_back(world: World, count: int) -> None:
    """Let the vector store hang, hand over a job, and wait until rows of its documents are written."""
    outages.strike(world, "qdrant", "hang")
    hand_over(world, count)
    accepted(world)
    name = world.names.collection(world.collection)
    eventually(
        lambda: [row.status for row in stores.rows(world).rows(name)],
        bool,
        within=BEGINS_WITHIN_S,
        what="rows of the job's documents are written",
    )


def overtake(world: World, count: int) -> bool:
    """Hand over and finish a second job; whether it was done before the first one, of which we speak on."""
    first = {name: world.evidence[name] for name in _OF_A_JOB}
    hand_over(world, count)
    assert_that(ended(world).done, equal_to(count), "documents of the second job that are done")
    second = str(world.evidence["job"])
    world.evidence.update(first)
    _look_until(world, lambda progress: progress.state in FINAL, ENDS_WITHIN_S, "the first job has ended")
    return completed_at(world, second) < completed_at(world, str(world.evidence["job"]))


def waits_through(world: World, tries: int) -> Progress:
    """Wait until the job has been tried so often, or has ended before; how far it is then."""
    job = str(world.evidence["job"])

    def tried_or_ended() -> tuple[int, Progress]:
        return stores.rows(world).job_attempts(job), look(world)

    _tries, seen = eventually(
        tried_or_ended,
        lambda state: state[0] >= tries or state[1].state in FINAL,
        within=BEGINS_WITHIN_S + tries,
        what=f"the job is tried {tries} times",
    )
    return seen


def deadly_calls(world: World) -> int:
    """How often the embedding service was asked for the deadly text so far."""
    fault = world.faults[-1]
    return int(fault.hits())


def tried_again(world: World) -> None:
    """Wait until the job has been tried again: by then a careless platform has begun its documents anew."""
    job = str(world.evidence["job"])
    eventually(
        lambda: stores.rows(world).job_attempts(job),
        lambda attempts: attempts >= TRIES,
        within=BEGINS_WITHIN_S + world.citadel.promises.due_s("qdrant"),
        what="the job is tried again",
    )


def drop_collection(world: World) -> None:
    """Drop the collection under the job."""
    world.evidence["dropped"] = True
    assert_that(collections.drop(world, world.collection), succeeded(), "dropping the collection")


def left_in_stores(world: World) -> dict[str, list[str]]:
    """What either store still has under the scenario's names."""
    return stores.named(world, world.names.prefix)


def hand_over_when_possible(world: World, count: int) -> Answer:
    """Hand over a job as soon as the platform takes one again."""

    def attempt() -> Answer:
        return hand_over(world, count)

    return eventually(
        attempt,
        lambda answer: answer.ok,
        within=world.citadel.promises.recovers_s,
        what="a job is accepted again",
        transient=(GatewayUnreachable,),
    )


def jobs_listed(world: World, size: int, wanted: Sequence[str]) -> list[str]:
    """The caller's jobs page by page, newest first, until all ``wanted`` were seen or nothing is left."""
    listed: list[str] = []
    cursor: str | None = None
    while True:
        page = list_jobs(world, world.key, limit=size, **({"cursor": cursor} if cursor else {}))
        listed += [job["job_id"] for job in page.body["jobs"]]
        cursor = page.body["next_cursor"]
        if cursor is None or set(wanted) <= set(listed):
            return listed


def list_jobs(world: World, key: str, **query: Any) -> Answer:
    """One page of the jobs of the key's owner."""
    answer = world.citadel.gateway.call("listJobs", query=query, key=key)
    assert_that(answer, succeeded(), "listing the jobs")
    return answer


def have_finished(world: World, count: int) -> list[str]:
    """Hand over so many small jobs, one after the other, and wait for each; their numbers, oldest first."""
    jobs = []
    for _ in range(count):
        hand_over(world, 2)
        jobs.append(accepted(world))
        ended(world)
    return jobs


def meddle(world: World) -> list[Answer]:
    """Another editor looks for the scenario's job, asks for it by its number and tries to cancel it."""
    key = actors.key_of(world, "another editor")
    world.evidence["seen by another"] = [job["job_id"] for job in list_jobs(world, key).body["jobs"]]
    return [status_of(world, world.evidence["job"], key), cancel(world, key)]


def ended_all(world: World, *numbers: str) -> None:
    """Wait until all of these jobs have ended."""
    eventually(
        lambda: [status_of(world, job).body["status"] for job in numbers],
        lambda states: set(states) <= FINAL,
        within=ENDS_WITHIN_S,
        what="the jobs have ended",
    )


def completed_at(world: World, job: str) -> str:
    """When a job ended: moments in this form sort by time."""
    return str(status_of(world, job).body["timing"]["completed_at"])


def started_at(world: World, job: str) -> str:
    """When a job was taken up: moments in this form sort by time."""
    return str(status_of(world, job).body["timing"]["started_at"])
