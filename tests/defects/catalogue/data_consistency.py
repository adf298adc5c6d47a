"""Defects of the two stores and of the cache in front of them."""

from __future__ import annotations

import contextlib
import dataclasses
import itertools
from collections.abc import Callable, Mapping
from typing import Any

from tests.defects.defect import defect
from tests.defects.shared import phase_b_believes_its_own_version


@defect(
    "nothing is stored in the cache, though the answers say so",
    key="repeated-search-is-cache-hit",
    message=r"expected a cache hit, but X-Cache is MISS",
)
def nothing_is_cached() -> None:
    from support.reference.gateway.cache import Cache

    async def put_many(self: Cache, bodies: dict[str, dict[str, object]]) -> float | None:
        return 0.1

    Cache.put_many = put_many  # type: ignore[method-assign]


@defect(
    "an answer from the cache says that it is fresh",
    key="repeated-search-is-cache-hit",
    message=r"X-Cache is HIT, but cache_info says miss",
)
def hit_told_as_miss() -> None:
    from support.reference.gateway.cache import Lookup

    info = Lookup.info

    def modest(self: Lookup, **stored: Any) -> dict[str, object]:
        if self.status != "hit":
            return info(self, **stored)
        return info(dataclasses.replace(self, status="miss"), ttl_set=1800, store_ms=0.1)

    Lookup.info = modest  # type: ignore[method-assign]


@defect(
    "search results are cached under a key that no write changes",
    key="update-invalidates-search",
    message=r"expected a cache miss, but X-Cache is HIT",
)
def cache_key_without_fence() -> None:
    from support.reference.gateway import content, search
    from support.reference.gateway.cache import PREFIX

    def key(wanted: Any, target: Any) -> str:
        request = wanted.model_dump(exclude={"collection", "use_cache"})
        return f"{PREFIX}search:{target.collection_id}:g1:{content.digest(request)}"

    search._key = key


@defect(
    "a deletion does not raise the fence",
    key="delete-invalidates-search",
    message=r"a ranking of \[\], in this order[\s\S]*canteen",
)
def delete_without_fence() -> None:
    from support.reference.gateway import writes

    writes._REMOVED = "DELETE FROM vector_metadata WHERE collection_id = $1 AND point_id = ANY($2::uuid[])"


@defect(
    "a cached document is served without a look at its version",
    key="read-after-update-is-current",
    message=r'text: expected The parking garage is closed at night\., was "The canteen serves lunch',
)
def item_cache_without_fence() -> None:
    from support.reference.gateway import operations
    from support.reference.gateway.writes import item_key

    operations.item_key = lambda c, p, _generation: item_key(c, p, 1)  # type: ignore[attr-defined, assignment]
    operations._valid_item = lambda row: lambda body: True


@defect(
    "cached searches live a week instead of half an hour",
    key="cache-entries-have-ttl",
    message=r"ttl_set: 604800 is greater than the maximum|keep it for 6047\d\d s, its kind may live 1800 s",
)
def cache_entries_live_a_week() -> None:
    from support.reference.gateway import cache

    cache.TTL_S["search"] = 7 * 24 * 3600


@defect(
    "cache entries are stored without a time to live",
    key="cache-entries-have-ttl",
    message=r"lives -1 ms, at most \d+ are allowed",
)
def cache_without_end() -> None:
    from support.reference.gateway.cache import Cache, _sealed

    async def put_many(self: Cache, bodies: dict[str, dict[str, object]]) -> float | None:
        for key, body in bodies.items():
            await self._client.set(key, _sealed(body))
        return 0.1

    Cache.put_many = put_many  # type: ignore[method-assign]


@defect(
    "the question stands in the name of its cache entry",
    key="cache-keys-show-no-text",
    message=r"unmistakable-canary-phrase: expected a key that is not contains",
)
def text_in_the_cache_key() -> None:
    from support.reference.gateway import search

    key = search._key

    def readable(wanted: Any, target: Any) -> str:
        return f"{key(wanted, target)}:{wanted.query_text}"

    search._key = readable


@defect(
    "a damaged cache value is believed if it can be read",
    key="damaged-cache-entry-replaced",
    message=r"its value in Redis says checksum",
    row="one bit",
)
def cache_checksum_ignored() -> None:
    import orjson

    from support.reference.gateway import cache

    def opened(raw: bytes | None, valid: Callable[[dict[str, Any]], bool]) -> dict[str, Any] | None:
        try:
            found = orjson.loads((raw or b"").partition(b"\n")[2])
            return found if valid(found) else None
        except (ValueError, KeyError, TypeError):
            return None

    cache._opened = opened


@defect(
    "emptying the cache leaves the cached searches",
    key="clearing-cache-changes-no-results",
    message=r"expected a cache miss, but X-Cache is HIT",
)
def emptying_spares_searches() -> None:
    from support.reference.gateway.cache import Cache

    forget_matching = Cache.forget_matching

    async def sparing(self: Cache, patterns: Any, budget_s: float) -> int:
        return await forget_matching(self, [each for each in patterns if ":search:" not in each], budget_s)

    Cache.forget_matching = sparing  # type: ignore[method-assign]


@defect(
    "a search stores its answer under the fence of the moment when it ends",
    key="rewrite-races-slow-answer",
    message=r"a hit shows .*canteen in version 1, without the cache it is .*canteen in version 2",
)
def answers_cached_under_the_present_fence() -> None:
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


@defect(
    "the fence is raised before the vector store is written",
    key="rewrite-races-fast-answer",
    message=r"a hit shows .*poster in version 1, without the cache it is .*poster in version 2",
    row="on the way to Qdrant",
)
def fence_before_vectors() -> None:
    from support.reference.gateway import writes

    bump = "UPDATE collections SET generation = generation + 1 WHERE collection_id = $1 RETURNING generation"
    read = "SELECT generation FROM collections WHERE collection_id = $1"
    writes._EVENTS = f"WITH fence AS ({bump}) {writes._EVENTS}"
    writes._STORED = writes._STORED.replace(bump, read)
    writes._REMOVED = writes._REMOVED.replace(bump, read)


@defect(
    "searches with different thresholds share a cached answer",
    key="similar-searches-have-own-cache-keys",
    message=r"with score_threshold .*: a hit shows .*, without the cache it is ",
)
def cache_key_without_threshold() -> None:
    from support.reference.gateway import content, search
    from support.reference.gateway.cache import PREFIX

    def key(wanted: Any, target: Any) -> str:
        request = wanted.model_dump(exclude={"collection", "use_cache", "score_threshold"})
        return f"{PREFIX}search:{target.collection_id}:g{target.generation}:{content.digest(request)}"

    search._key = key


@defect(
    "two pages of a search share a cached answer",
    key="similar-searches-have-own-cache-keys",
    message=r"with .*offset .*: a hit shows .*, without the cache it is ",
)
def cache_key_without_offset() -> None:
    from support.reference.gateway import content, search
    from support.reference.gateway.cache import PREFIX

    def key(wanted: Any, target: Any) -> str:
        request = wanted.model_dump(exclude={"collection", "use_cache", "offset"})
        return f"{PREFIX}search:{target.collection_id}:g{target.generation}:{content.digest(request)}"

    search._key = key


@defect(
    "texts that differ in punctuation share a cached embedding",
    key="similar-texts-have-own-cache-keys",
    message=r"a reader embeds .*: a hit shows .*, without the cache it is ",
)
def texts_without_punctuation_in_cache_keys() -> None:
    import re

    from support.reference.gateway import embedding

    key = embedding._key
    embedding._key = lambda model, text: key(model, " ".join(re.findall(r"\w+", text)))


@defect(
    "nobody finishes the making or dropping of a collection",
    key="crash-while-creating-collection",
    message=r"is creating in PostgreSQL",
    row="on the way to Qdrant",
)
def collection_events_forgotten() -> None:
    from support.reference.gateway.reconcile import Reconciler

    async def forget(self: Any, lease: Any, collection_id: Any) -> None:
        await lease.execute("DELETE FROM outbox WHERE collection_id = $1", collection_id)

    Reconciler._collection_event = forget  # type: ignore[method-assign]


@defect(
    "a write that comes late to the stores overwrites a newer one",
    key="concurrent-mixed-writes-count-once",
    message=r'"agenda": acknowledged in version \d+, but held by PostgreSQL in version \d+',
)
def version_guard_missing() -> None:
    # The first writes after the first take their time, so that newer ones of the same document overtake them.
    writes = itertools.count(1)
    phase_b_believes_its_own_version(lambda: 0.4 if next(writes) in (2, 3, 4) else 0.0)


@defect(
    "a repair deletes points that it could have written again",
    key="restored-qdrant-audited-and-repaired",
    message=r"repaired: expected 3, was 2",
)
def repair_deletes_what_differs() -> None:
    from support.reference.gateway.reconcile import Checker

    async def repair(self: Any, target: Any, found: Any) -> int:
        wrong = [*found.orphans, *found.mismatched]
        await self._qdrant.delete(target.name, wrong)
        return len(wrong)

    Checker._repair = repair  # type: ignore[method-assign]


@defect(
    "the same question to two collections shares a cached answer",
    key="cache-separates-collections",
    message=r'results.1.text: expected An older rule on acids\., was "Wear gloves',
)
def cache_key_without_collection() -> None:
    from support.reference.gateway import content, search
    from support.reference.gateway.cache import PREFIX

    def key(wanted: Any, target: Any) -> str:
        request = wanted.model_dump(exclude={"collection", "use_cache"})
        return f"{PREFIX}search:all:g{target.generation}:{content.digest(request)}"

    search._key = key


@defect(
    "a new collection takes over what the vector store still holds under its name",
    key="orphaned-points-not-adopted",
    message=r"'points': 3",
)
def leftovers_taken_over() -> None:
    from support.reference.gateway.collections import Collections

    async def assert_in_qdrant(self: Collections, name: str, size: int, distance: str) -> None:
        if not await self._qdrant.exists(name):
            await self._qdrant.create_collection(name, size, distance)

    Collections.assert_in_qdrant = assert_in_qdrant  # type: ignore[method-assign]


@defect(
    "a re-created collection has the identity of the old one",
    key="recreated-collection-starts-empty",
    message=r"a hit shows .*Wear gloves.*, without the cache it is .*Nothing is known",
)
def collection_id_of_the_name() -> None:
    from support.reference.gateway.postgres import Session

    fetchval = Session.fetchval

    async def named(self: Session, sql: str, *values: object) -> Any:
        if sql.startswith("INSERT INTO collections (name,"):
            sql = sql.replace("(name,", "(collection_id, name,").replace("($1,", "(md5($1)::uuid, $1,")
        return await fetchval(self, sql, *values)

    Session.fetchval = named  # type: ignore[method-assign]


@defect(
    "a write is acknowledged without its point",
    key="acknowledged-write-in-both-stores",
    message=r"missing in Qdrant",
)
def vectors_never_written() -> None:
    from support.reference.gateway.qdrant import Qdrant

    async def upsert(self: Qdrant, name: str, points: Any) -> None:
        return None

    Qdrant.upsert = upsert  # type: ignore[method-assign]


@defect(
    "an update writes the new vector with the old text into the point",
    key="update-in-both-stores-before-acknowledgement",
    message=r"text: PostgreSQL .* Qdrant",
)
def points_keep_old_text() -> None:
    from support.reference.gateway.writes import Item

    point, first = Item.point, dict[Any, Any]()

    def stale(self: Item) -> dict[str, object]:
        written: Any = point(self)
        written["payload"]["text"] = first.setdefault(self.point_id, written["payload"]["text"])
        return dict(written)

    Item.point = stale  # type: ignore[method-assign]


@defect(
    "a deletion removes the row and leaves the point",
    key="delete-in-both-stores",
    message=r"Sides\(row=None, point=\{'point id'",
)
def delete_forgets_vectors() -> None:
    from support.reference.gateway.qdrant import Qdrant

    async def delete(self: Qdrant, name: str, ids: Any) -> None:
        return None

    Qdrant.delete = delete  # type: ignore[method-assign]


@defect(
    "a vector that is all but zero is scaled up and stored",
    key="refused-vector-leaves-no-trace",
    message=r'is refused with zero-vector\s+but: .*stores the document "sample": insertVector answered 201',
    row="almost zeros",
)
def vectors_without_direction_taken() -> None:
    from support.reference.gateway import content

    content.SMALLEST_NORM = 1e-300


@defect(
    "a text for another model is embedded with the collection's",
    key="refused-text-leaves-no-trace",
    message=r'is refused with model-mismatch\s+but: .*stores the document "sample": .* 201',
    row="another model's name",
)
def other_models_name_ignored() -> None:
    from support.reference.gateway.operations import Operations

    insert = Operations.insert

    async def lenient(self: Operations, request: Any) -> Any:
        request.body.model = None
        return await insert(self, request)

    Operations.insert = lenient  # type: ignore[method-assign]


@defect(
    "the gateway logs the key of each request",
    key="stores-agree-on-counts",
    message=r"the log of gateway shows a secret: key of \S*editor",
)
def keys_in_the_log() -> None:
    from support.reference.gateway import logs
    from support.reference.gateway.access import Keys

    authenticate = Keys.authenticate

    async def telling(self: Keys, headers: Mapping[str, str]) -> Any:
        logs.info("authenticating", key=headers.get("x-api-key"))
        return await authenticate(self, headers)

    Keys.authenticate = telling  # type: ignore[method-assign]


@defect(
    "an exception in the clean-up after a write is swallowed and logged",
    key="stores-agree-on-counts",
    message=r"gateway logged an unexpected error: .*KeyError",
)
def hidden_crash() -> None:
    from support.reference.gateway import logs
    from support.reference.gateway.writes import Writer

    async def crash(self: Writer, target: Any, items: Any) -> None:
        try:
            raise KeyError("old_generation")
        except KeyError:
            logs.defect("clean-up failed")

    Writer._forget = crash  # type: ignore[method-assign]


@defect(
    "everybody who stores a document while it is being created is told to have created it",
    key="identical-concurrent-inserts-create-one",
    message=r"expected 1 of outcome created, version 1, were [2-8]",
)
def creation_judged_before_the_lock() -> None:
    from support.reference.gateway import writes

    upsert = writes.Writer.upsert

    async def judged_early(self: Any, target: Any, items: Any, progress: Any = None) -> None:
        async with self._lease() as lease, lease.transaction():
            ids = [item.point_id for item in items]
            found = await lease.fetch(writes._STATE, target.collection_id, ids)
        new = {row["point_id"] for row in found if row["status"] != "stored"}
        await upsert(self, target, items, progress)
        for item in items:
            if item.point_id in new and item.outcome in ("updated", "unchanged"):
                item.outcome = "created"

    writes.Writer.upsert = judged_early  # type: ignore[method-assign]


@defect(
    "a write whose outcome is unknown is acknowledged",
    key="lost-call-to-qdrant-converges",
    message=r"succeeded, \d dependency-timeout\s+.*stores the document .menu.: insertVector answered 201",
    row="request",
)
def timeout_told_as_success() -> None:
    from support.reference.gateway.problems import DependencyTimeout
    from support.reference.gateway.qdrant import Qdrant

    upsert = Qdrant.upsert

    async def hopeful(self: Qdrant, name: str, points: Any) -> None:
        with contextlib.suppress(DependencyTimeout):
            await upsert(self, name, points)

    Qdrant.upsert = hopeful  # type: ignore[method-assign]


@defect(
    "a call that was given up may overwrite the newer write",
    key="late-write-does-not-win",
    message=r"PostgreSQL has .*'version': 3.*Qdrant has .*'version': 2",
)
def winner_asserted_only_once() -> None:
    from support.reference.gateway.writes import Writer

    close = Writer._close

    async def at_once(
        self: Any, lease: Any, collection_id: Any, ids: Any, versions: Any, settling: Any
    ) -> None:
        await close(self, lease, collection_id, ids, versions, [False] * len(settling))

    Writer._close = at_once  # type: ignore[method-assign]


@defect(
    "a deletion does not close the open events of what it deletes",
    key="deleted-document-not-resurrected",
    message=r"menu. stays away|but: was .*menu.*Sides\(row=\{",
)
def delete_leaves_events_open() -> None:
    from support.reference.gateway import writes

    async def finish(
        self: Any, lease: Any, collection_id: Any, ids: Any, versions: Any, settling: Any
    ) -> None:
        await lease.execute(writes._CLOSE_WINNERS, collection_id, ids, versions, settling, self._settle_s)
        await lease.execute(writes._REMOVED, collection_id, ids)

    writes.Writer.finish_deletes = finish  # type: ignore[method-assign]
