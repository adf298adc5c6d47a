"""Every fault in the words of the features: what it means, whom it affects, the engine's name for it."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

from support.limits import ACCEPTANCE, Limits

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

Parameters = Callable[[str, Limits], Mapping[str, object]]


@dataclass(frozen=True, slots=True)
class Failure:
    """A kind of fault: what it means, which servers it affects, and the fault engine's own name for it."""

    meaning: str
    kind: str
    targets: tuple[str, ...]
    parameters: Parameters = field(default=lambda _target, _promises: {})
    # Its name in the matrix, where that is not the kind; empty: it is no part of the matrix.
    cell: str | None = None

    @property
    def in_matrix(self) -> str:
        """Its name in the matrix of dependencies and faults."""
        return self.kind if self.cell is None else self.cell


SERVERS = tuple(NAMES)
LINKED = ("qdrant", "postgresql", "redis", "embedding", "providers")


def fixed(**parameters: object) -> Parameters:
    return lambda _target, _promises: parameters


def _slower_than_limit(target: str, promises: Limits) -> Mapping[str, object]:
    return {"ms": int(TOO_SLOW * 1000.0 * promises.backend_s[target])}


def _slow_within_limit(target: str, _promises: Limits) -> Mapping[str, object]:
    return {"ms": int(SLOW[target] * 1000.0 * ACCEPTANCE.backend_s[target])}


OF_PROCESSES: Mapping[str, Failure] = {
    "crashes": Failure("its process is killed (SIGKILL)", "crashed", SERVERS),
    "shuts down gracefully": Failure("its process is told to end (SIGTERM)", "stopped", SERVERS),
    "freezes": Failure("its process stands still, its connections stay open (SIGSTOP)", "frozen", SERVERS),
}
OF_CONNECTIONS: Mapping[str, Failure] = {
    "is cut": Failure("no connection can be opened, the open ones are closed", "cut", LINKED),
    "is reset by every request": Failure("every connection ends with a reset", "reset", LINKED),
    "blackholes all traffic": Failure("nothing arrives in either direction", "hang", LINKED),
    "drops every response": Failure("requests arrive, responses do not", "mute", LINKED),
    "truncates every response": Failure(
        "a response breaks off after a few bytes", "torn", LINKED, fixed(after=TRUNCATED_AFTER_BYTES)
    ),
    "truncates long responses": Failure(
        "a long response breaks off in the middle",
        "torn",
        LINKED,
        fixed(after=LONG_ONES_AFTER_BYTES),
        cell="",
    ),
    "trickles responses": Failure("a response comes byte by byte", "drip", LINKED, fixed(ms=TRICKLE_MS)),
    "is slower than its limit": Failure(
        "every response comes later than the gateway waits",
        "slow",
        LINKED,
        _slower_than_limit,
        "slow_beyond_limit",
    ),
    "is slow within its limit": Failure(
        "every response is late, but within the limit",
        "slow",
        LINKED,
        _slow_within_limit,
        "slow_within_limit",
    ),
}
OF_STORES: Mapping[str, Failure] = {
    "is read-only": Failure("every write is refused by the server", "read_only", ("postgresql",)),
    "has no free connections": Failure(
        "no connection can be opened", "no_connections", ("postgresql", "redis")
    ),
    "terminates all sessions": Failure("every open session ends", "disconnected", ("postgresql",)),
    "has its documents locked": Failure(
        "another session holds a lock on the table of the documents", "locked", ("postgresql",)
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
OF_SERVICES: Mapping[str, Failure] = {
    "crashes on every text": Failure(
        "it is killed by every request to embed, and works until the next one",
        "choke",
        ("embedding",),
        fixed(on="POST /embed"),
    ),
}
OF_CLOCKS: Mapping[str, Failure] = {
    "is an hour ahead": Failure("it was started with a wrong clock", "clock_ahead", SERVERS),
    "is an hour behind": Failure("it was started with a wrong clock", "clock_behind", SERVERS),
}


def written() -> Iterator[tuple[str, str, Failure]]:
    """Every fault: ``(wording, target, failure)``."""
    for name, target in DEPENDENCIES.items():
        for wording, failure in itertools.chain(OF_PROCESSES.items(), OF_STORES.items(), OF_SERVICES.items()):
            if target in failure.targets:
                yield f"{name} {wording}", target, failure
        for wording, failure in OF_CONNECTIONS.items():
            if target in failure.targets:
                yield f"the connection to {name} {wording}", target, failure
        for wording, failure in OF_CLOCKS.items():
            yield f"the clock of {name} {wording}", target, failure
