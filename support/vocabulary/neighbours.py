"""Another scenario of the same run, played inside this one: isolation and clean-up seen from outside."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from support.isolation import residue
from support.isolation.names import Names
from support.vocabulary import collections, documents
from support.world import World

# Far above the number of scenarios a run can have.
NUMBER_OFFSET = 500


@dataclass(slots=True)
class Neighbour:
    """A second world with a clean-up of its own."""

    world: World
    actions: list[Callable[[], None]] = field(default_factory=list)

    def clean_up(self) -> None:
        """Run its clean-up, last registered first; again does nothing."""
        while self.actions:
            self.actions.pop()()

    def leftovers(self) -> list[str]:
        """What the check for leftovers finds of it."""
        return residue.found(self.world.citadel, self.world.names.prefix)


def beside(world: World) -> Neighbour:
    """A scenario beside this one; whatever happens, its clean-up runs at the end of this one."""
    actions: list[Callable[[], None]] = []
    names = Names(world.names.run, world.names.scenario + NUMBER_OFFSET)
    neighbour = Neighbour(World(world.citadel, names, actions.append), actions)
    world.undo(neighbour.clean_up)
    return neighbour


def that_stored(world: World, count: int) -> Neighbour:
    """A scenario beside this one that has stored ``count`` documents."""
    neighbour = beside(world)
    collections.have(neighbour.world, "notes")
    for number in range(count):
        documents.have(neighbour.world, f"note {number}", f"Note number {number} of another scenario.")
    return neighbour
