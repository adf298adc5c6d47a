"""The catalogue: what each defect does to the reference system, who must notice, and what he must say."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import itertools
from collections.abc import Callable, Mapping
from typing import Any

from tests.defects import answers, caching, clocks, providers, services
from tests.defects.defect import Defect


def _keys_in_the_log() -> None:
    from support.reference.gateway import logs
    from support.reference.gateway.access import Keys

    authenticate = Keys.authenticate

    async def telling(self: Keys, headers: Mapping[str, str]) -> Any:
        logs.info("authenticating", key=headers.get("x-api-key"))
        return await authenticate(self, headers)

    Keys.authenticate = telling  # type: ignore[method-assign]


def _hidden_crash() -> None:
    from support.reference.gateway import logs
    from support.reference.gateway.writes import Writer

    async def crash(self: Writer, target: Any, items: Any) -> None:
        try:
            raise KeyError("old_generation")
        except KeyError:
            logs.defect("clean-up failed")

    Writer._forget = crash  # type: ignore[method-assign]


def _answer_lacks_a_member() -> None:
    from support.reference.gateway import operations

    written = operations._written

    def shorter(target: Any, item: Any) -> dict[str, object]:
        return {name: value for name, value in written(target, item).items() if name != "point_id"}

    operations._written = shorter


def _dropped_collections_stay_in_qdrant() -> None:
    from support.reference.gateway.qdrant import Qdrant

    async def drop_collection(self: Qdrant, name: str) -> None:
        return None

    Qdrant.drop_collection = drop_collection  # type: ignore[method-assign]


def _cache_key_without_fence() -> None:
    from support.reference.gateway import content, search
    from support.reference.gateway.cache import PREFIX

    def key(wanted: Any, target: Any) -> str:
        request = wanted.model_dump(exclude={"collection", "use_cache"})
        return f"{PREFIX}search:{target.collection_id}:g1:{content.digest(request)}"

    search._key = key


def _cache_without_end() -> None:
    from support.reference.gateway.cache import Cache, _sealed

    async def put_many(self: Cache, bodies: dict[str, dict[str, object]]) -> float | None:
        for key, body in bodies.items():
            await self._client.set(key, _sealed(body))
        return 0.1

    Cache.put_many = put_many  # type: ignore[method-assign]


def _delete_forgets_vectors() -> None:
    from support.reference.gateway.qdrant import Qdrant

    async def delete(self: Qdrant, name: str, ids: Any) -> None:
        return None

    Qdrant.delete = delete  # type: ignore[method-assign]


def _vectors_never_written() -> None:
    from support.reference.gateway.qdrant import Qdrant

    async def upsert(self: Qdrant, name: str, points: Any) -> None:
        return None

    Qdrant.upsert = upsert  # type: ignore[method-assign]


def _points_keep_old_text() -> None:
    from support.reference.gateway.writes import Item

    point, first = Item.point, dict[Any, Any]()

    def stale(self: Item) -> dict[str, object]:
        written: Any = point(self)
        written["payload"]["text"] = first.setdefault(self.point_id, written["payload"]["text"])
        return dict(written)

    Item.point = stale  # type: ignore[method-assign]


def _readers_may_write() -> None:
    from support.reference.gateway.access import Principal

    def may(self: Principal, role: str) -> bool:
        return role != "admin" or self.role == "admin"

    Principal.may = may  # type: ignore[method-assign]


def _filter_ignored() -> None:
    from support.reference.gateway import search

    search.qdrant_filter = lambda conditions: {}


def _pages_skip_an_item() -> None:
    from support.reference.gateway.collections import Collections

    items = Collections.items

    async def skipping(self: Collections, name: str, limit: int, cursor: Any) -> Any:
        page: Any = await items(self, name, limit, cursor)
        if cursor is not None:
            page["items"] = page["items"][1:]
        return page

    Collections.items = skipping  # type: ignore[method-assign]


def _request_id_not_passed_on() -> None:
    from support.reference.gateway import embedding
    from support.reference.gateway.timing import Call, current

    def nameless() -> Call:
        call = current()
        return Call("lost", background=call.background) if call.request_id.startswith("at-") else call

    embedding.current = nameless  # type: ignore[attr-defined]


def _embeddings_mixed_up() -> None:
    from support.reference.embedding.model import MiniLM

    embed, last = MiniLM.embed, list[Any]()

    def shared(self: MiniLM, text: str) -> Any:
        """An unguarded buffer: under way at the same time, texts get each other's vector."""
        last[:] = [embed(self, text)]
        return last[0]

    async def compute(self: Any, text: str, deadline: float | None) -> Any:
        await asyncio.get_running_loop().run_in_executor(self._threads, shared, self._model, text)
        await asyncio.sleep(0.005)
        return last[0]

    from support.reference.embedding.app import Service

    Service._compute = compute  # type: ignore[method-assign]


def _outage_as_empty_answer() -> None:
    from support.reference.gateway.problems import DependencyDown, DependencyTimeout
    from support.reference.gateway.qdrant import Qdrant

    query = Qdrant.query

    async def hiding(self: Qdrant, name: str, vector: Any, **wanted: Any) -> list[dict[str, Any]]:
        try:
            return await query(self, name, vector, **wanted)
        except (DependencyDown, DependencyTimeout):
            return []

    Qdrant.query = hiding  # type: ignore[method-assign]


def _metadata_as_text() -> None:
    from support.reference.gateway.writes import Item

    point = Item.point

    def textual(self: Item) -> dict[str, object]:
        written: Any = point(self)
        metadata = written["payload"]["metadata"]
        written["payload"]["metadata"] = {name: str(value) for name, value in metadata.items()}
        return dict(written)

    Item.point = textual  # type: ignore[method-assign]


def _jobs_shown_to_everybody() -> None:
    from dataclasses import replace

    from support.reference.gateway.jobs import Jobs

    page = Jobs.page

    async def newest(self: Jobs, caller: Any, status: Any, limit: int, cursor: Any) -> dict[str, Any]:
        async with self._database.reader.lease() as lease:
            owner = await lease.fetchval("SELECT submitted_by FROM embedding_jobs ORDER BY created_at DESC")
        return await page(self, replace(caller, user_id=owner or caller.user_id), status, limit, cursor)

    Jobs.page = newest  # type: ignore[method-assign]


def _jobs_of_others_can_be_cancelled() -> None:
    from support.reference.gateway import jobs

    jobs._CANCEL = jobs._CANCEL.replace("submitted_by = $2", "$2::uuid IS NOT NULL")
    row = jobs.Jobs._row

    async def anybodys(self: jobs.Jobs, lease: Any, job_id: Any, owner: Any = None) -> Any:
        return await row(self, lease, job_id)

    jobs.Jobs._row = anybodys  # type: ignore[method-assign]


def _cancel_forgets_what_is_done() -> None:
    from support.reference.gateway import jobs

    jobs._CANCEL = jobs._CANCEL.replace("completed_at =", "processed_items = 0, completed_at =", 1)


def _job_repeats_what_was_begun() -> None:
    from support.reference.gateway import jobs

    jobs._BEGUN = jobs._BEGUN.replace("WHERE", "WHERE false AND")


def _failed_items_counted_twice() -> None:
    from support.reference.gateway import jobs

    described = jobs._described

    def doubled(row: Any) -> dict[str, Any]:
        told = described(row)
        told["progress"]["processed_items"] += told["progress"]["failed_items"]
        return told

    jobs._described = doubled


def _bad_item_spoils_its_chunk() -> None:
    from support.reference.gateway.jobs import Jobs

    fill = Jobs._fill

    async def strict(self: Jobs, job: Any, target: Any, items: Any, inputs: Any) -> None:
        await fill(self, job, target, items, inputs)
        for item in items:
            if item.problem is not None:
                raise item.problem

    Jobs._fill = strict  # type: ignore[method-assign]


def _job_fails_with_its_dependency() -> None:
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


class _Every(list[int]):
    """A list of versions that contains every one: whatever asks for its own finds it."""

    def __contains__(self, version: object) -> bool:
        return True


def _phase_b_believes_its_own_version(delay: Callable[[], float] = lambda: 0.0) -> None:
    from support.reference.gateway.writes import Writer

    reopen = Writer._reopen

    async def unguarded(self: Writer, lease: Any, target: Any, ids: Any) -> Any:
        await asyncio.sleep(delay())
        rows = await reopen(self, lease, target, ids)
        return rows and {point: {**row, "versions": _Every([0])} for point, row in rows.items()}

    Writer._reopen = unguarded  # type: ignore[method-assign]


def _no_outbox() -> None:
    from support.reference.gateway import writes

    # The row is announced, the event is not: nobody will ever finish what a crash leaves.
    writes._EVENTS = "SELECT $1::uuid, $2::text, $3::uuid[], $4::bigint[], $5::jsonb[], $6::float8"
    _phase_b_believes_its_own_version()


def _no_version_guard() -> None:
    # The second write of all takes its time, so that newer ones of the same document overtake it.
    writes = itertools.count(1)
    _phase_b_believes_its_own_version(lambda: 0.4 if next(writes) == 2 else 0.0)


def _fence_before_vectors() -> None:
    from support.reference.gateway import writes

    bump = "UPDATE collections SET generation = generation + 1 WHERE collection_id = $1 RETURNING generation"
    read = "SELECT generation FROM collections WHERE collection_id = $1"
    writes._EVENTS = f"WITH fence AS ({bump}) {writes._EVENTS}"
    writes._STORED = writes._STORED.replace(bump, read)
    writes._REMOVED = writes._REMOVED.replace(bump, read)


def _delete_without_fence() -> None:
    from support.reference.gateway import writes

    writes._REMOVED = "DELETE FROM vector_metadata WHERE collection_id = $1 AND point_id = ANY($2::uuid[])"


def _answers_cached_under_the_present_fence() -> None:
    from support.reference.gateway import search

    results = search.Searcher._results
    store = search.Searcher._store
    asked: dict[int, Any] = {}

    async def noted(self: Any, wanted: Any, target: Any, vector: Any) -> Any:
        found = await results(self, wanted, target, vector)
        asked[id(found)] = wanted
        return found

    async def late(self: Any, lookup: Any, found: Any) -> Any:
        wanted = asked.pop(id(found))
        now = await self._descriptors.get(wanted.collection)
        return await store(self, dataclasses.replace(lookup, key=search._key(wanted, now)), found)

    search.Searcher._results = noted  # type: ignore[method-assign]
    search.Searcher._store = late  # type: ignore[assignment, method-assign]


def _cache_key_without_offset() -> None:
    from support.reference.gateway import content, search
    from support.reference.gateway.cache import PREFIX

    def key(wanted: Any, target: Any) -> str:
        request = wanted.model_dump(exclude={"collection", "use_cache", "offset"})
        return f"{PREFIX}search:{target.collection_id}:g{target.generation}:{content.digest(request)}"

    search._key = key


def _cache_checksum_ignored() -> None:
    import orjson

    from support.reference.gateway import cache

    def opened(raw: bytes | None, valid: Callable[[dict[str, Any]], bool]) -> dict[str, Any] | None:
        try:
            found = orjson.loads((raw or b"").partition(b"\n")[2])
            return found if valid(found) else None
        except (ValueError, KeyError, TypeError):
            return None

    cache._opened = opened


def _creation_judged_before_the_lock() -> None:
    from support.reference.gateway import writes

    upsert = writes.Writer.upsert

    async def judged_early(self: Any, target: Any, items: Any, progress: Any = None) -> None:
        async with self._lease() as lease, lease.transaction():
            ids = [item.point_id for item in items]
            found = await lease.fetch(writes._STATE, target.collection_id, ids)
        new = {row["point_id"] for row in found if row["status"] != "stored"}
        await upsert(self, target, items, progress)
        for item in items:
            if item.point_id in new and item.outcome in ("updated", "unchanged"):
                item.outcome = "created"

    writes.Writer.upsert = judged_early  # type: ignore[method-assign]


def _delete_leaves_events_open() -> None:
    from support.reference.gateway import writes

    async def finish(
        self: Any, lease: Any, collection_id: Any, ids: Any, versions: Any, settling: Any
    ) -> None:
        await lease.execute(writes._CLOSE_WINNERS, collection_id, ids, versions, settling, self._settle_s)
        await lease.execute(writes._REMOVED, collection_id, ids)

    writes.Writer.finish_deletes = finish  # type: ignore[method-assign]


def _winner_asserted_only_once() -> None:
    from support.reference.gateway.writes import Writer

    close = Writer._close

    async def at_once(
        self: Any, lease: Any, collection_id: Any, ids: Any, versions: Any, settling: Any
    ) -> None:
        await close(self, lease, collection_id, ids, versions, [False] * len(settling))

    Writer._close = at_once  # type: ignore[method-assign]


def _collection_id_of_the_name() -> None:
    from support.reference.gateway.postgres import Lease

    fetchval = Lease.fetchval

    async def named(self: Lease, sql: str, *values: object) -> Any:
        if sql.startswith("INSERT INTO collections (name,"):
            sql = sql.replace("(name,", "(collection_id, name,").replace("($1,", "(md5($1)::uuid, $1,")
        return await fetchval(self, sql, *values)

    Lease.fetchval = named  # type: ignore[method-assign]


def _timeout_told_as_success() -> None:
    from support.reference.gateway.problems import DependencyTimeout
    from support.reference.gateway.qdrant import Qdrant

    upsert = Qdrant.upsert

    async def hopeful(self: Qdrant, name: str, points: Any) -> None:
        with contextlib.suppress(DependencyTimeout):
            await upsert(self, name, points)

    Qdrant.upsert = hopeful  # type: ignore[method-assign]


def _repair_deletes_what_differs() -> None:
    from support.reference.gateway.reconcile import Checker

    async def repair(self: Any, target: Any, found: Any) -> int:
        wrong = [*found.orphans, *found.mismatched]
        await self._qdrant.delete(target.name, wrong)
        return len(wrong)

    Checker._repair = repair  # type: ignore[method-assign]


def _collection_events_forgotten() -> None:
    from support.reference.gateway.reconcile import Reconciler

    async def forget(self: Any, lease: Any, collection_id: Any) -> None:
        await lease.execute("DELETE FROM outbox WHERE collection_id = $1", collection_id)

    Reconciler._collection_event = forget  # type: ignore[method-assign]


def _bounds_include_their_ends() -> None:
    from support.reference.gateway import search

    condition = search._condition

    def inclusive(key: str, value: Any) -> Any:
        made: Any = condition(key, value)
        if isinstance(value, dict) and "lt" in value:
            made["range"] = {("lte" if name == "lt" else name): bound for name, bound in value.items()}
        return made

    search._condition = inclusive


def _unchanged_in_spite_of_metadata() -> None:
    from support.reference.gateway import content, writes

    class Blind:
        """The module of hashes, of which the one of metadata is the same for all."""

        def __getattr__(self, name: str) -> Any:
            return getattr(content, name)

        @staticmethod
        def metadata_hash(metadata: Any) -> bytes:
            return content.metadata_hash({})

    writes.content = Blind()  # type: ignore[attr-defined,assignment]


def _caller_key_passed_on() -> None:
    from contextvars import ContextVar

    import aiohttp

    from support.reference.gateway.access import Keys

    caller: ContextVar[str] = ContextVar("caller", default="")
    authenticate, request = Keys.authenticate, aiohttp.ClientSession.request

    async def remembering(self: Keys, headers: Mapping[str, str]) -> Any:
        caller.set(headers.get("x-api-key", ""))
        return await authenticate(self, headers)

    def with_all_headers(self: Any, method: str, url: Any, **options: Any) -> Any:
        options["headers"] = {**(options.get("headers") or {}), "X-API-Key": caller.get()}
        return request(self, method, url, **options)

    Keys.authenticate = remembering  # type: ignore[method-assign]
    aiohttp.ClientSession.request = with_all_headers  # type: ignore[method-assign]


def _connection_for_each_request() -> None:
    import aiohttp

    init = aiohttp.TCPConnector.__init__

    def closing(self: Any, **options: Any) -> None:
        options.pop("keepalive_timeout", None)
        init(self, **{**options, "force_close": True})

    aiohttp.TCPConnector.__init__ = closing  # type: ignore[method-assign]


def _batches_embedded_one_by_one() -> None:
    from support.reference.gateway import embedding

    embedding._TEXTS_A_CALL = 1


def _texts_embedded_with_a_prompt() -> None:
    from support.reference.embedding.model import MiniLM

    embed = MiniLM.embed

    def prompted(self: MiniLM, text: str) -> Any:
        return embed(self, f"query: {text}")

    MiniLM.embed = prompted  # type: ignore[method-assign]


def _outage_as_not_found() -> None:
    from support.reference.gateway.descriptors import Descriptors, missing
    from support.reference.gateway.problems import DependencyDown

    get = Descriptors.get

    async def hiding(self: Descriptors, name: str) -> Any:
        try:
            return await get(self, name)
        except DependencyDown:
            raise missing(name) from None

    Descriptors.get = hiding  # type: ignore[method-assign]


def _limits_clamped() -> None:
    from support.reference.gateway import models

    parse = models.parse

    def clamping(model: Any, data: Any) -> Any:
        if isinstance(data, dict) and isinstance(data.get("limit"), int):
            data["limit"] = min(data["limit"], 1000)
        return parse(model, data)

    models.parse = clamping


def _pages_by_offset() -> None:
    import base64

    from support.reference.gateway.collections import _ITEM_COLUMNS, Collections, item_summary

    async def items(self: Any, name: str, limit: int, cursor: Any) -> Any:
        passed = int(base64.urlsafe_b64decode(cursor)) if cursor else 0
        async with self._database.reader.lease() as lease:
            target = await self._descriptors.read(lease, name)
            rows = await lease.fetch(
                f"SELECT {_ITEM_COLUMNS} FROM vector_metadata WHERE collection_id = $1"
                " AND status = 'stored' ORDER BY external_id COLLATE \"C\" LIMIT $2 OFFSET $3",
                target.collection_id,
                limit + 1,
                passed,
            )
        more = base64.urlsafe_b64encode(str(passed + limit).encode()).decode() if len(rows) > limit else None
        found = [item_summary(row, name) for row in rows[:limit]]
        return {"items": found, "count": len(found), "next_cursor": more}

    Collections.items = items  # type: ignore[method-assign]


def _created_counted_as_ok() -> None:
    from support.reference.gateway.app import Gateway

    note = Gateway._note

    def rounded(self: Gateway, method: str, endpoint: str, status: int, call: Any) -> None:
        note(self, method, endpoint, status // 100 * 100 if status < 300 else status, call)

    Gateway._note = rounded  # type: ignore[method-assign]


def _commits_not_waited_for() -> None:
    import asyncpg

    connect = asyncpg.connect

    async def careless(url: str, **options: Any) -> Any:
        settings = {**options.pop("server_settings", {}), "synchronous_commit": "off"}
        return await connect(url, server_settings=settings, **options)

    asyncpg.connect = careless


def _fence_kept_in_memory() -> None:
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


def _store_errors_as_defects() -> None:
    import asyncpg

    from support.reference.gateway import postgres

    postgres._DEFECTS = (asyncpg.PostgresError,) * 3
    postgres._NOT_DEFECTS = (asyncpg.LockNotAvailableError,) * 3


def _read_only_as_forbidden() -> None:
    from support.reference.gateway.postgres import Lease
    from support.reference.gateway.problems import DependencyDown, Problem

    bounded = Lease._bounded

    async def blaming(self: Lease, work: Any) -> Any:
        try:
            return await bounded(self, work)
        except DependencyDown as down:
            if down.reason == "ReadOnlySQLTransactionError":
                raise Problem("forbidden") from down
            raise

    Lease._bounded = blaming  # type: ignore[method-assign]


def _failed_commit_told_as_refusal() -> None:
    from support.reference.gateway.writes import Writer

    _sure(Writer, "_apply_upserts")


def _failed_deletion_told_as_refusal() -> None:
    from support.reference.gateway.writes import Writer

    _sure(Writer, "_apply_deletes")


def _failed_creation_told_as_refusal() -> None:
    from support.reference.gateway.collections import Collections

    _sure(Collections, "create")


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


def _locks_waited_for_without_end() -> None:
    from support.reference.gateway.postgres import Pool

    init = Pool.__init__

    def patient(self: Pool, config: Any, size: int, name: str) -> None:
        init(self, config, size, name)
        self.budget_s = 60.0

    Pool.__init__ = patient  # type: ignore[method-assign]


def _dead_sessions_kept() -> None:
    from support.reference.gateway.postgres import Lease, Pool

    async def no_cut(self: Lease) -> None:
        return None

    async def once(self: Lease, run: Any, *, safe: bool) -> Any:
        return await self._bounded(lambda: run(self._live()))

    def close(self: Lease) -> None:
        if self._connection is not None:
            self._pool.keep(self._connection)
            self._connection = None
        if self._placed:
            self._pool.leave()
            self._placed = False

    def idle(self: Pool) -> Any:
        return self._idle.pop() if self._idle else None

    Lease._cut = no_cut  # type: ignore[method-assign]
    Lease._statement = once  # type: ignore[method-assign]
    Lease.close = close  # type: ignore[method-assign]
    Pool.idle = idle  # type: ignore[method-assign]


def _cache_errors_fail_requests() -> None:
    from support.reference.gateway.cache import Cache
    from support.reference.gateway.problems import DependencyDown

    async def strict(self: Cache, work: Any) -> Any:
        try:
            return await work(self._client)
        except Exception as error:
            raise DependencyDown("redis", type(error).__name__) from error

    Cache._call = strict  # type: ignore[method-assign]


def _no_single_flight() -> None:
    from support.reference.gateway.embedding import Embeddings

    depart = Embeddings._depart

    async def alone(self: Embeddings, shared: Any, own: Any, texts: Any, model: str, size: int) -> Any:
        return await depart(self, {}, own, texts, model, size)

    Embeddings._depart = alone  # type: ignore[method-assign]


def _retries_at_two_layers() -> None:
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


def _cache_waited_for() -> None:
    from support.reference.gateway.cache import Cache

    async def patient(self: Cache, work: Any) -> Any:
        return await work(self._client)

    Cache._in_time = patient  # type: ignore[method-assign]


def _time_counted_from_the_last_byte() -> None:
    import aiohttp

    limits = aiohttp.ClientTimeout

    def per_read(total: float) -> Any:
        return limits(sock_connect=total, sock_read=total)

    aiohttp.ClientTimeout = per_read  # type: ignore[assignment,misc]


def _slow_taken_for_dead() -> None:
    from support.reference.gateway import qdrant

    allowed = qdrant.allowed  # type: ignore[attr-defined]

    def hasty(budget_s: float, dependency: str) -> float:
        return min(allowed(budget_s, dependency), 0.2)

    qdrant.allowed = hasty  # type: ignore[attr-defined]


def _job_never_gives_up() -> None:
    from support.reference.gateway import jobs

    jobs._TRIES = 1_000_000


def _job_gives_up_in_an_outage() -> None:
    from support.reference.gateway.embedding import Embeddings

    async def believe(self: Embeddings, model: str) -> None:
        return None

    Embeddings.try_out = believe  # type: ignore[method-assign]


def _rows_forget_their_job() -> None:
    from support.reference.gateway.writes import Item

    columns = Item.columns

    def without_job(self: Item) -> tuple[object, ...]:
        return (*columns(self)[:-1], None)

    Item.columns = without_job  # type: ignore[method-assign]


def _breaker_stays_open() -> None:
    from support.reference.gateway.providers.breaker import Breaker

    def admits(self: Breaker) -> bool:
        return self.state == "closed"

    Breaker.admits = admits  # type: ignore[method-assign]


def _stop_cuts_off() -> None:
    import os
    import signal

    from support.reference.gateway.app import Gateway

    start = Gateway.start

    def start_impatiently(self: Gateway) -> None:
        start(self)
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, os._exit, 0)

    Gateway.start = start_impatiently  # type: ignore[method-assign]


def _ready_too_early() -> None:
    from support.reference.gateway.health import Health

    async def readiness(self: Health) -> dict[str, object]:
        return {"status": "ready", "degraded": []}

    Health.readiness = readiness  # type: ignore[method-assign]


def _editors_may_all() -> None:
    from support.reference.gateway.access import Principal

    def may(self: Principal, role: str) -> bool:
        return role == "readonly" or self.role != "readonly"

    Principal.may = may  # type: ignore[method-assign]


def _keys_never_expire() -> None:
    from support.reference.gateway.access import Principal

    def usable(self: Principal) -> bool:
        return self.revoked_at is None

    Principal.usable = usable  # type: ignore[method-assign]


def _last_of_two_keys_wins() -> None:
    from support.reference.gateway import app

    def last(lines: Any) -> dict[str, str]:
        return {name.decode("latin-1"): value.decode("latin-1") for name, value in lines}

    app._headers = last


def _method_from_a_header() -> None:
    from support.reference.gateway.app import Gateway

    route = Gateway._route

    def overriding(self: Gateway, request: Any) -> Any:
        request.method = request.headers.get("x-http-method-override", request.method)
        return route(self, request)

    Gateway._route = overriding  # type: ignore[method-assign]


def _jobs_of_others_are_told_of() -> None:
    from support.reference.gateway.jobs import Jobs
    from support.reference.gateway.problems import Problem

    status = Jobs.status

    async def telling(self: Any, job_id: str, caller: Any) -> Any:
        try:
            return await status(self, job_id, caller)
        except Problem:
            await status(self, job_id, dataclasses.replace(caller, role="admin"))
            raise Problem("job-not-found", "The job belongs to somebody else.") from None

    Jobs.status = telling  # type: ignore[method-assign]


def _list_trusts_its_cursor() -> None:
    import base64
    import json
    import uuid

    from support.reference.gateway.jobs import Jobs

    page = Jobs.page

    async def trusting(self: Any, caller: Any, status: Any, limit: int, cursor: Any) -> Any:
        if cursor:
            scope = json.loads(base64.urlsafe_b64decode(cursor))[0]
            caller = dataclasses.replace(caller, user_id=uuid.UUID(scope.removeprefix("jobs:")))
        return await page(self, caller, status, limit, cursor)

    Jobs.page = trusting  # type: ignore[method-assign]


def _role_from_a_header() -> None:
    from support.reference.gateway.access import Keys

    authenticate = Keys.authenticate

    async def believing(self: Keys, headers: Mapping[str, str]) -> Any:
        found = await authenticate(self, headers)
        return dataclasses.replace(found, role=headers.get("x-user-role", found.role))

    Keys.authenticate = believing  # type: ignore[method-assign]


def _answers_remembered_before_the_key() -> None:
    from support.reference.gateway.app import Gateway

    answer = Gateway._answer
    remembered: dict[str, Any] = {}

    async def remembering(self: Gateway, operation: Any, request: Any, body: Any, scope: Any) -> Any:
        if not operation.template.endswith("/vectors/search"):
            return await answer(self, operation, request, body, scope)
        data = await body.json()

        async def read() -> Any:
            return data

        body.json = read
        asked = repr(data)
        if asked in remembered:
            reply, request.user, request.window = remembered[asked]
            return reply
        reply = await answer(self, operation, request, body, scope)
        if reply.headers.get("X-Cache") == "HIT":
            remembered[asked] = reply, request.user, request.window
        return reply

    Gateway._answer = remembering  # type: ignore[method-assign]


def _unknown_members_dropped() -> None:
    from support.reference.gateway import models

    for model in (models.Insert, models.CollectionCreate, models.JobRequest):
        model.model_config = {**model.model_config, "extra": "ignore"}
        model.model_rebuild(force=True)


def _metadata_lose_the_platforms_names() -> None:
    from support.reference.gateway.models import Insert

    findings = Insert.findings

    def reserving(self: Insert) -> Any:
        for name in ("id", "version", "text"):
            self.metadata.pop(name, None)
        return findings(self)

    Insert.findings = reserving  # type: ignore[method-assign]


def _size_believed_not_measured() -> None:
    from support.reference.gateway import app

    json_of, largest = app._Incoming.json, app.LARGEST_BODY

    async def believing(self: Any) -> object:
        app.LARGEST_BODY = largest if "content-length" in self._headers else 1 << 40
        return await json_of(self)

    app._Incoming.json = believing  # type: ignore[method-assign]


def _addresses_logged_as_they_are() -> None:
    from support.reference.gateway.app import Gateway

    route = Gateway._route

    def telling(self: Gateway, request: Any) -> Any:
        print(f"{request.method} {request.path}", flush=True)
        return route(self, request)

    Gateway._route = telling  # type: ignore[method-assign]


def _addresses_counted_as_they_are() -> None:
    from support.reference.gateway.app import Gateway
    from support.reference.gateway.problems import Problem

    route = Gateway._route

    def counting(self: Gateway, request: Any) -> Any:
        try:
            return route(self, request)
        except Problem:
            self.metrics.requests.add(request.method, request.path, "404")
            raise

    Gateway._route = counting  # type: ignore[method-assign]


def _lock_looks_at_the_beginning() -> None:
    import posixpath

    from support.reference.gateway.app import Gateway

    route = Gateway._route

    def folding(self: Gateway, request: Any) -> Any:
        is_open = request.path.startswith("/health")
        request.path = posixpath.normpath(request.path)
        found = route(self, request)
        return dataclasses.replace(found, role=None) if is_open else found

    Gateway._route = folding  # type: ignore[method-assign]


def _refusals_tell_the_inside() -> None:
    import traceback

    from support.reference.gateway import app
    from support.reference.gateway.problems import Problem

    parse = app._tolerant_json

    def telling(raw: bytes) -> object:
        try:
            return parse(raw)
        except Problem:
            raise Problem("malformed-request", traceback.format_exc()) from None

    app._tolerant_json = telling


def _values_are_tidied() -> None:
    import unicodedata

    from support.reference.gateway.models import Insert

    findings = Insert.findings

    def tidying(self: Insert) -> Any:
        for name, value in self.metadata.items():
            self.metadata[name] = unicodedata.normalize("NFKC", value) if isinstance(value, str) else value
        return findings(self)

    Insert.findings = tidying  # type: ignore[method-assign]


def _any_kind_of_content_read() -> None:
    from support.reference.gateway import app

    init = app._Incoming.__init__

    def taking(self: Any, headers: Any, receive: Any) -> None:
        init(self, {**headers, "content-type": "application/json"}, receive)

    app._Incoming.__init__ = taking  # type: ignore[method-assign]


def _packed_content_unpacked() -> None:
    import gzip

    from support.reference.gateway import app

    parse = app._json
    app._json = lambda raw: parse(gzip.decompress(raw) if raw[:2] == b"\x1f\x8b" else raw)


def _location_from_the_host() -> None:
    from support.reference.gateway.operations import Operations

    insert = Operations.insert

    async def absolute(self: Operations, request: Any) -> Any:
        reply = await insert(self, request)
        if "Location" in reply.headers:
            reply.headers["Location"] = f"http://{request.headers['host']}{reply.headers['Location']}"
        return reply

    Operations.insert = absolute  # type: ignore[method-assign]


def _first_of_two_lengths_counts() -> None:
    from h11 import _events, _headers

    normalize = _headers.normalize_and_validate

    def lenient(headers: Any, _parsed: bool = False) -> Any:
        lengths = [each for each in headers if each[-2].lower() == b"content-length"]
        return normalize([each for each in headers if each not in lengths[1:]], _parsed)

    vars(_events)["normalize_and_validate"] = lenient


def _names_in_addresses_unchecked() -> None:
    from support.reference.gateway import models

    models.check = lambda kind, name, value, pattern: value


def _filters_unchecked() -> None:
    from support.reference.gateway import models

    models.filter_findings = lambda conditions: iter(())


def _doubled_members_read_twice() -> None:
    from support.reference.gateway.writes import Item

    point = Item.point

    def other(self: Item) -> dict[str, object]:
        written: Any = point(self)
        if written["payload"]["text"] == "The second text.":
            written["payload"]["text"] = "The first text."
        return dict(written)

    Item.point = other  # type: ignore[method-assign]


def _limit_counted_by_the_key_itself() -> None:
    from contextvars import ContextVar

    from support.reference.gateway.access import Keys
    from support.reference.gateway.cache import Cache

    shown: ContextVar[str] = ContextVar("shown", default="nobody")
    authenticate, hit_window = Keys.authenticate, Cache.hit_window

    async def remembering(self: Keys, headers: Mapping[str, str]) -> Any:
        shown.set(headers.get("x-api-key", "nobody"))
        return await authenticate(self, headers)

    async def by_key(self: Cache, key: str, window_s: int) -> Any:
        return await hit_window(self, f"{key}:{shown.get()}", window_s)

    Keys.authenticate = remembering  # type: ignore[method-assign]
    Cache.hit_window = by_key  # type: ignore[method-assign]


def _keys_in_the_audit_log() -> None:
    from contextvars import ContextVar

    from support.reference.gateway.access import Keys
    from support.reference.gateway.audit import AuditLog

    shown: ContextVar[str] = ContextVar("shown", default="nobody")
    authenticate, note = Keys.authenticate, AuditLog.note

    async def remembering(self: Keys, headers: Mapping[str, str]) -> Any:
        shown.set(headers.get("x-api-key", "nobody"))
        return await authenticate(self, headers)

    def with_key(
        self: AuditLog, request_id: str, user_id: Any, action: str, target: str, status: int
    ) -> None:
        note(self, request_id, user_id, action, f"{target} by {shown.get()}", status)

    Keys.authenticate = remembering  # type: ignore[method-assign]
    AuditLog.note = with_key  # type: ignore[method-assign]


def _keys_logged_encoded() -> None:
    import base64

    from support.reference.gateway import logs
    from support.reference.gateway.access import Keys

    authenticate = Keys.authenticate

    async def telling(self: Keys, headers: Mapping[str, str]) -> Any:
        credentials = f"key:{headers.get('x-api-key', '')}"
        logs.info("authenticating", authorization=base64.b64encode(credentials.encode()).decode())
        return await authenticate(self, headers)

    Keys.authenticate = telling  # type: ignore[method-assign]


def _limit_counted_by_address() -> None:
    import uuid

    from support.reference.gateway.access import Keys

    authenticate = Keys.authenticate

    async def by_address(self: Keys, headers: Mapping[str, str]) -> Any:
        found = await authenticate(self, headers)
        address = headers.get("x-forwarded-for", "")
        return dataclasses.replace(
            found, user_id=uuid.uuid5(found.user_id, address) if address else found.user_id
        )

    Keys.authenticate = by_address  # type: ignore[method-assign]


def _limit_counted_by_route() -> None:
    import uuid
    from contextvars import ContextVar

    from support.reference.gateway.access import RateLimit
    from support.reference.gateway.app import Gateway

    asked: ContextVar[str] = ContextVar("asked", default="")
    route, admit = Gateway._route, RateLimit.admit

    def remembering(self: Gateway, request: Any) -> Any:
        found = route(self, request)
        asked.set(found.template)
        return found

    async def by_route(self: RateLimit, principal: Any) -> Any:
        return await admit(
            self, dataclasses.replace(principal, user_id=uuid.uuid5(principal.user_id, asked.get()))
        )

    Gateway._route = remembering  # type: ignore[method-assign]
    RateLimit.admit = by_route  # type: ignore[method-assign]


def _limit_read_and_then_written() -> None:
    from support.reference.gateway.access import RateLimit, Window

    made: dict[Any, int] = {}

    async def in_two_steps(self: RateLimit, principal: Any) -> Window:
        count = made.get(principal.user_id, 0)
        await asyncio.sleep(0.01)
        made[principal.user_id] = count + 1
        return Window(principal.rate_limit_rpm, count + 1, 60.0)

    RateLimit.admit = in_two_steps  # type: ignore[method-assign]


def _limit_looked_at_afterwards() -> None:
    from support.reference.gateway.access import RateLimit
    from support.reference.gateway.app import Gateway

    answer, check = Gateway._answer, RateLimit.check

    async def checking_last(self: Gateway, operation: Any, request: Any, body: Any, scope: Any) -> Any:
        reply = await answer(self, operation, request, body, scope)
        if request.window is not None:
            check(request.window)
        return reply

    RateLimit.check = staticmethod(lambda window: None)  # type: ignore[method-assign]
    Gateway._answer = checking_last  # type: ignore[method-assign]


def _rest_told_one_too_high() -> None:
    from support.reference.gateway.access import Window

    headers = Window.headers

    def generous(self: Window) -> dict[str, str]:
        return headers(dataclasses.replace(self, count=self.count - 1))

    Window.headers = generous  # type: ignore[method-assign]


def _counters_need_a_key() -> None:
    from support.reference.gateway import app

    table = app._table

    def locked(do: Any) -> Any:
        return [
            dataclasses.replace(each, role="readonly") if each.template == "/metrics" else each
            for each in table(do)
        ]

    app._table = locked


def _limit_kept_in_the_cache_alone() -> None:
    from support.reference.gateway.access import RateLimit, Window

    async def shared_only(self: RateLimit, principal: Any) -> Window:
        key = f"citadel:v1:rl:{principal.user_id}:60"
        shared = await self._cache.hit_window(key, 60)
        return Window(principal.rate_limit_rpm, *(shared or (0, 60.0)))

    RateLimit.admit = shared_only  # type: ignore[method-assign]


def _cache_holds_objects() -> None:
    import pickle

    from support.reference.gateway import cache

    opened = cache._opened

    def unpickling(raw: Any, valid: Any) -> Any:
        if raw is not None:
            with contextlib.suppress(Exception):
                pickle.loads(raw)
        return opened(raw, valid)

    cache._opened = unpickling


def _cache_types_ignored() -> None:
    from support.reference.gateway import search

    search._valid = lambda wanted, body: True


def _refusal_crashes() -> None:
    from support.reference.gateway import models

    translated = models._translated

    def with_reason(found: Any) -> Any:
        return translated({**found, "msg": f"{found['msg']}: {found['ctx']['error']}"})

    models._translated = with_reason


DEFECTS: Mapping[str, Defect] = {
    **answers.DEFECTS,
    **caching.DEFECTS,
    **clocks.DEFECTS,
    **providers.DEFECTS,
    **services.DEFECTS,
    "keys-in-the-log": Defect(
        "the gateway logs the key of each request",
        "gateway",
        _keys_in_the_log,
        "stores-agree-on-counts",
        r"the log of gateway shows a secret: key of \S*editor",
    ),
    "hidden-crash": Defect(
        "an exception in the clean-up after a write is swallowed and logged",
        "gateway",
        _hidden_crash,
        "stores-agree-on-counts",
        r"gateway logged an unexpected error: .*KeyError",
    ),
    "answer-lacks-a-member": Defect(
        "the answer to a write lacks a member that the contract requires",
        "gateway",
        _answer_lacks_a_member,
        "stored-document-found-by-meaning",
        r"against the contract:[\s\S]*'point_id' is a required property",
    ),
    "dropped-collections-stay": Defect(
        "a deleted collection stays in the vector store",
        "gateway",
        _dropped_collections_stay_in_qdrant,
        "stored-document-found-by-meaning",
        r"left behind after the clean-up: collection \S+ in Qdrant",
    ),
    "cache-key-without-fence": Defect(
        "search results are cached under a key that no write changes",
        "gateway",
        _cache_key_without_fence,
        "update-invalidates-search",
        r"answered from the cache\s+Expected: <False>",
    ),
    "cache-without-end": Defect(
        "cache entries are stored without a time to live",
        "gateway",
        _cache_without_end,
        "cache-entries-have-ttl",
        r"lives -1 ms, at most \d+ are allowed",
    ),
    "delete-forgets-vectors": Defect(
        "a deletion removes the row and leaves the point",
        "gateway",
        _delete_forgets_vectors,
        "delete-in-both-stores",
        r"Sides\(row=None, point=\{'point id'",
    ),
    "creation-judged-before-the-lock": Defect(
        "everybody who stores a document while it is being created is told to have created it",
        "gateway",
        _creation_judged_before_the_lock,
        "identical-concurrent-inserts-create-one",
        r"but: was <\['created', 'created'",
    ),
    "vectors-never-written": Defect(
        "a write is acknowledged without its point",
        "gateway",
        _vectors_never_written,
        "acknowledged-write-in-both-stores",
        r"missing in Qdrant",
    ),
    "points-keep-old-text": Defect(
        "an update writes the new vector with the old text into the point",
        "gateway",
        _points_keep_old_text,
        "update-in-both-stores-before-acknowledgement",
        r"text: PostgreSQL .* Qdrant",
    ),
    "metadata-as-text": Defect(
        "the point carries metadata values as text",
        "gateway",
        _metadata_as_text,
        "metadata-types-kept",
        r"the metadata differ: \w+ is '.*' in Qdrant, .* in PostgreSQL",
    ),
    "readers-may-write": Defect(
        "the role of a key is only checked for administrators",
        "gateway",
        _readers_may_write,
        "reader-cannot-write",
        r"insertVector answered 422 validation-failed",
    ),
    "filter-ignored": Defect(
        "the filter of a search is dropped on the way to the vector store",
        "gateway",
        _filter_ignored,
        "filter-excludes-other-departments",
        r"exactly \['badge rules', 'leave policy'\]\s+but: the ranking was[\s\S]*leave ledger",
    ),
    "pages-skip-an-item": Defect(
        "every page but the first lacks its first item",
        "gateway",
        _pages_skip_an_item,
        "pages-list-every-document-once",
        r"listed, in the order of ids",
    ),
    "request-id-not-passed-on": Defect(
        "the request id does not travel to the embedding service",
        "gateway",
        _request_id_not_passed_on,
        "request-id-in-every-log",
        r"gateway, embedding have logged at-trace-minutes: .*last seen \['gateway'\]",
    ),
    "embeddings-mixed-up": Defect(
        "texts embedded at the same time get each other's vectors",
        "embedding",
        _embeddings_mixed_up,
        "concurrent-embeddings-correct",
        r"how far an embedding is from its text's own",
    ),
    "jobs-shown-to-everybody": Defect(
        "the list of jobs is not limited to the caller's",
        "gateway",
        _jobs_shown_to_everybody,
        "jobs-visible-to-owner-only",
        r"Expected: an empty collection",
    ),
    "jobs-of-others-can-be-cancelled": Defect(
        "whoever knows the number of a job can look at it and cancel it",
        "gateway",
        _jobs_of_others_can_be_cancelled,
        "jobs-visible-to-owner-only",
        r"getJobStatus answered 200",
    ),
    "cancel-forgets-what-is-done": Defect(
        "cancelling a job sets its counter back",
        "gateway",
        _cancel_forgets_what_is_done,
        "cancelled-job-reports-progress",
        r"the counters went back",
    ),
    "failed-items-counted-twice": Defect(
        "a failed item of a job counts as processed as well",
        "gateway",
        _failed_items_counted_twice,
        "failed-job-item-reported",
        r"20 done and 1 failed of 20",
    ),
    "bad-item-spoils-its-chunk": Defect(
        "one bad item fails everything that is written together with it",
        "gateway",
        _bad_item_spoils_its_chunk,
        "failed-job-item-reported",
        r"15 done and 5 failed of 20",
    ),
    "job-repeats-what-was-begun": Defect(
        "a job that is tried again begins anew what may still be under way",
        "gateway",
        _job_repeats_what_was_begun,
        "job-writes-without-response-done-once",
        r"in version \d+: done more than once",
    ),
    "job-fails-with-its-dependency": Defect(
        "a job does not wait for the embedding service",
        "gateway",
        _job_fails_with_its_dependency,
        "job-waits-for-dependency",
        r"the job waits: no longer so .*state='(processing|failed)'",
        row="embedding service",
    ),
    "outage-as-empty-answer": Defect(
        "a search without its vector store answers with nothing found",
        "gateway",
        _outage_as_empty_answer,
        "qdrant-outage-reported-and-lossless",
        r"searching: .*answered 200",
    ),
    "dual-write-without-outbox": Defect(
        "what is to be written to the second store is noted nowhere, so a crash in between is for ever",
        "gateway",
        _no_outbox,
        "gateway-crash-between-store-writes",
        r"in both stores or in neither",
    ),
    "version-guard-missing": Defect(
        "a write that comes late to the stores overwrites a newer one",
        "gateway",
        _no_version_guard,
        "concurrent-mixed-writes-count-once",
        r'version of "agenda"\s+Expected: <\d+>\s+but: was <\d+>',
    ),
    "fence-before-vectors": Defect(
        "the fence is raised before the vector store is written",
        "gateway",
        _fence_before_vectors,
        "rewrite-races-fast-answer",
        r"\(hit\) shows .*poster v1.*without the cache it is .*poster v2",
    ),
    "delete-without-fence": Defect(
        "a deletion does not raise the fence",
        "gateway",
        _delete_without_fence,
        "delete-invalidates-search",
        r"not a ranking with .canteen.",
    ),
    "answers-cached-under-the-present-fence": Defect(
        "a search stores its answer under the fence of the moment when it ends",
        "gateway",
        _answers_cached_under_the_present_fence,
        "rewrite-races-slow-answer",
        r"\(hit\) shows .* v1.*without the cache",
    ),
    "cache-key-without-offset": Defect(
        "two pages of a search share a cached answer",
        "gateway",
        _cache_key_without_offset,
        "similar-searches-have-own-cache-keys",
        r"another request's answer[\s\S]*offset",
    ),
    "cache-checksum-ignored": Defect(
        "a damaged cache value is believed if it can be read",
        "gateway",
        _cache_checksum_ignored,
        "damaged-cache-entry-replaced",
        r"its value in Redis says checksum",
        row="one bit",
    ),
    "delete-leaves-events-open": Defect(
        "a deletion does not close the open events of what it deletes",
        "gateway",
        _delete_leaves_events_open,
        "deleted-document-not-resurrected",
        r"stays away|in both stores or in neither",
    ),
    "winner-asserted-only-once": Defect(
        "a call that was given up may overwrite the newer write",
        "gateway",
        _winner_asserted_only_once,
        "late-write-does-not-win",
        r"version: PostgreSQL 3, Qdrant 2",
    ),
    "collection-id-of-the-name": Defect(
        "a collection made anew has the identity of the old one",
        "gateway",
        _collection_id_of_the_name,
        "recreated-collection-starts-empty",
        r"as without the cache[\s\S]*Wear gloves|texts read of .safety.[\s\S]*Wear gloves",
    ),
    "timeout-told-as-success": Defect(
        "a write whose outcome is unknown is acknowledged",
        "gateway",
        _timeout_told_as_success,
        "lost-call-to-qdrant-converges",
        r"insertVector: .*answered 201",
        row="A request",
    ),
    "repair-deletes-what-differs": Defect(
        "a repair deletes points that it could have written again",
        "gateway",
        _repair_deletes_what_differs,
        "restored-qdrant-audited-and-repaired",
        r"repaired by the first and the second repair",
    ),
    "collection-events-forgotten": Defect(
        "nobody finishes the making or dropping of a collection",
        "gateway",
        _collection_events_forgotten,
        "crash-while-creating-collection",
        r"is creating in PostgreSQL",
        row="between the row and the vector",
    ),
    "bounds-include-their-ends": Defect(
        "a filter's bound 'less than' lets equal values in",
        "gateway",
        _bounds_include_their_ends,
        "random-filters-match-exactly",
        r"is found(?s:.)*smallest example(?s:.)*\"lt\"",
    ),
    "unchanged-in-spite-of-metadata": Defect(
        "a document stored again with other metadata is taken for unchanged",
        "gateway",
        _unchanged_in_spite_of_metadata,
        "reingest-changes-metadata",
        r"what the point carries[\s\S]*department",
    ),
    "caller-key-passed-on": Defect(
        "the gateway hands the caller's headers on to its services",
        "gateway",
        _caller_key_passed_on,
        "caller-key-not-forwarded",
        r"embedding: POST /embed .* shows the key of",
    ),
    "connection-for-each-request": Defect(
        "connections to the services are not kept",
        "gateway",
        _connection_for_each_request,
        "connections-are-reused",
        r"new connections by service .*'qdrant': \d\d",
    ),
    "batches-embedded-one-by-one": Defect(
        "the texts of a batch go to the embedding service one by one",
        "gateway",
        _batches_embedded_one_by_one,
        "batch-is-one-request-per-service",
        r"requests to embed",
    ),
    "texts-embedded-with-a-prompt": Defect(
        "the embedding service puts a prompt of another model before each text",
        "embedding",
        _texts_embedded_with_a_prompt,
        "embeddings-match-golden-vectors",
        r"with its golden vector",
    ),
    "outage-as-not-found": Defect(
        "a collection that cannot be looked up is said not to exist",
        "gateway",
        _outage_as_not_found,
        "failed-process-refuses-only-dependents",
        r"answered 404 collection-not-found",
        row=r"postgresql\.crashed",
    ),
    "limits-clamped": Defect(
        "a limit beyond the largest is cut down in silence",
        "gateway",
        _limits_clamped,
        "size-limits-enforced",
        r"searchVectors answered 200",
        row="number of results",
    ),
    "pages-by-offset": Defect(
        "pages are counted off from the start, so a deletion moves what follows",
        "gateway",
        _pages_by_offset,
        "pages-stable-under-writes",
        r"document \d+': [02]",
    ),
    "created-counted-as-ok": Defect(
        "the counters tell 200 for every success",
        "gateway",
        _created_counted_as_ok,
        "every-response-counted",
        r"createCollection 201': 'given \d+, counted 0'",
    ),
    "commits-not-waited-for": Defect(
        "writes are acknowledged before PostgreSQL has kept them (synchronous_commit=off)",
        "gateway",
        _commits_not_waited_for,
        "postgresql-crash-loses-no-acknowledged-write",
        r"acknowledged in version 1, but held only by|only in Qdrant|counts are equal",
    ),
    "fence-kept-in-memory": Defect(
        "the fence around the cache dies with the gateway",
        "gateway",
        _fence_kept_in_memory,
        "gateway-crash-keeps-invalidation",
        r"answered from the cache",
    ),
    "store-errors-as-defects": Defect(
        "whatever PostgreSQL refuses is told as a defect of the gateway",
        "gateway",
        _store_errors_as_defects,
        "full-postgresql-keeps-nothing-refused",
        r"500 is always a defect",
    ),
    "read-only-as-forbidden": Defect(
        "a metadata store that takes no writes is told as the caller's mistake",
        "gateway",
        _read_only_as_forbidden,
        "postgresql-write-fault-keeps-reads",
        r"403",
        row="only be read",
    ),
    "failed-creation-told-as-refusal": Defect(
        "a collection whose last commit failed is refused, though it may yet come",
        "gateway",
        _failed_creation_told_as_refusal,
        "failed-commit-of-collection-settles",
        r"the change: .*answered 503 dependency-unavailable",
    ),
    "failed-deletion-told-as-refusal": Defect(
        "a deletion whose last commit failed is refused, though it may yet be done",
        "gateway",
        _failed_deletion_told_as_refusal,
        "failed-commit-of-delete-settles",
        r"the change: .*answered 503 dependency-unavailable",
    ),
    "failed-commit-told-as-refusal": Defect(
        "a write whose last commit failed is refused, though it may yet be done",
        "gateway",
        _failed_commit_told_as_refusal,
        "failed-commit-of-write-settles",
        r"the change: .*answered 503 dependency-unavailable",
    ),
    "locks-waited-for-without-end": Defect(
        "a lock that somebody holds keeps the caller waiting",
        "gateway",
        _locks_waited_for_without_end,
        "postgresql-write-fault-keeps-reads",
        r"later than 2\.5 s",
        row="locked",
    ),
    "dead-sessions-kept": Defect(
        "sessions that PostgreSQL has ended are used again and again",
        "gateway",
        _dead_sessions_kept,
        "ended-database-sessions-reopened",
        r"every operation works again: not within 10 s",
    ),
    "cache-errors-fail-requests": Defect(
        "an error of the cache ends the request",
        "gateway",
        _cache_errors_fail_requests,
        "redis-write-fault-changes-nothing",
        r"storing: .*50[03]|searching: .*50[03]",
        row="full",
    ),
    "no-single-flight": Defect(
        "everybody who misses a text in the cache has it embedded anew",
        "gateway",
        _no_single_flight,
        "search-stampede-computes-one-embedding",
        r"calls of the embedding service\s+Expected: .*<1>\s+but: was <\d\d+>",
    ),
    "retries-at-two-layers": Defect(
        "two layers try a failed call three times each",
        "gateway",
        _retries_at_two_layers,
        "no-retry-storm-in-outage",
        r"calls of the embedding service for 100\s+Expected: .*<100>\s+but: was <900>",
    ),
    "cache-waited-for": Defect(
        "calls to the cache have no time limit",
        "gateway",
        _cache_waited_for,
        "broken-link-refuses-only-dependents",
        r"(no answer \(ReadTimeout|answered \d+ in \d{5} ms).*later than",
        row=r"redis\.hang",
    ),
    "time-counted-from-the-last-byte": Defect(
        "the time limit of a call begins anew with every byte of its answer",
        "gateway",
        _time_counted_from_the_last_byte,
        "slow-link-refuses-only-dependents",
        r"(searchVectors|insertVector).*later than 5 s",
        row=r"qdrant\.drip",
    ),
    "slow-taken-for-dead": Defect(
        "a vector store that takes a tenth of its time is given up",
        "gateway",
        _slow_taken_for_dead,
        "allowed-latency-changes-nothing",
        r"answered 504 dependency-timeout in \d+ ms \(.*\); dependency=qdrant",
        row=r"qdrant\.slow_within_limit",
    ),
    "job-never-gives-up": Defect(
        "a text at which the embedding service always fails is tried for ever",
        "gateway",
        _job_never_gives_up,
        "fatal-job-item-fails-alone",
        r"the first job has ended: not within.*'processing', done=11, failed=0",
    ),
    "job-gives-up-in-an-outage": Defect(
        "an outage of the embedding service counts against the texts of a job",
        "gateway",
        _job_gives_up_in_an_outage,
        "job-waits-through-long-outage",
        r"failed, 0 done and 1 failed of 1",
    ),
    "rows-forget-their-job": Defect(
        "a row does not say which job wrote it",
        "gateway",
        _rows_forget_their_job,
        "job-stores-each-document-once",
        r"is not marked as written by the job",
    ),
    "breaker-stays-open": Defect(
        "a provider that was given up is never tried again",
        "gateway",
        _breaker_stays_open,
        "breaker-opens-and-recovers",
        r"openai is asked again: not within.*circuit-open",
    ),
    "stop-cuts-off": Defect(
        "a gateway that is told to stop ends at once, whatever is under way",
        "gateway",
        _stop_cuts_off,
        "gateway-shutdown-under-load",
        r"insertVector: no answer \(",
    ),
    "ready-too-early": Defect(
        "the gateway says that it is ready as soon as it lives",
        "gateway",
        _ready_too_early,
        "gateway-not-ready-before-dependencies",
        r"is not ready while nothing else can be reached: no longer so.*getReadiness.*200",
    ),
    "editors-may-all": Defect(
        "an editor is let in where only an administrator may go",
        "gateway",
        _editors_may_all,
        "roles-grant-exact-operations",
        r"with repair: administrator is the least role(?s:.)*invalidateCache: administrator is",
        row="an editor",
    ),
    "keys-never-expire": Defect(
        "the end of a key's time is not looked at",
        "gateway",
        _keys_never_expire,
        "invalid-keys-refused",
        r"getStatus: nobody may use it without a valid key, but getStatus answered 200",
        row="expired",
    ),
    "last-of-two-keys-wins": Defect(
        "of a header sent twice the last one counts",
        "gateway",
        _last_of_two_keys_wins,
        "invalid-keys-refused",
        r"nobody may use it without a valid key, but \w+ answered",
        row="two keys under",
    ),
    "method-from-a-header": Defect(
        "a header stands for the method of a request",
        "gateway",
        _method_from_a_header,
        "method-override-ignored",
        r"GET /api/v1/collections/\S+ answered 200 against the contract(?s:.)*\"deleted\": true",
    ),
    "jobs-of-others-are-told-of": Defect(
        "the refusal of somebody else's job tells that there is one",
        "gateway",
        _jobs_of_others_are_told_of,
        "foreign-job-looks-missing",
        r"asked for: the other editor's is told (?s:.)*belongs to somebody else",
    ),
    "list-trusts-its-cursor": Defect(
        "whose jobs a page shows is read from the cursor",
        "gateway",
        _list_trusts_its_cursor,
        "foreign-cursor-useless",
        r"Expected: an empty collection\s+but: was <\['",
    ),
    "role-from-a-header": Defect(
        "a header tells the caller's role",
        "gateway",
        _role_from_a_header,
        "role-headers-ignored",
        r"reader with X-User-Role: admin: insertVector answered 201",
    ),
    "answers-remembered-before-the-key": Defect(
        "a repeated search is answered before the key is looked at",
        "gateway",
        _answers_remembered_before_the_key,
        "cache-hit-requires-authorization",
        r"refused as unauthenticated\s+but: item 1 of 3: searchVectors answered 200",
    ),
    "unknown-members-dropped": Defect(
        "members that a request may not have are dropped in silence",
        "gateway",
        _unknown_members_dropped,
        "platform-fields-not-settable",
        r"insertVector with point_id: insertVector answered 20[01]",
    ),
    "metadata-lose-the-platforms-names": Defect(
        "metadata named like the platform's own members are dropped",
        "gateway",
        _metadata_lose_the_platforms_names,
        "reserved-names-in-metadata-kept",
        r"Expected: <\{'id'",
    ),
    "size-believed-not-measured": Defect(
        "the size of a request is only looked at where the caller tells it",
        "gateway",
        _size_believed_not_measured,
        "request-size-limit-exact",
        r"refused as content-too-large\s+but: item 2 of 2: generateEmbedding answered 422",
    ),
    "addresses-logged-as-they-are": Defect(
        "the address of a request is written to the log unquoted",
        "gateway",
        _addresses_logged_as_they_are,
        "log-injection-prevented",
        r"the log of gateway(, not as a value of one line)?: '",
    ),
    "addresses-counted-as-they-are": Defect(
        "every address that was ever asked for becomes a counter of its own",
        "gateway",
        _addresses_counted_as_they_are,
        "log-injection-prevented",
        r"the counters: gateway_requests_total",
    ),
    "lock-looks-at-the-beginning": Defect(
        "whether an address is open is judged before its dots are resolved",
        "gateway",
        _lock_looks_at_the_beginning,
        "path-spellings-do-not-bypass-authentication",
        r"GET /health/\.\./status HTTP/1\.1 answered 200",
    ),
    "refusals-tell-the-inside": Defect(
        "the refusal of what cannot be read tells where in the program that was",
        "gateway",
        _refusals_tell_the_inside,
        "unreadable-requests-refused",
        r"the error tells of the inside: a stack trace",
        row="half of a request",
    ),
    "values-are-tidied": Defect(
        "values are brought into a normal form",
        "gateway",
        _values_are_tidied,
        "hostile-values-stored-verbatim",
        r"wide letters: read as",
    ),
    "any-kind-of-content-read": Defect(
        "the kind of a content is not looked at",
        "gateway",
        _any_kind_of_content_read,
        "content-types-enforced",
        r"'text/plain': generateEmbedding answered 200",
    ),
    "packed-content-unpacked": Defect(
        "a packed content is unpacked, whatever its size",
        "gateway",
        _packed_content_unpacked,
        "compressed-requests-not-expanded",
        r"answered 422 validation-failed",
    ),
    "location-from-the-host": Defect(
        "where a new document is, is told with the host that the request claims",
        "gateway",
        _location_from_the_host,
        "host-header-not-trusted",
        r"insertVector answered 201|header Location",
    ),
    "first-of-two-lengths-counts": Defect(
        "of two lengths the first one counts",
        "gateway",
        _first_of_two_lengths_counts,
        "request-smuggling-refused",
        r"two lengths: answered 200",
    ),
    "names-in-addresses-unchecked": Defect(
        "names in an address are used as they come",
        "gateway",
        _names_in_addresses_unchecked,
        "hostile-names-refused",
        r"500 is always a defect",
        row="name of a collection",
    ),
    "filters-unchecked": Defect(
        "a filter is handed on without a look at it",
        "gateway",
        _filters_unchecked,
        "filters-are-never-executed",
        r"searchVectors answered 200|500 is always a defect",
    ),
    "doubled-members-read-twice": Defect(
        "of a member given twice one store gets the first value and the other the second",
        "gateway",
        _doubled_members_read_twice,
        "duplicate-members-have-one-value",
        r"the vector store: The first text",
    ),
    "limit-counted-by-the-key-itself": Defect(
        "the cache counts requests under the callers' keys",
        "gateway",
        _limit_counted_by_the_key_itself,
        "no-secret-in-outputs",
        r"key of \S*editor in the cache",
    ),
    "keys-in-the-audit-log": Defect(
        "the record of changes holds the callers' keys",
        "gateway",
        _keys_in_the_audit_log,
        "no-secret-in-outputs",
        r"key of \S*editor in audit_log.target",
    ),
    "keys-logged-encoded": Defect(
        "the gateway logs the keys in base64",
        "gateway",
        _keys_logged_encoded,
        "no-secret-in-outputs",
        r"key of \S*editor in the log of gateway",
    ),
    "limit-counted-by-address": Defect(
        "requests are counted by the address that a header claims",
        "gateway",
        _limit_counted_by_address,
        "spoofed-headers-share-rate-limit",
        r"X-Forwarded-For: 203\.0\.113\.7, 198\.51\.100\.9: listModels answered 200",
    ),
    "limit-counted-by-route": Defect(
        "every route has an allowance of its own",
        "gateway",
        _limit_counted_by_route,
        "spoofed-headers-share-rate-limit",
        r"by listCollections: listCollections answered 200",
    ),
    "limit-read-and-then-written": Defect(
        "the count of requests is read and written in two steps",
        "gateway",
        _limit_read_and_then_written,
        "rate-limit-exact-under-concurrency",
        r"requests that were answered\s+Expected: an object with length of <10>",
    ),
    "limit-looked-at-afterwards": Defect(
        "a request is carried out before it is refused as one too many",
        "gateway",
        _limit_looked_at_afterwards,
        "rate-limited-request-not-executed",
        r"with length of <4>",
    ),
    "rest-told-one-too-high": Defect(
        "the rest of the allowance is told as before the request",
        "gateway",
        _rest_told_one_too_high,
        "rate-limit-headers-correct",
        r"request 1 tells limit and rest \['4', '4'\], not \['4', '3'\]",
    ),
    "counters-need-a-key": Defect(
        "the counters are counted and refused like any request",
        "gateway",
        _counters_need_a_key,
        "health-and-metrics-exempt-from-rate-limit",
        r"getMetrics does not document status 429",
    ),
    "limit-kept-in-the-cache-alone": Defect(
        "without the cache nobody counts requests",
        "gateway",
        _limit_kept_in_the_cache_alone,
        "rate-limit-holds-without-redis",
        r"refused as rate-limited\s+but: item 1 of 3: listModels answered 200",
    ),
    "cache-holds-objects": Defect(
        "what lies in the cache is unpickled",
        "gateway",
        _cache_holds_objects,
        "poisoned-cache-entry-rejected",
        r"a program from the cache was carried out",
        row="a stored program$",
    ),
    "cache-types-ignored": Defect(
        "cached results are served whatever they are made of",
        "gateway",
        _cache_types_ignored,
        "poisoned-cache-entry-rejected",
        r"the body at /results/0/version: '1' is not of type 'integer'",
        row="words for numbers",
    ),
    "refusal-crashes": Defect(
        "the refusal of a wrong type crashes where there is no further reason to tell",
        "gateway",
        _refusal_crashes,
        "random-requests-keep-contract",
        r"POST /api/v1/\S+.*: Server error",
    ),
}
