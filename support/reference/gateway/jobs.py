"""Batch jobs: accepted into PostgreSQL, processed in the background, one job at a time.

A job belongs to the worker that holds its lease; `attempts` numbers the holders, so that one that comes
back too late is told apart. An item's state is written in the transactions of the item's own write:
* begun, together with the event in the outbox: from here on the reconciler carries the item through;
* done, together with row and generation, and counted in the same statement that finds it not yet done.
After a crash an item that was begun waits until its event is closed and is done then: nothing is written
twice, also where a client has changed the item in between. Counters only grow, because every item is
counted by the one statement that ends it, and a job in a final state takes no further counts.

A dependency that is away delays a job and lets others overtake it. Redis only wakes a worker earlier.
A text at which the embedding service fails although it has just embedded another is no outage: the texts of
its chunk are tried again one by one, after all others, and who fails alone three times has failed.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
import uuid
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import asyncpg
import numpy as np
import orjson

from support.reference.gateway import content, logs, models
from support.reference.gateway.access import Principal
from support.reference.gateway.cache import PREFIX, Cache, CacheDown
from support.reference.gateway.collections import cursor_of, read_cursor, stamp
from support.reference.gateway.config import Config
from support.reference.gateway.descriptors import Descriptor, Descriptors, missing
from support.reference.gateway.embedding import Embeddings, TextVector
from support.reference.gateway.metrics import Metrics
from support.reference.gateway.postgres import Database, Session
from support.reference.gateway.problems import DependencyDown, DependencyTimeout, Problem, invalid
from support.reference.gateway.timing import Call, begin
from support.reference.gateway.writes import Item, Writer

STATES = ("queued", "processing", "cancelling", "completed", "failed", "cancelled")
FINAL = ("completed", "failed", "cancelled")

_WAKEUP = f"{PREFIX}jobs:wakeup"
_WAKEUPS_KEPT = 100
_WAKEUP_TTL_S = 60

_POLL_S = 0.5
"""How long a job may lie unnoticed while Redis cannot wake the worker."""
_DELAY_S = 0.5
"""How long a job is left alone after a dependency has failed it."""
_CHUNK = 32
"""Most items written together: as many as the embedding service takes in one call."""
_CHUNK_S = 60.0
_TRIES = 3
"""How often a text may fail alone, each time just after another was embedded, before it is given up."""
_DRAIN_S = 8.0
_ROWS_A_STATEMENT = 1000
_ERRORS_SHOWN = 100

_COLUMNS = (
    "j.job_id, j.operation, j.collection_name, j.priority, j.batch_size, j.status, j.total_items,"
    " j.processed_items, j.failed_items, j.created_at, j.started_at, j.completed_at,"
    " extract(epoch FROM coalesce(j.completed_at, clock_timestamp()) - j.started_at)::float8 AS seconds,"
    " CASE WHEN j.failed_items = 0 THEN '[]' ELSE (SELECT coalesce(jsonb_agg(jsonb_build_object('index',"
    " i.item_index, 'id', i.external_id, 'code', i.error_code) ORDER BY i.item_index), '[]') FROM ("
    "  SELECT item_index, external_id, error_code FROM embedding_job_items"
    f"  WHERE job_id = j.job_id AND status = 'failed' ORDER BY item_index LIMIT {_ERRORS_SHOWN}) i)"
    " END AS errors"
)

_OF_COLLECTION = "embedding_jobs_collection_id_fkey"
_INSERT = """
INSERT INTO embedding_jobs (operation, collection_id, collection_name, model, priority, batch_size,
                            total_items, submitted_by, request_id)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) RETURNING job_id
"""
_INSERT_ITEMS = """
INSERT INTO embedding_job_items (job_id, item_index, external_id, input)
SELECT $1, i.* FROM unnest($2::int[], $3::text[], $4::jsonb[]) AS i(item_index, external_id, input)
"""

# A lease that ends later than any that was given is from before the clock was set back: it holds nobody up.
_CLAIM = """
UPDATE embedding_jobs SET
  status = CASE status WHEN 'queued' THEN 'processing' ELSE status END,
  attempts = attempts + 1, lease_until = now() + make_interval(secs => $1),
  started_at = coalesce(started_at, now())
WHERE job_id = (
  SELECT job_id FROM embedding_jobs
  WHERE status IN ('queued', 'processing', 'cancelling')
    AND (lease_until IS NULL OR lease_until NOT BETWEEN now() AND now() + make_interval(secs => 2 * $1))
  ORDER BY CASE priority WHEN 'high' THEN 0 WHEN 'normal' THEN 1 ELSE 2 END, created_at, job_id
  LIMIT 1 FOR UPDATE SKIP LOCKED)
RETURNING job_id, operation, collection_id, collection_name, batch_size, attempts, submitted_by, request_id
"""
_LEASE = """
UPDATE embedding_jobs SET lease_until = now() + make_interval(secs => $3)
WHERE job_id = $1 AND attempts = $2 AND status IN ('processing', 'cancelling')
"""
_HELD = "SELECT status FROM embedding_jobs WHERE job_id = $1 AND attempts = $2"

_COLLECTION = """
SELECT collection_id, name, vector_size, distance, model, generation, status FROM collections
WHERE collection_id = $1
"""
_UNDER_WAY = """
SELECT item_index, external_id FROM embedding_job_items
WHERE job_id = $1 AND status = 'pending' AND input ? 'begun'
"""
_PENDING = """
SELECT item_index, external_id, input FROM embedding_job_items
WHERE job_id = $1 AND status = 'pending' AND NOT input ? 'begun' AND (input ? 'tries') = $2
ORDER BY (input ->> 'tries')::int, item_index LIMIT $3
"""
_TRIED = """
UPDATE embedding_job_items
SET input = input || jsonb_build_object('tries', coalesce((input ->> 'tries')::int, 0) + $3)
WHERE job_id = $1 AND item_index = ANY($2::int[]) AND status = 'pending'
RETURNING (input ->> 'tries')::int
"""
_BEGUN = """
UPDATE embedding_job_items SET input = input || '{"begun": true}'
WHERE job_id = $1 AND item_index = ANY($2::int[]) AND status = 'pending'
"""
_TAKEN_BACK = """
UPDATE embedding_job_items SET input = input - 'begun'
WHERE job_id = $1 AND item_index = ANY($2::int[]) AND status = 'pending'
"""
# Who ends an item counts it: a second one finds nothing to end. A final job takes no counts any more.
_DONE = """
WITH ended AS (
  UPDATE embedding_job_items SET status = 'done', finished_at = now()
  WHERE job_id = $1 AND item_index = ANY($2::int[]) AND status = 'pending' RETURNING 1
)
UPDATE embedding_jobs SET processed_items = processed_items + (SELECT count(*) FROM ended)
WHERE job_id = $1 AND status IN ('processing', 'cancelling')
"""
_FAILED = """
WITH ended AS (
  UPDATE embedding_job_items i SET status = 'failed', error_code = w.code, finished_at = now()
  FROM unnest($2::int[], $3::text[]) AS w(item_index, code)
  WHERE i.job_id = $1 AND i.item_index = w.item_index AND i.status = 'pending' RETURNING 1
)
UPDATE embedding_jobs SET failed_items = failed_items + (SELECT count(*) FROM ended)
WHERE job_id = $1 AND status IN ('processing', 'cancelling')
"""
_ALL_FAILED = """
WITH ended AS (
  UPDATE embedding_job_items SET status = 'failed', error_code = $2, finished_at = now()
  WHERE job_id = $1 AND status = 'pending' RETURNING 1
)
UPDATE embedding_jobs SET failed_items = failed_items + (SELECT count(*) FROM ended)
WHERE job_id = $1 AND status IN ('processing', 'cancelling')
"""
_STILL_OPEN = """
SELECT DISTINCT point_id FROM outbox
WHERE collection_id = $1 AND point_id = ANY($2::uuid[]) AND done_at IS NULL
"""
_FINISH = """
UPDATE embedding_jobs SET
  status = CASE WHEN processed_items > 0 THEN 'completed' ELSE 'failed' END,
  completed_at = now(), lease_until = NULL
WHERE job_id = $1 AND attempts = $2 AND status = 'processing'
  AND processed_items + failed_items = total_items
"""
_FINISH_CANCELLED = """
WITH skipped AS (
  UPDATE embedding_job_items SET status = 'skipped', finished_at = now()
  WHERE job_id = $1 AND status = 'pending'
)
UPDATE embedding_jobs SET status = 'cancelled', completed_at = now(), lease_until = NULL
WHERE job_id = $1 AND attempts = $2 AND status = 'cancelling'
"""
_SKIP = "UPDATE embedding_job_items SET status = 'skipped', finished_at = now() WHERE job_id = $1"
_CANCEL = """
UPDATE embedding_jobs SET
  status = CASE status WHEN 'queued' THEN 'cancelled' ELSE 'cancelling' END,
  completed_at = CASE status WHEN 'queued' THEN now() END
WHERE job_id = $1 AND submitted_by = $2 AND status IN ('queued', 'processing', 'cancelling')
RETURNING status
"""


class _Unbearable(Exception):
    """The embedding service works, but fails at one of these texts."""


class _Lost(Exception):
    """The lease has passed on to another worker, or the job is over."""


@dataclass(frozen=True, slots=True)
class _Job:
    """A job as its worker holds it; `attempts` is the number of the holding."""

    job_id: uuid.UUID
    operation: str
    collection_id: uuid.UUID | None
    collection_name: str
    batch_size: int
    attempts: int
    submitted_by: uuid.UUID | None
    request_id: str


class Jobs:
    """What clients do with jobs, and the worker that carries them out."""

    def __init__(
        self,
        config: Config,
        database: Database,
        cache: Cache,
        descriptors: Descriptors,
        embeddings: Embeddings,
        writer: Writer,
        metrics: Metrics,
        stopping: Callable[[], bool],
    ) -> None:
        self._lease_s = config.job_lease_s
        self._budget_s = config.postgresql_timeout_s
        self._database = database
        self._cache = cache
        self._descriptors = descriptors
        self._embeddings = embeddings
        self._writer = writer
        self._metrics = metrics
        self._stopping = stopping
        self._working = False
        self._doubted: set[uuid.UUID] = set()
        """Jobs whose last texts were not embedded, for whatever reason."""

    # --- for clients

    async def submit(self, wanted: models.JobRequest, caller: Principal, request_id: str) -> dict[str, Any]:
        """Keep a job: when this returns, its rows are committed."""
        target = await self._descriptors.get(wanted.collection)
        ids = wanted.ids or [item.id for item in wanted.data or []]
        refuse_duplicates(ids, "/ids" if wanted.ids else "/data")
        if wanted.operation == "bulk_embed" and target.model is None:
            raise Problem("text-not-supported", "The collection has no model.")
        inputs = [_input(item) for item in wanted.data] if wanted.data else ["{}"] * len(ids)
        budget_s = self._budget_s * (1 + len(ids) // _ROWS_A_STATEMENT)
        async with self._database.reader.lease(budget_s) as lease, lease.transaction():
            job_id = await self._keep(
                lease,
                wanted.operation,
                target.collection_id,
                target.name,
                target.model,
                wanted.options.priority,
                wanted.options.batch_size,
                len(ids),
                caller.user_id,
                request_id,
            )
            for start in range(0, len(ids), _ROWS_A_STATEMENT):
                end = min(start + _ROWS_A_STATEMENT, len(ids))
                await lease.execute(
                    _INSERT_ITEMS, job_id, list(range(start, end)), ids[start:end], inputs[start:end]
                )
            row = await self._row(lease, job_id)
        await self._cache.wake(_WAKEUP, str(job_id), _WAKEUPS_KEPT, _WAKEUP_TTL_S)
        return _described(row)

    async def _keep(self, lease: Session, *values: object) -> Any:
        try:
            return await lease.fetchval(_INSERT, *values)
        except asyncpg.ForeignKeyViolationError as gone:
            # Dropped since its descriptor was read.
            if gone.constraint_name != _OF_COLLECTION:
                raise
            raise missing(str(values[2])) from gone

    async def page(
        self, caller: Principal, status: str | None, limit: int, cursor: str | None
    ) -> dict[str, Any]:
        """The caller's own jobs, newest first."""
        scope = f"jobs:{caller.user_id}"
        before, last_id = _place(read_cursor(cursor, scope)) if cursor else (None, None)
        async with self._database.reader.lease() as lease:
            rows = await lease.fetch(
                f"SELECT {_COLUMNS} FROM embedding_jobs j WHERE j.submitted_by = $1"
                " AND ($2::text IS NULL OR j.status = $2)"
                " AND ($3::timestamptz IS NULL OR (j.created_at, j.job_id) < ($3, $4::uuid))"
                " ORDER BY j.created_at DESC, j.job_id DESC LIMIT $5",
                caller.user_id,
                status,
                before,
                last_id,
                limit + 1,
            )
        found = [_described(row) for row in rows[:limit]]
        more = None
        if len(rows) > limit:
            last = rows[limit - 1]
            more = cursor_of(scope, f"{last['created_at'].isoformat()} {last['job_id']}")
        return {"jobs": found, "count": len(found), "next_cursor": more}

    async def status(self, job_id: str, caller: Principal) -> dict[str, Any]:
        """One job of the caller's; an administrator may see everybody's."""
        async with self._database.reader.lease() as lease:
            row = await self._row(lease, _parsed(job_id), None if caller.may("admin") else caller.user_id)
        return _described(row)

    async def cancel(self, job_id: str, caller: Principal) -> dict[str, Any]:
        """Cancel: at once if the job has not begun, else after the present chunk."""
        wanted = _parsed(job_id)
        async with self._database.reader.lease() as lease, lease.transaction():
            status = await lease.fetchval(_CANCEL, wanted, caller.user_id)
            row = await self._row(lease, wanted, caller.user_id)
            if status is None:
                raise Problem("job-not-cancellable", f"The job is {row['status']}.")
            if status == "cancelled":
                await lease.execute(_SKIP, wanted)
        await self._cache.wake(_WAKEUP, job_id, _WAKEUPS_KEPT, _WAKEUP_TTL_S)
        return _described(row)

    async def measure(self) -> None:
        """Refresh the gauge; while PostgreSQL is away it keeps its last values."""
        try:
            async with self._database.reader.lease(1.0) as lease:
                rows = await lease.fetch("SELECT status, count(*) AS jobs FROM embedding_jobs GROUP BY 1")
        except Problem:
            return
        counted = {row["status"]: row["jobs"] for row in rows}
        for state in STATES:
            self._metrics.jobs.labels(state).set(counted.get(state, 0))

    async def _row(self, lease: Session, job_id: uuid.UUID, owner: uuid.UUID | None = None) -> Any:
        row = await lease.fetchrow(
            f"SELECT {_COLUMNS} FROM embedding_jobs j WHERE j.job_id = $1"
            " AND ($2::uuid IS NULL OR j.submitted_by = $2)",
            job_id,
            owner,
        )
        if row is None:
            raise _unknown()
        return row

    # --- the worker

    async def run(self) -> None:
        """Work until the gateway stops."""
        while not self._stopping():
            begin(Call(f"jobs-{uuid.uuid4()}", background=True))
            self._working = True
            try:
                job = await self._claim()
                if job is not None:
                    await self._carry_out(job)
                    continue
            except (DependencyDown, DependencyTimeout) as failure:
                # PostgreSQL is away: nobody can be told, the lease runs out by itself.
                logs.warning("jobs-delayed", dependency=failure.dependency, reason=failure.reason)
            except Exception:
                logs.defect("job-failed")
            finally:
                self._working = False
            await self._wait()

    async def stop(self) -> None:
        """Let the worker finish its chunk and give its job back."""
        until = time.monotonic() + _DRAIN_S
        while self._working and time.monotonic() < until:
            await asyncio.sleep(0.02)

    async def _wait(self) -> None:
        try:
            await self._cache.wait(_WAKEUP, _POLL_S)
        except CacheDown:
            await asyncio.sleep(_POLL_S)

    async def _claim(self) -> _Job | None:
        async with self._database.reader.lease() as lease, lease.transaction():
            row = await lease.fetchrow(_CLAIM, self._lease_s)
        return None if row is None else _Job(**dict(row))

    async def _carry_out(self, job: _Job) -> None:
        """Chunk by chunk until the job is over, lost, delayed, or the gateway stops."""
        logs.info("job-taken", job_id=job.job_id, attempts=job.attempts, request_id=job.request_id)
        delay_s = 0.0
        try:
            async with self._renewed(job):
                while not self._stopping():
                    begin(Call(job.request_id, deadline=time.monotonic() + _CHUNK_S, background=True))
                    if not await self._step(job):
                        self._doubted.discard(job.job_id)
                        return
        except _Lost:
            logs.info("job-lost", job_id=job.job_id, request_id=job.request_id)
            return
        except (DependencyDown, DependencyTimeout) as failure:
            logs.warning(
                "job-delayed",
                dependency=failure.dependency,
                reason=failure.reason,
                request_id=job.request_id,
            )
            delay_s = _DELAY_S
        begin(Call(job.request_id, background=True))
        await self._hold(job, delay_s)

    @asynccontextmanager
    async def _renewed(self, job: _Job) -> AsyncIterator[None]:
        """Keep the lease alive meanwhile."""
        ended = asyncio.Event()

        async def renew() -> None:
            begin(Call(job.request_id, background=True))
            while True:
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(ended.wait(), self._lease_s / 3)
                    return
                with contextlib.suppress(Problem):
                    await self._hold(job, self._lease_s)

        renewing = asyncio.create_task(renew())
        try:
            yield
        finally:
            ended.set()
            await renewing

    async def _hold(self, job: _Job, for_s: float) -> None:
        """Let the lease end in so many seconds, unless it is another's by now."""
        # Not the writers' pool: while Qdrant hangs, all its connections may be taken.
        async with self._database.reader.lease() as lease:
            await lease.execute(_LEASE, job.job_id, job.attempts, for_s)

    async def _step(self, job: _Job) -> bool:
        """One chunk, or the end of the job (False). Dependencies' failures are raised."""
        chunk = min(job.batch_size, _CHUNK)
        async with self._database.reader.lease() as lease:
            status = await lease.fetchval(_HELD, job.job_id, job.attempts)
            if status not in ("processing", "cancelling"):
                raise _Lost
            target = await self._target(lease, job)
            if target is None and status == "processing":
                await lease.execute(_ALL_FAILED, job.job_id, "collection-not-found")
            waiting = await self._settle(lease, job, target)
            if status == "processing":
                rows = await lease.fetch(_PENDING, job.job_id, False, chunk)
                rows = rows or await lease.fetch(_PENDING, job.job_id, True, 1)
            else:
                rows = []
            if not rows:
                if waiting:
                    raise DependencyDown("qdrant", "items are still open")
                await lease.execute(
                    _FINISH if status == "processing" else _FINISH_CANCELLED, job.job_id, job.attempts
                )
                # A cancellation between the look and the end is seen in the next step.
                return bool(await lease.fetchval(_HELD, job.job_id, job.attempts) == "cancelling")
        if target is not None:
            await self._write(job, target, rows)
        return True

    async def _target(self, lease: Session, job: _Job) -> Descriptor | None:
        """The job's collection; None if it is gone, also if another one has its name now."""
        row = await lease.fetchrow(_COLLECTION, job.collection_id)
        if row is None:
            return None
        found = dict(row)
        status = found.pop("status")
        if status != "active":
            # Its deletion ends or is taken back: until then nothing is decided.
            raise DependencyDown("qdrant", f"the collection is {status}")
        return Descriptor(**found)

    async def _settle(self, lease: Session, job: _Job, target: Descriptor | None) -> int:
        """End the items that an earlier step began and that are through by now; how many are not."""
        rows = await lease.fetch(_UNDER_WAY, job.job_id)
        if not rows:
            return 0
        if target is None:
            await lease.execute(
                _FAILED,
                job.job_id,
                [row["item_index"] for row in rows],
                ["collection-not-found"] * len(rows),
            )
            return 0
        points = {content.point_id(target.collection_id, row["external_id"]): row for row in rows}
        still = await lease.fetch(_STILL_OPEN, target.collection_id, list(points))
        for row in still:
            points.pop(row["point_id"])
        await lease.execute(_DONE, job.job_id, [row["item_index"] for row in points.values()])
        return len(still)

    async def _write(self, job: _Job, target: Descriptor, rows: Sequence[Any]) -> None:
        """Carry out a chunk; what cannot be done is noted with its reason and spoils nothing else."""
        started = time.monotonic()
        indexes = {row["external_id"]: row["item_index"] for row in rows}
        items = [
            Item(
                external_id=row["external_id"],
                point_id=content.point_id(target.collection_id, row["external_id"]),
                created_by=job.submitted_by,
                job_id=job.job_id,
            )
            for row in rows
        ]
        try:
            progress = _Noted(job, indexes)
            if job.operation == "bulk_delete":
                await self._writer.delete(target, items, progress)
            else:
                await self._fill(job, target, items, [orjson.loads(row["input"]) for row in rows])
                good = [item for item in items if item.problem is None]
                if good:
                    await self._writer.upsert(target, good, progress)
        except (DependencyDown, DependencyTimeout):
            raise
        except _Unbearable as failure:
            if not await self._given_up(job, list(indexes.values())):
                raise DependencyDown("embedding", "a text failed") from failure
            self._refuse(items, Problem("dependency-unavailable"))
        except Problem as problem:
            if problem.code == "collection-not-found":
                return
            self._refuse(items, problem)
        except _Lost:
            raise
        except Exception:
            logs.defect("job-chunk-failed", request_id=job.request_id)
            self._refuse(items, Problem("internal-error"))
        bad = [(indexes[item.external_id], item.problem.code) for item in items if item.problem is not None]
        if bad:
            async with self._database.reader.lease() as lease:
                await lease.execute(_FAILED, job.job_id, [at for at, _ in bad], [code for _, code in bad])
        seconds = time.monotonic() - started
        for status, number in (("ok", len(items) - len(bad)), ("failed", len(bad))):
            if number:
                self._metrics.vector_operations.labels(job.operation, target.name, status).inc(number)
        self._metrics.vector_seconds.labels(job.operation).observe(seconds)

    @staticmethod
    def _refuse(items: list[Item], problem: Problem) -> None:
        for item in items:
            item.problem = item.problem or problem

    async def _given_up(self, job: _Job, indexes: list[int]) -> bool:
        """Note that these items' texts have failed; whether it is one alone, and once too often."""
        alone = len(indexes) == 1
        async with self._database.reader.lease() as lease, lease.transaction():
            tries = await lease.fetchval(_TRIED, job.job_id, indexes, int(alone))
        return alone and tries is not None and tries >= _TRIES

    async def _embedded(
        self, job: _Job, texts: list[str], model: str, *, suspected: bool
    ) -> list[TextVector]:
        """The texts' vectors. After a failure the service has to show first that it works."""
        careful = suspected or job.job_id in self._doubted
        if careful:
            await self._embeddings.try_out(model)
        try:
            embedded = await self._embeddings.embed(texts, model, use_cache=True)
        except (DependencyDown, DependencyTimeout) as failure:
            self._doubted.add(job.job_id)
            if careful:
                raise _Unbearable from failure
            raise
        self._doubted.discard(job.job_id)
        await self._embeddings.remember(embedded)
        return embedded

    async def _fill(
        self, job: _Job, target: Descriptor, items: list[Item], inputs: list[dict[str, Any]]
    ) -> None:
        """Give the items their vectors: the clients', or those of their texts."""
        for item, given in zip(items, inputs, strict=True):
            item.metadata = given["metadata"]
        texts = [given["text"] for given in inputs if "text" in given]
        vectors: list[Any] = [given["vector"] for given in inputs if "vector" in given]
        if texts:
            if target.model is None:
                raise Problem("text-not-supported", "The collection has no model.")
            suspected = any("tries" in given for given in inputs)
            embedded = await self._embedded(job, texts, target.model, suspected=suspected)
            vectors = [np.asarray(each.vector).tolist() for each in embedded]
            for item, text, each in zip(items, texts, embedded, strict=True):
                item.text, item.model, item.truncated = text, target.model, each.truncated
        for item, numbers in zip(items, vectors, strict=True):
            try:
                item.vector = content.stored_vector(
                    numbers, size=target.vector_size, distance=target.distance, pointer=""
                )
            except Problem as problem:
                item.problem = problem


@dataclass(frozen=True, slots=True)
class _Noted:
    """A chunk's progress, written where the items are written. `indexes`: item numbers by client id."""

    job: _Job
    indexes: dict[str, int]

    def _numbers(self, items: list[Item]) -> list[int]:
        return [self.indexes[item.external_id] for item in items]

    async def begun(self, lease: Session, items: list[Item]) -> None:
        if (
            await lease.fetchval(f"{_HELD} FOR NO KEY UPDATE", self.job.job_id, self.job.attempts)
            != "processing"
        ):
            raise _Lost
        if items:
            await lease.execute(_BEGUN, self.job.job_id, self._numbers(items))

    async def taken_back(self, lease: Session, items: list[Item]) -> None:
        if items:
            await lease.execute(_TAKEN_BACK, self.job.job_id, self._numbers(items))

    async def done(self, lease: Session, items: list[Item]) -> None:
        if items:
            await lease.execute(_DONE, self.job.job_id, self._numbers(items))


def refuse_duplicates(ids: Sequence[str], pointer: str) -> None:
    """422 for ids that appear twice in one request."""
    first: set[str] = set()
    errors = []
    for index, external_id in enumerate(ids):
        if external_id in first:
            errors.append({"pointer": f"{pointer}/{index}", "code": "duplicate", "message": "repeated id"})
        first.add(external_id)
    if errors:
        raise Problem("duplicate-id", "An id may appear once in a batch.", errors=errors)


def _input(item: models.JobItem) -> str:
    given: dict[str, object] = {"metadata": item.metadata}
    if item.text is not None:
        given["text"] = item.text
    if item.vector is not None:
        given["vector"] = item.vector
    return orjson.dumps(given).decode()


def _unknown() -> Problem:
    return Problem("job-not-found", "No such job.")


def _parsed(job_id: str) -> uuid.UUID:
    try:
        return uuid.UUID(job_id)
    except ValueError:
        raise _unknown() from None


def _place(last: str) -> tuple[datetime, uuid.UUID]:
    moment, _, job_id = last.partition(" ")
    try:
        return datetime.fromisoformat(moment), uuid.UUID(job_id)
    except ValueError:
        raise invalid("query/cursor", "unknown", "not a cursor of this list") from None


def _described(row: Any) -> dict[str, Any]:
    """The contract's Job."""
    ended = row["processed_items"] + row["failed_items"]
    return {
        "job_id": str(row["job_id"]),
        "status": row["status"],
        "operation": row["operation"],
        "collection": row["collection_name"],
        "priority": row["priority"],
        "progress": {
            "total_items": row["total_items"],
            "processed_items": row["processed_items"],
            "failed_items": row["failed_items"],
            "percentage": round(100 * ended / row["total_items"], 2),
            "current_batch": -(-ended // row["batch_size"]),
            "total_batches": -(-row["total_items"] // row["batch_size"]),
        },
        "timing": {
            "created_at": stamp(row["created_at"]),
            "started_at": None if row["started_at"] is None else stamp(row["started_at"]),
            "completed_at": None if row["completed_at"] is None else stamp(row["completed_at"]),
            "total_processing_time_ms": None if row["seconds"] is None else _milliseconds(row["seconds"]),
        },
        "errors": orjson.loads(row["errors"]),
    }


def _milliseconds(seconds: float) -> float:
    """The difference of two times of PostgreSQL's clock, which may have been set back in between."""
    return round(max(0.0, seconds) * 1000, 3)
