"""The HTTP interface of the embedding service.

``POST /embed`` ``{"model", "texts"}`` answers ``{"embeddings", "token_counts", "truncated"}``, one item per
text in order. ``X-Request-ID`` is logged and sent back. ``X-Deadline-Ms`` is the number of milliseconds that
the caller will wait, counted from the arrival of the request; when they have passed before a text is read,
the answer is 504. Errors are ``{"error": <what is wrong>}``: 404 unknown model or path, 405, 422 unusable
body or header, 504 too late.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any

import orjson
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from support.reference.embedding.model import DIMENSIONS, MAX_TOKENS, NAME, Embedded, MiniLM

MAX_TEXTS = 100
# onnxruntime leaves the interpreter free while it computes, so that /health answers meanwhile.
INFERENCE_THREADS = 2


class RequestRefused(Exception):
    """A request that is answered with ``status`` and ``{"error": message}``."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class EmbeddingService:
    """The model, its threads, and what has been done since the start."""

    def __init__(self, model: MiniLM) -> None:
        self._model = model
        self._threads = ThreadPoolExecutor(INFERENCE_THREADS, thread_name_prefix="inference")
        self._requests = 0
        self._texts = 0
        self._in_flight = 0

    async def embed(self, request: Request) -> Response:
        """Embed the texts of a request."""
        arrived = time.monotonic()
        request_id = request.headers.get("x-request-id", "")
        self._requests += 1
        self._in_flight += 1
        done: list[Embedded] = []
        status = 500
        try:
            deadline = _deadline(request, arrived)
            texts = _texts(await request.body())
            for start in range(0, len(texts), INFERENCE_THREADS):
                # A few texts at a time: a large batch takes turns with other requests and ends when too late.
                part = texts[start : start + INFERENCE_THREADS]
                done += await asyncio.gather(*(self._compute(text, deadline) for text in part))
            status = 200
            return _json(
                {
                    "embeddings": [item.vector for item in done],
                    "token_counts": [item.tokens for item in done],
                    "truncated": [item.truncated for item in done],
                },
                request_id=request_id,
            )
        except RequestRefused as refusal:
            status = refusal.status
            return _json({"error": str(refusal)}, status, request_id)
        except ClientDisconnect:
            # nginx's status for a caller that went away; nobody reads the answer.
            status = 499
            return _json({"error": "the caller went away"}, status, request_id)
        finally:
            self._in_flight -= 1
            self._texts += len(done)
            log(
                "INFO" if status < 500 else "WARNING",
                "embed",
                request_id=request_id,
                status=status,
                texts=len(done),
                tokens=sum(item.tokens for item in done),
                truncated=sum(item.truncated for item in done),
                duration_ms=round((time.monotonic() - arrived) * 1000, 3),
            )

    async def _compute(self, text: str, deadline: float | None) -> Embedded:
        def in_time() -> Embedded:
            if deadline is not None and time.monotonic() >= deadline:
                raise RequestRefused(504, "the deadline passed before the texts were read")
            return self._model.embed(text)

        return await asyncio.get_running_loop().run_in_executor(self._threads, in_time)

    async def health(self, _request: Request) -> Response:
        """Who this is; the model is loaded before the service listens."""
        return _json({"status": "healthy", "service": "embedding"})

    async def models(self, _request: Request) -> Response:
        """The models on offer."""
        model = {
            "name": NAME,
            "dimensions": DIMENSIONS,
            "max_sequence_length": MAX_TOKENS,
            "status": "loaded",
            "default": True,
        }
        return _json({"models": [model]})

    async def stats(self, _request: Request) -> Response:
        """Requests to embed that arrived, texts embedded, and requests not yet answered."""
        return _json({"requests": self._requests, "texts": self._texts, "in_flight": self._in_flight})


def create_app(model: MiniLM) -> Starlette:
    """The service as an ASGI application."""
    service = EmbeddingService(model)
    return Starlette(
        routes=[
            Route("/embed", service.embed, methods=["POST"]),
            Route("/health", service.health),
            Route("/models", service.models),
            Route("/stats", service.stats),
        ],
        exception_handlers={HTTPException: _refuse},
    )


async def _refuse(_request: Request, error: Exception) -> Response:
    """An unknown path or method."""
    assert isinstance(error, HTTPException)
    return _json({"error": error.detail}, error.status_code)


def log(level: str, event: str, **details: Any) -> None:
    """One JSON line on standard output; never a text or a vector."""
    line = {"at": datetime.now(UTC).isoformat(), "level": level, "service": "embedding", "event": event}
    sys.stdout.write(json.dumps(line | details) + "\n")
    sys.stdout.flush()


def _deadline(request: Request, arrived: float) -> float | None:
    given = request.headers.get("x-deadline-ms")
    if given is None:
        return None
    try:
        return arrived + float(given) / 1000
    except ValueError:
        raise RequestRefused(422, "X-Deadline-Ms must be a number of milliseconds") from None


def _texts(raw: bytes) -> list[str]:
    """The texts of a body; a lone surrogate is no JSON for orjson, so every text can be encoded."""
    try:
        body = orjson.loads(raw)
    except orjson.JSONDecodeError:
        raise RequestRefused(422, "the body is not JSON") from None
    if not isinstance(body, dict) or set(body) != {"model", "texts"} or not isinstance(body["model"], str):
        raise RequestRefused(422, "the body must be an object with 'model' and 'texts'")
    texts = body["texts"]
    if (
        not isinstance(texts, list)
        or not 1 <= len(texts) <= MAX_TEXTS
        or not all(isinstance(text, str) and text for text in texts)
    ):
        raise RequestRefused(422, f"'texts' must be a list of 1 to {MAX_TEXTS} strings that are not empty")
    if body["model"] != NAME:
        raise RequestRefused(404, f"there is no model '{body['model']}'")
    return texts


def _json(content: object, status: int = 200, request_id: str = "") -> Response:
    headers = {"X-Request-ID": request_id} if request_id else {}
    # A float32 is written with the fewest digits that read back as the same float32.
    payload = orjson.dumps(content, option=orjson.OPT_SERIALIZE_NUMPY)
    return Response(payload, status, headers, media_type="application/json")
