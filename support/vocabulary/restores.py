"""Restores: one store is put back to an older copy of itself while the others go on, as after an accident."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from hamcrest import assert_that

from support.audit import Breach
from support.drivers.gateway import Answer
from support.drivers.qdrant import Point
from support.matchers.answers import succeeded
from support.vocabulary import caches, documents, searches, stores
from support.world import World

# Tables of the metadata store that hold a collection's documents, by the column that names the collection.
TABLES = ("vector_metadata", "outbox")
# Most writes after which a fence may come to a number that it had before.
FENCES = 8


@dataclass(frozen=True, slots=True)
class RowsCopy:
    """A collection's part of the metadata store: its fence, and the records of each table as JSON."""

    collection_id: UUID
    generation: int
    records: dict[str, str]


@dataclass(frozen=True, slots=True)
class Change:
    """What has happened since the copy was made: one rewriting, one deletion, one new document."""

    rewritten: str
    deleted: str
    new: str


def change(world: World, rewritten: str, deleted: str, new: str) -> Change:
    """Do what the copy will not know."""
    for answer in (
        documents.rewriting(world, rewritten)(),
        documents.delete(world, deleted),
        documents.store(world, new, documents.new_text(world, new)),
    ):
        assert_that(answer, succeeded())
    return Change(rewritten, deleted, new)


def older_points(world: World, rewritten: str, deleted: str, new: str) -> None:
    """Change documents, then put the vector store back to where it was before."""
    name = world.names.collection(world.collection)
    copied = list(stores.vectors(world).points(name))
    world.evidence["change"] = change(world, rewritten, deleted, new)
    world.evidence["bystanders"] = bystanders(world)
    stores.vectors(world).delete_points(name, [point.id for point in stores.vectors(world).points(name)])
    stores.vectors(world).upsert_raw(name, copied)


def older_rows(world: World, rewritten: str, deleted: str, new: str) -> None:
    """Change documents and search them, then put the metadata store back to where it was before."""
    copied = _copy_rows(world)
    world.evidence["change"] = change(world, rewritten, deleted, new)
    _restore_rows(world, copied)
    world.evidence["bystanders"] = bystanders(world)


def older_rows_with_cached_search(world: World, question: str) -> None:
    """Let a search be cached after each of some changes, then put the metadata store back before them."""
    copied = _copy_rows(world)
    for number in range(FENCES):
        documents.have(world, f"passing note {number}", f"Passing note {number} of {world.names.prefix}.")
        assert_that(searches.ask(world, question), succeeded())
    _restore_rows(world, copied)
    world.ledger.forget(world.names.collection(world.collection))


def findings(world: World) -> dict[str, str]:
    """What the suite's audit finds, by title."""
    report = stores.audit(world)
    return {world.names.alias_of(finding.subject): str(finding.kind) for finding in report.findings}


def platforms_findings(world: World) -> list[str]:
    """The titles that the platform's own check names, whatever it says of each."""
    told = stores.platform_check(world).body
    named = [
        *told["missing_in_qdrant"],
        *told["orphans_in_qdrant"],
        *(each["id"] for each in told["mismatched"]),
    ]
    return sorted(world.names.alias_of(each) for each in named)


def expected_of_points(changed: Change) -> dict[str, str]:
    """What an audit says of a vector store that is behind."""
    return {changed.rewritten: Breach.STALE, changed.deleted: Breach.ORPHAN, changed.new: Breach.MISSING}


def expected_of_rows(changed: Change) -> dict[str, str]:
    """What an audit says of a metadata store that is behind what was acknowledged to clients."""
    return {changed.rewritten: Breach.LOST, changed.deleted: Breach.PHANTOM, changed.new: Breach.LOST}


def names(changed: Change) -> list[str]:
    """The titles of the change."""
    return sorted((changed.rewritten, changed.deleted, changed.new))


def repair(world: World) -> Answer:
    """Let an administrator repair the collection from its rows; what clients were told before is void."""
    answer = world.citadel.gateway.call(
        "validateCollection",
        json_body={"repair": True},
        collection=world.names.collection(world.collection),
        key=world.citadel.keys["administrator"],
    )
    assert_that(answer, succeeded(), "the repair")
    return answer


def accept_the_older_history(world: World) -> None:
    """After a restore of the metadata store it is its older history that counts."""
    world.ledger.forget(world.names.collection(world.collection))


def bystanders(world: World) -> dict[str, Any]:
    """Row and point of every document that the change did not touch, exactly as they are."""
    changed: Change = world.evidence["change"]
    name = world.names.collection(world.collection)
    touched = {world.names.document(title) for title in names(changed)}
    rows = {row.point_id: row for row in stores.rows(world).rows(name) if row.external_id not in touched}
    points = {point.id: point for point in stores.vectors(world).points(name) if point.id in rows}
    return {
        str(row.external_id): (row.version, row.updated_at, _exact(points.get(point_id)))
        for point_id, row in rows.items()
    }


def wrong_answers_until_the_fence_comes_again(world: World, question: str) -> list[str]:
    """Change documents one by one until the fence has had every number again; searches served from before."""
    wrong = []
    for number in range(FENCES + 1):
        cached, fresh = searches.ask(world, question), searches.ask(world, question, use_cache=False)
        if caches.results_of(cached) != caches.results_of(fresh):
            wrong.append(f"after {number} changes: {caches.results_of(cached)}")
        documents.have(world, f"later note {number}", f"Later note {number} of {world.names.prefix}.")
    return wrong


def _exact(point: Point | None) -> Any:
    if point is None:
        return None
    vector = None if point.vector is None else point.vector.tobytes()
    return (dict(point.payload), vector)


def _copy_rows(world: World) -> RowsCopy:
    record = stores.rows(world).collection(world.names.collection(world.collection))
    assert record is not None, "the collection is not in the metadata store"
    records = {
        table: stores.rows(world).select(
            f"SELECT coalesce(json_agg(t), '[]')::text FROM {table} t WHERE collection_id = %s",
            (record.collection_id,),
            what=f"copy of {table}",
        )[0][0]
        for table in TABLES
    }
    return RowsCopy(record.collection_id, record.generation, records)


def _restore_rows(world: World, copied: RowsCopy) -> None:
    """As a database that is restored: all at once, with its old fence."""
    with stores.rows(world).open_transaction() as session:
        for table in TABLES:
            session.execute(f"DELETE FROM {table} WHERE collection_id = %s", (copied.collection_id,))
            session.execute(
                f"INSERT INTO {table} OVERRIDING SYSTEM VALUE"
                f" SELECT * FROM json_populate_recordset(NULL::{table}, %s::json)",
                (copied.records[table],),
            )
        session.execute(
            "UPDATE collections SET generation = %s WHERE collection_id = %s",
            (copied.generation, copied.collection_id),
        )
        session.execute("COMMIT")
