"""A run's heartbeat in a Qdrant that is not the suite's own: a collection that also marks the others as ours.

A collection of Qdrant carries no comment, and a name like ours proves nothing. Only what bears the prefix of
a run whose beacon stands in the same Qdrant was made by the suite. The beacon is lit before the first
collection and goes out after the last one.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from typing import Any

import httpx

from support import addresses
from support.isolation.heartbeat import Heart, Missed, Sign
from support.isolation.names import Run

MARK = "citadel-acceptance"
SUFFIX = "alive"
POINT = 1
TIMEOUT_S = 5.0


@dataclass(frozen=True, slots=True)
class Lit:
    """A beacon as one sees it: whose it is, its last beat, whether its run left everything on purpose."""

    run: Run
    sign: Sign
    kept: bool


def is_beacon(collection: str) -> bool:
    """Whether a collection of this name is a run's heartbeat and none of a platform's."""
    run = Run.of(collection)
    return run is not None and collection == name_of(run)


def point(run: Run, beat: int, at: float | None, *, kept: bool = False) -> dict[str, object]:
    """The point by which a beacon is one; ``at`` by the server's clock."""
    return {"id": POINT, "vector": [1.0], "payload": {MARK: run.id, "beat": beat, "at": at, "kept": kept}}


@dataclass(slots=True)
class Beacon:
    """The beacon of a run in the Qdrant at ``url``."""

    url: str
    key: str | None
    run: Run
    _beats: int = 0
    _time: float | None = None
    _heart: Heart = field(init=False)
    _client: httpx.Client = field(init=False)

    def __post_init__(self) -> None:
        self._client = _client(self.url, self.key)
        self._heart = Heart("qdrant", self._beat)

    def light(self) -> None:
        """Make it, and beat until ``put_out`` or ``keep``."""
        name = name_of(self.run)
        made = self._client.put(f"/collections/{name}", json={"vectors": {"size": 1, "distance": "Dot"}})
        self._time = time_of(made.raise_for_status())
        self._write()
        self._heart.start()

    def keep(self) -> None:
        """Beat no more, and tell that what is there was left on purpose."""
        self._heart.stop()
        self._write(kept=True)
        self._client.close()

    def put_out(self) -> None:
        """Remove what is left of the run, the beacon last."""
        self._heart.stop()
        self._client.close()
        remove(self.url, self.key, self.run)

    def _beat(self) -> None:
        try:
            self._write()
        except httpx.HTTPError as error:
            raise Missed from error  # a scenario may have stopped the server

    def _write(self, *, kept: bool = False) -> None:
        """One beat, with the time of the answer before it."""
        self._beats += 1
        points = {"points": [point(self.run, self._beats, self._time, kept=kept)]}
        path = f"/collections/{name_of(self.run)}/points"
        written = self._client.put(path, params={"wait": "true"}, json=points)
        self._time = time_of(written.raise_for_status())


def lit(url: str, key: str | None) -> list[Lit]:
    """The beacons in a Qdrant."""
    with _asking(url, key) as client:
        found = [_read(client, name) for name in _collections(client) if is_beacon(name)]
        return [each for each in found if each is not None]


def remove(url: str, key: str | None, run: Run) -> list[str]:
    """Delete the collections of a run and then its beacon, if that is there; returns their names."""
    with _asking(url, key) as client:
        beacon = name_of(run)
        if _read(client, beacon) is None:
            return []
        gone = [name for name in _collections(client) if name.startswith(run.prefix) and name != beacon]
        for name in [*gone, beacon]:
            client.delete(f"/collections/{name}").raise_for_status()
        return gone


def name_of(run: Run) -> str:
    """The name of the beacon of a run."""
    return f"{run.prefix}{SUFFIX}"


def _client(url: str, key: str | None) -> httpx.Client:
    return httpx.Client(
        base_url=url,
        headers={"api-key": key} if key else {},
        timeout=TIMEOUT_S,
        trust_env=False,
        verify=addresses.trusted(),
    )


@contextmanager
def _asking(url: str, key: str | None) -> Iterator[httpx.Client]:
    client = _client(url, key)
    try:
        yield client
    finally:
        client.close()


def _collections(client: httpx.Client) -> list[str]:
    answer = client.get("/collections").raise_for_status()
    return [str(item["name"]) for item in answer.json()["result"]["collections"]]


def _read(client: httpx.Client, name: str) -> Lit | None:
    """The beacon in the collection of this name, or None where it is no beacon of ours."""
    answer = client.get(f"/collections/{name}/points/{POINT}")
    if answer.status_code == httpx.codes.NOT_FOUND:
        return None
    result = answer.raise_for_status().json().get("result") or {}
    payload: dict[str, Any] = result.get("payload") or {}
    run = Run.of(name)
    if run is None or payload.get(MARK) != run.id:
        return None
    now, at = time_of(answer), payload.get("at")
    age = now - float(at) if now is not None and at is not None else None
    return Lit(run, Sign(f"qdrant {payload.get('beat')}", age), bool(payload.get("kept")))


def time_of(answer: httpx.Response) -> float | None:
    """The server's clock, in whole seconds, if it tells it (RFC 9110, 6.6.1)."""
    try:
        return parsedate_to_datetime(answer.headers["Date"]).timestamp()
    except (KeyError, ValueError):
        return None
