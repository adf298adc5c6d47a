"""Whether the two stores agree with each other, with a table, and with what the clients were told."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from support.audit.report import Breach, Report
from support.faults.wording import DEPENDENCIES
from support.lifecycle.invariants import audit_of
from support.vocabulary import expectations, outcomes, stores, tables
from support.waiting import consistently, eventually
from support.world import World


def disagreements(world: World, items: Sequence[str], rows: Sequence[Mapping[str, str]]) -> list[str]:
    """What of documents row and point do not have alike, and what they hold otherwise than the table says."""
    return [
        f'"{item}": {wrong}'
        for item in items
        for wrong in stores.sides(world, item).unlike() or _held_otherwise(world, item, rows)
    ]


def _held_otherwise(world: World, item: str, rows: Sequence[Mapping[str, str]]) -> list[str]:
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


def stays_away(world: World, item: str, wording: str) -> None:
    """Look for a document again and again for the whole time. Raises ``NotYet`` when a store holds it."""
    consistently(
        lambda: stores.sides(world, item),
        lambda held: held == stores.Sides(None, None),
        during=outcomes.limit(world, wording).seconds,
        what=f'"{item}" stays away',
    )


def left_of_collection(world: World, alias: str) -> list[str]:
    """What the stores hold of a collection that should be gone, under its name in this scenario."""
    name = world.names.collection(alias)
    held = stores.named(world, name)
    wrong = [f'{store} holds the collection "{alias}"' for store in held if held[store]]
    wrong += [f'PostgreSQL holds the row of "{row.external_id}"' for row in stores.rows(world).rows(name)]
    return wrong + [f"in flight: {event.operation}" for event in stores.rows(world).open_events(name)]


def against_the_history(world: World) -> list[str]:
    """Documents that are not where the clients' own history says: in both stores, and in the platform's list.

    Acknowledged: everywhere in the acknowledged version. Deleted or refused: nowhere. Unknown: everywhere or
    nowhere. What nobody has stored: nowhere.
    """
    ledger = world.ledger
    assert ledger.acknowledged or ledger.refused or ledger.unknown, "no document was stored in this scenario"
    stores.nothing_in_flight(world)
    return [wrong for _alias, name in world.names.collections() for wrong in _misplaced(world, name)]


def _misplaced(world: World, name: str) -> list[str]:
    ledger = world.ledger
    places: dict[str, dict[str, int | None]] = {
        "PostgreSQL": {row.external_id: row.version for row in stores.rows(world).stored_rows(name)},
        "Qdrant": _points(world, name),
        "the list": {str(each["id"]): int(each["version"]) for each in _listed(world, name)},
    }
    known = {*ledger.acknowledged, *ledger.refused, *ledger.unknown}
    items = {item for collection, item in known if collection == name and item}
    wrong = []
    for item in sorted(items.union(*places.values())):
        key = (name, item)
        held = {place: documents[item] for place, documents in places.items() if item in documents}
        acknowledged = ledger.acknowledged.get(key)
        if key in ledger.unknown:
            fate, right = "of unknown outcome", not held or (len(held) == len(places) and _one(held))
        elif acknowledged:
            fate = f"acknowledged in version {acknowledged}"
            right = len(held) == len(places) and set(held.values()) == {acknowledged}
        elif acknowledged == 0 or key in ledger.refused:
            fate, right = "deleted" if acknowledged == 0 else "refused", not held
        else:
            fate, right = "stored by nobody", False
        if not right:
            shown = ", ".join(f"{place} in version {version}" for place, version in held.items())
            wrong.append(f'"{item}": {fate}, but held by {shown or "nobody"}')
    return wrong


def _one(held: Mapping[str, int | None]) -> bool:
    return len(set(held.values())) == 1


def _points(world: World, name: str) -> dict[str, int | None]:
    if not stores.vectors(world).exists(name):
        return {}
    return {str(point.external_id): point.version for point in stores.vectors(world).points(name)}


def _listed(world: World, name: str) -> Iterator[Mapping[str, Any]]:
    """Every document of the platform's own list of a collection; none where there is no collection."""
    cursor = None
    while True:
        page = world.citadel.gateway.call(
            "listVectors",
            query={"limit": 100, **({"cursor": cursor} if cursor else {})},
            collection=name,
            key=world.citadel.keys["editor"],
        )
        assert page.ok or page.code == "collection-not-found", f"the list of the documents: {page}"
        yield from page.body["items"] if page.ok else ()
        cursor = page.body["next_cursor"] if page.ok else None
        if cursor is None:
            return


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
