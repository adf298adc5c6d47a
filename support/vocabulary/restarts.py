"""Starts and stops of several services at once, in an order that nobody has chosen."""

from __future__ import annotations

import itertools
import threading
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial

from support.drivers.gateway import Answer, GatewayUnreachable
from support.vocabulary import documents, outages, platform
from support.waiting import consistently, eventually
from support.world import World

DEPENDENCIES = ("qdrant", "postgresql", "redis", "embedding", "providers")
# A process that only has to say that it lives, on a busy machine.
LIVES_WITHIN_S = 15.0
STAYS_S = 0.7
# Documents by editor after which all of them are in the middle of their work.
BUSY = 2


def start_gateway_first(world: World) -> None:
    """Stop the gateway, cut it off from everything, and start it."""
    gateway = outages.strike(world, "gateway", "crashed")
    assert gateway.hits() > 0, "the gateway was not stopped"
    world.faults.remove(gateway)
    for dependency in DEPENDENCIES:
        outages.strike(world, dependency, "cut")
    # Its start ends when it is ready, which it cannot be yet.
    pool = ThreadPoolExecutor(1)
    world.evidence["starting"] = pool.submit(gateway.end)
    pool.shutdown(wait=False)
    world.evidence["starts"] = len(world.citadel.services["gateway"].starts)
    eventually(
        partial(world.citadel.gateway.call, "getLiveness", key=""),
        lambda answer: answer.ok,
        within=LIVES_WITHIN_S,
        what="the gateway lives",
        transient=(GatewayUnreachable,),
    )


def readiness_meanwhile(world: World) -> Answer:
    """The gateway's readiness, which must stay the same for a while. Raises ``NotYet`` when it is ready."""
    world.answer = consistently(
        partial(platform.readiness, world),
        lambda answer: not answer.ok,
        during=STAYS_S,
        what="the gateway is not ready while nothing else can be reached",
    )
    return world.answer


def further_starts(world: World) -> int:
    """Wait until the gateway's start has ended well; how many others there were."""
    starting: Future[None] = world.evidence["starting"]
    starting.result(world.citadel.promises.recovers_s)
    return len(world.citadel.services["gateway"].starts) - int(world.evidence["starts"]) - 1


def stop_under_load(world: World, editors: int) -> list[Answer | GatewayUnreachable]:
    """Tell the gateway to stop while editors store one document after the other; what became of each."""
    outcomes: list[Answer | GatewayUnreachable] = []
    given_up = threading.Event()

    def store_until_refused(editor: int) -> None:
        for number in itertools.count(1):
            if given_up.is_set():
                return
            title = f"document {number} of editor {editor}"
            try:
                outcome: Answer | GatewayUnreachable = documents.store(
                    world, title, documents.new_text(world, title)
                )
            except GatewayUnreachable as silence:
                outcome = silence
            outcomes.append(outcome)
            if not isinstance(outcome, Answer) or not outcome.ok:
                return

    with ThreadPoolExecutor(editors) as pool:
        storing = [pool.submit(store_until_refused, editor) for editor in range(editors)]
        try:
            eventually(
                lambda: len(outcomes),
                lambda count: count >= BUSY * editors,
                within=LIVES_WITHIN_S,
                what="the editors are at work",
            )
            outages.strike(world, "gateway", "stopped")
        except BaseException:
            # Where it cannot be stopped, nobody would ever be refused.
            given_up.set()
            raise
        for one in storing:
            one.result()
    return outcomes


def crash_everything_under_writes(world: World, count: int) -> None:
    """Kill all servers while ``count`` documents are being stored, the gateway last."""
    outages.kill_under_writes(world, count, (*DEPENDENCIES, "gateway"))
