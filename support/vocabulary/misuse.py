"""Documents that are wrong in one way each."""

from __future__ import annotations

from collections.abc import Callable

from support.drivers.gateway import Answer
from support.vocabulary import documents
from support.world import World

FLAWS: dict[str, Callable[[World], Answer]] = {
    "a vector too short": lambda world: documents.store_vector(world, "flawed", [1.0, 2.0, 3.0]),
    "a vector of zeros": lambda world: documents.store_vector(world, "flawed", [0.0] * 384),
    "a vector of another model's size": lambda world: documents.store_vector(world, "flawed", [0.01] * 1536),
    "a number beyond measure": lambda world: documents.store_vector(world, "flawed", [1e30] * 384),
    "a vector without direction": lambda world: documents.store_vector(world, "flawed", [1e-30] * 384),
    "a text of blanks": lambda world: documents.store(world, "flawed", " \t\n "),
    "another model's name": lambda world: documents.submit(
        world, "flawed", text="A text.", model="another-model"
    ),
    "an invalid id": lambda world: documents.submit(world, "no spaces allowed", text="A text."),
}
