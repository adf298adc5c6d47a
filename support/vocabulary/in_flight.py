"""Requests that are held at an exact moment of their way, while the scenario goes on.

No failpoint in the product is needed: a request is held by what lies around the gateway, a lock in PostgreSQL
or the wire to Qdrant, and what holds it tells that the moment has come.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass

from support.faults.wiretap import Heard
from support.matchers.requests import told
from support.vocabulary import recordings, requests, stores
from support.vocabulary.requests.grammar import Call
from support.waiting import eventually
from support.world import Attempt, World

REACHED_WITHIN_S = 4.0
# How requests to Qdrant end that read: what is asked before them is no part of the moment.
QUERIES = ("/points/query", "/points/search")


@dataclass(frozen=True, slots=True)
class InFlight:
    """Requests that are held, and how they are let go."""

    calls: Sequence[Call]
    running: Sequence[Future[Attempt]]
    let_go: Callable[[], None]


# Holds so many requests at a moment while the context lasts; gives the look that tells all have come to it.
Hold = Callable[[World, int], AbstractContextManager[Callable[[], bool]]]


def hold(world: World, moment: str, rows: Sequence[Mapping[str, str]]) -> None:
    """Make the requests of a table at the same moment; return when each is held where it should be."""
    calls = requests.of_table(world, rows)
    held = ExitStack()
    world.undo(held.close)
    pool = ThreadPoolExecutor(len(calls))
    held.callback(pool.shutdown)
    reached = held.enter_context(MOMENTS[moment](world, len(calls)))
    running = [pool.submit(requests.make, call) for call in calls]
    eventually(
        lambda: reached() or [one.result() for one in running if one.done()],
        bool,
        within=REACHED_WITHIN_S,
        what=f"every request is held {moment}",
    )
    early = [told(one.result()) for one in running if one.done()]
    assert not early, f"answered before it was held {moment}: {early}"
    world.in_flight = InFlight(calls, running, held.close)


def answered(world: World) -> list[Attempt]:
    """Wait for the answers to the requests in flight while they are held; they are the scenario's last."""
    assert world.in_flight is not None, "no request is in flight"
    return requests.keep(world, [one.result() for one in world.in_flight.running])


def go_on(world: World) -> list[Attempt]:
    """Let the requests in flight go on to their end; they are the scenario's last ones."""
    flight, world.in_flight = world.in_flight, None
    assert flight is not None, "no request is in flight"
    early = [told(one.result()) for one in flight.running if one.done() and one.result().ok]
    assert not early, f"answered while it should have been held: {early}"
    flight.let_go()
    world.calls = flight.calls
    return requests.keep(world, [one.result() for one in flight.running])


@contextmanager
def _before_the_first_commit(world: World, count: int) -> Iterator[Callable[[], bool]]:
    """No event can be entered, so that no write can commit anything."""
    with stores.rows(world).open_transaction() as session:
        session.execute("LOCK TABLE outbox IN SHARE MODE")
        yield lambda: stores.rows(world).sessions_waiting("into outbox") >= count


@contextmanager
def _at_qdrant(
    world: World, count: int, *, responses: bool, late: bool = False
) -> Iterator[Callable[[], bool]]:
    def fits(request: Heard) -> bool:
        held = recordings.writes(request) or request.path.partition("?")[0].endswith(QUERIES)
        return held and recordings.of_scenario(world, request)

    held = recordings.tap(world, "qdrant").hold(fits, responses=responses, late=late)

    def reached() -> bool:
        if held.held < count:
            return False
        # Whatever is asked from now on goes its way.
        held.close()
        return True

    try:
        yield reached
    finally:
        held.let_go()
        if late and held.held:
            eventually(
                lambda: len(held.executed),
                lambda executed: executed >= count,
                within=REACHED_WITHIN_S,
                what="Qdrant executes the requests that were given up",
            )


def _on_the_way_to_qdrant(world: World, count: int) -> AbstractContextManager[Callable[[], bool]]:
    """Every write is announced, and what is sent to Qdrant has not arrived."""
    return _at_qdrant(world, count, responses=False)


def _in_the_queue(world: World, count: int) -> AbstractContextManager[Callable[[], bool]]:
    """As on the way, but Qdrant executes it in the end although nobody waits for the response any more."""
    return _at_qdrant(world, count, responses=False, late=True)


def _on_the_way_back(world: World, count: int) -> AbstractContextManager[Callable[[], bool]]:
    """Qdrant has carried every request out; its responses have not arrived."""
    return _at_qdrant(world, count, responses=True)


@contextmanager
def _before_the_last_commit(world: World, count: int) -> Iterator[Callable[[], bool]]:
    """Qdrant has answered, but nobody can change the row of the collection."""
    with ExitStack() as on_the_way, stores.rows(world).open_transaction() as session:
        answered = on_the_way.enter_context(_on_the_way_back(world, count))
        locked = False

        def reached() -> bool:
            nonlocal locked
            if not locked and answered():
                # Not before: the first commit of a collection's making changes that row as well.
                session.execute(
                    "SELECT FROM collections WHERE starts_with(name, %s) FOR NO KEY UPDATE",
                    (world.names.prefix,),
                )
                locked = True
                on_the_way.close()
            return locked and stores.rows(world).sessions_waiting("collections") >= count

        yield reached


MOMENTS: dict[str, Hold] = {
    "before the first commit": _before_the_first_commit,
    "on the way to Qdrant": _on_the_way_to_qdrant,
    "in Qdrant's queue": _in_the_queue,
    "on the way back from Qdrant": _on_the_way_back,
    "before the last commit": _before_the_last_commit,
}


# How requests in flight end: what comes of them is judged by what follows.
CONTINUATIONS = {"go on": go_on, "are answered": answered}
