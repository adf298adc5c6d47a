"""A Redis database index of the suite's own, leased with a heartbeat and given back as empty as it was."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import redis
from redis.backoff import NoBackoff
from redis.connection import parse_url
from redis.exceptions import NoPermissionError
from redis.retry import Retry

from support.isolation.heartbeat import Heart, Missed, Sign, Superseded
from support.isolation.names import Run

LEASE_KEY = "citadel-acceptance:lease"
PLATFORM_KEYS = "citadel:v1:*"
SCAN_PAGE = 500
# Each of them empty by the server's word and taken by somebody else before we came.
TRIED_AT_MOST = 64


class NoFreeDatabase(Exception):
    """Every database index from the URL's on holds keys; the message says what to do."""


def connect(url: str) -> redis.Redis:
    """A client that never waits longer than two seconds and never retries by itself."""
    return redis.Redis.from_url(
        url, socket_timeout=2, socket_connect_timeout=2, retry=Retry(NoBackoff(), 0), protocol=2
    )


def index_of(url: str) -> int:
    """The database index that redis-py takes from a URL: of ``?db=``, else of the path, else 0."""
    return int(parse_url(url).get("db", 0))  # type: ignore[no-untyped-call]


def with_index(url: str, index: int) -> str:
    """The same server, another database index, wherever the URL names it."""
    parts = urlsplit(url)
    options = [option for option in parse_qsl(parts.query, keep_blank_values=True) if option[0] != "db"]
    path = f"/{index}"
    if parts.scheme == "unix":  # its path is that of the socket
        path = parts.path
        options.append(("db", str(index)))
    # Not urlunsplit: without a host it would leave the slashes out, which redis-py insists on.
    return f"{parts.scheme}://{parts.netloc}{path}" + (f"?{urlencode(options)}" if options else "")


@dataclass(frozen=True, slots=True)
class Claim:
    """What a lease says: whose the database is, since which beat, whether it was left on purpose."""

    run: Run
    beat: int
    # Unix time by the server's clock; None where it may not be asked for.
    at: float | None
    kept: bool = False

    def written(self) -> str:
        return json.dumps(
            {
                "run": self.run.id,
                "prefix": self.run.prefix,
                "beat": self.beat,
                "at": self.at,
                "kept": self.kept,
            }
        )

    @classmethod
    def read(cls, value: object) -> Claim | None:
        """The claim in the lease's key; None where there is none, or it is not the suite's."""
        try:
            content = json.loads(value if isinstance(value, str | bytes) else "")
            run = Run.of(str(content["prefix"]))
            at = None if content["at"] is None else float(content["at"])
            return None if run is None else cls(run, int(content["beat"]), at, bool(content["kept"]))
        except (ValueError, KeyError, TypeError):
            return None


@dataclass(frozen=True, slots=True)
class OwnLease:
    """The lease of a database; ``kept``: left on purpose."""

    index: int
    run: Run
    sign: Sign
    kept: bool


@dataclass(slots=True)
class Lease:
    """A leased database; its heartbeat keeps other runs from taking it for abandoned."""

    url: str
    run: Run
    _beats: int = 0
    _client: redis.Redis = field(init=False, repr=False)
    _heart: Heart = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self._client = connect(self.url)
        self._heart = Heart("redis", self._beat)

    def keep_alive(self) -> None:
        """Start the heartbeat."""
        self._heart.start()

    def keep(self) -> None:
        """Beat no more, and tell that what is there was left on purpose."""
        self._heart.stop()
        try:
            self._write(kept=True)
        finally:
            self._client.close()

    def release(self) -> None:
        """Remove the platform's keys, then the lease; nothing if another run has it by now."""
        self._heart.stop()
        try:
            _give_back(self._client, self.run, self.run)
        finally:
            self._client.close()

    def _beat(self) -> None:
        try:
            self._write()
        except redis.RedisError as error:
            raise Missed from error  # a scenario may have stopped the server

    def _write(self, *, kept: bool = False) -> None:
        """One beat; a lease that a restart of the server has lost is taken again."""
        self._beats += 1
        claim = Claim(self.run, self._beats, _now(self._client), kept)
        with self._client.pipeline() as pipe:
            pipe.watch(LEASE_KEY)  # type: ignore[no-untyped-call]
            held = pipe.get(LEASE_KEY)
            if held is not None and not _is_of(held, self.run):
                raise Superseded(f"Redis database {index_of(self.url)} is no longer leased to this run")
            pipe.multi()
            pipe.set(LEASE_KEY, claim.written())
            pipe.execute()


def take(url: str, run: Run) -> Lease:
    """Lease the first empty database from the URL's index on. Raises ``NoFreeDatabase``."""
    first = index_of(url)
    # The server knows where keys are; one it does not name is empty, or is no database of it at all.
    held = _with_keys(url)
    unnamed = (index for index in itertools.count(first) if index not in held)
    for index in itertools.islice(unnamed, TRIED_AT_MOST):
        candidate = with_index(url, index)
        try:
            with _asking(candidate) as client:
                if _claimed(client, run):
                    return Lease(candidate, run)
        except redis.ResponseError as error:
            raise NoFreeDatabase(
                f"TEST_REDIS_URL: no empty database from index {first} on"
                f" ({index - first} looked at, then: {error}); empty one or name another server"
            ) from None
    raise NoFreeDatabase(
        f"TEST_REDIS_URL: {TRIED_AT_MOST} databases from index {first} on were taken by others just now;"
        " try again or name another server"
    )


def leases(url: str) -> list[OwnLease]:
    """All leases on that server from the URL's index on, with the last beat of each."""
    first = index_of(url)
    found = []
    for index in sorted(each for each in _with_keys(url) if each >= first):
        with _asking(with_index(url, index)) as client:
            try:
                claim = Claim.read(client.get(LEASE_KEY))
            except redis.ResponseError:
                continue  # what lies under the key is of another type: not ours
            if claim is not None:
                now = _now(client)
                age = None if now is None or claim.at is None else now - claim.at
                found.append(OwnLease(index, claim.run, Sign(f"redis {claim.beat}", age), claim.kept))
    return found


def give_back(url: str, run: Run) -> bool:
    """Remove the platform's keys and the lease of a dead run, if it still has it; returns whether it had."""
    with _asking(url) as client:
        # A sweep that is killed has a lease too: the next one goes on.
        return _give_back(client, run, Run.current())


def _give_back(client: redis.Redis, run: Run, by: Run) -> bool:
    """Take the lease of ``run`` over for ``by`` and empty the database; whether ``run`` had it.

    By SCAN and UNLINK, the lease last: never FLUSHDB on a foreign server.
    """
    beat = 0
    if not _replace(client, run, Claim(by, beat, _now(client))):
        return False
    batch: list[bytes] = []
    for key in itertools.chain(client.scan_iter(match=PLATFORM_KEYS, count=SCAN_PAGE), [None]):
        if key is not None:
            batch.append(key)
        if batch and (key is None or len(batch) >= SCAN_PAGE):
            beat += 1
            if not _replace(client, by, Claim(by, beat, _now(client))):
                return True  # another sweep took this one for dead and went on with it
            client.unlink(*batch)
            batch.clear()
    _replace(client, by, None)
    return True


def _claimed(client: redis.Redis, run: Run) -> bool:
    """Claim an empty database; the claim is taken back if the database turns out to hold something."""
    if client.dbsize():
        return False
    with client.pipeline() as pipe:
        pipe.set(LEASE_KEY, Claim(run, 0, _now(client)).written(), nx=True)
        pipe.dbsize()
        taken, size = pipe.execute()
    if taken and size != 1:
        _replace(client, run, None)
    return bool(taken) and size == 1


def _replace(client: redis.Redis, holder: Run, then: Claim | None) -> bool:
    """Put ``then`` in the place of the lease of ``holder`` (None: remove it); whether it had the lease."""
    with client.pipeline() as pipe:
        pipe.watch(LEASE_KEY)  # type: ignore[no-untyped-call]
        if not _is_of(pipe.get(LEASE_KEY), holder):
            return False
        pipe.multi()
        if then is None:
            pipe.delete(LEASE_KEY)
        else:
            pipe.set(LEASE_KEY, then.written())
        try:
            pipe.execute()
        except redis.WatchError:
            return False
    return True


def _is_of(value: object, run: Run) -> bool:
    claim = Claim.read(value)
    return claim is not None and claim.run == run


def _now(client: redis.Redis) -> float | None:
    """The server's clock, or None where this user may not ask for it."""
    try:
        seconds, microseconds = _pair(client.time())
    except NoPermissionError:
        return None
    return seconds + microseconds / 1e6


def _with_keys(url: str) -> set[int]:
    """The indices of the databases that hold keys."""
    with _asking(url) as client:
        info = client.info("keyspace")
        assert isinstance(info, dict)
        return {int(name.removeprefix("db")) for name in info}


@contextmanager
def _asking(url: str) -> Iterator[redis.Redis]:
    client = connect(url)
    try:
        yield client
    finally:
        client.close()


# redis-py types its answers for the synchronous and the asynchronous client at once.
def _pair(answer: Any) -> tuple[int, int]:
    return int(answer[0]), int(answer[1])
