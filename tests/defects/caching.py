"""Defects of the cache: keys, fences, values, life times, and what is told about it."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from tests.defects.defect import Defect


def _texts_told_apart_by_words_only() -> None:
    import re

    from support.reference.gateway import embedding

    key = embedding._key
    embedding._key = lambda model, text: key(model, " ".join(re.findall(r"\w+", text)))


def _text_in_the_name() -> None:
    from support.reference.gateway import search

    key = search._key

    def readable(wanted: Any, target: Any) -> str:
        return f"{key(wanted, target)}:{wanted.query_text}"

    search._key = readable


def _search_key_without_threshold() -> None:
    from support.reference.gateway import content, search
    from support.reference.gateway.cache import PREFIX

    def key(wanted: Any, target: Any) -> str:
        request = wanted.model_dump(exclude={"collection", "use_cache", "score_threshold"})
        return f"{PREFIX}search:{target.collection_id}:g{target.generation}:{content.digest(request)}"

    search._key = key


def _search_key_without_collection() -> None:
    from support.reference.gateway import content, search
    from support.reference.gateway.cache import PREFIX

    def key(wanted: Any, target: Any) -> str:
        request = wanted.model_dump(exclude={"collection", "use_cache"})
        return f"{PREFIX}search:all:g{target.generation}:{content.digest(request)}"

    search._key = key


def _cached_vectors_of_half_precision() -> None:
    import numpy as np

    from support.reference.gateway import content, embedding

    packed = content.packed
    embedding.packed = lambda vector: packed(  # type: ignore[attr-defined]
        vector.astype(np.float16).astype(np.float32)
    )


def _kept_answers_believed() -> None:
    from support.reference.gateway import operations

    def valid(order: Any, _declared: int | None) -> Any:
        return lambda body: len(body["vectors"]) == len(order.texts)

    operations._valid_provider_entry = valid  # type: ignore[assignment]


def _nothing_is_stored() -> None:
    from support.reference.gateway.cache import Cache

    async def put_many(self: Cache, bodies: dict[str, dict[str, object]]) -> float | None:
        return 0.1

    Cache.put_many = put_many  # type: ignore[method-assign]


def _entries_live_a_week() -> None:
    from support.reference.gateway import cache

    cache.TTL_S["search"] = 7 * 24 * 3600


def _item_read_from_the_cache_alone() -> None:
    from support.reference.gateway import operations
    from support.reference.gateway.writes import item_key

    operations.item_key = lambda c, p, _generation: item_key(c, p, 1)  # type: ignore[attr-defined, assignment]
    operations._valid_item = lambda row: lambda body: True


def _emptying_spares_the_searches() -> None:
    from support.reference.gateway.cache import Cache

    forget_matching = Cache.forget_matching

    async def sparing(self: Cache, patterns: Any, budget_s: float) -> int:
        return await forget_matching(self, [each for each in patterns if ":search:" not in each], budget_s)

    Cache.forget_matching = sparing  # type: ignore[method-assign]


def _misses_counted_as_hits() -> None:
    from support.reference.gateway.cache import Cache

    count = Cache._count
    Cache._count = lambda self, status: count(self, "hit")  # type: ignore[method-assign]


def _hit_told_as_miss() -> None:
    from support.reference.gateway.cache import Lookup

    info = Lookup.info

    def modest(self: Lookup, **stored: Any) -> dict[str, object]:
        if self.status != "hit":
            return info(self, **stored)
        return info(dataclasses.replace(self, status="miss"), ttl_set=1800, store_ms=0.1)

    Lookup.info = modest  # type: ignore[method-assign]


def _bypass_without_end() -> None:
    from support.reference.gateway.cache import Cache

    init = Cache.__init__

    def resentful(self: Cache, config: Any, metrics: Any) -> None:
        init(self, config, metrics)
        self._bypass_s = 3600.0

    Cache.__init__ = resentful  # type: ignore[method-assign]


def _cached_search_asks_all_the_same() -> None:
    from support.reference.gateway.search import Searcher

    search = Searcher.search

    async def diligent(self: Searcher, wanted: Any) -> Any:
        target, _ = await self._descriptors.for_search(wanted.collection)
        await self._qdrant.count(target.name)
        return await search(self, wanted)

    Searcher.search = diligent  # type: ignore[method-assign]


_KEYS = "data_consistency/cache_keys.feature"
_CACHE = "data_consistency/cache.feature"

DEFECTS: Mapping[str, Defect] = {
    "texts-without-punctuation-in-cache-keys": Defect(
        "texts that differ in punctuation share a cached embedding",
        "gateway",
        _texts_told_apart_by_words_only,
        "similar-texts-have-own-cache-keys",
        r"another request's answer",
    ),
    "text-in-the-cache-key": Defect(
        "the question stands in the name of its cache entry",
        "gateway",
        _text_in_the_name,
        "cache-keys-show-no-text",
        r"unmistakable-canary-phrase",
    ),
    "cache-key-without-threshold": Defect(
        "searches with different thresholds share a cached answer",
        "gateway",
        _search_key_without_threshold,
        "similar-searches-have-own-cache-keys",
        r"another request's answer[\s\S]*threshold",
    ),
    "cache-key-without-collection": Defect(
        "the same question to two collections shares a cached answer",
        "gateway",
        _search_key_without_collection,
        "cache-separates-collections",
        r'what "archive" holds',
    ),
    "cached-vectors-of-half-precision": Defect(
        "cached embeddings are stored with half the precision",
        "gateway",
        _cached_vectors_of_half_precision,
        "repeated-embedding-is-cache-hit",
        r"two embeddings of one text are apart",
    ),
    "kept-provider-answers-believed": Defect(
        "a cached answer of a provider is believed whatever the size of its embeddings",
        "gateway",
        _kept_answers_believed,
        "damaged-provider-cache-entry-replaced",
        r"embeddings of \[1536, 1536\] and of \[4, 4\] numbers",
        row="another size",
    ),
    "nothing-is-cached": Defect(
        "nothing is stored in the cache, though the answers say so",
        "gateway",
        _nothing_is_stored,
        "repeated-search-is-cache-hit",
        r"answered from the cache: ",
    ),
    "cache-entries-live-a-week": Defect(
        "cached searches live a week instead of half an hour",
        "gateway",
        _entries_live_a_week,
        "cache-entries-have-ttl",
        r"ttl_set: 604800 is greater than the maximum|keep it for 6047\d\d s, its kind may live 1800 s",
    ),
    "item-cache-without-fence": Defect(
        "a cached document is served without a look at its version",
        "gateway",
        _item_read_from_the_cache_alone,
        "read-after-update-is-current",
        r'texts read of "canteen"[\s\S]*but: was .*canteen serves lunch',
    ),
    "emptying-spares-searches": Defect(
        "emptying the cache leaves the cached searches",
        "gateway",
        _emptying_spares_the_searches,
        "clearing-cache-changes-no-results",
        r"still answered from the cache",
    ),
    "misses-counted-as-hits": Defect(
        "the counters show every look-up as a hit",
        "gateway",
        _misses_counted_as_hits,
        "cache-hits-and-misses-counted",
        r"misses and hits by the counters",
    ),
    "hit-told-as-miss": Defect(
        "an answer from the cache says that it is fresh",
        "gateway",
        _hit_told_as_miss,
        "repeated-search-is-cache-hit",
        r"X-Cache is HIT, but cache_info says miss",
    ),
    "cached-search-asks-all-the-same": Defect(
        "a cached answer waits for the vector store as well",
        "gateway",
        _cached_search_asks_all_the_same,
        "cache-hit-calls-no-service",
        r"what the vector store was asked[\s\S]*points/count",
    ),
    "bypass-without-end": Defect(
        "a cache that failed once is never asked again",
        "gateway",
        _bypass_without_end,
        "redis-crash-degrades-only",
        r"a repeated search comes from the cache: not within",
    ),
}
