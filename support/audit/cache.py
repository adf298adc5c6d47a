"""The cache against the stores: every key known and mortal, every value intact, nothing out of date."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid5

from support.audit import content
from support.audit.aspects import Case, Sighting
from support.audit.cache_keys import PREFIX, WITH_VALUES, CachedValue, CacheKey, Corrupt, parse
from support.audit.items import SAME_EMBEDDING
from support.audit.report import Breach, Finding
from support.drivers.errors import NoSuchCollection
from support.drivers.postgres import CollectionRecord, Row
from support.drivers.redis import FOR_EVER_MS, CacheEntry, CacheStore
from support.isolation.lease import LEASE_KEY

STORE = "redis"
LONGEST_KEY = 160


@dataclass(frozen=True, slots=True)
class _Entry:
    """An entry that is as it should be by itself."""

    raw: CacheEntry
    key: CacheKey
    value: CachedValue


class CacheAudit:
    """Every cache key of the collections in scope, and those that belong to no collection."""

    def __init__(self, case: Case, store: CacheStore) -> None:
        self._case = case
        self._store = store
        self.checked = 0

    def scan(self) -> list[str]:
        """Candidate keys."""
        scope = self._case.scope
        ours = {record.collection_id for record in self._case.collections()}
        found = dict[str, None]()
        for page in self._store.pages("*" if self._case.options.own_cache else f"{PREFIX}*"):
            wanted = []
            for name in page:
                key = parse(name)
                bound = key is not None and key.collection_id is not None
                if name != LEASE_KEY and (
                    not bound or scope.everything or (key and key.collection_id in ours)
                ):
                    wanted.append(name)
            self.checked += len(wanted)
            found |= dict.fromkeys(self.look(wanted))
            self._case.tell("the cache", self.checked, None)
        return list(found)

    def look(self, subjects: Iterable[str]) -> dict[str, Sighting]:
        """The faults among the keys; keys that are gone have none."""
        found: dict[str, Sighting] = {}
        for page in self._case.pages(list(subjects)):
            entries = []
            for raw in self._store.entries(page):
                key = parse(raw.key)
                checked = self._by_itself(raw, key)
                if isinstance(checked, Finding):
                    found[raw.key] = _sighting(checked, raw)
                elif key is not None and checked is not None:
                    entries.append(_Entry(raw, key, checked))
            found |= self._out_of_date([entry for entry in entries if entry.key.generation is not None])
            embeddings = [entry for entry in entries if entry.key.kind == "emb" and entry.value.vectors]
            found |= self._foreign_vectors(embeddings)
        return found

    def _by_itself(self, raw: CacheEntry, key: CacheKey | None) -> Finding | CachedValue | None:
        """A finding that needs no other store; else the decoded value of a kind that has one."""
        if key is None:
            return _finding(Breach.CACHE_UNKNOWN, raw.key, "Redis holds a key of no known form")
        if raw.ttl_ms == FOR_EVER_MS:
            text = f"it has no TTL, its kind must have one of at most {key.max_ttl_s} s"
            return _finding(Breach.CACHE_IMMORTAL, raw.key, text)
        if raw.ttl_ms > key.max_ttl_s * 1000:
            text = f"Redis will keep it for {raw.ttl_ms / 1000:.0f} s, its kind may live {key.max_ttl_s} s"
            return _finding(Breach.CACHE_IMMORTAL, raw.key, text)
        if key.kind not in WITH_VALUES:
            return None
        try:
            if raw.value is None:
                raise Corrupt("is no string")
            return self._case.options.decode(key.kind, raw.value)
        except Corrupt as reason:
            return _finding(Breach.CACHE_CORRUPT, raw.key, f"its value in Redis {reason}")

    def _out_of_date(self, entries: Sequence[_Entry]) -> dict[str, Sighting]:
        """Cached searches and items that would be served and show something else than PostgreSQL has.

        An entry of an older generation is never read again, so it cannot be out of date; while a write is
        open nothing is promised. The entries were read before PostgreSQL: an entry that is still of the
        present generation saw all writes.
        """
        if not entries:
            return {}
        metadata, found = self._case.stores.metadata, {}
        with metadata.snapshot():
            records = {record.collection_id: record for record in self._case.collections()}
            busy = {event.collection_id for event in self._case.open_events()}
            live = [
                (entry, records[entry.key.collection_id])
                for entry in entries
                if entry.key.collection_id in records and entry.key.collection_id not in busy
            ]
            wanted: dict[UUID, set[UUID]] = defaultdict(set)
            for entry, record in live:
                wanted[record.collection_id] |= _point_ids(entry, record)
            rows: dict[tuple[UUID, UUID], Row] = {}
            for collection_id, ids in wanted.items():
                for page in self._case.pages(list(ids)):
                    known = metadata.rows_by_id(collection_id, page)
                    rows |= {(collection_id, point_id): row for point_id, row in known.items()}
        for entry, record in live:
            problem = _problem(entry, record, rows)
            if problem is not None:
                finding = _finding(Breach.CACHE_STALE, entry.raw.key, problem, record.name)
                found[entry.raw.key] = _sighting(finding, entry.raw)
        return found

    def _foreign_vectors(self, entries: Sequence[_Entry]) -> dict[str, Sighting]:
        """Cached embeddings that are not the vectors stored for the same text and model."""
        by_content = {(entry.key.digest, entry.key.model): entry for entry in entries}
        if not by_content:
            return {}
        hashes = sorted({str(digest) for digest, _model in by_content})
        stored: dict[str, dict[UUID, Row]] = defaultdict(dict)
        for row in self._case.stores.metadata.rows_with_content(hashes, *self._case.scope.prefixes):
            if (row.content_hash, row.model) in by_content:
                stored[row.collection][row.point_id] = row
        found = {}
        for collection, rows in stored.items():
            for row, vector in self._trusted(collection, rows):
                entry = by_content[row.content_hash, row.model]
                similarity = content.cosine(entry.value.vectors[0], vector)
                if similarity < SAME_EMBEDDING:
                    text = (
                        f"Redis holds a vector for a text of {row.model} whose cosine with the vector stored"
                        f" for the same text ({row.external_id}) is {similarity:.4f}"
                        f" (expected at least {SAME_EMBEDDING}): every use of it finds the wrong things"
                    )
                    finding = _finding(Breach.CACHE_COLLISION, entry.raw.key, text, collection)
                    found[entry.raw.key] = _sighting(finding, entry.raw)
        return found

    def _trusted(self, collection: str, rows: Mapping[UUID, Row]) -> Iterable[tuple[Row, Any]]:
        """Stored vectors that are what PostgreSQL recorded; a damaged one is no witness against the cache."""
        for page in self._case.pages(list(rows)):
            try:
                points = self._case.stores.vectors.points_by_id(collection, page)
            except NoSuchCollection:
                return
            for point_id, point in points.items():
                row = rows[point_id] if isinstance(point_id, UUID) else None
                if row is None or point.vector is None:
                    continue
                if content.checksum(point.vector) == row.vector_checksum:
                    yield row, point.vector


def _point_ids(entry: _Entry, record: CollectionRecord) -> set[UUID]:
    if entry.key.point_id is not None:
        return {entry.key.point_id}
    if entry.key.generation != record.generation:
        return set()
    return {uuid5(record.collection_id, str(shown.get("id"))) for shown in entry.value.shown}


def _problem(entry: _Entry, record: CollectionRecord, rows: Mapping[tuple[UUID, UUID], Row]) -> str | None:
    generation = entry.key.generation
    assert generation is not None
    if generation > record.generation:
        at = f"PostgreSQL is only at {record.generation}"
        return f"is of generation {generation}, {at}: it will be believed when that number comes again"
    if entry.key.point_id is not None:
        row = rows.get((record.collection_id, entry.key.point_id))
        if row is None or row.status != "stored" or row.stored_generation != generation:
            return None
        return next(filter(None, (_differs(item, row, "the item") for item in entry.value.shown)), None)
    if generation != record.generation:
        return None
    for shown in entry.value.shown:
        external_id = str(shown.get("id"))
        row = rows.get((record.collection_id, uuid5(record.collection_id, external_id)))
        if row is None or row.status != "stored":
            return f"a search would be answered with {external_id}, which PostgreSQL does not have"
        problem = _differs(shown, row, f"a search would be answered with {external_id}")
        if problem is not None:
            return problem
    return None


def _differs(shown: Mapping[str, Any], row: Row, what: str) -> str | None:
    """Where a cached item differs from its row; members it does not have say nothing."""
    expected = {
        "id": row.external_id,
        "version": row.version,
        "text": row.text,
        "content_hash": row.content_hash,
        "vector_checksum": row.vector_checksum,
    }
    for name, ours in expected.items():
        if name in shown and shown[name] != ours:
            return f"{what}: Redis says {name} {_brief(shown[name])}, PostgreSQL says {_brief(ours)}"
    if "metadata" in shown and content.canonical(shown["metadata"]) != content.canonical(row.metadata):
        return f"{what}: Redis has other metadata than PostgreSQL (version {row.version})"
    return None


def _brief(value: object) -> str:
    text = str(value)
    return text if len(text) <= 20 else f"{text[:20]}…"


def _finding(kind: Breach, key: str, text: str, collection: str = "") -> Finding:
    shown = key if len(key) <= LONGEST_KEY else f"{key[:LONGEST_KEY]}…"
    return Finding(kind, collection, shown, STORE, text)


def _sighting(finding: Finding, raw: CacheEntry) -> Sighting:
    return Sighting(finding, raw.value)
