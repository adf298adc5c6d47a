"""Requests about batch jobs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from support.drivers.gateway import Answer, GatewayUnreachable
from support.vocabulary import jobs, tables
from support.vocabulary.jobs import Job
from support.vocabulary.requests.documents import LARGEST_BATCH, keep_page, many, to_the_end
from support.vocabulary.requests.grammar import Asking, Call, request
from support.vocabulary.tables import Option

OPTIONS = {
    "batch size": Option("batch_size", "how many items are processed together"),
    "priority": Option("priority", "low, normal or high", tables.words),
}
UNKNOWN = "00000000-0000-4000-8000-000000000000"


@request(
    "submits a job that stores {int} document(s)", "submits a job that stores 60 documents", options=OPTIONS
)
def store_many(ask: Asking, count: int) -> list[Call]:
    """Hands over documents, "document-1" and so on, each with a text of its own."""
    made = [{"id": item, "text": text} for item, text in many(ask, count).items()]
    return [_store(ask, made)]


@request(
    "submits a job that stores these documents",
    "submits a job that stores these documents",
    options=OPTIONS,
    rows=tables.document,
)
def store_rows(ask: Asking) -> list[Call]:
    """Hands over the documents of the table, by their vectors where they have some."""
    return [_store(ask, [tables.document(row) for row in ask.rows])]


@request("submits a job that deletes {ids}", 'submits a job that deletes "menu"', options=OPTIONS)
def delete(ask: Asking, items: list[str]) -> list[Call]:
    """Hands over the deletion of documents, whether they exist or not."""
    return [_submit(ask, items, {"operation": "bulk_delete", "ids": items})]


@request("submits a job that deletes {int} documents", "submits a job that deletes 10000 documents")
def delete_many(ask: Asking, count: int) -> list[Call]:
    """Hands over the deletion of so many documents, none of which exists."""
    return delete(ask, [f"missing-{number}" for number in range(count)])


@request("reads the status of {job}", "reads the status of the job")
def status(ask: Asking, name: str) -> list[Call]:
    """Reads how far a job is, and which of its items have failed."""
    return [Call(f"{ask.actor} reads the status of {name}", _looked_at(ask, name, "getJobStatus"))]


@request("cancels {job}", "cancels the job")
def cancel(ask: Asking, name: str) -> list[Call]:
    """Asks for the end of a job: what is done stays."""
    return [Call(f"{ask.actor} cancels {name}", _looked_at(ask, name, "cancelJob"))]


def _looked_at(ask: Asking, name: str, operation: str) -> Callable[[], Answer]:
    """A request about a job; how far its answer says that it is, is remembered."""
    job = jobs.of(ask.world, name)

    def call() -> Answer:
        answer = ask.call(operation, job_id=job.id)
        if answer.ok:
            jobs.look(ask.world, job, answer)
        return answer

    return call


@request("reads the status of an unknown job", "reads the status of an unknown job")
def status_of_unknown(ask: Asking) -> list[Call]:
    """Asks for a job by an id that no job has."""
    what = f"{ask.actor} reads the status of an unknown job"
    return [Call(what, partial(ask.call, "getJobStatus", job_id=UNKNOWN))]


@request("cancels an unknown job", "cancels an unknown job")
def cancel_unknown(ask: Asking) -> list[Call]:
    """Asks for the end of a job by an id that no job has."""
    return [Call(f"{ask.actor} cancels an unknown job", partial(ask.call, "cancelJob", job_id=UNKNOWN))]


@request("lists the jobs", "lists the jobs")
def list_jobs(ask: Asking) -> list[Call]:
    """Reads the list of the actor's jobs to its end, in the largest pages."""
    return list_in_pages(ask, LARGEST_BATCH)


@request("lists the jobs in pages of {int}", "lists the jobs in pages of 2")
def list_in_pages(ask: Asking, size: int) -> list[Call]:
    """Reads the list of the actor's jobs page by page to its end; the pages are kept."""
    return [Call(f"{ask.actor} lists the jobs", partial(to_the_end, ask, partial(_page, ask, size)))]


@request("lists the first {int} job(s)", "lists the first 3 jobs")
def list_first(ask: Asking, size: int) -> list[Call]:
    """Reads the first page of the list of the actor's jobs, the newest first; the page is kept."""

    def read() -> Answer:
        ask.world.pages = []
        return keep_page(ask, _page(ask, size, None))

    return [Call(f"{ask.actor} lists the first {size} jobs", read)]


@request("lists the next {int} job(s)", "lists the next 3 jobs")
def list_next(ask: Asking, size: int) -> list[Call]:
    """Reads the page of the list of jobs after the one read last, whoever has read that; it is kept."""

    def read() -> Answer:
        assert ask.world.cursor, "the list has no next page"
        return keep_page(ask, _page(ask, size, ask.world.cursor))

    return [Call(f"{ask.actor} lists the next {size} jobs", read)]


def _page(ask: Asking, size: int, cursor: str | None) -> Answer:
    return ask.call("listJobs", query={"limit": size, **({"cursor": cursor} if cursor else {})})


def _store(ask: Asking, made: Sequence[dict[str, Any]]) -> Call:
    for each in made:
        if "text" in each and each.get("id"):
            ask.world.texts[each["id"]] = each["text"]
            ask.world.metadata[each["id"]] = each.get("metadata", {})
    operation = "bulk_insert" if any("vector" in each for each in made) else "bulk_embed"
    items = [str(each.get("id", "")) for each in made]
    return _submit(ask, items, {"operation": operation, "data": list(made)})


def _submit(ask: Asking, items: Sequence[str], content: dict[str, Any]) -> Call:
    world, collection = ask.world, ask.collection
    members = ask.members
    options = {name: members.pop(name) for name in ("batch_size", "priority") if name in members}
    body = {"collection": collection, "options": options, **content, **members}

    def submit() -> Answer:
        world.wrote = True
        before = set(world.ledger.unknown)
        world.ledger.unknown |= {(collection, item) for item in items}
        try:
            answer = ask.call("submitJob", json_body=body)
        except GatewayUnreachable as silence:
            if not silence.sent:
                world.ledger.unknown = before
            raise
        if answer.ok:
            job = Job(
                str(answer.body["job_id"]), ask.actor, ask.key, collection, tuple(items), "ids" in content
            )
            world.jobs.append(job)
            world.undo(partial(jobs.end, world, job.id, job.key))
        elif answer.status != 504:
            for item in items:
                if (collection, item) not in before:
                    world.ledger.refuse(collection, item)
        return answer

    return Call(f"{ask.actor} submits a job of {len(items)} items", submit, about=tuple(items))
