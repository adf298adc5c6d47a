"""Random requests: the contract held against what nobody thought of, on a platform of their own."""

from __future__ import annotations

from support import fuzz
from support.world import Exhibit, World


def make(world: World) -> int:
    """One round by the run's seed on a stack that is thrown away; returns how many requests were made.

    Raises ``AssertionError`` with every answer that breaks the contract, and where an operation was left out.
    """
    stack = world.citadel.stack
    assert stack is not None, "random requests are only for a stack of the suite's own"
    result = fuzz.run(None, world.citadel.seed, stack.logs / "random_requests")
    world.exhibits.append(Exhibit("Random requests", "text", str(result)))
    left_out = len(world.citadel.contract.operations()) - result.operations
    complaints = [*result.complaints, *([f"{left_out} operations were left out"] if left_out else [])]
    if complaints:
        raise AssertionError(*complaints)
    return result.requests
