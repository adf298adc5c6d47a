"""Random filters: what the platform finds against what a plain reading of the filter says."""

from __future__ import annotations

import json
import operator
from collections.abc import Callable, Mapping
from typing import Any

from hypothesis import strategies as st

from support import properties
from support.vocabulary import actors, random_metadata
from support.vocabulary.random_metadata import NAMES, NUMBERS, TEXTS
from support.world import World

WITHIN_S = 4.0
MOST_EXAMPLES = 150
WHOLE = tuple(number for number in NUMBERS if isinstance(number, int))
BOUNDS: Mapping[str, Callable[[float, float], bool]] = {
    "gt": operator.gt,
    "gte": operator.ge,
    "lt": operator.lt,
    "lte": operator.le,
}

_wanted: st.SearchStrategy[Any] = st.sampled_from([*TEXTS, *WHOLE, True, False])
_any = st.fixed_dictionaries(
    {"any": st.lists(st.sampled_from([*TEXTS, *WHOLE]), min_size=1, max_size=3, unique_by=repr)}
)
_bounds = st.dictionaries(st.sampled_from(sorted(BOUNDS)), st.sampled_from(NUMBERS), min_size=1, max_size=2)
FILTERS = st.dictionaries(st.sampled_from(NAMES), st.one_of(_wanted, _any, _bounds), min_size=1, max_size=3)


def compare(world: World) -> int:
    """Search by random filters until the platform and the plain reading differ; returns how many agreed.

    The collection must hold documents with random metadata and no others.
    """
    collection = world.names.collection(world.collection)
    held = random_metadata.documents(world.citadel.seed, len(world.ledger.acknowledged))
    body = {"collection": collection, "query_vector": [1.0, 2.0], "limit": 1000}
    key = actors.key_of(world, "a reader")

    def check(conditions: dict[str, Any]) -> None:
        answer = world.citadel.gateway.call(
            "searchVectors", json_body={**body, "filter": conditions}, key=key
        )
        assert answer.ok, f"a search by {json.dumps(conditions, ensure_ascii=False)}: {answer}"
        found = {hit["id"] for hit in answer.body["results"]}
        wrong = [
            f'"{item}" with {json.dumps(metadata, ensure_ascii=False)}'
            f" is {'found' if item in found else 'not found'}"
            for item, metadata in held.items()
            if (item in found) != fits(metadata, conditions)
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
