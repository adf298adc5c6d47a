"""Random requests: the contract held against what nobody thought of, on a platform of its own."""

from __future__ import annotations

from support import fuzz
from support.world import Exhibit, World


def ask(world: World) -> fuzz.FuzzResult:
    """One round of the run's seed on a stack that is thrown away; the report shows what came of it."""
    stack = world.citadel.stack
    assert stack is not None, "random requests are only for a stack of the suite's own"
    outcome = fuzz.run(None, world.citadel.seed, stack.logs / "random_requests")
    world.exhibits.append(Exhibit("Random requests", "text", str(outcome)))
    return outcome


def left_out(world: World, outcome: fuzz.FuzzResult) -> int:
    """How many operations of the contract have not been asked."""
    return len(world.citadel.contract.operations()) - outcome.operations
