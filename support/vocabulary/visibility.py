"""What the clients of a scenario were shown of documents, held against what had been acknowledged before."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from support.drivers.gateway import Answer
from support.world import Attempt, View, World

ABSENT = 0
CANNOT_BE_READ = "vector-not-found"


def shown_older(world: World) -> list[str]:
    """Documents that a client was shown in an older version than one acknowledged or shown to it before.

    A document that is absent where it should be is older than any. Every client must have seen something
    change: else nothing could have been old.
    """
    views = [(each, shown) for each in world.attempts for shown in [_shown(each)] if shown is not None]
    assert views, "no client has read, listed or searched documents in this scenario"
    wrong: list[str] = []
    seen: dict[int, dict[str, int]] = defaultdict(dict)
    pictures: dict[int, list[dict[str, int]]] = defaultdict(list)
    for attempt, shown in views:
        assert attempt.view is not None
        known = seen[attempt.client]
        pictures[attempt.client].append(shown)
        for item, version in _acknowledged(world, attempt, attempt.view):
            told, before = shown.get(item, ABSENT), known.get(item, ABSENT)
            known[item] = max(told, before)
            how = f'client {attempt.client}, {attempt.what}: "{item}" was shown {_in_version(told)} after'
            if told < version:
                wrong.append(f"{how} version {version} had been acknowledged")
            elif told < before:
                wrong.append(f"{how} it had been shown in version {before}")
    return wrong + [
        f"client {client} saw nothing change in {len(each)} answers: {each[0]}"
        for client, each in sorted(pictures.items())
        if all(one == each[0] for one in each)
    ]


def _in_version(version: int) -> str:
    return f"in version {version}" if version else "as absent"


def _shown(attempt: Attempt) -> dict[str, int] | None:
    """The documents of an answer by their versions; None where it cannot show any."""
    if attempt.view is None or not isinstance(attempt.outcome, Answer):
        return None
    if attempt.code == CANNOT_BE_READ:
        return {}
    body = attempt.answer.body if attempt.ok else {}
    items = body.get("items", body.get("results", [body] if "version" in body else None))
    return None if items is None else {str(each["id"]): int(each["version"]) for each in items}


def _acknowledged(world: World, attempt: Attempt, view: View) -> Iterator[tuple[str, int]]:
    """Documents that the attempt can show, by the version acknowledged last before it was made.

    Left out are those that are deleted, or were later: when exactly they went, nobody was told.
    """
    told: dict[str, int] = {}
    gone: set[str] = set()
    for at, (collection, item), version in world.ledger.journal:
        if collection != view.collection or view.item not in ("", item):
            continue
        if at <= attempt.began:
            told[item] = version
        elif version == ABSENT:
            gone.add(item)
    shown = _shown(attempt) or {}
    full = not view.item and len(shown) >= view.room
    for item, version in told.items():
        if version and item not in gone and not (full and item not in shown):
            yield item, version
