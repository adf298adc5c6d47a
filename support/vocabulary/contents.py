"""What is there when a scenario begins."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from support.vocabulary import requests
from support.vocabulary.actors import EDITOR
from support.world import Attempt, World


def have_collection(world: World, alias: str, options: Sequence[Mapping[str, str]] = ()) -> list[Attempt]:
    """Create a collection."""
    wanted = requests.parse(f'creates the collection "{alias}"')
    return requests.in_turn(world, requests.prepare(world, EDITOR, wanted, table=options))


def have_documents(
    world: World, rows: Sequence[Mapping[str, str]], alias: str | None = None
) -> list[Attempt]:
    """Store the documents of a table in one batch, in the collection made last unless another is named."""
    wanted = requests.parse("stores these documents in one batch")
    return requests.in_turn(world, requests.prepare(world, EDITOR, wanted, table=rows, collection=alias))


def have_many(world: World, count: int) -> list[Attempt]:
    """Store so many documents, in as few requests as can be."""
    largest = requests.documents.LARGEST_BATCH
    sizes = [largest] * (count // largest) + [count % largest] * bool(count % largest)
    calls = [
        call
        for size in sizes
        for call in requests.prepare(world, EDITOR, requests.parse(f"stores {size} documents in one batch"))
    ]
    return requests.in_turn(world, calls)
