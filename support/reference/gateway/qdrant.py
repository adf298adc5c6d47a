"""Qdrant over its REST interface (api.qdrant.tech), through the shared aiohttp session."""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterable
from typing import Any

import aiohttp
import orjson
from yarl import URL

from support.reference.gateway.config import Config
from support.reference.gateway.content import Vector
from support.reference.gateway.problems import DependencyDown, DependencyTimeout
from support.reference.gateway.timing import allowed, current, hop

_DISTANCES = {"cosine": "Cosine", "dot": "Dot", "euclidean": "Euclid"}

_FRESH_S = 0.2
"""A success this recent makes the look before a write unnecessary."""
_LOOK_S = 0.2
"""How long the look before a write may take."""


class QdrantMissing(DependencyDown):
    """Qdrant does not know the collection."""


class Qdrant:
    """The calls that the gateway needs. All are bounded by the Qdrant budget and the operation's rest."""

    def __init__(self, config: Config, session: aiohttp.ClientSession) -> None:
        self._url = config.qdrant_url
        self._budget_s = config.qdrant_timeout_s
        self._session = session
        self._headers = {"api-key": config.qdrant_api_key} if config.qdrant_api_key else {}
        if config.qdrant_host:
            self._headers["Host"] = config.qdrant_host
        # None: the one in the address.
        self._tls_name = URL(f"//{config.qdrant_host}").host if config.qdrant_host else None
        self._last_success = float("-inf")
        self.writing = 0
        """Writes that wait for Qdrant now."""

    async def _call(
        self,
        method: str,
        path: str,
        body: object = None,
        *,
        write: bool = False,
        budget_s: float | None = None,
    ) -> Any:
        """The `result` member of the answer.

        A write that is lost after its first byte, or that Qdrant answers with an internal error, has an
        unknown outcome and raises `DependencyTimeout`; every other failure is `DependencyDown`.
        """
        limit = allowed(self._budget_s if budget_s is None else budget_s, "qdrant")
        headers = self._headers | {"X-Request-ID": current().request_id}
        data = None
        if body is not None:
            headers["Content-Type"] = "application/json"
            data = orjson.dumps(body, option=orjson.OPT_SERIALIZE_NUMPY)
        self.writing += write
        try:
            with hop("qdrant"):
                async with self._session.request(
                    method,
                    self._url + path,
                    data=data,
                    headers=headers,
                    timeout=aiohttp.ClientTimeout(total=limit),
                    server_hostname=self._tls_name,
                ) as answer:
                    raw = await answer.read()
        except aiohttp.ClientConnectorError as refused:
            raise DependencyDown("qdrant", "connection-refused") from refused
        except TimeoutError as late:
            raise DependencyTimeout("qdrant", "timeout") from late
        except (aiohttp.ClientError, OSError) as lost:
            raise self._failure(write, type(lost).__name__) from lost
        finally:
            self.writing -= write
        if answer.status >= 500 and answer.status != 503:
            raise self._failure(write, f"status {answer.status}")
        if answer.status == 404:
            raise QdrantMissing("qdrant", "status 404")
        if answer.status != 200:
            raise DependencyDown("qdrant", f"status {answer.status}")
        if path == "/readyz":
            self._last_success = time.monotonic()
            return None
        try:
            result = orjson.loads(raw)["result"]
        except (ValueError, KeyError, TypeError) as unreadable:
            raise self._failure(write, "unreadable answer") from unreadable
        self._last_success = time.monotonic()
        return result

    @staticmethod
    def _failure(write: bool, reason: str) -> DependencyDown | DependencyTimeout:
        return DependencyTimeout("qdrant", reason) if write else DependencyDown("qdrant", reason)

    async def ready(self, budget_s: float) -> None:
        """Raise unless Qdrant says that it is ready."""
        await self._call("GET", "/readyz", budget_s=budget_s)

    async def refuse_if_down(self) -> None:
        """Before a write: raise if Qdrant certainly is down, so that nothing at all is begun.

        A frozen Qdrant is not certainly down: the write goes on and its outcome is found out by itself.
        """
        if time.monotonic() - self._last_success < _FRESH_S:
            return
        try:
            await self.ready(_LOOK_S)
        except DependencyTimeout:
            return

    async def create_collection(self, name: str, size: int, distance: str) -> None:
        """Create; a collection that is already there is not an error here (see `exists`)."""
        body = {"vectors": {"size": size, "distance": _DISTANCES[distance]}}
        try:
            await self._call("PUT", f"/collections/{name}", body, write=True)
        except DependencyDown as refused:
            if refused.reason != "status 409":
                raise

    async def exists(self, name: str) -> bool:
        """Whether Qdrant has the collection."""
        return bool((await self._call("GET", f"/collections/{name}/exists"))["exists"])

    async def drop_collection(self, name: str) -> None:
        """Remove the collection; a missing one is fine."""
        try:
            await self._call("DELETE", f"/collections/{name}", write=True)
        except QdrantMissing:
            return

    async def describe(self, name: str) -> dict[str, Any]:
        """Engine state of the collection."""
        found: dict[str, Any] = await self._call("GET", f"/collections/{name}")
        return found

    async def count(self, name: str) -> int:
        """Exact number of points."""
        return int((await self._call("POST", f"/collections/{name}/points/count", {"exact": True}))["count"])

    async def upsert(self, name: str, points: list[dict[str, object]]) -> None:
        """Write points (`id`, `vector`, `payload`) and wait until they are applied."""
        await self._call("PUT", f"/collections/{name}/points?wait=true", {"points": points}, write=True)

    async def delete(self, name: str, ids: Iterable[uuid.UUID]) -> None:
        """Remove points and wait until they are gone."""
        body = {"points": [str(each) for each in ids]}
        await self._call("POST", f"/collections/{name}/points/delete?wait=true", body, write=True)

    async def retrieve(self, name: str, ids: Iterable[uuid.UUID], *, vectors: bool) -> list[dict[str, Any]]:
        """Points by id; unknown ids are left out."""
        body = {"ids": [str(each) for each in ids], "with_payload": True, "with_vector": vectors}
        found: list[dict[str, Any]] = await self._call("POST", f"/collections/{name}/points", body)
        return found

    async def scroll(self, name: str, offset: str | None, limit: int) -> dict[str, Any]:
        """One page of all points with vectors and payload: `points`, `next_page_offset`."""
        body = {"limit": limit, "with_payload": True, "with_vector": True, "offset": offset}
        found: dict[str, Any] = await self._call("POST", f"/collections/{name}/points/scroll", body)
        return found

    async def query(
        self,
        name: str,
        vector: Vector,
        *,
        limit: int,
        condition: dict[str, object] | None,
        threshold: float | None,
        vectors: bool,
    ) -> list[dict[str, Any]]:
        """The nearest points, best first. Exact search: order and completeness are part of the contract."""
        body: dict[str, object] = {
            "query": vector,
            "limit": limit,
            "with_payload": True,
            "with_vector": vectors,
            "params": {"exact": True},
        }
        if condition is not None:
            body["filter"] = condition
        if threshold is not None:
            body["score_threshold"] = threshold
        found: list[dict[str, Any]] = (await self._call("POST", f"/collections/{name}/points/query", body))[
            "points"
        ]
        return found
