"""A Redis database index of the suite's own, leased with a heartbeat and given back as empty as it was."""

from __future__ import annotations

import itertools
import json
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, urlencode, urlsplit

import redis
from redis.backoff import NoBackoff
from redis.connection import parse_url
from redis.retry import Retry

from support.isolation.names import Run

LEASE_KEY = "citadel-acceptance:lease"
PLATFORM_KEYS = "citadel:v1:*"
BEAT_EVERY_S = 10.0
STALE_AFTER_S = 60.0
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


@dataclass(slots=True)
class Lease:
    """A leased database; its heartbeat keeps other runs from taking it for abandoned."""

    url: str
    run: Run
    _stopped: threading.Event = field(default_factory=threading.Event)
    _beat: threading.Thread | None = None

    def keep_alive(self) -> None:
        """Start the heartbeat."""
        self._beat = threading.Thread(target=self._beat_on, name="redis-lease", daemon=True)
        self._beat.start()

    def _beat_on(self) -> None:
        client = connect(self.url)
        while not self._stopped.wait(BEAT_EVERY_S):
            try:
                client.set(LEASE_KEY, _claim(self.run), xx=True)
            except redis.RedisError:
                continue  # a scenario may have stopped the server; the next beat tries again
        client.close()

    def release(self) -> None:
        """Remove the platform's keys, then the lease."""
        self._stopped.set()
        if self._beat is not None:
            self._beat.join(BEAT_EVERY_S)
        client = connect(self.url)
        try:
            empty(client)
        finally:
            client.close()


def take(url: str, run: Run) -> Lease:
    """Lease the first empty database from the URL's index on. Raises ``NoFreeDatabase``."""
    first = index_of(url)
    # The server knows where keys are; one it does not name is empty, or is no database of it at all.
    held = _with_keys(url)
    for index in itertools.islice(
        (each for each in itertools.count(first) if each not in held), TRIED_AT_MOST
    ):
        candidate = with_index(url, index)
        client = connect(candidate)
        try:
            if _claimed(client, run):
                return Lease(candidate, run)
        except redis.ResponseError as error:
            raise NoFreeDatabase(
                f"TEST_REDIS_URL: no empty database from index {first} on"
                f" ({index - first} looked at, then: {error}); empty one or name another server"
            ) from None
        finally:
            client.close()
    raise NoFreeDatabase(
        f"TEST_REDIS_URL: {TRIED_AT_MOST} databases from index {first} on were taken by others just now;"
        " try again or name another server"
    )


def abandoned(url: str) -> Iterator[tuple[int, str]]:
    """``(index, run id)`` of the leases of dead runs on that server, from the URL's index on."""
    first = index_of(url)
    for index in sorted(each for each in _with_keys(url) if each >= first):
        client = connect(with_index(url, index))
        try:
            claim = client.get(LEASE_KEY)
            if claim is not None and (owner := _dead_owner(claim)) is not None:
                yield index, owner
        finally:
            client.close()


def _with_keys(url: str) -> set[int]:
    """The indices of the databases that hold keys."""
    client = connect(url)
    try:
        told = client.info("keyspace")
        assert isinstance(told, dict)
        return {int(name.removeprefix("db")) for name in told}
    finally:
        client.close()


def empty(client: redis.Redis) -> None:
    """Remove the platform's keys by SCAN and UNLINK, then the lease: never FLUSHDB on a foreign server."""
    batch: list[bytes] = []
    for key in client.scan_iter(match=PLATFORM_KEYS, count=SCAN_PAGE):
        batch.append(key)
        if len(batch) >= SCAN_PAGE:
            client.unlink(*batch)
            batch.clear()
    if batch:
        client.unlink(*batch)
    client.delete(LEASE_KEY)


def _claimed(client: redis.Redis, run: Run) -> bool:
    """Claim an empty database; the claim is taken back if the database turns out to hold something."""
    if client.dbsize() or not client.set(LEASE_KEY, _claim(run), nx=True):
        return False
    if client.dbsize() == 1:
        return True
    client.delete(LEASE_KEY)
    return False


def _claim(run: Run) -> str:
    return json.dumps({"run": run.id, "prefix": run.prefix, "heartbeat": time.time()})


def _dead_owner(claim: object) -> str | None:
    """The run behind a claim if it is dead: its process is gone, or (another host) its heart stopped."""
    try:
        told = json.loads(claim if isinstance(claim, str | bytes) else "")
        run = Run.of(str(told["prefix"]))
        silent_s = time.time() - float(told["heartbeat"])
    except (ValueError, KeyError, TypeError):
        return None
    if run is None:
        return None
    dead = not run.alive() if run.local else silent_s > STALE_AFTER_S
    return run.id if dead else None
