"""Redis as a cache: never needed, never believed without its checksum, never waited for.

A value is `<sha256 of the body, 64 hex digits>\\n<body: JSON>`. The body has `cached_at`; a body with a
vector has `dimensions` and `vector` (base64 of float32 little-endian).
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Any, TypeVar

import orjson
import redis.asyncio as redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from support.reference.gateway import logs, tls
from support.reference.gateway.config import Config
from support.reference.gateway.metrics import Metrics
from support.reference.gateway.problems import DependencyDown
from support.reference.gateway.timing import current, hop

T = TypeVar("T")

PREFIX = "citadel:v1:"
TTL_S = {"emb": 3600, "search": 1800, "meta": 7200, "ext": 1800}
KINDS = {"embedding": "emb", "search": "search", "metadata": "meta", "external": "ext"}

_MISSES_BEFORE_BYPASS = 3
_CONNECTIONS = 1024
_TURNS_TO_READ = 8
"""Turns of the event loop from bytes in the socket to a parsed pipeline."""


class CacheDown(Exception):
    """Redis could not be used for this call."""


@dataclass(frozen=True, slots=True)
class Lookup:
    """Outcome of a look-up: `hit`, `miss` or `bypass` (not wanted, or Redis could not be used)."""

    status: str
    key: str
    body: dict[str, Any] | None = None
    ttl_remaining: int = 0
    lookup_ms: float = 0.0
    failed: bool = False

    def info(self, *, ttl_set: int | None = None, store_ms: float | None = None) -> dict[str, object]:
        """The contract's `cache_info`; `ttl_set` and `store_ms` are of the entry stored after a miss."""
        status = self.status
        if status == "miss" and ttl_set is None:
            status = "bypass"
        found: dict[str, object] = {"cache_hit": status == "hit", "status": status}
        if status != "bypass":
            found["cache_key"] = self.key
            found["lookup_time_ms"] = self.lookup_ms
        if status == "hit" and self.body is not None:
            found["cached_at"] = self.body["cached_at"]
            found["ttl_remaining"] = self.ttl_remaining
        if status == "miss":
            found["ttl_set"] = ttl_set
            found["store_time_ms"] = store_ms
        return found


class Cache:
    """All use of Redis: each call within its budget; after three failures in a row none for a while."""

    def __init__(self, config: Config, metrics: Metrics) -> None:
        self._budget_s = config.redis_timeout_s
        self._bypass_s = config.cache_bypass_s
        self._metrics = metrics
        self._failures = 0
        self._bypass_until = float("-inf")
        self._client = redis.Redis.from_url(
            config.redis_url,
            socket_timeout=None,
            socket_connect_timeout=None,
            retry=Retry(NoBackoff(), 0),
            health_check_interval=0,
            max_connections=_CONNECTIONS,
            protocol=2,
            # A name for the server's list costs two more exchanges of each new connection's first call.
            driver_info=None,
        )
        if config.redis_tls_name:
            self._client.connection_pool.connection_class = tls.of_redis(config.redis_tls_name)
        self.hits = self.misses = self.bypasses = 0
        self._lookup_s = self._store_s = 0.0
        self._stores = 0

    async def _call(self, work: Callable[[redis.Redis], Awaitable[T]]) -> T:
        now = time.monotonic()
        if now < self._bypass_until:
            raise CacheDown
        try:
            with hop("redis"):
                found = await self._in_time(work)
        except (RedisError, OSError, TimeoutError) as failure:
            self._failures += 1
            if self._failures >= _MISSES_BEFORE_BYPASS:
                self._bypass_until = time.monotonic() + self._bypass_s
            logs.warning(
                "dependency-failed",
                dependency="redis",
                reason=type(failure).__name__,
                request_id=current().request_id,
            )
            raise CacheDown from failure
        self._failures = 0
        return found

    async def _in_time(self, work: Callable[[redis.Redis], Awaitable[T]]) -> T:
        """The result within the budget. A busy event loop is not Redis' fault: an answer that is already
        here when the time is up, but was not read yet, still counts."""
        task = asyncio.ensure_future(work(self._client))
        await asyncio.wait({task}, timeout=self._budget_s)
        for _ in range(_TURNS_TO_READ):
            if task.done():
                break
            await asyncio.sleep(0)
        if not task.done():
            task.cancel()
            await asyncio.wait({task})
        if task.cancelled():
            raise TimeoutError
        return task.result()

    def _count(self, status: str) -> None:
        self._metrics.cache_requests.labels("get", status).inc()
        if status == "hit":
            self.hits += 1
        elif status == "miss":
            self.misses += 1
        else:
            self.bypasses += 1

    def bypass(self, key: str) -> Lookup:
        """A look-up that the client did not want."""
        self._count("bypass")
        return Lookup("bypass", key)

    async def get(self, key: str, valid: Callable[[dict[str, Any]], bool]) -> Lookup:
        """Look up one key; a value that is damaged or that `valid` refuses counts as a miss."""
        return (await self.get_many([key], valid))[0]

    async def get_many(self, keys: Sequence[str], valid: Callable[[dict[str, Any]], bool]) -> list[Lookup]:
        """Look up keys in one round trip, in order."""

        async def read(client: redis.Redis) -> list[Any]:
            async with client.pipeline(transaction=False) as pipeline:
                for key in keys:
                    pipeline.get(key)
                    pipeline.ttl(key)
                return [_usable(answer) for answer in await pipeline.execute(raise_on_error=False)]

        started = time.monotonic()
        try:
            answers = await self._call(read)
        except CacheDown:
            for _ in keys:
                self._count("bypass")
            return [Lookup("bypass", key, failed=True) for key in keys]
        seconds = time.monotonic() - started
        self._lookup_s += seconds
        self._metrics.cache_lookup_seconds.observe(seconds)
        found = []
        for index, key in enumerate(keys):
            raw, ttl = answers[2 * index], answers[2 * index + 1]
            body = _opened(raw, valid)
            status = "miss" if body is None else "hit"
            self._count(status)
            found.append(Lookup(status, key, body, max(int(ttl), 0), round(seconds * 1000, 3)))
        return found

    async def put(self, key: str, body: dict[str, object]) -> float | None:
        """Store with the time to live of the key's kind; the milliseconds it took, or None if it failed."""
        return await self.put_many({key: body})

    async def put_many(self, bodies: dict[str, dict[str, object]]) -> float | None:
        """Store several in one round trip."""

        async def write(client: redis.Redis) -> None:
            async with client.pipeline(transaction=False) as pipeline:
                for key, body in bodies.items():
                    pipeline.setex(key, ttl_of(key), _sealed(body))
                await pipeline.execute()

        started = time.monotonic()
        try:
            await self._call(write)
        except CacheDown:
            self._metrics.cache_requests.labels("set", "error").inc(len(bodies))
            return None
        self._metrics.cache_requests.labels("set", "success").inc(len(bodies))
        seconds = time.monotonic() - started
        self._store_s += seconds
        self._stores += 1
        return round(seconds * 1000, 3)

    async def forget(self, keys: Sequence[str]) -> None:
        """Best effort: the keys carry a generation that no reader asks for any more."""
        if not keys:
            return
        try:
            await self._call(lambda client: client.unlink(*keys))
        except CacheDown:
            self._metrics.cache_requests.labels("delete", "error").inc()
            return
        self._metrics.cache_requests.labels("delete", "success").inc()

    async def forget_matching(self, patterns: Sequence[str], budget_s: float) -> int:
        """Delete by pattern with SCAN and UNLINK; `DependencyDown` if Redis cannot be used."""
        deleted = 0
        until = time.monotonic() + budget_s
        try:
            for pattern in patterns:
                position = 0
                while True:
                    position, removed = await self._call(partial(_remove_some, position, pattern))
                    deleted += removed
                    if position == 0:
                        break
                    if time.monotonic() > until:
                        raise CacheDown
        except CacheDown as down:
            self._metrics.cache_requests.labels("delete", "error").inc()
            raise DependencyDown("redis", "unusable") from down
        self._metrics.cache_requests.labels("delete", "success").inc()
        return deleted

    async def hit_window(self, key: str, window_s: int) -> tuple[int, float] | None:
        """Count a request in a window that starts with its first one: (count, seconds left) or None."""

        async def count(client: redis.Redis) -> list[Any]:
            async with client.pipeline(transaction=True) as pipeline:
                pipeline.incr(key)
                pipeline.expire(key, window_s, nx=True)
                pipeline.pttl(key)
                return await pipeline.execute()

        try:
            number, _, milliseconds = await self._call(count)
        except CacheDown:
            return None
        return int(number), max(int(milliseconds), 0) / 1000

    async def wake(self, key: str, word: str, keep: int, ttl_s: int) -> None:
        """Best effort: push a word for one who waits; at most `keep` words stay, for at most `ttl_s`."""

        async def push(client: redis.Redis) -> None:
            async with client.pipeline(transaction=True) as pipeline:
                pipeline.lpush(key, word)
                pipeline.ltrim(key, 0, keep - 1)
                pipeline.expire(key, ttl_s)
                await pipeline.execute()

        with contextlib.suppress(CacheDown):
            await self._call(push)

    async def wait(self, key: str, within_s: float) -> None:
        """Wait for a word, or the time to pass. Raises `CacheDown` at once where Redis cannot be used."""
        if time.monotonic() < self._bypass_until:
            raise CacheDown
        try:
            async with asyncio.timeout(within_s + self._budget_s):
                await self._client.brpop([key], timeout=within_s)
        except (RedisError, OSError, TimeoutError) as failure:
            raise CacheDown from failure

    async def probe(self, budget_s: float) -> None:
        """One exchange, outside the bypass: raises what went wrong."""
        async with asyncio.timeout(budget_s):
            await self._client.echo("probe")

    async def server_facts(self) -> dict[str, int] | None:
        """Keys, memory and eviction counters of the server, or None when it cannot be used."""

        async def read(client: redis.Redis) -> tuple[Any, Any]:
            async with client.pipeline(transaction=False) as pipeline:
                pipeline.info()
                pipeline.dbsize()
                info, keys = await pipeline.execute()
                return info, keys

        try:
            info, keys = await self._call(read)
        except CacheDown:
            return None
        return {
            "total_keys": int(keys),
            "memory_usage_bytes": int(info.get("used_memory", 0)),
            "expired_keys": int(info.get("expired_keys", 0)),
            "evicted_keys": int(info.get("evicted_keys", 0)),
        }

    def hit_rate(self) -> float:
        """Percent of hits among hits and misses; 0 before the first."""
        used = self.hits + self.misses
        return round(100 * self.hits / used, 3) if used else 0.0

    def averages_ms(self) -> tuple[float, float]:
        """Mean look-up and store time in milliseconds."""
        lookups = self.hits + self.misses
        return (
            round(1000 * self._lookup_s / lookups, 4) if lookups else 0.0,
            round(1000 * self._store_s / self._stores, 4) if self._stores else 0.0,
        )

    async def shut_down(self) -> None:
        """Close all connections."""
        await self._client.aclose()


def ttl_of(key: str) -> int:
    """Seconds to live of a key, by its kind."""
    return TTL_S[key.removeprefix(PREFIX).split(":", 1)[0]]


async def _remove_some(position: int, pattern: str, client: redis.Redis) -> tuple[int, int]:
    """One step of a SCAN: where to go on (0: the end), and how many keys it removed."""
    following, keys = await client.scan(position, match=pattern, count=500)
    removed = await client.unlink(*keys) if keys else 0
    return int(following), int(removed)


def _usable(answer: Any) -> Any:
    """An answer of Redis. A key that holds no string is a damaged value of its own, no failure of Redis."""
    if isinstance(answer, RedisError):
        if str(answer).startswith("WRONGTYPE"):
            return None
        raise answer
    return answer


def _sealed(body: dict[str, object]) -> bytes:
    stamped = body | {"cached_at": datetime.now(UTC).isoformat(timespec="milliseconds")}
    raw = orjson.dumps(stamped, option=orjson.OPT_SERIALIZE_NUMPY)
    return hashlib.sha256(raw).hexdigest().encode() + b"\n" + raw


def _opened(raw: bytes | None, valid: Callable[[dict[str, Any]], bool]) -> dict[str, Any] | None:
    if raw is None:
        return None
    checksum, _, body = raw.partition(b"\n")
    if hashlib.sha256(body).hexdigest().encode() != checksum:
        return None
    try:
        found = orjson.loads(body)
        known = isinstance(found, dict) and isinstance(found["cached_at"], str)
        return found if known and valid(found) else None
    except (ValueError, KeyError, TypeError, AttributeError):
        return None
