"""Defects that show only where clocks disagree."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from tests.defects.defect import Defect


def _ends_by_own_clock() -> None:
    from support.reference.gateway.cache import Cache, _sealed, ttl_of

    async def put_many(self: Cache, bodies: dict[str, dict[str, object]]) -> float | None:
        async def write(client: Any) -> None:
            for key, body in bodies.items():
                await client.set(key, _sealed(body), exat=int(time.time()) + ttl_of(key))

        await self._call(write)
        return 0.1

    Cache.put_many = put_many  # type: ignore[method-assign]


def _windows_by_two_clocks() -> None:
    from support.reference.gateway.cache import Cache

    count = Cache.hit_window

    async def hit_window(self: Cache, key: str, window_s: int) -> tuple[int, float] | None:
        told = await count(self, key, window_s)
        if told is None:
            return None
        ends_ms = int(await self._call(lambda client: client.pexpiretime(key)))
        return told[0], ends_ms / 1000 - time.time()

    Cache.hit_window = hit_window  # type: ignore[method-assign]


def _window_ends_by_own_clock() -> None:
    from support.reference.gateway.cache import Cache

    async def hit_window(self: Cache, key: str, window_s: int) -> tuple[int, float]:
        async def count(client: Any) -> tuple[int, float]:
            number = int(await client.incr(key))
            await client.expireat(key, int(time.time()) + window_s, nx=True)
            return number, max(int(await client.pttl(key)), 0) / 1000

        return await self._call(count)

    Cache.hit_window = hit_window  # type: ignore[method-assign]


def _other_clock_distrusted() -> None:
    from support.reference.gateway.cache import Cache, CacheDown

    call = Cache._call

    async def strict(self: Cache, work: Any) -> Any:
        seconds, _microseconds = await self._client.time()
        if abs(seconds - time.time()) > 600:
            raise CacheDown
        return await call(self, work)

    Cache._call = strict  # type: ignore[method-assign]


def _versions_by_own_clock() -> None:
    from support.reference.gateway.writes import Writer

    announce = Writer._announce

    async def timed(self: Writer, lease: Any, target: Any, items: Any, rows: Mapping[Any, Any]) -> Any:
        now = int(time.time())
        dated = {point_id: {**dict(row), "version": 0, "newest": now} for point_id, row in rows.items()}
        return await announce(self, lease, target, items, dated)

    Writer._announce = timed  # type: ignore[method-assign]


def _put_off_by_own_clock() -> None:
    from support.reference.gateway import reconcile, writes

    _leases_and_delays_believed(reconcile, "_DUE", "$2")
    for name in ("_EVENTS", "_MARK"):
        setattr(writes, name, getattr(writes, name).replace("now()", f"to_timestamp({time.time()})"))


def _delays_of_another_time_believed() -> None:
    from support.reference.gateway import reconcile

    _leases_and_delays_believed(reconcile, "_DUE", "$2")


def _leases_of_another_time_believed() -> None:
    from support.reference.gateway import jobs

    _leases_and_delays_believed(jobs, "_CLAIM", "2 * $1")


def _leases_and_delays_believed(module: Any, name: str, longest: str) -> None:
    """However far ahead they lie; the parameter stays in use, or PostgreSQL would ask for its type."""
    sql = getattr(module, name)
    bounded = f"NOT BETWEEN now() AND now() + make_interval(secs => {longest})"
    assert bounded in sql
    setattr(module, name, sql.replace(bounded, f"<= now() + 0 * make_interval(secs => {longest})"))


def _durations_below_nothing() -> None:
    from support.reference.gateway import jobs

    jobs._milliseconds = lambda seconds: round(seconds * 1000, 3)


_FEATURE = "failure_scenarios/clocks.feature"
DEFECTS: Mapping[str, Defect] = {
    "ends-by-own-clock": Defect(
        "the gateway tells the cache by its own clock when an entry ends",
        "gateway",
        _ends_by_own_clock,
        "cache-ttl-under-wrong-clock",
        r"lives \d+ ms, at most \d+ are allowed",
        row=r"gateway .* ahead",
    ),
    "windows-by-two-clocks": Defect(
        "the end of a caller's minute by the cache's clock is compared with the gateway's",
        "gateway",
        _windows_by_two_clocks,
        "rate-limit-window-under-wrong-clock",
        r"the window begins with the first request, but that says it ends in 0 s",
        row="gateway",
    ),
    "window-ends-by-own-clock": Defect(
        "the gateway tells the cache by its own clock when a caller's minute ends",
        "gateway",
        _window_ends_by_own_clock,
        "rate-limit-window-under-wrong-clock",
        r"the window begins with the first request, but that says it ends in 0 s",
        row="cache",
    ),
    "other-clock-distrusted": Defect(
        "a cache whose clock tells another time is taken for unusable",
        "gateway",
        _other_clock_distrusted,
        "wrong-clock-changes-nothing",
        r"a repeated search comes from the cache: not within",
        row=r"cache .* ahead",
    ),
    "versions-by-own-clock": Defect(
        "a document's version is the time at which it was written",
        "gateway",
        _versions_by_own_clock,
        "last-update-wins-under-wrong-clock",
        r"but: was <\['updated', \d{6,}\]>",
        row="gateway",
    ),
    "put-off-by-own-clock": Defect(
        "the gateway tells by its own clock when an unfinished write is tried again",
        "gateway",
        _put_off_by_own_clock,
        "indeterminate-write-settles-under-wrong-clock",
        r'"menu" in both stores or in neither, nothing in flight: not within',
    ),
    "delays-of-another-time-believed": Defect(
        "an unfinished write waits for an hour after the database's clock was set back",
        "gateway",
        _delays_of_another_time_believed,
        "unfinished-write-completes-after-clock-correction",
        r'"menu" in both stores or in neither, nothing in flight: not within',
    ),
    "leases-of-another-time-believed": Defect(
        "a job belongs to nobody for an hour after the database's clock was set back",
        "gateway",
        _leases_of_another_time_believed,
        "job-continues-after-clock-correction",
        r"job.* not within",
    ),
    "durations-below-nothing": Defect(
        "a job that was begun before the database's clock was set back takes less than no time",
        "gateway",
        _durations_below_nothing,
        "wrong-clock-changes-nothing",
        r"total_processing_time_ms: -\d+",
        row=r"metadata store .* behind",
    ),
}
