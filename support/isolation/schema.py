"""A PostgreSQL schema of the suite's own: made with the contract's tables, dropped only if it is ours."""

from __future__ import annotations

import json
from pathlib import Path

import psycopg2
import psycopg2.extensions
from psycopg2 import sql

from support.drivers.postgres import options_of
from support.isolation.names import Run

STATEMENT_TIMEOUT = "-c statement_timeout=10000"
MARK = "citadel-acceptance"
TABLES = Path(__file__).resolve().parent.parent / "contract" / "schema.sql"


def connect(url: str) -> psycopg2.extensions.connection:
    """A short-lived connection in autocommit mode with bounded statements."""
    connection = psycopg2.connect(
        url,
        connect_timeout=3,
        application_name="citadel-suite",
        options=options_of(url, STATEMENT_TIMEOUT),
    )
    connection.autocommit = True
    return connection


def create(url: str, name: str, run: Run, role: str | None = None) -> None:
    """Create schema ``name`` with all tables, marked as ``run``'s, owned by ``role`` (default: the URL's)."""
    owner = json.dumps({MARK: run.id, "pid": run.pid, "started": run.started})
    connection = connect(url)
    try:
        with connection.cursor() as cursor:
            schema = sql.Identifier(name)
            of_role = sql.SQL(" AUTHORIZATION {}").format(sql.Identifier(role)) if role else sql.SQL("")
            # One message is one transaction: a run killed here leaves no schema without its mark.
            cursor.execute(
                sql.SQL("CREATE SCHEMA {}{}; COMMENT ON SCHEMA {} IS {}").format(
                    schema, of_role, schema, sql.Literal(owner)
                )
            )
            if role is not None:
                cursor.execute(sql.SQL("SET ROLE {}").format(sql.Identifier(role)))
            cursor.execute(sql.SQL("SET search_path = {}").format(schema))
            cursor.execute(TABLES.read_text())
    finally:
        connection.close()


def drop(url: str, name: str) -> bool:
    """Drop schema ``name`` if its comment names a run of ours; returns whether it was dropped."""
    connection = connect(url)
    try:
        with connection.cursor() as cursor:
            if _owner(cursor, name) is None:
                return False
            cursor.execute(sql.SQL("DROP SCHEMA {} CASCADE").format(sql.Identifier(name)))
            return True
    finally:
        connection.close()


def ours(url: str) -> list[tuple[str, Run]]:
    """The suite's schemas in that database, with the run that made each."""
    connection = connect(url)
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT nspname FROM pg_namespace WHERE nspname LIKE %s ORDER BY 1", (r"at\_%",))
            names = [str(row[0]) for row in cursor.fetchall()]
            return [
                (name, run)
                for name in names
                if (run := Run.of(name)) is not None and _owner(cursor, name) == run.id
            ]
    finally:
        connection.close()


def _owner(cursor: psycopg2.extensions.cursor, name: str) -> str | None:
    """The run named in the schema's comment, or None where the schema is missing or not ours."""
    cursor.execute(
        "SELECT obj_description(oid, 'pg_namespace') FROM pg_namespace WHERE nspname = %s", (name,)
    )
    row = cursor.fetchone()
    try:
        comment = json.loads(row[0]) if row and row[0] else {}
    except ValueError:
        return None
    owner = comment.get(MARK) if isinstance(comment, dict) else None
    return str(owner) if owner else None
