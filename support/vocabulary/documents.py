"""Documents: stored, read, changed, deleted, listed - by title, in the collection the scenario speaks of."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

from hamcrest import assert_that

from support.drivers.gateway import Answer, GatewayUnreachable
from support.matchers.answers import succeeded
from support.vocabulary.texts import sentences
from support.world import World

LARGEST_BATCH = 50
TOGETHER_WITHIN_S = 5.0


def store(world: World, title: str, text: str, metadata: Mapping[str, Any] | None = None) -> Answer:
    """Submit a document by its text."""
    return submit(world, title, text=text, metadata=metadata)


def submit(world: World, title: str, **content: Any) -> Answer:
    """Submit a document; ``content`` are the members of the request, None ones left out."""
    collection, item = place(world, title)
    body = {"collection": collection, "id": item}
    body |= {name: value for name, value in content.items() if value is not None}
    _remember(world, title, content.get("text"))
    return _write(
        world, collection, item, partial(world.citadel.gateway.call, "insertVector", json_body=body)
    )


def have(world: World, title: str, text: str, metadata: Mapping[str, Any] | None = None) -> None:
    """Store a document that must be accepted."""
    assert_that(store(world, title, text, metadata), succeeded(), f'storing "{title}"')


def store_batch(world: World, documents: Sequence[Mapping[str, Any]]) -> Answer:
    """Submit several documents at once, each with ``title``, ``text`` and perhaps ``metadata``."""
    collection = world.names.collection(world.collection)
    items = [
        {"id": world.names.document(document["title"]), **{k: v for k, v in document.items() if k != "title"}}
        for document in documents
    ]
    world.wrote = True
    answer = world.citadel.gateway.call(
        "batchVectors",
        json_body={"operation": "upsert", "collection": collection, "items": items},
        key=world.key,
    )
    for result in answer.body["results"] if answer.ok else []:
        if result["status"] < 300:
            world.ledger.acknowledged[collection, result["id"]] = result["version"]
    return answer


def rewrite(world: World, title: str, **changes: Any) -> Answer:
    """Replace a document's text, vector or metadata."""
    collection, item = place(world, title)
    _remember(world, title, changes.get("text"))
    update = partial(world.citadel.gateway.call, "updateVector", json_body=changes)
    return _write(world, collection, item, partial(update, collection=collection, vector_id=item))


def rewriting(world: World, title: str) -> Callable[[], Answer]:
    """A rewriting in new words, to be carried out when the scenario wants it."""
    return partial(rewrite, world, title, text=f"In new words: {new_text(world, title)}")


def _remember(world: World, title: str, text: object) -> None:
    world.evidence["title"] = title
    if text is not None:
        world.evidence.setdefault("texts", {})[title] = text


def _write(
    world: World, collection: str, item: str, call: Callable[..., Answer], *, deletes: bool = False
) -> Answer:
    """Make one write and enter its outcome in the ledger: unknown until there is an answer."""
    world.wrote = True
    was_unknown = (collection, item) in world.ledger.unknown
    world.ledger.unknown.add((collection, item))
    try:
        answer = call(key=world.key)
    except GatewayUnreachable as silence:
        if not silence.sent:
            world.ledger.refuse(collection, item)
        raise
    if deletes and was_unknown and answer.code == "vector-not-found":
        # Whatever became of the write before: it is not there now.
        world.ledger.absent(collection, item)
    else:
        world.ledger.note(collection, item, answer, deletes=deletes)
    return answer


def read(world: World, title: str, *, with_vector: bool = False) -> Answer:
    """Read a document by its id."""
    collection, item = place(world, title)
    query = {"include_vector": "true"} if with_vector else None
    return world.citadel.gateway.call(
        "getVector", query=query, collection=collection, vector_id=item, key=world.key
    )


def place(world: World, title: str) -> tuple[str, str]:
    """Where a document lives: the stores' names of its collection and of itself."""
    return world.names.collection(world.collection), world.names.document(title)


def have_many(world: World, count: int) -> list[str]:
    """Store ``count`` documents that must all be accepted; returns their titles."""
    texts = sentences(count, world.names.prefix)
    titles = [f"document {number}" for number in range(1, count + 1)]
    for start in range(0, count, LARGEST_BATCH):
        batch = [
            {"title": title, "text": text}
            for title, text in zip(titles[start : start + LARGEST_BATCH], texts[start:], strict=False)
        ]
        have_batch(world, batch)
    return titles


def have_batch(world: World, documents: Sequence[Mapping[str, Any]]) -> None:
    """Store a batch of which every document must be accepted."""
    answer = store_batch(world, documents)
    assert_that(answer, succeeded(), "storing a batch")
    failed = [result for result in answer.body["results"] if result["status"] >= 300]
    assert not failed, f"documents of the batch failed: {failed[:3]}"


def together(tasks: Sequence[Callable[[], Answer]]) -> list[Answer]:
    """Run ``tasks`` at the same moment, each in a thread of its own; answers in the order of the tasks."""
    start = threading.Barrier(len(tasks))

    def at_the_signal(task: Callable[[], Answer]) -> Answer:
        start.wait(TOGETHER_WITHIN_S)
        return task()

    with ThreadPoolExecutor(len(tasks)) as pool:
        return list(pool.map(at_the_signal, tasks))


def new_text(world: World, title: str) -> str:
    """A text that nobody has stored or embedded before: it names this run and scenario."""
    return f"The text of {title} of {world.names.prefix}."


def batch(world: World) -> list[str]:
    """Titles of the scenario's last batch, in its order."""
    return list(world.evidence["batch"])
