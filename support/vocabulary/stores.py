"""The stores seen directly: what PostgreSQL and Qdrant really hold, around the gateway."""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass, field
from uuid import UUID

import numpy as np

from support.audit import Report
from support.drivers.postgres import MetadataStore, Row
from support.drivers.qdrant import Point, PointId, VectorStore
from support.lifecycle.invariants import audit_of
from support.vocabulary import embeddings
from support.waiting import eventually
from support.world import World

FOREIGN_ID = UUID("00000000-0000-4000-8000-000000000001")


@dataclass(frozen=True, slots=True)
class Foreign:
    """A collection that is not the suite's, with what it held at first."""

    name: str
    points: dict[str, list[float]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Sides:
    """One document as both stores hold it; the members are those that must agree."""

    row: dict[str, object] | None
    point: dict[str, object] | None

    def unlike(self) -> list[str]:
        """The stores that lack it, or the members that differ, with both values."""
        if self.row is None or self.point is None:
            held = {"PostgreSQL": self.row, "Qdrant": self.point}
            return [f"it is missing in {store}" for store, side in held.items() if side is None]
        return [
            f"{member}: PostgreSQL {value!r}, Qdrant {self.point[member]!r}"
            for member, value in self.row.items()
            if self.point[member] != value
        ]


def rows(world: World) -> MetadataStore:
    """The metadata store's driver."""
    assert world.citadel.rows is not None, "the metadata store cannot be seen in this mode"
    return world.citadel.rows


def vectors(world: World) -> VectorStore:
    """The vector store's driver."""
    assert world.citadel.vectors is not None, "the vector store cannot be seen in this mode"
    return world.citadel.vectors


def place(world: World, title: str) -> tuple[str, str]:
    """Where a document lives: the stores' names of its collection and of itself."""
    return world.names.collection(world.collection), title


def sides(world: World, title: str) -> Sides:
    """The row and the point of a document, side by side."""
    row, point = row_of(world, title), point_of(world, title)
    return Sides(
        row=None if row is None else _row_side(row),
        point=None if point is None else _point_side(point),
    )


def row_of(world: World, title: str) -> Row | None:
    """The document's row, or None."""
    return rows(world).row(*place(world, title))


def point_of(world: World, title: str) -> Point | None:
    """The document's point, found by the client id in its payload, or None."""
    collection, item = place(world, title)
    if not vectors(world).exists(collection):
        return None
    return next((held for held in vectors(world).points(collection) if held.external_id == item), None)


def counts(world: World) -> dict[str, int]:
    """How many documents of the scenario's collection each store holds, and open events."""
    name = world.names.collection(world.collection)
    return {
        "rows": sum(row.status == "stored" for row in rows(world).rows(name)),
        "points": vectors(world).count(name),
        "in flight": len(rows(world).open_events(name)),
    }


def nothing_in_flight(world: World) -> None:
    """Wait until no event of the scenario's collections is open."""
    eventually(
        lambda: counts(world),
        lambda counted: counted["in flight"] == 0 and counted["rows"] == counted["points"],
        within=world.citadel.promises.converges_s,
        what="nothing is in flight and the counts are equal",
    )


def halves(world: World) -> list[str]:
    """What the stores do not hold alike, of all collections of the scenario: collections and documents."""
    prefix = world.names.prefix
    known = {record.name: record.status for record in rows(world).collections(prefix)}
    held = set(vectors(world).collections(prefix))
    wrong = [f"{name} is {status} in PostgreSQL" for name, status in known.items() if status != "active"]
    wrong += [
        f"{name} is only in {'PostgreSQL' if name in known else 'Qdrant'}" for name in known.keys() ^ held
    ]
    for name in known.keys() & held:
        wrong += _halves_of(world, name)
    return wrong


def _halves_of(world: World, name: str) -> list[str]:
    found = list(rows(world).rows(name))
    ours: dict[PointId, object] = {row.point_id: _row_side(row) for row in found if row.status == "stored"}
    theirs = {point.id: _point_side(point) for point in vectors(world).points(name)}
    on_the_way = [
        f"{name}: {row.external_id} is {row.status} in PostgreSQL for ever"
        for row in found
        if row.status != "stored"
    ]
    return on_the_way + [
        f"{name}: PostgreSQL has {ours.get(each)}, Qdrant has {theirs.get(each)}"
        for each in ours.keys() | theirs.keys()
        if ours.get(each) != theirs.get(each)
    ]


def named(world: World, alias: str) -> dict[str, list[str]]:
    """The collections in each store, of any run, whose name contains ``alias``."""
    return {
        "PostgreSQL": sorted(record.name for record in rows(world).collections() if alias in record.name),
        "Qdrant": sorted(name for name in vectors(world).collections() if alias in name),
    }


def audit(world: World) -> Report:
    """The three-store audit of the scenario's collections."""
    return audit_of(world.citadel, world)


def reported_counts(world: World) -> dict[str, int]:
    """The counts as the platform reports them."""
    name = world.names.collection(world.collection)
    told = world.citadel.gateway.call("getCollectionStatus", collection=name, key=world.key).body
    return {"rows": told["rows_count"], "points": told["points_count"], "in flight": told["in_flight"]}


def distance_to_service(world: World, title: str) -> float:
    """Largest difference between the stored vector and the embedding service's own for the stored text."""
    point = point_of(world, title)
    assert point is not None and point.text is not None, f'"{title}" is not in the vector store'
    own = embeddings.service(world).embed([point.text])[0]
    return embeddings.furthest_apart(own, _numbers(point))


def have_foreign_collection(world: World, alias: str) -> None:
    """Make a collection directly in the vector store under a name that is not the suite's."""
    name = f"{alias}_{secrets.token_hex(4)}"
    store = vectors(world)

    def remove() -> None:
        store.delete_collection(name)

    world.undo(remove)
    store.create_collection(name, size=4)
    vector = np.asarray([1.0, 0.0, 0.0, 0.0], dtype=np.float32)
    store.upsert_raw(name, [Point(name, FOREIGN_ID, vector, {"kept": True})])
    world.foreign[alias] = Foreign(name, points_of(world, name))


def points_of(world: World, name: str) -> dict[str, list[float]]:
    """All points of a collection by id."""
    return {str(held.id): _numbers(held) for held in vectors(world).points(name)}


def _row_side(row: Row) -> dict[str, object]:
    return {
        "point id": str(row.point_id),
        "version": row.version,
        "text": row.text,
        "metadata": row.metadata,
        "model": row.model,
        "vector checksum": row.vector_checksum,
        "content hash": row.content_hash,
    }


def _point_side(point: Point) -> dict[str, object]:
    return {
        "point id": str(point.id),
        "version": point.version,
        "text": point.text,
        "metadata": point.metadata,
        "model": point.mark.get("model"),
        # Recomputed from what the store really holds, not taken from the payload.
        "vector checksum": hashlib.sha256(np.asarray(point.vector, dtype="<f4").tobytes()).hexdigest(),
        "content hash": hashlib.sha256(point.text.encode()).hexdigest() if point.text is not None else None,
    }


def _numbers(point: Point) -> list[float]:
    return [] if point.vector is None else [float(number) for number in point.vector]
