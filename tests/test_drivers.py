"""The store drivers: domain words in, typed facts out, and no hang whatever the server does."""

from __future__ import annotations

import time
from collections.abc import Iterator
from uuid import UUID

import numpy as np
import psycopg2
import pytest

from support.audit import Stores
from support.drivers.errors import NoSuchCollection, StoreUnreachable
from support.drivers.journal import Journal
from support.drivers.postgres import MetadataStore
from support.drivers.qdrant import Point, VectorStore
from support.drivers.redis import CacheStore
from support.redaction import Secrets
from tests.own_stores import SIZE, Endpoints, Link, Writer, close, embedded, free_port, open_stores, started


@pytest.fixture(scope="module")
def at() -> Iterator[Endpoints]:
    with started() as endpoints:
        yield endpoints


@pytest.fixture
def journal() -> Journal:
    return Journal(Secrets())


@pytest.fixture
def stores(at: Endpoints, journal: Journal) -> Iterator[Stores]:
    opened = open_stores(at, journal)
    yield opened
    close(opened)


@pytest.fixture
def cache(stores: Stores) -> Iterator[CacheStore]:
    assert stores.cache is not None
    yield stores.cache
    stores.cache.unlink("citadel:v1:*")


@pytest.fixture
def handbook(stores: Stores) -> Iterator[Writer]:
    writer = Writer(stores, "at_drivers_handbook").create()
    yield writer
    writer.remove()


def taken(call: object) -> float:
    """Seconds until ``call`` raised ``StoreUnreachable``."""
    started_at = time.monotonic()
    with pytest.raises(StoreUnreachable):
        assert callable(call)
        call()
    return time.monotonic() - started_at


def test_rows_come_in_id_order_over_pages_and_by_name_or_id(stores: Stores, handbook: Writer) -> None:
    handbook.put([f"doc-{number}" for number in range(7)], metadata={"page": 1.5})
    by_name = list(stores.metadata.rows("at_drivers_handbook", page=3))
    assert [row.point_id for row in by_name] == sorted(
        (row.point_id for row in by_name), key=lambda each: each.bytes
    )
    assert len(by_name) == 7
    assert [row.external_id for row in stores.metadata.rows(handbook.collection_id)] == [
        row.external_id for row in by_name
    ]
    row = stores.metadata.row("at_drivers_handbook", "doc-3")
    assert row is not None
    assert (row.version, row.status, row.metadata, row.dimensions) == (1, "stored", {"page": 1.5}, SIZE)
    assert row.text == "doc-3 in version 1"
    assert 0 <= row.age_s < 10
    assert stores.metadata.row("at_drivers_handbook", "doc-8") is None


def test_a_pending_row_is_not_a_stored_one_and_its_event_is_open(stores: Stores, handbook: Writer) -> None:
    handbook.put(["done"])
    handbook.begin(["begun"], 1)
    assert [row.external_id for row in stores.metadata.stored_rows("at_drivers_handbook")] == ["done"]
    (event,) = stores.metadata.open_events("at_drivers_")
    assert (event.collection, event.point_id, event.version) == (
        "at_drivers_handbook", handbook.point_id("begun"), 1,
    )  # fmt: skip
    assert stores.metadata.open_events("at_other_") == []


def test_an_underscore_in_a_prefix_is_no_wildcard(stores: Stores, handbook: Writer) -> None:
    assert [record.name for record in stores.metadata.collections("at_drivers_h")] == ["at_drivers_handbook"]
    assert stores.metadata.collections("at_driversXh", "at%") == []
    assert stores.vectors.collections("at_drivers_h") == ["at_drivers_handbook"]


def test_a_snapshot_does_not_see_later_writes(at: Endpoints, stores: Stores, handbook: Writer) -> None:
    other = open_stores(at)
    try:
        with stores.metadata.snapshot():
            before = stores.metadata.count_stored("at_drivers_handbook")
            Writer(other, handbook.collection, collection_id=handbook.collection_id).put(["late"])
            assert stores.metadata.count_stored("at_drivers_handbook") == before == 0
        assert stores.metadata.count_stored("at_drivers_handbook") == 1
    finally:
        close(other)


def test_a_user_is_kept_as_a_hash_only_and_its_key_is_never_journaled(
    stores: Stores, journal: Journal
) -> None:
    key = "at-key-0123456789abcdef"
    user_id = stores.metadata.add_user("at_driver_user", "readonly", key, 100)
    try:
        assert isinstance(user_id, UUID)
        assert stores.metadata.contains_text(key) == []
        assert stores.metadata.contains_text("at_driver_user") == ["users.username"]
        stores.metadata.revoke_user("at_driver_user")
        told = stores.metadata.select("SELECT revoked_at IS NULL FROM users WHERE user_id = %s", (user_id,))
        assert told == [(False,)]
    finally:
        stores.metadata.remove_user("at_driver_user")
    assert stores.metadata.contains_text("at_driver_user") == []
    assert key not in journal.text()
    assert journal.secrets.redact(f"x{key}y") == "x[redacted]y"


def test_a_secret_in_a_json_column_is_found(stores: Stores, handbook: Writer) -> None:
    handbook.put(["doc"], metadata={"note": "canary-7f3a"})
    assert stores.metadata.contains_text("canary-7f3a") == ["vector_metadata.metadata"]


def test_a_point_comes_back_bit_identical_with_its_marks(stores: Stores, handbook: Writer) -> None:
    handbook.put([f"doc-{number}" for number in range(5)], metadata={"page": 3})
    points = list(stores.vectors.points("at_drivers_handbook", page=2))
    assert [point.id for point in points] == sorted(
        (handbook.point_id(f"doc-{number}") for number in range(5)), key=lambda each: each.bytes
    )
    point = stores.vectors.point("at_drivers_handbook", handbook.point_id("doc-2"))
    assert point is not None
    assert point.vector is not None
    assert point.vector.tobytes() == embedded("doc-2 in version 1").tobytes()
    assert (point.external_id, point.version, point.metadata) == ("doc-2", 1, {"page": 3})
    stores.vectors.delete_points("at_drivers_handbook", [handbook.point_id("doc-2")])
    assert stores.vectors.point("at_drivers_handbook", handbook.point_id("doc-2")) is None
    assert stores.vectors.count("at_drivers_handbook") == 4


def test_a_collection_tells_its_shape_and_an_unknown_one_is_named(stores: Stores, handbook: Writer) -> None:
    kept = stores.vectors.info("at_drivers_handbook")
    assert (kept.size, kept.distance) == (SIZE, "Cosine")
    assert stores.vectors.exists("at_drivers_handbook")
    assert not stores.vectors.exists("at_drivers_none")
    with pytest.raises(NoSuchCollection, match="at_drivers_none"):
        list(stores.vectors.points("at_drivers_none"))


def test_a_refused_write_is_an_error(stores: Stores, handbook: Writer) -> None:
    too_long = Point("at_drivers_handbook", UUID(int=1), np.ones(SIZE + 1, np.float32), {})
    with pytest.raises(StoreUnreachable, match="status 400"):
        stores.vectors.upsert_raw("at_drivers_handbook", [too_long])


def test_cache_entries_tell_their_ttl_and_only_strings_have_values(cache: CacheStore) -> None:
    cache.set_raw("citadel:v1:brk:a", b"\x00\xff", 100)
    cache.set_raw("citadel:v1:brk:b", b"no TTL", None)
    cache._client.rpush("citadel:v1:jobs:wakeup", "x")
    keys = sorted(cache.keys("citadel:v1:*"))
    entries = {entry.key: entry for entry in cache.entries([*keys, "citadel:v1:gone"])}
    assert list(entries) == ["citadel:v1:brk:a", "citadel:v1:brk:b", "citadel:v1:jobs:wakeup"]
    assert 99_000 < entries["citadel:v1:brk:a"].ttl_ms <= 100_000
    assert entries["citadel:v1:brk:a"].value == b"\x00\xff"
    assert entries["citadel:v1:brk:b"].ttl_ms == cache.ttl_ms("citadel:v1:brk:b") == -1
    assert entries["citadel:v1:jobs:wakeup"].value is None
    assert cache.ttl_ms("citadel:v1:gone") is None
    assert cache.unlink("citadel:v1:brk:*") == 2
    assert cache.value("citadel:v1:brk:a") is None


def test_a_key_that_is_no_text_survives_the_round_trip(cache: CacheStore) -> None:
    cache._client.set(b"citadel:v1:\xff", b"x", ex=9)
    assert cache.unlink("citadel:v1:*") == 1


def test_every_server_tells_its_version(stores: Stores, cache: CacheStore) -> None:
    assert int(stores.metadata.version().split(".")[0]) >= 14
    assert stores.vectors.version().count(".") == 2
    assert cache.version().count(".") >= 1
    cache.ping()


def test_a_refused_connection_is_reported_at_once(journal: Journal) -> None:
    port = free_port()
    metadata = MetadataStore(f"postgresql://nobody:hidden-word@127.0.0.1:{port}/none", None, journal)
    assert taken(metadata.version) < 1
    assert taken(VectorStore(f"http://127.0.0.1:{port}", None, journal).version) < 1
    assert taken(CacheStore(f"redis://127.0.0.1:{port}/0", journal).ping) < 1
    assert "hidden-word" not in journal.text()


def test_a_frozen_server_never_holds_the_suite(at: Endpoints, journal: Journal) -> None:
    links = [Link(at.database_url), Link(at.qdrant_url), Link(at.redis_url)]
    metadata = MetadataStore(links[0].url, at.schema, journal, timeout_s=0.5)
    vectors = VectorStore(links[1].url, None, journal, timeout_s=1)
    cache = CacheStore(links[2].url, journal, timeout_s=0.5)
    for call in (metadata.now, vectors.collections, cache.ping):
        call()
    for link in links:
        link.freeze()
    # First on the connection that was open, then on a new one.
    for call, limit in ((metadata.now, 1.0), (vectors.collections, 1.0), (cache.ping, 0.5)):
        assert limit * 0.9 < taken(call) < limit + 0.4
        assert taken(call) < limit + 0.4
    for link in links:
        link.cut()


def test_the_metadata_store_reconnects_after_its_session_was_ended(at: Endpoints, stores: Stores) -> None:
    (session,) = stores.metadata.select("SELECT pg_backend_pid()")[0]
    killer = psycopg2.connect(at.database_url)
    killer.cursor().execute("SELECT pg_terminate_backend(%s, 1000)", (session,))
    killer.close()
    with pytest.raises(StoreUnreachable):
        stores.metadata.now()
    stores.metadata.now()


def test_a_statement_that_takes_too_long_is_ended_by_the_server(at: Endpoints, journal: Journal) -> None:
    metadata = MetadataStore(at.database_url, at.schema, journal, timeout_s=0.3)
    assert 0.25 < taken(lambda: metadata.select("SELECT pg_sleep(5)")) < 0.7
    metadata.close()
    assert "canceling statement due to statement timeout" in journal.text()
