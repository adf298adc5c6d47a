"""What each service received while its requests were recorded, by the wires and the links to it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from typing import Any

from support.drivers.gateway import Answer
from support.errors import Unavailable
from support.faults.wiretap import Heard, Wiretap
from support.faults.wording import NAMES
from support.vocabulary import actors, expectations, metrics, outcomes, requests, tables
from support.vocabulary.providers.witness import QUANTITY
from support.waiting import NotYet, eventually
from support.world import World

HTTP = ("qdrant", "embedding")
# The way back after a link was led elsewhere: a connection that was closed is noticed at its next use.
FOUND_AGAIN_S = 5.0
# A service's own credential has to travel on its own wire and on no other.
OWN_CREDENTIAL = {"qdrant": ("key of Qdrant", "the vector store's key"), "embedding": ()}
WITHIN = "within "
LINES_SHOWN = 5


def record(world: World, server: str) -> None:
    """Keep the requests to ``server`` from now on; of PostgreSQL and Redis only connections are counted."""
    if server == "gateway":
        metrics.remember(world)
        return
    if server in HTTP:
        tap(world, server).forget()
    world.connections[server] = world.citadel.faults.connections(server)


def tap(world: World, server: str) -> Wiretap:
    """The listener on the wire to ``server``, put there at first use and until the scenario ends."""
    if server not in world.taps:
        listener = world.taps[server] = world.citadel.faults.tap(server)

        def stop() -> None:
            listener.stop()
            _reached(world, server)

        world.undo(stop)
        listener.start()
        _reached(world, server)
    return world.taps[server]


def _reached(world: World, server: str) -> None:
    """Return when a request gets through to ``server`` over a new connection."""

    def ask() -> bool:
        text = f'reads the status of the collection "{world.collection}"'
        if server == "embedding":
            text = f'embeds "Number {next(world.numbers)} of {world.names.prefix}." with cache off'
        outcome = requests.aside(world, actors.EDITOR, text).outcome
        return isinstance(outcome, Answer) and outcome.status < 500

    eventually(ask, bool, within=FOUND_AGAIN_S, what=f"{NAMES[server]} is reached over a new connection")


def of_scenario(world: World, request: Heard) -> bool:
    """Whether a request is about the scenario's collections, or for embeddings; probes are neither."""
    return world.names.prefix in request.path or request.path == "/embed"


def writes(request: Heard) -> bool:
    """Whether a request to Qdrant changes something."""
    return request.method in ("PUT", "DELETE") or "/points/delete" in request.path


def otherwise(world: World, server: str, rows: Sequence[Mapping[str, str]]) -> list[str]:
    """What ``server`` received otherwise than the rows say: kind, number, and fields of every such request.

    Raises ``TableError`` for a kind or a column that does not exist.
    """
    wrong = []
    for row in rows:
        kind, number = row["kind"].strip(), row["number"].strip()
        if kind not in KINDS:
            raise tables.unknown("kind", kind, KINDS)
        recorded = server in world.connections or kind == HIT
        assert recorded, f"the requests to {NAMES[server]} were not recorded"
        received, count = KINDS[kind](world, server)
        if not QUANTITY.parse(number).matcher().matches(count):
            shown = f": {', '.join(map(str, received))}" if received else ""
            wrong.append(f"{NAMES[server]} received {count} {kind}, expected {number}{shown}")
        for column in row.keys() - {"kind", "number"}:
            if column not in FIELDS:
                raise tables.unknown("column", column, ("kind", "number", *FIELDS))
            if row[column].strip():
                wrong += _deviating(world, server, received, column, row[column].strip())
    return wrong


def _deviating(world: World, server: str, received: Iterable[Heard], column: str, expected: str) -> list[str]:
    wrong = []
    for request in received:
        found = FIELDS[column](world, server, request)
        if expected.startswith(WITHIN):
            limit = outcomes.limit(world, expected.removeprefix(WITHIN))
            right = 0 < found <= limit.seconds * 1000
            expected = f"{WITHIN}{limit}"
        else:
            right = expectations.fits(expected, found)
        if not right:
            wrong.append(f"{NAMES[server]}, {request}: expected {column} {expected}, was {found}")
    return wrong


Received = tuple[list[Heard], int]


def _all_requests(world: World, server: str) -> Received:
    if server not in HTTP:
        raise Unavailable(f"nobody can record the requests to {NAMES[server]}, only its connections")
    found = world.taps[server].heard()
    return found, len(found)


def _requests(world: World, server: str) -> Received:
    found = [each for each in _all_requests(world, server)[0] if of_scenario(world, each)]
    # What a server is killed by gets no further than to the fault in front of the wire.
    fatal = sum(each.hits() for each in world.faults if (each.target, each.kind) == (server, "choke"))
    return found, len(found) + fatal


def _writes(world: World, server: str) -> Received:
    found = [each for each in _requests(world, server)[0] if writes(each)]
    return found, len(found)


def _texts(world: World, server: str) -> Received:
    found, _count = _requests(world, server)
    return found, sum(_length(world, server, "texts", each) for each in found)


def _connections(world: World, server: str) -> Received:
    return [], world.citadel.faults.connections(server) - world.connections[server]


def _hit(world: World, server: str) -> Received:
    return [], sum(fault.hits() for fault in world.faults if fault.target == server)


# What the faults in force count themselves.
HIT = "requests hit by a fault"
# Of each kind the requests, and their number.
KINDS: Mapping[str, Callable[[World, str], Received]] = {
    "requests of any kind": _all_requests,
    "requests": _requests,
    "writes": _writes,
    "texts": _texts,
    "connections": _connections,
    HIT: _hit,
}


def _length(_world: World, _server: str, member: str, request: Heard) -> int:
    body = json.loads(request.body) if request.body else {}
    return len(body.get(member, ())) if isinstance(body, dict) else 0


def _header(name: str) -> Callable[[World, str, Heard], Any]:
    return lambda _world, _server, request: request.headers.get(name)


def _deadline_ms(_world: World, _server: str, request: Heard) -> float:
    return float(request.headers.get("x-deadline-ms", 0))


def _keys_of_others(world: World, server: str, request: Heard) -> list[str]:
    """Names of the secrets in a request that are not the service's own."""
    text = f"{request} {dict(request.headers)} {request.body.decode(errors='replace')}"
    return [name for name in world.citadel.secrets.found_in(text) if name not in OWN_CREDENTIAL[server]]


# What a column says of each request.
FIELDS: Mapping[str, Callable[[World, str, Heard], Any]] = {
    "request id": _header("x-request-id"),
    "texts": lambda world, server, request: _length(world, server, "texts", request),
    "points": lambda world, server, request: _length(world, server, "points", request),
    "deadline": _deadline_ms,
    "keys of others": _keys_of_others,
}


def not_logged(world: World, since: Mapping[str, int], server: str, text: str, wording: str) -> list[str]:
    """Whether ``server`` has not logged ``text`` since then, although the limit is over."""
    service = world.citadel.services.get(server)
    if service is None:
        raise Unavailable(f"the log of {NAMES[server]} cannot be read in this mode")
    log, within = partial(service.log_since, since.get(server, 0)), outcomes.limit(world, wording)
    with suppress(NotYet):
        eventually(lambda: text in log(), bool, within=within.seconds, what=f"{NAMES[server]} has logged it")
        return []
    last = log().splitlines()[-LINES_SHOWN:]
    return [
        f"the log of {NAMES[server]} does not contain {text!r} after {within}; its last lines are:",
        *last,
    ]
