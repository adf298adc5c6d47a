"""Requests that are wrong in one way each: flawed documents, attacks."""

from __future__ import annotations

import json
from collections.abc import Callable

from support.contract.disclosure import disclosed
from support.drivers.gateway import Answer
from support.vocabulary import documents
from support.world import World

DEEP = 5000
JSON = "application/json"


def _get(world: World, path: str) -> Answer:
    return world.citadel.gateway.send("GET", path, key=world.key)


def _post(
    world: World, path: str, body: object = None, *, raw: bytes | None = None, kind: str = JSON
) -> Answer:
    content = json.dumps(body).encode() if raw is None else raw
    return world.citadel.gateway.send(
        "POST", path, content=content, key=world.key, headers={"Content-Type": kind}
    )


def _insert(world: World, **members: object) -> Answer:
    world.wrote = True
    body = {"collection": world.names.collection(world.collection), "id": "probe", **members}
    return _post(world, "/api/v1/vectors/insert", body)


def _search(world: World, **members: object) -> Answer:
    body = {"collection": world.names.collection(world.collection), "query_text": "probe", **members}
    return _post(world, "/api/v1/vectors/search", body)


def _insert_raw(world: World, text: bytes) -> Answer:
    """Insert with the JSON of the text given as bytes, for texts that no JSON encoder would write."""
    world.wrote = True
    name = world.names.collection(world.collection).encode()
    return _post(
        world,
        "/api/v1/vectors/insert",
        raw=b'{"collection":"' + name + b'","id":"probe","text":' + text + b"}",
    )


FLAWS: dict[str, Callable[[World], Answer]] = {
    "a vector too short": lambda world: documents.store_vector(world, "flawed", [1.0, 2.0, 3.0]),
    "a vector of zeros": lambda world: documents.store_vector(world, "flawed", [0.0] * 384),
    "a vector of another model's size": lambda world: documents.store_vector(world, "flawed", [0.01] * 1536),
    "a number beyond measure": lambda world: documents.store_vector(world, "flawed", [1e30] * 384),
    "a vector without direction": lambda world: documents.store_vector(world, "flawed", [1e-30] * 384),
    "a text of blanks": lambda world: documents.store(world, "flawed", " \t\n "),
    "another model's name": lambda world: documents.submit(
        world, "flawed", text="A text.", model="another-model"
    ),
    "an invalid id": lambda world: _insert(world, id="no spaces allowed", text="A text."),
}

ATTACKS: dict[str, Callable[[World], Answer]] = {
    "a text with a NUL character": lambda world: _insert(world, text="before\u0000after"),
    "a text with half a character": lambda world: _insert_raw(world, b'"\\ud83d alone"'),
    "a number too large to hold": lambda world: _insert_raw(world, b'"a text","metadata":{"n":1e999}'),
    "a deeply nested request": lambda world: _post(
        world, "/api/v1/vectors/search", raw=b'{"filter":' + b'{"a":' * DEEP + b"1" + b"}" * DEEP + b"}"
    ),
    "a name that climbs folders": lambda world: _get(world, "/api/v1/collections/..%2F..%2Fetc%2Fpasswd"),
    "a filter that is code": lambda world: _search(world, filter={"a' OR '1'='1": "x"}),
    "a key with a line break": lambda world: _search(world, filter={"lang\r\nX-Injected": "1"}),
    "a member named __proto__": lambda world: _search(world, __proto__={"admin": True}),
    "an array where a text belongs": lambda world: _insert(world, text=["one", "two"]),
}


def internals_shown(answer: Answer) -> list[str]:
    """What an error tells of the platform's inside."""
    return disclosed(answer.text)
