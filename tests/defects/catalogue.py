"""The catalogue: what each defect does to the reference system, who must notice, and what he must say."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import itertools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Defect:
    """One mistake of a few lines in one service.

    ``caught_by``: feature file and scenario that must turn red; ``message``: a regular expression that its
    failure must match, so that the message names the cause.
    """

    what: str
    service: str
    apply: Callable[[], None]
    caught_by: tuple[str, str]
    message: str


def _cache_key_without_fence() -> None:
    from support.reference.gateway import content, search
    from support.reference.gateway.cache import PREFIX

    def key(wanted: Any, target: Any) -> str:
        request = wanted.model_dump(exclude={"collection", "use_cache"})
        return f"{PREFIX}search:{target.collection_id}:g1:{content.digest(request)}"

    search._key = key


def _cache_without_end() -> None:
    from support.reference.gateway.cache import Cache, _sealed

    async def put_many(self: Cache, bodies: dict[str, dict[str, object]]) -> float | None:
        for key, body in bodies.items():
            await self._client.set(key, _sealed(body))
        return 0.1

    Cache.put_many = put_many  # type: ignore[method-assign]


def _delete_forgets_vectors() -> None:
    from support.reference.gateway.qdrant import Qdrant

    async def delete(self: Qdrant, name: str, ids: Any) -> None:
        return None

    Qdrant.delete = delete  # type: ignore[method-assign]


def _vectors_never_written() -> None:
    from support.reference.gateway.qdrant import Qdrant

    async def upsert(self: Qdrant, name: str, points: Any) -> None:
        return None

    Qdrant.upsert = upsert  # type: ignore[method-assign]


def _points_keep_old_text() -> None:
    from support.reference.gateway.writes import Item

    point, first = Item.point, dict[Any, Any]()

    def stale(self: Item) -> dict[str, object]:
        written: Any = point(self)
        written["payload"]["text"] = first.setdefault(self.point_id, written["payload"]["text"])
        return dict(written)

    Item.point = stale  # type: ignore[method-assign]


def _readers_may_write() -> None:
    from support.reference.gateway.access import Principal

    def may(self: Principal, role: str) -> bool:
        return role != "admin" or self.role == "admin"

    Principal.may = may  # type: ignore[method-assign]


def _filter_ignored() -> None:
    from support.reference.gateway import search

    search.qdrant_filter = lambda conditions: {}


def _pages_skip_an_item() -> None:
    from support.reference.gateway.collections import Collections

    items = Collections.items

    async def skipping(self: Collections, name: str, limit: int, cursor: Any) -> Any:
        page: Any = await items(self, name, limit, cursor)
        if cursor is not None:
            page["items"] = page["items"][1:]
        return page

    Collections.items = skipping  # type: ignore[method-assign]


def _request_id_not_passed_on() -> None:
    from support.reference.gateway import embedding
    from support.reference.gateway.timing import Call, current

    def nameless() -> Call:
        call = current()
        return Call("lost", background=call.background) if call.request_id.startswith("at-") else call

    embedding.current = nameless  # type: ignore[attr-defined]


def _embeddings_mixed_up() -> None:
    from support.reference.embedding.model import MiniLM

    embed, last = MiniLM.embed, list[Any]()

    def shared(self: MiniLM, text: str) -> Any:
        """An unguarded buffer: under way at the same time, texts get each other's vector."""
        last[:] = [embed(self, text)]
        return last[0]

    async def compute(self: Any, text: str, deadline: float | None) -> Any:
        await asyncio.get_running_loop().run_in_executor(self._threads, shared, self._model, text)
        await asyncio.sleep(0.005)
        return last[0]

    from support.reference.embedding.app import Service

    Service._compute = compute  # type: ignore[method-assign]


def _outage_as_empty_answer() -> None:
    from support.reference.gateway.problems import DependencyDown, DependencyTimeout
    from support.reference.gateway.qdrant import Qdrant

    query = Qdrant.query

    async def hiding(self: Qdrant, name: str, vector: Any, **wanted: Any) -> list[dict[str, Any]]:
        try:
            return await query(self, name, vector, **wanted)
        except (DependencyDown, DependencyTimeout):
            return []

    Qdrant.query = hiding  # type: ignore[method-assign]


def _metadata_as_text() -> None:
    from support.reference.gateway.writes import Item

    point = Item.point

    def textual(self: Item) -> dict[str, object]:
        written: Any = point(self)
        metadata = written["payload"]["metadata"]
        written["payload"]["metadata"] = {name: str(value) for name, value in metadata.items()}
        return dict(written)

    Item.point = textual  # type: ignore[method-assign]


class _Every(list[int]):
    """A list of versions that contains every one: whatever asks for its own finds it."""

    def __contains__(self, version: object) -> bool:
        return True


def _phase_b_believes_its_own_version(delay: Callable[[], float] = lambda: 0.0) -> None:
    from support.reference.gateway.writes import Writer

    reopen = Writer._reopen

    async def unguarded(self: Writer, lease: Any, target: Any, ids: Any) -> Any:
        await asyncio.sleep(delay())
        rows = await reopen(self, lease, target, ids)
        return rows and {point: {**row, "versions": _Every([0])} for point, row in rows.items()}

    Writer._reopen = unguarded  # type: ignore[method-assign]


def _no_outbox() -> None:
    from support.reference.gateway import writes

    # The row is announced, the event is not: nobody will ever finish what a crash leaves.
    writes._EVENTS = "SELECT $1::uuid, $2::text, $3::uuid[], $4::bigint[], $5::jsonb[], $6::float8"
    _phase_b_believes_its_own_version()


def _no_version_guard() -> None:
    # The second write of all takes its time, so that newer ones of the same document overtake it.
    writes = itertools.count(1)
    _phase_b_believes_its_own_version(lambda: 0.4 if next(writes) == 2 else 0.0)


def _fence_before_vectors() -> None:
    from support.reference.gateway import writes

    bump = "UPDATE collections SET generation = generation + 1 WHERE collection_id = $1 RETURNING generation"
    read = "SELECT generation FROM collections WHERE collection_id = $1"
    writes._EVENTS = f"WITH fence AS ({bump}) {writes._EVENTS}"
    writes._STORED = writes._STORED.replace(bump, read)
    writes._REMOVED = writes._REMOVED.replace(bump, read)


def _delete_without_fence() -> None:
    from support.reference.gateway import writes

    writes._REMOVED = "DELETE FROM vector_metadata WHERE collection_id = $1 AND point_id = ANY($2::uuid[])"


def _answers_cached_under_the_present_fence() -> None:
    from support.reference.gateway import search

    results = search.Searcher._results
    store = search.Searcher._store
    asked: dict[int, Any] = {}

    async def noted(self: Any, wanted: Any, target: Any, vector: Any) -> Any:
        found = await results(self, wanted, target, vector)
        asked[id(found)] = wanted
        return found

    async def late(self: Any, lookup: Any, found: Any) -> Any:
        wanted = asked.pop(id(found))
        now = await self._descriptors.get(wanted.collection)
        return await store(self, dataclasses.replace(lookup, key=search._key(wanted, now)), found)

    search.Searcher._results = noted  # type: ignore[method-assign]
    search.Searcher._store = late  # type: ignore[assignment, method-assign]


def _cache_key_without_offset() -> None:
    from support.reference.gateway import content, search
    from support.reference.gateway.cache import PREFIX

    def key(wanted: Any, target: Any) -> str:
        request = wanted.model_dump(exclude={"collection", "use_cache", "offset"})
        return f"{PREFIX}search:{target.collection_id}:g{target.generation}:{content.digest(request)}"

    search._key = key


def _cache_checksum_ignored() -> None:
    import orjson

    from support.reference.gateway import cache

    def opened(raw: bytes | None, valid: Callable[[dict[str, Any]], bool]) -> dict[str, Any] | None:
        try:
            found = orjson.loads((raw or b"").partition(b"\n")[2])
            return found if valid(found) else None
        except (ValueError, KeyError, TypeError):
            return None

    cache._opened = opened


def _delete_leaves_events_open() -> None:
    from support.reference.gateway import writes

    async def finish(
        self: Any, lease: Any, collection_id: Any, ids: Any, versions: Any, settling: Any
    ) -> None:
        await lease.execute(writes._CLOSE_WINNERS, collection_id, ids, versions, settling, self._settle_s)
        await lease.execute(writes._REMOVED, collection_id, ids)

    writes.Writer.finish_deletes = finish  # type: ignore[method-assign]


def _winner_asserted_only_once() -> None:
    from support.reference.gateway.writes import Writer

    close = Writer._close

    async def at_once(
        self: Any, lease: Any, collection_id: Any, ids: Any, versions: Any, settling: Any
    ) -> None:
        await close(self, lease, collection_id, ids, versions, [False] * len(settling))

    Writer._close = at_once  # type: ignore[method-assign]


def _collection_id_of_the_name() -> None:
    from support.reference.gateway.postgres import Lease

    fetchval = Lease.fetchval

    async def named(self: Lease, sql: str, *values: object) -> Any:
        if sql.startswith("INSERT INTO collections (name,"):
            sql = sql.replace("(name,", "(collection_id, name,").replace("($1,", "(md5($1)::uuid, $1,")
        return await fetchval(self, sql, *values)

    Lease.fetchval = named  # type: ignore[method-assign]


def _timeout_told_as_success() -> None:
    from support.reference.gateway.problems import DependencyTimeout
    from support.reference.gateway.qdrant import Qdrant

    upsert = Qdrant.upsert

    async def hopeful(self: Qdrant, name: str, points: Any) -> None:
        with contextlib.suppress(DependencyTimeout):
            await upsert(self, name, points)

    Qdrant.upsert = hopeful  # type: ignore[method-assign]


def _repair_deletes_what_differs() -> None:
    from support.reference.gateway.reconcile import Checker

    async def repair(self: Any, target: Any, found: Any) -> int:
        wrong = [*found.orphans, *found.mismatched]
        await self._qdrant.delete(target.name, wrong)
        return len(wrong)

    Checker._repair = repair  # type: ignore[method-assign]


def _collection_events_forgotten() -> None:
    from support.reference.gateway.reconcile import Reconciler

    async def forget(self: Any, lease: Any, collection_id: Any) -> None:
        await lease.execute("DELETE FROM outbox WHERE collection_id = $1", collection_id)

    Reconciler._collection_event = forget  # type: ignore[method-assign]


DEFECTS: Mapping[str, Defect] = {
    "cache-key-without-fence": Defect(
        "search results are cached under a key that no write changes",
        "gateway",
        _cache_key_without_fence,
        ("data_consistency/cache.feature", "A search after a change does not see the old text"),
        r"HIT|afresh|from the cache|CACHE",
    ),
    "cache-without-end": Defect(
        "cache entries are stored without a time to live",
        "gateway",
        _cache_without_end,
        ("data_consistency/cache.feature", "Nothing in the cache lives for ever"),
        r"TTL|time to live|IMMORTAL|no end|for ever",
    ),
    "delete-forgets-vectors": Defect(
        "a deletion removes the row and leaves the point",
        "gateway",
        _delete_forgets_vectors,
        ("data_consistency/two_stores.feature", "A deletion leaves neither row nor point"),
        r"ORPHAN|point",
    ),
    "vectors-never-written": Defect(
        "a write is acknowledged without its point",
        "gateway",
        _vectors_never_written,
        ("data_consistency/two_stores.feature", "An acknowledged document is in both stores"),
        r"missing in Qdrant",
    ),
    "points-keep-old-text": Defect(
        "an update writes the new vector with the old text into the point",
        "gateway",
        _points_keep_old_text,
        ("data_consistency/two_stores.feature", "A change reaches both stores before it is acknowledged"),
        r"text: PostgreSQL .* Qdrant",
    ),
    "metadata-as-text": Defect(
        "the point carries metadata values as text",
        "gateway",
        _metadata_as_text,
        ("end_to_end/values_and_embeddings.feature", "Metadata keep their types and values"),
        r"metadata",
    ),
    "readers-may-write": Defect(
        "the role of a key is only checked for administrators",
        "gateway",
        _readers_may_write,
        ("security/access.feature", "A reader cannot change anything"),
        r"refused as forbidden",
    ),
    "filter-ignored": Defect(
        "the filter of a search is dropped on the way to the vector store",
        "gateway",
        _filter_ignored,
        ("end_to_end/search_and_retrieval.feature", "department"),
        r"ranking",
    ),
    "pages-skip-an-item": Defect(
        "every page but the first lacks its first item",
        "gateway",
        _pages_skip_an_item,
        ("end_to_end/collections_and_batches.feature", "Pages of any size show every document exactly once"),
        r"document",
    ),
    "request-id-not-passed-on": Defect(
        "the request id does not travel to the embedding service",
        "gateway",
        _request_id_not_passed_on,
        ("cross_service/hops.feature", "A request's id is seen at every service it touches"),
        r"embedding",
    ),
    "embeddings-mixed-up": Defect(
        "texts embedded at the same time get each other's vectors",
        "embedding",
        _embeddings_mixed_up,
        ("performance/latency.feature", "Many embeddings at the same time are all right"),
        r"",
    ),
    "outage-as-empty-answer": Defect(
        "a search without its vector store answers with nothing found",
        "gateway",
        _outage_as_empty_answer,
        ("failure_scenarios/vector_store.feature", "A stopped vector store is admitted"),
        r"searching: .*answered 200",
    ),
    "dual-write-without-outbox": Defect(
        "what is to be written to the second store is noted nowhere, so a crash in between is for ever",
        "gateway",
        _no_outbox,
        ("failure_scenarios/vector_store.feature", "A gateway killed between the two writes loses nothing"),
        r"in both stores or in neither",
    ),
    "version-guard-missing": Defect(
        "a write that comes late to the stores overwrites a newer one",
        "gateway",
        _no_version_guard,
        ("data_consistency/races.feature", "Of mixed submissions each changes the document once"),
        r"<\d+>",
    ),
    "fence-before-vectors": Defect(
        "the fence is raised before the vector store is written",
        "gateway",
        _fence_before_vectors,
        ("data_consistency/cache_fence.feature", "An answer from just before a change does not outlive it"),
        r"\(hit\) shows .*poster v1.*without the cache it is .*poster v2",
    ),
    "delete-without-fence": Defect(
        "a deletion does not raise the fence",
        "gateway",
        _delete_without_fence,
        ("data_consistency/cache.feature", "A search after a deletion does not show the deleted document"),
        r"not a ranking with .canteen.",
    ),
    "answers-cached-under-the-present-fence": Defect(
        "a search stores its answer under the fence of the moment when it ends",
        "gateway",
        _answers_cached_under_the_present_fence,
        ("data_consistency/cache_fence.feature", "A slow answer does not bring the old text back"),
        r"\(hit\) shows .* v1.*without the cache",
    ),
    "cache-key-without-offset": Defect(
        "two pages of a search share a cached answer",
        "gateway",
        _cache_key_without_offset,
        ("data_consistency/cache_keys.feature", "Nearly equal searches are kept apart"),
        r"another request's answer[\s\S]*offset",
    ),
    "cache-checksum-ignored": Defect(
        "a damaged cache value is believed if it can be read",
        "gateway",
        _cache_checksum_ignored,
        (
            "data_consistency/cache.feature",
            "A cache entry that is changed by one bit is replaced, not served",
        ),
        r"reading:|searching:|embedding:|against the contract",
    ),
    "delete-leaves-events-open": Defect(
        "a deletion does not close the open events of what it deletes",
        "gateway",
        _delete_leaves_events_open,
        (
            "data_consistency/unknown_outcomes.feature",
            "What was deleted before it was finished does not come back",
        ),
        r"stays away|in both stores or in neither",
    ),
    "winner-asserted-only-once": Defect(
        "a call that was given up may overwrite the newer write",
        "gateway",
        _winner_asserted_only_once,
        ("data_consistency/unknown_outcomes.feature", "A write that is carried out too late does not win"),
        r"version: PostgreSQL 3, Qdrant 2",
    ),
    "collection-id-of-the-name": Defect(
        "a collection made anew has the identity of the old one",
        "gateway",
        _collection_id_of_the_name,
        (
            "data_consistency/separate_lives.feature",
            "The same documents stored anew are not mistaken for the old ones",
        ),
        r"Wear gloves",
    ),
    "timeout-told-as-success": Defect(
        "a write whose outcome is unknown is acknowledged",
        "gateway",
        _timeout_told_as_success,
        (
            "data_consistency/unknown_outcomes.feature",
            "A request lost on the way to or from the vector store leaves nothing half done",
        ),
        r"insertVector: .*answered 201",
    ),
    "repair-deletes-what-differs": Defect(
        "a repair deletes points that it could have written again",
        "gateway",
        _repair_deletes_what_differs,
        ("data_consistency/restores.feature", "An older vector store is found out and repaired"),
        r"repaired by the first and the second repair",
    ),
    "collection-events-forgotten": Defect(
        "nobody finishes the making or dropping of a collection",
        "gateway",
        _collection_events_forgotten,
        (
            "data_consistency/crash_points.feature",
            "A new collection is whole or absent after a death between the row and the vector",
        ),
        r"is creating in PostgreSQL",
    ),
}
