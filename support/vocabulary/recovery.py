"""The platform gets over an outage: it works again, it starts and stops in good order."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial

from support.drivers.gateway import GatewayUnreachable
from support.faults.wording import LINKED
from support.matchers.requests import told
from support.vocabulary import failures, outcomes
from support.waiting import eventually
from support.world import Attempt, World

# A process that only has to say that it lives, on a busy machine.
LIVES_WITHIN_S = 15.0
EDITOR = "an editor"


def cut_off(world: World, code: str) -> list[str]:
    """Requests that neither succeeded nor were refused with ``code`` nor failed to be sent at all."""
    assert world.attempts, "no request has been made in this scenario yet"
    return [told(each) for each in world.attempts if not _orderly(each, code)]


def _orderly(attempt: Attempt, code: str) -> bool:
    if isinstance(attempt.outcome, GatewayUnreachable):
        return not attempt.outcome.sent
    return attempt.ok or attempt.code == code


def exit_code(world: World) -> int | None:
    """With what the gateway's last process ended."""
    return world.citadel.services["gateway"].exit_code


def start_alone(world: World) -> None:
    """Stop the gateway, cut it off from every dependency, and start it; returns when it lives."""
    gateway = failures.inject(world, "gateway", "crashed")
    assert gateway.hits() > 0, "the gateway was not stopped"
    world.faults.remove(gateway)
    for dependency in LINKED:
        failures.inject(world, dependency, "cut")
    # Its start ends when it is ready, which it cannot be yet.
    pool = ThreadPoolExecutor(1)
    world.starting = pool.submit(gateway.end)
    pool.shutdown(wait=False)
    world.starts = len(world.citadel.services["gateway"].starts)
    eventually(
        partial(world.citadel.gateway.call, "getLiveness", key=""),
        lambda answer: answer.ok,
        within=LIVES_WITHIN_S,
        what="the gateway lives",
        transient=(GatewayUnreachable,),
    )


def further_starts(world: World, wording: str) -> int:
    """Wait until the gateway's start has ended well, within a limit; how many others there were."""
    starting: Future[None] | None = world.starting
    assert starting is not None, "the gateway was not started in this scenario"
    starting.result(outcomes.limit(world, wording).seconds)
    return len(world.citadel.services["gateway"].starts) - world.starts - 1
