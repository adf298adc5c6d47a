"""Several collections, or several callers, side by side: what one does must not touch the other."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any
from uuid import uuid4

import numpy as np
from hamcrest import assert_that

from support.drivers.gateway import Answer
from support.drivers.qdrant import Point
from support.matchers.answers import succeeded
from support.vocabulary import caches, collections, documents, searches, stores
from support.world import World

# Of what another platform left, or an older one.
OTHER_SIZE = 8


@contextmanager
def inside(world: World, alias: str) -> Iterator[None]:
    """The scenario speaks of another collection for a while."""
    before, world.collection = world.collection, alias
    try:
        yield
    finally:
        world.collection = before


def have_beside(world: World, alias: str, title: str, text: str) -> None:
    """Another collection that holds a document under an id that is used here as well."""
    here = world.collection
    collections.have(world, alias)
    documents.have(world, title, text)
    world.collection = here
    world.evidence["before"] = state(world, here, title)


def state(world: World, alias: str, title: str) -> dict[str, Any]:
    """A document as stores and clients see it: row, point, reading, list and search."""
    with inside(world, alias):
        row, point = stores.row_of(world, title), stores.point_of(world, title)
        assert row is not None and point is not None, f'"{title}" in "{alias}" is not whole'
        reading = documents.read(world, title)
        found = searches.ask(world, row.text or "", use_cache=False)
        assert_that(found, succeeded())
        return {
            "row": (row.point_id, row.version, row.text, row.metadata, row.updated_at),
            "point": (
                point.id,
                dict(point.payload),
                None if point.vector is None else point.vector.tobytes(),
            ),
            "reading": {name: value for name, value in reading.body.items() if name != "cache_info"},
            "list": documents.titles_listed(world, 100),
            "search": caches.results_of(found),
        }


def rewrite_in(world: World, title: str, alias: str) -> Answer:
    """Rewrite the document of that title in another collection."""
    with inside(world, alias):
        return documents.rewriting(world, title)()


def delete_in(world: World, title: str, alias: str) -> Answer:
    """Delete the document of that title in another collection."""
    with inside(world, alias):
        return documents.delete(world, title)


def search_in(world: World, alias: str, question: str) -> Answer:
    """Search another collection."""
    with inside(world, alias):
        return searches.ask(world, question)


def differences(world: World, title: str, alias: str) -> list[str]:
    """What is not as it was of a document."""
    before, now = world.evidence["before"], state(world, alias, title)
    return [f"{name}: was {before[name]}, is {now[name]}" for name in before if before[name] != now[name]]


def texts_of(world: World, alias: str) -> set[str]:
    """Every text that a collection holds by its rows."""
    return {row.text or "" for row in stores.rows(world).rows(world.names.collection(alias))}


def texts_shown(answer: Answer) -> set[str]:
    """Every text that a search shows."""
    assert_that(answer, succeeded())
    return {str(item["text"]) for item in answer.body["results"]}


def make_anew(world: World, alias: str) -> None:
    """Drop a collection, make it again, and put every cache entry of before back."""

    def drop_and_make() -> Answer:
        assert_that(collections.drop(world, alias), succeeded())
        return collections.create(world, alias)

    restored = caches.restore_older(world, drop_and_make)
    assert restored > 0, "no cache entry came back: the scenario would prove nothing"


def leave_in_vector_store(world: World, alias: str, count: int) -> None:
    """Points in a collection that only the vector store knows, of another size than a new one has."""
    name, vectors = world.names.collection(alias), stores.vectors(world)

    def remove() -> None:
        vectors.delete_collection(name)

    world.undo(remove)
    vectors.create_collection(name, OTHER_SIZE)
    vector = np.ones(OTHER_SIZE, np.float32)
    texts = [f"left over {number}" for number in range(count)]
    vectors.upsert_raw(name, [Point(name, uuid4(), vector, {"text": text}) for text in texts])


def not_as_new(world: World, alias: str) -> list[str]:
    """What a new collection should not have."""
    name = world.names.collection(alias)
    wrong = [f"PostgreSQL still holds {row.external_id}" for row in stores.rows(world).rows(name)]
    wrong += [f"Qdrant still holds {point.text}" for point in stores.vectors(world).points(name)]
    size = stores.vectors(world).info(name).size
    if size != collections.DEFAULT_SIZE:
        wrong.append(f"Qdrant holds vectors of {size}, not of {collections.DEFAULT_SIZE} numbers")
    return wrong


def ask_as_all_roles(world: World, question: str) -> list[Answer]:
    """The same question by a caller of each role."""
    ask = partial(world.citadel.gateway.call, "searchVectors")
    body = {"collection": world.names.collection(world.collection), "query_text": question}
    return [ask(json_body=body, key=world.citadel.keys[role]) for role in world.citadel.keys]


def other_callers_named(world: World, answers: list[Answer]) -> list[str]:
    """Callers, by name, that an answer or its headers tell of."""
    return [
        f"{name} in {answer}"
        for answer in answers
        for name in (f"at.{role}" for role in world.citadel.keys)
        if name in answer.text or name in str(dict(answer.headers))
    ]
