"""Random texts and metadata: what went in must come out of the gateway and of both stores alike."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

from hypothesis import strategies as st

from support import properties
from support.vocabulary import actors, requests, stores
from support.world import World

WITHIN_S = 3.0
MOST_EXAMPLES = 100
# The largest whole number that every reader of JSON keeps exactly.
SAFE = 2**53 - 1
# Qdrant's engine gives fractions of more significant digits back with another last bit, and so it does with
# those of more than 22 decimals or of 1e15 and more (qdrant-edge 0.9.0, measured on 400 of each magnitude: up
# to one in three, and none of the others; whole numbers are exact).
EXACT_DIGITS = 15
MOST_DECIMALS = 10

# Everything but NUL and halves of characters, which the contract refuses.
_characters = st.characters(exclude_categories=["Cs"], exclude_characters="\0")
_texts = st.text(_characters, min_size=1, max_size=60).filter(lambda text: bool(text.strip()))
_decimals = st.builds(
    lambda digits, decimals: float(Decimal(digits).scaleb(-decimals)),
    st.integers(-(10**EXACT_DIGITS) + 1, 10**EXACT_DIGITS - 1),
    st.integers(0, MOST_DECIMALS),
)
_numbers = st.one_of(st.integers(-SAFE, SAFE), _decimals)
_scalars = st.one_of(st.booleans(), _numbers, st.text(_characters, max_size=20))
_keys = st.from_regex(r"[A-Za-z_][A-Za-z0-9_-]{0,20}", fullmatch=True)
_metadata = st.dictionaries(_keys, st.one_of(_scalars, st.lists(_scalars, max_size=4)), max_size=5)
VALUES = st.tuples(_texts, _metadata)


def keep(world: World) -> int:
    """Store random texts and metadata under one id until one is changed; returns how many were not."""

    def check(example: tuple[str, dict[str, Any]]) -> None:
        text, metadata = example
        sent = _comparable(text, metadata)
        options = {f"metadata.{name}": json.dumps(value) for name, value in metadata.items()}
        stored = requests.aside(
            world,
            actors.EDITOR,
            'stores the document "sample"',
            {"text": json.dumps(text), **(options or {"no metadata": ""})},
        )
        assert stored.ok, f"{stored.what}: {stored.outcome}"
        for where, look in _PLACES.items():
            seen = _comparable(*look(world))
            assert seen == sent, f"{where} gives {seen}, not {sent}"

    return properties.hold(
        VALUES,
        check,
        within_s=WITHIN_S,
        at_most=MOST_EXAMPLES,
        number=world.citadel.seed,
        shown=lambda example: json.dumps(example),
    )


def _read(world: World) -> tuple[str | None, Mapping[str, Any] | None]:
    answer = requests.aside(world, "a reader", 'reads "sample"').answer
    assert answer.ok, str(answer)
    return answer.body["text"], answer.body["metadata"]


def _row(world: World) -> tuple[str | None, Mapping[str, Any] | None]:
    row = stores.row_of(world, "sample")
    return (None, None) if row is None else (row.text, row.metadata)


def _point(world: World) -> tuple[str | None, Mapping[str, Any] | None]:
    point = stores.point_of(world, "sample")
    return (None, None) if point is None else (point.text, point.metadata)


_PLACES: Mapping[str, Callable[[World], tuple[str | None, Mapping[str, Any] | None]]] = {
    "the gateway": _read,
    "the gateway's cache": _read,
    "PostgreSQL": _row,
    "Qdrant": _point,
}


def _comparable(text: str | None, metadata: Mapping[str, Any] | None) -> tuple[Any, ...]:
    """Numbers are equal as numbers, 1 and 1.0 are the same; a boolean or a text is no number."""
    return text, None if metadata is None else {key: _typed(value) for key, value in metadata.items()}


def _typed(value: Any) -> Any:
    if isinstance(value, list):
        return [_typed(each) for each in value]
    return value if isinstance(value, str) else (isinstance(value, bool), value)
