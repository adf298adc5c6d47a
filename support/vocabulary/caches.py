"""The cache seen directly, and what it may and may not change."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import pickle
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from hamcrest import assert_that

from support.audit import cache_keys
from support.drivers.gateway import Answer
from support.drivers.redis import CacheEntry, CacheStore
from support.matchers.requests import all_succeeded
from support.vocabulary import expectations, tables, time_limits
from support.vocabulary.providers.witness import QUANTITY
from support.world import World

PLATFORM = "citadel:v1:"
# The kinds of entries, by the part of their key after the platform's prefix.
KINDS = {
    "emb": "embedding",
    "search": "search",
    "meta": "document",
    "ext": "provider response",
    "rl": "rate limit",
    "brk": "circuit breaker",
    "jobs": "job wake-up",
}
WITH_CONTENT = ("emb", "search", "meta", "ext")
COLUMNS = ("kind", "maximum TTL", "number", "key")
# Long enough for the scenario; a damaged entry that nobody replaces dies soon.
DAMAGE_LIVES_S = 30
# Far more than any entry needs, and little enough for one scenario.
ENDLESS_BYTES = 1024 * 1024
ENDLESS_DEPTH = 100_000
# What a program in the cache would leave, if it were run.
EXECUTED = Path(tempfile.gettempdir()) / f"at_executed_{os.getpid()}"


def cache(world: World) -> CacheStore:
    """The cache's driver."""
    assert world.citadel.cache is not None, "the cache cannot be seen in this mode"
    return world.citadel.cache


def entries(world: World) -> list[CacheEntry]:
    """Every entry of the platform with its remaining life."""
    return cache(world).entries(list(cache(world).keys(f"{PLATFORM}*")))


def otherwise(world: World, rows: Sequence[Mapping[str, str]]) -> list[str]:
    """Entries that have no TTL, or one above the maximum of their kind, or a key that is not as it should be.

    ``number`` says how many of a kind there must be. Raises ``TableError`` for an unknown kind or column.
    """
    found = entries(world)
    assert found, "the cache holds no entry, so none can show its TTL"
    wrong: list[str] = []
    for row in rows:
        for column in row.keys() - set(COLUMNS):
            raise tables.unknown("column", column, COLUMNS)
        if row["kind"].strip() not in KINDS.values():
            raise tables.unknown("kind of cache entry", row["kind"], KINDS.values())
    wanted = {row["kind"].strip(): row for row in rows}
    for entry in found:
        kind = KINDS.get(kind_of(entry.key), "")
        wrong += (
            _otherwise(entry, wanted[kind]) if kind in wanted else [f"{entry.key}: of no kind in the table"]
        )
    counted = Counter(KINDS.get(kind_of(entry.key)) for entry in found)
    wrong += [
        f"{counted[kind]} entries of the kind {kind}, expected {row['number'].strip()}"
        for kind, row in wanted.items()
        if row.get("number", "").strip()
        and not QUANTITY.parse(row["number"].strip()).matcher().matches(counted[kind])
    ]
    return wrong


def _otherwise(entry: CacheEntry, row: Mapping[str, str]) -> Iterator[str]:
    longest_ms = round(1000 * time_limits.duration(row["maximum TTL"].strip()))
    if not 0 <= entry.ttl_ms <= longest_ms:
        yield f"{entry.key}: lives {entry.ttl_ms} ms, at most {longest_ms} are allowed"
    if (expected := row.get("key", "").strip()) and not expectations.fits(expected, entry.key):
        yield f"{entry.key}: expected a key that is {expected}"


def kind_of(key: str) -> str:
    """The part of a key that names its kind."""
    return key.removeprefix(PLATFORM).partition(":")[0]


def damage_entry_of(world: World, kind: str, answer: Answer) -> None:
    """Replace what the cache kept of ``answer`` by something damaged."""
    key = answer.body["cache_info"]["cache_key"]
    value = cache(world).value(key)
    assert value is not None, f"{key} is not in the cache"
    if kind == "a list":
        cache(world).set_list(key, [value], ttl_s=DAMAGE_LIVES_S)
    else:
        cache(world).set_raw(key, DAMAGES[kind](value), ttl_s=DAMAGE_LIVES_S)


def evict(world: World, share: float) -> int:
    """Remove a share of the entries, spread over all keys in their order, as a full Redis does; how many."""
    keys = sorted(entry.key for entry in entries(world))
    chosen = [key for place, key in enumerate(keys) if int((place + 1) * share) > int(place * share)]
    return sum(cache(world).unlink(key) for key in chosen)


def _changed_by_one_bit(value: bytes) -> bytes:
    middle = len(value) // 2
    return value[:middle] + bytes([value[middle] ^ 1]) + value[middle + 1 :]


def _sealed_again(value: bytes, change: Callable[[dict[str, Any]], None]) -> bytes:
    """The value with another body and the right checksum for it."""
    body = json.loads(value.partition(b"\n")[2])
    change(body)
    return cache_keys.encode(body)


def _of_another_size(body: dict[str, Any]) -> None:
    """Vectors of four numbers; of an item or a search, one without its text."""
    four = base64.b64encode(np.ones(4, "<f4").tobytes()).decode()
    if "vector" in body:
        body["vector"], body["dimensions"] = four, 4
    if "vectors" in body:
        body["vectors"], body["dimensions"] = [four] * len(body["vectors"]), 4
    for item in body.get("results", [body.get("item", {})]):
        item.pop("text", None)


def _of_an_older_form(body: dict[str, Any]) -> None:
    """Only what a first version of the platform might have kept."""
    if "vector" in body:
        body["embedding"] = [0.1] * int(body.pop("dimensions"))
        del body["vector"]
    if "vectors" in body:
        body["embeddings"] = [[0.1] * int(body["dimensions"]) for _each in body.pop("vectors")]
    if "item" in body:
        body["item"] = {"id": body["item"]["id"]}
    if "results" in body:
        body["results"] = [{"id": item["id"], "score": item["score"]} for item in body["results"]]


def _without_its_last_vector(body: dict[str, Any]) -> None:
    body["vectors"].pop()


class _Program:
    """What a careless reader of stored objects would carry out: it leaves a file."""

    def __reduce__(self) -> tuple[Any, ...]:
        return open, (str(EXECUTED), "w")


def _sealed(body: bytes) -> bytes:
    """Any bytes with the right checksum for them."""
    return hashlib.sha256(body).hexdigest().encode() + b"\n" + body


def _program_in_yaml() -> bytes:
    return f"!!python/object/apply:builtins.open [{str(EXECUTED)!r}, 'w']".encode()


def _bottomless(value: bytes) -> bytes:
    return _sealed(b'{"cached_at":' + b"[" * ENDLESS_DEPTH + b"]" * ENDLESS_DEPTH + b"}")


def _with_other_types(change: type[int] | type[str]) -> Callable[[bytes], bytes]:
    """Every word a number, or every number a word, at any depth, under the right checksum."""

    def turned(value: Any) -> Any:
        if isinstance(value, dict):
            return {name: turned(each) for name, each in value.items()}
        if isinstance(value, list):
            return [turned(each) for each in value]
        if change is int:
            return 7 if isinstance(value, str) else value
        return str(value) if isinstance(value, int | float) else value

    def change_all(body: dict[str, Any]) -> None:
        body.update(turned(body))

    return partial(_sealed_again, change=change_all)


def _members_as_list(value: bytes) -> bytes:
    return _sealed(json.dumps([*json.loads(value.partition(b"\n")[2]).items()]).encode())


def executed(world: World) -> list[str]:
    """What a program that only lay in the cache has left, if it was run; removed at the scenario's end."""
    world.undo(partial(EXECUTED.unlink, missing_ok=True))
    return [f"a program from the cache was executed: it has made {EXECUTED}"] if EXECUTED.exists() else []


DAMAGES: dict[str, Callable[[bytes], bytes]] = {
    "rubbish": lambda value: b"\x00\xffrubbish",
    "empty": lambda value: b"",
    "cut in half": lambda value: value[: len(value) // 2],
    "changed by one bit": _changed_by_one_bit,
    "without its checksum": lambda value: value.partition(b"\n")[2],
    "of another size": lambda value: _sealed_again(value, _of_another_size),
    "short of a vector": lambda value: _sealed_again(value, _without_its_last_vector),
    "of an older form": lambda value: _sealed_again(value, _of_an_older_form),
    "a list": lambda value: value,
    "a pickled program": lambda value: pickle.dumps(_Program()),
    "a pickled program with a valid checksum": lambda value: _sealed(pickle.dumps(_Program(), 0)),
    "a YAML program with a valid checksum": lambda value: _sealed(_program_in_yaml()),
    "padded with 1 MiB of spaces": lambda value: value + b" " * ENDLESS_BYTES,
    "nested 100,000 levels deep": _bottomless,
    "changed from texts to numbers": _with_other_types(int),
    "changed from numbers to texts": _with_other_types(str),
    "a list instead of an object": _members_as_list,
}


def empty(world: World) -> Answer:
    """Let an administrator drop the cached searches, items and embeddings."""
    return world.citadel.gateway.call(
        "invalidateCache",
        json_body={"kinds": ["search", "metadata", "embedding"]},
        key=world.citadel.keys["administrator"],
    )


def damage_last(world: World, kind: str) -> None:
    """Replace what the cache kept of each of the last answers by something damaged."""
    assert_that(world.attempts, all_succeeded())
    for attempt in world.attempts:
        damage_entry_of(world, kind, attempt.answer)
