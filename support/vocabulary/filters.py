"""Random metadata and filters: what the platform finds against what a plain reading of the filter says."""

from __future__ import annotations

import json
import operator
import random
from collections.abc import Callable, Mapping
from typing import Any

from hypothesis import strategies as st

from support import properties
from support.vocabulary import collections, documents, searches
from support.world import World

WITHIN_S = 4.0
MOST_EXAMPLES = 150
# Values that careless comparisons mix up: 1, 1.0, true and "1"; the empty text; the bounds of exact integers.
TEXTS = ("", "1", "true", "red", "Red", "grün", "a b", "it's")
NUMBERS = (-1, 0, 1, 2, 2.5, 1.0, 2020, 9007199254740991, -9007199254740991, 0.1, 1e-9)
WHOLE = tuple(number for number in NUMBERS if isinstance(number, int))
BOUNDS: Mapping[str, Callable[[float, float], bool]] = {
    "gt": operator.gt,
    "gte": operator.ge,
    "lt": operator.lt,
    "lte": operator.le,
}
KEYS = ("colour", "size", "on_sale", "tags")

_wanted: st.SearchStrategy[Any] = st.sampled_from([*TEXTS, *WHOLE, True, False])
_any = st.fixed_dictionaries(
    {"any": st.lists(st.sampled_from([*TEXTS, *WHOLE]), min_size=1, max_size=3, unique_by=repr)}
)
_bounds = st.dictionaries(st.sampled_from(sorted(BOUNDS)), st.sampled_from(NUMBERS), min_size=1, max_size=2)
FILTERS = st.dictionaries(st.sampled_from(KEYS), st.one_of(_wanted, _any, _bounds), min_size=1, max_size=3)


def have_documents(world: World, count: int) -> None:
    """Documents with random metadata in a collection of small vectors."""
    chance = random.Random(world.citadel.seed)
    collections.have(world, "things", vector_size=2, model=None)
    metadata = {f"thing {number}": _random_metadata(chance) for number in range(count)}
    world.evidence["metadata"] = metadata
    for start in range(0, count, documents.LARGEST_BATCH):
        part = list(metadata.items())[start : start + documents.LARGEST_BATCH]
        documents.have_batch(
            world, [{"title": title, "vector": [1.0, 2.0], "metadata": each} for title, each in part]
        )


def _random_metadata(chance: random.Random) -> dict[str, Any]:
    scalars = [*TEXTS, *NUMBERS, True, False]
    made: dict[str, Any] = {}
    for key in KEYS:
        kind = chance.random()
        if kind < 0.6:
            made[key] = chance.choice(scalars)
        elif kind < 0.85:
            made[key] = [chance.choice(scalars) for _ in range(chance.randrange(4))]
    return made


def compare(world: World) -> int:
    """Search by random filters until the platform and the plain reading differ; returns how many agreed."""
    held: Mapping[str, Mapping[str, Any]] = world.evidence["metadata"]

    def check(conditions: dict[str, Any]) -> None:
        answer = searches.ask_by_vector(world, [1.0, 2.0], limit=1000, filter=conditions)
        found = {hit.title for hit in searches.ranking(world, answer)}
        wrong = [
            f'"{title}" with {json.dumps(metadata, ensure_ascii=False)}'
            f" is {'found' if title in found else 'not found'}"
            for title, metadata in held.items()
            if (title in found) != fits(metadata, conditions)
        ]
        assert not wrong, f"the filter finds other documents than it says: {'; '.join(wrong[:3])}"

    return properties.hold(
        FILTERS,
        check,
        within_s=WITHIN_S,
        at_most=MOST_EXAMPLES,
        number=world.citadel.seed,
        shown=lambda conditions: json.dumps(conditions, ensure_ascii=False),
    )


def fits(metadata: Mapping[str, Any], conditions: Mapping[str, Any]) -> bool:
    """The filter's meaning, read plainly: every condition holds for the value or for one of its elements."""
    return all(
        any(_fits(value, condition) for value in _values(metadata.get(key)))
        for key, condition in conditions.items()
    )


def _values(held: Any) -> list[Any]:
    if held is None:
        return []
    return list(held) if isinstance(held, list) else [held]


def _fits(value: Any, condition: Any) -> bool:
    if not isinstance(condition, dict):
        return _equal(value, condition)
    if "any" in condition:
        return any(_equal(value, each) for each in condition["any"])
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return all(BOUNDS[name](value, bound) for name, bound in condition.items())


def _equal(one: Any, other: Any) -> bool:
    """Numbers are equal as numbers; a boolean is no number and a text is no number."""
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    return isinstance(one, str) == isinstance(other, str) and bool(one == other)
