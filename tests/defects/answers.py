"""Defects of what callers get back: rankings, pages, batches, refusals, and the values themselves."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from typing import Any

from tests.defects.defect import Defect


def _results_changed(change: Any) -> None:
    """Let ``change`` (wanted, results) decide what a search finds."""
    from support.reference.gateway.search import Searcher

    results = Searcher._results

    async def changed(self: Searcher, wanted: Any, target: Any, vector: Any) -> Any:
        return change(wanted, target, await results(self, wanted, target, vector))

    Searcher._results = changed  # type: ignore[method-assign]


def _leftovers_taken_over() -> None:
    from support.reference.gateway.collections import Collections

    async def assert_in_qdrant(self: Collections, name: str, size: int, distance: str) -> None:
        if not await self._qdrant.exists(name):
            await self._qdrant.create_collection(name, size, distance)

    Collections.assert_in_qdrant = assert_in_qdrant  # type: ignore[method-assign]


def _partial_hit_told_as_hit() -> None:
    from support.reference.gateway import operations

    told = operations._x_cache
    operations._x_cache = lambda status: told("hit" if status == "miss" else status)


def _time_of_embedding_not_told() -> None:
    from support.reference.gateway.timing import Call

    Call.hop_ms = lambda self, hop: 0.0  # type: ignore[method-assign]


def _limit_of_one_more() -> None:
    from support.reference.gateway.search import Searcher

    search = Searcher.search

    async def generous(self: Searcher, wanted: Any) -> Any:
        # As of a comparison with <= where < belongs.
        wanted.limit += 1
        return await search(self, wanted)

    Searcher.search = generous  # type: ignore[method-assign]


def _offset_beside() -> None:
    from support.reference.gateway.search import Searcher

    search = Searcher.search

    async def beside(self: Searcher, wanted: Any) -> Any:
        wanted.offset = max(0, wanted.offset - 1)
        return await search(self, wanted)

    Searcher.search = beside  # type: ignore[method-assign]


def _worst_first() -> None:
    _results_changed(lambda wanted, target, found: found[::-1])


def _farthest_first() -> None:
    _results_changed(lambda w, target, found: found[::-1] if target.distance == "euclidean" else found)


def _ties_as_they_come() -> None:
    _results_changed(
        lambda wanted, target, found: sorted(found, key=lambda hit: (-hit["score"], hit["point_id"]))
    )


def _scores_of_two_digits() -> None:
    def rounded(wanted: Any, target: Any, found: Any) -> Any:
        return [hit | {"score": round(hit["score"], 2)} for hit in found]

    _results_changed(rounded)


def _threshold_of_two_digits() -> None:
    from support.reference.gateway.qdrant import Qdrant

    query = Qdrant.query

    async def coarse(self: Qdrant, name: str, vector: Any, *, threshold: Any, **wanted: Any) -> Any:
        limit = None if threshold is None else round(threshold, 2)
        return await query(self, name, vector, threshold=limit, **wanted)

    Qdrant.query = coarse  # type: ignore[method-assign]


def _every_collection_by_cosine() -> None:
    from support.reference.gateway import qdrant

    for name in qdrant._DISTANCES:
        qdrant._DISTANCES[name] = "Cosine"


def _filter_by_any_condition() -> None:
    from support.reference.gateway import search

    every = search.qdrant_filter
    search.qdrant_filter = lambda conditions: {"should": every(conditions)["must"]}


def _filters_compare_as_text() -> None:
    from support.reference.gateway import search

    def equal(key: str, value: object) -> dict[str, object]:
        return {"key": key, "match": {"value": str(value)}}

    search._equal = equal


def _any_vector_is_the_same() -> None:
    from support.reference.gateway import writes

    same = writes._same

    def careless(item: Any, row: Any) -> bool:
        return bool(item.text is None and row["source"] == "vector") or same(item, row)

    writes._same = careless


def _texts_composed() -> None:
    from support.reference.gateway import operations

    take = operations._take

    def composed(target: Any, item: Any, text: str, embedded: Any) -> None:
        take(target, item, unicodedata.normalize("NFC", text), embedded)

    operations._take = composed


def _texts_cut_in_silence() -> None:
    from support.reference.gateway import operations

    take = operations._take
    operations._take = lambda target, item, text, embedded: take(target, item, text[:1000], embedded)


def _truncation_not_told() -> None:
    import dataclasses

    from support.reference.gateway.embedding import Embeddings

    embed = Embeddings.embed

    async def silent(self: Embeddings, *texts: Any, **options: Any) -> Any:
        return [dataclasses.replace(each, truncated=False) for each in await embed(self, *texts, **options)]

    Embeddings.embed = silent  # type: ignore[method-assign]


def _ids_without_case() -> None:
    from support.reference.gateway import content

    point_id = content.point_id
    content.point_id = lambda collection_id, external_id: point_id(collection_id, external_id.lower())


def _batch_loses_its_last() -> None:
    from support.reference.gateway.writes import Writer

    upsert = Writer.upsert

    async def shorter(self: Writer, target: Any, items: Any, progress: Any = None) -> None:
        await upsert(self, target, items[:-1] if len(items) > 10 else items, progress)
        for item in items:
            item.outcome, item.version = item.outcome or "created", item.version or 1

    Writer.upsert = shorter  # type: ignore[method-assign]


def _batch_answers_in_order_of_length() -> None:
    from support.reference.gateway.embedding import Embeddings

    fetch = Embeddings._fetch

    async def shuffled(self: Embeddings, texts: list[str], model: str, size: int) -> Any:
        # The usual saving of padding, with the way back forgotten.
        return await fetch(self, sorted(texts, key=len), model, size)

    Embeddings._fetch = shuffled  # type: ignore[method-assign]


def _missing_deleted_all_the_same() -> None:
    from support.reference.gateway.writes import Writer

    delete = Writer.delete

    async def content_with_it(self: Writer, target: Any, items: Any, progress: Any = None) -> None:
        await delete(self, target, items, progress)
        for item in items:
            item.problem, item.outcome = None, "deleted"

    Writer.delete = content_with_it  # type: ignore[method-assign]


def _one_bad_vector_refuses_the_batch() -> None:
    from support.reference.gateway.operations import Operations

    fill_batch = Operations._fill_batch

    async def strict(self: Operations, target: Any, items: Any, wanted: Any) -> None:
        await fill_batch(self, target, items, wanted)
        for item in items:
            if item.problem is not None:
                raise item.problem

    Operations._fill_batch = strict  # type: ignore[method-assign]


def _vectors_without_direction_taken() -> None:
    from support.reference.gateway import content

    content.SMALLEST_NORM = 1e-300


def _other_models_name_ignored() -> None:
    from support.reference.gateway.operations import Operations

    insert = Operations.insert

    async def lenient(self: Operations, request: Any) -> Any:
        request.body.model = None
        return await insert(self, request)

    Operations.insert = lenient  # type: ignore[method-assign]


def _collection_made_twice() -> None:
    from support.reference.gateway.collections import Collections
    from support.reference.gateway.problems import Problem

    create = Collections.create

    async def forgiving(self: Collections, wanted: Any, owner: Any, model: Any) -> Any:
        try:
            return await create(self, wanted, owner, model)
        except Problem as refused:
            if refused.code != "collection-exists":
                raise
            return await self.get(wanted.name)

    Collections.create = forgiving  # type: ignore[method-assign]


def _every_problem_is_the_callers() -> None:
    from support.reference.gateway.operations import Operations
    from support.reference.gateway.problems import Problem

    get_vector = Operations.get_vector

    async def blaming(self: Operations, request: Any) -> Any:
        try:
            return await get_vector(self, request)
        except Problem as refused:
            raise Problem("vector-not-found", "No such item.") from refused

    Operations.get_vector = blaming  # type: ignore[method-assign]


def _text_beside_its_vector() -> None:
    from support.reference.gateway.models import Update, WithMetadata

    Update.findings = WithMetadata.findings  # type: ignore[method-assign]


def _collections_of_any_size() -> None:
    from support.reference.gateway.models import CollectionCreate

    CollectionCreate.model_fields["vector_size"].metadata.clear()
    CollectionCreate.model_rebuild(force=True)


_SEARCH = "end_to_end/search_and_retrieval.feature"
_VALUES = "end_to_end/values_and_embeddings.feature"
_INGEST = "end_to_end/ingest.feature"
_BATCHES = "end_to_end/collections_and_batches.feature"
_REFUSED = "data_consistency/two_stores.feature"

DEFECTS: Mapping[str, Defect] = {
    "one-result-too-many": Defect(
        "a search shows one result more than it was asked for",
        "gateway",
        _limit_of_one_more,
        "larger-limit-extends-results",
        r"numbers of results\s+Expected: <\[2, 4\]>\s+but: was <\[3",
    ),
    "pages-of-a-ranking-overlap": Defect(
        "the second page of a ranking begins with the last result of the first",
        "gateway",
        _offset_beside,
        "result-pages-join-without-gaps",
        r"the pages one after another",
    ),
    "worst-results-first": Defect(
        "the ranking is the wrong way round",
        "gateway",
        _worst_first,
        "results-ordered-by-score",
        r"similarities, best first",
    ),
    "farthest-first": Defect(
        "where distance counts, the farthest come first",
        "gateway",
        _farthest_first,
        "nearest-first-for-each-distance",
        r"the nearest first\s+Expected: 'leaning, crossing, long'",
        row="Euclidean",
    ),
    "ties-as-they-come": Defect(
        "equally similar documents are not put in the order of their ids",
        "gateway",
        _ties_as_they_come,
        "equal-scores-keep-one-order",
        r"one after another, in the order of ids",
    ),
    "scores-of-two-digits": Defect(
        "similarities are rounded to two digits",
        "gateway",
        _scores_of_two_digits,
        "score-threshold-is-exact",
        r"just below and just above it\s+Expected: <\[2, 1\]>",
    ),
    "threshold-of-two-digits": Defect(
        "the threshold is rounded before it is applied",
        "gateway",
        _threshold_of_two_digits,
        "score-threshold-is-exact",
        r"just below and just above it\s+Expected: <\[2, 1\]>",
    ),
    "every-collection-by-cosine": Defect(
        "the vector store measures every collection by cosine",
        "gateway",
        _every_collection_by_cosine,
        "vectors-stored-exactly",
        r"Qdrant keeps vectors of 4 by Cosine, PostgreSQL declares",
    ),
    "filter-by-any-condition": Defect(
        "one true condition of a filter is enough",
        "gateway",
        _filter_by_any_condition,
        "random-filters-match-exactly",
        r"is found(?s:.)*smallest example",
    ),
    "filters-compare-as-text": Defect(
        "a filter for the number 5 finds the text 5",
        "gateway",
        _filters_compare_as_text,
        "filter-matches-whole-numbers-in-any-notation",
        r"exactly \['decimal', 'whole'\][\s\S]*  text",
    ),
    "any-vector-is-the-same": Defect(
        "a vector stored again with other numbers is taken for unchanged",
        "gateway",
        _any_vector_is_the_same,
        "changed-vector-is-an-update",
        r"Expected: <\[4\.0, 3\.0, 2\.0, 1\.0\]>\s+but: was <\[1\.0, 2\.0, 3\.0, 4\.0\]>",
    ),
    "texts-composed": Defect(
        "a text's combining characters are composed when it is stored",
        "gateway",
        _texts_composed,
        "text-stored-verbatim",
        r'the text of "sample"\s+Expected: .Cafe\u0301',
        row="combining",
    ),
    "texts-cut-in-silence": Defect(
        "long texts are cut when they are stored",
        "gateway",
        _texts_cut_in_silence,
        "long-document-truncated-for-embedding-only",
        r"Expected: .window [\s\S]*but: was .window",
    ),
    "truncation-not-told": Defect(
        "that the model did not read the whole text is not told",
        "gateway",
        _truncation_not_told,
        "long-text-flagged-truncated",
        r"truncated\s+Expected: <True>",
    ),
    "ids-without-case": Defect(
        "ids that differ only in case are one document",
        "gateway",
        _ids_without_case,
        "similar-ids-are-distinct",
        r"UniqueViolationError",
    ),
    "batch-loses-its-last": Defect(
        "a large batch acknowledges its last document without storing it",
        "gateway",
        _batch_loses_its_last,
        "batch-stores-every-document",
        r"not read as they were stored[\s\S]*'item 25': 'vector-not-found'",
    ),
    "batch-answers-in-order-of-length": Defect(
        "the embeddings of a batch come in the order of the texts' lengths",
        "gateway",
        _batch_answers_in_order_of_length,
        "embedding-independent-of-batch",
        r"two embeddings of one text are apart",
    ),
    "missing-deleted-all-the-same": Defect(
        "a deletion of what is not there is told as done",
        "gateway",
        _missing_deleted_all_the_same,
        "batch-delete-reports-missing",
        r"a batch carried out in part: batchVectors answered 200",
    ),
    "one-bad-vector-refuses-the-batch": Defect(
        "one document that does not fit keeps the whole batch from being stored",
        "gateway",
        _one_bad_vector_refuses_the_batch,
        "bad-document-fails-alone-in-batch",
        r"a batch carried out in part: batchVectors answered 422 dimension-mismatch",
    ),
    "vectors-without-direction-taken": Defect(
        "a vector that is all but zero is scaled up and stored",
        "gateway",
        _vectors_without_direction_taken,
        "refused-document-leaves-no-trace",
        r"refused as zero-vector\s+but: insertVector answered 201",
        row="vector without direction",
    ),
    "other-models-name-ignored": Defect(
        "a text for another model is embedded with the collection's",
        "gateway",
        _other_models_name_ignored,
        "refused-document-leaves-no-trace",
        r"refused as model-mismatch\s+but: insertVector answered 201",
        row="another model's name",
    ),
    "collection-made-twice": Defect(
        "making a collection that exists is told as done",
        "gateway",
        _collection_made_twice,
        "collection-name-is-unique",
        r"refused as collection-exists\s+but: createCollection answered 201",
    ),
    "every-problem-is-the-callers": Defect(
        "whatever goes wrong while a document is read is told as not found",
        "gateway",
        _every_problem_is_the_callers,
        "failed-process-refuses-only-dependents",
        r"answered 404 vector-not-found",
        row=r"postgresql\.crashed",
    ),
    "rewritten-by-text-and-vector": Defect(
        "a rewriting may bring a text and a vector that is not the text's",
        "gateway",
        _text_beside_its_vector,
        "text-and-vector-exclude-each-other",
        r"updateVector answered 200",
    ),
    "collections-of-any-size": Defect(
        "the vector size of a new collection is not limited",
        "gateway",
        _collections_of_any_size,
        "size-limits-enforced",
        r"POST /api/v1/collections answered 500 against the contract",
        row="vector size",
    ),
    "leftovers-taken-over": Defect(
        "a new collection takes over what the vector store still holds under its name",
        "gateway",
        _leftovers_taken_over,
        "orphaned-points-not-adopted",
        r"Qdrant still holds left over 0",
    ),
    "partial-hit-told-as-hit": Defect(
        "an answer of which a part was computed is marked as one of the cache",
        "gateway",
        _partial_hit_told_as_hit,
        "only-cache-misses-computed",
        r"the mark of the whole answer|X-Cache is HIT, but cache_info says miss",
    ),
    "time-of-embedding-not-told": Defect(
        "a search says that embedding its question took no time",
        "gateway",
        _time_of_embedding_not_told,
        "server-timing-of-query-embedding",
        r"embedding_time_ms",
    ),
}
