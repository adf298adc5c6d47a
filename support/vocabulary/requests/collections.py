"""Requests about collections."""

from __future__ import annotations

from functools import partial
from typing import Any

from support.drivers.embedding import DEFAULT_MODEL
from support.drivers.gateway import Answer
from support.vocabulary import tables
from support.vocabulary.requests.documents import to_the_end
from support.vocabulary.requests.grammar import Asking, Call, request
from support.vocabulary.tables import Option
from support.world import World

DEFAULT_DIMENSIONS = 384
DISTANCES = {"cosine": "cosine", "dot product": "dot", "Euclidean": "euclidean"}


def _distance(text: str) -> Any:
    if text.strip() and text.strip() not in DISTANCES:
        raise tables.unknown("distance", text, DISTANCES)
    return DISTANCES.get(text.strip(), tables.MISSING)


def _model(text: str) -> Any:
    return None if text.strip() == "none" else tables.words(text)


DESCRIPTION = {
    "description": Option("description", "what the collection is for", tables.words),
    "metadata.<name>": Option("metadata", 'a metadata value; "no metadata" is an empty set of them'),
    "no metadata": Option("metadata", "an empty set of metadata"),
}
SHAPE = {
    "dimensions": Option("vector_size", f"the size of its vectors ({DEFAULT_DIMENSIONS})"),
    "distance": Option("distance", f"one of {', '.join(DISTANCES)} (cosine)", _distance),
    "model": Option("model", f"the embedding model, or none: takes vectors only ({DEFAULT_MODEL})", _model),
    **DESCRIPTION,
}


@request("creates the collection {string}", 'creates the collection "archive"', options=SHAPE)
def create(ask: Asking, alias: str) -> list[Call]:
    """Creates a collection; later requests of the scenario are about it. Its removal is registered first.

    With dimensions other than the default model's it has no model unless the table names one.
    """
    world, name = ask.world, ask.world.names.collection(alias)
    shape = ask.members
    size = shape.get("vector_size", DEFAULT_DIMENSIONS)
    model = shape.pop("model", DEFAULT_MODEL if size == DEFAULT_DIMENSIONS else None)
    body = {"name": name, "vector_size": size, **({"model": model} if model else {}), **shape}

    def make() -> Answer:
        remove_at_the_end(world, name)
        world.wrote = True
        world.collection = alias
        return ask.call("createCollection", json_body=body)

    return [Call(f'{ask.actor} creates the collection "{alias}"', make)]


def remove_at_the_end(world: World, name: str) -> None:
    """Delete a collection when the scenario ends, if it is still there; again, this changes nothing."""
    if name not in world.to_remove:
        world.to_remove.add(name)
        world.undo(partial(_remove, world, name))


def _remove(world: World, name: str) -> None:
    answer = world.citadel.gateway.call("deleteCollection", collection=name, key=world.citadel.keys["editor"])
    assert answer.ok or answer.status == 404, f"the collection {name} could not be removed: {answer}"


@request("updates the collection {string}", 'updates the collection "handbook"', options=DESCRIPTION)
def update(ask: Asking, alias: str) -> list[Call]:
    """Changes the description or the metadata of a collection."""
    name = ask.world.names.collection(alias)
    make = partial(ask.call, "updateCollection", json_body=ask.members, collection=name)
    return [Call(f'{ask.actor} updates the collection "{alias}"', make)]


@request("deletes the collection {string}", 'deletes the collection "handbook"')
def delete(ask: Asking, alias: str) -> list[Call]:
    """Deletes a collection with everything in it."""
    world, name = ask.world, ask.world.names.collection(alias)

    def make() -> Answer:
        answer = ask.call("deleteCollection", collection=name)
        if answer.ok:
            world.ledger.forget(name)
        return answer

    return [Call(f'{ask.actor} deletes the collection "{alias}"', make)]


@request("reads the collection {string}", 'reads the collection "handbook"')
def read(ask: Asking, alias: str) -> list[Call]:
    """Reads the description of a collection."""
    name = ask.world.names.collection(alias)
    return [
        Call(
            f'{ask.actor} reads the collection "{alias}"', partial(ask.call, "getCollection", collection=name)
        )
    ]


@request("reads the status of the collection {string}", 'reads the status of the collection "handbook"')
def status(ask: Asking, alias: str) -> list[Call]:
    """Reads the live counts of a collection."""
    name = ask.world.names.collection(alias)
    make = partial(ask.call, "getCollectionStatus", collection=name)
    return [Call(f'{ask.actor} reads the status of the collection "{alias}"', make)]


@request("lists the collections", "lists the collections")
def list_collections(ask: Asking) -> list[Call]:
    """Reads the list of all collections to its end; the pages are kept."""

    def page(cursor: str | None) -> Answer:
        return ask.call("listCollections", query={"limit": 100, **({"cursor": cursor} if cursor else {})})

    return [Call(f"{ask.actor} lists the collections", partial(to_the_end, ask, page))]


@request(
    "checks the consistency of the collection {string}", 'checks the consistency of the collection "handbook"'
)
def check(ask: Asking, alias: str) -> list[Call]:
    """Lets the platform compare its two stores, and repair nothing."""
    return [_validate(ask, alias, repair=False)]


@request("repairs the collection {string}", 'repairs the collection "handbook"')
def repair(ask: Asking, alias: str) -> list[Call]:
    """Lets the platform compare its two stores and repair what differs."""
    return [_validate(ask, alias, repair=True)]


def _validate(ask: Asking, alias: str, *, repair: bool) -> Call:
    name = ask.world.names.collection(alias)
    make = partial(ask.call, "validateCollection", json_body={"repair": repair}, collection=name)
    return Call(f'{ask.actor} {"repairs" if repair else "checks"} the collection "{alias}"', make)
