"""The metadata store as the suite sees it: rows, collections, events and users, read around the gateway."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

import psycopg2
import psycopg2.extensions
from psycopg2 import sql

from support.drivers.errors import StoreUnreachable
from support.drivers.journal import Journal
from support.isolation.sessions import Bounded, bounded_by, options_of, refuse_pooler, wait

STORE = "postgresql"
PAGE = 1000
# The server cancels a statement first, so that the connection survives; the client is the last resort.
CLIENT_SLACK_S = 0.5
TEXT_TYPES = ("text", "character varying", "json", "jsonb", "bytea")
_OCCURS_IN_TEXT = "coalesce(bool_or(strpos({}::text, {}) > 0), false)"
_OCCURS_IN_BYTES = "coalesce(bool_or(position({1}::bytea IN {0}) > 0), false)"

_ROW = """
SELECT v.collection_id, c.name, v.point_id, v.external_id, v.source, v.text_content, v.metadata, v.model,
       v.dimensions, encode(v.content_hash, 'hex'), encode(v.metadata_hash, 'hex'),
       encode(v.vector_checksum, 'hex'), v.status, v.version, v.stored_generation, v.created_at, v.updated_at,
       extract(epoch FROM clock_timestamp() - v.updated_at)::float8
FROM vector_metadata v JOIN collections c USING (collection_id)
"""
# What a scan compares, in the order of ``Brief``. Ordered by v.point_id, not by the text: that is 15 times
# slower and another order.
_BRIEF = """
SELECT v.point_id::text, v.external_id, v.source, v.text_content, v.metadata::text, v.model, v.dimensions,
       encode(v.content_hash, 'hex'), encode(v.metadata_hash, 'hex'), encode(v.vector_checksum, 'hex'),
       v.status, v.version, v.created_at
FROM vector_metadata v
"""
_COLLECTION = """
SELECT collection_id, name, vector_size, distance, model, status, generation, created_at,
       extract(epoch FROM clock_timestamp() - updated_at)::float8
FROM collections
"""
_EVENT_NAME = "coalesce(c.name, o.payload->>'name', '')"
_EVENT = f"""
SELECT o.event_id, o.collection_id, {_EVENT_NAME}, o.point_id, o.operation, o.version, o.attempts,
       o.last_error, extract(epoch FROM clock_timestamp() - o.created_at)::float8
FROM outbox o LEFT JOIN collections c USING (collection_id)
WHERE o.done_at IS NULL
"""


@dataclass(frozen=True, slots=True)
class Row:
    """One item of PostgreSQL (table ``vector_metadata``); hashes in hex, ``age_s`` by the server's clock."""

    collection_id: UUID
    collection: str
    point_id: UUID
    external_id: str
    source: str
    text: str | None
    metadata: dict[str, Any]
    model: str | None
    dimensions: int
    content_hash: str | None
    metadata_hash: str
    vector_checksum: str | None
    status: str
    version: int
    stored_generation: int | None
    created_at: datetime
    updated_at: datetime
    age_s: float


# The part of an item that a scan compares: point id, client's id, source, text, metadata (JSON text), model,
# dimensions, content_hash, metadata_hash, vector_checksum (hex), status, version, created_at. A plain tuple,
# for scans read millions of them.
Brief = tuple[
    str, str, str, str | None, str, str | None, int, str | None, str, str | None, str, int, datetime
]


@dataclass(frozen=True, slots=True)
class CollectionRecord:
    """One collection as PostgreSQL declares it; ``age_s`` since its last change, by the server's clock."""

    collection_id: UUID
    name: str
    vector_size: int
    distance: str
    model: str | None
    status: str
    generation: int
    created_at: datetime
    age_s: float


@dataclass(frozen=True, slots=True)
class OpenEvent:
    """One outbox event that is not done; ``point_id`` is None when it is about the collection itself."""

    event_id: int
    collection_id: UUID
    collection: str
    point_id: UUID | None
    operation: str
    version: int
    attempts: int
    last_error: str | None
    age_s: float


@dataclass(slots=True)
class MetadataStore:
    """PostgreSQL through one connection, opened when needed and again after it broke.

    ``read_only``: the server itself refuses every write.

    ``schema`` None leaves the search path of the URL's role. A call takes at most ``timeout_s`` and half a
    second and raises ``StoreUnreachable`` otherwise. Threads may share it: they take turns.
    """

    url: str
    schema: str | None
    journal: Journal
    timeout_s: float = 3.0
    read_only: bool = False
    _connection: Bounded | None = None
    _turn: threading.RLock = field(default_factory=threading.RLock)

    # -- rows, collections, events

    def rows(self, collection: str | UUID, *, page: int = PAGE) -> Iterator[Row]:
        """All items of a collection (name or collection_id), by point id, in pages of ``page``."""
        condition, last = _collection_is(collection), UUID(int=0)
        while True:
            found = self.select(
                f"{_ROW} WHERE {condition} AND v.point_id > %s ORDER BY v.point_id LIMIT %s",
                (collection, last, page),
                what=f"rows of {collection}",
            )
            yield from (Row(*record) for record in found)
            if len(found) < page:
                return
            last = found[-1][2]

    def briefs(
        self, collection_id: UUID, start: UUID | None, stop: UUID | None, *, page: int = PAGE
    ) -> Iterator[list[Brief]]:
        """Items with ``start`` <= point id < ``stop`` (None: no bound), by point id, in pages of ``page``."""
        condition, values = "collection_id = %s", [collection_id]
        if stop is not None:
            condition, values = f"{condition} AND point_id < %s", [*values, stop]
        least = start
        comparison = ">="
        while True:
            lower = f" AND point_id {comparison} %s" if least is not None else ""
            found = self.select(
                f"{_BRIEF} WHERE {condition}{lower} ORDER BY v.point_id LIMIT %s",
                (*values, *([least] if least is not None else []), page),
                what=f"range of rows of {collection_id}",
            )
            yield found
            if len(found) < page:
                return
            least, comparison = UUID(found[-1][0]), ">"

    def stored_rows(self, collection: str | UUID) -> list[Row]:
        """The items of a collection that are stored, by point id."""
        return [row for row in self.rows(collection) if row.status == "stored"]

    def row(self, collection: str | UUID, external_id: str) -> Row | None:
        """One item by the client's id."""
        found = self.select(
            f"{_ROW} WHERE {_collection_is(collection)} AND v.external_id = %s",
            (collection, external_id),
            what=f"row {external_id} of {collection}",
        )
        return Row(*found[0]) if found else None

    def rows_by_id(self, collection_id: UUID, point_ids: Sequence[UUID]) -> dict[UUID, Row]:
        """Items by point id; unknown ids are left out."""
        found = self.select(
            f"{_ROW} WHERE v.collection_id = %s AND v.point_id = ANY(%s::uuid[])",
            (collection_id, list(point_ids)),
            what=f"{len(point_ids)} rows by id",
        )
        return {record[2]: Row(*record) for record in found}

    def rows_with_content(self, hashes: Sequence[str], *prefixes: str) -> list[Row]:
        """Stored items whose text has one of the SHA-256 ``hashes`` (hex), in collections with such names."""
        found = self.select(
            f"{_ROW} WHERE v.content_hash = ANY(%s::bytea[]) AND v.status = 'stored' AND {_starts('c.name')}",
            ([bytes.fromhex(each) for each in hashes], list(prefixes or ("",))),
            what=f"rows of {len(hashes)} contents",
        )
        return [Row(*record) for record in found]

    def count_stored(self, collection: str | UUID) -> int:
        """The number of stored items of a collection."""
        found = self.select(
            "SELECT count(*) FROM vector_metadata v JOIN collections c USING (collection_id)"
            f" WHERE {_collection_is(collection)} AND v.status = 'stored'",
            (collection,),
            what=f"count of {collection}",
        )
        return int(found[0][0])

    def collection(self, name: str) -> CollectionRecord | None:
        """One collection by its name."""
        found = self.select(f"{_COLLECTION} WHERE name = %s", (name,), what=f"collection {name}")
        return CollectionRecord(*found[0]) if found else None

    def collections(self, *prefixes: str) -> list[CollectionRecord]:
        """Collections whose name starts with one of ``prefixes`` (all without any), by name."""
        found = self.select(
            f'{_COLLECTION} WHERE {_starts("name")} ORDER BY name COLLATE "C"',
            (list(prefixes or ("",)),),
            what="collections",
        )
        return [CollectionRecord(*record) for record in found]

    def open_events(self, *prefixes: str) -> list[OpenEvent]:
        """Events not done of collections with such names, oldest first.

        An event of a collection that is gone has the name its payload gives, or an empty one.
        """
        found = self.select(
            f"{_EVENT} AND {_starts(_EVENT_NAME)} ORDER BY o.event_id",
            (list(prefixes or ("",)),),
            what="open events",
        )
        return [OpenEvent(*record) for record in found]

    def unfinished_jobs(self, *prefixes: str) -> list[tuple[str, str]]:
        """``(state, collection)`` of jobs that have not ended, by prefixes of collections, oldest first."""
        found = self.select(
            "SELECT status, collection_name FROM embedding_jobs WHERE completed_at IS NULL"
            f" AND {_starts('collection_name')} ORDER BY created_at",
            (list(prefixes or ("",)),),
            what="unfinished jobs",
        )
        return [(str(state), str(name)) for state, name in found]

    def written_by(self, job_id: str) -> list[str]:
        """Client ids of the items that the job wrote last."""
        found = self.select(
            "SELECT external_id FROM vector_metadata WHERE job_id = %s::uuid", (job_id,), what=f"job {job_id}"
        )
        return [str(external_id) for (external_id,) in found]

    def job_attempts(self, job_id: str) -> int:
        """How often a worker has taken up the job."""
        found = self.select(
            "SELECT attempts FROM embedding_jobs WHERE job_id = %s::uuid", (job_id,), what=f"job {job_id}"
        )
        return int(found[0][0])

    def newest_events(self, collection_id: UUID, point_ids: Sequence[UUID]) -> dict[UUID, int]:
        """Per point the number of its newest event, done or not: it grows with every write to the point."""
        found = self.select(
            "SELECT point_id, max(event_id) FROM outbox"
            " WHERE collection_id = %s AND point_id = ANY(%s::uuid[]) GROUP BY point_id",
            (collection_id, list(point_ids)),
            what=f"newest events of {len(point_ids)} points",
        )
        return {point_id: int(event_id) for point_id, event_id in found}

    # -- users

    def add_user(
        self, username: str, role: str, key: str, rate_limit_rpm: int, *, expires_in_s: float | None = None
    ) -> UUID:
        """Let ``key`` act as ``username`` in ``role`` (admin, user, readonly); only its hash is kept.

        ``expires_in_s`` None: the key does not expire; below zero: it has expired already.
        """
        self.journal.secrets.add(key, f"key of {username}")
        found = self.select(
            "INSERT INTO users (username, role, api_key_prefix, api_key_sha256, rate_limit_rpm, expires_at)"
            " VALUES (%s, %s, %s, %s, %s, now() + %s::float8 * interval '1 second') RETURNING user_id",
            (username, role, key[:8], hashlib.sha256(key.encode()).digest(), rate_limit_rpm, expires_in_s),
            what=f"add user {username}",
        )
        return UUID(str(found[0][0]))

    def revoke_user(self, username: str) -> None:
        """Make the user's key invalid from now on."""
        self.execute("UPDATE users SET revoked_at = now() WHERE username = %s", (username,))

    def remove_user(self, username: str) -> None:
        """Delete a user; what it owns is kept without an owner."""
        of_user = "(SELECT user_id FROM users WHERE username = %s)"
        for table, column in (
            ("collections", "owner_id"),
            ("vector_metadata", "created_by"),
            ("embedding_jobs", "submitted_by"),
        ):
            self.execute(f"UPDATE {table} SET {column} = NULL WHERE {column} = {of_user}", (username,))
        self.execute("DELETE FROM users WHERE username = %s", (username,))

    # -- the server itself

    def now(self) -> datetime:
        """The server's clock."""
        moment = self.select("SELECT clock_timestamp()", what="clock")[0][0]
        assert isinstance(moment, datetime)
        return moment

    @contextmanager
    def open_transaction(self) -> Iterator[MetadataStore]:
        """A session of its own whose transaction stays open inside and is rolled back afterwards.

        What it locks others wait for: so a writer can be held at an exact statement.
        """
        session = MetadataStore(self.url, self.schema, self.journal, self.timeout_s)
        try:
            session.execute("BEGIN")
            yield session
        finally:
            session.close()

    def sessions_waiting(self, table: str) -> int:
        """Sessions whose statement names ``table`` and waits for somebody else's lock on a row or a table."""
        found = self.select(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
            " AND wait_event_type = 'Lock' AND wait_event IN ('relation', 'transactionid', 'tuple')"
            " AND query ~* %s",
            (rf"\y{table}\y",),
            what=f"sessions that wait for {table}",
        )
        return int(found[0][0])

    def version(self) -> str:
        """Such as ``18.6``."""
        return str(self.select("SHOW server_version", what="version")[0][0])

    def sees_every_row(self) -> bool:
        """Whether no row-level security hides items from this role."""
        rows = self.select(
            "SELECT NOT (row_security_active('vector_metadata') OR row_security_active('collections')"
            " OR row_security_active('outbox'))",
            what="row security",
        )
        return bool(rows[0][0])

    def contains_text(self, needle: str) -> list[str]:
        """``table.column`` of every column of text, JSON or bytes in which ``needle`` occurs."""
        columns = self.select(
            "SELECT table_name, column_name, data_type FROM information_schema.columns"
            " WHERE table_schema = current_schema() AND data_type = ANY(%s) ORDER BY 1, ordinal_position",
            (list(TEXT_TYPES),),
            what="text columns",
        )
        tables: dict[str, dict[str, str]] = {}
        for table, column, kind in columns:
            tables.setdefault(table, {})[column] = kind
        found = []
        for table, names in tables.items():
            occurs = [
                sql.SQL(_OCCURS_IN_BYTES if kind == "bytea" else _OCCURS_IN_TEXT).format(
                    sql.Identifier(name), sql.Placeholder()
                )
                for name, kind in names.items()
            ]
            query = sql.SQL("SELECT {} FROM {}").format(sql.SQL(", ").join(occurs), sql.Identifier(table))
            values = [needle.encode() if kind == "bytea" else needle for kind in names.values()]
            hits = self.select(query, values, what=f"search of {table}")[0]
            found += [f"{table}.{name}" for name, hit in zip(names, hits, strict=True) if hit]
        return found

    # -- primitives

    @contextmanager
    def snapshot(self) -> Iterator[None]:
        """All reads inside see one state of the database (REPEATABLE READ, read only)."""
        with self._turn:
            self.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
            try:
                yield
            finally:
                # A lost connection has taken its transaction along.
                if self._connection is not None:
                    self.execute("COMMIT")

    def select(
        self, statement: str | sql.Composable, values: Sequence[object] = (), *, what: str | None = None
    ) -> list[tuple[Any, ...]]:
        """All records of one statement. ``what`` names it in the journal; values are never shown."""
        with self._turn, self._cursor(what or _first_words(statement)) as cursor:
            cursor.execute(statement, values)
            return cursor.fetchall()

    def execute(self, statement: str | sql.Composable, values: Sequence[object] = ()) -> int:
        """One statement without records; returns the number of rows it touched."""
        with self._turn, self._cursor(_first_words(statement)) as cursor:
            cursor.execute(statement, values)
            return cursor.rowcount

    def close(self) -> None:
        """Close the connection; the next call opens another."""
        with self._turn:
            connection, self._connection = self._connection, None
            if connection is not None:
                connection.close()

    @contextmanager
    def _cursor(self, what: str) -> Iterator[psycopg2.extensions.cursor]:
        with self.journal.call(STORE, what):
            try:
                if self._connection is None or self._connection.closed:
                    self._connection = self._connect()
                with self._connection.cursor() as cursor:
                    yield cursor
            except (psycopg2.OperationalError, psycopg2.InterfaceError) as error:
                self._connection = None
                raise self._unreachable(error) from error
            except psycopg2.Error as error:
                raise self._unreachable(error) from error

    def _unreachable(self, error: psycopg2.Error) -> StoreUnreachable:
        lines = str(error).strip().splitlines() or [type(error).__name__]
        return StoreUnreachable(STORE, self.journal.secrets.redact(lines[0]))

    def _connect(self) -> Bounded:
        psycopg2.extensions.set_wait_callback(wait)
        psycopg2.extensions.register_adapter(UUID, _quoted)
        milliseconds = int(self.timeout_s * 1000)
        asked = [
            f"-c statement_timeout={milliseconds} -c lock_timeout={milliseconds}",
            "-c idle_in_transaction_session_timeout=30000",
            "-c default_transaction_read_only=on" if self.read_only else "",
        ]
        connection: Bounded = psycopg2.connect(
            self.url,
            connection_factory=bounded_by(self.timeout_s + CLIENT_SLACK_S),
            connect_timeout=2,
            tcp_user_timeout=3000,
            keepalives=1,
            keepalives_idle=1,
            keepalives_interval=1,
            keepalives_count=3,
            application_name="citadel-suite",
            options=options_of(self.url, " ".join(asked)),
        )
        connection.autocommit = True
        refuse_pooler(connection, milliseconds)
        psycopg2.extensions.register_type(_UUID, connection)
        if self.schema is not None:
            with connection.cursor() as cursor:
                cursor.execute("SELECT set_config('search_path', quote_ident(%s), false)", (self.schema,))
        return connection


def _uuid(value: str | bytes | None, _cursor: object) -> UUID | None:
    return None if value is None else UUID(str(value))


# 2950 is PostgreSQL's type number of uuid.
_UUID = psycopg2.extensions.new_type((2950,), "UUID", _uuid)


def _quoted(value: UUID) -> psycopg2.extensions.AsIs:
    return psycopg2.extensions.AsIs(f"'{value}'::uuid")


def _collection_is(collection: str | UUID) -> str:
    return "v.collection_id = %s" if isinstance(collection, UUID) else "c.name = %s"


def _starts(column: str) -> str:
    return f"EXISTS (SELECT FROM unnest(%s::text[]) prefix WHERE starts_with({column}, prefix))"


def _first_words(statement: str | sql.Composable) -> str:
    text = statement if isinstance(statement, str) else "statement"
    return " ".join(text.split())[:80]
