"""Local embedding models: the embedding service behind a content-addressed cache."""

from __future__ import annotations

import asyncio
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

_HANDED_ON_S = 0.5
"""How long a new vector is handed on: a request that has just missed it in the cache still gets it."""

_TRIAL = "Is the embedding service well?"

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


_Flight = asyncio.Future[dict[str, Any] | Problem | None]
"""A text under way: its vector, what went wrong with it alone, or None where that is not known."""


@dataclass(frozen=True, slots=True)
class TextVector:
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
        self._flights: dict[str, _Flight] = {}

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

    async def embed(self, texts: Sequence[str], model: str, *, use_cache: bool) -> list[TextVector]:
        """One vector per text, in order: cached ones from Redis, the others from the service.

        All or nothing. Raises 404 for an unknown model, 503/504 when the service does not answer usably.
        Who may use the cache also shares what is under way: a crowd with one text costs one call.
        """
        size = int((await self.model(model))["dimensions"])
        keys = [_key(model, text) for text in texts]
        if use_cache:
            lookups = await self._cache.get_many(keys, _valid(size))
        else:
            lookups = [self._cache.bypass(key) for key in keys]
        missing = [i for i, found in enumerate(lookups) if found.body is None]
        joined = {i: self._flights[keys[i]] for i in missing if use_cache and keys[i] in self._flights}
        own = [i for i in missing if i not in joined]
        fresh = await self._depart({keys[i]: i for i in own} if use_cache else {}, own, texts, model, size)
        for i, flight in joined.items():
            fresh[i] = await self._landed(flight) or (await self._fetch([texts[i]], model, size))[0]
        return [
            _embedded(fresh[i] if found.body is None else found.body, found)
            for i, found in enumerate(lookups)
        ]

    async def _depart(
        self, shared: dict[str, int], own: list[int], texts: Sequence[str], model: str, size: int
    ) -> dict[int, dict[str, Any]]:
        """The vectors of the texts at the places `own`; those in `shared` (by cache key) others may join."""
        flights = {key: asyncio.get_running_loop().create_future() for key in shared}
        self._flights.update(flights)
        fresh: dict[int, dict[str, Any]] = {}
        failure: Problem | None = None
        try:
            for start in range(0, len(own), _TEXTS_A_CALL):
                part = own[start : start + _TEXTS_A_CALL]
                fresh.update(zip(part, await self._fetch([texts[i] for i in part], model, size), strict=True))
        except Problem as problem:
            # Of several texts nobody knows which one failed: who joined for one of them asks for himself.
            failure = problem if len(own) == 1 else None
            raise
        finally:
            for key, flight in flights.items():
                flight.set_result(fresh.get(shared[key], failure))
                if shared[key] not in fresh:
                    self._land([key])
            if flights and fresh:
                asyncio.get_running_loop().call_later(_HANDED_ON_S, self._land, list(shared))
        return fresh

    async def _landed(self, flight: _Flight) -> dict[str, Any] | None:
        """The vector that another call has asked for; its failure is raised."""
        try:
            with hop("embedding"):
                limit = allowed(self._budget_s, "embedding")
                found = await asyncio.wait_for(asyncio.shield(flight), limit)
        except TimeoutError as late:
            raise DependencyTimeout("embedding", "timeout") from late
        if isinstance(found, Problem):
            raise found
        return found

    def _land(self, keys: Sequence[str]) -> None:
        """Let nobody join these any more."""
        for key in keys:
            del self._flights[key]

    async def try_out(self, model: str) -> None:
        """Raise unless the service embeds a harmless text now: so a text is told from an outage."""
        size = int((await self.model(model))["dimensions"])
        await self._fetch([_TRIAL], model, size)

    async def remember(self, embedded: Sequence[TextVector]) -> float | None:
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


def stored_info(embedded: TextVector, store_ms: float | None) -> dict[str, object]:
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


def _embedded(body: dict[str, Any], lookup: Lookup) -> TextVector:
    vector = body["vector"]
    return TextVector(
        vector=unpacked(vector) if isinstance(vector, str) else vector,
        truncated=bool(body["truncated"]),
        token_count=body["token_count"],
        lookup=lookup,
    )
