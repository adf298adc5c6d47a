"""Who may do what, and how often: keys, roles, rate limit."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import re
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from support.reference.gateway import logs
from support.reference.gateway.cache import PREFIX, Cache
from support.reference.gateway.config import Config
from support.reference.gateway.postgres import Database
from support.reference.gateway.problems import DependencyDown, Problem

ROLES = ("readonly", "user", "admin")

WINDOW_S = 60

_KEY = re.compile(r"[A-Za-z0-9_-]{16,128}")

_SELECT = "SELECT user_id, role, api_key_sha256, rate_limit_rpm, expires_at, revoked_at FROM users"


@dataclass(frozen=True, slots=True)
class Principal:
    """The owner of an accepted key."""

    user_id: uuid.UUID
    role: str
    rate_limit_rpm: int
    expires_at: datetime | None
    revoked_at: datetime | None

    def usable(self) -> bool:
        """Neither revoked nor expired."""
        now = datetime.now(UTC)
        return all(moment is None or moment > now for moment in (self.expires_at, self.revoked_at))

    def may(self, role: str) -> bool:
        """Whether the role includes `role`."""
        return ROLES.index(self.role) >= ROLES.index(role)


@dataclass(frozen=True, slots=True)
class Window:
    """State of the caller's rate window after this request."""

    limit: int
    count: int
    left_s: float

    def headers(self) -> dict[str, str]:
        """The three RateLimit headers."""
        return {
            "RateLimit-Limit": str(self.limit),
            "RateLimit-Remaining": str(max(0, self.limit - self.count)),
            "RateLimit-Reset": str(min(WINDOW_S, max(0, round(self.left_s)))),
        }


class Keys:
    """A snapshot of all keys, so that an outage of PostgreSQL is not taken for a wrong key."""

    def __init__(self, config: Config, database: Database) -> None:
        self._every_s = config.key_snapshot_s
        self._database = database
        self._known: dict[bytes, Principal] | None = None

    @property
    def loaded(self) -> bool:
        """Whether there ever was a snapshot."""
        return self._known is not None

    async def refresh(self) -> None:
        """Read all keys."""
        async with self._database.reader.lease() as lease:
            rows = await lease.fetch(_SELECT)
        self._known = {bytes(row["api_key_sha256"]): _principal(row) for row in rows}

    async def authenticate(self, headers: Mapping[str, str]) -> Principal:
        """The owner of the request's key, or 401; 503 while no key was ever read."""
        hashed = hashlib.sha256(_presented(headers).encode()).digest()
        if self._known is None:
            await self.refresh()
        found = self._find(hashed)
        if found is None:
            await self._look_up(hashed)
            found = self._find(hashed)
        if found is None or not found.usable():
            raise _unauthenticated("The key is not valid.")
        return found

    def _find(self, hashed: bytes) -> Principal | None:
        # The lookup itself is by digest; the comparison of the digest takes the same time whatever differs.
        for known, principal in (self._known or {}).items():
            if hmac.compare_digest(known, hashed):
                return principal
        return None

    async def _look_up(self, hashed: bytes) -> None:
        try:
            async with self._database.reader.lease(1.0) as lease:
                row = await lease.fetchrow(f"{_SELECT} WHERE api_key_sha256 = $1", hashed)
        except Problem as failure:
            logs.warning("dependency-failed", dependency="postgresql", reason=failure.code)
            return
        if row is not None and self._known is not None:
            self._known[hashed] = _principal(row)


@dataclass(slots=True)
class _Count:
    """Requests of one key in its present window: made here, and known to have been made at other gateways."""

    ends: float
    own: int = 0
    others: int = 0


class RateLimit:
    """Requests of a key in 60 s from its first one.

    Each gateway numbers its own: so exactly as many pass as may, in whatever order Redis is asked and also
    when it is slow, away or has lost its count. Redis tells what other gateways have added, and when the
    window that they share ends.
    """

    def __init__(self, cache: Cache) -> None:
        self._cache = cache
        self._counts: dict[uuid.UUID, _Count] = {}

    async def admit(self, principal: Principal) -> Window:
        """Count this request; the window says whether it was one too many."""
        now = time.monotonic()
        count = self._counts.get(principal.user_id)
        if count is None or now >= count.ends:
            count = self._counts[principal.user_id] = _Count(now + WINDOW_S)
        count.own += 1
        number = count.own
        shared = await self._cache.hit_window(f"{PREFIX}rl:{principal.user_id}:{WINDOW_S}", WINDOW_S)
        now = time.monotonic()
        if shared is not None:
            counted, left_s = shared
            count.ends = min(count.ends, now + left_s)
            count.others = max(count.others, counted - count.own)
        return Window(principal.rate_limit_rpm, number + count.others, max(count.ends - now, 0.0))

    @staticmethod
    def check(window: Window) -> None:
        """429 when the window is used up."""
        if window.count > window.limit:
            wait = max(1, round(window.left_s))
            raise Problem("rate-limited", "The limit of this key is used up.", retry_after_s=wait)


async def keep_fresh(keys: Keys, every_s: float) -> None:
    """Refresh the snapshot without end; before the first one try more often."""
    while True:
        try:
            await keys.refresh()
        except DependencyDown as down:
            logs.warning("dependency-failed", dependency="postgresql", reason=down.reason)
        except Problem as failure:
            logs.warning("dependency-failed", dependency="postgresql", reason=failure.code)
        await asyncio.sleep(every_s if keys.loaded else min(every_s, 0.5))


def _presented(headers: Mapping[str, str]) -> str:
    found = set()
    if "x-api-key" in headers:
        found.add(headers["x-api-key"])
    if "authorization" in headers:
        scheme, _, token = headers["authorization"].partition(" ")
        if scheme.lower() != "bearer":
            raise _unauthenticated("Authorization takes a bearer token.")
        found.add(token.strip())
    if not found:
        raise _unauthenticated("Send a key as X-API-Key or as bearer token.")
    if len(found) > 1:
        raise _unauthenticated("Two different keys were sent.")
    key = found.pop()
    if not _KEY.fullmatch(key):
        raise _unauthenticated("The key is not valid.")
    return key


def _unauthenticated(detail: str) -> Problem:
    return Problem("unauthenticated", detail, headers={"WWW-Authenticate": "Bearer"})


def _principal(row: Any) -> Principal:
    return Principal(
        user_id=row["user_id"],
        role=row["role"],
        rate_limit_rpm=row["rate_limit_rpm"],
        expires_at=row["expires_at"],
        revoked_at=row["revoked_at"],
    )
