"""The node over HTTP: a raw ASGI application that calls the engine inline.

The engine holds Python's global lock during each of its calls, so threads would gain nothing; one call after
the other on the event loop also makes every write visible to the next request.
"""

from __future__ import annotations

import asyncio
import hmac
import time
from collections import Counter
from collections.abc import Awaitable, Callable, MutableMapping
from contextlib import suppress
from importlib.metadata import version
from typing import Any
from urllib.parse import unquote

import orjson

from support.stack.qdrant_node.engine import Catalogue, engine_errors
from support.stack.qdrant_node.errors import ApiError
from support.stack.qdrant_node.operations import ROUTES, Operation, RestCall

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

# The server whose interface this is; the official client compares it with its own version.
VERSION = "1.20.0"
COMMIT = "0" * 40
ENGINE = f"qdrant-edge facade, qdrant-edge-py {version('qdrant-edge-py')}"
FLUSH_EVERY_S = 5.0
LARGEST_BODY = 32 * 1024 * 1024
OPEN_PATHS = ("/", "/healthz", "/livez", "/readyz")
JSON_TYPE = b"application/json"
TEXT_TYPE = b"text/plain; charset=utf-8"


class Node:
    """The ASGI application over the collections of one data directory."""

    def __init__(self, catalogue: Catalogue, api_key: str | None, log: Callable[..., None]) -> None:
        self._catalogue = catalogue
        self._api_key = api_key
        self._log = log
        self._responses: Counter[tuple[str, str, int]] = Counter()
        self._routes: dict[tuple[str, int], list[tuple[list[str], str, Operation]]] = {}
        for method, template, operation in ROUTES:
            parts = template.split("/")
            self._routes.setdefault((method, len(parts)), []).append((parts, "/" + template, operation))

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Serve one request, or the life of the process."""
        if scope["type"] == "lifespan":
            await self._live(receive, send)
        elif scope["type"] == "http":
            await self._serve(scope, receive, send)

    async def _live(self, receive: Receive, send: Send) -> None:
        await receive()
        flusher = asyncio.create_task(self._flush_for_ever())
        await send({"type": "lifespan.startup.complete"})
        await receive()
        flusher.cancel()
        with suppress(asyncio.CancelledError):
            await flusher
        self._catalogue.close()
        self._log("INFO", "stopped")
        await send({"type": "lifespan.shutdown.complete"})

    async def _flush_for_ever(self) -> None:
        while True:
            await asyncio.sleep(FLUSH_EVERY_S)
            self._catalogue.flush()

    async def _serve(self, scope: Message, receive: Receive, send: Send) -> None:
        started = time.perf_counter()
        chunks: list[bytes] = []
        length, more = 0, True
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                return
            chunk = message.get("body", b"")
            length += len(chunk)
            if length <= LARGEST_BODY:
                chunks.append(chunk)
            more = message.get("more_body", False)
        endpoint, status, kind, content = self._answer(scope, b"".join(chunks), length, started)
        self._responses[(scope["method"], endpoint, status)] += 1
        headers = [(b"content-type", kind), (b"content-length", str(len(content)).encode())]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": content})

    def _answer(
        self, scope: Message, body: bytes, length: int, started: float
    ) -> tuple[str, int, bytes, bytes]:
        """Route (for the metrics), status, content type and content of the answer."""
        method, raw = scope["method"], scope["raw_path"].decode("ascii", "replace")
        if raw not in OPEN_PATHS:
            refusal = self._refusal(dict(scope["headers"]))
            if refusal:
                return "", 401, TEXT_TYPE, refusal
        if method == "GET":
            service = self._service(raw)
            if service is not None:
                return raw, 200, *service
        segments = [unquote(each) for each in raw.strip("/").split("/")]
        for parts, template, operation in self._routes.get((method, len(segments)), []):
            variable = tuple(have for have, part in zip(segments, parts, strict=True) if part == "{}")
            if any(part not in ("{}", have) for have, part in zip(segments, parts, strict=True)):
                continue
            try:
                if length > LARGEST_BODY:
                    raise ApiError(
                        413,
                        f"Payload error: JSON payload ({length} bytes) is larger than allowed "
                        f"(limit: {LARGEST_BODY} bytes).",
                    )
                request = RestCall(method, variable, scope["query_string"].decode("ascii", "replace"), body)
                with engine_errors():
                    result = operation(self._catalogue, request)
                return template, 200, JSON_TYPE, _json({"result": result, "status": "ok", **_took(started)})
            except ApiError as error:
                if error.status == 500:
                    self._log("ERROR", "request failed", method=method, path=template, error=error.message)
                answer = {"status": {"error": error.message}, **_took(started)}
                return template, error.status, JSON_TYPE, _json(answer)
        return "", 404, TEXT_TYPE, b""

    def _refusal(self, headers: dict[bytes, bytes]) -> bytes | None:
        """Why a request without the right key is not served."""
        if self._api_key is None:
            return None
        bearer = headers.get(b"authorization", b"")
        given = headers.get(b"api-key") or bearer.removeprefix(b"Bearer ")
        if not given:
            return b"Must provide an API key or an Authorization bearer token"
        if not hmac.compare_digest(given, self._api_key.encode()):
            return b"Invalid API key or JWT"
        return None

    def _service(self, path: str) -> tuple[bytes, bytes] | None:
        """Content type and content of the paths about the node itself."""
        if path == "/":
            about = {"title": "qdrant - vector search engine", "version": VERSION, "commit": COMMIT}
            return JSON_TYPE, _json(about)
        if path in ("/healthz", "/livez"):
            return TEXT_TYPE, b"healthz check passed"
        if path == "/readyz":
            return TEXT_TYPE, b"all shards are ready"
        if path == "/metrics":
            return TEXT_TYPE, self._metrics().encode()
        if path == "/telemetry":
            return JSON_TYPE, _json({"result": self._telemetry(), "status": "ok", "time": 0.0})
        return None

    def _metrics(self) -> str:
        loaded = [each for each in self._catalogue.all() if each.shard is not None]
        lines = [
            "# TYPE app_info gauge",
            f'app_info{{name="qdrant",version="{VERSION}"}} 1',
            "# TYPE collections_total gauge",
            f"collections_total {len(self._catalogue.names())}",
            "# TYPE collection_points gauge",
            *(
                f'collection_points{{id="{each.name}"}} {each.open_shard.info().points_count}'
                for each in loaded
            ),
            "# TYPE rest_responses_total counter",
            *(
                f'rest_responses_total{{method="{method}",endpoint="{endpoint}",status="{status}"}} {times}'
                for (method, endpoint, status), times in sorted(self._responses.items())
            ),
        ]
        return "\n".join(lines) + "\n"

    def _telemetry(self) -> dict[str, Any]:
        collections = self._catalogue.all()
        return {
            "app": {"name": "qdrant", "version": VERSION, "engine": ENGINE},
            "collections": {
                "number_of_collections": len(collections),
                "unloadable": sorted(each.name for each in collections if each.shard is None),
            },
        }


def _took(started: float) -> dict[str, float]:
    return {"time": time.perf_counter() - started}


def _json(value: Any) -> bytes:
    return orjson.dumps(value, option=orjson.OPT_SERIALIZE_NUMPY)
