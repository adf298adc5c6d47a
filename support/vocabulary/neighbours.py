"""Another scenario of the same run, played inside this one: isolation and clean-up seen from outside."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from support.isolation.names import Names
from support.lifecycle import residue
from support.vocabulary import requests
from support.vocabulary.requests import Request
from support.vocabulary.words import IDS, Word, listed
from support.world import Attempt, World

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


def of(world: World) -> Neighbour:
    """The scenario beside this one, made at first use; it is cleaned up with this one at the latest."""
    if world.neighbour is None:
        actions: list[Callable[[], None]] = []
        names = Names(world.names.run, world.names.scenario + NUMBER_OFFSET)
        world.neighbour = Neighbour(World(world.citadel, names, actions.append), actions)
        world.undo(world.neighbour.clean_up)
    return world.neighbour


def ask(world: World, actor: str, request: Request) -> list[Attempt]:
    """A request made in the other scenario; what came of it is judged by this one."""
    other = of(world).world
    attempts = requests.in_turn(other, requests.prepare(other, actor, request))
    world.attempts, world.answer, world.pages = other.attempts, other.answer, other.pages
    return attempts


LEFTOVERS = Word(
    "leftovers",
    "nothing, or collections in both stores",
    rf"nothing|{IDS.regexp} in Qdrant and in PostgreSQL",
    listed,
)


def left_otherwise(world: World, collections: Sequence[str]) -> list[str]:
    """What the check for leftovers should have found of collections and did not, and what else it found."""
    names = [of(world).world.names.collection(alias) for alias in collections]
    expected = {f"collection {name} in {store}" for name in names for store in ("PostgreSQL", "Qdrant")}
    found = set(of(world).leftovers())
    return [f"not found: {each}" for each in sorted(expected - found)] + [
        f"found as well: {each}" for each in sorted(found - expected)
    ]
