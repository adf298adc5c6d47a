"""What is seen on the wires between the gateway and its services: requests, headers, connections."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

from support.faults.wiretap import Heard, Wiretap
from support.vocabulary import searches
from support.waiting import eventually
from support.world import Attempt, World

WATCHED = ("qdrant", "embedding")
COUNTED = ("qdrant", "postgresql", "redis", "embedding")
# The way back after a link was led elsewhere: a connection that was closed is noticed at its next use.
FOUND_AGAIN_S = 5.0
# Headers that name the software or the machine behind an interface.
BANNERS = ("server", "x-powered-by", "via", "x-runtime", "x-aspnet-version", "x-backend")
# The service's own credential, which has to travel on its own wire and on no other.
OWN_CREDENTIAL = {"qdrant": ("key of Qdrant", "the vector store's key"), "embedding": ()}


def watch(world: World) -> None:
    """Listen on the wires to the vector store and the embedding service until the scenario ends."""
    taps = {service: world.citadel.faults.tap(service) for service in WATCHED}
    numbers = itertools.count(1)

    def until_all_is_reached() -> None:
        eventually(
            lambda: searches.ask(world, f"Is anybody there, asks number {next(numbers)}?", use_cache=False),
            lambda answer: answer.ok,
            within=FOUND_AGAIN_S,
            what="the services are reached over new connections",
        )

    def stop() -> None:
        for tap in taps.values():
            tap.stop()
        until_all_is_reached()

    world.undo(stop)
    for tap in taps.values():
        tap.start()
    until_all_is_reached()
    for tap in taps.values():
        tap.forget()
    world.evidence["taps"] = taps


def work(world: World, service: str) -> list[Heard]:
    """Requests that ``service`` got for the scenario's collection or for texts; probes are left out."""
    taps: dict[str, Wiretap] = world.evidence["taps"]
    name = world.names.collection(world.collection)
    return [
        request
        for request in taps[service].heard()
        if (service == "qdrant" and name in request.path) or request.path == "/embed"
    ]


def writes(requests: Sequence[Heard]) -> list[Heard]:
    """Those of the requests to the vector store that change something."""
    return [
        request
        for request in requests
        if request.method in ("PUT", "DELETE") or "/points/delete" in request.path
    ]


def not_under(world: World, request_id: str) -> list[str]:
    """Requests to any watched service that do not carry ``request_id``; nor a service that was not asked."""
    wrong = []
    for service in WATCHED:
        heard = work(world, service)
        wrong += [str(each) for each in heard if each.headers.get("x-request-id") != request_id]
        if not heard:
            wrong.append(f"{service} was not asked")
    return wrong


def deadlines_ms(world: World) -> list[float]:
    """How long the embedding service was told that the gateway will wait, for each request; 0 for untold."""
    return [float(each.headers.get("x-deadline-ms", 0)) for each in work(world, "embedding")]


def secrets_passed_on(world: World) -> list[str]:
    """Keys and passwords that were sent to a service whose own they are not."""
    taps: dict[str, Wiretap] = world.evidence["taps"]
    found = []
    for service, tap in taps.items():
        for request in tap.heard():
            text = f"{request} {dict(request.headers)} {request.body.decode(errors='replace')}"
            named = world.citadel.secrets.found_in(text)
            found += [
                f"{service}: {request} shows the {n}" for n in named if n not in OWN_CREDENTIAL[service]
            ]
    return sorted(set(found))


def count_connections(world: World) -> None:
    """Remember how many connections were opened to each service so far."""
    world.evidence["connections"] = {name: world.citadel.faults.connections(name) for name in COUNTED}


def connections_since(world: World) -> dict[str, int]:
    """Connections opened to each service since they were counted."""
    before = world.evidence["connections"]
    return {name: world.citadel.faults.connections(name) - before[name] for name in COUNTED}


def banners(attempts: Sequence[Attempt]) -> list[str]:
    """Headers of these answers that name the software behind them."""
    return [
        f"{one.what}: {name}: {one.answer.headers[name]}"
        for one in attempts
        for name in BANNERS
        if name in one.answer.headers
    ]
