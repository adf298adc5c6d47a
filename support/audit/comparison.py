"""Rows against points: one merge join in id order, then by-id looks at what differed."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import NamedTuple
from uuid import UUID, uuid5

from support.audit.aspects import Case, Sighting, of_points
from support.audit.items import Embed, Evidence, State, judge
from support.audit.report import Finding, Kind, Versions
from support.drivers.errors import NoSuchCollection
from support.drivers.postgres import CollectionRecord, OpenEvent, Row
from support.drivers.qdrant import Point, PointId

# A request writes at most 100 items and moves the generation once.
LARGEST_BATCH = 100


class Item(NamedTuple):
    """One item's place in both stores."""

    collection_id: UUID
    point_id: PointId


class Scanned(NamedTuple):
    """How many points a scan of a collection gave, and what PostgreSQL said when it began."""

    record: CollectionRecord
    points: int
    open_events: int


class Comparison:
    """All items of the comparable collections."""

    def __init__(self, case: Case) -> None:
        self._case = case
        self.versions = Versions()
        self.agreeing = 0
        self.in_flight = 0
        self._scanned: list[Scanned] = []
        self._known_as: dict[Item, str] = {}
        self._re_embed: set[Item] = set()
        self._last: dict[Item, State | None] = {}

    def scan(self, comparable: list[CollectionRecord], events: list[OpenEvent]) -> list[Item]:
        """Compare everything once; PostgreSQL from the open snapshot, Qdrant as it is."""
        by_point = of_points(events)
        candidates: list[Item] = []
        for record in comparable:
            busy = sum(event.collection_id == record.collection_id for event in events)
            candidates += self._scan_one(record, by_point, busy)
        return list(dict.fromkeys(candidates))

    def _scan_one(
        self, record: CollectionRecord, by_point: dict[tuple[UUID, PointId], OpenEvent], busy: int
    ) -> Iterator[Item]:
        options, stores = self._case.options, self._case.stores
        unseen, samples, points = self._acknowledged_in(record), options.sample, 0
        if options.remember:
            self.versions.generations[record.collection_id] = record.generation
        rows = stores.metadata.rows(record.collection_id, page=options.page)
        for row, point in merge(rows, self._points(record.name)):
            self._case.check_time()
            item = _place(record, row, point)
            points += point is not None
            seen = Evidence(record, row, point, by_point.get(item))
            embed: Embed | None = None
            if row is not None:
                unseen.discard(row.external_id)
                if row.text is not None and samples > 0:
                    # Point ids are hashes, so that the first ones are a sample without bias.
                    embed, samples = options.embed, samples - 1
                if options.remember:
                    key = (record.collection_id, row.external_id)
                    self.versions.items[key] = (row.version, row.created_at)
            result = judge(seen, options, embed)
            if result is State.AGREES:
                self.agreeing += 1
            elif result is State.IN_FLIGHT:
                self.in_flight += 1
            else:
                if isinstance(result, Finding) and result.kind is Kind.WRONG_VECTOR:
                    self._re_embed.add(item)
                yield item
        self._scanned.append(Scanned(record, points, busy))
        for external_id in unseen:
            item = Item(record.collection_id, uuid5(record.collection_id, external_id))
            self._known_as[item] = external_id
            yield item

    def _points(self, name: str) -> Iterator[Point]:
        try:
            yield from self._case.stores.vectors.points(name, page=self._case.options.page)
        except NoSuchCollection:
            # Dropped while it was read: the looks at the candidates will show whether it should have been.
            return

    def _acknowledged_in(self, record: CollectionRecord) -> set[str]:
        ledger = self._case.options.ledger
        if ledger is None:
            return set()
        return {
            external_id
            for (collection, external_id), version in ledger.acknowledged.items()
            if collection == record.name and version > 0
        }

    def short_scans(self) -> list[str]:
        """Scans that gave other numbers of points than the exact count; nothing can be said about those.

        Writes during the scan may explain a difference: each moves the generation or is an open event.
        """
        if not self._scanned:
            return []
        vectors, doubts = self._case.stores.vectors, []
        counted = {}
        for scan in self._scanned:
            try:
                counted[scan.record.collection_id] = vectors.count(scan.record.name)
            except NoSuchCollection:
                continue
        now = {record.collection_id: record for record in self._case.collections()}
        open_events = [event.collection_id for event in self._case.open_events()]
        for scan in self._scanned:
            identity = scan.record.collection_id
            if identity not in now or identity not in counted:
                continue
            writes = now[identity].generation - scan.record.generation
            writes += scan.open_events + open_events.count(identity)
            if abs(counted[identity] - scan.points) > max(writes, 0) * LARGEST_BATCH:
                doubts.append(
                    f"qdrant: the scan of {scan.record.name} gave {scan.points} points,"
                    f" the exact count is {counted[identity]}"
                )
        return doubts

    def look(self, subjects: Iterable[Item]) -> dict[Item, Sighting]:
        """Read the items by id, Qdrant first: a point seen there must by then have its row."""
        wanted: dict[UUID, list[Item]] = defaultdict(list)
        for item in subjects:
            wanted[item.collection_id].append(item)
            self._last[item] = None
        if not wanted:
            return {}
        found: dict[Item, Sighting] = {}
        records = {record.collection_id: record for record in self._case.collections()}
        for collection_id, items in wanted.items():
            record = records.get(collection_id)
            if record is None or record.status != "active":
                # Dropped in the meantime, and its items with it.
                self._last.update(dict.fromkeys(items, State.ABSENT))
                continue
            for page in self._case.pages(items):
                for item, seen in self._evidence(record, page):
                    embed = self._case.options.embed if item in self._re_embed else None
                    result = judge(seen, self._case.options, embed)
                    if isinstance(result, Finding):
                        found[item] = Sighting(result, seen.signature(), item)
                    else:
                        self._last[item] = result
        return found

    def _evidence(self, record: CollectionRecord, items: Iterable[Item]) -> Iterator[tuple[Item, Evidence]]:
        metadata, ids = self._case.stores.metadata, [item.point_id for item in items]
        uuids = [point_id for point_id in ids if isinstance(point_id, UUID)]
        try:
            points = self._case.stores.vectors.points_by_id(record.name, ids)
        except NoSuchCollection:
            points = {}
        rows = metadata.rows_by_id(record.collection_id, uuids)
        newest = metadata.newest_events(record.collection_id, uuids)
        by_point = of_points(metadata.open_events(record.name))
        for item in items:
            row = rows.get(item.point_id) if isinstance(item.point_id, UUID) else None
            known = newest.get(item.point_id) if isinstance(item.point_id, UUID) else None
            point, event = points.get(item.point_id), by_point.get(item)
            yield item, Evidence(record, row, point, event, known, self._known_as.get(item))

    def settle(self, confirmed: Iterable[Item]) -> int:
        """Count the candidates by what became of them; returns the union of both stores' settled items."""
        faulty = set(confirmed)
        for item, state in self._last.items():
            if item in faulty:
                continue
            self.agreeing += state is State.AGREES
            # One that changed at every look is being written to.
            self.in_flight += state is State.IN_FLIGHT or state is None
        self._last.clear()
        return self.agreeing + len(faulty)


def merge(rows: Iterable[Row], points: Iterable[Point]) -> Iterator[tuple[Row | None, Point | None]]:
    """Rows and points paired by id, both in Qdrant's order (which is PostgreSQL's), in constant memory.

    From a store with another order an id would come twice, alone each time: a needless candidate, no error.
    """
    left, right = iter(rows), iter(points)
    row, point = next(left, None), next(right, None)
    while row is not None or point is not None:
        if point is None or (row is not None and _order(row.point_id) < _order(point.id)):
            yield row, None
            row = next(left, None)
        elif row is None or _order(point.id) < _order(row.point_id):
            yield None, point
            point = next(right, None)
        else:
            yield row, point
            row, point = next(left, None), next(right, None)


def _order(point_id: PointId) -> tuple[int, int]:
    return (1, point_id.int) if isinstance(point_id, UUID) else (0, point_id)


def _place(record: CollectionRecord, row: Row | None, point: Point | None) -> Item:
    if row is not None:
        return Item(record.collection_id, row.point_id)
    assert point is not None
    return Item(record.collection_id, point.id)
