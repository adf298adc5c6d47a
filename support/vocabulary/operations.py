"""Every operation of the contract, asked properly and in every wrong way that the contract describes.

Nothing here knows an operation by heart: contents, names and limits come from the contract, so an operation
that joins it is tried like all others.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from support.contract.validator import Operation, Parameter
from support.drivers.gateway import Answer, GatewayUnreachable
from support.matchers.answers import explain
from support.vocabulary import access, collections, documents, jobs, outages
from support.vocabulary.misuse import TOO_LARGE
from support.world import World

JSON = "application/json"
# Names of the right form that nobody has given, by the parameter or member they are for.
UNKNOWN = {
    "collection": "at_nobody_made_this",
    "vector_id": "nobody",
    "model": "no-such-model",
    "provider": "nobody",
    "job_id": "00000000-0000-4000-8000-000000000000",
}
IMPOSSIBLE_NAME = "* not a name! *"
TEXTS = ("text", "texts", "query_text")
# What a reader may ask of an operation in one way and not in another.
FORBIDDEN_TO_READERS: Mapping[str, Mapping[str, Any]] = {"validateCollection": {"repair": True}}
# Members of the contract's example without which the operation needs fewer dependencies.
UNASKED = {"invalidateCache": ("collection",)}
# Readiness is about dependencies, not in need of them: it has scenarios of its own.
ABOUT_DEPENDENCIES = {"getReadiness"}
NOT_FOUND = {
    "collection-not-found",
    "vector-not-found",
    "model-not-found",
    "provider-not-found",
    "job-not-found",
}


@dataclass(frozen=True, slots=True)
class Request:
    """A request for one operation; ``how`` says what is special about it, in words."""

    operation: Operation
    path: Mapping[str, str] = field(default_factory=dict)
    query: Mapping[str, str] = field(default_factory=dict)
    body: Any = None
    raw: bytes | None = None
    kind: str | None = None
    how: str = ""

    def __str__(self) -> str:
        return f"{self.operation.id}{f' with {self.how}' if self.how else ''}"


@dataclass(frozen=True, slots=True)
class Tried:
    """A request and what came of it: an answer, or the complaint about an answer that broke the contract."""

    request: Request
    outcome: Answer | AssertionError

    @property
    def code(self) -> str:
        """The problem code; the status of a success; what went wrong."""
        if isinstance(self.outcome, Answer):
            return self.outcome.code or str(self.outcome.status)
        return type(self.outcome).__name__

    @property
    def ok(self) -> bool:
        """Whether it was carried out."""
        return isinstance(self.outcome, Answer) and self.outcome.ok

    def __str__(self) -> str:
        told = explain(self.outcome) if isinstance(self.outcome, Answer) else str(self.outcome)
        return f"{self.request}: {told}"


# --- proper requests


def proper(world: World, operation: Operation) -> Request:
    """A request that must be carried out: on things of its own, with texts that nobody has embedded."""
    path = {
        each.name: _thing(world, operation, each) for each in operation.parameters if each.place == "path"
    }
    if {"collection", "vector_id"} <= path.keys():
        documents.have(world, title := f"for {operation.id}", documents.new_text(world, title))
    # A yes makes the platform do all that it can.
    query = {
        each.name: "true"
        for each in operation.parameters
        if each.place == "query" and each.schema.get("type") == "boolean"
    }
    body = None
    if operation.body is not None:
        example = max(
            operation.examples, key=lambda each: any(f'"{name}"' in json.dumps(each) for name in TEXTS)
        )
        body = _fitted(world, operation, example)
        body = {name: value for name, value in body.items() if name not in UNASKED.get(operation.id, ())}
    return Request(operation, path, query, body)


def _thing(world: World, operation: Operation, parameter: Parameter) -> str:
    """Something that exists, for a variable of an operation's path."""
    if parameter.name == "collection":
        if any(each.name == "vector_id" for each in operation.parameters) or operation.method == "GET":
            return world.names.collection(world.collection)
        return _own_collection(world, operation)
    if parameter.name == "vector_id":
        return world.names.document(f"for {operation.id}")
    if parameter.name == "job_id":
        submitted = send(world, proper(world, world.citadel.contract.by_id("submitJob")))
        assert isinstance(submitted.outcome, Answer) and submitted.ok, (
            f"a job for {operation.id}: {submitted}"
        )
        return str(submitted.outcome.body["job_id"])
    return access.PLACEHOLDERS[parameter.name]


def _own_collection(world: World, operation: Operation) -> str:
    """A collection that an operation may change or drop without disturbing another."""
    spoken_of, alias = world.collection, f"for {operation.id}"
    collections.have(world, alias)
    world.collection = spoken_of
    return world.names.collection(alias)


def _fitted(world: World, operation: Operation, example: Any, member: str = "") -> Any:
    """An example of the contract with the scenario's own names and texts in it."""
    if isinstance(example, dict):
        return {name: _fitted(world, operation, value, name) for name, value in example.items()}
    if isinstance(example, list):
        return [_fitted(world, operation, each, member) for each in example]
    if member == "collection":
        return world.names.collection(world.collection)
    if member == "name":
        name = world.names.collection(f"by {operation.id}")
        world.undo(partial(collections.remove, world, name))
        return name
    if member in ("id", "ids"):
        return world.names.document(f"{example} by {operation.id}")
    if member in TEXTS:
        numbers = world.evidence.setdefault("texts made", [])
        numbers.append(example)
        return f"{example} For {operation.id} of {world.names.prefix}, text {len(numbers)}."
    return example


def send(world: World, request: Request, key: str | None = None) -> Tried:
    """Send a request with the administrator's key, or another; a broken contract is an outcome too."""
    operation = request.operation
    path = operation.path
    for name, value in request.path.items():
        path = path.replace("{" + name + "}", _quoted(value))
    headers = {"Content-Type": request.kind} if request.kind else {}
    world.wrote = world.wrote or operation.method != "GET"
    try:
        answer = world.citadel.gateway.send(
            operation.method,
            path,
            json_body=request.body if request.raw is None else None,
            content=request.raw,
            query=request.query or None,
            key=world.citadel.keys["administrator"] if key is None else key,
            headers=headers,
            operation=operation.id,
        )
    except AssertionError as complaint:
        _note(world, request, None)
        return Tried(request, complaint)
    _note(world, request, answer)
    if operation.id == "submitJob" and answer.ok:
        owner = world.citadel.keys["administrator"] if key is None else key
        world.undo(partial(jobs.end, world, str(answer.body["job_id"]), owner))
    return Tried(request, answer)


def _quoted(value: str) -> str:
    return "".join(character if character.isalnum() else f"%{ord(character):02X}" for character in value)


def _note(world: World, request: Request, answer: Answer | None) -> None:
    """Enter what happened to the documents of a request in the client's history."""
    if request.operation.method == "GET":
        return
    deletes = request.operation.method == "DELETE"
    collection = request.path.get("collection")
    body = request.body if isinstance(request.body, dict) else {}
    if collection and "vector_id" in request.path:
        items = [request.path["vector_id"]]
    elif collection and deletes:
        if answer is not None and answer.ok:
            world.ledger.forget(collection)
        return
    else:
        collection = body.get("collection")
        items = [body["id"]] if "id" in body else [each["id"] for each in body.get("items", [])]
    for item in items if collection else []:
        if answer is None:
            world.ledger.unknown.add((str(collection), item))
        elif answer.ok and "results" in answer.body:
            entry = next(each for each in answer.body["results"] if each["id"] == item)
            if entry["status"] < 300:
                world.ledger.acknowledged[str(collection), item] = entry.get("version", 0)
        else:
            world.ledger.note(str(collection), item, answer, deletes=deletes)


def ask_all_properly(world: World) -> list[Tried]:
    """Every operation on offer, once, one after another, as it should be asked."""
    return [send(world, proper(world, operation)) for operation in access.offered(world)]


# --- wrong requests


def spoilt(world: World, how: str) -> list[Tried]:
    """Every operation that takes content, with content spoilt in one way."""
    spoil = SPOILT[how]
    taking = [operation for operation in access.offered(world) if operation.body is not None]
    return [send(world, replace(spoil(_with_placeholders(operation)), how=how)) for operation in taking]


def _with_placeholders(operation: Operation) -> Request:
    """A request whose names have the right form; content is looked at before anything is looked up."""
    path = {
        each.name: access.PLACEHOLDERS[each.name] for each in operation.parameters if each.place == "path"
    }
    return Request(operation, path, body=operation.examples[0] if operation.examples else None)


def _too_large(request: Request) -> Request:
    return replace(request, raw=b'{"text":"' + b"a" * TOO_LARGE + b'"}', kind=JSON)


def _with_unknown_member(request: Request) -> Request:
    return replace(request, body={**request.body, "surprise": True})


SPOILT: Mapping[str, Callable[[Request], Request]] = {
    "broken content": lambda request: replace(request, raw=b'{"collection": ', kind=JSON),
    "content of an unsupported format": lambda request: replace(request, raw=b"<a/>", kind="text/xml"),
    "too large content": _too_large,
    "an unknown member": _with_unknown_member,
}


def about_unknown_things(world: World) -> list[Tried]:
    """Every operation on a named thing, for each name it takes: that thing does not exist."""
    asking = [operation for operation in access.offered(world) if 404 in operation.statuses]
    return [
        send(world, request)
        for operation in asking
        for request in _with_unknown_names(world, proper(world, operation))
    ]


def _with_unknown_names(world: World, request: Request) -> Iterator[Request]:
    for name in request.path:
        yield replace(request, path={**request.path, name: UNKNOWN[name]}, how=f"an unknown {name}")
    if request.path:
        return
    known = [
        name
        for name in UNKNOWN
        if name in request.body or name in (request.operation.body or {}).get("properties", {})
    ]
    for name in known[:1]:
        yield replace(request, body={**request.body, name: UNKNOWN[name]}, how=f"an unknown {name}")


def with_impossible_parameters(world: World) -> list[Tried]:
    """Every operation with parameters, for each of them: a value that cannot be."""
    return [
        send(
            world, replace(request, how=f"an impossible {parameter.name}", **_impossible(request, parameter))
        )
        for operation in access.offered(world)
        for request in [_with_placeholders(operation)]
        for parameter in operation.parameters
    ]


def _impossible(request: Request, parameter: Parameter) -> dict[str, Any]:
    if parameter.place == "path":
        return {"path": {**request.path, parameter.name: IMPOSSIBLE_NAME}}
    if parameter.schema.get("type") == "integer":
        return {"query": {parameter.name: str(parameter.schema["minimum"] - 1)}}
    return {"query": {parameter.name: IMPOSSIBLE_NAME}}


def by_a_reader(world: World) -> list[Tried]:
    """Everything that the contract forbids to readers."""
    return [
        send(world, _forbidden(_with_placeholders(operation)), world.citadel.keys["reader"])
        for operation in access.offered(world)
        if 403 in operation.statuses
    ]


def _forbidden(request: Request) -> Request:
    more = FORBIDDEN_TO_READERS.get(request.operation.id)
    return replace(request, body={**request.body, **more}) if more else request


def by_the_caller(world: World) -> list[Tried]:
    """Every operation that needs a key, with the scenario's own caller's, at the same moment."""
    key = str(world.evidence["caller key"])
    asked = [_with_placeholders(operation) for operation in access.offered(world) if not operation.open]
    return at_once(world, asked, key)


def at_once(world: World, requests: Sequence[Request], key: str | None = None) -> list[Tried]:
    """Send all of these at the same time; outcomes in their order."""
    with ThreadPoolExecutor(len(requests)) as pool:
        return list(pool.map(lambda request: send(world, request, key), requests))


# --- judging


def failed(tries: Sequence[Tried]) -> list[str]:
    """Requests that were not carried out. That a job has ended before it was cancelled is an answer, too."""
    assert tries, "nothing was tried"
    return [str(one) for one in tries if not one.ok and one.code != "job-not-cancellable"]


def not_refused_as(tries: Sequence[Tried], codes: Collection[str]) -> list[str]:
    """Requests that were not refused with one of ``codes``, and what happened instead."""
    assert tries, "nothing was tried"
    return [str(one) for one in tries if one.code not in codes]


def degraded(tries: Sequence[Tried]) -> list[str]:
    """Answers that say that something could not be used."""
    return [
        f"{one}, degraded: {one.outcome.body['degraded']}"
        for one in tries
        if isinstance(one.outcome, Answer)
        and isinstance(one.outcome.body, dict)
        and one.outcome.body.get("degraded")
    ]


# --- outages


def need(operation: Operation, dependency: str) -> bool:
    """Whether the contract says that the operation is refused while ``dependency`` is away.

    Where that depends on what is asked, a proper request asks for all.
    """
    told = str(operation.down.get("provider" if dependency == "providers" else dependency, ""))
    return told.startswith(("502", "503"))


def have_ready(world: World) -> None:
    """Make everything that proper requests are about, while all is well."""
    world.evidence["ready"] = [
        proper(world, operation)
        for operation in access.offered(world)
        if operation.id not in ABOUT_DEPENDENCIES
    ]


def try_all_at_once(world: World) -> None:
    """All operations at the same time, so that a dependency that hangs costs one time-out."""
    world.evidence["tries"] = at_once(world, world.evidence["ready"])


def in_need(world: World) -> list[Tried]:
    """What became of the operations that need what was struck."""
    return [one for one in _tries(world) if _in_need(world, one)]


def blaming_another(world: World) -> list[str]:
    """Refusals that name another dependency than one that was struck, or none."""
    return [
        f"{one}, naming {one.outcome.body.get('dependency')}"
        for one in in_need(world)
        if isinstance(one.outcome, Answer)
        and not one.code.startswith(("provider-", "circuit-"))
        and one.outcome.body.get("dependency") not in outages.struck_all(world)
    ]


def not_in_need(world: World) -> list[Tried]:
    """What became of all others."""
    return [one for one in _tries(world) if not _in_need(world, one)]


def _in_need(world: World, tried: Tried) -> bool:
    return any(need(tried.request.operation, target) for target in outages.struck_all(world))


def late(world: World, within_s: float) -> list[str]:
    """Answers that came later than ``within_s`` or the operation's own limit, or not at all."""
    return [
        f"{one}, later than {min(within_s, one.request.operation.timeout_s):g} s"
        for one in _tries(world)
        if isinstance(one.outcome, GatewayUnreachable)
        or (
            isinstance(one.outcome, Answer)
            and one.outcome.elapsed_ms > 1000.0 * min(within_s, one.request.operation.timeout_s)
        )
    ]


def _tries(world: World) -> list[Tried]:
    return list(world.evidence["tries"])
