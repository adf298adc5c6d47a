"""Collections: the same in both stores, with the declared shape, and on their way for a bounded time only."""

from __future__ import annotations

from collections.abc import Iterable
from uuid import UUID

from support.audit.aspects import Case, Sighting, of_collections
from support.audit.items import GATEWAY, POSTGRESQL, QDRANT
from support.audit.parameters import Counts
from support.audit.report import Breach, Finding
from support.drivers.errors import NoSuchCollection
from support.drivers.postgres import CollectionRecord, OpenEvent
from support.drivers.qdrant import VectorCollection

DISTANCES = {"cosine": "Cosine", "dot": "Dot", "euclidean": "Euclid"}


class CollectionsAudit:
    """Every collection of either store."""

    def __init__(self, case: Case) -> None:
        self._case = case
        self.checked = 0
        # Collections that both stores have at rest: their items can be compared.
        self.comparable: list[CollectionRecord] = []

    def scan(self, records: list[CollectionRecord], events: list[OpenEvent]) -> list[str]:
        """Candidates by name; afterwards ``comparable`` is known."""
        in_qdrant = self._case.in_qdrant()
        names = sorted(in_qdrant | {record.name for record in records})
        self.checked = len(names)
        self.comparable = [
            record for record in records if record.status == "active" and record.name in in_qdrant
        ]
        return list(self._faults(names, records, events, in_qdrant))

    def look(self, subjects: Iterable[str]) -> dict[str, Sighting]:
        """The faults among the named collections."""
        names = list(subjects)
        if not names:
            return {}
        in_qdrant = self._case.in_qdrant()
        return self._faults(names, self._case.collections(), self._case.open_events(), in_qdrant)

    def items_of(self, name: str) -> int:
        """How many items a collection holds that only one store has: none of them agrees."""
        record = self._case.stores.metadata.collection(name)
        if record is not None and not self._case.stores.vectors.exists(name):
            return self._case.stores.metadata.count_stored(record.collection_id)
        if record is None and self._case.stores.vectors.exists(name):
            return self._case.stores.vectors.count(name)
        return 0

    def _faults(
        self,
        names: Iterable[str],
        records: list[CollectionRecord],
        events: list[OpenEvent],
        in_qdrant: set[str],
    ) -> dict[str, Sighting]:
        declared = {record.name: record for record in records}
        open_events = of_collections(events)
        found = {}
        for name in names:
            self._case.check_time()
            record = declared.get(name)
            event = open_events.get(record.collection_id) if record is not None else None
            finding = self._judge(name, record, event, name in in_qdrant)
            if finding is not None:
                if record is None:
                    found[name] = Sighting(finding, None)
                else:
                    identity = (record.collection_id, record.status)
                    found[name] = Sighting(finding, identity, (record.collection_id, None))
        return found

    def _judge(
        self, name: str, record: CollectionRecord | None, event: OpenEvent | None, in_qdrant: bool
    ) -> Finding | None:
        if record is None and not in_qdrant:
            return None
        if self._case.options.expect_empty:
            where = " and ".join(
                store for store, has in (("PostgreSQL", record is not None), ("Qdrant", in_qdrant)) if has
            )
            return Finding(Breach.RESIDUE, name, name, POSTGRESQL, f"the collection is still in {where}")
        if record is None:
            text = "Qdrant has the collection, PostgreSQL does not know it"
            return Finding(Breach.CATALOGUE, name, name, QDRANT, text)
        if event is not None and event.age_s <= self._case.options.t_max_s:
            return None
        if record.status != "active":
            return _stuck(record, event)
        if not in_qdrant:
            text = "PostgreSQL says the collection is active, Qdrant does not have it"
            return Finding(Breach.CATALOGUE, name, name, QDRANT, text)
        return self._shape(record) or self._rolled_back(record)

    def _shape(self, record: CollectionRecord) -> Finding | None:
        try:
            kept = self._case.stores.vectors.info(record.name)
        except NoSuchCollection:
            return Finding(Breach.CATALOGUE, record.name, record.name, QDRANT, "Qdrant has just lost it")
        expected = VectorCollection(record.name, record.vector_size, DISTANCES[record.distance])
        if kept == expected:
            return None
        text = (
            f"Qdrant keeps {_vectors(kept)}, PostgreSQL declares {_vectors(expected)}:"
            " scores and sizes are not what was promised"
        )
        return Finding(Breach.CATALOGUE, record.name, record.name, QDRANT, text)

    def _rolled_back(self, record: CollectionRecord) -> Finding | None:
        previous = self._case.options.previous
        before = previous.generations.get(record.collection_id, 0) if previous is not None else 0
        if record.generation >= before:
            return None
        text = (
            f"an earlier audit saw generation {before}, PostgreSQL now has {record.generation}:"
            " the fence of the cache has gone back"
        )
        return Finding(Breach.ROLLBACK, record.name, record.name, POSTGRESQL, text)


class Reported:
    """What the platform itself reports about its collections."""

    def __init__(self, case: Case) -> None:
        self._case = case
        self.checked = 0

    def scan(self, comparable: Iterable[CollectionRecord]) -> list[str]:
        """Candidates by name."""
        if self._case.options.counts is None:
            return []
        names = [record.name for record in comparable]
        self.checked = len(names)
        return list(self.look(names))

    def look(self, subjects: Iterable[str]) -> dict[str, Sighting]:
        """The collections whose reported counts differ from the stores', if no write came in between."""
        stores, counts, found = self._case.stores, self._case.options.counts, {}
        for name in subjects:
            self._case.check_time()
            before = self._at_rest(name)
            if counts is None or before is None:
                continue
            counted = counts(name)
            try:
                real = Counts(stores.vectors.count(name), stores.metadata.count_stored(name))
            except NoSuchCollection:
                continue
            if counted != real and self._at_rest(name) == before:
                text = (
                    f"the platform reports {counted.points} points and {counted.rows} rows,"
                    f" Qdrant has {real.points} and PostgreSQL {real.rows}"
                )
                found[name] = Sighting(Finding(Breach.COUNT, name, name, GATEWAY, text), (counted, real))
        return found

    def _at_rest(self, name: str) -> tuple[UUID, int] | None:
        """Identity and generation of a collection without open events; None while something is open."""
        record = self._case.stores.metadata.collection(name)
        busy = self._case.stores.metadata.open_events(name)
        return None if record is None or busy else (record.collection_id, record.generation)


class Outbox:
    """Events that are open for too long."""

    def __init__(self, case: Case) -> None:
        self._case = case
        self.checked = 0

    def scan(self, events: list[OpenEvent]) -> list[int]:
        """Candidates by event number."""
        self.checked = len(events)
        return [event.event_id for event in events if self._judge(event) is not None]

    def look(self, subjects: Iterable[int]) -> dict[int, Sighting]:
        """The faults among the events."""
        wanted, found = set(subjects), {}
        for event in self._case.open_events() if wanted else []:
            finding = self._judge(event)
            if event.event_id in wanted and finding is not None:
                about = (event.collection_id, event.point_id)
                found[event.event_id] = Sighting(finding, event.event_id, about)
        return found

    def _judge(self, event: OpenEvent) -> Finding | None:
        options = self._case.options
        if options.expect_empty:
            kind, why = Breach.RESIDUE, "is still open"
        elif event.age_s > options.t_max_s:
            kind, why = Breach.OUTBOX_LAG, f"is open for more than {options.t_max_s:g} s"
        elif event.attempts > options.max_attempts:
            kind, why = Breach.OUTBOX_LAG, f"was tried more than {options.max_attempts} times"
        else:
            return None
        text = (
            f"event {event.event_id} ({event.operation}, version {event.version}, point {event.point_id})"
            f" {why}: age {event.age_s:.1f} s, {event.attempts} attempts, last error: {event.last_error}"
        )
        return Finding(kind, event.collection, str(event.event_id), POSTGRESQL, text)


def _stuck(record: CollectionRecord, event: OpenEvent | None) -> Finding:
    end = (
        "no event will ever end that"
        if event is None
        else f"its event {event.event_id} is open for {event.age_s:.1f} s, {event.attempts} attempts,"
        f" last error: {event.last_error}"
    )
    text = f"PostgreSQL says {record.status} for {record.age_s:.1f} s and {end}"
    return Finding(Breach.STUCK, record.name, record.name, POSTGRESQL, text)


def _vectors(kept: VectorCollection) -> str:
    return f"vectors of {kept.size} by {kept.distance}" if kept.size is not None else "named vectors"
