"""Rows against points: a scan in id order, then by-id looks at what differed."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import NamedTuple
from uuid import UUID, uuid5

import numpy as np
from numpy.typing import NDArray

from support.audit import content
from support.audit.aspects import Case, Sighting, of_points
from support.audit.items import SAME_EMBEDDING, Evidence, ItemState, as_history_has_it, judge
from support.audit.report import Finding, SampledPart, Versions
from support.audit.scan import WHOLE, RangeScan, ScanResult, parts, spread
from support.audit.workers import in_processes
from support.drivers.errors import NoSuchCollection
from support.drivers.postgres import Brief, CollectionRecord, OpenEvent
from support.drivers.qdrant import PointId

# A request writes at most 100 items and moves the generation once.
LARGEST_BATCH = 100
# A sample is read in so many ranges. A part of a whole collection has about so many pages, as up to one page
# of each is read for nothing.
SLICES = 100
PAGES_OF_A_PART = 20
LARGEST_PART_COUNT = 4096


class ItemPlace(NamedTuple):
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
        # Differences that were counted, not looked at again.
        self.further = 0
        self.samples: list[SampledPart] = []
        self._scanned: list[Scanned] = []
        self._known_as: dict[ItemPlace, str] = {}
        self._re_embed: set[ItemPlace] = set()
        self._last: dict[ItemPlace, ItemState | None] = {}

    def scan(self, comparable: list[CollectionRecord], events: list[OpenEvent]) -> list[ItemPlace]:
        """Compare everything, or a sample, once."""
        busy: dict[UUID, set[str]] = defaultdict(set)
        for event in events:
            busy[event.collection_id].add(str(event.point_id))
        candidates: list[ItemPlace] = []
        for record in comparable:
            candidates += self._scan_one(record, busy[record.collection_id])
        return list(dict.fromkeys(candidates))

    def _scan_one(self, record: CollectionRecord, busy: set[str]) -> Iterator[ItemPlace]:
        options, identity = self._case.options, record.collection_id
        if options.remember:
            self.versions.generations[identity] = record.generation
        unseen = self._acknowledged_in(record)
        outcome = self._read(record, busy, unseen)
        self.agreeing += outcome.agreeing
        self.further += outcome.further
        for point_id in outcome.candidates:
            yield ItemPlace(identity, point_id)
        for external_id in unseen:
            item = ItemPlace(identity, uuid5(identity, external_id))
            self._known_as[item] = external_id
            yield item

    def _read(self, record: CollectionRecord, busy: set[str], unseen: set[str]) -> ScanResult:
        options, stores = self._case.options, self._case.stores
        expected = 0
        if options.items is not None or options.workers > 1 or options.progress is not None:
            try:
                expected = stores.vectors.count(record.name)
            except NoSuchCollection:
                expected = 0
        whole, ranges, sampled = ScanResult(), [WHOLE], False
        if options.items is not None and options.items < expected:
            share = options.items / expected
            ranges = spread(max(1, min(SLICES, options.items)), share, random.random)
            sampled = True
        elif options.workers > 1:
            ranges = parts(min(LARGEST_PART_COUNT, expected // (options.page * PAGES_OF_A_PART) + 1))
        scan = RangeScan(
            metadata=stores.metadata,
            vectors=stores.vectors,
            record=record,
            busy=busy,
            page=options.page,
            most=options.most,
            with_vectors=options.vectors,
        )
        if len(ranges) > 1 and options.workers > 1 and not self._needs_this_process():
            outcomes = in_processes(scan, ranges, options.workers)
        else:
            self._watch(scan, record, unseen, whole, expected)
            outcomes = map(scan.run, ranges)
        for outcome in outcomes:
            whole.add(outcome, options.most)
            self._case.check_time()
            self._case.tell(record.name, whole.points, options.items or expected)
        if sampled:
            looked_at = whole.agreeing + len(whole.candidates) + whole.further
            self.samples.append(SampledPart(record.name, looked_at, expected))
        else:
            self._scanned.append(Scanned(record, whole.points, len(busy)))
        return whole

    def _needs_this_process(self) -> bool:
        options = self._case.options
        return bool(options.embed or options.ledger or options.previous or options.remember)

    def _watch(
        self, scan: RangeScan, record: CollectionRecord, unseen: set[str], before: ScanResult, expected: int
    ) -> None:
        """Have a scan in this process ask for what only this process knows."""
        options = self._case.options
        left = options.sample if options.embed is not None else 0

        def each_row(row: Brief) -> None:
            unseen.discard(row[1])
            if options.remember:
                self.versions.items[record.collection_id, row[1]] = (row[11], row[12])

        def agrees_too(row: Brief, vector: NDArray[np.float32] | None) -> bool:
            nonlocal left
            external_id, text, model, version = row[1], row[3], row[5], row[11]
            if not as_history_has_it(record, external_id, version, options):
                return False
            if left > 0 and vector is not None and text is not None and model is not None:
                # Point ids are hashes, so that the first ones are a sample without bias.
                left -= 1
                assert options.embed is not None
                if content.cosine(options.embed(text, model), vector) < SAME_EMBEDDING:
                    self._re_embed.add(ItemPlace(record.collection_id, UUID(row[0])))
                    return False
            return True

        def before_page(points: int) -> None:
            self._case.check_time()
            self._case.tell(record.name, before.points + points, options.items or expected)

        if left or self._needs_this_process():
            scan.each_row, scan.agrees_too = each_row, agrees_too
        scan.before_page = before_page

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

    def look(self, subjects: Iterable[ItemPlace]) -> dict[ItemPlace, Sighting]:
        """Read the items by id, Qdrant first: a point seen there must by then have its row."""
        wanted: dict[UUID, list[ItemPlace]] = defaultdict(list)
        for item in subjects:
            wanted[item.collection_id].append(item)
            self._last[item] = None
        if not wanted:
            return {}
        found: dict[ItemPlace, Sighting] = {}
        records = {record.collection_id: record for record in self._case.collections()}
        for collection_id, items in wanted.items():
            record = records.get(collection_id)
            if record is None or record.status != "active":
                # Dropped in the meantime, and its items with it.
                self._last.update(dict.fromkeys(items, ItemState.ABSENT))
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

    def _evidence(
        self, record: CollectionRecord, items: Iterable[ItemPlace]
    ) -> Iterator[tuple[ItemPlace, Evidence]]:
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

    def settle(self, confirmed: Iterable[ItemPlace]) -> int:
        """Count the candidates by what became of them; returns the union of both stores' settled items."""
        faulty = set(confirmed)
        for item, state in self._last.items():
            if item in faulty:
                continue
            self.agreeing += state is ItemState.AGREES
            # One that changed at every look is being written to.
            self.in_flight += state is ItemState.IN_FLIGHT or state is None
        self._last.clear()
        return self.agreeing + len(faulty) + self.further
