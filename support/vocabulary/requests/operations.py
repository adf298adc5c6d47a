"""Requests to every operation of the contract: as they should be made, and with one flaw each.

Nothing here knows an operation by heart: content, names and limits come from the contract, so an operation
that joins it is called like all others.
"""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any
from urllib.parse import quote

from support.contract.validator import Operation, Parameter
from support.drivers.gateway import Answer
from support.vocabulary import actors, jobs
from support.vocabulary.requests import collections, documents
from support.vocabulary.requests.grammar import Asking, Call, request
from support.world import World

JSON = "application/json"
# Slightly above the largest request that the contract allows (10 MiB).
TOO_LARGE = 10 * 1024 * 1024 + 1
# Names of the right form that nothing has, by the parameter or member that they are for.
UNKNOWN = {
    "collection": "at_nobody_made_this",
    "vector_id": "nobody",
    "model": "no-such-model",
    "provider": "nobody",
    "job_id": "00000000-0000-4000-8000-000000000000",
}
KNOWN = {"model": "all-MiniLM-L6-v2", "provider": "openai"}
INVALID_NAME = "* not a name! *"
TEXTS = ("text", "texts", "query_text")
# Members of the contract's example without which the operation needs fewer dependencies.
UNASKED = {"invalidateCache": ("collection",)}
OWNER, EDITOR = "an administrator", "an editor"
UNDOCUMENTED = (
    "/docs", "/redoc", "/openapi.json", "/swagger", "/debug", "/debug/pprof/", "/admin", "/console",
    "/actuator/env", "/env", "/.env", "/.git/config", "/config", "/api", "/api/v1", "/api/v1/users",
    "/api/v1/keys", "/api/v1/admin", "/api/v1/cache", "/api/v1/cache/keys", "/api/v1/logs", "/graphql",
    "/dashboard", "/collections", "/telemetry", "/server-status",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Prepared:
    """A request to one operation, ready to be sent by anybody; ``flaw`` says what is wrong with it."""

    operation: Operation
    path: Mapping[str, str] = field(default_factory=dict)
    query: Mapping[str, str] = field(default_factory=dict)
    body: Any = None
    raw: bytes | None = None
    content_type: str | None = None
    flaw: str = ""


def in_words(operation: str) -> str:
    """``insertVector`` as ``insert vector``."""
    return re.sub(r"([A-Z])", r" \1", operation).lower()


def offered(world: World) -> list[Operation]:
    """Operations without a capability, and those whose capability the platform says it has."""
    answer = world.citadel.gateway.call("getStatus", key=actors.key_of(world, OWNER))
    capabilities = {None, *answer.body["capabilities"]}
    return [each for each in world.citadel.contract.operations() if each.capability in capabilities]


@request("calls every operation", "calls every operation")
def call_every(ask: Asking) -> list[Call]:
    """Calls every operation of the contract once, each on collections, documents and jobs of its own."""
    world = ask.world
    return [_call(ask, each) for each in world.prepared or prepare(world, ask.actor)]


@request("calls every undocumented route", "calls every undocumented route")
def call_undocumented(ask: Asking) -> list[Call]:
    """Asks for what servers of this kind often leave open though no contract mentions it."""
    return [Call(f"{ask.actor} asks for {path}", partial(ask.send, "GET", path)) for path in UNDOCUMENTED]


@request("calls every operation with {flaw}", "calls every operation with malformed content")
def call_flawed(ask: Asking, flaw: str) -> list[Call]:
    """Calls every operation that can be called with this flaw, for each place where it can be."""
    return [
        _call(ask, replace(flawed, flaw=flaw))
        for operation in offered(ask.world)
        for flawed in FLAWED[flaw](_to_be_refused(ask.world, operation))
    ]


def have_ready(world: World) -> None:
    """Prepare a request for every operation; from here on every operation is called with these."""
    world.prepared = prepare(world)


def prepare(world: World, actor: str = OWNER) -> list[Prepared]:
    """One proper request for every operation that is offered; what they are about is made now."""
    return [_proper(world, operation, actor) for operation in offered(world)]


def _call(ask: Asking, prepared: Prepared) -> Call:
    name = in_words(prepared.operation.id)
    what = f"{name} with {prepared.flaw}" if prepared.flaw else name
    return Call(what, partial(_send, ask, prepared), name)


# --- proper requests


def _proper(world: World, operation: Operation, actor: str) -> Prepared:
    path = {each.name: _thing(world, operation, each, actor) for each in _in_path(operation)}
    return _asked(world, operation, path)


def _to_be_refused(world: World, operation: Operation) -> Prepared:
    """A request that needs nothing of its own, because something is wrong with it."""
    names = {**UNKNOWN, **KNOWN, "collection": world.names.collection(world.collection)}
    return _asked(world, operation, {each.name: names[each.name] for each in _in_path(operation)})


def _asked(world: World, operation: Operation, path: Mapping[str, str]) -> Prepared:
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
        fitted = _fitted(world, operation, example)
        body = {name: value for name, value in fitted.items() if name not in UNASKED.get(operation.id, ())}
    return Prepared(operation, path, query, body)


def _in_path(operation: Operation) -> list[Parameter]:
    return [each for each in operation.parameters if each.place == "path"]


def _thing(world: World, operation: Operation, parameter: Parameter, actor: str) -> str:
    """Something that exists, for a variable of an operation's path."""
    editor = Asking(world, EDITOR, actors.key_of(world, EDITOR))
    if parameter.name == "collection":
        has_documents = any(each.name == "vector_id" for each in operation.parameters)
        if has_documents or operation.method == "GET":
            return editor.collection
        spoken_of, alias = world.collection, f"for {operation.id} {secrets.token_hex(3)}"
        _succeed(collections.create(editor, alias))
        world.collection = spoken_of
        return world.names.collection(alias)
    if parameter.name == "vector_id":
        item = f"for-{operation.id}-{secrets.token_hex(3)}"
        _succeed(documents.store_text(editor, item, f"For {item} of {world.names.prefix}."))
        return item
    if parameter.name == "job_id":
        return _job(world, actor)
    return KNOWN[parameter.name]


def _succeed(calls: list[Call]) -> None:
    for call in calls:
        answer = call.make()
        assert answer.ok, f"{call.what}: {answer}"


def _job(world: World, actor: str) -> str:
    """A job of the actor's own, of an administrator's where the actor may not submit one."""
    operation = world.citadel.contract.by_id("submitJob")
    for owner in (actor, OWNER):
        ask = Asking(world, owner, actors.key_of(world, owner))
        answer = _send(ask, _proper(world, operation, owner))
        if answer.ok:
            return str(answer.body["job_id"])
    raise AssertionError(f"no job could be submitted: {answer}")


def _fitted(world: World, operation: Operation, example: Any, member: str = "") -> Any:
    """An example of the contract with the scenario's own names, and texts that nobody has embedded."""
    if isinstance(example, dict):
        return {name: _fitted(world, operation, value, name) for name, value in example.items()}
    if isinstance(example, list):
        return [_fitted(world, operation, each, member) for each in example]
    if member == "collection":
        return world.names.collection(world.collection)
    if member == "name":
        name = world.names.collection(f"by {operation.id} {secrets.token_hex(3)}")
        collections.remove_at_the_end(world, name)
        return name
    if member in ("id", "ids"):
        return f"{example}-by-{operation.id}"
    if member in TEXTS:
        return f"{example} For {operation.id} of {world.names.prefix}, {secrets.token_hex(3)}."
    return example


# --- flawed requests

Flawed = Callable[[Prepared], Iterator[Prepared]]


def _with_content(change: Callable[[Prepared], Prepared]) -> Flawed:
    def spoil(prepared: Prepared) -> Iterator[Prepared]:
        if prepared.operation.body is not None:
            yield change(prepared)

    return spoil


def _with_unknown_field(prepared: Prepared) -> Prepared:
    return replace(prepared, body={**prepared.body, "surprise": True})


def _too_large(prepared: Prepared) -> Prepared:
    return replace(prepared, raw=b'{"text":"' + b"a" * TOO_LARGE + b'"}', content_type=JSON)


def _with_unknown(name: str) -> Flawed:
    def spoil(prepared: Prepared) -> Iterator[Prepared]:
        operation = prepared.operation
        if 404 not in operation.statuses:
            return
        if name in prepared.path:
            yield replace(prepared, path={**prepared.path, name: UNKNOWN[name]})
        elif not prepared.path and name in _fields(prepared):
            yield replace(prepared, body={**prepared.body, name: UNKNOWN[name]})

    return spoil


def _fields(prepared: Prepared) -> set[str]:
    """The fields that the content has, and those that the contract lists for it."""
    return {*(prepared.operation.body or {}).get("properties", {}), *(prepared.body or {})}


def _with_invalid_parameters(prepared: Prepared) -> Iterator[Prepared]:
    for parameter in prepared.operation.parameters:
        if parameter.place == "path":
            yield replace(prepared, path={**prepared.path, parameter.name: INVALID_NAME})
        else:
            number = parameter.schema.get("type") == "integer"
            value = str(parameter.schema["minimum"] - 1) if number else INVALID_NAME
            yield replace(prepared, query={parameter.name: value})


FLAWED: Mapping[str, Flawed] = {
    "malformed content": _with_content(partial(replace, raw=b'{"collection": ', content_type=JSON)),
    "an unsupported content type": _with_content(partial(replace, raw=b"<a/>", content_type="text/xml")),
    "too large content": _with_content(_too_large),
    "an unknown field": _with_content(_with_unknown_field),
    "an unknown collection": _with_unknown("collection"),
    "an unknown document": _with_unknown("vector_id"),
    "an unknown model": _with_unknown("model"),
    "an unknown provider": _with_unknown("provider"),
    "an unknown job": _with_unknown("job_id"),
    "an invalid parameter": _with_invalid_parameters,
}


# --- sending


def _send(ask: Asking, prepared: Prepared) -> Answer:
    """Send a request with the actor's key; what it may have done to documents is entered in the history."""
    world, operation = ask.world, prepared.operation
    path = operation.path
    for name, value in prepared.path.items():
        path = path.replace("{" + name + "}", quote(value, safe=""))
    headers = {"Content-Type": prepared.content_type} if prepared.content_type else {}
    world.wrote = world.wrote or operation.method != "GET"
    note = partial(_note, world, prepared)
    try:
        answer = ask.send(
            operation.method,
            path,
            json_body=prepared.body if prepared.raw is None else None,
            content=prepared.raw,
            query=prepared.query,
            headers=headers,
            operation=operation.id,
        )
    except AssertionError:
        note(None)
        raise
    note(answer)
    if operation.id == "submitJob" and answer.ok:
        world.undo(partial(jobs.end, world, str(answer.body["job_id"]), ask.key))
    return answer


def _note(world: World, prepared: Prepared, answer: Answer | None) -> None:
    """Enter what happened to the documents of a request in the client's history."""
    if prepared.operation.method == "GET":
        return
    deletes = prepared.operation.method == "DELETE"
    collection = prepared.path.get("collection")
    body = prepared.body if isinstance(prepared.body, dict) else {}
    if collection and "vector_id" in prepared.path:
        items = [prepared.path["vector_id"]]
    elif collection and deletes:
        if answer is not None and answer.ok:
            world.ledger.forget(collection)
        return
    else:
        collection = body.get("collection")
        items = [body["id"]] if "id" in body else [each["id"] for each in body.get("items", [])]
    for item in items if collection else []:
        if answer is None:
            world.ledger.doubt((str(collection), item))
        elif answer.ok and "results" in answer.body:
            entry = next(each for each in answer.body["results"] if each["id"] == item)
            if entry["status"] < 300:
                world.ledger.acknowledge((str(collection), item), entry.get("version", 0))
        else:
            world.ledger.note(str(collection), item, answer, deletes=deletes)
