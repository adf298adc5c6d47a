"""Journeys: what one user does, as data that any load engine can carry out.

Strings of a journey may hold ``${name}``; a string that is nothing else takes the value with its type.
Known names are ``run`` (different in every load), ``n`` (a number no other journey of the load has), the
lists of ``draws`` (one element per journey) and what earlier requests of the journey extracted.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
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
    """Where a journey leads: the gateway's base URL and the key to use there."""

    base_url: str
    api_key: str = field(repr=False)

    def journey(
        self, name: str, requests: Sequence[LoadRequest], draws: Mapping[str, Sequence[str]] | None = None
    ) -> Journey:
        """A journey at this target."""
        return Journey(name, self.base_url, tuple(requests), {"X-API-Key": self.api_key}, draws or {})


def embedding_workflow(target: Target, collection: str, texts: Sequence[str], id_prefix: str) -> Journey:
    """Store a text nobody has stored before, until the answer says that both stores have it."""
    return target.journey(
        "end-to-end embedding workflow", [_insert(collection, id_prefix)], {"text": list(texts)}
    )


def search(target: Target, collection: str, questions: Sequence[str], *, use_cache: bool) -> Journey:
    """Ask one of the questions in a collection where each has an answer."""
    body = {"collection": collection, "query_text": "${question}", "limit": 5, "use_cache": use_cache}
    found = LoadRequest(
        "search", "POST", "/api/v1/vectors/search", (200,), body, checks=(Expectation("/results/0/id"),)
    )
    return target.journey("search", [found], {"question": list(questions)})


def mixed_user(
    target: Target,
    collection: str,
    texts: Sequence[str],
    known: Sequence[tuple[str, str]],
    id_prefix: str,
) -> Journey:
    """Store a new text, read it back, find a known document by its text: one write, two reads.

    ``known`` are pairs of id and text, stored before the load begins.
    """
    read = LoadRequest(
        "get",
        "GET",
        f"/api/v1/vectors/{collection}/${{id}}",
        (200,),
        checks=(Expectation("/id", "${id}"), Expectation("/text", _UNSEEN_TEXT)),
    )
    find = LoadRequest(
        "search",
        "POST",
        "/api/v1/vectors/search",
        (200,),
        {"collection": collection, "query_text": "${known_text}", "limit": 5},
        checks=(Expectation("/results/0/id", "${known_id}"),),
    )
    draws = {
        "text": list(texts),
        "known_id": [item for item, _text in known],
        "known_text": [text for _item, text in known],
    }
    return target.journey(
        "journey of storing, reading and searching", [_insert(collection, id_prefix), read, find], draws
    )


def stored_id(id_prefix: str, run: str, n: int | str) -> str:
    """The id under which journey ``n`` of the load ``run`` stores its document."""
    return f"{id_prefix}-{run}-{n}"


# What makes a text unseen stands at its front: a model that cuts long texts still reads it.
_UNSEEN_TEXT = "Note ${n} of ${run}: ${text}"


def _insert(collection: str, id_prefix: str) -> LoadRequest:
    item = stored_id(id_prefix, "${run}", "${n}")
    return LoadRequest(
        "insert",
        "POST",
        "/api/v1/vectors/insert",
        (201,),
        {"collection": collection, "id": item, "text": _UNSEEN_TEXT},
        checks=(
            Expectation("/id", item),
            Expectation("/outcome", "created"),
            Expectation("/stored/qdrant", True),
            Expectation("/stored/postgresql", True),
        ),
        extract={"id": "/id"},
    )
