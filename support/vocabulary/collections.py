"""Collections: made, looked at, dropped."""

from __future__ import annotations

from functools import partial
from typing import Any

from hamcrest import assert_that

from support.drivers.embedding import DEFAULT_MODEL
from support.drivers.gateway import Answer
from support.matchers.answers import succeeded
from support.world import World

DEFAULT_SIZE = 384


def create(world: World, alias: str, **wanted: Any) -> Answer:
    """Ask for a collection; ``wanted`` overrides the default model, size and distance of a text collection.

    Its removal is registered first. The scenario's later words mean this collection.
    """
    name = world.names.collection(alias)
    body = {"name": name, "vector_size": DEFAULT_SIZE, "model": DEFAULT_MODEL, **wanted}
    body = {member: value for member, value in body.items() if value is not None}
    world.undo(partial(remove, world, name))
    world.wrote = True
    answer = world.citadel.gateway.call("createCollection", json_body=body, key=world.key)
    world.collection = alias
    return answer


def have(world: World, alias: str, **wanted: Any) -> None:
    """Make a collection that must come into being."""
    answer = create(world, alias, **wanted)
    assert_that(answer, succeeded(), f'making the collection "{alias}"')


def remove(world: World, name: str) -> None:
    """Clean-up: delete a collection if it is still there."""
    answer = world.citadel.gateway.call("deleteCollection", collection=name, key=world.citadel.keys["editor"])
    assert answer.ok or answer.status == 404, f"the collection {name} could not be removed: {answer}"


def status(world: World, alias: str) -> Answer:
    """Live counts of a collection from both stores."""
    return world.citadel.gateway.call(
        "getCollectionStatus", collection=world.names.collection(alias), key=world.key
    )
