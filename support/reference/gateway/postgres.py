"""PostgreSQL through asyncpg: small pools whose every wait is bounded.

A pool of our own instead of asyncpg's, because of two of its habits: a timed-out statement there waits
for the server to take the cancellation, which a frozen server never does, and releasing such a connection
waits as well. Here a connection that timed out is cut at once, and the next request opens a new one, so a
pool recovers with the server and has no back-off to outlive the outage.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from typing import Any, TypeVar

import asyncpg

from support.reference.gateway import tls
from support.reference.gateway.config import Config
from support.reference.gateway.problems import DependencyDown, DependencyTimeout, Problem
from support.reference.gateway.timing import allowed, hop

T = TypeVar("T")

# A server killed in the middle of an answer leaves asyncpg in a state of its own: InternalClientError.
_LOST = (OSError, asyncpg.InterfaceError, asyncpg.InternalClientError, asyncpg.PostgresConnectionError)

_DEFECTS = (asyncpg.IntegrityConstraintViolationError, asyncpg.SyntaxOrAccessError, asyncpg.DataError)
_NOT_DEFECTS = (
    asyncpg.UndefinedTableError,
    asyncpg.InvalidSchemaNameError,
    asyncpg.InsufficientPrivilegeError,
)


class LockBusy(DependencyDown):
    """Another holder kept a lock for longer than this statement may wait."""


class PoolBusy(DependencyTimeout):
    """No connection of the pool became free in time; nothing was sent."""


class ConnectionLost(DependencyDown):
    """The connection broke while a statement was under way."""


class Pool:
    """At most `size` connections, opened when needed and kept while they live."""

    def __init__(self, config: Config, size: int, name: str) -> None:
        self._config = config
        self._name = name
        self._places = asyncio.Semaphore(size)
        self._idle: list[asyncpg.Connection] = []
        certified = config.database_tls_name
        # None: as the address says.
        self._tls = tls.of_postgresql(config.database_url, certified) if certified else None
        self.budget_s = config.postgresql_timeout_s

    @asynccontextmanager
    async def lease(self, budget_s: float | None = None) -> AsyncIterator[Session]:
        """A connection for one task; `budget_s` bounds the sum of all time spent waiting for PostgreSQL."""
        lease = Session(self, self.budget_s if budget_s is None else budget_s)
        try:
            await lease.open()
            yield lease
        finally:
            lease.close()

    async def place(self) -> None:
        """Wait for a free place."""
        await self._places.acquire()

    def leave(self) -> None:
        """Give the place back."""
        self._places.release()

    def idle(self) -> asyncpg.Connection | None:
        """A kept connection that is still alive, if there is one."""
        while self._idle:
            kept = self._idle.pop()
            if not kept.is_closed():
                return kept
        return None

    def keep(self, connection: asyncpg.Connection) -> None:
        """Keep a connection for the next lease."""
        self._idle.append(connection)

    async def connect(self) -> asyncpg.Connection:
        """Open a connection. The caller bounds the time."""
        milliseconds = int(self.budget_s * 1000)
        # A statement that waits for a lock gives up on the server a little earlier than here, so that a
        # held lock can be told from a frozen server. The idle limit frees the locks of a transaction
        # whose gateway is gone behind a dead link; phase B idles for as long as Qdrant may take.
        idle = int((self._config.qdrant_timeout_s + self.budget_s) * 1000)
        return await asyncpg.connect(
            self._config.database_url,
            timeout=self.budget_s,
            ssl=self._tls,
            server_settings={
                "search_path": self._config.database_schema,
                "application_name": f"citadel-gateway-{self._name}",
                "lock_timeout": str(int(milliseconds * 0.9)),
                "idle_in_transaction_session_timeout": str(idle),
            },
        )

    def shut_down(self) -> None:
        """Cut every kept connection."""
        while self._idle:
            self._idle.pop().terminate()


class Session:
    """One connection in use. After a time-out or a loss it is cut and not used again."""

    def __init__(self, pool: Pool, budget_s: float) -> None:
        self._pool = pool
        self._budget_s = budget_s
        self._spent_s = 0.0
        self._connection: asyncpg.Connection | None = None
        self._reused = False
        self._in_transaction = False
        self._placed = False

    async def open(self) -> None:
        """Take a place and a connection; waiting for either counts."""
        try:
            await self._bounded(self._pool.place)
        except DependencyTimeout as late:
            raise PoolBusy("postgresql", "pool busy") from late
        self._placed = True
        await self._attach()

    async def _attach(self) -> None:
        self._connection = self._pool.idle()
        self._reused = self._connection is not None
        if self._connection is None:
            self._connection = await self._bounded(self._pool.connect)

    def close(self) -> None:
        """Keep the connection if it is clean, else cut it; give the place back."""
        connection, self._connection = self._connection, None
        if connection is not None:
            if self._in_transaction or connection.is_closed():
                connection.terminate()
            else:
                self._pool.keep(connection)
        if self._placed:
            self._pool.leave()
            self._placed = False

    async def _bounded(self, work: Callable[[], Awaitable[T]]) -> T:
        started = time.monotonic()
        try:
            with hop("postgresql"):
                async with asyncio.timeout(allowed(self._budget_s - self._spent_s, "postgresql")):
                    return await work()
        except TimeoutError as late:
            await self._cut()
            raise DependencyTimeout("postgresql", "timeout") from late
        except _LOST as lost:
            await self._cut()
            raise ConnectionLost("postgresql", type(lost).__name__) from lost
        except asyncpg.LockNotAvailableError as busy:
            raise LockBusy("postgresql", "lock") from busy
        except asyncpg.PostgresError as refused:
            if isinstance(refused, _DEFECTS) and not isinstance(refused, _NOT_DEFECTS):
                raise
            raise DependencyDown("postgresql", type(refused).__name__) from refused
        finally:
            self._spent_s += time.monotonic() - started

    async def _cut(self) -> None:
        if self._connection is not None:
            # asyncpg starts its cancellation task from a callback; let it start, so that cutting ends it.
            await asyncio.sleep(0)
            self._connection.terminate()
            self._connection = None

    async def _statement(self, run: Callable[[asyncpg.Connection], Awaitable[T]], *, safe: bool) -> T:
        """Run a statement; one that is `safe` to repeat gets a second connection when the first was stale."""
        try:
            return await self._bounded(lambda: run(self._live()))
        except ConnectionLost:
            if not (safe and self._reused):
                raise
            self._connection = await self._bounded(self._pool.connect)
            self._reused = False
            return await self._bounded(lambda: run(self._live()))

    def _live(self) -> asyncpg.Connection:
        if self._connection is None:
            raise asyncpg.InterfaceError("the connection was cut")
        return self._connection

    async def fetch(self, sql: str, *values: object) -> list[Any]:
        """All rows. Outside a transaction: reads only, because a stale connection repeats it."""
        return await self._statement(lambda c: c.fetch(sql, *values), safe=not self._in_transaction)

    async def fetchrow(self, sql: str, *values: object) -> Any:
        """The first row or None. Outside a transaction: reads only."""
        return await self._statement(lambda c: c.fetchrow(sql, *values), safe=not self._in_transaction)

    async def fetchval(self, sql: str, *values: object) -> Any:
        """The first value of the first row or None. Outside a transaction: reads only."""
        return await self._statement(lambda c: c.fetchval(sql, *values), safe=not self._in_transaction)

    async def execute(self, sql: str, *values: object) -> None:
        """A statement without rows; never repeated."""
        await self._statement(lambda c: c.execute(sql, *values), safe=False)

    async def executemany(self, sql: str, values: Iterable[tuple[object, ...]]) -> None:
        """One statement with many rows of values; never repeated."""
        await self._statement(lambda c: c.executemany(sql, values), safe=False)

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[None]:
        """BEGIN ... COMMIT. A commit whose answer is lost is a `DependencyTimeout`: nobody knows."""
        await self._statement(lambda c: c.execute("BEGIN"), safe=True)
        self._in_transaction = True
        try:
            yield
        except BaseException:
            if self._connection is not None:
                try:
                    await self.execute("ROLLBACK")
                    self._in_transaction = False
                except Problem:
                    await self._cut()
            raise
        try:
            await self.execute("COMMIT")
        except ConnectionLost as lost:
            raise DependencyTimeout("postgresql", "lost at commit") from lost
        finally:
            if self._connection is not None and not self._connection.is_in_transaction():
                self._in_transaction = False


class Database:
    """Separate pools: a write holds its connection while Qdrant works, and must not starve reads."""

    def __init__(self, config: Config) -> None:
        self.writer = Pool(config, 16, "writer")
        self.reader = Pool(config, 12, "reader")

    def shut_down(self) -> None:
        """Cut all connections."""
        self.writer.shut_down()
        self.reader.shut_down()
