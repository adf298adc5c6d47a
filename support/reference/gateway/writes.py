"""Writes to both stores: the consistency protocol.

A write has three phases. (A) One transaction under the items' locks: unchanged content ends it; otherwise
a pending row (for a new id) and an outbox event with the next version. (B) A second transaction under the
same locks: Qdrant with `wait=true`, then the row, the events, and as last statement the collection's
generation, which fences off everything cached before. (C) Best effort: old cache entries go.

What can go wrong and what it means:
* Qdrant certainly did nothing: the event is taken back, a pending row removed: 503, nothing kept.
* Qdrant or the commit of (B) may or may not have worked: the event stays open: 504, the reconciler finishes.
* An abandoned Qdrant call may still be executed much later. So a point with such a call in its past is
  asserted again after Qdrant's budget has passed; until then its winning event stays open ("settling").
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Protocol

import asyncpg
import orjson

from support.reference.gateway import content
from support.reference.gateway.cache import PREFIX, Cache
from support.reference.gateway.config import Config
from support.reference.gateway.content import Vector
from support.reference.gateway.descriptors import Descriptor, missing
from support.reference.gateway.postgres import Database, LockBusy, PoolBusy, Session
from support.reference.gateway.problems import DependencyDown, DependencyTimeout, Problem
from support.reference.gateway.qdrant import Qdrant

GRACE_S = 1.0
"""How long the reconciler leaves a new event to its writer."""


@dataclass(slots=True)
class Item:
    """The content of one item, and after a write also its place in both stores."""

    external_id: str
    point_id: uuid.UUID
    vector: Vector | None = None
    text: str | None = None
    metadata: dict[str, Any] = field(default_factory=dict)
    model: str | None = None
    truncated: bool = False
    created_by: uuid.UUID | None = None
    job_id: uuid.UUID | None = None
    version: int = 0
    undisputed: bool = True
    """Whether the writer who was at the item when this write was announced wants the same of it."""
    outcome: str = ""
    created_at: datetime | None = None
    updated_at: datetime | None = None
    checksum: bytes = b""
    old_generation: int | None = None
    problem: Problem | None = None

    def complete(self) -> Vector:
        """The vector; a defect if it is not known yet."""
        if self.vector is None:
            raise RuntimeError("the item has no vector")
        return self.vector

    def payload(self) -> str:
        """The event's payload: everything needed to write the point and the row again."""
        return orjson.dumps(
            {
                "id": self.external_id,
                "vector": content.packed(self.complete()),
                "text": self.text,
                "metadata": self.metadata,
                "model": self.model,
                "created_by": None if self.created_by is None else str(self.created_by),
                "job_id": None if self.job_id is None else str(self.job_id),
            }
        ).decode()

    def point(self) -> dict[str, object]:
        """The point as Qdrant stores it."""
        return {
            "id": str(self.point_id),
            "vector": self.complete(),
            "payload": {
                "text": self.text,
                "metadata": self.metadata,
                "citadel": {
                    "id": self.external_id,
                    "version": self.version,
                    "content_hash": None if self.text is None else content.content_hash(self.text).hex(),
                    "vector_checksum": content.vector_checksum(self.complete()).hex(),
                    "model": self.model,
                },
            },
        }

    def columns(self) -> tuple[object, ...]:
        """The row's values in the order of `_ROW`."""
        return (
            self.point_id,
            self.external_id,
            "vector" if self.text is None else "text",
            self.text,
            orjson.dumps(self.metadata).decode(),
            self.model,
            len(self.complete()),
            None if self.text is None else content.content_hash(self.text),
            content.metadata_hash(self.metadata),
            content.vector_checksum(self.complete()),
            self.version,
            self.created_by,
            self.job_id,
        )


def from_payload(point_id: uuid.UUID, version: int, payload: str) -> Item:
    """The item that an event describes."""
    found = orjson.loads(payload)
    return Item(
        external_id=found["id"],
        point_id=point_id,
        vector=content.unpacked(found["vector"]),
        text=found["text"],
        metadata=found["metadata"],
        model=found["model"],
        created_by=uuid.UUID(found["created_by"]) if found["created_by"] else None,
        job_id=uuid.UUID(found["job_id"]) if found["job_id"] else None,
        version=version,
    )


class Observer(Protocol):
    """Whoever must know exactly what became of each item: noted in the write's own transactions.

    After a crash an item that was begun and has no open event is done: it must not be written again.
    """

    async def begun(self, lease: Session, items: list[Item]) -> None:
        """The items' events are in the outbox. May raise to call the whole write off."""

    async def taken_back(self, lease: Session, items: list[Item]) -> None:
        """Qdrant refused: the items' events are gone again."""

    async def done(self, lease: Session, items: list[Item]) -> None:
        """The items are as wanted."""


_ROW = (
    "point_id, external_id, source, text_content, metadata, model, dimensions,"
    " content_hash, metadata_hash, vector_checksum, version, created_by, job_id"
)
_ROW_ARRAYS = (
    "$2::uuid[], $3::text[], $4::text[], $5::text[], $6::jsonb[], $7::text[], $8::int[],"
    " $9::bytea[], $10::bytea[], $11::bytea[], $12::bigint[], $13::uuid[], $14::uuid[]"
)

_STATE = """
SELECT p.point_id, v.status, v.version, v.source, v.text_content, v.metadata, v.model, v.content_hash,
       v.metadata_hash, v.vector_checksum, v.stored_generation, v.created_at, v.updated_at,
       o.newest, o.newest_operation, o.versions, o.suspect
FROM unnest($2::uuid[]) AS p(point_id)
LEFT JOIN vector_metadata v ON v.collection_id = $1 AND v.point_id = p.point_id
LEFT JOIN LATERAL (
  SELECT max(version) AS newest, array_agg(version) AS versions,
         (array_agg(operation ORDER BY version DESC))[1] AS newest_operation,
         coalesce(bool_or(last_error IN ('timeout', 'settling')), false) AS suspect
  FROM outbox
  WHERE collection_id = $1 AND outbox.point_id = p.point_id AND done_at IS NULL
) o ON true
"""

_UNFINISHED = """
SELECT point_id, operation, version, payload FROM outbox
WHERE collection_id = $1 AND point_id = ANY($2::uuid[]) AND done_at IS NULL
"""

_OF_COLLECTION = "vector_metadata_collection_id_fkey"
_PENDING_ROWS = f"""
INSERT INTO vector_metadata (collection_id, {_ROW})
SELECT $1, w.* FROM unnest({_ROW_ARRAYS}) AS w({_ROW})
ON CONFLICT (collection_id, point_id) DO NOTHING
"""

_EVENTS = """
INSERT INTO outbox (collection_id, point_id, operation, version, payload, available_at)
SELECT $1, w.point_id, $2, w.version, w.payload, now() + make_interval(secs => $6)
FROM unnest($3::uuid[], $4::bigint[], $5::jsonb[]) AS w(point_id, version, payload)
"""

# The generation comes last: until this statement nobody waits for the collection's row.
_STORED = f"""
WITH fence AS (
  UPDATE collections SET generation = generation + 1 WHERE collection_id = $1 RETURNING generation
)
INSERT INTO vector_metadata AS v (collection_id, {_ROW}, status, stored_generation)
SELECT $1, w.*, 'stored', fence.generation FROM fence, unnest({_ROW_ARRAYS}) AS w({_ROW})
ON CONFLICT (collection_id, point_id) DO UPDATE SET
  source = excluded.source, text_content = excluded.text_content, metadata = excluded.metadata,
  model = excluded.model, dimensions = excluded.dimensions, content_hash = excluded.content_hash,
  metadata_hash = excluded.metadata_hash, vector_checksum = excluded.vector_checksum,
  version = excluded.version, job_id = excluded.job_id, status = 'stored',
  stored_generation = excluded.stored_generation,
  updated_at = now()
RETURNING v.point_id, v.created_at, v.updated_at
"""

_REMOVED = """
WITH fence AS (
  UPDATE collections SET generation = generation + 1 WHERE collection_id = $1 RETURNING generation
)
DELETE FROM vector_metadata USING fence
WHERE collection_id = $1 AND point_id = ANY($2::uuid[])
"""

# Lower versions lost for good. The winner's event stays, with its payload, as done or as settling.
_CLOSE_LOWER = """
DELETE FROM outbox o USING unnest($2::uuid[], $3::bigint[]) AS w(point_id, version)
WHERE o.collection_id = $1 AND o.point_id = w.point_id AND o.version < w.version AND o.done_at IS NULL
"""
_CLOSE_WINNERS = """
UPDATE outbox o SET
  done_at = CASE WHEN w.settling THEN NULL ELSE now() END,
  last_error = CASE WHEN w.settling THEN 'settling' END,
  available_at = CASE WHEN w.settling THEN now() + make_interval(secs => $5) ELSE o.available_at END
FROM unnest($2::uuid[], $3::bigint[], $4::boolean[]) AS w(point_id, version, settling)
WHERE o.collection_id = $1 AND o.point_id = w.point_id AND o.version = w.version AND o.done_at IS NULL
"""

_CANCEL = """
DELETE FROM outbox o USING unnest($2::uuid[], $3::bigint[]) AS w(point_id, version)
WHERE o.collection_id = $1 AND o.point_id = w.point_id AND o.version = w.version AND o.done_at IS NULL
"""
_DROP_PENDING = """
DELETE FROM vector_metadata v
WHERE v.collection_id = $1 AND v.point_id = ANY($2::uuid[]) AND v.status = 'pending'
  AND NOT EXISTS (SELECT FROM outbox o WHERE o.collection_id = $1 AND o.point_id = v.point_id
                  AND o.done_at IS NULL)
"""
_UNDELETE = """
UPDATE vector_metadata v SET status = 'stored'
WHERE v.collection_id = $1 AND v.point_id = ANY($2::uuid[]) AND v.status = 'deleting'
  AND v.vector_checksum IS NOT NULL
  AND NOT EXISTS (SELECT FROM outbox o WHERE o.collection_id = $1 AND o.point_id = v.point_id
                  AND o.done_at IS NULL)
"""

_MARK = """
UPDATE outbox o SET last_error = 'timeout', attempts = attempts + 1, available_at = now()
FROM unnest($2::uuid[], $3::bigint[]) AS w(point_id, version)
WHERE o.collection_id = $1 AND o.point_id = w.point_id AND o.version = w.version AND o.done_at IS NULL
"""


class Writer:
    """Applies upserts and deletes. Safe to call from any number of tasks and gateways at once."""

    def __init__(self, config: Config, database: Database, qdrant: Qdrant, cache: Cache) -> None:
        self._schema = config.database_schema
        self._settle_s = config.qdrant_timeout_s
        self._database = database
        self._qdrant = qdrant
        self._cache = cache

    # --- locks, always collection first, then points in number order: no deadlock

    def collection_lock(self, name: str) -> int:
        """Lock number of a collection's name (Qdrant is addressed by name)."""
        return content.lock_key(self._schema, "collection", name)

    def point_lock(self, collection_id: uuid.UUID, point_id: uuid.UUID) -> int:
        """Lock number of one item."""
        return content.lock_key(self._schema, collection_id, point_id)

    async def _lock(self, lease: Session, collection_id: uuid.UUID, ids: Sequence[uuid.UUID]) -> None:
        keys = sorted(self.point_lock(collection_id, each) for each in ids)
        try:
            await lease.execute("SELECT pg_advisory_xact_lock(k) FROM unnest($1::bigint[]) AS k", keys)
        except LockBusy as busy:
            # Only a Qdrant call can hold such a lock for long.
            raise DependencyDown("qdrant", "item locked") from busy

    # --- upsert

    @asynccontextmanager
    async def _lease(self) -> AsyncIterator[Session]:
        """A connection for a write. Where all are taken by writes that wait for Qdrant, that is the cause."""
        try:
            async with self._database.writer.lease() as lease:
                yield lease
        except PoolBusy as busy:
            if self._qdrant.writing:
                raise DependencyTimeout("qdrant", "all writers wait for it") from busy
            raise

    async def upsert(self, target: Descriptor, items: list[Item], progress: Observer | None = None) -> None:
        """Store items of one collection; sets `outcome`, `version` and times of each."""
        async with self._lease() as lease:
            changed = await self._prepare(lease, target, items, progress)
            if changed:
                await self._apply_upserts(lease, target, changed, progress)
        await self._forget(target, items)

    async def patch(self, target: Descriptor, item: Item, given: set[str]) -> None:
        """Change the `given` members (text, vector, metadata) of a stored item; 404 if there is none."""
        async with self._lease() as lease:
            async with lease.transaction():
                await self._hold_collection(lease, target)
                await self._lock(lease, target.collection_id, [item.point_id])
                row = await lease.fetchrow(_STATE, target.collection_id, [item.point_id])
                if row["status"] != "stored":
                    raise Problem("vector-not-found", "No such item.")
                if "metadata" not in given:
                    item.metadata = orjson.loads(row["metadata"])
                if not given & {"text", "vector"}:
                    item.text, item.model = row["text_content"], row["model"]
                    item.vector = await self._current_vector(lease, target, item.point_id, row)
                changed = await self._announce(lease, target, [item], {item.point_id: row})
            if changed:
                await self._apply_upserts(lease, target, changed)
                if item.outcome == "gone":
                    raise Problem("vector-not-found", "No such item.")
        await self._forget(target, [item])

    async def _current_vector(
        self, lease: Session, target: Descriptor, point_id: uuid.UUID, row: Any
    ) -> Vector:
        """The stored vector: from Qdrant, or from the event when Qdrant is ahead of the row."""
        for point in await self._qdrant.retrieve(target.name, [point_id], vectors=True):
            vector = content.stored_vector(
                point["vector"], size=target.vector_size, distance="dot", pointer=""
            )
            if content.vector_checksum(vector) == row["vector_checksum"]:
                return vector
        payload = await lease.fetchval(
            "SELECT payload FROM outbox WHERE collection_id = $1 AND point_id = $2 AND version = $3"
            " AND operation = 'point_upsert'",
            target.collection_id,
            point_id,
            row["version"],
        )
        if payload is None:
            raise DependencyDown("qdrant", "point missing")
        return content.unpacked(orjson.loads(payload)["vector"])

    async def _prepare(
        self, lease: Session, target: Descriptor, items: list[Item], progress: Observer | None
    ) -> list[Item]:
        async with lease.transaction():
            ids = [item.point_id for item in items]
            await self._hold_collection(lease, target)
            await self._lock(lease, target.collection_id, ids)
            rows = {row["point_id"]: row for row in await lease.fetch(_STATE, target.collection_id, ids)}
            changed = await self._announce(lease, target, items, rows)
            if progress is not None:
                # After the rows: who waits for the collection's row must not hold the progress' one.
                await progress.begun(lease, changed)
                await progress.done(lease, [item for item in items if item.outcome == "unchanged"])
            return changed

    async def _announce(
        self, lease: Session, target: Descriptor, items: list[Item], rows: dict[uuid.UUID, Any]
    ) -> list[Item]:
        """Phase A after the locks: the items that need phase B, with their versions and events."""
        changed = []
        busy = [item.point_id for item in items if rows[item.point_id]["newest"]]
        unfinished = await lease.fetch(_UNFINISHED, target.collection_id, busy) if busy else []
        for item in items:
            row = rows[item.point_id]
            item.checksum = content.vector_checksum(item.complete())
            item.undisputed = all(
                _wants(item, each) for each in unfinished if each["point_id"] == item.point_id
            )
            item.old_generation = row["stored_generation"]
            newest = row["newest"] or 0
            if row["status"] == "stored" and newest <= row["version"] and _same(item, row):
                _answer_from(item, row, "unchanged")
                continue
            item.version = 1 + max(row["version"] or 0, newest)
            if row["status"] == "pending" and not newest:
                item.version = row["version"]
            changed.append(item)
        if not changed:
            return []
        await self._qdrant.refuse_if_down()
        columns = list(zip(*(item.columns() for item in changed), strict=True))
        try:
            await self._insert(lease, target, _PENDING_ROWS, columns)
        except asyncpg.ForeignKeyViolationError as gone:
            # Dropped since its descriptor was read.
            if gone.constraint_name != _OF_COLLECTION:
                raise
            raise missing(target.name) from gone
        await lease.execute(
            _EVENTS,
            target.collection_id,
            "point_upsert",
            [item.point_id for item in changed],
            [item.version for item in changed],
            [item.payload() for item in changed],
            GRACE_S,
        )
        return changed

    async def _insert(
        self, lease: Session, target: Descriptor, sql: str, columns: list[tuple[object, ...]]
    ) -> list[Any]:
        return await lease.fetch(sql, target.collection_id, *(list(column) for column in columns))

    async def _apply_upserts(
        self, lease: Session, target: Descriptor, items: list[Item], progress: Observer | None = None
    ) -> None:
        """Phase B of upserts."""
        refused: Problem | None = None
        try:
            async with lease.transaction():
                found = await self._reopen(lease, target, [item.point_id for item in items])
                rows, winners = found or {}, []
                if found is None:
                    refused = missing(target.name)
                    await self._take_back_upserts(lease, target, items)
                    items = []
                for item in items:
                    row = rows[item.point_id]
                    item.old_generation = row["stored_generation"]
                    if item.version not in (row["versions"] or []):
                        _superseded(item, row)
                    elif _nothing_to_do(item, row):
                        await lease.execute(_CANCEL, target.collection_id, [item.point_id], [item.version])
                        _answer_from(item, row, "unchanged")
                    else:
                        stored_before = row["status"] in ("stored", "deleting")
                        item.outcome = "updated" if stored_before else "created"
                        winners.append(item)
                if winners:
                    refused = await self._upsert_points(lease, target, winners)
                if progress is not None:
                    await _note(progress, lease, items, lost=winners if refused else [])
                if winners and not refused:
                    settling = [rows[item.point_id]["suspect"] for item in winners]
                    await self.finish_upserts(lease, target.collection_id, winners, settling)
        except DependencyDown as failure:
            # PostgreSQL failed somewhere in phase B: the event is open, the reconciler will see to it.
            raise DependencyTimeout(failure.dependency or "postgresql", failure.reason) from failure
        if refused:
            raise refused

    async def _upsert_points(
        self, lease: Session, target: Descriptor, items: list[Item]
    ) -> DependencyDown | None:
        """Qdrant's part. A refusal takes the events back, to be committed, and is returned."""
        ids, versions = [item.point_id for item in items], [item.version for item in items]
        try:
            await self._qdrant.upsert(target.name, [item.point() for item in items])
        except DependencyDown as refused:
            await self._take_back_upserts(lease, target, items)
            return refused
        except DependencyTimeout:
            await self._abandon(target.collection_id, ids, versions)
            raise
        return None

    @staticmethod
    async def _take_back_upserts(lease: Session, target: Descriptor, items: list[Item]) -> None:
        ids, versions = [item.point_id for item in items], [item.version for item in items]
        await lease.execute(_CANCEL, target.collection_id, ids, versions)
        await lease.execute(_DROP_PENDING, target.collection_id, ids)

    async def finish_upserts(
        self, lease: Session, collection_id: uuid.UUID, items: list[Item], settling: list[bool]
    ) -> None:
        """After Qdrant: close the events, then rows and generation in the last statement."""
        ids, versions = [item.point_id for item in items], [item.version for item in items]
        await self._close(lease, collection_id, ids, versions, settling)
        columns = list(zip(*(item.columns() for item in items), strict=True))
        stored = await lease.fetch(_STORED, collection_id, *(list(column) for column in columns))
        times = {row["point_id"]: row for row in stored}
        for item in items:
            item.checksum = content.vector_checksum(item.complete())
            item.created_at = times[item.point_id]["created_at"]
            item.updated_at = times[item.point_id]["updated_at"]

    # --- delete

    async def delete(self, target: Descriptor, items: list[Item], progress: Observer | None = None) -> None:
        """Remove items. An item that is not there gets `problem` 404; the others `outcome` deleted."""
        async with self._lease() as lease:
            async with lease.transaction():
                ids = [item.point_id for item in items]
                await self._hold_collection(lease, target)
                await self._lock(lease, target.collection_id, ids)
                rows = {row["point_id"]: row for row in await lease.fetch(_STATE, target.collection_id, ids)}
                present = []
                for item in items:
                    row = rows[item.point_id]
                    if row["status"] is None:
                        item.problem = Problem("vector-not-found", "No such item.")
                        continue
                    item.version = 1 + max(row["version"], row["newest"] or 0)
                    present.append(item)
                if not present:
                    return
                await self._qdrant.refuse_if_down()
                await lease.execute(
                    _EVENTS,
                    target.collection_id,
                    "point_delete",
                    [item.point_id for item in present],
                    [item.version for item in present],
                    [orjson.dumps({"id": item.external_id}).decode() for item in present],
                    GRACE_S,
                )
                await lease.execute(
                    "UPDATE vector_metadata SET status = 'deleting'"
                    " WHERE collection_id = $1 AND point_id = ANY($2::uuid[])",
                    target.collection_id,
                    [item.point_id for item in present],
                )
                if progress is not None:
                    await progress.begun(lease, present)
            await self._apply_deletes(lease, target, present, progress)
        await self._forget(target, present)

    async def _apply_deletes(
        self, lease: Session, target: Descriptor, items: list[Item], progress: Observer | None
    ) -> None:
        """Phase B of deletes."""
        refused: Problem | None = None
        try:
            async with lease.transaction():
                found = await self._reopen(lease, target, [item.point_id for item in items])
                rows, winners = found or {}, []
                if found is None:
                    refused = missing(target.name)
                    await self._take_back_deletes(lease, target, items)
                    items = []
                for item in items:
                    item.old_generation = rows[item.point_id]["stored_generation"]
                    item.outcome = "deleted"
                    # A version that is no longer open lost to a later write: this delete came before it.
                    if item.version in (rows[item.point_id]["versions"] or []):
                        winners.append(item)
                ids, versions = [item.point_id for item in winners], [item.version for item in winners]
                if winners:
                    try:
                        await self._qdrant.delete(target.name, ids)
                    except DependencyDown as down:
                        refused = down
                        await self._take_back_deletes(lease, target, winners)
                    except DependencyTimeout:
                        await self._abandon(target.collection_id, ids, versions)
                        raise
                if progress is not None:
                    await _note(progress, lease, items, lost=winners if refused else [])
                if winners and not refused:
                    settling = [rows[item.point_id]["suspect"] for item in winners]
                    await self.finish_deletes(lease, target.collection_id, ids, versions, settling)
        except DependencyDown as failure:
            raise DependencyTimeout(failure.dependency or "postgresql", failure.reason) from failure
        if refused:
            raise refused

    @staticmethod
    async def _take_back_deletes(lease: Session, target: Descriptor, items: list[Item]) -> None:
        ids, versions = [item.point_id for item in items], [item.version for item in items]
        await lease.execute(_CANCEL, target.collection_id, ids, versions)
        await lease.execute(_UNDELETE, target.collection_id, ids)

    async def finish_deletes(
        self,
        lease: Session,
        collection_id: uuid.UUID,
        ids: list[uuid.UUID],
        versions: list[int],
        settling: list[bool],
    ) -> None:
        """After Qdrant: close the events, then rows and generation in the last statement."""
        await self._close(lease, collection_id, ids, versions, settling)
        await lease.execute(_REMOVED, collection_id, ids)

    # --- shared

    @staticmethod
    async def _hold_collection(lease: Session, target: Descriptor) -> None:
        """Start of phase A: 404 unless the collection lives; it cannot vanish before the commit."""
        status = await lease.fetchval(
            "SELECT status FROM collections WHERE collection_id = $1 FOR KEY SHARE", target.collection_id
        )
        if status != "active":
            raise missing(target.name)

    async def _reopen(
        self, lease: Session, target: Descriptor, ids: list[uuid.UUID]
    ) -> dict[uuid.UUID, Any] | None:
        """Start of phase B: the locks, and the state of the items; None if the collection is being dropped.

        What was announced must then be taken back: the client is told 404, and the drop may yet be refused.
        """
        try:
            await lease.execute("SELECT pg_advisory_xact_lock_shared($1)", self.collection_lock(target.name))
        except LockBusy as busy:
            raise DependencyDown("qdrant", "collection locked") from busy
        await self._lock(lease, target.collection_id, ids)
        alive = await lease.fetchval(
            "SELECT status FROM collections WHERE collection_id = $1", target.collection_id
        )
        if alive != "active":
            return None
        return {row["point_id"]: row for row in await lease.fetch(_STATE, target.collection_id, ids)}

    async def _close(
        self,
        lease: Session,
        collection_id: uuid.UUID,
        ids: list[uuid.UUID],
        versions: list[int],
        settling: list[bool],
    ) -> None:
        await lease.execute(_CLOSE_LOWER, collection_id, ids, versions)
        await lease.execute(_CLOSE_WINNERS, collection_id, ids, versions, settling, self._settle_s)

    async def _abandon(self, collection_id: uuid.UUID, ids: list[uuid.UUID], versions: list[int]) -> None:
        """Note that a call to Qdrant was given up, before the locks are released.

        On a connection of its own: the caller's transaction will be rolled back.
        """
        try:
            async with asyncio.timeout(0.3), self._database.reader.lease() as lease:
                await lease.execute(_MARK, collection_id, ids, versions)
        except (Problem, TimeoutError):
            # The event stays open without the note, and is replayed all the same.
            return

    async def _forget(self, target: Descriptor, items: list[Item]) -> None:
        """Phase C. The keys cannot be hit any more; this only frees their memory."""
        await self._cache.forget(
            [
                item_key(target.collection_id, item.point_id, item.old_generation)
                for item in items
                if item.old_generation is not None and item.outcome in ("updated", "deleted")
            ]
        )


async def _note(progress: Observer, lease: Session, items: list[Item], *, lost: list[Item]) -> None:
    """Phase B is decided: what was lost is to be done again, everything else is done."""
    refused = {item.point_id for item in lost}
    await progress.taken_back(lease, lost)
    await progress.done(lease, [item for item in items if item.point_id not in refused])


def item_key(collection_id: uuid.UUID, point_id: uuid.UUID, generation: int) -> str:
    """Cache key of an item as stored at `generation`."""
    return f"{PREFIX}meta:{collection_id}:{point_id}:g{generation}"


def _same(item: Item, row: Any) -> bool:
    """Same source, same text (or same vector), same metadata."""
    if row["metadata_hash"] != content.metadata_hash(item.metadata):
        return False
    if item.text is None:
        return bool(row["source"] == "vector" and row["vector_checksum"] == item.checksum)
    return bool(row["source"] == "text" and row["content_hash"] == content.content_hash(item.text))


def _wants(item: Item, event: Any) -> bool:
    """Whether an event that is open wants the same as this write."""
    if event["operation"] != "point_upsert":
        return False
    row = from_payload(event["point_id"], event["version"], event["payload"]).columns()
    return _same(item, dict(zip(_ROW.split(", "), row, strict=True)))


def _nothing_to_do(item: Item, row: Any) -> bool:
    """Phase B finds what it wanted: an identical write came first, and no older one wants anything else."""
    settled = item.undisputed or min(row["versions"]) == item.version
    return bool(row["status"] == "stored" and settled and not row["suspect"] and _same(item, row))


def _answer_from(item: Item, row: Any, outcome: str) -> None:
    item.outcome = outcome
    item.version = row["version"]
    item.created_at, item.updated_at = row["created_at"], row["updated_at"]
    item.checksum = row["vector_checksum"]


def _superseded(item: Item, row: Any) -> None:
    """A later write won before this one could: to the client it is as if this one came just before.

    Where both want the same, it is as if this one came just after.
    """
    if row["status"] == "stored":
        _answer_from(item, row, "unchanged" if _same(item, row) else "updated")
    else:
        item.outcome = "gone"
        item.created_at = item.updated_at = datetime.now(UTC)
