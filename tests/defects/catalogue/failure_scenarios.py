"""Defects that show only when something fails: outages, crashes, wrong clocks, full stores."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Mapping
from typing import Any

from tests.defects.defect import defect
from tests.defects.shared import phase_b_believes_its_own_version, providers_module


@defect(
    "a job that is tried again starts again what may still be under way",
    key="job-writes-without-response-done-once",
    message=r"in version \d+: stored more than once",
)
def job_repeats_what_was_begun() -> None:
    from support.reference.gateway import jobs

    jobs._BEGUN = jobs._BEGUN.replace("WHERE", "WHERE false AND")


@defect(
    "a job does not wait for the embedding service",
    key="job-waits-for-dependency",
    message=r"the job ended before it had been tried 3 times|expected processing",
    row="embedding service",
)
def job_fails_with_its_dependency() -> None:
    from support.reference.gateway.embedding import Embeddings
    from support.reference.gateway.problems import DependencyDown, Problem
    from support.reference.gateway.timing import current

    embed = Embeddings.embed

    async def impatient(self: Embeddings, texts: Any, model: str, *, use_cache: bool) -> Any:
        try:
            return await embed(self, texts, model, use_cache=use_cache)
        except DependencyDown as down:
            if not current().background:
                raise
            raise Problem("model-not-found") from down

    Embeddings.embed = impatient  # type: ignore[method-assign]


@defect(
    "a text at which the embedding service always fails is retried without end",
    key="fatal-job-item-fails-alone",
    message=r"the first job has ended: not within.*'processing', done=7, failed=0",
)
def job_never_gives_up() -> None:
    from support.reference.gateway import jobs

    jobs._TRIES = 1_000_000


@defect(
    "an outage of the embedding service counts against the texts of a job",
    key="job-waits-through-long-outage",
    message=r"failed, 0 succeeded and 1 failed of 1",
)
def job_gives_up_in_an_outage() -> None:
    from support.reference.gateway.embedding import Embeddings

    async def believe(self: Embeddings, model: str) -> None:
        return None

    Embeddings.try_out = believe  # type: ignore[method-assign]


@defect(
    "a cache that failed once is never asked again",
    key="redis-crash-degrades-only",
    message=r"every service is used .*not within.*X-Cache BYPASS, not HIT",
)
def bypass_without_end() -> None:
    from support.reference.gateway.cache import Cache

    init = Cache.__init__

    def resentful(self: Cache, config: Any, metrics: Any) -> None:
        init(self, config, metrics)
        self._bypass_s = 3600.0

    Cache.__init__ = resentful  # type: ignore[method-assign]


@defect(
    "without the cache nobody counts requests",
    key="rate-limit-holds-without-redis",
    message=r"Expected: 5 succeeded, 3 rate-limited\s+but: 8 succeeded",
)
def limit_kept_in_the_cache_alone() -> None:
    from support.reference.gateway.access import RateLimit, Window

    async def shared_only(self: RateLimit, principal: Any) -> Window:
        key = f"citadel:v1:rl:{principal.user_id}:60"
        shared = await self._cache.hit_window(key, 60)
        return Window(principal.rate_limit_rpm, *(shared or (0, 60.0)))

    RateLimit.admit = shared_only  # type: ignore[method-assign]


@defect(
    "the fence around the cache dies with the gateway",
    key="gateway-crash-keeps-invalidation",
    message=r"expected a cache miss, but X-Cache is HIT",
)
def fence_kept_in_memory() -> None:
    from support.reference.gateway import content, search
    from support.reference.gateway.cache import PREFIX
    from support.reference.gateway.writes import Writer

    fences: dict[Any, int] = {}
    forget = Writer._forget

    def key(wanted: Any, target: Any) -> str:
        request = wanted.model_dump(exclude={"collection", "use_cache"})
        fence = fences.get(target.collection_id, 0)
        return f"{PREFIX}search:{target.collection_id}:g{fence}:{content.digest(request)}"

    async def raised(self: Writer, target: Any, items: Any) -> None:
        fences[target.collection_id] = fences.get(target.collection_id, 0) + 1
        await forget(self, target, items)

    search._key = key
    Writer._forget = raised  # type: ignore[method-assign]


@defect(
    "a cache whose clock tells another time is taken for unusable",
    key="wrong-clock-changes-nothing",
    message=r"X-Cache \w+, not HIT",
    row=r"Redis .* ahead",
)
def other_clock_distrusted() -> None:
    from support.reference.gateway.cache import Cache, CacheDown

    call = Cache._call

    async def strict(self: Cache, work: Any) -> Any:
        seconds, _microseconds = await self._client.time()
        if abs(seconds - time.time()) > 600:
            raise CacheDown
        return await call(self, work)

    Cache._call = strict  # type: ignore[method-assign]


@defect(
    "a job that was begun before the database's clock was set back takes less than no time",
    key="wrong-clock-changes-nothing",
    message=r"total_processing_time_ms: -\d+",
    row=r"PostgreSQL .* behind",
)
def durations_below_nothing() -> None:
    from support.reference.gateway import jobs

    jobs._milliseconds = lambda seconds: round(seconds * 1000, 3)


@defect(
    "the gateway tells the cache by its own clock when an entry ends",
    key="cache-ttl-under-wrong-clock",
    message=r"lives \d+ ms, at most \d+ are allowed",
    row=r"gateway .* ahead",
)
def ends_by_own_clock() -> None:
    from support.reference.gateway.cache import Cache, _sealed, ttl_of

    async def put_many(self: Cache, bodies: dict[str, dict[str, object]]) -> float | None:
        async def write(client: Any) -> None:
            for key, body in bodies.items():
                await client.set(key, _sealed(body), exat=int(time.time()) + ttl_of(key))

        await self._call(write)
        return 0.1

    Cache.put_many = put_many  # type: ignore[method-assign]


@defect(
    "a document's version is the time at which it was written",
    key="last-update-wins-under-wrong-clock",
    message=r"expected updated in version 2, was updated in version \d{6,}",
    row="gateway",
)
def versions_by_own_clock() -> None:
    from support.reference.gateway.writes import Writer

    announce = Writer._announce

    async def timed(self: Writer, lease: Any, target: Any, items: Any, rows: Mapping[Any, Any]) -> Any:
        now = int(time.time())
        dated = {point_id: {**dict(row), "version": 0, "newest": now} for point_id, row in rows.items()}
        return await announce(self, lease, target, items, dated)

    Writer._announce = timed  # type: ignore[method-assign]


@defect(
    "the end of a caller's minute by the cache's clock is compared with the gateway's",
    key="rate-limit-window-under-wrong-clock",
    message=r"RateLimit-Reset at least 59, was 0",
    row="gateway",
)
def windows_by_two_clocks() -> None:
    from support.reference.gateway.cache import Cache

    count = Cache.hit_window

    async def hit_window(self: Cache, key: str, window_s: int) -> tuple[int, float] | None:
        told = await count(self, key, window_s)
        if told is None:
            return None
        ends_ms = int(await self._call(lambda client: client.pexpiretime(key)))
        return told[0], ends_ms / 1000 - time.time()

    Cache.hit_window = hit_window  # type: ignore[method-assign]


@defect(
    "the gateway tells the cache by its own clock when a caller's minute ends",
    key="rate-limit-window-under-wrong-clock",
    message=r"RateLimit-Reset at least 59, was 0",
    row="Redis",
)
def window_ends_by_own_clock() -> None:
    from support.reference.gateway.cache import Cache

    async def hit_window(self: Cache, key: str, window_s: int) -> tuple[int, float]:
        async def count(client: Any) -> tuple[int, float]:
            number = int(await client.incr(key))
            await client.expireat(key, int(time.time()) + window_s, nx=True)
            return number, max(int(await client.pttl(key)), 0) / 1000

        return await self._call(count)

    Cache.hit_window = hit_window  # type: ignore[method-assign]


def _leases_and_delays_believed(module: Any, name: str, longest: str) -> None:
    """However far ahead they lie; the parameter stays in use, or PostgreSQL would ask for its type."""
    sql = getattr(module, name)
    bounded = f"NOT BETWEEN now() AND now() + make_interval(secs => {longest})"
    assert bounded in sql
    setattr(module, name, sql.replace(bounded, f"<= now() + 0 * make_interval(secs => {longest})"))


@defect(
    "the gateway tells by its own clock when an unfinished write is tried again",
    key="indeterminate-write-settles-under-wrong-clock",
    message=r"no write is in flight .*not within",
)
def put_off_by_own_clock() -> None:
    from support.reference.gateway import reconcile, writes

    _leases_and_delays_believed(reconcile, "_DUE", "$2")
    for name in ("_EVENTS", "_MARK"):
        setattr(writes, name, getattr(writes, name).replace("now()", f"to_timestamp({time.time()})"))


@defect(
    "an unfinished write waits for an hour after the database's clock was set back",
    key="unfinished-write-completes-after-clock-correction",
    message=r"no write is in flight .*not within",
)
def delays_of_another_time_believed() -> None:
    from support.reference.gateway import reconcile

    _leases_and_delays_believed(reconcile, "_DUE", "$2")


@defect(
    "a job belongs to nobody for an hour after the database's clock was set back",
    key="job-continues-after-clock-correction",
    message=r"job.* not within",
)
def leases_of_another_time_believed() -> None:
    from support.reference.gateway import jobs

    _leases_and_delays_believed(jobs, "_CLAIM", "2 * $1")


@defect(
    "everybody who misses a text in the cache has it embedded again",
    key="search-stampede-computes-one-embedding",
    message=r"the embedding service received \d\d+ requests, expected exactly 1",
)
def no_single_flight() -> None:
    from support.reference.gateway.embedding import Embeddings

    depart = Embeddings._depart

    async def alone(self: Embeddings, shared: Any, own: Any, texts: Any, model: str, size: int) -> Any:
        return await depart(self, {}, own, texts, model, size)

    Embeddings._depart = alone  # type: ignore[method-assign]


@defect(
    "two layers try a failed call three times each",
    key="no-retry-storm-in-outage",
    message=r"the embedding service received 900 requests, expected from 1 to 100",
)
def retries_at_two_layers() -> None:
    from support.reference.gateway.embedding import Embeddings
    from support.reference.gateway.problems import DependencyDown

    def three_times(call: Any) -> Any:
        async def stubborn(self: Any, *values: Any, **options: Any) -> Any:
            for _ in range(2):
                with contextlib.suppress(DependencyDown):
                    return await call(self, *values, **options)
            return await call(self, *values, **options)

        return stubborn

    Embeddings._call = three_times(Embeddings._call)  # type: ignore[method-assign]
    Embeddings._fetch = three_times(Embeddings._fetch)  # type: ignore[method-assign]


@defect(
    "calls to the cache have no time limit",
    key="redis-outage-refuses-only-dependents",
    message=r"later than .*(no answer \(ReadTimeout|answered \d+ in \d{5} ms)",
    row=r"redis\.hang",
)
def cache_waited_for() -> None:
    from support.reference.gateway.cache import Cache

    async def patient(self: Cache, work: Any) -> Any:
        return await work(self._client)

    Cache._in_time = patient  # type: ignore[method-assign]


@defect(
    "reads share three connections with writes that wait for the vector store",
    key="qdrant-outage-refuses-only-dependents",
    message=r"dependency=postgresql|later than|naming postgresql",
    row=r"qdrant\.hang",
)
def reads_wait_behind_writes() -> None:
    from support.reference.gateway import postgres

    init = postgres.Database.__init__

    def shared(self: Any, config: Any) -> None:
        init(self, config)
        self.reader = self.writer = postgres.Pool(config, 3, "all")

    postgres.Database.__init__ = shared  # type: ignore[method-assign]


@defect(
    "whatever goes wrong while a document is read is told as not found",
    key="postgresql-outage-refuses-only-dependents",
    message=r"answered 404 vector-not-found",
    row=r"postgresql\.crashed",
)
def every_problem_is_the_callers() -> None:
    from support.reference.gateway.operations import Operations
    from support.reference.gateway.problems import Problem

    get_vector = Operations.get_vector

    async def blaming(self: Operations, request: Any) -> Any:
        try:
            return await get_vector(self, request)
        except Problem as refused:
            raise Problem("vector-not-found", "No such item.") from refused

    Operations.get_vector = blaming  # type: ignore[method-assign]


@defect(
    "a collection that cannot be looked up is said not to exist",
    key="postgresql-outage-refuses-only-dependents",
    message=r"answered 404 collection-not-found",
    row=r"postgresql\.crashed",
)
def outage_as_not_found() -> None:
    from support.reference.gateway.descriptors import Descriptors, missing
    from support.reference.gateway.problems import DependencyDown

    get = Descriptors.get

    async def hiding(self: Descriptors, name: str) -> Any:
        try:
            return await get(self, name)
        except DependencyDown:
            raise missing(name) from None

    Descriptors.get = hiding  # type: ignore[method-assign]


@defect(
    "sessions that PostgreSQL has ended are used again and again",
    key="ended-database-sessions-reopened",
    message=r"every service is used .*not within 10 s.*dependency=postgresql",
)
def dead_sessions_kept() -> None:
    from support.reference.gateway.postgres import Pool, Session

    async def no_cut(self: Session) -> None:
        return None

    async def once(self: Session, run: Any, *, safe: bool) -> Any:
        return await self._bounded(lambda: run(self._live()))

    def close(self: Session) -> None:
        if self._connection is not None:
            self._pool.keep(self._connection)
            self._connection = None
        if self._placed:
            self._pool.leave()
            self._placed = False

    def idle(self: Pool) -> Any:
        return self._idle.pop() if self._idle else None

    Session._cut = no_cut  # type: ignore[method-assign]
    Session._statement = once  # type: ignore[method-assign]
    Session.close = close  # type: ignore[method-assign]
    Pool.idle = idle  # type: ignore[method-assign]


@defect(
    "documents are embedded by a provider while the embedding service is away",
    key="documents-embedded-by-collection-model-only",
    message=r"answered 201",
)
def embedded_by_a_provider_instead() -> None:
    import aiohttp
    import numpy as np

    from support.reference.gateway import config
    from support.reference.gateway.embedding import Embeddings
    from support.reference.gateway.problems import Problem

    fetch = Embeddings._fetch
    voyage = config.from_environment().providers["voyage"]

    async def or_else_voyage(self: Embeddings, texts: list[str], model: str, size: int) -> Any:
        try:
            return await fetch(self, texts, model, size)
        except Problem:
            body = {"model": "voyage-4", "input": texts}
            headers = {"Authorization": f"Bearer {voyage.key}"}
            async with (
                aiohttp.ClientSession() as session,
                session.post(f"{voyage.url}/embeddings", json=body, headers=headers) as answer,
            ):
                data = (await answer.json())["data"]
            vectors = [np.asarray(item["embedding"][:size], dtype=np.float32) for item in data]
            return [{"vector": vector, "truncated": False, "token_count": 1} for vector in vectors]

    Embeddings._fetch = or_else_voyage  # type: ignore[method-assign]


@defect(
    "writes are acknowledged before PostgreSQL has kept them (synchronous_commit=off)",
    key="postgresql-crash-loses-no-acknowledged-write",
    message=r"acknowledged in version 1, but held only by|only in Qdrant|counts are equal",
)
def commits_not_waited_for() -> None:
    import asyncpg

    connect = asyncpg.connect

    async def careless(url: str, **options: Any) -> Any:
        settings = {**options.pop("server_settings", {}), "synchronous_commit": "off"}
        return await connect(url, server_settings=settings, **options)

    asyncpg.connect = careless


@defect(
    "a metadata store that takes no writes is told as the caller's mistake",
    key="postgresql-write-fault-keeps-reads",
    message=r"403",
    row="is read-only",
)
def read_only_as_forbidden() -> None:
    from support.reference.gateway.postgres import Session
    from support.reference.gateway.problems import DependencyDown, Problem

    bounded = Session._bounded

    async def blaming(self: Session, work: Any) -> Any:
        try:
            return await bounded(self, work)
        except DependencyDown as down:
            if down.reason == "ReadOnlySQLTransactionError":
                raise Problem("forbidden") from down
            raise

    Session._bounded = blaming  # type: ignore[method-assign]


@defect(
    "a lock that somebody holds keeps the caller waiting",
    key="postgresql-write-fault-keeps-reads",
    message=r"within the PostgreSQL limit \(2\.5 s\)[\s\S]*in \d{5} ms",
    row="locked",
)
def locks_waited_for_without_end() -> None:
    from support.reference.gateway.postgres import Pool

    init = Pool.__init__

    def patient(self: Pool, config: Any, size: int, name: str) -> None:
        init(self, config, size, name)
        self.budget_s = 60.0

    Pool.__init__ = patient  # type: ignore[method-assign]


@defect(
    "whatever PostgreSQL refuses is told as a defect of the gateway",
    key="full-postgresql-keeps-nothing-refused",
    message=r"500 is always a defect",
)
def store_errors_as_defects() -> None:
    import asyncpg

    from support.reference.gateway import postgres

    postgres._DEFECTS = (asyncpg.PostgresError,) * 3
    postgres._NOT_DEFECTS = (asyncpg.LockNotAvailableError,) * 3


def _sure(writer: Any, name: str) -> None:
    from support.reference.gateway.problems import DependencyDown, DependencyTimeout

    apply = getattr(writer, name)

    async def sure(self: Any, *arguments: Any) -> Any:
        try:
            return await apply(self, *arguments)
        except DependencyTimeout as unknown:
            if isinstance(unknown.__cause__, DependencyDown):
                raise unknown.__cause__ from unknown
            raise

    setattr(writer, name, sure)


@defect(
    "a write whose last commit failed is refused, though it may yet be done",
    key="failed-commit-of-write-settles",
    message=r"refused with dependency-timeout\s+but: .*answered 503 dependency-unavailable",
)
def failed_commit_told_as_refusal() -> None:
    from support.reference.gateway.writes import Writer

    _sure(Writer, "_apply_upserts")


@defect(
    "a deletion whose last commit failed is refused, though it may yet be done",
    key="failed-commit-of-delete-settles",
    message=r"refused with dependency-timeout\s+but: .*answered 503 dependency-unavailable",
)
def failed_deletion_told_as_refusal() -> None:
    from support.reference.gateway.writes import Writer

    _sure(Writer, "_apply_deletes")


@defect(
    "a collection whose last commit failed is refused, though it may yet come",
    key="failed-commit-of-collection-settles",
    message=r"refused with dependency-timeout\s+but: .*answered 503 dependency-unavailable",
)
def failed_creation_told_as_refusal() -> None:
    from support.reference.gateway.collections import Collections

    _sure(Collections, "create")


@defect(
    "an error of the cache ends the request",
    key="redis-write-fault-changes-nothing",
    message=r"(stores|searches) .*answered 50[03] .*dependency=redis",
    row="is out of memory",
)
def cache_errors_fail_requests() -> None:
    from support.reference.gateway.cache import Cache
    from support.reference.gateway.problems import DependencyDown

    async def strict(self: Cache, work: Any) -> Any:
        try:
            return await work(self._client)
        except Exception as error:
            raise DependencyDown("redis", type(error).__name__) from error

    Cache._call = strict  # type: ignore[method-assign]


@defect(
    "the gateway says that it is ready as soon as it lives",
    key="gateway-not-ready-before-dependencies",
    message=r"refused with dependency-unavailable\s+[\s\S]*getReadiness answered 200",
)
def ready_too_early() -> None:
    from support.reference.gateway.health import Health

    async def readiness(self: Health) -> dict[str, object]:
        return {"status": "ready", "degraded": []}

    Health.readiness = readiness  # type: ignore[method-assign]


@defect(
    "a gateway that is told to stop ends at once, whatever is under way",
    key="gateway-shutdown-under-load",
    message=r"insertVector: no answer \(",
)
def stop_cuts_off() -> None:
    import os
    import signal

    from support.reference.gateway.app import GatewayApp

    start = GatewayApp.start

    def start_impatiently(self: GatewayApp) -> None:
        start(self)
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, os._exit, 0)

    GatewayApp.start = start_impatiently  # type: ignore[method-assign]


@defect(
    "the time limit of a call restarts with every byte of its answer",
    key="qdrant-outage-refuses-only-dependents",
    message=r"later than 5 s.*(searchVectors|insertVector)",
    row=r"qdrant\.drip",
)
def time_counted_from_the_last_byte() -> None:
    import aiohttp

    limits = aiohttp.ClientTimeout

    def per_read(total: float) -> Any:
        return limits(sock_connect=total, sock_read=total)

    aiohttp.ClientTimeout = per_read  # type: ignore[assignment,misc]


@defect(
    "a vector store that takes a tenth of its time is given up",
    key="allowed-latency-changes-nothing",
    message=r"answered 504 dependency-timeout in \d+ ms \(.*\); dependency=qdrant",
    row=r"qdrant\.slow_within_limit",
)
def slow_taken_for_dead() -> None:
    from support.reference.gateway import qdrant

    allowed = qdrant.allowed  # type: ignore[attr-defined]

    def hasty(budget_s: float, dependency: str) -> float:
        return min(allowed(budget_s, dependency), 0.2)

    qdrant.allowed = hasty  # type: ignore[attr-defined]


@defect(
    "a provider is given up after a tenth of the time that an attempt may take",
    key="allowed-latency-changes-nothing",
    message=r"embed with provider: expected succeeded, was provider-timeout",
    row=r"providers\.slow_within_limit",
)
def attempts_cut_short() -> None:
    orders = providers_module("orders")
    terms = orders.Terms
    orders.Terms = lambda request_id, deadline, attempt_s, timing: terms(
        request_id, deadline, attempt_s / 10, timing
    )
    providers_module("router").Terms = orders.Terms


@defect(
    "a search without its vector store answers with nothing found",
    key="qdrant-outage-reported-and-lossless",
    message=r"searches for .*answered 200",
)
def outage_as_empty_answer() -> None:
    from support.reference.gateway.problems import DependencyDown, DependencyTimeout
    from support.reference.gateway.qdrant import Qdrant

    query = Qdrant.query

    async def hiding(self: Qdrant, name: str, vector: Any, **wanted: Any) -> list[dict[str, Any]]:
        try:
            return await query(self, name, vector, **wanted)
        except (DependencyDown, DependencyTimeout):
            return []

    Qdrant.query = hiding  # type: ignore[method-assign]


@defect(
    "what is to be written to the second store is noted nowhere, so a crash in between is never repaired",
    key="gateway-crash-between-store-writes",
    message=r"half-done is pending in PostgreSQL",
)
def dual_write_without_outbox() -> None:
    from support.reference.gateway import writes

    # The row is announced, the event is not: nobody will ever finish what a crash leaves.
    writes._EVENTS = "SELECT $1::uuid, $2::text, $3::uuid[], $4::bigint[], $5::jsonb[], $6::float8"
    phase_b_believes_its_own_version()
