"""A PostgreSQL schema of the suite's own: made with the contract's tables, dropped only if it is ours.

Whatever makes or drops does it in one transaction, with names in full or settings that end with it: a pooler
would hand any other setting on to the next client of the server.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psycopg2
import psycopg2.errors
import psycopg2.extensions
from psycopg2 import sql

from support.isolation.heartbeat import Heart, Missed, Sign
from support.isolation.names import Run
from support.isolation.sessions import connected, options_of

CONNECTED_WITHIN_S = 3.0
STATEMENT_TIMEOUT_S = 10
MARK = "citadel-acceptance"
TABLES = Path(__file__).resolve().parent.parent / "contract" / "schema.sql"
# Beside the platform's tables; it goes with them.
HEARTBEAT = "acceptance_heartbeat"
# A role or database may be set to read only, by a scenario of another run for instance.
WRITING = sql.SQL(
    "SET TRANSACTION READ WRITE; SET LOCAL statement_timeout = '{0}s'; SET LOCAL lock_timeout = '{0}s'"
).format(sql.Literal(STATEMENT_TIMEOUT_S))


@dataclass(frozen=True, slots=True)
class OwnSchema:
    """A schema of the suite's; ``kept``: left on purpose."""

    name: str
    run: Run
    sign: Sign
    kept: bool


def connect(url: str) -> psycopg2.extensions.connection:
    """A short-lived connection in autocommit mode with bounded statements."""
    connection = connected(
        url,
        CONNECTED_WITHIN_S,
        # A beat must not wait without end on a line that is dead.
        tcp_user_timeout=3000,
        application_name="citadel-suite",
        options=options_of(url, f"-c statement_timeout={STATEMENT_TIMEOUT_S * 1000}"),
    )
    connection.autocommit = True
    return connection


def create(url: str, name: str, run: Run, role: str | None = None) -> None:
    """Create schema ``name`` with all tables, marked as ``run``'s, owned by ``role`` (default: the URL's)."""
    schema, mark = sql.Identifier(name), sql.Literal(_mark(run))
    with _transaction(url) as cursor:
        if role is not None:
            of_role = sql.SQL("CREATE SCHEMA {} AUTHORIZATION {}").format(schema, sql.Identifier(role))
            cursor.execute(of_role)
        else:
            cursor.execute(sql.SQL("CREATE SCHEMA {}").format(schema))
        cursor.execute(sql.SQL("COMMENT ON SCHEMA {} IS {}").format(schema, mark))
        if role is not None:
            cursor.execute(sql.SQL("SET LOCAL ROLE {}").format(sql.Identifier(role)))
        cursor.execute(sql.SQL("SET LOCAL search_path = {}").format(schema))
        cursor.execute(TABLES.read_text())
        heartbeat = sql.Identifier(name, HEARTBEAT)
        cursor.execute(
            sql.SQL(
                "CREATE TABLE {0} (run text PRIMARY KEY, beat bigint NOT NULL, at timestamptz NOT NULL);"
                " INSERT INTO {0} VALUES ({1}, 0, clock_timestamp())"
            ).format(heartbeat, sql.Literal(run.id))
        )


def drop(url: str, name: str) -> bool:
    """Drop schema ``name`` if its comment names a run of ours; returns whether it was dropped."""
    with _transaction(url) as cursor:
        cursor.execute(
            "SELECT obj_description(oid, 'pg_namespace') FROM pg_namespace WHERE nspname = %s", (name,)
        )
        row = cursor.fetchone()
        if row is None or _owner(row[0]) is None:
            return False
        cursor.execute(sql.SQL("DROP SCHEMA IF EXISTS {} CASCADE").format(sql.Identifier(name)))
        return True


def keep(url: str, name: str, run: Run) -> None:
    """Mark the schema as left on purpose."""
    with _transaction(url) as cursor:
        cursor.execute(
            sql.SQL("COMMENT ON SCHEMA {} IS {}").format(
                sql.Identifier(name), sql.Literal(_mark(run, kept=True))
            )
        )


def ours(url: str) -> list[OwnSchema]:
    """The suite's schemas in that database which this role may drop, with the last beat in each.

    One without the table of the heartbeat says nothing about its run, so it is not among them.
    """
    connection = connect(url)
    try:
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT nspname, obj_description(oid, 'pg_namespace') FROM pg_namespace"
                " WHERE starts_with(nspname, 'at_') AND pg_has_role(nspowner, 'USAGE') ORDER BY 1"
            )
            return [found for name, comment in cursor.fetchall() if (found := _found(cursor, name, comment))]
    finally:
        connection.close()


@dataclass(slots=True)
class Beats:
    """The heartbeat of a run in its schema, until ``stop``."""

    url: str
    name: str
    _connection: psycopg2.extensions.connection | None = None
    _heart: Heart = field(init=False)

    def __post_init__(self) -> None:
        self._heart = Heart("postgresql", self._beat)

    def start(self) -> None:
        """Beat from now on."""
        self._heart.start()

    def stop(self) -> None:
        """Beat no more."""
        self._heart.stop()
        self._hang_up()

    def _beat(self) -> None:
        statement = sql.SQL("{}; UPDATE {} SET beat = beat + 1, at = clock_timestamp()").format(
            WRITING, sql.Identifier(self.name, HEARTBEAT)
        )
        try:
            if self._connection is None:
                self._connection = connect(self.url)
            with self._connection.cursor() as cursor:
                # One message is one transaction.
                cursor.execute(statement)
        except psycopg2.Error as error:
            self._hang_up()
            raise Missed from error  # a scenario may have stopped the server

    def _hang_up(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()


@contextmanager
def _transaction(url: str) -> Iterator[psycopg2.extensions.cursor]:
    """One transaction that writes, whatever the role's defaults are; rolled back on an error."""
    connection = connect(url)
    try:
        connection.autocommit = False
        with connection, connection.cursor() as cursor:
            cursor.execute(WRITING)
            yield cursor
    finally:
        connection.close()


def _found(cursor: psycopg2.extensions.cursor, name: str, comment: str | None) -> OwnSchema | None:
    run, mark = Run.of(name), _read_mark(comment)
    if run is None or _owner(comment) != run.id:
        return None
    try:
        cursor.execute(
            sql.SQL(
                "SELECT beat, extract(epoch FROM clock_timestamp() - at)::float8 FROM {} WHERE run = {}"
            ).format(sql.Identifier(name, HEARTBEAT), sql.Literal(run.id))
        )
    except (psycopg2.errors.UndefinedTable, psycopg2.errors.InvalidSchemaName):
        return None  # dropped by its run in this moment, or never ours
    row = cursor.fetchone()
    return OwnSchema(name, run, Sign(f"postgresql {row[0]}", row[1]), bool(mark.get("kept"))) if row else None


def _mark(run: Run, *, kept: bool = False) -> str:
    return json.dumps({MARK: run.id, "kept": kept})


def _read_mark(comment: str | None) -> Mapping[str, object]:
    try:
        mark = json.loads(comment or "{}")
    except ValueError:
        return {}
    return mark if isinstance(mark, dict) else {}


def _owner(comment: str | None) -> str | None:
    """The run named in a schema's comment, or None where it is not ours."""
    owner = _read_mark(comment).get(MARK)
    return str(owner) if owner else None
