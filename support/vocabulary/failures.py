"""What fails, in the words of the features, and how it ends: processes, connections, stores, clocks."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial

from support.drivers.providers import DISPLAY_NAMES
from support.faults import Fault
from support.promises import ACCEPTANCE, Promises
from support.vocabulary import clocks
from support.vocabulary.words import any_of
from support.world import World

DEPENDENCIES = {
    "Qdrant": "qdrant",
    "PostgreSQL": "postgresql",
    "Redis": "redis",
    "the embedding service": "embedding",
    "the providers": "providers",
    "the gateway": "gateway",
}
NAMES = {target: name for name, target in DEPENDENCIES.items()}
# Shares of a dependency's limit by which each of its answers is late.
TOO_SLOW = 1.5
# Here of the shortest limits that a platform may have: one operation may ask several times. What a write asks
# PostgreSQL shares one limit: some dozen statements, each of which a new connection prepares first.
SLOW = {"qdrant": 0.15, "postgresql": 0.01, "redis": 0.15, "embedding": 0.15, "providers": 0.15}
TRICKLE_MS = 100
# The shortest answers have five bytes.
TRUNCATED_AFTER_BYTES = 3
# More than a list of no more than a few documents, less than one of thirty.
LONG_ONES_AFTER_BYTES = 3000

Parameters = Callable[[str, Promises], Mapping[str, object]]


@dataclass(frozen=True, slots=True)
class Failure:
    """A kind of fault: what it means, what it strikes, and the fault engine's own name for it."""

    meaning: str
    kind: str
    targets: tuple[str, ...]
    parameters: Parameters = field(default=lambda _target, _promises: {})


_SERVERS = tuple(NAMES)
_LINKED = ("qdrant", "postgresql", "redis", "embedding", "providers")


def _fixed(**parameters: object) -> Parameters:
    return lambda _target, _promises: parameters


def _slower_than_limit(target: str, promises: Promises) -> Mapping[str, object]:
    return {"ms": int(TOO_SLOW * 1000.0 * promises.backend_s[target])}


def _slow_within_limit(target: str, _promises: Promises) -> Mapping[str, object]:
    return {"ms": int(SLOW[target] * 1000.0 * ACCEPTANCE.backend_s[target])}


OF_PROCESSES: Mapping[str, Failure] = {
    "crashes": Failure("its process is killed (SIGKILL)", "crashed", _SERVERS),
    "shuts down gracefully": Failure("its process is told to end (SIGTERM)", "stopped", _SERVERS),
    "freezes": Failure("its process stands still, its connections stay open (SIGSTOP)", "frozen", _SERVERS),
}
OF_CONNECTIONS: Mapping[str, Failure] = {
    "is cut": Failure("no connection can be opened, the open ones are closed", "cut", _LINKED),
    "is reset by every request": Failure("every connection ends with a reset", "reset", _LINKED),
    "blackholes all traffic": Failure("nothing arrives in either direction", "hang", _LINKED),
    "drops every response": Failure("requests arrive, responses do not", "mute", _LINKED),
    "truncates every response": Failure(
        "a response breaks off after a few bytes", "torn", _LINKED, _fixed(after=TRUNCATED_AFTER_BYTES)
    ),
    "truncates long responses": Failure(
        "a long response breaks off in the middle", "torn", _LINKED, _fixed(after=LONG_ONES_AFTER_BYTES)
    ),
    "trickles responses": Failure("a response comes byte by byte", "drip", _LINKED, _fixed(ms=TRICKLE_MS)),
    "is slower than its limit": Failure(
        "every response comes later than the gateway waits", "slow", _LINKED, _slower_than_limit
    ),
    "is slow within its limit": Failure(
        "every response is late, but within the limit", "slow", _LINKED, _slow_within_limit
    ),
}
_DELAYED = re.compile(r"delays responses by (\d+) ms")
OF_STORES: Mapping[str, Failure] = {
    "is read-only": Failure("every write is refused by the server", "read_only", ("postgresql",)),
    "has no free connections": Failure(
        "no connection can be opened", "no_connections", ("postgresql", "redis")
    ),
    "terminates all sessions": Failure("every open session ends", "disconnected", ("postgresql",)),
    "has its documents locked": Failure(
        "somebody else holds a lock on the table of the documents", "locked", ("postgresql",)
    ),
    "has a full disk": Failure("every write of a document fails", "full", ("postgresql",)),
    "fails the next write with a serialization conflict": Failure(
        "one write loses against another", "conflicting", ("postgresql",)
    ),
    "fails the last commit of every write": Failure(
        "a write fails after Qdrant has done its part", "uncommittable", ("postgresql",)
    ),
    "is out of memory": Failure("every write is refused by the server", "full", ("redis",)),
    "refuses writes": Failure("too few replicas: every write is refused", "refuses_writes", ("redis",)),
    "holds back writes": Failure("a write is not answered while it lasts", "paused", ("redis",)),
}
OF_CLOCKS: Mapping[str, Failure] = {
    "is an hour ahead": Failure("it was started with a wrong clock", "clock_ahead", _SERVERS),
    "is an hour behind": Failure("it was started with a wrong clock", "clock_behind", _SERVERS),
}


@dataclass(frozen=True, slots=True)
class Named:
    """A fault as a feature words it: what is struck, and how."""

    text: str
    target: str
    failure: Failure

    def __str__(self) -> str:
        return self.text


def written() -> Iterator[tuple[str, str, Failure]]:
    """Every fault: ``(wording, target, failure)``."""
    for name, target in DEPENDENCIES.items():
        for wording, failure in itertools.chain(OF_PROCESSES.items(), OF_STORES.items()):
            if target in failure.targets:
                yield f"{name} {wording}", target, failure
        for wording, failure in OF_CONNECTIONS.items():
            if target in failure.targets:
                yield f"the connection to {name} {wording}", target, failure
        for wording, failure in OF_CLOCKS.items():
            yield f"the clock of {name} {wording}", target, failure


_WRITTEN = {wording: Named(wording, target, failure) for wording, target, failure in written()}
_DELAY = r"the connection to (?:" + any_of(NAMES[each] for each in _LINKED) + r") delays responses by \d+ ms"
REGEXP = f"{any_of(_WRITTEN)}|{_DELAY}"


def parse(text: str) -> Named:
    """The fault that ``text`` words."""
    delayed = _DELAYED.search(text)
    if delayed is None:
        return _WRITTEN[text]
    name = text.removeprefix("the connection to ").partition(" delays")[0]
    failure = Failure("every response comes so much later", "slow", _LINKED, _fixed(ms=int(delayed[1])))
    return Named(text, DEPENDENCIES[name], failure)


def begin(world: World, named: Named) -> None:
    """Make the fault; its end is registered first."""
    if named.failure.kind in clocks.DEVIATIONS.values():
        clocks.set_wrong(world, named.target, named.failure.kind)
        return
    parameters = named.failure.parameters(named.target, world.citadel.promises)
    inject(world, named.target, named.failure.kind, **parameters)


def inject(world: World, target: str, kind: str, **parameters: object) -> Fault:
    """Make ``target`` fail; its healing is registered first and due at the scenario's end at the latest."""
    world.wrote = True
    fault = world.citadel.faults.inject(target, kind, **parameters)
    world.undo(fault.lift)
    world.faults.append(fault)
    return fault


def end(world: World, target: str | None = None) -> None:
    """End the faults of ``target``, or all; each must have hit something, or it proved nothing.

    The gateway comes last: it is ready only when its dependencies are.
    """
    ended = [fault for fault in world.faults if target in (None, fault.target)]
    assert ended, f"no fault of {_shown(target)} is in force"
    for fault in sorted(ended, key=lambda fault: fault.target == "gateway"):
        world.faults.remove(fault)
        hits = fault.hits()
        fault.lift()
        assert hits > 0, f"the fault was never exercised (0 hits): {fault}"
    for fault in ended:
        if fault.kind in clocks.DEVIATIONS.values():
            clocks.get_over(world, fault.target)


def _shown(target: str | None) -> str:
    return {**NAMES, **DISPLAY_NAMES}[target] if target else "anything"


def struck(world: World) -> list[str]:
    """What the faults in force have struck."""
    return [fault.target for fault in world.faults]


def restart(world: World, named: Named) -> None:
    """The fault begins and ends again at once."""
    begin(world, named)
    end(world, named.target)


def event(world: World, named: Named, *, and_ends: bool) -> Callable[[], None]:
    """What happens in the middle of the requests."""
    return partial(restart if and_ends else begin, world, named)
