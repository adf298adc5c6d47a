"""The HTTP side: nine providers by path prefix, and the control interface below ``/_emulator``.

- ``GET /_emulator/health``
- ``GET /_emulator/requests[?provider=&after=]``, ``DELETE /_emulator/requests``
- ``PUT /_emulator/behaviour/{provider}`` ``{"kind", "times"?, "delay_ms"?, "retry_after"?, "status"?}``,
  ``DELETE /_emulator/behaviour[/{provider}]``
- ``PUT /_emulator/keys/{provider}`` ``{"key"}``: the provider takes this key only, from now on

The record holds headers as they came, keys included: it tells which key was used.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from datetime import UTC, datetime
from typing import Any

import orjson
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from support.reference.emulators.anthropic import Anthropic
from support.reference.emulators.cohere import Cohere
from support.reference.emulators.google import Google
from support.reference.emulators.huggingface import HuggingFace
from support.reference.emulators.jina import Jina
from support.reference.emulators.mistral import Mistral
from support.reference.emulators.openai import Azure, OpenAI
from support.reference.emulators.request_recorder import (
    KINDS,
    LONGEST_HOLD_S,
    NORMAL,
    REFUSAL,
    Behaviour,
    Recorded,
    RequestRecorder,
    Seen,
)
from support.reference.emulators.voyage import Voyage
from support.reference.emulators.wire import NOT_JSON, Answer, Call, Dialect, Refused

# Path prefix -> provider and its dialect. Anthropic's customers get their vectors from Voyage.
PREFIXES: dict[str, tuple[str, Dialect]] = {
    "openai": ("openai", OpenAI()),
    "azure": ("azure", Azure()),
    "cohere": ("cohere", Cohere()),
    "voyage": ("voyage", Voyage()),
    "anthropic-voyage": ("anthropic", Voyage()),
    "anthropic": ("anthropic", Anthropic()),
    "mistral": ("mistral", Mistral()),
    "google": ("google", Google()),
    "hf": ("huggingface", HuggingFace()),
    "jina": ("jina", Jina()),
}
METHODS = ["DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"]
SETTINGS = {"kind", "times", "delay_ms", "retry_after", "status"}


class Emulators:
    """All handlers, around one recorder."""

    def __init__(self, recorder: RequestRecorder) -> None:
        self._recorder = recorder

    async def serve(self, request: Request) -> Response:
        """A call to a provider."""
        prefix = request.path_params["prefix"]
        if prefix not in PREFIXES:
            raise HTTPException(404, f"no provider has the prefix {prefix}")
        name, dialect = PREFIXES[prefix]
        provider = self._recorder.providers[name]
        # Captured before any wait: a change of behaviour from here on lets this request go.
        changed = provider.changed
        seen, behaviour = self._recorder.arrived(
            name,
            request.method,
            request.scope["path"],
            dict(request.query_params),
            dict(request.headers),
        )
        try:
            raw = await request.body()
            body = _parsed(raw)
            seen.body = raw.decode(errors="replace") if body is NOT_JSON else body
            if await _gone_while_held(request, changed, behaviour.hold_s):
                return Response(status_code=499)
            path = "/" + request.path_params["rest"]
            call = Call(request.method, path, seen.query, seen.headers, body, provider.key)
            try:
                answer = KINDS[behaviour.kind](dialect, call, behaviour)
            except Refused as refused:
                answer = refused.answer
            seen.status, seen.tokens = answer.status, answer.tokens
            return _response(answer)
        except ClientDisconnect:
            # It went away while sending: nobody reads the answer.
            return Response(status_code=499)
        finally:
            seen.finished_at = time.time()
            _log(seen)

    async def health(self, _request: Request) -> Response:
        """Who this is."""
        return _json({"service": "provider-emulators"})

    async def requests(self, request: Request) -> Response:
        """The record, or its emptying."""
        if request.method == "DELETE":
            self._recorder.forget()
            return _json({})
        provider = request.query_params.get("provider")
        if provider is not None:
            self._provider(provider)
        after = request.query_params.get("after", "0")
        if not after.isdecimal():
            raise HTTPException(422, "'after' must be a number of the record")
        return _json({"requests": self._recorder.records(provider, int(after)), "last": self._recorder.last})

    async def behaviour(self, request: Request) -> Response:
        """Change how one provider behaves, or make it normal again."""
        provider = self._provider(request.path_params["provider"])
        provider.behave(NORMAL if request.method == "DELETE" else _behaviour(await _object(request)))
        return _json({"kind": provider.behaviour.kind})

    async def reset(self, _request: Request) -> Response:
        """Make every provider normal again."""
        self._recorder.reset()
        return _json({})

    async def key(self, request: Request) -> Response:
        """Change the key that a provider takes."""
        provider = self._provider(request.path_params["provider"])
        body = await _object(request)
        if set(body) != {"key"} or not isinstance(body["key"], str) or not body["key"]:
            raise HTTPException(422, "the body must be {'key': <text>}")
        provider.key = body["key"]
        return _json({})

    def _provider(self, name: str) -> Recorded:
        if name not in self._recorder.providers:
            raise HTTPException(404, f"there is no provider {name}")
        return self._recorder.providers[name]


def create_app(recorder: RequestRecorder) -> Starlette:
    """The emulators as an ASGI application."""
    emulators = Emulators(recorder)
    return Starlette(
        routes=[
            Route("/_emulator/health", emulators.health),
            Route("/_emulator/requests", emulators.requests, methods=["GET", "DELETE"]),
            Route("/_emulator/behaviour", emulators.reset, methods=["DELETE"]),
            Route("/_emulator/behaviour/{provider}", emulators.behaviour, methods=["PUT", "DELETE"]),
            Route("/_emulator/keys/{provider}", emulators.key, methods=["PUT"]),
            Route("/{prefix}/{rest:path}", emulators.serve, methods=METHODS),
        ],
        exception_handlers={HTTPException: _refuse},
    )


async def _gone_while_held(request: Request, changed: asyncio.Event, seconds: float) -> bool:
    """Wait until ``changed`` is set or the seconds have passed (False), or the caller went away (True)."""
    if seconds <= 0:
        return False
    # The body has been read: the only message that can still come is the disconnection.
    gone = asyncio.ensure_future(request.receive())
    released = asyncio.create_task(changed.wait())
    try:
        await asyncio.wait({gone, released}, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        return gone.done()
    finally:
        gone.cancel()
        released.cancel()


def _behaviour(body: dict[str, Any]) -> Behaviour:
    times, delay_ms, retry_after = body.get("times"), body.get("delay_ms") or 0, body.get("retry_after")
    if set(body) - SETTINGS or body.get("kind") not in KINDS:
        raise HTTPException(422, f"the settings are {sorted(SETTINGS)} and the kinds {sorted(KINDS)}")
    if times is not None and not (isinstance(times, int) and times > 0):
        raise HTTPException(422, "'times' must be null or a positive number")
    if not isinstance(delay_ms, int | float) or not 0 <= delay_ms <= LONGEST_HOLD_S * 1000:
        raise HTTPException(422, f"'delay_ms' must be from 0 to {LONGEST_HOLD_S * 1000:.0f}")
    if not isinstance(retry_after, str | None):
        raise HTTPException(422, "'retry_after' must be null or a text")
    status = body.get("status", REFUSAL)
    if not (isinstance(status, int) and 400 <= status < 600):
        raise HTTPException(422, "'status' must be from 400 to 599")
    return Behaviour(body["kind"], times, delay_ms / 1000, retry_after, status)


async def _object(request: Request) -> dict[str, Any]:
    body = _parsed(await request.body())
    if not isinstance(body, dict):
        raise HTTPException(422, "the body must be a JSON object")
    return body


def _parsed(raw: bytes) -> Any:
    try:
        return orjson.loads(raw)
    except orjson.JSONDecodeError:
        return NOT_JSON


def _response(answer: Answer) -> Response:
    return Response(answer.written(), answer.status, dict(answer.headers), media_type=answer.media_type)


def _json(content: Any) -> Response:
    return _response(Answer(200, content))


async def _refuse(_request: Request, error: Exception) -> Response:
    """A mistake in the use of the control interface, or a path of no provider."""
    assert isinstance(error, HTTPException)
    return _response(Answer(error.status_code, {"error": error.detail}))


def _log(seen: Seen) -> None:
    """One JSON line on standard output; never a text, a vector or a key."""
    line = {
        "at": datetime.now(UTC).isoformat(),
        "level": "INFO",
        "service": "provider-emulators",
        "event": "request",
        "request_id": seen.headers.get("x-request-id", ""),
        "seq": seen.seq,
        "provider": seen.provider,
        "behaviour": seen.behaviour,
        "status": seen.status,
        "duration_ms": round(((seen.finished_at or seen.at) - seen.at) * 1000, 3),
    }
    sys.stdout.write(json.dumps(line) + "\n")
    sys.stdout.flush()
