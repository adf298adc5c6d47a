"""Outages: a fault is struck, operations are tried under it, it is lifted, the platform recovers."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Sequence
from functools import partial

from support.drivers.gateway import Answer, GatewayUnreachable
from support.faults import Fault
from support.matchers.attempts import Attempt as Attempt
from support.vocabulary import documents, platform, searches, stores
from support.waiting import eventually
from support.world import World

DEPENDENCIES = {
    "the vector store": "qdrant",
    "the metadata store": "postgresql",
    "the cache": "redis",
    "the embedding service": "embedding",
    "the providers": "providers",
    "the gateway": "gateway",
}
UNAVAILABLE = ("dependency-unavailable", "dependency-timeout")
# How long a held-back write is given to reach the metadata store.
ROW_WRITTEN_WITHIN_S = 5.0
# Cache look-ups and stores of the operation that makes most of them.
CACHE_CALLS = 5


def strike(world: World, target: str, kind: str, **parameters: object) -> Fault:
    """Make ``target`` fail; its healing is registered first and due at the scenario's end at the latest."""
    world.wrote = True
    world.evidence["struck"] = target
    fault = world.citadel.faults.inject(target, kind, **parameters)
    world.undo(fault.end)
    world.faults.append(fault)
    return fault


def lift(world: World) -> None:
    """End every fault of the scenario; each must have hit something, or it proved nothing.

    The gateway comes last: it is ready only when its dependencies are.
    """
    faults, world.faults = world.faults, []
    for fault in sorted(faults, key=lambda fault: fault.target == "gateway"):
        hits = fault.hits()
        fault.end()
        assert hits > 0, f"the fault {fault} hit nothing: the scenario proved nothing"


def attempt(world: World, activity: str) -> Attempt:
    """Try one kind of work, with content of its own each time."""
    return Attempt(activity, _ACTIVITIES[activity](world))


def _fresh(world: World) -> str:
    numbers = world.evidence.setdefault("numbers", itertools.count(1))
    return f"attempt {next(numbers)}"


def _store(world: World) -> Answer:
    title = _fresh(world)
    return documents.store(world, title, f"A text for {title} of {world.names.prefix}.")


def _store_vector(world: World) -> Answer:
    vector = [0.0] * 384
    vector[7] = 1.0
    return documents.store_vector(world, _fresh(world), vector)


def _search(world: World) -> Answer:
    return searches.ask(world, f"What is {_fresh(world)}?")


def _search_by_vector(world: World) -> Answer:
    vector = [0.0] * 384
    vector[3] = 1.0
    return searches.ask_by_vector(world, vector, use_cache=False)


def _read(world: World) -> Answer:
    return documents.read(world, "safety sheet")


def _delete(world: World) -> Answer:
    """Deleting a document that exists; while the store is away it must be refused and stay."""
    return documents.delete(world, "safety sheet")


def _ask_openai(world: World) -> Answer:
    return world.citadel.gateway.call(
        "embedWithProvider", json_body={"texts": [_fresh(world)]}, provider="openai", key=world.key
    )


_ACTIVITIES: dict[str, Callable[[World], Answer]] = {
    "storing": _store,
    "searching": _search,
    "reading": _read,
    "deleting": _delete,
    "storing by vector": _store_vector,
    "searching by vector": _search_by_vector,
    "asking OpenAI": _ask_openai,
}


def recovered(world: World, *activities: str) -> float:
    """Wait until all of these work again; returns the seconds it took."""

    def all_work() -> list[str]:
        attempts = [attempt(world, activity) for activity in activities]
        return [str(each) for each in attempts if not each.answer.ok]

    return _timed(all_work, "every operation works again", world)


def cache_is_used_again(world: World) -> float:
    """Wait until a repeated search comes from the cache; returns the seconds it took."""
    question = f"Is the cache back, asks {_fresh(world)}?"

    def not_cached() -> list[str]:
        searches.ask(world, question)
        second = searches.ask(world, question)
        return [] if second.ok and second.body["cache_info"]["cache_hit"] else [str(second)]

    return _timed(not_cached, "a repeated search comes from the cache", world)


def _timed(failures: Callable[[], list[str]], what: str, world: World) -> float:
    began = time.monotonic()
    eventually(
        failures,
        lambda failing: not failing,
        within=world.citadel.promises.recovers_s,
        what=what,
        transient=(GatewayUnreachable,),
    )
    return time.monotonic() - began


def settled(world: World, title: str) -> stores.Sides:
    """Wait until the document is in both stores or in neither, and nothing is in flight."""

    def look() -> tuple[stores.Sides, int]:
        return stores.sides(world, title), stores.counts(world)["in flight"]

    seen, _open = eventually(
        look,
        lambda state: state[1] == 0 and (state[0].row is None) == (state[0].point is None),
        within=world.citadel.promises.converges_s,
        what=f'"{title}" in both stores or in neither, nothing in flight',
    )
    return seen


def lost(world: World) -> list[str]:
    """Acknowledged documents that are not in both stores, and refused ones that are in any: none is right."""
    held_rows, held_points = _held(world)
    wrong = []
    for (collection, item), version in world.ledger.acknowledged.items():
        if (collection, item) in world.ledger.unknown:
            continue
        where = [
            name
            for name, held in (("PostgreSQL", held_rows), ("Qdrant", held_points))
            if (collection, item) in held
        ]
        if version and len(where) < 2:
            wrong.append(f"{item}: acknowledged in version {version}, but held only by {where or 'nobody'}")
        if not version and where:
            wrong.append(f"{item}: acknowledged as deleted, but still held by {where}")
    for collection, item in world.ledger.refused:
        if (collection, item) in held_rows | held_points:
            wrong.append(f"{item}: refused, but stored")
    return wrong


def _held(world: World) -> tuple[set[tuple[str, str]], set[tuple[str, str]]]:
    """``(collection, client id)`` of everything the scenario's collections hold, by rows and by points."""
    rows: set[tuple[str, str]] = set()
    points: set[tuple[str, str]] = set()
    for _alias, name in world.names.collections():
        rows |= {(name, row.external_id) for row in stores.rows(world).rows(name)}
        points |= {(name, point.external_id or "") for point in stores.vectors(world).points(name)}
    return rows, points


def kill_gateway_between_writes(world: World, title: str) -> None:
    """Hold back the gateway's call to Qdrant, wait for the row, kill the gateway."""
    strike(world, "qdrant", "hang")

    def kill_when_row_is_written() -> None:
        eventually(
            lambda: stores.row_of(world, title),
            lambda row: row is not None,
            within=ROW_WRITTEN_WITHIN_S,
            what=f'the row of "{title}" is written',
        )
        strike(world, "gateway", "crashed")

    outcomes = documents.store_while(world, {title: f"The text of {title}."}, kill_when_row_is_written)
    answered = [str(outcome) for outcome in outcomes if isinstance(outcome, Answer)]
    assert not answered, f"the gateway answered before it was killed: {answered}"


def attempts(world: World, activities: Sequence[str]) -> list[Attempt]:
    """Try each kind of work in turn."""
    return [attempt(world, activity) for activity in activities]


def struck(world: World) -> str:
    """What the scenario's last fault has hit."""
    return world.faults[-1].target if world.faults else str(world.evidence["struck"])


def due_s(world: World) -> float:
    """Seconds within which an answer is due while the struck dependency is away.

    A write or search may wait for two backends in turn; the contract's bound for a refusal is the ceiling.
    """
    promises = world.citadel.promises
    if struck(world) == "redis":
        # Each operation makes a few cache calls, and pays for them until the bypass begins.
        return CACHE_CALLS * promises.backend_s["redis"] + 0.5
    return min(promises.refusal_s, promises.due_s(struck(world)))


def degraded(world: World, target: str) -> Answer:
    """The readiness report, once it names ``target`` as degraded."""
    return _readiness_when(
        world,
        lambda answer: answer.ok and target in answer.body["degraded"],
        f"readiness names {target} as degraded",
    )


def _readiness_when(world: World, accept: Callable[[Answer], bool], what: str) -> Answer:
    world.answer = eventually(
        partial(platform.readiness, world), accept, within=world.citadel.promises.reflects_s, what=what
    )
    return world.answer


def nothing_in_flight(world: World) -> None:
    """Wait until no event of the scenario's collections is open."""
    eventually(
        lambda: stores.counts(world),
        lambda counted: counted["in flight"] == 0 and counted["rows"] == counted["points"],
        within=world.citadel.promises.converges_s,
        what="nothing is in flight and the counts are equal",
    )


def in_one_store_only(world: World) -> list[str]:
    """Client ids that only one of the two stores holds."""
    rows, points = _held(world)
    return [f"{item} only in PostgreSQL" for _c, item in rows - points] + [
        f"{item} only in Qdrant" for _c, item in points - rows
    ]
