"""Defects of the embedding service, between the services, and in what the gateway says of itself."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

from tests.defects.defect import Defect


def _embedded_otherwise(vector_of: Callable[[Any, Any], Any], pad: bool = False) -> None:
    """Let ``vector_of`` (states of the tokens, attention mask) make the vector of a text."""
    import numpy as np

    from support.reference.embedding.model import Embedded, MiniLM

    def embed(self: MiniLM, text: str) -> Embedded:
        if pad:
            self._tokenizer.enable_padding(length=128)
        encoding = self._tokenizer.encode(text)
        tokens = np.array([encoding.ids], dtype=np.int64)
        mask = np.array([encoding.attention_mask], dtype=np.int64)
        given = {"input_ids": tokens, "attention_mask": mask, "token_type_ids": np.zeros_like(tokens)}
        (states,) = self._session.run(["last_hidden_state"], given)
        vector = np.asarray(vector_of(states[0], mask[0]), dtype=np.float32)
        return Embedded(vector, tokens=int(mask.sum()), truncated=bool(encoding.overflowing))

    MiniLM.embed = embed  # type: ignore[method-assign]


def _unit(vector: Any) -> Any:
    import numpy as np

    return vector / np.linalg.norm(vector)


def _pooled_by_the_first_token() -> None:
    _embedded_otherwise(lambda states, mask: _unit(states[0]))


def _padding_pooled_as_well() -> None:
    _embedded_otherwise(lambda states, mask: _unit(states.mean(axis=0)), pad=True)


def _not_normalised() -> None:
    _embedded_otherwise(lambda states, mask: states.mean(axis=0))


def _few_digits() -> None:
    _embedded_otherwise(lambda states, mask: _unit(states.mean(axis=0)).round(2))


def _read_to_128_only() -> None:
    from support.reference.embedding.model import MiniLM

    init = MiniLM.__init__

    def shorter(self: MiniLM) -> None:
        init(self)
        self._tokenizer.enable_truncation(128)

    MiniLM.__init__ = shorter  # type: ignore[method-assign]


def _request_id_renamed() -> None:
    import uuid

    from support.reference.gateway import app
    from support.reference.gateway.timing import Call

    def renamed(_given: str, **options: Any) -> Call:
        return Call(str(uuid.uuid4()), **options)

    app.Call = renamed  # type: ignore[attr-defined, assignment]


def _seconds_told_as_milliseconds() -> None:
    from support.reference.gateway.timing import Call

    hop_ms = Call.hop_ms
    Call.hop_ms = lambda self, hop: round(hop_ms(self, hop) * 1000, 3)  # type: ignore[method-assign]


def _own_time_forgotten() -> None:
    from support.reference.gateway.timing import Call

    Call.gateway_ms = lambda self, total_ms=None: 0.0  # type: ignore[method-assign]
    total_ms = Call.total_ms
    Call.total_ms = lambda self: total_ms(self) + 200.0  # type: ignore[method-assign]


def _deadline_not_handed_on() -> None:
    import aiohttp

    request = aiohttp.ClientSession.request

    def without(self: Any, method: str, url: Any, **options: Any) -> Any:
        options["headers"] = {
            name: value for name, value in (options.get("headers") or {}).items() if name != "X-Deadline-Ms"
        }
        return request(self, method, url, **options)

    aiohttp.ClientSession.request = without  # type: ignore[method-assign]


def _store_asked_slowly(seconds: float) -> None:
    from support.reference.gateway.qdrant import Qdrant
    from support.reference.gateway.timing import hop

    call = Qdrant._call

    async def slow(self: Qdrant, *what: Any, **options: Any) -> Any:
        with hop("qdrant"):
            await asyncio.sleep(seconds)
        return await call(self, *what, **options)

    Qdrant._call = slow  # type: ignore[method-assign]


def _stores_are_slow() -> None:
    _store_asked_slowly(0.06)


def _asked_twice() -> None:
    from support.reference.gateway.qdrant import Qdrant

    query = Qdrant.query

    async def twice(self: Qdrant, *what: Any, **options: Any) -> Any:
        await query(self, *what, **options)
        return await query(self, *what, **options)

    Qdrant.query = twice  # type: ignore[method-assign]


def _memory_of_the_cache_unknown() -> None:
    from support.reference.gateway.cache import Cache

    async def unknown(self: Cache) -> None:
        return None

    Cache.server_facts = unknown  # type: ignore[method-assign]


def _stored_counted_twice() -> None:
    from support.reference.gateway.operations import _Measured

    leave = _Measured.__exit__

    def twice(self: _Measured, *error: Any) -> None:
        leave(self, *error)
        leave(self, *error)

    _Measured.__exit__ = twice  # type: ignore[method-assign]


def _connections_to_postgresql_thrown_away() -> None:
    from support.reference.gateway.postgres import Pool

    Pool.keep = lambda self, connection: connection.terminate()  # type: ignore[method-assign]


def _cached_texts_embedded_again() -> None:
    from support.reference.gateway.embedding import Embeddings

    embed = Embeddings.embed

    async def all_again(self: Embeddings, texts: Any, model: str, *, use_cache: bool) -> Any:
        found = await embed(self, texts, model, use_cache=use_cache)
        if any(each.lookup.status == "miss" for each in found):
            await self._fetch(list(texts), model, len(found[0].vector))
        return found

    Embeddings.embed = all_again  # type: ignore[method-assign]


def _reads_wait_behind_writes() -> None:
    from support.reference.gateway import postgres

    init = postgres.Database.__init__

    def shared(self: Any, config: Any) -> None:
        init(self, config)
        self.reader = self.writer = postgres.Pool(config, 3, "all")

    postgres.Database.__init__ = shared  # type: ignore[method-assign]


_GOLDEN = "The model is the one that the stored vectors were made with"
_VALUES = "end_to_end/values_and_embeddings.feature"
_HOPS = "cross_service/hops.feature"
_WIRES = "cross_service/wires.feature"

DEFECTS: Mapping[str, Defect] = {
    "pooled-by-the-first-token": Defect(
        "a text's vector is that of its first token instead of the mean",
        "embedding",
        _pooled_by_the_first_token,
        "embeddings-match-golden-vectors",
        r"with its golden vector",
    ),
    "padding-pooled-as-well": Defect(
        "texts are padded, and the padding counts in the mean",
        "embedding",
        _padding_pooled_as_well,
        "embeddings-match-golden-vectors",
        r"with its golden vector",
    ),
    "vectors-not-normalised": Defect(
        "the embedding service does not scale its vectors to length 1",
        "embedding",
        _not_normalised,
        "embeddings-match-golden-vectors",
        r"length of a vector",
    ),
    "vectors-of-few-digits": Defect(
        "the embedding service rounds its vectors to two digits",
        "embedding",
        _few_digits,
        "embeddings-match-golden-vectors",
        r"with its golden vector",
    ),
    "read-to-128-only": Defect(
        "the tokenizer cuts texts at 128 tokens instead of 256",
        "embedding",
        _read_to_128_only,
        "model-reads-to-its-token-limit",
        r"truncated\s+Expected: <\[False, False\]>",
    ),
    "request-id-renamed": Defect(
        "the caller's request id is replaced by one of the gateway's own",
        "gateway",
        _request_id_renamed,
        "request-id-in-every-log",
        r"Expected: 'at-trace-minutes'",
    ),
    "hops-told-in-another-unit": Defect(
        "the time of each hop is told in microseconds",
        "gateway",
        _seconds_told_as_milliseconds,
        "server-timing-of-every-hop",
        r"the longest hop, in ms",
    ),
    "time-unaccounted-for": Defect(
        "the gateway's own time is left out of what it tells",
        "gateway",
        _own_time_forgotten,
        "slow-service-identified",
        r"ms that nobody accounts for",
    ),
    "deadline-not-handed-on": Defect(
        "the embedding service is not told how long the gateway will wait",
        "gateway",
        _deadline_not_handed_on,
        "services-receive-request-id",
        r"ms that the service is given",
    ),
    "stores-are-slow": Defect(
        "each request to the vector store waits 60 ms for its turn",
        "gateway",
        _stores_are_slow,
        "store-latency-within-limit",
        r"median ms per store",
    ),
    "vector-store-asked-twice": Defect(
        "every search is sent to the vector store twice",
        "gateway",
        _asked_twice,
        "slow-service-identified",
        r"ms of qdrant\s+Expected",
    ),
    "memory-of-the-cache-unknown": Defect(
        "the memory of the cache is not measured",
        "gateway",
        _memory_of_the_cache_unknown,
        "every-metric-has-a-value",
        r"measures without a value[\s\S]*cache_memory_usage_bytes",
    ),
    "operations-counted-twice": Defect(
        "the counter of operations counts each of them twice",
        "gateway",
        _stored_counted_twice,
        "gateway-counters-match-requests",
        r"counters tell what was done: .*'insert': 10.0, 'search': 6.0",
    ),
    "connections-to-postgresql-thrown-away": Defect(
        "every request opens a connection of its own to PostgreSQL",
        "gateway",
        _connections_to_postgresql_thrown_away,
        "connections-are-reused",
        r"new connections by service .*'postgresql': \d\d",
    ),
    "cached-texts-embedded-again": Defect(
        "texts that the cache knows are computed again with the others",
        "gateway",
        _cached_texts_embedded_again,
        "only-cache-misses-computed",
        r"texts the service embedded\s+Expected: <4>",
    ),
    "reads-wait-behind-writes": Defect(
        "reads share three connections with writes that wait for the vector store",
        "gateway",
        _reads_wait_behind_writes,
        "broken-link-refuses-only-dependents",
        r"dependency=postgresql|later than|naming postgresql",
        row=r"qdrant\.hang",
    ),
}
