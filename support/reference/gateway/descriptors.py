"""What the gateway knows of a collection, and remembers for when PostgreSQL is away."""

from __future__ import annotations

import time
import uuid
from dataclasses import dataclass
from typing import Any

from support.reference.gateway import logs
from support.reference.gateway.config import Config
from support.reference.gateway.postgres import Database, Session
from support.reference.gateway.problems import DependencyDown, DependencyTimeout, Problem
from support.reference.gateway.timing import current

_COLUMNS = "collection_id, name, vector_size, distance, model, generation"

_SHUN_S = 1.0
"""After a failed read, searches do not wait for PostgreSQL again for this long."""


@dataclass(frozen=True, slots=True)
class Descriptor:
    """A live collection. `generation` is the cache fence at the time of reading."""

    collection_id: uuid.UUID
    name: str
    vector_size: int
    distance: str
    model: str | None
    generation: int


class Descriptors:
    """Reads descriptors from PostgreSQL and keeps the last one of each name."""

    def __init__(self, config: Config, database: Database) -> None:
        self._database = database
        self._patience_s = min(1.0, config.postgresql_timeout_s)
        self._known: dict[str, Descriptor] = {}
        self._shun_until = float("-inf")

    async def read(self, lease: Session, name: str) -> Descriptor:
        """The live collection of this name, or 404. One being created or deleted is not live."""
        row = await lease.fetchrow(
            f"SELECT {_COLUMNS} FROM collections WHERE name = $1 AND status = 'active'", name
        )
        if row is None:
            self._known.pop(name, None)
            raise missing(name)
        return self._remember(row)

    async def get(self, name: str) -> Descriptor:
        """`read` on a connection of its own."""
        async with self._database.reader.lease() as lease:
            return await self.read(lease, name)

    async def for_search(self, name: str) -> tuple[Descriptor, bool]:
        """The descriptor and whether it comes from memory because PostgreSQL is away.

        A name that memory does not know is then 503, never 404.
        """
        if time.monotonic() < self._shun_until and name in self._known:
            return self._known[name], True
        try:
            async with self._database.reader.lease(self._patience_s) as lease:
                return await self.read(lease, name), False
        except (DependencyDown, DependencyTimeout) as failure:
            self._shun_until = time.monotonic() + _SHUN_S
            logs.warning(
                "dependency-failed",
                dependency="postgresql",
                reason=failure.reason,
                request_id=current().request_id,
            )
            if name not in self._known:
                raise DependencyDown("postgresql", failure.reason) from failure
            return self._known[name], True

    async def refresh(self) -> None:
        """Remember every live collection."""
        async with self._database.reader.lease() as lease:
            rows = await lease.fetch(f"SELECT {_COLUMNS} FROM collections WHERE status = 'active'")
        self._known = {}
        for row in rows:
            self._remember(row)

    def forget(self, name: str) -> None:
        """The collection is gone."""
        self._known.pop(name, None)

    def _remember(self, row: Any) -> Descriptor:
        found = Descriptor(**dict(row))
        self._known[found.name] = found
        return found


def missing(name: str) -> Problem:
    """404 for a collection."""
    return Problem("collection-not-found", f"No collection named {name}.")
