"""Requests that are repeated: in the background without a pause, or with others after each of them."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass

from support.drivers.gateway import Gateway
from support.vocabulary.requests import making
from support.vocabulary.requests.grammar import CLIENT, Call
from support.waiting import eventually
from support.world import Attempt, Made, World

# On a busy machine, in the middle of an outage.
PROGRESS_WITHIN_S = 20.0
START_WITHIN_S = 10.0


@dataclass(slots=True)
class Repetition:
    """Clients that make requests again and again until they are told to end."""

    attempts: list[Attempt]
    running: Sequence[Future[None]]
    ended: threading.Event

    def end(self) -> None:
        """Tell every client to make no further request, and wait for what is under way."""
        self.ended.set()
        for one in self.running:
            one.exception()


def begin(world: World, rows: Sequence[Mapping[str, str]]) -> None:
    """Let the clients of each row repeat its request from now on; ``{n}`` differs for each repetition."""
    assert world.repetition is None, "requests are being repeated already"
    clients: list[tuple[Made, Iterator[int]]] = []
    for made, count in making.worded(rows, "clients"):
        numbers = itertools.count(1)
        clients += [(made, numbers)] * count
    ended, attempts = threading.Event(), list[Attempt]()

    def go_on(client: int, made: Made, numbers: Iterator[int]) -> None:
        with _own_client(world):
            while not ended.is_set():
                for call in making.repetition(world, made, next(numbers)):
                    attempts.append(making.make(call, client))

    pool = ThreadPoolExecutor(len(clients))
    running = [pool.submit(go_on, number, *each) for number, each in enumerate(clients, 1)]
    pool.shutdown(wait=False)
    world.repetition = Repetition(attempts, running, ended)
    world.undo(world.repetition.end)


def await_more(world: World, count: int, *, succeeding: bool) -> None:
    """Return when so many more of the repeated requests have succeeded, or have not."""
    attempts = _repetition(world).attempts
    already = len(attempts)

    def more() -> int:
        return sum(each.ok is succeeding for each in attempts[already:])

    what = f"{count} more of the repeated requests {'succeed' if succeeding else 'fail'}"
    eventually(more, lambda found: found >= count, within=PROGRESS_WITHIN_S, what=what)


def end(world: World) -> list[Attempt]:
    """Let no request be repeated any more; what came of all of them is what the scenario judges next."""
    repetition, world.repetition = _repetition(world), None
    repetition.end()
    for one in repetition.running:
        one.result()
    return making.keep(world, repetition.attempts)


def _repetition(world: World) -> Repetition:
    assert world.repetition is not None, "no requests are being repeated"
    return world.repetition


def followed(world: World, calls: Sequence[Call], rows: Sequence[Mapping[str, str]]) -> list[Attempt]:
    """Make the requests one after another; after each, those of the rows at the same moment.

    Each of these has a client of its own, the same for all repetitions.
    """
    followers = [made for made, times in making.worded(rows, "times") for _ in range(times)]
    start = threading.Barrier(len(followers))
    done: list[Attempt] = []

    def follow(client: int, gateway: Gateway, each: list[Call]) -> list[Attempt]:
        CLIENT.set(gateway)
        start.wait(START_WITHIN_S)
        return [making.make(call, client) for call in each]

    gateways = [world.citadel.gateway.another() for _ in followers]
    for gateway in gateways:
        world.undo(gateway.close)
    for number, call in enumerate(calls, 1):
        done.append(making.make(call))
        prepared = [making.repetition(world, made, number) for made in followers]
        with ThreadPoolExecutor(len(followers)) as pool:
            for seen in pool.map(follow, range(1, len(followers) + 1), gateways, prepared):
                done += seen
    return making.keep(world, done)


@contextmanager
def _own_client(world: World) -> Iterator[None]:
    """A client with connections of its own, for what this thread asks."""
    client = world.citadel.gateway.another()
    token = CLIENT.set(client)
    try:
        yield
    finally:
        CLIENT.reset(token)
        client.close()
