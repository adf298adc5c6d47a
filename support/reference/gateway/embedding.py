"""Local embedding models: the embedding service behind a content-addressed cache."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import aiohttp
import numpy as np
import orjson

from support.reference.gateway.cache import PREFIX, Cache, Lookup, ttl_of
from support.reference.gateway.config import Config
from support.reference.gateway.content import Vector, packed, unpacked
from support.reference.gateway.problems import DependencyDown, DependencyTimeout, Problem
from support.reference.gateway.timing import allowed, current, hop

_REVISION = "r1"
"""Part of the cache key: raise it when a model changes under the same name."""

_TEXTS_A_CALL = 32

_MODELS_FRESH_S = 1.0

_PROMISED: dict[str, dict[str, Any]] = {
    "all-MiniLM-L6-v2": {
        "name": "all-MiniLM-L6-v2",
        "dimensions": 384,
        "max_sequence_length": 256,
        "status": "unavailable",
        "default": True,
    }
}
"""The one model that every deployment has: known even before the embedding service first answered."""


@dataclass(frozen=True, slots=True)
class Embedded:
    """One text's vector (float32, not yet normalised for any collection)."""

    vector: Vector
    truncated: bool
    token_count: int | None
    lookup: Lookup


class Embeddings:
    """The embedding service and the last list of models it gave."""

    def __init__(self, config: Config, session: aiohttp.ClientSession, cache: Cache) -> None:
        self._url = config.embedding_url
        self._budget_s = config.embedding_timeout_s
        self._session = session
        self._cache = cache
        self._models = _PROMISED
        self._listed_at = float("-inf")
        self._available = False

    async def _call(self, method: str, path: str, body: object = None, *, budget_s: float) -> Any:
        limit = allowed(budget_s, "embedding")
        headers = {"X-Request-ID": current().request_id, "X-Deadline-Ms": str(int(limit * 1000))}
        data = None if body is None else orjson.dumps(body)
        if data is not None:
            headers["Content-Type"] = "application/json"
        try:
            with hop("embedding"):
                async with self._session.request(
                    method,
                    self._url + path,
                    data=data,
                    headers=headers,
                    timeout=aiohttp.ClientTimeout(total=limit),
                ) as answer:
                    raw = await answer.read()
        except TimeoutError as late:
            raise DependencyTimeout("embedding", "timeout") from late
        except (aiohttp.ClientError, OSError) as lost:
            raise DependencyDown("embedding", type(lost).__name__) from lost
        if answer.status == 404:
            raise Problem("model-not-found", "The embedding service does not know the model.")
        if answer.status != 200:
            raise DependencyDown("embedding", f"status {answer.status}")
        try:
            return orjson.loads(raw)
        except ValueError as unreadable:
            raise DependencyDown("embedding", "unreadable answer") from unreadable

    async def probe(self, budget_s: float) -> None:
        """Raise unless the service says that it is healthy."""
        answer = await self._call("GET", "/health", budget_s=budget_s)
        if not isinstance(answer, dict) or answer.get("status") != "healthy":
            raise DependencyDown("embedding", "not healthy")

    async def models(self) -> list[dict[str, Any]]:
        """All models; while the service is down the last known ones, marked unavailable."""
        if time.monotonic() - self._listed_at > _MODELS_FRESH_S:
            await self.refresh()
        if self._available:
            return list(self._models.values())
        return [model | {"status": "unavailable"} for model in self._models.values()]

    async def refresh(self) -> None:
        """Ask for the list; what was known before stays known when nobody answers."""
        try:
            answer = await self._call("GET", "/models", budget_s=1.0)
            listed = {model["name"]: model for model in answer["models"]}
            self._available = bool(listed)
            self._models = listed or self._models
        except (Problem, KeyError, TypeError):
            self._available = False
        self._listed_at = time.monotonic()

    async def model(self, name: str | None) -> dict[str, Any]:
        """One model (the default one for None); 404 if the list does not have it.

        Only a name that is not known yet makes a call: cached answers must not wait for the service.
        """
        known = list(self._models.values())
        for model in known if self._has(name) else await self.models():
            if model["name"] == name or (name is None and model["default"]):
                return model
        if not self._available and self._models is _PROMISED:
            raise DependencyDown("embedding", "models unknown")
        raise Problem("model-not-found", "No such model.")

    def _has(self, name: str | None) -> bool:
        return any(
            model["name"] == name or (name is None and model["default"]) for model in self._models.values()
        )

    async def default_name(self) -> str:
        """Name of the default model."""
        return str((await self.model(None))["name"])

    async def embed(self, texts: Sequence[str], model: str, *, use_cache: bool) -> list[Embedded]:
        """One vector per text, in order: cached ones from Redis, the others from the service.

        All or nothing. Raises 404 for an unknown model, 503/504 when the service does not answer usably.
        """
        size = int((await self.model(model))["dimensions"])
        keys = [_key(model, text) for text in texts]
        if use_cache:
            lookups = await self._cache.get_many(keys, _valid(size))
        else:
            lookups = [self._cache.bypass(key) for key in keys]
        missing = list(dict.fromkeys(i for i, found in enumerate(lookups) if found.body is None))
        fresh: dict[int, dict[str, Any]] = {}
        for start in range(0, len(missing), _TEXTS_A_CALL):
            part = missing[start : start + _TEXTS_A_CALL]
            fresh.update(zip(part, await self._fetch([texts[i] for i in part], model, size), strict=True))
        return [
            _embedded(fresh[i] if found.body is None else found.body, found)
            for i, found in enumerate(lookups)
        ]

    async def remember(self, embedded: Sequence[Embedded]) -> float | None:
        """Store what was a miss; milliseconds it took, None if nothing was stored."""
        bodies: dict[str, dict[str, object]] = {
            each.lookup.key: {
                "dimensions": len(each.vector),
                "vector": packed(each.vector),
                "truncated": each.truncated,
                "token_count": each.token_count,
            }
            for each in embedded
            if each.lookup.status == "miss"
        }
        return await self._cache.put_many(bodies) if bodies else None

    async def _fetch(self, texts: list[str], model: str, size: int) -> list[dict[str, Any]]:
        answer = await self._call("POST", "/embed", {"model": model, "texts": texts}, budget_s=self._budget_s)
        try:
            vectors = np.asarray(answer["embeddings"], dtype=np.float32)
            counts, cut = answer["token_counts"], answer["truncated"]
            usable = (
                vectors.shape == (len(texts), size)
                and bool(np.isfinite(vectors).all())
                and bool(vectors.any(axis=1).all())
                and len(counts) == len(cut) == len(texts)
            )
        except (KeyError, TypeError, ValueError):
            usable = False
        if not usable:
            raise DependencyDown("embedding", "unusable answer")
        return [
            {"vector": vectors[i], "truncated": bool(cut[i]), "token_count": int(counts[i])}
            for i in range(len(texts))
        ]


def stored_info(embedded: Embedded, store_ms: float | None) -> dict[str, object]:
    """`cache_info` of one text."""
    ttl = None if store_ms is None else ttl_of(embedded.lookup.key)
    return embedded.lookup.info(ttl_set=ttl, store_ms=store_ms)


def _key(model: str, text: str) -> str:
    return f"{PREFIX}emb:{model}:{_REVISION}:{hashlib.sha256(text.encode()).hexdigest()}"


def _valid(size: int) -> Callable[[dict[str, Any]], bool]:
    def valid(body: dict[str, Any]) -> bool:
        return (
            isinstance(body["truncated"], bool)
            and type(body["token_count"]) in (int, type(None))
            and body["dimensions"] == size == len(unpacked(body["vector"]))
        )

    return valid


def _embedded(body: dict[str, Any], lookup: Lookup) -> Embedded:
    vector = body["vector"]
    return Embedded(
        vector=unpacked(vector) if isinstance(vector, str) else vector,
        truncated=bool(body["truncated"]),
        token_count=body["token_count"],
        lookup=lookup,
    )
