"""Journeys: what one user does, as data that any load engine can carry out.

Strings of a journey may hold ``${name}``; a string that is nothing else takes the value with its type.
Known names are ``run`` (different in every load), ``n`` (a number no other journey of the load has), the
lists of ``draws`` (one element per journey) and what earlier requests of the journey extracted.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Expectation:
    """What a right answer holds at a JSON pointer (RFC 6901); ``equals`` None: it only has to be there."""

    pointer: str
    equals: Any = None


@dataclass(frozen=True, slots=True)
class LoadRequest:
    """One request of a journey. It succeeds when its status is expected and every check holds.

    ``extract`` maps names to JSON pointers into the answer, for later requests.
    """

    name: str
    method: str
    path: str
    statuses: tuple[int, ...]
    body: Any = None
    checks: tuple[Expectation, ...] = ()
    extract: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Journey:
    """Requests made one after the other by one user; it ends, and fails, at the first that fails.

    ``headers`` may carry the key and are therefore not shown. ``draws`` are lists of equal standing: journey
    ``n`` takes element ``n`` modulo the length of each.
    """

    name: str
    base_url: str
    requests: tuple[LoadRequest, ...]
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    draws: Mapping[str, Sequence[str]] = field(default_factory=dict, repr=False)

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Journey:
        """The journey that ``dataclasses.asdict`` turned into plain values."""
        requests = tuple(
            LoadRequest(
                **{
                    **request,
                    "statuses": tuple(request["statuses"]),
                    "checks": tuple(Expectation(**check) for check in request["checks"]),
                }
            )
            for request in document["requests"]
        )
        return cls(**{**document, "requests": requests})


@dataclass(frozen=True, slots=True)
class Target:
    """Where a journey leads: the gateway's base URL, the key to use there, the collection and its documents.

    ``known`` are texts by id of documents that were stored before the load begins; ``id_prefix`` is that of
    the documents that it stores, ``texts`` what they say.
    """

    base_url: str
    api_key: str = field(repr=False)
    collection: str = ""
    id_prefix: str = ""
    texts: Sequence[str] = ()
    known: Mapping[str, str] = field(default_factory=dict)

    def journey(
        self, name: str, requests: Sequence[LoadRequest], draws: Mapping[str, Sequence[str]] | None = None
    ) -> Journey:
        """A journey at this target."""
        return Journey(name, self.base_url, tuple(requests), {"X-API-Key": self.api_key}, draws or {})


# The words of the features; a batch says how many documents it has.
BATCH = re.compile(r"store a batch of (\d+)")
STEPS = {
    "store": "stores a new document by its text, one sentence; both stores must have it when it is answered",
    "store a paragraph": "the same, with a text of four sentences: about a hundred tokens",
    "update": "gives the document just stored another text",
    "read": "reads the document just stored, or one that the scenario has stored",
    "search": "searches for a document that the scenario has stored, or the one just stored, by its text;"
    " it must be the first result",
    "search without cache": "the same with the cache off",
    "list": "reads the first page of the list of the collection",
    "embed": "asks for the embedding of a new text",
    "delete": "deletes the document just stored",
}
# What makes a text unseen stands at its front: a model that cuts long texts still reads it.
_UNSEEN_TEXT = "Note ${n} of ${run}: ${text}"
_OTHER_TEXT = "Another note ${n} of ${run}: ${text}"
_STORES = ("store", "store a paragraph")
# What the document of the journey says after a step; nothing: there is none.
_TEXT_AFTER = {**dict.fromkeys(_STORES, _UNSEEN_TEXT), "update": _OTHER_TEXT, "delete": ""}
_SEARCH = "/api/v1/vectors/search"


def journey(words: Sequence[str], target: Target) -> Journey:
    """The journey that the words mean. Raises ``AssertionError`` where one needs another before it."""
    made: list[LoadRequest] = []
    stored = ""
    for step in words:
        if count := BATCH.fullmatch(step):
            made.append(_batch(target, int(count[1])))
        else:
            made.append(_MADE[step](target, step, stored))
        stored = _TEXT_AFTER.get(step, stored)
    draws = {"text": list(target.texts)} if target.texts else {}
    if target.known:
        draws |= {"known_id": [*target.known], "known_text": [*target.known.values()]}
    return target.journey(", ".join(words), made, draws)


def stored_items(words: Sequence[str], id_prefix: str, run: str, n: int) -> dict[str, int]:
    """The ids that journey ``n`` of the load ``run`` stores, and their versions at its end; 0: deleted."""
    item = stored_id(id_prefix, run, n)
    items: dict[str, int] = {}
    for step in words:
        if count := BATCH.fullmatch(step):
            items |= {f"{item}-{place}": 1 for place in range(1, int(count[1]) + 1)}
        elif step in _STORES:
            items[item] = 1
        elif step == "update":
            items[item] += 1
        elif step == "delete":
            items[item] = 0
    return items


def stored_id(id_prefix: str, run: str, n: int | str) -> str:
    """The id under which journey ``n`` of the load ``run`` stores its document."""
    return f"{id_prefix}-{run}-{n}"


def _own(target: Target) -> str:
    return stored_id(target.id_prefix, "${run}", "${n}")


def _document(target: Target) -> str:
    return f"/api/v1/vectors/{target.collection}/${{id}}"


def _store(target: Target, _step: str, stored: str) -> LoadRequest:
    assert not stored, "a journey stores one document; a batch stores several"
    item = _own(target)
    return LoadRequest(
        "insert",
        "POST",
        "/api/v1/vectors/insert",
        (201,),
        {"collection": target.collection, "id": item, "text": _UNSEEN_TEXT},
        checks=(
            Expectation("/id", item),
            Expectation("/outcome", "created"),
            Expectation("/stored/qdrant", True),
            Expectation("/stored/postgresql", True),
        ),
        extract={"id": "/id"},
    )


def _batch(target: Target, count: int) -> LoadRequest:
    items = [
        {"id": f"{_own(target)}-{place}", "text": f"Place {place}. {_UNSEEN_TEXT}"}
        for place in range(1, count + 1)
    ]
    return LoadRequest(
        "batch insert",
        "POST",
        "/api/v1/vectors/batch",
        (200,),
        {"operation": "upsert", "collection": target.collection, "items": items},
        checks=(Expectation("/success_count", count), Expectation("/failed_count", 0)),
    )


def _update(target: Target, _step: str, stored: str) -> LoadRequest:
    assert stored, '"update" needs "store" before it'
    body = {"text": _OTHER_TEXT}
    return LoadRequest(
        "update", "PATCH", _document(target), (200,), body, checks=(Expectation("/outcome", "updated"),)
    )


def _read(target: Target, _step: str, stored: str) -> LoadRequest:
    if stored:
        return LoadRequest(
            "get",
            "GET",
            _document(target),
            (200,),
            checks=(Expectation("/id", "${id}"), Expectation("/text", stored)),
        )
    assert target.known, '"read" needs "store" before it, or documents of the scenario: Given 20 documents'
    path = f"/api/v1/vectors/{target.collection}/${{known_id}}"
    checks = (Expectation("/id", "${known_id}"), Expectation("/text", "${known_text}"))
    return LoadRequest("get", "GET", path, (200,), checks=checks)


def _search(target: Target, step: str, stored: str) -> LoadRequest:
    assert stored or target.known, f'"{step}" needs documents of the scenario: Given 20 documents'
    found, text = ("${known_id}", "${known_text}") if target.known else ("${id}", stored)
    body = {"collection": target.collection, "query_text": text, "limit": 5, "use_cache": step == "search"}
    return LoadRequest("search", "POST", _SEARCH, (200,), body, checks=(Expectation("/results/0/id", found),))


def _list(target: Target, _step: str, _stored: str) -> LoadRequest:
    path = f"/api/v1/collections/{target.collection}/vectors"
    return LoadRequest("list", "GET", path, (200,), checks=(Expectation("/items"),))


def _embed(_target: Target, _step: str, _stored: str) -> LoadRequest:
    body = {"text": f"Not stored. {_UNSEEN_TEXT}"}
    path = "/api/v1/embeddings/generate"
    return LoadRequest("embed", "POST", path, (200,), body, checks=(Expectation("/embedding/0"),))


def _delete(target: Target, _step: str, stored: str) -> LoadRequest:
    assert stored, '"delete" needs "store" before it'
    return LoadRequest("delete", "DELETE", _document(target), (200,))


_MADE: Mapping[str, Callable[[Target, str, str], LoadRequest]] = {
    "store": _store,
    "store a paragraph": _store,
    "update": _update,
    "read": _read,
    "search": _search,
    "search without cache": _search,
    "list": _list,
    "embed": _embed,
    "delete": _delete,
}
