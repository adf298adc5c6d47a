"""The catalogue: what each defect does to the reference system, who must notice, and what he must say."""

from __future__ import annotations

import asyncio
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


def _bounds_include_their_ends() -> None:
    from support.reference.gateway import search

    condition = search._condition

    def inclusive(key: str, value: Any) -> Any:
        made: Any = condition(key, value)
        if isinstance(value, dict) and "lt" in value:
            made["range"] = {("lte" if name == "lt" else name): bound for name, bound in value.items()}
        return made

    search._condition = inclusive


def _unchanged_in_spite_of_metadata() -> None:
    from support.reference.gateway import content, writes

    class Blind:
        """The module of hashes, of which the one of metadata is the same for all."""

        def __getattr__(self, name: str) -> Any:
            return getattr(content, name)

        @staticmethod
        def metadata_hash(metadata: Any) -> bytes:
            return content.metadata_hash({})

    writes.content = Blind()  # type: ignore[attr-defined,assignment]


def _caller_key_passed_on() -> None:
    from contextvars import ContextVar

    import aiohttp

    from support.reference.gateway.access import Keys

    caller: ContextVar[str] = ContextVar("caller", default="")
    authenticate, request = Keys.authenticate, aiohttp.ClientSession.request

    async def remembering(self: Keys, headers: Mapping[str, str]) -> Any:
        caller.set(headers.get("x-api-key", ""))
        return await authenticate(self, headers)

    def with_all_headers(self: Any, method: str, url: Any, **options: Any) -> Any:
        options["headers"] = {**(options.get("headers") or {}), "X-API-Key": caller.get()}
        return request(self, method, url, **options)

    Keys.authenticate = remembering  # type: ignore[method-assign]
    aiohttp.ClientSession.request = with_all_headers  # type: ignore[method-assign]


def _connection_for_each_request() -> None:
    import aiohttp

    init = aiohttp.TCPConnector.__init__

    def closing(self: Any, **options: Any) -> None:
        options.pop("keepalive_timeout", None)
        init(self, **{**options, "force_close": True})

    aiohttp.TCPConnector.__init__ = closing  # type: ignore[method-assign]


def _batches_embedded_one_by_one() -> None:
    from support.reference.gateway import embedding

    embedding._TEXTS_A_CALL = 1


def _texts_embedded_with_a_prompt() -> None:
    from support.reference.embedding.model import MiniLM

    embed = MiniLM.embed

    def prompted(self: MiniLM, text: str) -> Any:
        return embed(self, f"query: {text}")

    MiniLM.embed = prompted  # type: ignore[method-assign]


def _outage_as_not_found() -> None:
    from support.reference.gateway.descriptors import Descriptors, missing
    from support.reference.gateway.problems import DependencyDown

    get = Descriptors.get

    async def hiding(self: Descriptors, name: str) -> Any:
        try:
            return await get(self, name)
        except DependencyDown:
            raise missing(name) from None

    Descriptors.get = hiding  # type: ignore[method-assign]


def _limits_clamped() -> None:
    from support.reference.gateway import models

    parse = models.parse

    def clamping(model: Any, data: Any) -> Any:
        if isinstance(data, dict) and isinstance(data.get("limit"), int):
            data["limit"] = min(data["limit"], 1000)
        return parse(model, data)

    models.parse = clamping


def _pages_by_offset() -> None:
    import base64

    from support.reference.gateway.collections import _ITEM_COLUMNS, Collections, item_summary

    async def items(self: Any, name: str, limit: int, cursor: Any) -> Any:
        passed = int(base64.urlsafe_b64decode(cursor)) if cursor else 0
        async with self._database.reader.lease() as lease:
            target = await self._descriptors.read(lease, name)
            rows = await lease.fetch(
                f"SELECT {_ITEM_COLUMNS} FROM vector_metadata WHERE collection_id = $1"
                " AND status = 'stored' ORDER BY external_id COLLATE \"C\" LIMIT $2 OFFSET $3",
                target.collection_id,
                limit + 1,
                passed,
            )
        more = base64.urlsafe_b64encode(str(passed + limit).encode()).decode() if len(rows) > limit else None
        found = [item_summary(row, name) for row in rows[:limit]]
        return {"items": found, "count": len(found), "next_cursor": more}

    Collections.items = items  # type: ignore[method-assign]


def _created_counted_as_ok() -> None:
    from support.reference.gateway.app import Gateway

    note = Gateway._note

    def rounded(self: Gateway, method: str, endpoint: str, status: int, call: Any) -> None:
        note(self, method, endpoint, status // 100 * 100 if status < 300 else status, call)

    Gateway._note = rounded  # type: ignore[method-assign]


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
        ("end_to_end/collections_and_batches.feature", "page"),
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
    "bounds-include-their-ends": Defect(
        "a filter's bound 'less than' lets equal values in",
        "gateway",
        _bounds_include_their_ends,
        ("end_to_end/random_journeys.feature", "A filter finds exactly what it says"),
        r"is found(?s:.)*smallest example(?s:.)*\"lt\"",
    ),
    "unchanged-in-spite-of-metadata": Defect(
        "a document stored again with other metadata is taken for unchanged",
        "gateway",
        _unchanged_in_spite_of_metadata,
        ("end_to_end/random_journeys.feature", "Random journeys end where a plain model ends"),
        r"answered \('unchanged', 1\), not \('updated', 2\)(?s:.)*smallest example",
    ),
    "caller-key-passed-on": Defect(
        "the gateway hands the caller's headers on to its services",
        "gateway",
        _caller_key_passed_on,
        ("cross_service/wires.feature", "A key goes no further than it must"),
        r"embedding: POST /embed .* shows the key of",
    ),
    "connection-for-each-request": Defect(
        "connections to the services are not kept",
        "gateway",
        _connection_for_each_request,
        ("cross_service/wires.feature", "Many requests share a few connections"),
        r"new connections by service .*'qdrant': \d\d",
    ),
    "batches-embedded-one-by-one": Defect(
        "the texts of a batch go to the embedding service one by one",
        "gateway",
        _batches_embedded_one_by_one,
        ("cross_service/wires.feature", "A batch costs each service one request"),
        r"requests to embed",
    ),
    "texts-embedded-with-a-prompt": Defect(
        "the embedding service puts a prompt of another model before each text",
        "embedding",
        _texts_embedded_with_a_prompt,
        (
            "end_to_end/values_and_embeddings.feature",
            "The model is the one that the stored vectors were made",
        ),
        r"with its golden vector",
    ),
    "outage-as-not-found": Defect(
        "a collection that cannot be looked up is said not to exist",
        "gateway",
        _outage_as_not_found,
        ("failure_scenarios/every_operation.feature", "Only what needs it is refused while it is away"),
        r"answered 404 collection-not-found",
    ),
    "limits-clamped": Defect(
        "a limit beyond the largest is cut down in silence",
        "gateway",
        _limits_clamped,
        ("end_to_end/ingest.feature", "next larger refused: number of results"),
        r"searchVectors answered 200",
    ),
    "pages-by-offset": Defect(
        "pages are counted off from the start, so a deletion moves what follows",
        "gateway",
        _pages_by_offset,
        ("end_to_end/collections_and_batches.feature", "What is there all the time is listed once"),
        r"document \d+': [02]",
    ),
    "created-counted-as-ok": Defect(
        "the counters tell 200 for every success",
        "gateway",
        _created_counted_as_ok,
        ("cross_service/wires.feature", "The counters tell every answer that was given"),
        r"createCollection 201': 'given \d+, counted 0'",
    ),
}
