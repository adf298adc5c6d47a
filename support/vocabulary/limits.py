"""The documented limits: the largest and smallest that is allowed, and what lies next to them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from support.drivers.gateway import Answer
from support.vocabulary import collections, documents, embeddings, searches
from support.vocabulary.texts import sentences
from support.world import World

# A letter of two bytes: the limit counts characters.
LETTER = "ü"


@dataclass(frozen=True, slots=True)
class Measure:
    """A measure with its bounds; ``attempt`` sends a request of that measure."""

    smallest: int
    largest: int
    attempt: Callable[[World, int], Answer]


def _text(world: World, length: int) -> Answer:
    return embeddings.embed(world, LETTER * length)


def _batch(world: World, count: int) -> Answer:
    vector = [1.0] + [0.0] * 383
    return documents.store_batch(
        world, [{"title": f"item {number}", "vector": vector} for number in range(count)]
    )


def _texts(world: World, count: int) -> Answer:
    return embeddings.embed_batch(world, sentences(count))


def _page(world: World, size: int) -> Answer:
    return world.citadel.gateway.call(
        "listVectors",
        query={"limit": size},
        collection=world.names.collection(world.collection),
        key=world.key,
    )


def _metadata_values(world: World, count: int) -> Answer:
    return documents.store(world, "sample", "A text.", {f"key_{number}": number for number in range(count)})


def _metadata_list(world: World, length: int) -> Answer:
    return documents.store(world, "sample", "A text.", {"list": list(range(length))})


def _conditions(world: World, count: int) -> Answer:
    return searches.ask(world, "a text", filter={f"key_{number}": number for number in range(count)})


def _choices(world: World, count: int) -> Answer:
    return searches.ask(world, "a text", filter={"key": {"any": list(range(count))}})


def _whole_number(world: World, number: int) -> Answer:
    return documents.store(world, "sample", "A text.", {"number": number})


def _vector(world: World, count: int) -> Answer:
    # The first attempt makes the collection that takes such vectors.
    if world.collection != "wide":
        collections.have(world, "wide", vector_size=count, model=None)
    return documents.store_vector(world, "sample", [1.0] * count)


def _vector_size(world: World, size: int) -> Answer:
    return collections.create(world, f"of size {size}", vector_size=size, model=None)


MEASURES: Mapping[str, Measure] = {
    "length of a text": Measure(1, 8192, _text),
    "number of documents a batch": Measure(1, 100, _batch),
    "number of texts to embed": Measure(1, 32, _texts),
    "number of results": Measure(1, 1000, lambda world, limit: searches.ask(world, "a text", limit=limit)),
    "number of results passed by": Measure(
        0, 10_000, lambda world, offset: searches.ask(world, "a text", offset=offset)
    ),
    "size of a page": Measure(1, 100, _page),
    "number of metadata values": Measure(0, 64, _metadata_values),
    "length of a metadata list": Measure(0, 64, _metadata_list),
    "number of filter conditions": Measure(1, 16, _conditions),
    "number of choices of a filter": Measure(1, 64, _choices),
    "length of a vector": Measure(1, 4096, _vector),
    "vector size of a collection": Measure(1, 4096, _vector_size),
    "whole number": Measure(-(2**53) + 1, 2**53 - 1, _whole_number),
}


def try_largest(world: World, measure: str) -> None:
    """The largest that is allowed, then one more."""
    bounds = MEASURES[measure]
    world.answers = [bounds.attempt(world, bounds.largest), bounds.attempt(world, bounds.largest + 1)]


def try_smallest(world: World, measure: str) -> None:
    """The smallest that is allowed, then one less."""
    bounds = MEASURES[measure]
    world.answers = [bounds.attempt(world, bounds.smallest), bounds.attempt(world, bounds.smallest - 1)]
