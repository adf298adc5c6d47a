"""Search: nearest points, ordered and cut exactly, answered from cache only behind the fence."""

from __future__ import annotations

from functools import partial
from typing import Any

from support.reference.gateway import content
from support.reference.gateway.cache import PREFIX, Cache, Lookup, ttl_of
from support.reference.gateway.content import Vector
from support.reference.gateway.descriptors import Descriptor, Descriptors
from support.reference.gateway.embedding import Embeddings
from support.reference.gateway.models import Search
from support.reference.gateway.problems import Problem, invalid
from support.reference.gateway.qdrant import Qdrant, QdrantMissing
from support.reference.gateway.timing import current

_TYPES: dict[str, tuple[type, ...]] = {
    "id": (str,),
    "point_id": (str,),
    "score": (float, int),
    "collection": (str,),
    "text": (str, type(None)),
    "metadata": (dict,),
    "version": (int,),
    "vector": (list,),
}
"""Of the members of a search result."""
_MEMBERS = _TYPES.keys() - {"vector"}
"""Of every search result; the vector only where it was asked for."""


class Searcher:
    """Answers searches. Needs Qdrant; does without PostgreSQL and Redis."""

    def __init__(
        self, descriptors: Descriptors, embeddings: Embeddings, qdrant: Qdrant, cache: Cache
    ) -> None:
        self._descriptors = descriptors
        self._embeddings = embeddings
        self._qdrant = qdrant
        self._cache = cache

    async def search(self, wanted: Search) -> tuple[dict[str, object], str]:
        """The body of the answer and the cache status."""
        target, without_postgresql = await self._descriptors.for_search(wanted.collection)
        _check(wanted, target)
        key = _key(wanted, target)
        degraded = ["postgresql"] if without_postgresql else []
        if wanted.use_cache and not without_postgresql:
            lookup = await self._cache.get(key, partial(_valid, wanted))
        else:
            # Without PostgreSQL nobody knows the generation, so no cached answer can be trusted.
            lookup = self._cache.bypass(key)
        if lookup.failed:
            degraded.append("redis")
        if lookup.body is not None:
            return self._answer(wanted, target, lookup.body["results"], lookup.info(), degraded), "hit"
        vector = await self._vector(wanted, target)
        try:
            results = await self._results(wanted, target, vector)
        except QdrantMissing:
            if not without_postgresql:
                await self._descriptors.get(wanted.collection)
            raise
        info = await self._store(lookup, results)
        return self._answer(wanted, target, results, info, degraded), str(info["status"])

    async def _vector(self, wanted: Search, target: Descriptor) -> Vector:
        if wanted.query_vector is not None:
            return content.stored_vector(
                wanted.query_vector,
                size=target.vector_size,
                distance=target.distance,
                pointer="/query_vector",
            )
        if target.model is None or wanted.query_text is None:
            raise RuntimeError("checked before")
        embedded = await self._embeddings.embed([wanted.query_text], target.model, use_cache=wanted.use_cache)
        await self._embeddings.remember(embedded)
        return content.stored_vector(
            embedded[0].vector.tolist(),
            size=target.vector_size,
            distance=target.distance,
            pointer="/query_text",
        )

    async def _results(self, wanted: Search, target: Descriptor, vector: Vector) -> list[dict[str, object]]:
        """Best first, ties by id in byte order: fetch on until every tie at the cut is known."""
        end = wanted.offset + wanted.limit
        fetch = end + 1
        while True:
            points = await self._qdrant.query(
                target.name,
                vector,
                limit=fetch,
                condition=qdrant_filter(wanted.filter) if wanted.filter else None,
                threshold=wanted.score_threshold,
                vectors=wanted.include_vector,
            )
            if len(points) < fetch or points[-1]["score"] != points[end - 1]["score"]:
                break
            fetch *= 2
        descending = target.distance != "euclidean"
        hits = [_hit(point, target, wanted) for point in points if "citadel" in (point["payload"] or {})]
        hits.sort(key=lambda hit: (-hit["score"] if descending else hit["score"], hit["id"].encode()))
        return hits[wanted.offset : end]

    async def _store(self, lookup: Lookup, results: list[dict[str, object]]) -> dict[str, object]:
        if lookup.status != "miss":
            return lookup.info()
        store_ms = await self._cache.put(lookup.key, {"results": results})
        return lookup.info(ttl_set=None if store_ms is None else ttl_of(lookup.key), store_ms=store_ms)

    def _answer(
        self,
        wanted: Search,
        target: Descriptor,
        results: list[dict[str, object]],
        info: dict[str, object],
        degraded: list[str],
    ) -> dict[str, object]:
        call = current()
        found: dict[str, object] = {
            "results": results,
            "total_count": len(results),
            "collection": target.name,
            "model": target.model,
            "query_time_ms": call.total_ms(),
            "gateway_latency_ms": call.gateway_ms(),
            "cache_info": info,
            "degraded": degraded,
        }
        if wanted.query_text is not None:
            found["embedding_time_ms"] = call.hop_ms("embedding")
        return found


def qdrant_filter(conditions: dict[str, Any]) -> dict[str, object]:
    """The conjunction as a Qdrant filter on `metadata.<key>`. Any element of an array may match."""
    return {"must": [_condition(f"metadata.{key}", value) for key, value in conditions.items()]}


def _condition(key: str, value: Any) -> dict[str, object]:
    if not isinstance(value, dict):
        return _equal(key, value)
    if "any" in value:
        return {"should": [_equal(key, each) for each in value["any"]]}
    return {"key": key, "range": value}


def _equal(key: str, value: object) -> dict[str, object]:
    # Numbers compare as numbers (5 finds 5.0); Qdrant's integer match would not. A boolean is no number.
    if isinstance(value, bool | str):
        return {"key": key, "match": {"value": value}}
    return {"key": key, "range": {"gte": value, "lte": value}}


def _check(wanted: Search, target: Descriptor) -> None:
    if wanted.query_text is not None and target.model is None:
        raise Problem("text-not-supported", "The collection has no model.")
    if wanted.score_threshold is not None and target.distance != "cosine":
        raise invalid("/score_threshold", "distance", "only for cosine")
    if wanted.query_vector is not None:
        content.stored_vector(
            wanted.query_vector, size=target.vector_size, distance=target.distance, pointer="/query_vector"
        )


def _key(wanted: Search, target: Descriptor) -> str:
    request = wanted.model_dump(exclude={"collection", "use_cache"})
    return f"{PREFIX}search:{target.collection_id}:g{target.generation}:{content.digest(request)}"


def _valid(wanted: Search, body: dict[str, Any]) -> bool:
    """Every result has the members that a fresh one would have, of their types: a former version may have
    had others, and the checksum does not say who wrote."""
    members = _MEMBERS | {"vector"} if wanted.include_vector else _MEMBERS
    return isinstance(body["results"], list) and all(
        result.keys() == members and all(type(result[name]) in _TYPES[name] for name in members)
        for result in body["results"]
    )


def _hit(point: dict[str, Any], target: Descriptor, wanted: Search) -> dict[str, Any]:
    payload = point["payload"]
    found = {
        "id": payload["citadel"]["id"],
        "point_id": str(point["id"]),
        "score": point["score"],
        "collection": target.name,
        "text": payload.get("text"),
        "metadata": payload.get("metadata") or {},
        "version": payload["citadel"]["version"],
    }
    if wanted.include_vector:
        found["vector"] = point["vector"]
    return found
