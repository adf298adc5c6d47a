"""Defects that show between the services: ids, hops, connections, metrics and what the caches save."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from tests.defects.defect import defect


@defect(
    "the request id does not travel to the embedding service",
    key="request-id-in-every-log",
    message=r"the log of the embedding service does not contain 'at-trace-minutes'",
)
def request_id_not_passed_on() -> None:
    from support.reference.gateway import embedding
    from support.reference.gateway.timing import Call, current

    def nameless() -> Call:
        call = current()
        return Call("lost", background=call.background) if call.request_id.startswith("at-") else call

    embedding.current = nameless  # type: ignore[attr-defined]


@defect(
    "the caller's request id is replaced by one of the gateway's own",
    key="request-id-in-every-log",
    message=r"X-Request-ID: expected at-trace-minutes, was",
)
def request_id_renamed() -> None:
    import uuid

    from support.reference.gateway import app
    from support.reference.gateway.timing import Call

    def renamed(_given: str, **options: Any) -> Call:
        return Call(str(uuid.uuid4()), **options)

    app.Call = renamed  # type: ignore[attr-defined, assignment]


@defect(
    "the time of each hop is told in microseconds",
    key="server-timing-of-every-hop",
    message=r"Server-Timing\.\w+: expected at most Server-Timing\.total \(at most [\d.]+\), was",
)
def hops_told_in_another_unit() -> None:
    from support.reference.gateway.timing import Call

    hop_ms = Call.hop_ms
    Call.hop_ms = lambda self, hop: round(hop_ms(self, hop) * 1000, 3)  # type: ignore[method-assign]


@defect(
    "a search says that embedding its question took no time",
    key="server-timing-of-query-embedding",
    message=r"embedding time ms: expected more than 0, was",
)
def time_of_embedding_not_told() -> None:
    from support.reference.gateway.timing import Call

    Call.hop_ms = lambda self, hop: 0.0  # type: ignore[method-assign]


def _store_asked_slowly(seconds: float) -> None:
    from support.reference.gateway.qdrant import Qdrant
    from support.reference.gateway.timing import hop

    call = Qdrant._call

    async def slow(self: Qdrant, *what: Any, **options: Any) -> Any:
        with hop("qdrant"):
            await asyncio.sleep(seconds)
        return await call(self, *what, **options)

    Qdrant._call = slow  # type: ignore[method-assign]


@defect(
    "each request to the vector store waits 60 ms for its turn",
    key="store-latency-within-limit",
    message=r"the share of 60 answers that show this; .*Server-Timing.qdrant: expected less than 50, was",
)
def stores_are_slow() -> None:
    _store_asked_slowly(0.06)


@defect(
    "the embedding service is not told how long the gateway will wait",
    key="services-receive-request-id",
    message=r"expected deadline within the embedding timeout .*, was 0",
)
def deadline_not_handed_on() -> None:
    import aiohttp

    request = aiohttp.ClientSession.request

    def without(self: Any, method: str, url: Any, **options: Any) -> Any:
        options["headers"] = {
            name: value for name, value in (options.get("headers") or {}).items() if name != "X-Deadline-Ms"
        }
        return request(self, method, url, **options)

    aiohttp.ClientSession.request = without  # type: ignore[method-assign]


@defect(
    "the texts of a batch go to the embedding service one by one",
    key="batch-is-one-request-per-service",
    message=r"the embedding service received 25 requests, expected exactly 1",
)
def batches_embedded_one_by_one() -> None:
    from support.reference.gateway import embedding

    embedding._TEXTS_A_CALL = 1


@defect(
    "a cached answer waits for the vector store as well",
    key="cache-hit-calls-no-service",
    message=r"Qdrant received \d+ requests, expected no: .*points/count",
)
def cached_search_asks_all_the_same() -> None:
    from support.reference.gateway.search import Searcher

    search = Searcher.search

    async def diligent(self: Searcher, wanted: Any) -> Any:
        target, _ = await self._descriptors.for_search(wanted.collection)
        await self._qdrant.count(target.name)
        return await search(self, wanted)

    Searcher.search = diligent  # type: ignore[method-assign]


@defect(
    "the gateway hands the caller's headers on to its services",
    key="caller-key-not-forwarded",
    message=r"Qdrant, PUT /collections/.*: expected keys of others empty, was .*key of",
)
def caller_key_passed_on() -> None:
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


@defect(
    "connections to the services are not kept",
    key="connections-are-reused",
    message=r"Qdrant received \d\d connections, expected at most 3",
    row="Qdrant",
)
def connection_for_each_request() -> None:
    import aiohttp

    init = aiohttp.TCPConnector.__init__

    def closing(self: Any, **options: Any) -> None:
        options.pop("keepalive_timeout", None)
        init(self, **{**options, "force_close": True})

    aiohttp.TCPConnector.__init__ = closing  # type: ignore[method-assign]


@defect(
    "every request opens a connection of its own to PostgreSQL",
    key="connections-are-reused",
    message=r"PostgreSQL received \d\d connections, expected at most 3",
    row="PostgreSQL",
)
def connections_to_postgresql_thrown_away() -> None:
    from support.reference.gateway.postgres import Pool

    Pool.keep = lambda self, connection: connection.terminate()  # type: ignore[method-assign]


@defect(
    "the gateway's own time is left out of what it tells",
    key="slow-service-identified",
    message=r"unaccounted time: expected at most 0.1, was",
)
def time_unaccounted_for() -> None:
    from support.reference.gateway.timing import Call

    Call.gateway_ms = lambda self, total_ms=None: 0.0  # type: ignore[method-assign]
    total_ms = Call.total_ms
    Call.total_ms = lambda self: total_ms(self) + 200.0  # type: ignore[method-assign]


@defect(
    "every search is sent to the vector store twice",
    key="slow-service-identified",
    message=r"Server-Timing.qdrant: expected less than 300, was 3\d\d",
)
def vector_store_asked_twice() -> None:
    from support.reference.gateway.qdrant import Qdrant

    query = Qdrant.query

    async def twice(self: Qdrant, *what: Any, **options: Any) -> Any:
        await query(self, *what, **options)
        return await query(self, *what, **options)

    Qdrant.query = twice  # type: ignore[method-assign]


@defect(
    "the counters tell 200 for every success",
    key="every-response-counted",
    message=r"createCollection with status 201: \d+ answers were given, 0 counted",
)
def created_counted_as_ok() -> None:
    from support.reference.gateway.app import GatewayApp

    note = GatewayApp._note

    def rounded(self: GatewayApp, method: str, endpoint: str, status: int, call: Any) -> None:
        note(self, method, endpoint, status // 100 * 100 if status < 300 else status, call)

    GatewayApp._note = rounded  # type: ignore[method-assign]


@defect(
    "the memory of the cache is not measured",
    key="every-metric-has-a-value",
    message=r"cache_memory_usage_bytes: expected the value present, was absent",
)
def memory_of_the_cache_unknown() -> None:
    from support.reference.gateway.cache import Cache

    async def unknown(self: Cache) -> None:
        return None

    Cache.server_facts = unknown  # type: ignore[method-assign]


@defect(
    "the counters show every look-up as a hit",
    key="cache-hits-and-misses-counted",
    message=r"cache_requests_total.*'miss'.*: expected a growth of 2, was 0",
)
def misses_counted_as_hits() -> None:
    from support.reference.gateway.cache import Cache

    count = Cache._count
    Cache._count = lambda self, status: count(self, "hit")  # type: ignore[method-assign]


@defect(
    "an answer of which a part was computed is marked as one of the cache",
    key="only-cache-misses-computed",
    message=r"X-Cache: expected MISS, was .HIT|X-Cache is HIT, but cache_info says miss",
)
def partial_hit_told_as_hit() -> None:
    from support.reference.gateway import operations

    told = operations._x_cache
    operations._x_cache = lambda status: told("hit" if status == "miss" else status)


@defect(
    "texts that the cache knows are computed again with the others",
    key="only-cache-misses-computed",
    message=r"the embedding service received 1\d texts, expected exactly 4",
)
def cached_texts_embedded_again() -> None:
    from support.reference.gateway.embedding import Embeddings

    embed = Embeddings.embed

    async def all_again(self: Embeddings, texts: Any, model: str, *, use_cache: bool) -> Any:
        found = await embed(self, texts, model, use_cache=use_cache)
        if any(each.lookup.status == "miss" for each in found):
            await self._fetch(list(texts), model, len(found[0].vector))
        return found

    Embeddings.embed = all_again  # type: ignore[method-assign]


@defect(
    "the counter of operations counts each of them twice",
    key="gateway-counters-match-requests",
    message=r"'insert'.*: expected a growth of 5, was 10",
)
def operations_counted_twice() -> None:
    from support.reference.gateway.operations import _Measured

    leave = _Measured.__exit__

    def twice(self: _Measured, *error: Any) -> None:
        leave(self, *error)
        leave(self, *error)

    _Measured.__exit__ = twice  # type: ignore[method-assign]
