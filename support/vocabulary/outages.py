"""Outages: a fault is struck, operations are tried under it, it is lifted, the platform recovers."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Sequence
from functools import partial

from support.drivers.gateway import Answer, GatewayUnreachable
from support.faults import Fault
from support.faults.matrix import kind_of
from support.limits import ACCEPTANCE
from support.matchers.attempts import Attempt as Attempt
from support.vocabulary import collections, documents, platform, searches, stores
from support.waiting import eventually
from support.world import World

# Answers that admit an outage of a dependency.
PROCESS_FAULTS = {"crashes": "crashed", "stops in good order": "stopped", "freezes": "frozen"}
LINK_FAULTS = {
    "is cut": "cut",
    "resets every connection": "reset",
    "passes nothing on": "hang",
    "loses every answer": "mute",
    "breaks every answer off": "torn",
    "lets answers drip": "drip",
    "is slower than the limit": "slow_beyond_limit",
    "is slow within the limit": "slow_within_limit",
}
DEPENDENCIES = {
    "the vector store": "qdrant",
    "the metadata store": "postgresql",
    "the cache": "redis",
    "the embedding service": "embedding",
    "the providers": "providers",
    "the gateway": "gateway",
}
UNAVAILABLE = ("dependency-unavailable", "dependency-timeout")
PROVIDER_FAILED = ("provider-unavailable", "provider-timeout", "provider-error", "circuit-open")
# How long a held-back write is given to reach the metadata store.
ROW_WRITTEN_WITHIN_S = 5.0
SLOW_MS = 400
# What goes wrong inside a store that runs on, in the words of the features.
AILMENTS = {
    "can only be read": "read_only",
    "has no connections left": "no_connections",
    "ends all sessions": "disconnected",
    "has its documents locked by somebody": "locked",
    "is full": "full",
    "takes the next write for a conflict": "conflicting",
    "refuses writes": "refuses_writes",
    "holds back writes": "paused",
}
# Shares of a dependency's limit by which each of its answers is late.
TOO_SLOW = 1.5
# Here of the shortest limits that a platform may have: one operation may ask several times. What a write asks
# the metadata store shares one limit: some dozen statements, each of which a new connection prepares first.
SLOW = {"qdrant": 0.15, "postgresql": 0.01, "redis": 0.15, "embedding": 0.15, "providers": 0.15}
# The shortest answers have five bytes.
DRIP_MS = 100
TORN_AFTER_BYTES = 3
# More than a list of no more than a few documents, less than one of thirty.
MIDDLE_BYTES = 3000
# Faults after which nobody can have begun what he was asked: the refusal must say so.
CERTAIN = {"crashed", "stopped", "cut"}
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


def strike_process(world: World, target: str, what: str) -> Fault:
    """Make the process of ``target`` fail; ``what`` in the words of the matrix."""
    return strike(world, target, PROCESS_FAULTS[what])


def strike_link(world: World, target: str, what: str) -> Fault:
    """Make the link to ``target`` fail; ``what`` in the words of the matrix."""
    fault = LINK_FAULTS[what]
    limit_ms = 1000.0 * world.citadel.promises.backend_s[target]
    parameters: dict[str, dict[str, int]] = {
        "slow_beyond_limit": {"ms": int(TOO_SLOW * limit_ms)},
        "slow_within_limit": {"ms": int(SLOW[target] * 1000.0 * ACCEPTANCE.backend_s[target])},
        "drip": {"ms": DRIP_MS},
        "torn": {"after": TORN_AFTER_BYTES},
    }
    return strike(world, target, kind_of(fault), **parameters.get(fault, {}))


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


def search_for_all(world: World) -> Answer:
    """A search that shows everything the collection has, never from the cache."""
    return searches.ask(world, "What is there?", limit=100, use_cache=False)


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


def collection_settled(world: World, alias: str) -> None:
    """Wait until the collection is known and in the vector store, or neither."""
    name = world.names.collection(alias)
    eventually(
        lambda: (collections.describe(world, alias).status, stores.vectors(world).exists(name)),
        lambda state: state in ((200, True), (404, False)),
        within=world.citadel.promises.converges_s,
        what=f'"{alias}" known and in the vector store, or neither',
    )


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


def kill_under_writes(world: World, count: int, targets: Sequence[str]) -> None:
    """Kill ``targets`` while ``count`` documents are being stored, some of them already acknowledged."""

    def kill_after_the_first_acknowledgements() -> None:
        eventually(
            lambda: len(world.ledger.acknowledged),
            lambda acknowledged: acknowledged > already,
            within=ROW_WRITTEN_WITHIN_S,
            what="one of the documents is acknowledged",
        )
        for target in targets:
            strike(world, target, "crashed")

    already = len(world.ledger.acknowledged)
    documents.store_while(world, _texts(world, count), kill_after_the_first_acknowledgements)


def stop_gateway_under_writes(world: World, count: int) -> list[Answer | GatewayUnreachable]:
    """Tell the gateway to stop while ``count`` slow writes are under way; what became of each."""
    slow = world.citadel.faults.inject("qdrant", "slow", ms=SLOW_MS)
    world.undo(slow.end)
    pending = partial(_pending_rows, world)

    def stop_when_all_are_under_way() -> None:
        eventually(
            pending, lambda rows: rows > 0, within=ROW_WRITTEN_WITHIN_S, what="a document is being stored"
        )
        strike(world, "gateway", "stopped")

    outcomes = documents.store_while(world, _texts(world, count), stop_when_all_are_under_way)
    slow.end()
    return outcomes


def _texts(world: World, count: int) -> dict[str, str]:
    return {title: f"The text of {title}." for title in (_fresh(world) for _ in range(count))}


def _pending_rows(world: World) -> int:
    name = world.names.collection(world.collection)
    return sum(row.status == "pending" for row in stores.rows(world).rows(name))


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


def struck_all(world: World) -> list[str]:
    """Everything that the scenario's present faults have hit."""
    return [fault.target for fault in world.faults]


def admitted(world: World) -> tuple[str, ...]:
    """Refusals that admit the outage of what was struck; a time-out only where the outcome can be unknown."""
    faults: list[Fault] = world.faults
    providers = any(fault.target == "providers" for fault in faults)
    stores = any(fault.target != "providers" for fault in faults)
    codes = (PROVIDER_FAILED if providers else ()) + (UNAVAILABLE if stores else ())
    certain = all(fault.kind in CERTAIN for fault in faults)
    return tuple(code for code in codes if not (certain and code.endswith("-timeout")))


def readiness_shows(world: World, target: str) -> Answer:
    """The readiness report, once it has noticed that ``target`` is away."""
    return _readiness_when(world, lambda answer: not answer.ok, f"readiness reflects that {target} is away")


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


def cut_off(outcomes: Sequence[Answer | GatewayUnreachable]) -> list[str]:
    """Writes that were neither acknowledged nor refused before they were sent or as shutting down."""
    wrong = []
    for outcome in outcomes:
        if isinstance(outcome, GatewayUnreachable):
            if outcome.sent:
                wrong.append(str(outcome))
        elif not outcome.ok and outcome.code != "shutting-down":
            wrong.append(str(outcome))
    return wrong


def gateway_exit_code(world: World) -> int | None:
    """With what the gateway's last process ended."""
    return world.citadel.services["gateway"].exit_code
