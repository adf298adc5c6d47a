"""Embeddings asked of the gateway without storing anything."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np

from support.corpus.golden import golden
from support.drivers.embedding import Embedding
from support.drivers.gateway import Answer
from support.errors import Unavailable
from support.world import World

# Largest difference in any number between two embeddings of the same text.
SAME = 1e-5


def embed(world: World, text: str, **options: Any) -> Answer:
    """One text, one vector."""
    return world.citadel.gateway.call("generateEmbedding", json_body={"text": text, **options}, key=world.key)


def service(world: World) -> Embedding:
    """The embedding service, asked directly. Raises ``Unavailable`` where it cannot be."""
    if world.citadel.embedding is None:
        raise Unavailable("the embedding service cannot be seen in this mode")
    return world.citadel.embedding


def furthest_apart(one: Sequence[float], other: Sequence[float]) -> float:
    """Largest difference between two vectors in any component."""
    return max(abs(a - b) for a, b in zip(one, other, strict=True))


def cosine(one: Sequence[float], other: Sequence[float]) -> float:
    """Cosine of the angle between two vectors."""
    a, b = np.asarray(one, dtype=np.float64), np.asarray(other, dtype=np.float64)
    return float(a @ b / (np.linalg.norm(a) * np.linalg.norm(b)))


def of_requests(world: World) -> list[tuple[str, list[float]]]:
    """Text and embedding of all that the scenario's last requests have embedded, in their order."""
    found: list[tuple[str, list[float]]] = []
    for each in world.attempts:
        assert each.ok, f"{each.what}: {each.code}"
        body = each.answer.body
        vectors = body["embeddings"] if "embeddings" in body else [body["embedding"]]
        found += zip(each.about, vectors, strict=True)
    assert found, "nothing has been embedded in this scenario yet"
    return found


def apart(world: World, one: int, other: int) -> float:
    """Largest difference in any number between two embeddings of the last requests, counted from 1."""
    found = of_requests(world)
    most = max(one, other)
    assert most <= len(found), f"there is no embedding {most}: there are {len(found)}"
    return furthest_apart(found[one - 1][1], found[other - 1][1])


def unlike_golden(world: World, floor: float) -> list[str]:
    """Texts whose embedding has a smaller cosine than ``floor`` to its golden vector."""
    expected = golden()
    return [
        f'the cosine of "{text}" with its golden vector is {alike:.6f}, not at least {floor}'
        for text, vector in of_requests(world)
        if not (alike := cosine(vector, expected[text])) >= floor
    ]


def of_other_length(world: World, least: float, most: float) -> list[str]:
    """Texts whose embedding is shorter or longer."""
    return [
        f'the length of the vector of "{text}" is {length:.6f}'
        for text, vector in of_requests(world)
        if not least <= (length := float(np.linalg.norm(vector))) <= most
    ]


def unlike_their_row(world: World, floor: float, ceiling: float) -> list[str]:
    """Texts of one row that are not alike, and texts of different rows that are."""
    last = world.last_request
    assert last is not None and last.table, "no texts of a table have been embedded in this scenario"
    row_of = {text.strip(): number for number, row in enumerate(last.table) for text in row.values()}
    return [
        f'"{one}" and "{other}" have a similarity of {alike:.3f},'
        f" not {f'at least {floor}' if related else f'at most {ceiling}'}"
        for (one, first), (other, second) in itertools.combinations(of_requests(world), 2)
        for related, alike in [(row_of[one] == row_of[other], cosine(first, second))]
        if (alike < floor if related else alike > ceiling)
    ]
