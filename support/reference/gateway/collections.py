"""Collections: in PostgreSQL and in Qdrant, or in neither."""

from __future__ import annotations

import base64
import uuid
from datetime import UTC, datetime
from typing import Any

import orjson

from support.reference.gateway import logs
from support.reference.gateway.cache import PREFIX, Cache
from support.reference.gateway.config import Config
from support.reference.gateway.descriptors import Descriptor, Descriptors, missing
from support.reference.gateway.models import CollectionCreate, CollectionUpdate
from support.reference.gateway.postgres import Database, LockBusy, Session
from support.reference.gateway.problems import (
    DependencyDown,
    DependencyTimeout,
    Problem,
    invalid,
)
from support.reference.gateway.qdrant import Qdrant, QdrantMissing
from support.reference.gateway.timing import current
from support.reference.gateway.writes import GRACE_S, Writer

RESERVED = frozenset({"status", "stats", "create"})

_COLUMNS = (
    "collection_id, name, vector_size, distance, model, description, metadata, status, created_at, updated_at"
)
_ITEM_COLUMNS = (
    "external_id, point_id, text_content, metadata, model, dimensions, content_hash, vector_checksum,"
    " version, created_at, updated_at"
)
ITEM_MEMBERS = frozenset(
    {
        "id",
        "point_id",
        "collection",
        "text",
        "metadata",
        "model",
        "dimensions",
        "content_hash",
        "vector_checksum",
        "version",
        "created_at",
        "updated_at",
    }
)
"""What `item_summary` tells of an item."""

_FORGET_S = 1.0
"""How long the deletion of a collection may spend on removing its cache entries."""


class Collections:
    """Everything about collections but the search in them."""

    def __init__(
        self,
        config: Config,
        database: Database,
        qdrant: Qdrant,
        cache: Cache,
        descriptors: Descriptors,
        writer: Writer,
    ) -> None:
        self._settle_s = config.qdrant_timeout_s
        self._database = database
        self._qdrant = qdrant
        self._cache = cache
        self._descriptors = descriptors
        self._writer = writer

    # --- reading

    async def page(self, limit: int, cursor: str | None) -> dict[str, object]:
        """Live collections in byte order of their names."""
        after = read_cursor(cursor, "collections") if cursor else ""
        async with self._database.reader.lease() as lease:
            rows = await lease.fetch(
                f"SELECT {_COLUMNS} FROM collections WHERE status = 'active' AND name COLLATE \"C\" > $1"
                ' ORDER BY name COLLATE "C" LIMIT $2',
                after,
                limit + 1,
            )
        found = [_collection(row) for row in rows[:limit]]
        more = cursor_of("collections", rows[limit - 1]["name"]) if len(rows) > limit else None
        return {"collections": found, "count": len(found), "next_cursor": more}

    async def get(self, name: str) -> dict[str, object]:
        """One live collection."""
        async with self._database.reader.lease() as lease:
            row = await lease.fetchrow(
                f"SELECT {_COLUMNS} FROM collections WHERE name = $1 AND status = 'active'", name
            )
        if row is None:
            raise missing(name)
        return _collection(row)

    async def items(self, name: str, limit: int, cursor: str | None) -> dict[str, object]:
        """Stored items in byte order of their ids, without vectors."""
        async with self._database.reader.lease() as lease:
            target = await self._descriptors.read(lease, name)
            scope = str(target.collection_id)
            after = read_cursor(cursor, scope) if cursor else ""
            rows = await lease.fetch(
                f"SELECT {_ITEM_COLUMNS} FROM vector_metadata WHERE collection_id = $1"
                " AND status = 'stored' AND external_id COLLATE \"C\" > $2"
                ' ORDER BY external_id COLLATE "C" LIMIT $3',
                target.collection_id,
                after,
                limit + 1,
            )
        found = [item_summary(row, name) for row in rows[:limit]]
        more = cursor_of(scope, rows[limit - 1]["external_id"]) if len(rows) > limit else None
        return {"items": found, "count": len(found), "next_cursor": more}

    async def status(self, name: str) -> dict[str, object]:
        """Live counts of both stores, from one moment without writes where there is one."""
        async with self._database.reader.lease() as lease:
            before, quiet = await self._counts(lease, name), False
            for _ in range(3):
                try:
                    points = await self._qdrant.count(name)
                    engine = await self._qdrant.describe(name)
                except QdrantMissing:
                    await self._descriptors.read(lease, name)
                    raise
                after = await self._counts(lease, name)
                quiet = (
                    after["generation"] == before["generation"] and after["in_flight"] == before["in_flight"]
                )
                if quiet:
                    break
                before = after
        return {
            "name": name,
            "status": after["status"],
            "vector_size": after["vector_size"],
            "distance": after["distance"],
            "model": after["model"],
            "points_count": points,
            "rows_count": after["rows"],
            # Counts that writes went on under are not of one moment, and must not look as if they were.
            "in_flight": after["in_flight"] if quiet else max(after["in_flight"], 1),
            "indexed_vectors_count": engine.get("indexed_vectors_count"),
            "engine_status": engine.get("status", "unknown"),
            "checked_at": stamp(datetime.now(UTC)),
        }

    async def _counts(self, lease: Session, name: str) -> Any:
        row = await lease.fetchrow(
            "SELECT c.status, c.vector_size, c.distance, c.model, c.generation,"
            " (SELECT count(*) FROM vector_metadata v"
            "   WHERE v.collection_id = c.collection_id AND v.status = 'stored') AS rows,"
            " (SELECT count(*) FROM outbox o"
            "   WHERE o.collection_id = c.collection_id AND o.done_at IS NULL) AS in_flight"
            " FROM collections c WHERE c.name = $1 AND c.status = 'active'",
            name,
        )
        if row is None:
            raise missing(name)
        return row

    # --- writing

    async def create(
        self, wanted: CollectionCreate, owner: uuid.UUID, model: dict[str, Any] | None
    ) -> dict[str, object]:
        """Create in both stores or in neither. `model` is the list entry of the wanted model, if any."""
        if wanted.name in RESERVED:
            raise invalid("/name", "reserved", "the name is reserved", problem="reserved-name")
        if model is not None and model["dimensions"] != wanted.vector_size:
            message = f"the model gives {model['dimensions']} numbers"
            raise invalid("/vector_size", "dimension", message, problem="dimension-mismatch")
        async with self._database.writer.lease() as lease:
            async with lease.transaction():
                if not await lease.fetchval("SELECT pg_try_advisory_xact_lock($1)", self._lock(wanted.name)):
                    await self._refuse_existing(lease, wanted.name)
                    raise Problem("collection-busy", "Something else is under way with this name.")
                await self._refuse_existing(lease, wanted.name)
                await self._qdrant.refuse_if_down()
                collection_id = await lease.fetchval(
                    "INSERT INTO collections (name, vector_size, distance, model, description, metadata,"
                    " owner_id) VALUES ($1, $2, $3, $4, $5, $6::jsonb, $7) RETURNING collection_id",
                    wanted.name,
                    wanted.vector_size,
                    wanted.distance,
                    wanted.model,
                    wanted.description,
                    orjson.dumps(wanted.metadata).decode(),
                    owner,
                )
                await self._announce(lease, collection_id, "collection_create", wanted.name)
            try:
                async with lease.transaction():
                    await self._hold(lease, wanted.name)
                    refused = await self._create_in_qdrant(lease, collection_id, wanted)
                    if not refused:
                        await self.finish_create(lease, collection_id, settle=False)
            except DependencyDown as failure:
                raise DependencyTimeout(failure.dependency or "postgresql", failure.reason) from failure
            if refused:
                raise refused
        await self._descriptors.get(wanted.name)
        return await self.get(wanted.name)

    async def _refuse_existing(self, lease: Session, name: str) -> None:
        status = await lease.fetchval("SELECT status FROM collections WHERE name = $1", name)
        if status == "active":
            raise Problem("collection-exists", f"A collection named {name} exists.")
        if status is not None:
            raise Problem("collection-busy", f"The collection {name} is {status}.")

    async def _create_in_qdrant(
        self, lease: Session, collection_id: uuid.UUID, wanted: CollectionCreate
    ) -> DependencyDown | None:
        """Qdrant's part. A refusal takes row and event back, to be committed, and is returned."""
        try:
            await self.assert_in_qdrant(wanted.name, wanted.vector_size, wanted.distance)
        except DependencyDown as refused:
            await lease.execute("DELETE FROM outbox WHERE collection_id = $1", collection_id)
            await lease.execute("DELETE FROM collections WHERE collection_id = $1", collection_id)
            return refused
        except DependencyTimeout:
            await self._abandon(collection_id)
            raise
        return None

    async def assert_in_qdrant(self, name: str, size: int, distance: str) -> None:
        """An empty collection of this shape. One left over from an unknown past is dropped first."""
        if await self._qdrant.exists(name):
            await self._qdrant.drop_collection(name)
        await self._qdrant.create_collection(name, size, distance)

    async def finish_create(self, lease: Session, collection_id: uuid.UUID, *, settle: bool) -> None:
        """After Qdrant: the collection is live; its event is done, or to be looked at again."""
        await lease.execute(
            "UPDATE collections SET status = 'active', updated_at = now() WHERE collection_id = $1",
            collection_id,
        )
        await lease.execute(
            "UPDATE outbox SET done_at = CASE WHEN $2 THEN NULL ELSE now() END,"
            " last_error = CASE WHEN $2 THEN 'settling' END,"
            " available_at = now() + make_interval(secs => $3)"
            " WHERE collection_id = $1 AND operation = 'collection_create' AND done_at IS NULL",
            collection_id,
            settle,
            self._settle_s,
        )

    async def update(self, name: str, change: CollectionUpdate) -> dict[str, object]:
        """Change description or metadata."""
        metadata = orjson.dumps(change.metadata).decode() if change.given("metadata") else None
        async with self._database.writer.lease() as lease, lease.transaction():
            row = await lease.fetchrow(
                "UPDATE collections SET description = coalesce($2, description),"
                " metadata = coalesce($3::jsonb, metadata), updated_at = now()"
                f" WHERE name = $1 AND status = 'active' RETURNING {_COLUMNS}",
                name,
                change.description,
                metadata,
            )
            if row is None:
                raise missing(name)
        return _collection(row)

    async def delete(self, name: str) -> dict[str, object]:
        """Remove from both stores. Finishes what an earlier attempt of unknown outcome left."""
        async with self._database.writer.lease() as lease:
            async with lease.transaction():
                await self._hold(lease, name)
                row = await lease.fetchrow("SELECT collection_id FROM collections WHERE name = $1", name)
                if row is None:
                    raise missing(name)
                collection_id = row["collection_id"]
                await self._qdrant.refuse_if_down()
                await lease.execute(
                    "UPDATE collections SET status = 'deleting' WHERE collection_id = $1", collection_id
                )
                await self._announce(lease, collection_id, "collection_delete", name)
            refused: DependencyDown | None = None
            try:
                async with lease.transaction():
                    await self._hold(lease, name)
                    status = await lease.fetchval(
                        "SELECT status FROM collections WHERE collection_id = $1", collection_id
                    )
                    if status is None:
                        raise missing(name)
                    try:
                        await self._qdrant.drop_collection(name)
                    except DependencyDown as down:
                        refused = down
                        await self._take_back_delete(lease, collection_id)
                    except DependencyTimeout:
                        await self._abandon(collection_id)
                        raise
                    else:
                        removed = await self.finish_delete(lease, collection_id)
            except DependencyDown as failure:
                raise DependencyTimeout(failure.dependency or "postgresql", failure.reason) from failure
            if refused:
                raise refused
        self._descriptors.forget(name)
        await self._forget_cached(collection_id)
        return {"collection": name, "deleted": True, "vectors_removed": removed}

    async def _take_back_delete(self, lease: Session, collection_id: uuid.UUID) -> None:
        await lease.execute(
            "DELETE FROM outbox WHERE collection_id = $1 AND operation = 'collection_delete'", collection_id
        )
        await lease.execute(
            "UPDATE collections c SET status = CASE WHEN EXISTS (SELECT FROM outbox o"
            " WHERE o.collection_id = c.collection_id AND o.operation = 'collection_create'"
            " AND o.done_at IS NULL) THEN 'creating' ELSE 'active' END WHERE collection_id = $1",
            collection_id,
        )

    async def finish_delete(self, lease: Session, collection_id: uuid.UUID) -> int:
        """After Qdrant: events, rows and the collection itself; the number of rows that were stored."""
        removed = await lease.fetchval(
            "SELECT count(*) FROM vector_metadata WHERE collection_id = $1 AND status = 'stored'",
            collection_id,
        )
        await lease.execute("DELETE FROM outbox WHERE collection_id = $1", collection_id)
        await lease.execute("DELETE FROM collections WHERE collection_id = $1", collection_id)
        return int(removed)

    async def _forget_cached(self, collection_id: uuid.UUID) -> None:
        try:
            await self._cache.forget_matching(cache_patterns(collection_id), _FORGET_S)
        except DependencyDown:
            # The new life of the name has another collection_id: these keys are never asked for again.
            logs.info("cache-not-cleared", request_id=current().request_id)

    async def _announce(self, lease: Session, collection_id: uuid.UUID, operation: str, name: str) -> None:
        await lease.execute(
            "INSERT INTO outbox (collection_id, operation, version, payload, available_at)"
            " VALUES ($1, $2, 1, $3::jsonb, now() + make_interval(secs => $4))",
            collection_id,
            operation,
            orjson.dumps({"name": name}).decode(),
            GRACE_S,
        )

    async def _abandon(self, collection_id: uuid.UUID) -> None:
        try:
            async with self._database.reader.lease(0.3) as lease:
                await lease.execute(
                    "UPDATE outbox SET last_error = 'timeout', attempts = attempts + 1"
                    " WHERE collection_id = $1 AND point_id IS NULL AND done_at IS NULL",
                    collection_id,
                )
        except Problem:
            # The event stays open without the note, and is replayed all the same.
            return

    def _lock(self, name: str) -> int:
        return self._writer.collection_lock(name)

    async def _hold(self, lease: Session, name: str) -> None:
        try:
            await lease.execute("SELECT pg_advisory_xact_lock($1)", self._lock(name))
        except LockBusy as busy:
            raise DependencyDown("qdrant", "collection locked") from busy


def cache_patterns(collection_id: uuid.UUID | str, kinds: tuple[str, ...] = ("search", "meta")) -> list[str]:
    """Patterns of all cache keys that belong to a collection."""
    return [f"{PREFIX}{kind}:{collection_id}:*" for kind in kinds]


def item_summary(row: Any, collection: str) -> dict[str, object]:
    """The contract's VectorSummary of a row."""
    return {
        "id": row["external_id"],
        "point_id": str(row["point_id"]),
        "collection": collection,
        "text": row["text_content"],
        "metadata": orjson.loads(row["metadata"]),
        "model": row["model"],
        "dimensions": row["dimensions"],
        "content_hash": None if row["content_hash"] is None else row["content_hash"].hex(),
        "vector_checksum": row["vector_checksum"].hex(),
        "version": row["version"],
        "created_at": stamp(row["created_at"]),
        "updated_at": stamp(row["updated_at"]),
    }


async def read_item(lease: Session, target: Descriptor, point_id: uuid.UUID) -> Any:
    """The stored row of an item, or 404."""
    row = await lease.fetchrow(
        f"SELECT {_ITEM_COLUMNS}, stored_generation FROM vector_metadata"
        " WHERE collection_id = $1 AND point_id = $2 AND status = 'stored'",
        target.collection_id,
        point_id,
    )
    if row is None:
        raise Problem("vector-not-found", "No such item.")
    return row


def stamp(moment: datetime) -> str:
    """RFC 3339 in UTC."""
    return moment.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def _collection(row: Any) -> dict[str, object]:
    return {
        "name": row["name"],
        "vector_size": row["vector_size"],
        "distance": row["distance"],
        "model": row["model"],
        "description": row["description"],
        "metadata": orjson.loads(row["metadata"]),
        "status": row["status"],
        "created_at": stamp(row["created_at"]),
        "updated_at": stamp(row["updated_at"]),
    }


def cursor_of(scope: str, last: str) -> str:
    """An opaque cursor of the list `scope`, to go on after `last`."""
    return base64.urlsafe_b64encode(orjson.dumps([scope, last])).decode()


def read_cursor(cursor: str, scope: str) -> str:
    """What `cursor_of` was given, or the 422 for anything but a cursor of this list."""
    try:
        found_scope, last = orjson.loads(base64.b64decode(cursor, altchars=b"-_", validate=True))
    except (ValueError, TypeError):
        found_scope, last = None, None
    if found_scope != scope or not isinstance(last, str) or "\0" in last:
        raise invalid("query/cursor", "unknown", "not a cursor of this list")
    return last
