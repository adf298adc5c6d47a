"""The cache as the suite sees it: keys, times to live and values, read around the gateway."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from support import addresses
from support.drivers.errors import StoreUnreachable
from support.drivers.journal import Journal

STORE = "redis"
PAGE = 500
# PTTL's answers for a key that is gone and for one that never expires.
GONE_MS = -2
FOR_EVER_MS = -1


@dataclass(frozen=True, slots=True)
class CacheEntry:
    """One key. ``ttl_ms`` is -1 for a key that never expires; ``value`` is None if it is not a string."""

    key: str
    ttl_ms: int
    value: bytes | None


class CacheStore:
    """Redis (or Valkey) without retries: a repeated write would falsify what the suite knows.

    A call waits at most ``timeout_s`` for each answer and raises ``StoreUnreachable`` otherwise. Keys are
    text; bytes that are no UTF-8 survive the round trip as surrogates.
    """

    def __init__(self, url: str, journal: Journal, timeout_s: float = 1.0) -> None:
        self._journal = journal
        self._client: redis.Redis = redis.Redis.from_url(
            url,
            socket_timeout=timeout_s,
            socket_connect_timeout=timeout_s,
            retry=Retry(NoBackoff(), 0),
            health_check_interval=0,
            **({} if addresses.of(url).socket else {"socket_keepalive": True}),
            protocol=2,
            driver_info=None,
        )

    @contextmanager
    def _call(self, what: str) -> Iterator[redis.Redis]:
        with self._journal.call(STORE, what):
            try:
                yield self._client
            except redis.RedisError as error:
                reason = f"{what}: {type(error).__name__}: {error}"
                raise StoreUnreachable(STORE, self._journal.secrets.redact(reason)) from error

    def keys(self, pattern: str = "*") -> Iterator[str]:
        """Keys that match the glob ``pattern``, each once."""
        seen = set[str]()
        for page in self.pages(pattern):
            for key in page:
                if key not in seen:
                    seen.add(key)
                    yield key

    def pages(self, pattern: str = "*") -> Iterator[list[str]]:
        """Keys that match the glob ``pattern``, in constant memory: a key may come twice, as SCAN allows."""
        cursor = 0
        while True:
            with self._call(f"scan {pattern}") as client:
                cursor, page = _pair(client.scan(cursor, match=pattern, count=PAGE))
            yield [_text(key) for key in page]
            if cursor == 0:
                return

    def entries(self, keys: Sequence[str]) -> list[CacheEntry]:
        """Time to live and value of those keys that exist, in one round trip for every 500."""
        found = []
        for start in range(0, len(keys), PAGE):
            part = keys[start : start + PAGE]
            with (
                self._call(f"read {len(part)} keys") as client,
                client.pipeline(transaction=False) as pipeline,
            ):
                for key in part:
                    pipeline.pttl(_wire(key))
                    pipeline.get(_wire(key))
                answers = pipeline.execute(raise_on_error=False)
                for answer in answers:
                    # GET of a list is an error of that key alone; any other error means: not read.
                    if isinstance(answer, redis.RedisError) and not str(answer).startswith("WRONGTYPE"):
                        raise answer
            for key, ttl, value in zip(part, answers[::2], answers[1::2], strict=True):
                if ttl != GONE_MS:
                    found.append(CacheEntry(key, int(ttl), value if isinstance(value, bytes) else None))
        return found

    def ttl_ms(self, key: str) -> int | None:
        """Milliseconds to live, -1 without a TTL, None for a key that does not exist."""
        with self._call(f"pttl {key}") as client:
            left = _number(client.pttl(_wire(key)))
        return None if left == GONE_MS else left

    def value(self, key: str) -> bytes | None:
        """The bytes under a key, or None."""
        with self._call(f"get {key}") as client:
            found = client.get(_wire(key))
        return found if isinstance(found, bytes) else None

    def contents(self, key: str) -> str:
        """The key's name and all it holds, whatever its type, as text to search in."""
        with self._call(f"contents of {key}") as client:
            kind = _text(client.type(_wire(key)))  # type: ignore[arg-type]
            held = _READING[kind](client, _wire(key)) if kind in _READING else kind
        return f"{key} {held!r}"

    def set_raw(self, key: str, value: bytes, ttl_s: int | None) -> None:
        """Write a value around the platform; ``ttl_s`` None gives it no TTL."""
        with self._call(f"set {key}") as client:
            client.set(_wire(key), value, ex=ttl_s)

    def set_list(self, key: str, values: Sequence[bytes], ttl_s: int) -> None:
        """Put a list where the platform expects a string."""
        with self._call(f"set list {key}") as client, client.pipeline(transaction=True) as pipeline:
            pipeline.delete(_wire(key))
            pipeline.rpush(_wire(key), *values)
            pipeline.expire(_wire(key), ttl_s)
            pipeline.execute()

    def unlink(self, pattern: str) -> int:
        """Remove the keys that match ``pattern``; returns how many."""
        removed, keys = 0, list(self.keys(pattern))
        for start in range(0, len(keys), PAGE):
            with self._call(f"unlink {pattern}") as client:
                removed += _number(client.unlink(*map(_wire, keys[start : start + PAGE])))
        return removed

    def info(self, section: str = "default") -> dict[str, Any]:
        """What the server tells about itself."""
        with self._call(f"info {section}") as client:
            answer = client.info(section)
        return dict(answer) if isinstance(answer, dict) else {}

    def ping(self) -> None:
        """Return if the server answers."""
        with self._call("ping") as client:
            client.ping()

    def version(self) -> str:
        """The Redis version the server speaks, such as ``7.2.4``."""
        return str(self.info("server")["redis_version"])

    def close(self) -> None:
        """Close the connections."""
        self._client.close()


# How all that a key of each type holds is read.
_READING: dict[str, Callable[[redis.Redis, bytes], Any]] = {
    "string": lambda client, key: client.get(key),
    "list": lambda client, key: client.lrange(key, 0, -1),
    "set": lambda client, key: client.smembers(key),
    "zset": lambda client, key: client.zrange(key, 0, -1),
    "hash": lambda client, key: client.hgetall(key),
    "stream": lambda client, key: client.xrange(key),
}


def _text(key: bytes) -> str:
    return key.decode(errors="surrogateescape")


def _wire(key: str) -> bytes:
    return key.encode(errors="surrogateescape")


# redis-py types its answers for the synchronous and the asynchronous client at once.
def _number(answer: Any) -> int:
    return int(answer)


def _pair(answer: Any) -> tuple[int, list[bytes]]:
    cursor, page = answer
    return int(cursor), list(page)
