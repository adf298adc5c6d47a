"""Random metadata whose values are easily mixed up: 1, 1.0, true and "1"; the bounds of exact integers."""

from __future__ import annotations

import random
from typing import Any

TEXTS = ("", "1", "true", "red", "Red", "grün", "a b", "it's")
NUMBERS = (-1, 0, 1, 2, 2.5, 1.0, 2020, 9007199254740991, -9007199254740991, 0.1, 1e-9)
NAMES = ("colour", "size", "on_sale", "tags")
# Shares of the names that have one value, or one value or a list.
ONE_VALUE, ANY_VALUE = 0.6, 0.85
LONGEST_LIST = 3


def documents(seed: int, count: int) -> dict[str, dict[str, Any]]:
    """Metadata by id, the same for the same seed."""
    chance = random.Random(seed)
    return {f"thing-{number}": _metadata(chance) for number in range(count)}


def _metadata(chance: random.Random) -> dict[str, Any]:
    scalars = [*TEXTS, *NUMBERS, True, False]
    made: dict[str, Any] = {}
    for name in NAMES:
        kind = chance.random()
        if kind < ONE_VALUE:
            made[name] = chance.choice(scalars)
        elif kind < ANY_VALUE:
            made[name] = [chance.choice(scalars) for _ in range(chance.randrange(LONGEST_LIST + 1))]
    return made
