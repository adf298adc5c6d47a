"""The audit log of writes: best effort, never in the way of an answer."""

from __future__ import annotations

import asyncio
import uuid
from collections import deque

from support.reference.gateway import logs
from support.reference.gateway.postgres import Database
from support.reference.gateway.problems import Problem

_EVERY_S = 0.5
_KEPT = 1000
"""Rows kept in memory while PostgreSQL is away; the oldest are lost then."""

Row = tuple[str, uuid.UUID, str, str, int]


class AuditLog:
    """Rows are queued in memory and written in bulk, after the answers they are about."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._rows: deque[Row] = deque(maxlen=_KEPT)

    def note(self, request_id: str, user_id: uuid.UUID, action: str, target: str, status: int) -> None:
        """Queue a row."""
        self._rows.append((request_id, user_id, action, target, status))

    async def run(self) -> None:
        """Write without end."""
        while True:
            await asyncio.sleep(_EVERY_S)
            await self.flush()

    async def flush(self) -> None:
        """Write what is queued; on failure it stays queued."""
        if not self._rows:
            return
        rows = list(self._rows)
        try:
            async with self._database.reader.lease(1.0) as lease:
                await lease.executemany(
                    "INSERT INTO audit_log (request_id, user_id, action, target, http_status)"
                    " VALUES ($1, $2, $3, $4, $5)",
                    rows,
                )
        except Problem as failure:
            logs.warning("dependency-failed", dependency="postgresql", reason=failure.code)
            return
        for _ in range(min(len(rows), len(self._rows))):
            self._rows.popleft()
