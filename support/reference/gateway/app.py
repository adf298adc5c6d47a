"""The HTTP interface: one table of operations, one order of checks."""

from __future__ import annotations

import asyncio
import json
import re
import uuid
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl

import aiohttp
import orjson

from support.reference.gateway import logs, models
from support.reference.gateway.access import Keys, RateLimit, keep_fresh
from support.reference.gateway.audit import AuditLog
from support.reference.gateway.cache import Cache
from support.reference.gateway.collections import Collections
from support.reference.gateway.config import Config
from support.reference.gateway.descriptors import Descriptors
from support.reference.gateway.embedding import Embeddings
from support.reference.gateway.health import Health
from support.reference.gateway.jobs import Jobs
from support.reference.gateway.metrics import Metrics
from support.reference.gateway.operations import Operations
from support.reference.gateway.postgres import Database
from support.reference.gateway.problems import DependencyDown, DependencyTimeout, Problem
from support.reference.gateway.providers import ProviderRouter
from support.reference.gateway.qdrant import Qdrant
from support.reference.gateway.reconcile import Checker, Reconciler
from support.reference.gateway.request import Reply, Request
from support.reference.gateway.search import Searcher
from support.reference.gateway.timing import Call, begin, current
from support.reference.gateway.writes import Writer

LARGEST_BODY = 10 * 1024 * 1024
_DRAINED_BODY = 64 * 1024 * 1024
_BODY_S = 30.0

_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,128}")
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT"})

Handler = Callable[[Request], Awaitable[Reply]]
Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]


@dataclass(frozen=True)
class Endpoint:
    """One row of the interface. `role` None: open to everybody, and not rate limited."""

    method: str
    template: str
    handler: Handler
    timeout_s: float
    role: str | None = "readonly"
    body: type[models.Body] | None = None
    audited: str | None = None
    pattern: re.Pattern[str] = field(init=False)

    def __post_init__(self) -> None:
        pattern = re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", self.template)
        object.__setattr__(self, "pattern", re.compile(pattern))


class GatewayApp:
    """The ASGI application with everything behind it."""

    def __init__(self, config: Config, session: aiohttp.ClientSession) -> None:
        self._config = config
        self.metrics = Metrics()
        self._database = Database(config)
        self._cache = Cache(config, self.metrics)
        self._keys = Keys(config, self._database)
        self._limit = RateLimit(self._cache)
        self._audit = AuditLog(self._database)
        self._descriptors = Descriptors(config, self._database)
        qdrant = Qdrant(config, session)
        self._embeddings = embeddings = Embeddings(config, session, self._cache)
        writer = Writer(config, self._database, qdrant, self._cache)
        collections = Collections(config, self._database, qdrant, self._cache, self._descriptors, writer)
        providers = ProviderRouter(
            config.providers,
            session,
            attempt_s=config.provider_attempt_s,
            breaker_open_s=config.breaker_open_s,
            on_call=self._provider_called,
        )
        self._reconciler = Reconciler(config, self._database, qdrant, collections, writer)
        self._jobs = Jobs(
            config,
            self._database,
            self._cache,
            self._descriptors,
            embeddings,
            writer,
            self.metrics,
            lambda: self.stopping,
        )
        health = Health(
            config, self._database, qdrant, self._cache, embeddings, providers, self._keys, self.metrics
        )
        operations = Operations(
            database=self._database,
            descriptors=self._descriptors,
            qdrant=qdrant,
            cache=self._cache,
            embeddings=embeddings,
            writer=writer,
            collections=collections,
            searcher=Searcher(self._descriptors, embeddings, qdrant, self._cache),
            checker=Checker(self._database, qdrant, writer, self._descriptors),
            providers=providers,
            jobs=self._jobs,
            health_of=health,
            metrics=self.metrics,
            stopping=lambda: self.stopping,
        )
        self._table = _table(operations)
        self._tasks: list[asyncio.Task[None]] = []
        self.stopping = False
        self.in_flight = 0

    # --- life

    def start(self) -> None:
        """Begin the background work. Nothing here waits for a dependency."""
        every_s = self._config.key_snapshot_s
        for work in (
            keep_fresh(self._keys, every_s),
            self._keep_known(every_s),
            self._reconciler.run(),
            self._audit.run(),
            self._jobs.run(),
        ):
            self._tasks.append(asyncio.create_task(_in_background(work)))

    async def shut_down(self) -> None:
        """End the background work and cut the connections."""
        await self._jobs.stop()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await _in_background(self._audit.flush())
        self._database.shut_down()
        await self._cache.shut_down()

    async def _keep_known(self, every_s: float) -> None:
        """What must be known when a dependency is away: collections and models."""
        while True:
            await self._embeddings.refresh()
            try:
                await self._descriptors.refresh()
            except Problem as failure:
                logs.warning("dependency-failed", dependency="postgresql", reason=failure.code)
            await asyncio.sleep(every_s)

    def _provider_called(self, provider: str, outcome: str, seconds: float) -> None:
        self.metrics.external_requests.labels(provider, outcome).inc()
        self.metrics.external_seconds.labels(provider).observe(seconds)

    # --- one request

    async def __call__(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        """The ASGI entry."""
        if scope["type"] != "http":
            return
        headers = _headers(scope["headers"])
        given = headers.get("x-request-id", "")
        call = Call(given if _REQUEST_ID.fullmatch(given) else str(uuid.uuid4()))
        begin(call)
        self.in_flight += 1
        endpoint = "unmatched"
        reply = Reply(500)
        try:
            body = _Incoming(headers, receive)
            request = Request(method=scope["method"], path=scope["path"], headers=headers)
            try:
                operation = self._route(request)
                endpoint = operation.template
                reply = await self._answer(operation, request, body, scope)
            except Problem as problem:
                reply = self._refusal(problem, request)
            except Exception:
                logs.defect("defect", endpoint=endpoint, request_id=call.request_id)
                reply = self._refusal(Problem("internal-error"), request)
            await body.drain()
            await self._send(request, reply, send)
        finally:
            self.in_flight -= 1
            self._note(scope["method"], endpoint, reply.status, call)

    def _route(self, request: Request) -> Endpoint:
        allowed = []
        for operation in self._table:
            match = operation.pattern.fullmatch(request.path)
            if match is None:
                continue
            if operation.method == request.method:
                request.params = match.groupdict()
                return operation
            allowed.append(operation.method)
        if allowed:
            raise Problem("method-not-allowed", headers={"Allow": ", ".join(sorted(set(allowed)))})
        raise Problem("route-not-found")

    async def _answer(
        self, operation: Endpoint, request: Request, body: _Incoming, scope: Mapping[str, Any]
    ) -> Reply:
        """The order of checks: auth, role, rate limit, size, content type, JSON, schema; then the handler."""
        call = current()
        call.deadline = call.started + operation.timeout_s
        if self.stopping and operation.template not in ("/health", "/health/live", "/metrics"):
            raise Problem("shutting-down", headers={"Connection": "close"})
        if operation.role is not None:
            request.user = await self._keys.authenticate(request.headers)
            if not request.user.may(operation.role):
                raise Problem("forbidden", f"Needs role {operation.role}.")
            request.window = await self._limit.admit(request.user)
            self._limit.check(request.window)
        if operation.body is not None:
            data = await body.json()
        request.query = dict(parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True))
        _check_path(request.params)
        if operation.body is not None:
            request.body = models.parse(operation.body, data)
        status = 500
        try:
            reply = await operation.handler(request)
            status = reply.status
            return reply
        except Problem as problem:
            status = problem.status
            raise
        finally:
            if operation.audited and request.user:
                self._audit.note(
                    call.request_id, request.user.user_id, operation.audited, _target(request), status
                )

    def _refusal(self, problem: Problem, _request: Request) -> Reply:
        request_id = current().request_id
        headers = dict(problem.headers)
        if problem.retry_after_s is not None:
            headers["Retry-After"] = str(min(max(problem.retry_after_s, 1), 120))
        if isinstance(problem, DependencyDown | DependencyTimeout):
            logs.warning(
                "dependency-failed",
                dependency=problem.dependency,
                reason=problem.reason,
                status=problem.status,
                request_id=request_id,
            )
        return Reply(problem.status, problem.body(request_id), headers, "application/problem+json")

    async def _send(self, request: Request, reply: Reply, send: Send) -> None:
        call = current()
        raw = reply.raw()
        headers = {
            "content-type": reply.content_type,
            "content-length": str(len(raw)),
            "x-request-id": call.request_id,
        }
        if request.user is not None:
            headers["server-timing"] = call.server_timing()
        if request.window is not None:
            headers.update(request.window.headers())
        headers.update(reply.headers)
        await send(
            {
                "type": "http.response.start",
                "status": reply.status,
                "headers": [
                    (name.lower().encode("latin-1"), value.encode("latin-1"))
                    for name, value in headers.items()
                ],
            }
        )
        await send({"type": "http.response.body", "body": raw})

    def _note(self, method: str, endpoint: str, status: int, call: Call) -> None:
        method = method if method in _METHODS else "other"
        milliseconds = call.total_ms()
        self.metrics.requests.labels(method, endpoint, str(status)).inc()
        self.metrics.request_seconds.labels(method, endpoint).observe(milliseconds / 1000)
        logs.info(
            "request",
            request_id=call.request_id,
            method=method,
            endpoint=endpoint,
            status=status,
            duration_ms=milliseconds,
        )


def _headers(lines: Sequence[tuple[bytes, bytes]]) -> dict[str, str]:
    """The headers by name. A name sent twice has both values, as one list: so a second key, or a second
    content type, is seen and refused; a reader of the first and a reader of the last cannot disagree."""
    found: dict[str, str] = {}
    for raw_name, raw_value in lines:
        name, value = raw_name.decode("latin-1"), raw_value.decode("latin-1")
        found[name] = f"{found[name]}, {value}" if name in found else value
    return found


class _Incoming:
    """The request's body, read at most once and at most as far as allowed."""

    def __init__(self, headers: Mapping[str, str], receive: Receive) -> None:
        self._headers = headers
        self._receive = receive
        self._ended = False
        self._read = 0

    async def _chunk(self) -> bytes:
        async with asyncio.timeout(_BODY_S):
            message = await self._receive()
        if message["type"] == "http.disconnect" or not message.get("more_body", False):
            self._ended = True
        chunk: bytes = message.get("body", b"")
        self._read += len(chunk)
        return chunk

    async def json(self) -> object:
        """Size, content type and JSON, in this order."""
        length = self._headers.get("content-length", "")
        if length.isdecimal() and int(length) > LARGEST_BODY:
            raise Problem("content-too-large")
        parts = []
        while not self._ended:
            parts.append(await self._chunk())
            if self._read > LARGEST_BODY:
                raise Problem("content-too-large")
        kind = self._headers.get("content-type", "").partition(";")[0].strip().lower()
        if kind != "application/json":
            raise Problem("unsupported-media-type", "Send application/json.")
        return _json(b"".join(parts))

    async def drain(self) -> None:
        """Read the rest: a client that is still sending would not see an early answer."""
        try:
            while not self._ended and self._read < _DRAINED_BODY:
                await self._chunk()
        except TimeoutError:
            return


def _json(raw: bytes) -> object:
    try:
        return orjson.loads(raw)
    except ValueError:
        return _tolerant_json(raw)


def _tolerant_json(raw: bytes) -> object:
    """Well-formed JSON with what orjson refuses (a lone surrogate, 1e999): the schema decides."""

    def refuse(name: str) -> object:
        raise ValueError(name)

    try:
        return json.loads(raw.decode("utf-8"), parse_constant=refuse)
    except (ValueError, RecursionError):
        raise Problem("malformed-request", "The body is not JSON.") from None


_PATH_RULES = {
    "collection": models.COLLECTION_NAME,
    "vector_id": models.EXTERNAL_ID,
    "model": models.MODEL_NAME,
    "provider": models.PROVIDER_NAME,
    "job_id": models.JOB_ID,
}


def _check_path(params: Mapping[str, str]) -> None:
    for name, value in params.items():
        models.check("path", name, value, _PATH_RULES[name])


def _target(request: Request) -> str:
    """What a write was about: names only, never content."""
    parts = [*request.params.values()]
    for name in ("collection", "name", "id"):
        value = getattr(request.body, name, None)
        if isinstance(value, str):
            parts.append(value)
    return "/".join(parts) or "-"


async def _in_background(work: Awaitable[None]) -> None:
    begin(Call(f"background-{uuid.uuid4()}", background=True))
    await work


def _table(do: Operations) -> list[Endpoint]:
    api = "/api/v1"
    return [
        Endpoint("GET", "/health", do.health, 5, role=None),
        Endpoint("GET", "/health/live", do.live, 1, role=None),
        Endpoint("GET", "/health/ready", do.ready, 5, role=None),
        Endpoint("GET", "/metrics", do.metrics_page, 5, role=None),
        Endpoint("GET", "/status", do.status, 1),
        Endpoint("GET", f"{api}/collections", do.list_collections, 10),
        Endpoint(
            "POST",
            f"{api}/collections",
            do.create_collection,
            30,
            "user",
            models.CollectionCreate,
            "collection.create",
        ),
        Endpoint("GET", f"{api}/collections/{{collection}}", do.get_collection, 10),
        Endpoint(
            "PATCH",
            f"{api}/collections/{{collection}}",
            do.update_collection,
            30,
            "user",
            models.CollectionUpdate,
            "collection.update",
        ),
        Endpoint(
            "DELETE",
            f"{api}/collections/{{collection}}",
            do.delete_collection,
            30,
            "user",
            audited="collection.delete",
        ),
        Endpoint("GET", f"{api}/collections/{{collection}}/status", do.collection_status, 10),
        Endpoint("GET", f"{api}/collections/{{collection}}/vectors", do.list_vectors, 10),
        Endpoint(
            "POST",
            f"{api}/collections/{{collection}}/validate",
            do.validate_collection,
            60,
            body=models.ConsistencyRequest,
        ),
        Endpoint("POST", f"{api}/embeddings/generate", do.embed, 30, body=models.EmbeddingRequest),
        Endpoint("POST", f"{api}/embeddings/batch", do.embed_batch, 30, body=models.EmbeddingBatch),
        Endpoint("GET", f"{api}/embeddings/models", do.list_models, 5),
        Endpoint("GET", f"{api}/embeddings/models/{{model}}", do.get_model, 5),
        Endpoint(
            "POST",
            f"{api}/embeddings/models/{{model}}/generate",
            do.embed_with_model,
            30,
            body=models.TextOnly,
        ),
        Endpoint("POST", f"{api}/vectors/insert", do.insert, 30, "user", models.Insert, "vector.insert"),
        Endpoint("POST", f"{api}/vectors/batch", do.batch, 30, "user", models.Batch, "vector.batch"),
        Endpoint("POST", f"{api}/vectors/search", do.search, 10, body=models.Search),
        Endpoint("GET", f"{api}/vectors/{{collection}}/{{vector_id}}", do.get_vector, 10),
        Endpoint(
            "PATCH",
            f"{api}/vectors/{{collection}}/{{vector_id}}",
            do.update_vector,
            30,
            "user",
            models.Update,
            "vector.update",
        ),
        Endpoint(
            "DELETE",
            f"{api}/vectors/{{collection}}/{{vector_id}}",
            do.delete_vector,
            15,
            "user",
            audited="vector.delete",
        ),
        Endpoint("GET", f"{api}/external/providers", do.list_providers, 5),
        Endpoint("GET", f"{api}/external/{{provider}}/status", do.provider_status, 5),
        Endpoint(
            "POST", f"{api}/external/{{provider}}/embed", do.provider_embed, 30, body=models.ProviderEmbed
        ),
        Endpoint("GET", f"{api}/batch/jobs", do.list_jobs, 10),
        Endpoint("POST", f"{api}/batch/jobs", do.submit_job, 30, "user", models.JobRequest, "job.submit"),
        Endpoint("GET", f"{api}/batch/jobs/{{job_id}}/status", do.job_status, 10),
        Endpoint("DELETE", f"{api}/batch/jobs/{{job_id}}", do.cancel_job, 10, "user", audited="job.cancel"),
        Endpoint("GET", f"{api}/cache/stats", do.cache_stats, 5),
        Endpoint(
            "POST",
            f"{api}/cache/invalidate",
            do.invalidate_cache,
            10,
            "admin",
            models.CacheInvalidate,
            "cache.invalidate",
        ),
    ]
