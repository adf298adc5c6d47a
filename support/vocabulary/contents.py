"""What is there when a scenario begins."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from support.vocabulary import requests
from support.vocabulary.actors import EDITOR
from support.vocabulary.words import quoted
from support.world import Attempt, World

# The column that says in which collection a document is.
COLLECTION = "collection"


def have_collections(
    world: World, aliases: Sequence[str], options: Sequence[Mapping[str, str]] = ()
) -> list[Attempt]:
    """Create collections, all with the same options."""
    wanted = [requests.parse(f"creates the collection {quoted(alias)}") for alias in aliases]
    calls = [call for each in wanted for call in requests.prepare(world, EDITOR, each, table=options)]
    return requests.in_turn(world, calls)


def have_documents(
    world: World, rows: Sequence[Mapping[str, str]], alias: str | None = None
) -> list[Attempt]:
    """Store the documents of a table, a batch for each collection: the row's, ``alias``, or the last one."""
    wanted = requests.parse("stores these documents in one batch")
    batches: dict[str | None, list[Mapping[str, str]]] = {}
    for row in rows:
        document = {name: cell for name, cell in row.items() if name != COLLECTION}
        batches.setdefault(row.get(COLLECTION, "").strip() or alias, []).append(document)
    calls = [
        call
        for collection, table in batches.items()
        for call in requests.prepare(world, EDITOR, wanted, table=table, collection=collection)
    ]
    return requests.in_turn(world, calls)


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
