"""Sessions of PostgreSQL whose waits all end: none hangs on a server that is frozen, or on a pooler."""

from __future__ import annotations

import select
import time
from typing import Any

import psycopg2
import psycopg2.extensions

from support import addresses

# For connections of this process that are not the driver's; they have their own statement time-outs.
OTHERS_LIMIT_S = 30.0


class Bounded(psycopg2.extensions.connection):
    """A connection whose waits end after ``limit_s``, also when the server is frozen."""

    limit_s = OTHERS_LIMIT_S


def wait(connection: psycopg2.extensions.connection) -> None:
    """psycopg2's wait callback with a deadline: no libpq option bounds the wait for a frozen server.

    It must not close the connection (that deadlocks); psycopg2 itself gives it up when this raises. It holds
    for the whole process and forbids COPY.
    """
    limit_s: float = getattr(connection, "limit_s", OTHERS_LIMIT_S)
    deadline = time.monotonic() + limit_s
    while True:
        state = connection.poll()
        if state == psycopg2.extensions.POLL_OK:
            return
        left = deadline - time.monotonic()
        if left <= 0:
            raise psycopg2.OperationalError(f"no answer within {limit_s:g} s")
        waiting = select.poll()
        reads = state == psycopg2.extensions.POLL_READ
        waiting.register(connection.fileno(), select.POLLIN if reads else select.POLLOUT)
        waiting.poll(left * 1000)


def connected(url: str, within_s: float, **given: Any) -> psycopg2.extensions.connection:
    """A connection made within ``within_s``, each of whose later waits ends after ``OTHERS_LIMIT_S``.

    A client that waits by itself, as this process does, is not bound by libpq's connect_timeout.
    """
    connection: Bounded = psycopg2.connect(url, connection_factory=bounded_by(within_s), **given)
    connection.limit_s = OTHERS_LIMIT_S
    return connection


class Pooled(psycopg2.OperationalError):
    """Between this client and PostgreSQL there is a pooler, which hands the sessions of the server around."""

    def __init__(self) -> None:
        super().__init__("a connection pooler answers (PgBouncer for instance) in place of PostgreSQL itself")


def refuse_pooler(connection: psycopg2.extensions.connection, statement_timeout_ms: int) -> None:
    """Raise ``Pooled``, the connection closed, where the session asked for is not the one that is in force.

    Behind a pooler time limits and write protection would not hold, and what is set would be handed on to the
    next client.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT setting, pg_backend_pid() FROM pg_catalog.pg_settings WHERE name = 'statement_timeout'"
        )
        if cursor.fetchone() == (str(statement_timeout_ms), connection.get_backend_pid()):
            return
    connection.close()
    raise Pooled()


def options_of(url: str, ours: str) -> str:
    """Our server options after those of the URL (such as a search path), which psycopg2 would drop."""
    return f"{addresses.postgresql(url).options.get('options', '')} {ours}".strip()


def bounded_by(limit_s: float) -> type[Bounded]:
    """A connection class whose limit holds already while connecting."""
    return type("_Limited", (Bounded,), {"limit_s": limit_s})
