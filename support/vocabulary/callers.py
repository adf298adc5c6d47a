"""Callers apart: what one caller could learn of another, or claim to be."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from hamcrest import assert_that, not_none

from support.drivers.gateway import Answer
from support.vocabulary import access, documents, jobs, rights, searches
from support.world import World

NOBODYS_JOB = access.PLACEHOLDERS["job_id"]
# What tells two equal answers apart: the request itself.
OWN_TO_A_REQUEST = {"request_id"}
# Words as short as this are in any answer.
LONGEST_SHORT_WORD = 4
# Members of the platform's own, by what a caller could try to set them in.
OWN_TO_DOCUMENTS: Mapping[str, Any] = {
    "point_id": "00000000-0000-4000-8000-000000000001",
    "version": 99,
    "status": "stored",
    "created_by": "admin",
    "created_at": "2020-01-01T00:00:00Z",
    "content_hash": "0" * 64,
    "vector_checksum": "0" * 64,
    "citadel": {"id": "other"},
    "role": "admin",
    "__proto__": {"role": "admin"},
}
OWN_TO_COLLECTIONS: Mapping[str, Any] = {
    "collection_id": "00000000-0000-4000-8000-000000000001",
    "owner_id": "00000000-0000-4000-8000-000000000001",
    "generation": 99,
    "status": "active",
}
OWN_TO_JOBS: Mapping[str, Any] = {
    "job_id": "00000000-0000-4000-8000-000000000001",
    "submitted_by": "00000000-0000-4000-8000-000000000001",
    "status": "completed",
    "attempts": 99,
}
# Headers with which servers have been talked into trusting a caller.
CLAIMS: Mapping[str, str] = {
    "X-Role": "admin",
    "X-User-Role": "admin",
    "X-Citadel-Role": "admin",
    "X-User": "admin",
    "X-User-Id": "00000000-0000-0000-0000-000000000000",
    "X-Forwarded-User": "admin",
    "X-Remote-User": "admin",
    "X-Authenticated-User": "admin",
    "X-Admin": "true",
    "X-Internal": "true",
    "X-Debug": "true",
    "X-Forwarded-For": "127.0.0.1",
    "X-Real-IP": "127.0.0.1",
    "Forwarded": "for=127.0.0.1;by=127.0.0.1;host=localhost",
    "X-Original-URL": "/health",
    "X-Rewrite-URL": "/health",
    "X-HTTP-Method-Override": "GET",
    "Origin": "null",
    "Cookie": "role=admin; admin=true",
}


# Headers that some servers let stand for the method.
METHOD_OVERRIDES = ("X-HTTP-Method-Override", "X-HTTP-Method", "X-Method-Override")


def tell_apart(world: World) -> list[str]:
    """What tells another editor's requests for the scenario's job from those for one that does not exist."""
    access.new_caller(world, "user", 1000)
    key = str(world.evidence["caller key"])
    wrong = []
    for what, ask in (("asked for", jobs.status_of), ("cancelled", jobs.cancel_of)):
        real, none = (_told(ask(world, job, key)) for job in (world.evidence["job"], NOBODYS_JOB))
        if real != none or real["status"] != 404:
            wrong.append(f"{what}: the other editor's is told {real}, one that nobody handed over {none}")
    return wrong


def _told(answer: Answer) -> dict[str, Any]:
    return {name: value for name, value in dict(answer.body).items() if name not in OWN_TO_A_REQUEST}


def seen_from_the_middle(world: World) -> list[str]:
    """The jobs that another editor is shown from an editor's place in the list of his jobs."""
    cursor = jobs.list_jobs(world, world.key, limit=1).body["next_cursor"]
    assert_that(cursor, not_none(), "there is no second page to go on to")
    access.new_caller(world, "user", 1000)
    page = world.citadel.gateway.call(
        "listJobs", query={"limit": 10, "cursor": cursor}, key=str(world.evidence["caller key"])
    )
    return [str(job["job_id"]) for job in page.body["jobs"]] if page.ok else []


def search_without_right(world: World, question: str) -> list[Answer]:
    """The same search by callers without a valid key; first it is made sure that its answer is cached."""
    assert searches.ask(world, question).headers.get("X-Cache") == "HIT", "the search is not cached"
    body = {"collection": world.names.collection(world.collection), "query_text": question}
    shown = [
        rights.Shown(),
        *(rights.CREDENTIALS[name](world) for name in ("a made-up key", "a withdrawn key")),
    ]
    return [
        world.citadel.gateway.call(
            "searchVectors", json_body=body, key="", headers=each.headers, query=each.query
        )
        for each in shown
    ]


def words_shown(answers: list[Answer], text: str) -> list[str]:
    """Words of ``text`` that one of the answers shows, short ones aside."""
    words = {word.strip(".,").lower() for word in text.split()}
    return [
        f"{word!r} in {answer}"
        for answer in answers
        for word in sorted(words)
        if len(word) > LONGEST_SHORT_WORD and word in answer.text.lower()
    ]


def believed_claims(world: World) -> list[str]:
    """Claims with which a reader stores something, or an editor empties the cache or repairs."""
    name = world.names.collection(world.collection)
    tries: list[tuple[str, str, dict[str, str], dict[str, Any]]] = [
        ("reader", "insertVector", {}, {"collection": name, "id": "claimed", "text": "Claimed."}),
        ("reader", "deleteCollection", {"collection": name}, {}),
        ("editor", "invalidateCache", {}, {"kinds": ["search"]}),
        ("editor", "validateCollection", {"collection": name}, {"repair": True}),
    ]
    world.wrote = True
    believed = []
    for role, operation, path, body in tries:
        for claim, headers, query in _claims():
            answer = world.citadel.gateway.call(
                operation,
                json_body=body or None,
                query=query,
                key=world.citadel.keys[role],
                headers=headers,
                **path,
            )
            if answer.code != "forbidden":
                believed.append(f"{role} with {claim}: {answer}")
    return believed


def overridden(world: World) -> list[str]:
    """Ways to make the platform carry out another method than the one that was sent, and checked."""
    name = world.names.collection(world.collection)
    world.wrote = True
    believed = []
    for claim, headers, query in (
        *((header, {header: "DELETE"}, {}) for header in METHOD_OVERRIDES),
        ("_method in the address", {}, {"_method": "DELETE"}),
    ):
        asked, again = (
            world.citadel.gateway.call(
                "getCollection", collection=name, key=world.key, headers=each, query=also
            )
            for each, also in ((headers, query), ({}, {}))
        )
        believed += [f"{claim}: {answer}" for answer in (asked, again) if not answer.ok]
    return believed


def _claims() -> Iterator[tuple[str, Mapping[str, str], Mapping[str, str]]]:
    yield "nothing claimed", {}, {}
    yield from ((f"{name}: {value}", {name: value}, {}) for name, value in CLAIMS.items())
    yield "all claims at once", CLAIMS, {"role": "admin", "admin": "true", "_method": "GET"}


def taken_from_caller(world: World) -> list[str]:
    """Requests that set what only the platform sets, and were not refused for it."""
    wrong = []
    world.wrote = True
    name = world.names.collection(world.collection)
    for operation, body, members in (
        ("insertVector", {"collection": name, "id": "set", "text": "A text."}, OWN_TO_DOCUMENTS),
        ("createCollection", {"name": world.names.collection("set"), "vector_size": 4}, OWN_TO_COLLECTIONS),
        ("submitJob", {"collection": name, "operation": "bulk_delete", "ids": ["set"]}, OWN_TO_JOBS),
    ):
        for member, value in members.items():
            answer = world.citadel.gateway.call(operation, json_body={**body, member: value}, key=world.key)
            if answer.code != "validation-failed":
                wrong.append(f"{operation} with {member}: {answer}")
    return wrong


def store_lookalike(world: World, title: str, of: str) -> Answer:
    """Store a document whose metadata have the names and values of another document's members."""
    other = documents.read(world, of).body
    world.evidence["sent metadata"] = {
        "id": other["id"],
        "point_id": other["point_id"],
        "collection": other["collection"],
        "text": other["text"],
        "version": 99,
        "citadel": "id",
        "metadata": ["id", "text"],
        "__proto__": "admin",
        "constructor": "prototype",
        "vector": [0, 0, 0],
        "deleted": True,
    }
    return documents.store(world, title, "A note.", world.evidence["sent metadata"])


def metadata_of(world: World, title: str) -> object:
    """The metadata as they are read."""
    return documents.read(world, title).body["metadata"]
