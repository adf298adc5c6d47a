"""Requests about batch jobs. "The job" is the one that was submitted last in the scenario."""

from __future__ import annotations

from functools import partial

from support.drivers.gateway import Answer
from support.vocabulary import jobs as clean_up
from support.vocabulary.requests.documents import many
from support.vocabulary.requests.grammar import Asking, Call, request

UNKNOWN = "00000000-0000-4000-8000-000000000000"


@request("submits a job that stores {int} document(s)", "submits a job that stores 60 documents")
def submit(ask: Asking, count: int) -> list[Call]:
    """Submits documents, "document-1" and so on, each with a text of its own, as one job."""
    items = many(ask, count)
    ask.world.texts.update(items)
    data = [{"id": item, "text": text} for item, text in items.items()]
    body = {"collection": ask.collection, "operation": "bulk_embed", "data": data, **ask.members}
    return [_submit(ask, body, [*items], f"submits a job that stores {count} documents")]


@request("submits a job that deletes {ids}", 'submits a job that deletes "menu" and "soup"')
def submit_deletion(ask: Asking, items: list[str]) -> list[Call]:
    """Submits the deletion of documents as one job."""
    body = {"collection": ask.collection, "operation": "bulk_delete", "ids": items, **ask.members}
    return [_submit(ask, body, items, f"submits a job that deletes {len(items)} documents")]


def _submit(ask: Asking, body: dict[str, object], items: list[str], what: str) -> Call:
    def make() -> Answer:
        world = ask.world
        world.wrote = True
        answer = ask.call("submitJob", json_body=body)
        if answer.ok:
            world.job = str(answer.body["job_id"])
            world.ledger.unknown |= {(ask.collection, item) for item in items}
            world.undo(partial(clean_up.end, world, world.job, ask.key))
        return answer

    return Call(f"{ask.actor} {what}", make, about=tuple(items))


@request("reads the status of the job", "reads the status of the job")
def status(ask: Asking) -> list[Call]:
    """Reads how far the job is."""
    return [Call(f"{ask.actor} reads the status of the job", lambda: _about(ask, "getJobStatus"))]


@request("cancels the job", "cancels the job")
def cancel(ask: Asking) -> list[Call]:
    """Cancels the job in whatever state it is."""
    return [Call(f"{ask.actor} cancels the job", lambda: _about(ask, "cancelJob"))]


def _about(ask: Asking, operation: str) -> Answer:
    assert ask.world.job, "no job has been submitted in this scenario"
    return ask.call(operation, job_id=ask.world.job)


@request("reads the status of an unknown job", "reads the status of an unknown job")
def status_of_unknown(ask: Asking) -> list[Call]:
    """Reads the status of a job that nobody has submitted."""
    make = partial(ask.call, "getJobStatus", job_id=UNKNOWN)
    return [Call(f"{ask.actor} reads the status of an unknown job", make)]


@request("cancels an unknown job", "cancels an unknown job")
def cancel_unknown(ask: Asking) -> list[Call]:
    """Cancels a job that nobody has submitted."""
    return [Call(f"{ask.actor} cancels an unknown job", partial(ask.call, "cancelJob", job_id=UNKNOWN))]


@request("lists the first {int} job(s)", "lists the first 3 jobs")
def list_first(ask: Asking, size: int) -> list[Call]:
    """Reads the first page of the list of jobs, the newest first."""
    return [Call(f"{ask.actor} lists the first {size} jobs", partial(_page, ask, size))]


@request("lists the next {int} job(s)", "lists the next 3 jobs")
def list_next(ask: Asking, size: int) -> list[Call]:
    """Reads the page of the list of jobs after the one read last, whoever has read that."""

    def read() -> Answer:
        assert ask.world.cursor, "the list has no next page"
        return _page(ask, size, ask.world.cursor)

    return [Call(f"{ask.actor} lists the next {size} jobs", read)]


def _page(ask: Asking, size: int, cursor: str | None = None) -> Answer:
    answer = ask.call("listJobs", query={"limit": size, **({"cursor": cursor} if cursor else {})})
    if answer.ok:
        ask.world.cursor = answer.body["next_cursor"]
    return answer
