"""Faults inside PostgreSQL and Valkey: done live, seen by the client, counted, undone without a trace."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import psycopg2
import psycopg2.errors
import psycopg2.extensions
import pytest
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from support.errors import Unavailable
from support.faults import FaultError, Faults
from support.faults.rollbacks import carry_out
from support.faults.store_faults import CacheServer, DatabaseServer, Store
from support.isolation import lease, schema
from support.isolation.names import Run
from support.lifecycle.deadman import DeadMan
from support.stack import servers
from support.stack.ports import free_ports
from support.stack.servers import Workshop
from support.waiting import eventually
from tests.own_stores import directory_of

SCHEMA = "platform"
OURS = "sheet"
WRITE = (
    "INSERT INTO platform.vector_metadata (collection_id, point_id, external_id, source, text_content,"
    " metadata, model, dimensions, content_hash, metadata_hash, vector_checksum, status, version)"
    " VALUES (%s, gen_random_uuid(), %s, 'text', 'text', '{}', 'all-MiniLM-L6-v2', 8, sha256('x'),"
    " sha256('x'), sha256('x'), %s, 1)"
)
COUNT = "SELECT count(*) FROM platform.vector_metadata"


@dataclass(frozen=True, slots=True)
class Stores:
    """The servers, as the suite knows those that it started, and as those of others."""

    database: DatabaseServer
    cache: CacheServer
    deadman: DeadMan
    log: Path
    collection: str

    def faults(self) -> Faults:
        services = {"postgresql": self.database.service, "redis": self.cache.service}
        return Faults(
            None,
            {},
            {name: service for name, service in services.items() if service is not None},
            stores={"postgresql": self.database, "redis": self.cache},
            reaper=self.deadman,
        )

    def faults_of_others(self, *listed: str) -> Faults:
        """Attached: the same role for suite and gateway, servers that somebody else started."""
        database = replace(self.database, url=self.database.gateway_url, service=None)
        stores: dict[str, Store] = {"postgresql": database, "redis": CacheServer(self.cache.url)}
        return Faults(None, {}, {}, listed, stores=stores, reaper=self.deadman)

    @contextmanager
    def gateway(self) -> Iterator[psycopg2.extensions.cursor]:
        """A session as the gateway has it."""
        connection = psycopg2.connect(
            self.database.gateway_url, connect_timeout=2, options="-c lock_timeout=200"
        )
        connection.autocommit = True
        with closing(connection), connection.cursor() as cursor:
            yield cursor

    def write(self, item: str = OURS, status: str = "pending") -> None:
        with self.gateway() as cursor:
            cursor.execute(WRITE, (self.collection, item, status))

    def count(self) -> int:
        with self.gateway() as cursor:
            cursor.execute(COUNT)
            row = cursor.fetchone()
            assert row
            return int(row[0])


@pytest.fixture(scope="module")
def stores() -> Iterator[Stores]:
    run = Run.current()
    with ExitStack() as closing:
        directory = directory_of(run, closing)
        log = directory / "deadman.log"
        deadman = DeadMan.start(log)
        closing.callback(deadman.disarm)
        deadman.remove_directory(directory)
        workshop = Workshop(directory, directory / "logs", deadman)
        database_port, cache_port = free_ports(2)
        postgres, valkey = servers.postgres(workshop, database_port), servers.valkey(workshop, cache_port)
        for service in (postgres.service, valkey.service):
            closing.callback(service.stop)
            service.start()
        servers.create_gateway_role(postgres)
        schema.create(postgres.suite_url, SCHEMA, run, servers.GATEWAY_ROLE)
        database = DatabaseServer(postgres.suite_url, postgres.gateway_url, SCHEMA, postgres.service)
        (collection,) = database.ask(
            "INSERT INTO platform.collections (collection_id, name, vector_size, distance, model, status)"
            " VALUES (gen_random_uuid(), 'at_c', 8, 'cosine', 'all-MiniLM-L6-v2', 'active')"
            " RETURNING collection_id::text"
        )
        yield Stores(database, CacheServer(valkey.url, valkey.service), deadman, log, collection)


@pytest.fixture(autouse=True)
def untouched(stores: Stores) -> Iterator[None]:
    """Everything that a fault may change is as it was."""
    before = state(stores)
    yield
    assert state(stores) == before
    stores.database.run(["TRUNCATE platform.vector_metadata"])


def state(stores: Stores) -> dict[str, object]:
    settings = stores.database.ask("SELECT count(*) FROM pg_db_role_setting")
    limits = stores.database.ask("SELECT string_agg(rolname || rolconnlimit, ' ' ORDER BY 1) FROM pg_roles")
    made = stores.database.ask("SELECT count(*) FROM pg_class WHERE relname LIKE 'at\\_fault%'")
    functions = stores.database.ask("SELECT count(*) FROM pg_proc WHERE proname LIKE 'at\\_fault%'")
    locks = stores.database.ask(
        "SELECT count(*) FROM pg_locks WHERE mode = 'ExclusiveLock' AND relation > 20000"
    )
    with closing(lease.connect(stores.cache.url)) as client:
        configured = {
            name: client.config_get(name)
            for name in ("maxmemory", "maxmemory-policy", "min-replicas-to-write", "maxclients")
        }
        paused = client.info("clients")["paused_actions"]
    return {"of PostgreSQL": (settings, limits, made, functions, locks), "of Redis": (configured, paused)}


def impatient(url: str) -> redis.Redis:
    return redis.Redis.from_url(url, socket_timeout=0.2, retry=Retry(NoBackoff(), 0), protocol=2)


def test_a_read_only_store_refuses_writes_and_is_read(stores: Stores) -> None:
    with stores.gateway() as kept:
        fault = stores.faults().inject("postgresql", "read_only")
        with pytest.raises(psycopg2.OperationalError):
            kept.execute("SELECT 1")
    assert fault.hits() == 0, "nobody has tried to write"
    with pytest.raises(psycopg2.errors.ReadOnlySqlTransaction):
        stores.write()
    assert stores.count() == 0
    assert fault.hits() == 1
    fault.end()
    stores.write()


def test_no_connection_is_left_for_the_gateway_while_the_suite_looks_on(stores: Stores) -> None:
    fault = stores.faults().inject("postgresql", "no_connections")
    with pytest.raises(psycopg2.OperationalError, match="too many connections for role"):
        stores.count()
    assert fault.hits() == 1
    assert stores.database.ask("SELECT 1") == (1,)
    fault.end()
    assert stores.count() == 0


def test_sessions_are_ended_once_and_counted(stores: Stores) -> None:
    with stores.gateway() as one, stores.gateway() as other:
        fault = stores.faults().inject("postgresql", "disconnected")
        assert fault.hits() == 2
        for cursor in (one, other):
            with pytest.raises(psycopg2.OperationalError):
                cursor.execute("SELECT 1")
    assert stores.count() == 0, "a new session is let in at once"
    fault.end()


def test_documents_that_somebody_locks_are_read_and_not_written(stores: Stores) -> None:
    fault = stores.faults().inject("postgresql", "locked")
    assert stores.count() == 0
    with pytest.raises(psycopg2.errors.LockNotAvailable):
        stores.write()
    assert fault.hits() == 1
    fault.end()
    stores.write()


def test_a_full_store_refuses_what_is_written(stores: Stores) -> None:
    fault = stores.faults().inject("postgresql", "full")
    for _ in range(2):
        with pytest.raises(psycopg2.errors.DiskFull):
            stores.write()
    assert fault.hits() == 2
    fault.end()
    stores.write()
    assert stores.count() == 1


def test_one_write_loses_a_conflict_and_the_next_is_done(stores: Stores) -> None:
    fault = stores.faults().inject("postgresql", "conflicting")
    with pytest.raises(psycopg2.errors.SerializationFailure):
        stores.write()
    stores.write()
    assert stores.count() == 1
    fault.end()
    assert fault.hit == 2, "both came by, the first was hit"


def test_a_commit_fails_after_every_statement_went_well(stores: Stores) -> None:
    fault = stores.faults().inject("postgresql", "uncommittable")
    stores.write(status="pending")
    connection = psycopg2.connect(stores.database.gateway_url, connect_timeout=2)
    with closing(connection):
        with connection.cursor() as cursor:
            cursor.execute("UPDATE platform.vector_metadata SET status = 'stored'")
        with pytest.raises(psycopg2.errors.IoError):
            connection.commit()
    assert fault.hits() == 1
    fault.end()


@pytest.mark.parametrize(
    ("kind", "error"), [("full", "maxmemory"), ("refuses_writes", "NOREPLICAS"), ("paused", "Timeout")]
)
def test_a_cache_that_takes_nothing_is_still_read(stores: Stores, kind: str, error: str) -> None:
    with closing(lease.connect(stores.cache.url)) as client:
        client.set("at_known", "value", ex=60)
        fault = stores.faults().inject("redis", kind)
        with closing(impatient(stores.cache.url)) as writer, pytest.raises(redis.RedisError, match=error):
            writer.set("at_new", "value", ex=60)
        assert client.get("at_known") == b"value"
        assert fault.hits() == 1
        fault.end()
        client.set("at_new", "value", ex=60)


def test_a_cache_without_a_free_connection_lets_only_the_healer_in(stores: Stores) -> None:
    fault = stores.faults().inject("redis", "no_connections")
    for _ in range(2):
        with closing(lease.connect(stores.cache.url)) as client, pytest.raises(redis.ConnectionError):
            client.ping()
    assert fault.hits() == 2
    fault.end()
    with closing(lease.connect(stores.cache.url)) as client:
        assert client.ping()


@pytest.mark.parametrize(
    ("target", "kind"),
    [
        ("postgresql", "read_only"),
        ("postgresql", "no_connections"),
        ("postgresql", "full"),
        ("redis", "full"),
        ("redis", "paused"),
    ],
)
def test_a_rollback_works_whoever_carries_it_out_and_as_often(stores: Stores, target: str, kind: str) -> None:
    """What the dead-man process was told is enough; ``untouched`` judges."""
    fault = stores.faults().inject(target, kind)
    rollback = fault._injector.rollback()
    assert rollback is not None
    carry_out(rollback)
    carry_out(rollback)
    fault.end()


def test_servers_of_others_are_struck_only_where_that_is_listed_and_can_be_undone(stores: Stores) -> None:
    with pytest.raises(Unavailable, match="CITADEL_FAULTS does not list postgresql:read_only"):
        stores.faults_of_others("redis").inject("postgresql", "read_only")
    faults = stores.faults_of_others("postgresql", "redis:full")
    with pytest.raises(Unavailable, match="lock itself out"):
        faults.inject("postgresql", "no_connections")
    with pytest.raises(Unavailable, match="CITADEL_FAULTS does not list redis:paused"):
        faults.inject("redis", "paused")
    fault = faults.inject("postgresql", "read_only")
    assert fault.hits() == 1, "no log can be seen: it is in force"
    with pytest.raises(Unavailable, match="read-only already"):
        stores.faults().inject("postgresql", "read_only")
    with pytest.raises(psycopg2.errors.ReadOnlySqlTransaction):
        stores.write()
    fault.end()
    assert fault.hits() == 0
    stores.write()


def test_a_fault_that_lasts_too_long_is_ended_by_the_dead_man(
    stores: Stores, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A suite that hangs forgets its faults as a dead one does."""
    monkeypatch.setattr("support.faults.faults.LONGEST_S", 0.3)
    fault = stores.faults().inject("postgresql", "full")
    told = eventually(
        stores.log.read_text,
        lambda log: "ended the fault postgresql full" in log,
        within=8,
        what="the dead-man process has ended it",
    )
    stores.write()
    with pytest.raises(FaultError, match=r"longer than the 0\.3 s it may last"):
        fault.end()
    assert "the fault postgresql full is about to begin; rolled back by: DROP FUNCTION" in told
    assert "has lasted longer than 0.3 s" in told
