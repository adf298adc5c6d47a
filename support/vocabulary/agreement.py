"""Whether the two stores agree with each other, with a table, and with what the clients were told."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from support.audit.report import Breach, Report
from support.faults.wording import DEPENDENCIES
from support.lifecycle.invariants import audit_of
from support.vocabulary import expectations, outages, outcomes, stores, tables
from support.waiting import eventually
from support.world import World


def held_otherwise(world: World, item: str, rows: Sequence[Mapping[str, str]]) -> list[str]:
    """What PostgreSQL or Qdrant holds of a document otherwise than the table says."""
    row, point = stores.row_of(world, item), stores.point_of(world, item)
    assert row is not None and point is not None, f'"{item}" is not in both stores'
    vector = [] if point.vector is None else [float(number) for number in point.vector]
    sides = {
        "PostgreSQL": {"version": row.version, "text": row.text, "metadata": row.metadata, "vector": vector},
        "Qdrant": {
            "version": point.version,
            "text": point.text,
            "metadata": point.metadata,
            "vector": vector,
        },
    }
    return [
        f"{store}: {wrong}" for store, held in sides.items() for wrong in expectations.of_document(held, rows)
    ]


def halves_after(world: World, wording: str) -> list[str]:
    """Wait until no write is in flight, within a limit; then what the stores do not hold alike."""
    prefix = world.names.prefix
    within = outcomes.limit(world, wording)
    eventually(
        lambda: [
            f"{event.operation} {event.last_error or ''}" for event in stores.rows(world).open_events(prefix)
        ],
        lambda left: left == [],
        within=within.seconds,
        what=f"no write is in flight ({within})",
    )
    return stores.halves(world)


def in_one_store_only(world: World, item: str) -> list[str]:
    """The store that alone holds a document, if there is one."""
    held = stores.sides(world, item)
    alone = [name for name, side in (("PostgreSQL", held.row), ("Qdrant", held.point)) if side is not None]
    return [f'"{item}" is only in {alone[0]}'] if len(alone) == 1 else []


def read_otherwise_than_held(world: World) -> list[str]:
    """What of the acknowledged documents Qdrant, PostgreSQL and a reader do not give alike."""
    collection = world.names.collection(world.collection)
    items = [
        item for (name, item), version in world.ledger.acknowledged.items() if name == collection and version
    ]
    return [
        f'"{item}": {field} is {expectations.exactly(seen)} for a reader, {expectations.exactly(held[0])} in'
        f" PostgreSQL, {expectations.exactly(held[1])} in Qdrant"
        for item in items
        for document in [outcomes.read_document(world, item)]
        for sides in [stores.sides(world, item)]
        for field in ("version", "text", "metadata")
        for seen in [document[field]]
        for held in [[side and side[field] for side in (sides.row, sides.point)]]
        if not all(expectations.exactly(seen) == expectations.exactly(each) for each in held)
    ]


def against_the_history(world: World) -> list[str]:
    """Acknowledged documents that are not in both stores, refused ones that are in one, halves."""
    outages.nothing_in_flight(world)
    return outages.lost(world) + outages.in_one_store_only(world)


def audited_otherwise(world: World, rows: Sequence[Mapping[str, str]] = ()) -> list[str]:
    """What the three-store audit finds otherwise than the rows say, with its report.

    A row is a document and a finding, perhaps with the store in which to look first. Raises ``TableError``
    for a finding or a store that does not exist.
    """
    report = audit_of(world.citadel, world)
    # The audit that ends the scenario need not find them again.
    world.disagreement_expected = bool(rows)
    wanted = [(row["document"].strip(), _kind(row["finding"].strip()), _store(row)) for row in rows]
    found = [(world.names.alias_of(each.subject), each.kind, each.store) for each in report.findings]
    wrong = [f"not found: {_finding(each)}" for each in wanted if not any(_meets(each, one) for one in found)]
    wrong += [f"found: {_finding(one)}" for one in found if not any(_meets(each, one) for each in wanted)]
    return [*wrong, *_doubts(report), report.text()] if wrong or _doubts(report) else []


Found = tuple[str, Breach, str]


def _meets(wanted: Found, found: Found) -> bool:
    return wanted[:2] == found[:2] and wanted[2] in ("", found[2])


def _finding(found: Found) -> str:
    item, kind, store = found
    return f'"{item}" is {kind.lower()}{f" in {store}" if store else ""}'


def _doubts(report: Report) -> list[str]:
    return [f"not decided: {each}" for each in report.doubts]


def _kind(name: str) -> Breach:
    known = {kind.value.lower().replace("_", " "): kind for kind in Breach}
    if name not in known:
        raise tables.unknown("finding", name, known)
    return known[name]


def _store(row: Mapping[str, str]) -> str:
    name = row.get("store", "").strip()
    if name and name not in DEPENDENCIES:
        raise tables.unknown("store", name, DEPENDENCIES)
    return DEPENDENCIES.get(name, "")
