"""The cache seen directly, and what it may and may not change."""

from __future__ import annotations

from typing import Any

from support.drivers.gateway import Answer
from support.drivers.redis import CacheEntry, CacheStore
from support.vocabulary import documents, embeddings, searches
from support.world import World

# Seconds each kind of entry may live at most, by the part of its name after the platform's prefix.
LONGEST_LIFE_S = {"emb": 3600, "search": 1800, "meta": 7200, "ext": 1800, "rl": 60, "brk": 120, "jobs": 60}
PLATFORM = "citadel:v1:"
SEARCHED_FIELDS = ("id", "score", "text", "metadata", "version")


def cache(world: World) -> CacheStore:
    """The cache's driver."""
    assert world.citadel.cache is not None, "the cache cannot be seen in this mode"
    return world.citadel.cache


def entries(world: World) -> list[CacheEntry]:
    """Every entry of the platform with its remaining life."""
    return cache(world).entries(list(cache(world).keys(f"{PLATFORM}*")))


def overlong(world: World) -> list[str]:
    """Entries that live for ever, longer than their kind may, or are of no known kind."""
    wrong = []
    for entry in entries(world):
        kind = entry.key.removeprefix(PLATFORM).partition(":")[0]
        longest = LONGEST_LIFE_S.get(kind)
        if longest is None:
            wrong.append(f"{entry.key}: no such kind of entry")
        elif not 0 <= entry.ttl_ms <= longest * 1000:
            wrong.append(f"{entry.key}: lives {entry.ttl_ms} ms, at most {longest * 1000} are allowed")
    return wrong


def warm_everything(world: World, title: str, question: str) -> None:
    """Read, search and embed, so that every kind of entry exists."""
    documents.read(world, title)
    searches.ask(world, question)
    embeddings.embed(world, question)


def damage_all(world: World) -> int:
    """Overwrite every search, item and embedding entry with rubbish; returns how many.

    The audit will rightly complain, also after other scenarios: the entries are removed at the end.
    """
    world.disagreement_expected = True
    found = [entry.key for entry in entries(world)]
    damaged = [
        key for key in found if key.removeprefix(PLATFORM).partition(":")[0] in ("emb", "search", "meta")
    ]

    def remove() -> None:
        for key in damaged:
            cache(world).unlink(key)

    world.undo(remove)
    for key in damaged:
        cache(world).set_raw(key, b'{"body": [1, 2', ttl_s=60)
    return len(damaged)


def empty(world: World) -> Answer:
    """Let an administrator drop the cached searches, items and embeddings."""
    return world.citadel.gateway.call(
        "invalidateCache",
        json_body={"kinds": ["search", "metadata", "embedding"]},
        key=world.citadel.keys["administrator"],
    )


def results_of(answer: Answer) -> list[dict[str, Any]]:
    """What a search answered, without the timings and cache marks that may differ."""
    return [{name: item.get(name) for name in SEARCHED_FIELDS} for item in answer.body["results"]]


def came_from_cache(answer: Answer) -> bool:
    """Whether the gateway says so, in the header and in the body alike."""
    told = answer.body["cache_info"]["status"]
    return told == "hit" and answer.headers.get("X-Cache") == "HIT"
