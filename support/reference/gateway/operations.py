"""What each operation of the interface does, once the checks have passed."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np

from support.reference.gateway import content, models
from support.reference.gateway.cache import KINDS, PREFIX, TTL_S, Cache, Lookup, ttl_of
from support.reference.gateway.collections import (
    ITEM_MEMBERS,
    Collections,
    cache_patterns,
    item_summary,
    read_item,
    stamp,
)
from support.reference.gateway.descriptors import Descriptor, Descriptors
from support.reference.gateway.embedding import Embeddings, TextVector, stored_info
from support.reference.gateway.health import VERSION, Health
from support.reference.gateway.jobs import STATES, Jobs, refuse_duplicates
from support.reference.gateway.metrics import CONTENT_TYPE, Metrics
from support.reference.gateway.postgres import Database
from support.reference.gateway.problems import DependencyDown, DependencyTimeout, Problem, invalid
from support.reference.gateway.providers import EmbedOrder, ProviderProblem, ProviderRouter
from support.reference.gateway.qdrant import Qdrant
from support.reference.gateway.reconcile import Checker
from support.reference.gateway.request import Reply, Request
from support.reference.gateway.search import Searcher
from support.reference.gateway.timing import current
from support.reference.gateway.writes import Item, Writer, item_key

CONTRACT_VERSION = "1.0.0"
CAPABILITIES = ("search-cache", "batch-jobs", "external-providers", "consistency-check")

_INVALIDATE_S = 9.0


@dataclass
class Operations:
    """The handlers, and what they work with."""

    database: Database
    descriptors: Descriptors
    qdrant: Qdrant
    cache: Cache
    embeddings: Embeddings
    writer: Writer
    collections: Collections
    searcher: Searcher
    checker: Checker
    providers: ProviderRouter
    jobs: Jobs
    health_of: Health
    metrics: Metrics
    stopping: Callable[[], bool]

    # --- health

    async def health(self, _request: Request) -> Reply:
        return Reply(body=await self.health_of.report())

    async def live(self, _request: Request) -> Reply:
        return Reply(body={"status": "alive"})

    async def ready(self, _request: Request) -> Reply:
        return Reply(body=await self.health_of.readiness())

    async def status(self, _request: Request) -> Reply:
        return Reply(
            body={
                "service": "citadel-gateway",
                "version": VERSION,
                "contract_version": CONTRACT_VERSION,
                "status": "stopping" if self.stopping() else "running",
                "protocols": ["REST"],
                "capabilities": list(CAPABILITIES),
            }
        )

    async def metrics_page(self, _request: Request) -> Reply:
        """Values of a backend that is away are the last known ones."""
        await asyncio.gather(
            self.health_of.services(), self._measure_outbox(), self._measure_cache(), self.jobs.measure()
        )
        self.metrics.cache_hit_rate.set(self.cache.hit_rate())
        for provider, state in self.providers.breaker_states().items():
            self.metrics.breaker_state.labels(provider).set(state)
        return Reply(body=self.metrics.exposition(), content_type=CONTENT_TYPE)

    async def _measure_outbox(self) -> None:
        try:
            async with self.database.reader.lease(1.0) as lease:
                number = await lease.fetchval("SELECT count(*) FROM outbox WHERE done_at IS NULL")
        except Problem:
            return
        self.metrics.open_events.set(number)

    async def _measure_cache(self) -> None:
        facts = await self.cache.server_facts()
        if facts is not None:
            self.metrics.cache_memory.set(facts["memory_usage_bytes"])

    # --- collections

    async def list_collections(self, request: Request) -> Reply:
        return Reply(body=await self.collections.page(models.page_limit(request.query), _cursor(request)))

    async def create_collection(self, request: Request) -> Reply:
        wanted = request.given(models.CollectionCreate)
        model = None
        if wanted.model is not None:
            try:
                model = await self.embeddings.model(wanted.model)
            except Problem as problem:
                if problem.code != "model-not-found":
                    raise
                raise invalid("/model", "unknown", "no such model", problem="model-mismatch") from None
        made = await self.collections.create(wanted, request.caller().user_id, model)
        return Reply(201, made, {"Location": f"/api/v1/collections/{wanted.name}"})

    async def get_collection(self, request: Request) -> Reply:
        return Reply(body=await self.collections.get(request.params["collection"]))

    async def update_collection(self, request: Request) -> Reply:
        change = request.given(models.CollectionUpdate)
        return Reply(body=await self.collections.update(request.params["collection"], change))

    async def delete_collection(self, request: Request) -> Reply:
        return Reply(body=await self.collections.delete(request.params["collection"]))

    async def collection_status(self, request: Request) -> Reply:
        return Reply(body=await self.collections.status(request.params["collection"]))

    async def list_vectors(self, request: Request) -> Reply:
        limit = models.page_limit(request.query)
        return Reply(body=await self.collections.items(request.params["collection"], limit, _cursor(request)))

    async def validate_collection(self, request: Request) -> Reply:
        wanted = request.given(models.ConsistencyRequest)
        if wanted.repair and not request.caller().may("admin"):
            raise Problem("forbidden", "Repair needs role admin.")
        report = await self.checker.validate(
            request.params["collection"], repair=wanted.repair, max_listed=wanted.max_listed
        )
        return Reply(body=report)

    # --- embeddings

    async def list_models(self, _request: Request) -> Reply:
        listed = await self.embeddings.models()
        return Reply(
            body={
                "models": listed,
                "default_model": next(each["name"] for each in listed if each["default"]),
                "count": len(listed),
            }
        )

    async def get_model(self, request: Request) -> Reply:
        for each in await self.embeddings.models():
            if each["name"] == request.params["model"]:
                return Reply(body=each)
        raise Problem("model-not-found", "No such model.")

    async def embed(self, request: Request) -> Reply:
        wanted = request.given(models.EmbeddingRequest)
        return await self._embed_one(wanted, wanted.model)

    async def embed_with_model(self, request: Request) -> Reply:
        return await self._embed_one(request.given(models.TextOnly), request.params["model"])

    async def _embed_one(self, wanted: models.TextOnly, name: str | None) -> Reply:
        model = name or await self.embeddings.default_name()
        embedded = await self.embeddings.embed([wanted.text], model, use_cache=wanted.use_cache)
        info = stored_info(embedded[0], await self.embeddings.remember(embedded))
        vector = embedded[0].vector
        body: dict[str, object] = {
            "embedding": vector,
            "model": model,
            "dimensions": len(vector),
            "normalized": abs(float(np.linalg.norm(vector)) - 1) <= 1e-3,
            "truncated": embedded[0].truncated,
            "processing_time_ms": current().total_ms(),
            "gateway_latency_ms": current().gateway_ms(),
            "cache_info": info,
        }
        if embedded[0].token_count:
            body["token_count"] = embedded[0].token_count
        return Reply(body=body, headers=_x_cache(str(info["status"])))

    async def embed_batch(self, request: Request) -> Reply:
        wanted = request.given(models.EmbeddingBatch)
        model = wanted.model or await self.embeddings.default_name()
        embedded = await self.embeddings.embed(wanted.texts, model, use_cache=wanted.use_cache)
        stored = await self.embeddings.remember(embedded)
        hits = sum(each.lookup.status == "hit" for each in embedded)
        cached = "bypass" if stored is None else "miss"
        if hits == len(embedded):
            cached = "hit"
        body = {
            "embeddings": [each.vector for each in embedded],
            "model": model,
            "dimensions": len(embedded[0].vector),
            "batch_size": len(embedded),
            "cache_hits": hits,
            "truncated": [each.truncated for each in embedded],
            "processing_time_ms": current().total_ms(),
            "gateway_latency_ms": current().gateway_ms(),
        }
        return Reply(body=body, headers=_x_cache(cached))

    # --- vectors

    async def insert(self, request: Request) -> Reply:
        wanted = request.given(models.Insert)
        with self._measured("insert", wanted.collection) as done:
            target = await self.descriptors.get(wanted.collection)
            if wanted.model is not None and wanted.model != target.model:
                message = f"the collection's model is {target.model}"
                raise invalid("/model", "model", message, problem="model-mismatch")
            item = self._item(target, wanted.id or str(uuid.uuid4()), request)
            item.metadata = wanted.metadata
            await self._fill(target, item, wanted.text, wanted.vector)
            await self.writer.upsert(target, [item])
            done.status = item.outcome
        created = item.outcome == "created"
        location = {"Location": f"/api/v1/vectors/{target.name}/{item.external_id}"} if created else {}
        return Reply(201 if created else 200, _written(target, item), location)

    async def update_vector(self, request: Request) -> Reply:
        wanted = request.given(models.Update)
        with self._measured("update", request.params["collection"]) as done:
            target = await self.descriptors.get(request.params["collection"])
            item = self._item(target, request.params["vector_id"], request)
            async with self.database.reader.lease() as lease:
                await read_item(lease, target, item.point_id)
            item.metadata = wanted.metadata
            if wanted.text is not None or wanted.vector is not None:
                await self._fill(target, item, wanted.text, wanted.vector)
            await self.writer.patch(target, item, set(wanted.model_fields_set))
            done.status = item.outcome
        return Reply(body=_written(target, item))

    async def delete_vector(self, request: Request) -> Reply:
        with self._measured("delete", request.params["collection"]) as done:
            target = await self.descriptors.get(request.params["collection"])
            item = self._item(target, request.params["vector_id"], request)
            await self.writer.delete(target, [item])
            if item.problem is not None:
                raise item.problem
            done.status = item.outcome
        return Reply(
            body={
                "id": item.external_id,
                "point_id": str(item.point_id),
                "collection": target.name,
                "deleted": True,
                "removed": {"qdrant": True, "postgresql": True, "cache_fenced": True},
            }
        )

    def _item(self, target: Descriptor, external_id: str, request: Request) -> Item:
        return Item(
            external_id=external_id,
            point_id=content.point_id(target.collection_id, external_id),
            created_by=request.caller().user_id,
        )

    async def _fill(
        self, target: Descriptor, item: Item, text: str | None, vector: list[float] | None
    ) -> None:
        """Give an item its vector: the client's, or the text's."""
        if vector is not None:
            item.vector = content.stored_vector(
                vector, size=target.vector_size, distance=target.distance, pointer="/vector"
            )
            return
        if text is None or target.model is None:
            raise Problem("text-not-supported", "The collection has no model.")
        embedded = await self.embeddings.embed([text], target.model, use_cache=True)
        await self.embeddings.remember(embedded)
        _take(target, item, text, embedded[0])

    async def batch(self, request: Request) -> Reply:
        wanted = request.given(models.Batch)
        with self._measured("batch", wanted.collection) as done:
            ids = wanted.ids or [item.id for item in wanted.items or []]
            target = await self.descriptors.get(wanted.collection)
            refuse_duplicates(ids, "/ids" if wanted.ids else "/items")
            items = [self._item(target, external_id, request) for external_id in ids]
            if wanted.operation == "delete":
                await self._guarded(self.writer.delete, target, items)
            else:
                await self._fill_batch(target, items, wanted.items or [])
                whole = [item for item in items if item.problem is None]
                if whole:
                    await self._guarded(self.writer.upsert, target, whole)
            failed = [item.problem for item in items if item.problem is not None]
            common = {problem.dependency for problem in failed}
            if len(failed) == len(items) and None not in common and len(common) == 1:
                raise failed[0]
            done.status = "partial" if failed else "ok"
        body = {
            "operation": wanted.operation,
            "collection": target.name,
            "total_count": len(items),
            "success_count": len(items) - len(failed),
            "failed_count": len(failed),
            "results": [_batch_entry(index, item) for index, item in enumerate(items)],
            "processing_time_ms": current().total_ms(),
        }
        return Reply(207 if failed else 200, body)

    @staticmethod
    async def _guarded(
        write: Callable[[Descriptor, list[Item]], Awaitable[None]], target: Descriptor, items: list[Item]
    ) -> None:
        """A dependency's failure becomes the failure of each item that was to be written."""
        try:
            await write(target, items)
        except (DependencyDown, DependencyTimeout) as failure:
            for item in items:
                item.problem = failure

    async def _fill_batch(
        self, target: Descriptor, items: list[Item], wanted: list[models.BatchItem]
    ) -> None:
        by_text: list[tuple[Item, str]] = []
        for item, each in zip(items, wanted, strict=True):
            item.metadata = each.metadata
            try:
                if each.text is not None:
                    if target.model is None:
                        raise Problem("text-not-supported", "The collection has no model.")
                    by_text.append((item, each.text))
                else:
                    await self._fill(target, item, None, each.vector)
            except Problem as problem:
                item.problem = problem
        if not by_text or target.model is None:
            return
        try:
            embedded = await self.embeddings.embed(
                [text for _, text in by_text], target.model, use_cache=True
            )
        except (DependencyDown, DependencyTimeout) as failure:
            for item, _ in by_text:
                item.problem = failure
            return
        await self.embeddings.remember(embedded)
        for (item, text), vector in zip(by_text, embedded, strict=True):
            _take(target, item, text, vector)

    async def search(self, request: Request) -> Reply:
        wanted = request.given(models.Search)
        with self._measured("search", wanted.collection) as done:
            body, cached = await self.searcher.search(wanted)
            done.status = "ok"
        return Reply(body=body, headers=_x_cache(cached))

    async def get_vector(self, request: Request) -> Reply:
        """PostgreSQL decides; the cache saves composing; the vector comes from Qdrant."""
        name, external_id = request.params["collection"], request.params["vector_id"]
        include_vector = models.flag(request.query, "include_vector")
        for _ in range(3):
            async with self.database.reader.lease() as lease:
                target = await self.descriptors.read(lease, name)
                point_id = content.point_id(target.collection_id, external_id)
                row = await read_item(lease, target, point_id)
            lookup = await self.cache.get(
                item_key(target.collection_id, point_id, row["stored_generation"]), _valid_item(row)
            )
            if lookup.body is None:
                body = item_summary(row, name)
                info = await self._remember_item(lookup, body)
            else:
                body, info = lookup.body["item"], lookup.info()
            if not include_vector:
                return Reply(body=body | {"cache_info": info}, headers=_x_cache(str(info["status"])))
            for point in await self.qdrant.retrieve(name, [point_id], vectors=True):
                vector = np.asarray(point["vector"], dtype=np.float32)
                # A write between the two reads: read both again.
                if content.vector_checksum(vector).hex() == body["vector_checksum"]:
                    return Reply(
                        body=body | {"vector": vector, "cache_info": info},
                        headers=_x_cache(str(info["status"])),
                    )
        raise DependencyDown("qdrant", "the vector of a stored item is missing or another one")

    async def _remember_item(self, lookup: Lookup, body: dict[str, object]) -> dict[str, object]:
        if lookup.status != "miss":
            return lookup.info()
        store_ms = await self.cache.put(lookup.key, {"item": body})
        return lookup.info(ttl_set=None if store_ms is None else ttl_of(lookup.key), store_ms=store_ms)

    # --- external providers

    async def list_providers(self, _request: Request) -> Reply:
        listed = self.providers.describe_all()
        return Reply(body={"providers": listed, "count": len(listed)})

    async def provider_status(self, request: Request) -> Reply:
        if request.params["provider"] not in self._provider_states():
            raise Problem("provider-not-found", "No such provider.")
        return Reply(body=self.providers.describe(request.params["provider"]))

    def _provider_states(self) -> dict[str, dict[str, Any]]:
        return {str(each["provider"]): each for each in self.providers.describe_all()}

    async def provider_embed(self, request: Request) -> Reply:
        wanted = request.given(models.ProviderEmbed)
        requested = request.params["provider"]
        order = EmbedOrder(
            texts=wanted.texts,
            provider=requested,
            model=wanted.model,
            input_kind=wanted.input_kind,
            dimensions=wanted.dimensions,
            failover=wanted.failover,
            required_dimensions=wanted.required_dimensions,
            attempt_timeout_s=None if wanted.attempt_timeout_ms is None else wanted.attempt_timeout_ms / 1000,
        )
        lookup = await self._provider_lookup(order, use_cache=wanted.use_cache)
        if lookup.body is not None:
            body: dict[str, object] = {
                name: lookup.body[name] for name in ("provider", "served_by", "model", "dimensions")
            }
            vectors = [content.unpacked(each) for each in lookup.body["vectors"]]
            body |= {"embeddings": vectors, "attempts": [], "usage": {"input_tokens": 0}}
            info = lookup.info()
        else:
            body, info = await self._provider_call(order, lookup)
        body |= {
            "requested_provider": requested,
            "failover_used": body["provider"] != requested,
            "processing_time_ms": current().total_ms(),
            "gateway_latency_ms": current().gateway_ms(),
            "cache_info": info,
        }
        return Reply(body=body, headers=_x_cache(str(info["status"])))

    async def _provider_lookup(self, order: EmbedOrder, *, use_cache: bool) -> Lookup:
        """Look along the chain, past providers that would not be called, up to the first that would."""
        states = self._provider_states()
        found: Lookup | None = None
        for name in dict.fromkeys([order.provider, *order.failover]):
            if name not in states:
                continue
            key = self._provider_key(order, name, self.providers.model_of(name, order))
            if not use_cache:
                return self.cache.bypass(key)
            found = await self.cache.get(
                key, _valid_provider_entry(order, self.providers.size_of(name, order))
            )
            if found.body is not None or states[name]["status"] in ("available", "degraded"):
                return found
        return found or self.cache.bypass("")

    async def _provider_call(
        self, order: EmbedOrder, lookup: Lookup
    ) -> tuple[dict[str, object], dict[str, object]]:
        call = current()
        try:
            outcome = await self.providers.embed(
                order,
                request_id=call.request_id,
                deadline=call.deadline,
                timing=lambda start, end: call.add("provider", start, end),
            )
        except ProviderProblem as refused:
            raise Problem(
                refused.code,
                refused.detail,
                dependency="provider" if refused.status >= 500 else None,
                provider=refused.provider,
                retry_after_s=refused.retry_after_s,
                retryable=refused.retryable,
                errors=refused.errors,
            ) from None
        body: dict[str, object] = {
            "embeddings": outcome.embeddings,
            "provider": outcome.provider,
            "served_by": outcome.served_by,
            "model": outcome.model,
            "dimensions": outcome.dimensions,
            "attempts": outcome.attempts,
            "usage": {"input_tokens": outcome.input_tokens},
        }
        if outcome.failover_time_ms is not None:
            body["failover_time_ms"] = outcome.failover_time_ms
        if lookup.status != "miss":
            return body, lookup.info()
        key = self._provider_key(order, outcome.provider, self.providers.model_of(outcome.provider, order))
        packed = [content.packed(np.asarray(each, dtype=np.float32)) for each in outcome.embeddings]
        entry: dict[str, object] = {
            "vectors": packed,
            "provider": outcome.provider,
            "served_by": outcome.served_by,
            "model": outcome.model,
            "dimensions": outcome.dimensions,
        }
        store_ms = await self.cache.put(key, entry)
        ttl = None if store_ms is None else ttl_of(key)
        stored = Lookup("miss", key, lookup_ms=lookup.lookup_ms)
        return body, stored.info(ttl_set=ttl, store_ms=store_ms)

    @staticmethod
    def _provider_key(order: EmbedOrder, provider: str, model: str) -> str:
        content_key = content.digest([order.texts, order.input_kind, order.dimensions])
        return f"{PREFIX}ext:{provider}:{model}:{content_key}"

    # --- jobs

    async def list_jobs(self, request: Request) -> Reply:
        limit = models.page_limit(request.query)
        status = models.choice(request.query, "status", ("all", *STATES))
        wanted = None if status == "all" else status
        return Reply(body=await self.jobs.page(request.caller(), wanted, limit, _cursor(request)))

    async def submit_job(self, request: Request) -> Reply:
        job = await self.jobs.submit(request.given(models.JobRequest), request.caller(), current().request_id)
        return Reply(202, job, {"Location": f"/api/v1/batch/jobs/{job['job_id']}/status"})

    async def job_status(self, request: Request) -> Reply:
        return Reply(body=await self.jobs.status(request.params["job_id"], request.caller()))

    async def cancel_job(self, request: Request) -> Reply:
        job = await self.jobs.cancel(request.params["job_id"], request.caller())
        return Reply(200 if job["status"] == "cancelled" else 202, job)

    # --- cache

    async def cache_stats(self, _request: Request) -> Reply:
        facts = await self.cache.server_facts()
        lookup_ms, store_ms = self.cache.averages_ms()
        return Reply(
            body={
                "enabled": True,
                "redis_info": {"connected": facts is not None, **(facts or {})},
                "performance_metrics": {
                    "total_requests": self.cache.hits + self.cache.misses + self.cache.bypasses,
                    "cache_hits": self.cache.hits,
                    "cache_misses": self.cache.misses,
                    "cache_bypasses": self.cache.bypasses,
                    "hit_rate": self.cache.hit_rate(),
                    "avg_lookup_time_ms": lookup_ms,
                    "avg_store_time_ms": store_ms,
                },
                "ttl_distribution": {kind: {"ttl": TTL_S[short]} for kind, short in KINDS.items()},
            }
        )

    async def invalidate_cache(self, request: Request) -> Reply:
        wanted = request.given(models.CacheInvalidate)
        kinds = tuple(KINDS[kind] for kind in wanted.kinds)
        if wanted.collection is None:
            patterns = [f"{PREFIX}{kind}:*" for kind in kinds]
        else:
            target = await self.descriptors.get(wanted.collection)
            patterns = cache_patterns(target.collection_id, kinds)
        started = time.monotonic()
        deleted = await self.cache.forget_matching(patterns, _INVALIDATE_S)
        return Reply(
            body={
                "keys_deleted": deleted,
                "operation_time_ms": round((time.monotonic() - started) * 1000, 3),
                "timestamp": stamp(datetime.now(UTC)),
            }
        )

    def _measured(self, operation: str, collection: str) -> _Measured:
        return _Measured(self.metrics, operation, collection)


class _Measured:
    """Counts an operation on vectors; a problem counts under its code."""

    def __init__(self, metrics: Metrics, operation: str, collection: str) -> None:
        self._metrics, self._operation, self._collection = metrics, operation, collection
        self._started = time.monotonic()
        self.status = "error"

    def __enter__(self) -> _Measured:
        return self

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, Problem):
            self.status = error.code
            # The name of a collection that is not there is whatever a client typed: no label for it.
            if error.code == "collection-not-found":
                self._collection = "unknown"
        self._metrics.vector_operations.labels(self._operation, self._collection, self.status).inc()
        self._metrics.vector_seconds.labels(self._operation).observe(time.monotonic() - self._started)


def _cursor(request: Request) -> str | None:
    cursor = request.query.get("cursor")
    return None if cursor is None else models.check("query", "cursor", cursor, models.CURSOR)


def _x_cache(status: str) -> dict[str, str]:
    return {"X-Cache": status.upper()}


def _take(target: Descriptor, item: Item, text: str, embedded: TextVector) -> None:
    item.text = text
    item.model = target.model
    item.truncated = embedded.truncated
    item.vector = content.stored_vector(
        embedded.vector.tolist(), size=target.vector_size, distance=target.distance, pointer="/text"
    )


def _written(target: Descriptor, item: Item) -> dict[str, object]:
    """The contract's WriteResult."""
    if item.created_at is None or item.updated_at is None:
        raise RuntimeError("a written item has its times")
    return {
        "id": item.external_id,
        "point_id": str(item.point_id),
        "collection": target.name,
        "outcome": "updated" if item.outcome == "gone" else item.outcome,
        "version": item.version,
        "model": item.model,
        "dimensions": target.vector_size,
        "content_hash": None if item.text is None else content.content_hash(item.text).hex(),
        "vector_checksum": item.checksum.hex(),
        "stored": {"qdrant": True, "postgresql": True},
        "cache_fenced": True,
        "truncated": item.truncated,
        "processing_time_ms": current().total_ms(),
        "gateway_latency_ms": current().gateway_ms(),
        "created_at": stamp(item.created_at),
        "updated_at": stamp(item.updated_at),
    }


def _batch_entry(index: int, item: Item) -> dict[str, object]:
    entry: dict[str, object] = {"index": index, "id": item.external_id}
    if item.problem is not None:
        return entry | {
            "status": item.problem.status,
            "problem": item.problem.body(current().request_id),
        }
    entry |= {
        "status": 201 if item.outcome == "created" else 200,
        "outcome": "updated" if item.outcome == "gone" else item.outcome,
        "point_id": str(item.point_id),
    }
    return entry if item.outcome == "deleted" else entry | {"version": item.version}


def _valid_item(row: Any) -> Callable[[dict[str, Any]], bool]:
    """A cached item has every member (a former version may have had others) and is of the row just read."""

    def valid(body: dict[str, Any]) -> bool:
        item = body["item"]
        return bool(
            item.keys() == ITEM_MEMBERS
            and item["point_id"] == str(row["point_id"])
            and item["version"] == row["version"]
            and item["vector_checksum"] == row["vector_checksum"].hex()
        )

    return valid


def _valid_provider_entry(order: EmbedOrder, declared: int | None) -> Callable[[dict[str, Any]], bool]:
    """A cached answer has every member, a vector for each text, and the size that model and caller name."""

    def valid(body: dict[str, Any]) -> bool:
        size = body["dimensions"]
        return (
            {"provider", "served_by", "model"} <= body.keys()
            and order.required_dimensions in (None, size)
            and declared in (None, size)
            and len(body["vectors"]) == len(order.texts)
            and all(len(content.unpacked(each)) == size for each in body["vectors"])
        )

    return valid
