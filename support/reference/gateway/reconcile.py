"""Convergence: replay of open events, and the comparison of both stores."""

from __future__ import annotations

import asyncio
import time
import uuid
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import orjson

from support.reference.gateway import content, logs
from support.reference.gateway.collections import Collections, stamp
from support.reference.gateway.config import Config
from support.reference.gateway.descriptors import Descriptor, Descriptors
from support.reference.gateway.postgres import Database, Session
from support.reference.gateway.problems import DependencyDown, DependencyTimeout
from support.reference.gateway.qdrant import Qdrant
from support.reference.gateway.timing import Call, begin, current
from support.reference.gateway.writes import Item, Writer, from_payload

_EVENTS_A_ROUND = 200
_RETRY_S = 1.0
_PRUNE_EVERY_S = 30.0
_PROBE_S = 1.0

# What is put off for longer than anything ever is dates from before the clock was set back: it is due.
_NEVER_PUT_OFF_S = 120.0
_DUE = """
SELECT DISTINCT collection_id, point_id FROM outbox
WHERE done_at IS NULL AND available_at NOT BETWEEN now() AND now() + make_interval(secs => $2)
LIMIT $1
"""

_NEWEST_OPEN = """
SELECT event_id, operation, version, payload, last_error FROM outbox
WHERE collection_id = $1 AND point_id IS NOT DISTINCT FROM $2 AND done_at IS NULL
ORDER BY version DESC, event_id DESC
"""

# The newest event of a point keeps its payload: PostgreSQL has no other copy of the vector.
_PRUNE = """
DELETE FROM outbox o USING (
  SELECT collection_id, point_id, max(event_id) AS newest FROM outbox
  WHERE point_id IS NOT NULL AND done_at IS NOT NULL
  GROUP BY collection_id, point_id HAVING count(*) > 1
) kept
WHERE o.collection_id = kept.collection_id AND o.point_id = kept.point_id
  AND o.event_id < kept.newest AND o.done_at IS NOT NULL
"""


class Reconciler:
    """Finishes what a time-out, a crash or an outage left open."""

    def __init__(
        self, config: Config, database: Database, qdrant: Qdrant, collections: Collections, writer: Writer
    ) -> None:
        self._every_s = config.reconcile_every_s
        self._round_s = 2 * (config.qdrant_timeout_s + config.postgresql_timeout_s)
        self._database = database
        self._qdrant = qdrant
        self._collections = collections
        self._writer = writer
        self._pruned_at = time.monotonic()

    async def run(self) -> None:
        """Work without end. A dependency that is away is tried again in the next round, at the same pace."""
        while True:
            await asyncio.sleep(self._every_s)
            deadline = time.monotonic() + self._round_s
            begin(Call(f"reconciler-{uuid.uuid4()}", deadline=deadline, background=True))
            try:
                await self._round()
            except (DependencyDown, DependencyTimeout) as failure:
                logs.warning("reconciliation-delayed", dependency=failure.dependency, reason=failure.reason)
            except Exception:
                logs.defect("reconciliation-failed", request_id=current().request_id)

    async def _round(self) -> None:
        async with self._database.reader.lease() as lease:
            due = await lease.fetch(_DUE, _EVENTS_A_ROUND, _NEVER_PUT_OFF_S)
        if due:
            # Not to pile up calls in a frozen store, where each would be executed later.
            await self._qdrant.ready(_PROBE_S)
        for row in due:
            async with self._database.writer.lease() as lease:
                if row["point_id"] is None:
                    await self._collection_event(lease, row["collection_id"])
                else:
                    await self._point_event(lease, row["collection_id"], row["point_id"])
        if time.monotonic() - self._pruned_at > _PRUNE_EVERY_S:
            self._pruned_at = time.monotonic()
            async with self._database.writer.lease() as lease:
                await lease.execute(_PRUNE)

    async def _point_event(self, lease: Session, collection_id: uuid.UUID, point_id: uuid.UUID) -> None:
        """Assert the newest open event of a point in both stores."""
        async with lease.transaction():
            name = await self._live_name(lease, collection_id, shared=True)
            if name == "":
                return
            if name is None:
                await lease.execute("DELETE FROM outbox WHERE collection_id = $1", collection_id)
                return
            if not await lease.fetchval(
                "SELECT pg_try_advisory_xact_lock($1)", self._writer.point_lock(collection_id, point_id)
            ):
                return
            events = await lease.fetch(_NEWEST_OPEN, collection_id, point_id)
            if not events:
                return
            newest = events[0]
            # After a time-out the winner is asserted twice: now, and when no abandoned call can be left.
            settling = [any(event["last_error"] == "timeout" for event in events)]
            try:
                if newest["operation"] == "point_upsert":
                    item = from_payload(point_id, newest["version"], newest["payload"])
                    await self._qdrant.upsert(name, [item.point()])
                    await self._writer.finish_upserts(lease, collection_id, [item], settling)
                else:
                    await self._qdrant.delete(name, [point_id])
                    await self._writer.finish_deletes(
                        lease, collection_id, [point_id], [newest["version"]], settling
                    )
            except (DependencyDown, DependencyTimeout) as failure:
                if failure.dependency != "qdrant":
                    raise
                await lease.execute(
                    "UPDATE outbox SET attempts = attempts + 1, available_at = now()"
                    " + make_interval(secs => $2), last_error = CASE WHEN $3 THEN 'timeout'"
                    " ELSE last_error END WHERE event_id = $1",
                    newest["event_id"],
                    _RETRY_S,
                    isinstance(failure, DependencyTimeout),
                )
                logs.warning("replay-delayed", dependency="qdrant", reason=failure.reason)
                return
        logs.info("event-replayed", operation=newest["operation"], attempts=len(events))

    async def _live_name(self, lease: Session, collection_id: uuid.UUID, *, shared: bool) -> str | None:
        """The name of a collection that still lives, with its lock held; None if it is gone, "" if busy."""
        row = await lease.fetchrow(
            "SELECT name, status FROM collections WHERE collection_id = $1", collection_id
        )
        if row is None:
            return None
        lock = "pg_try_advisory_xact_lock_shared" if shared else "pg_try_advisory_xact_lock"
        if not await lease.fetchval(f"SELECT {lock}($1)", self._writer.collection_lock(row["name"])):
            return ""
        status = await lease.fetchval(
            "SELECT status FROM collections WHERE collection_id = $1", collection_id
        )
        if status is None:
            return None
        if shared and status != "active":
            return ""
        return str(row["name"])

    async def _collection_event(self, lease: Session, collection_id: uuid.UUID) -> None:
        """Finish the creation or the deletion of a collection."""
        async with lease.transaction():
            name = await self._live_name(lease, collection_id, shared=False)
            if name == "":
                return
            events = await lease.fetch(_NEWEST_OPEN, collection_id, None)
            if name is None or not events:
                await lease.execute("DELETE FROM outbox WHERE collection_id = $1", collection_id)
                return
            deleting = any(event["operation"] == "collection_delete" for event in events)
            last_error = {event["last_error"] for event in events}
            if deleting:
                await self._qdrant.drop_collection(name)
                await self._collections.finish_delete(lease, collection_id)
            else:
                row = await lease.fetchrow(
                    "SELECT vector_size, distance, status FROM collections WHERE collection_id = $1",
                    collection_id,
                )
                if row["status"] == "creating":
                    await self._collections.assert_in_qdrant(name, row["vector_size"], row["distance"])
                elif not await self._qdrant.exists(name):
                    await self._qdrant.create_collection(name, row["vector_size"], row["distance"])
                await self._collections.finish_create(lease, collection_id, settle="timeout" in last_error)
        logs.info("collection-event-replayed", deleting=deleting)


# --- comparison of the stores

_SCROLL_PAGE = 256


@dataclass(slots=True)
class Divergence:
    """What one comparison of a collection found; ids are the clients'."""

    rows: int = 0
    points: int = 0
    in_flight: int = 0
    union: int = 0
    missing: dict[uuid.UUID, str] = field(default_factory=dict)
    orphans: dict[uuid.UUID, str] = field(default_factory=dict)
    mismatched: dict[uuid.UUID, tuple[str, str]] = field(default_factory=dict)

    def found(self) -> int:
        """How many items disagree."""
        return len(self.missing) + len(self.orphans) + len(self.mismatched)


class Checker:
    """Compares PostgreSQL with Qdrant, and repairs from PostgreSQL."""

    def __init__(self, database: Database, qdrant: Qdrant, writer: Writer, descriptors: Descriptors) -> None:
        self._database = database
        self._qdrant = qdrant
        self._writer = writer
        self._descriptors = descriptors

    async def validate(self, name: str, *, repair: bool, max_listed: int) -> dict[str, object]:
        """The contract's ConsistencyReport: what was found, and how much of it was repaired."""
        target = await self._descriptors.get(name)
        found = await self._compare(target)
        repaired = await self._repair(target, found) if repair else 0
        percent = 100.0 if not found.union else 100 * (1 - found.found() / found.union)
        return {
            "collection": name,
            "consistent": not found.found(),
            "consistency_percent": round(percent, 4),
            "postgresql_count": found.rows,
            "qdrant_count": found.points,
            "in_flight": found.in_flight,
            "missing_in_qdrant": sorted(found.missing.values())[:max_listed],
            "orphans_in_qdrant": sorted(found.orphans.values())[:max_listed],
            "mismatched": [
                {"id": external_id, "field": member}
                for external_id, member in sorted(found.mismatched.values())[:max_listed]
            ],
            "repaired": repaired,
            "checked_at": stamp(datetime.now(UTC)),
            "duration_ms": current().total_ms(),
        }

    async def _compare(self, target: Descriptor) -> Divergence:
        """Scan both, then look again at every difference by id: a write under way is no difference."""
        found = Divergence()
        points = await self._scan(target)
        rows, busy = await self._rows(target, None)
        found.rows, found.points, found.in_flight = len(rows), len(points), len(busy)
        ids = rows.keys() | points.keys()
        found.union = len(ids - busy)
        suspects = [each for each in ids - busy if _difference(rows.get(each), points.get(each), target)]
        if suspects:
            again = {
                uuid.UUID(str(point["id"])): point
                for point in await self._qdrant.retrieve(target.name, suspects, vectors=True)
            }
            rows, busy = await self._rows(target, suspects)
            for each in suspects:
                row, point = rows.get(each), again.get(each)
                difference = _difference(row, point, target)
                if each in busy or not difference:
                    continue
                if row is None:
                    found.orphans[each] = _external_id(point) or str(each)
                elif point is None:
                    found.missing[each] = row["external_id"]
                else:
                    found.mismatched[each] = (row["external_id"], difference)
        return found

    async def _scan(self, target: Descriptor) -> dict[uuid.UUID, dict[str, Any]]:
        points = {}
        offset = None
        while True:
            page = await self._qdrant.scroll(target.name, offset, _SCROLL_PAGE)
            for point in page["points"]:
                points[_as_uuid(point["id"])] = point
            offset = page.get("next_page_offset")
            if offset is None:
                return points

    async def _rows(
        self, target: Descriptor, only: list[uuid.UUID] | None
    ) -> tuple[dict[uuid.UUID, Any], set[uuid.UUID]]:
        """Stored rows and the ids with an open event, from one snapshot."""
        async with self._database.reader.lease() as lease:
            found = await lease.fetch(
                "SELECT coalesce(v.point_id, o.point_id) AS point_id, v.external_id, v.text_content,"
                " v.metadata, v.model, v.dimensions, v.content_hash, v.metadata_hash, v.vector_checksum,"
                " v.version, v.status, v.created_by, o.point_id IS NOT NULL AS busy"
                " FROM (SELECT * FROM vector_metadata WHERE collection_id = $1"
                "       AND ($2::uuid[] IS NULL OR point_id = ANY($2))) v"
                " FULL JOIN (SELECT DISTINCT point_id FROM outbox"
                "            WHERE collection_id = $1 AND done_at IS NULL AND point_id IS NOT NULL) o"
                " ON o.point_id = v.point_id",
                target.collection_id,
                only,
            )
        rows = {row["point_id"]: row for row in found if row["status"] == "stored"}
        return rows, {row["point_id"] for row in found if row["busy"]}

    async def _repair(self, target: Descriptor, found: Divergence) -> int:
        repaired = 0
        for point_id in [*found.orphans, *found.missing, *found.mismatched]:
            async with self._database.writer.lease() as lease, lease.transaction():
                if await self._repair_point(lease, target, point_id):
                    repaired += 1
        return repaired

    async def _repair_point(self, lease: Session, target: Descriptor, point_id: uuid.UUID) -> bool:
        """Make Qdrant agree with the row, under the locks of a write."""
        await lease.execute(
            "SELECT pg_advisory_xact_lock_shared($1)", self._writer.collection_lock(target.name)
        )
        await lease.execute(
            "SELECT pg_advisory_xact_lock($1)", self._writer.point_lock(target.collection_id, point_id)
        )
        row = await lease.fetchrow(
            "SELECT external_id, text_content, metadata, model, vector_checksum, version, status"
            " FROM vector_metadata WHERE collection_id = $1 AND point_id = $2",
            target.collection_id,
            point_id,
        )
        busy = await lease.fetchval(
            "SELECT count(*) FROM outbox WHERE collection_id = $1 AND point_id = $2 AND done_at IS NULL",
            target.collection_id,
            point_id,
        )
        if busy:
            return False
        if row is None:
            await self._qdrant.delete(target.name, [point_id])
        elif row["status"] == "stored":
            vector = await self._vector_of(lease, target, point_id, row["vector_checksum"])
            if vector is None:
                logs.warning("not-repairable", dependency="qdrant", reason="no copy of the vector")
                return False
            item = Item(
                external_id=row["external_id"],
                point_id=point_id,
                vector=vector,
                text=row["text_content"],
                metadata=orjson.loads(row["metadata"]),
                model=row["model"],
                version=row["version"],
            )
            await self._qdrant.upsert(target.name, [item.point()])
        else:
            return False
        await lease.execute(
            "UPDATE collections SET generation = generation + 1 WHERE collection_id = $1",
            target.collection_id,
        )
        return True

    async def _vector_of(
        self, lease: Session, target: Descriptor, point_id: uuid.UUID, checksum: bytes
    ) -> content.Vector | None:
        """The vector with this checksum: from the newest event, else from Qdrant itself."""
        payloads = await lease.fetch(
            "SELECT payload FROM outbox WHERE collection_id = $1 AND point_id = $2"
            " AND operation = 'point_upsert' ORDER BY event_id DESC",
            target.collection_id,
            point_id,
        )
        candidates = [content.unpacked(orjson.loads(row["payload"])["vector"]) for row in payloads]
        for point in await self._qdrant.retrieve(target.name, [point_id], vectors=True):
            candidates.append(_vector(point))
        for vector in candidates:
            if content.vector_checksum(vector) == checksum:
                return vector
        return None


def _difference(row: Any, point: dict[str, Any] | None, target: Descriptor) -> str | None:
    """The first member in which row and point differ; "existence" when one of them is missing."""
    if row is None or point is None:
        return "existence"
    payload = point["payload"] or {}
    mirror = payload.get("citadel") or {}
    vector = _vector(point)
    text = payload.get("text")
    hashed = content.content_hash(text) if isinstance(text, str) else None
    metadata = payload.get("metadata")
    checks = {
        "version": mirror.get("version") == row["version"],
        "dimensions": len(vector) == row["dimensions"] == target.vector_size,
        "vector_checksum": content.vector_checksum(vector) == row["vector_checksum"],
        "content_hash": hashed == row["content_hash"],
        "metadata": isinstance(metadata, dict) and content.metadata_hash(metadata) == row["metadata_hash"],
        "model": mirror.get("model") == row["model"],
    }
    return next((member for member, agrees in checks.items() if not agrees), None)


def _vector(point: dict[str, Any]) -> content.Vector:
    numbers = point.get("vector") or []
    return content.stored_vector(numbers, size=len(numbers), distance="dot", pointer="")


def _external_id(point: dict[str, Any] | None) -> str | None:
    mirror = ((point or {}).get("payload") or {}).get("citadel") or {}
    found = mirror.get("id")
    return found if isinstance(found, str) else None


def _as_uuid(point_id: object) -> uuid.UUID:
    """A foreign point may have a number for an id."""
    return uuid.UUID(int=point_id) if isinstance(point_id, int) else uuid.UUID(str(point_id))
