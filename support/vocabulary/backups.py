"""Backups of one store, taken and put back around the platform, as after an accident with it alone."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from support.drivers.qdrant import Point, VectorStore
from support.drivers.redis import CacheEntry
from support.errors import Unavailable
from support.faults.wording import NAMES
from support.vocabulary import caches, stores
from support.world import World

# Tables of PostgreSQL that hold a collection's documents.
TABLES = ("vector_metadata", "outbox")


@dataclass(frozen=True, slots=True)
class Backup:
    """What a store held: how it is put back, and each document by collection and id."""

    restore: Callable[[], int]
    documents: Mapping[tuple[str, str], Mapping[str, Any]]


def take(world: World, server: str) -> None:
    """Copy what a store holds of the scenario; Redis is copied whole."""
    if server not in STORES:
        raise Unavailable(f"there is no backup of {NAMES[server]}, only of PostgreSQL, Qdrant and Redis")
    world.backups[server] = STORES[server](world)


def restore(world: World, server: str) -> int:
    """Put the copy back; how many entries, points or rows that were.

    What clients were told before is no promise of what is shown to them from now on.
    """
    world.wrote = True
    world.ledger.journal.clear()
    return _of(world, server).restore()


def changed(world: World, alias: str, aside: Collection[str] = ()) -> list[str]:
    """Documents, but those ``aside``, that PostgreSQL or Qdrant does not hold exactly as its backup does."""
    collection = world.names.collection(alias)
    wrong: list[str] = []
    for server in ("postgresql", "qdrant"):
        before = {item: held for (at, item), held in _of(world, server).documents.items() if at == collection}
        assert before, f'the backup of {NAMES[server]} holds no document of "{alias}"'
        now = {item: held for (at, item), held in STORES[server](world).documents.items() if at == collection}
        for item in sorted((before.keys() | now.keys()) - set(aside)):
            was, found = before.get(item, {}), now.get(item, {})
            wrong += [
                f'{NAMES[server]}, "{item}": {name} was {was.get(name)}, is {found.get(name)}'
                for name in sorted(was.keys() | found.keys())
                if was.get(name) != found.get(name)
            ]
    return wrong


def _of(world: World, server: str) -> Backup:
    assert server in world.backups, f"there is no backup of {NAMES[server]} in this scenario"
    return world.backups[server]


def _redis(world: World) -> Backup:
    copied: list[CacheEntry] = [each for each in caches.entries(world) if each.value is not None]
    kept = [each for each in copied if caches.kind_of(each.key) in caches.WITH_CONTENT]

    def put_back() -> int:
        for entry in kept:
            caches.cache(world).set_raw(entry.key, entry.value or b"", ttl_s=max(1, entry.ttl_ms // 1000))
        return len(kept)

    return Backup(put_back, {})


def _qdrant(world: World) -> Backup:
    held = stores.vectors(world)
    shapes = [held.info(name) for name in held.collections(world.names.prefix)]
    points = {shape.name: list(held.points(shape.name)) for shape in shapes}

    def put_back() -> int:
        for shape in shapes:
            name = shape.name
            if not held.exists(name):
                world.undo(partial(_remove, held, name))
                held.create_collection(name, shape.size or 0, shape.distance or "")
            held.delete_points(name, [point.id for point in held.points(name)])
            held.upsert_raw(name, points[name])
        return sum(map(len, points.values()))

    return Backup(
        put_back,
        {
            (name, str(point.external_id)): _exact(point)
            for name, all_points in points.items()
            for point in all_points
        },
    )


def _remove(held: VectorStore, name: str) -> None:
    held.delete_collection(name)


def _exact(point: Point) -> dict[str, Any]:
    vector = b"" if point.vector is None else point.vector.tobytes()
    return {"id": point.id, "payload": dict(point.payload), "checksum": hashlib.sha256(vector).hexdigest()}


def _postgresql(world: World) -> Backup:
    held = stores.rows(world)
    records = held.collections(world.names.prefix)
    copied = {
        (record.collection_id, table): held.select(
            f"SELECT coalesce(json_agg(t), '[]')::text FROM {table} t WHERE collection_id = %s",
            (record.collection_id,),
            what=f"copy of {table}",
        )[0][0]
        for record in records
        for table in TABLES
    }
    documents = {
        (record.name, row.external_id): {
            "point id": row.point_id,
            "version": row.version,
            "text": row.text,
            "metadata": row.metadata,
            "updated at": row.updated_at.isoformat(),
        }
        for record in records
        for row in held.rows(record.name)
    }

    def put_back() -> int:
        # As a database that is restored: all at once, with the old generation of each collection.
        with held.open_transaction() as session:
            for (collection, table), rows in copied.items():
                session.execute(f"DELETE FROM {table} WHERE collection_id = %s", (collection,))
                session.execute(
                    f"INSERT INTO {table} OVERRIDING SYSTEM VALUE"
                    f" SELECT * FROM json_populate_recordset(NULL::{table}, %s::json)",
                    (rows,),
                )
            for record in records:
                session.execute(
                    "UPDATE collections SET generation = %s WHERE collection_id = %s",
                    (record.generation, record.collection_id),
                )
            session.execute("COMMIT")
        return len(documents)

    return Backup(put_back, documents)


STORES: Mapping[str, Callable[[World], Backup]] = {
    "redis": _redis,
    "qdrant": _qdrant,
    "postgresql": _postgresql,
}
