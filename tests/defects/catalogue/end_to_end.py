"""Defects in what callers are answered: searches, values, embeddings, limits, batches and jobs."""

from __future__ import annotations

import dataclasses
import unicodedata
from collections.abc import Callable
from typing import Any

from tests.defects.defect import defect


@defect(
    "a row does not say which job wrote it",
    key="job-stores-each-document-once",
    message=r"is not marked as written by the job",
)
def rows_forget_their_job() -> None:
    from support.reference.gateway.writes import Item

    columns = Item.columns

    def without_job(self: Item) -> tuple[object, ...]:
        return (*columns(self)[:-1], None)

    Item.columns = without_job  # type: ignore[method-assign]


@defect(
    "a failed item of a job counts as processed as well",
    key="failed-job-item-reported",
    message=r"10 succeeded and 1 failed of 10",
)
def failed_items_counted_twice() -> None:
    from support.reference.gateway import jobs

    described = jobs._described

    def doubled(row: Any) -> dict[str, Any]:
        told = described(row)
        told["progress"]["processed_items"] += told["progress"]["failed_items"]
        return told

    jobs._described = doubled


@defect(
    "one bad item fails everything that is written together with it",
    key="failed-job-item-reported",
    message=r"7 succeeded and 3 failed of 10",
)
def bad_item_spoils_its_chunk() -> None:
    from support.reference.gateway.jobs import Jobs

    fill = Jobs._fill

    async def strict(self: Jobs, job: Any, target: Any, items: Any, inputs: Any) -> None:
        await fill(self, job, target, items, inputs)
        for item in items:
            if item.problem is not None:
                raise item.problem

    Jobs._fill = strict  # type: ignore[method-assign]


@defect(
    "cancelling a job sets its counter back",
    key="cancelled-job-reports-progress",
    message=r"the counters decreased",
)
def cancel_forgets_what_is_done() -> None:
    from support.reference.gateway import jobs

    jobs._CANCEL = jobs._CANCEL.replace("completed_at =", "processed_items = 0, completed_at =", 1)


@defect(
    "the list of jobs is not limited to the caller's",
    key="jobs-visible-to-owner-only",
    message=r"the jobs of all pages\s+Expected: <\[\]>",
)
def jobs_shown_to_everybody() -> None:
    from dataclasses import replace

    from support.reference.gateway.jobs import Jobs

    page = Jobs.page

    async def newest(self: Jobs, caller: Any, status: Any, limit: int, cursor: Any) -> dict[str, Any]:
        async with self._database.reader.lease() as lease:
            owner = await lease.fetchval("SELECT submitted_by FROM embedding_jobs ORDER BY created_at DESC")
        return await page(self, replace(caller, user_id=owner or caller.user_id), status, limit, cursor)

    Jobs.page = newest  # type: ignore[method-assign]


@defect(
    "anybody who knows the number of a job can look at it and cancel it",
    key="jobs-visible-to-owner-only",
    message=r"getJobStatus answered 200",
)
def jobs_of_others_can_be_cancelled() -> None:
    from support.reference.gateway import jobs

    jobs._CANCEL = jobs._CANCEL.replace("submitted_by = $2", "$2::uuid IS NOT NULL")
    row = jobs.Jobs._row

    async def anybodys(self: jobs.Jobs, lease: Any, job_id: Any, owner: Any = None) -> Any:
        return await row(self, lease, job_id)

    jobs.Jobs._row = anybodys  # type: ignore[method-assign]


@defect(
    "a large batch acknowledges its last document without storing it",
    key="batch-stores-every-document",
    message=r'"document-25": expected [\s\S]*vector-not-found',
)
def batch_loses_its_last() -> None:
    from support.reference.gateway.writes import Writer

    upsert = Writer.upsert

    async def shorter(self: Writer, target: Any, items: Any, progress: Any = None) -> None:
        await upsert(self, target, items[:-1] if len(items) > 10 else items, progress)
        for item in items:
            item.outcome, item.version = item.outcome or "created", item.version or 1

    Writer.upsert = shorter  # type: ignore[method-assign]


@defect(
    "every page but the first lacks its first item",
    key="pages-list-every-document-once",
    message=r"the documents of all pages[\s\S]*length of <7>",
)
def pages_skip_an_item() -> None:
    from support.reference.gateway.collections import Collections

    items = Collections.items

    async def skipping(self: Collections, name: str, limit: int, cursor: Any) -> Any:
        page: Any = await items(self, name, limit, cursor)
        if cursor is not None:
            page["items"] = page["items"][1:]
        return page

    Collections.items = skipping  # type: ignore[method-assign]


@defect(
    "pages are counted off from the start, so a deletion moves what follows",
    key="pages-stable-under-writes",
    message=r"what all pages list\s+Expected: <\['document-1', ",
)
def pages_by_offset() -> None:
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


@defect(
    "the answer to a write lacks a member that the contract requires",
    key="stored-document-found-by-meaning",
    message=r"against the contract:[\s\S]*'point_id' is a required property",
)
def answer_lacks_a_member() -> None:
    from support.reference.gateway import operations

    written = operations._written

    def shorter(target: Any, item: Any) -> dict[str, object]:
        return {name: value for name, value in written(target, item).items() if name != "point_id"}

    operations._written = shorter


@defect(
    "a deleted collection stays in the vector store",
    key="stored-document-found-by-meaning",
    message=r"left behind after the clean-up: collection \S+ in Qdrant",
)
def dropped_collections_stay() -> None:
    from support.reference.gateway.qdrant import Qdrant

    async def drop_collection(self: Qdrant, name: str) -> None:
        return None

    Qdrant.drop_collection = drop_collection  # type: ignore[method-assign]


@defect(
    "a document stored again with other metadata is taken for unchanged",
    key="reingest-changes-metadata",
    message=r"was unchanged in version 1",
)
def unchanged_in_spite_of_metadata() -> None:
    from support.reference.gateway import content, writes

    class Blind:
        """The module of hashes, of which the one of metadata is the same for all."""

        def __getattr__(self, name: str) -> Any:
            return getattr(content, name)

        @staticmethod
        def metadata_hash(metadata: Any) -> bytes:
            return content.metadata_hash({})

    writes.content = Blind()  # type: ignore[attr-defined,assignment]


@defect(
    "one document that does not fit keeps the whole batch from being stored",
    key="bad-document-fails-alone-in-batch",
    message=r"expected 5 outcomes, got 1[\s\S]*batchVectors answered 422 dimension-mismatch",
)
def one_bad_vector_refuses_the_batch() -> None:
    from support.reference.gateway.operations import Operations

    fill_batch = Operations._fill_batch

    async def strict(self: Operations, target: Any, items: Any, wanted: Any) -> None:
        await fill_batch(self, target, items, wanted)
        for item in items:
            if item.problem is not None:
                raise item.problem

    Operations._fill_batch = strict  # type: ignore[method-assign]


@defect(
    "a deletion of what is not there is told as done",
    key="batch-delete-reports-missing",
    message=r'"never-stored" of the batch: expected outcome vector-not-found, was deleted',
)
def missing_deleted_all_the_same() -> None:
    from support.reference.gateway.writes import Writer

    delete = Writer.delete

    async def content_with_it(self: Writer, target: Any, items: Any, progress: Any = None) -> None:
        await delete(self, target, items, progress)
        for item in items:
            item.problem, item.outcome = None, "deleted"

    Writer.delete = content_with_it  # type: ignore[method-assign]


@defect(
    "ids that differ only in case are one document",
    key="similar-ids-are-distinct",
    message=r"UniqueViolationError",
)
def ids_without_case() -> None:
    from support.reference.gateway import content

    point_id = content.point_id
    content.point_id = lambda collection_id, external_id: point_id(collection_id, external_id.lower())


@defect(
    "making a collection that exists is told as done",
    key="collection-name-is-unique",
    message=r"refused with collection-exists\s+but: .*createCollection answered 201",
)
def collection_made_twice() -> None:
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


@defect(
    "long texts are cut when they are stored",
    key="long-document-truncated-for-embedding-only",
    message=r'"long": expected text "window [\s\S]*, was "window ',
)
def texts_cut_in_silence() -> None:
    from support.reference.gateway import operations

    take = operations._take
    operations._take = lambda target, item, text, embedded: take(target, item, text[:1000], embedded)


@defect(
    "the vector size of a new collection is not limited",
    key="size-limits-enforced",
    message=r"POST /api/v1/collections answered 500 against the contract",
    row="dimensions",
)
def collections_of_any_size() -> None:
    from support.reference.gateway.models import CollectionCreate

    CollectionCreate.model_fields["vector_size"].metadata.clear()
    CollectionCreate.model_rebuild(force=True)


@defect(
    "a limit beyond the largest is cut down in silence",
    key="size-limits-enforced",
    message=r"searchVectors answered 200",
    row="search limit",
)
def limits_clamped() -> None:
    from support.reference.gateway import models

    parse = models.parse

    def clamping(model: Any, data: Any) -> Any:
        if isinstance(data, dict) and isinstance(data.get("limit"), int):
            data["limit"] = min(data["limit"], 1000)
        return parse(model, data)

    models.parse = clamping


@defect(
    "one true condition of a filter is enough",
    key="random-filters-match-exactly",
    message=r"is found(?s:.)*smallest example",
)
def filter_by_any_condition() -> None:
    from support.reference.gateway import search

    every = search.qdrant_filter
    search.qdrant_filter = lambda conditions: {"should": every(conditions)["must"]}


@defect(
    "a filter's bound 'less than' lets equal values in",
    key="random-filters-match-exactly",
    message=r"is found(?s:.)*smallest example(?s:.)*\"lt\"",
)
def bounds_include_their_ends() -> None:
    from support.reference.gateway import search

    condition = search._condition

    def inclusive(key: str, value: Any) -> Any:
        made: Any = condition(key, value)
        if isinstance(value, dict) and "lt" in value:
            made["range"] = {("lte" if name == "lt" else name): bound for name, bound in value.items()}
        return made

    search._condition = inclusive


@defect(
    "the filter of a search is dropped on the way to the vector store",
    key="filter-excludes-other-departments",
    message=r"a ranking of \['leave-policy', 'badge-rules'\], in this order[\s\S]*leave-ledger",
)
def filter_ignored() -> None:
    from support.reference.gateway import search

    search.qdrant_filter = lambda conditions: {}


@defect(
    "a filter for the number 5 finds the text 5",
    key="filter-matches-whole-numbers-in-any-notation",
    message=r"exactly \['decimal', 'whole'\][\s\S]*  text",
)
def filters_compare_as_text() -> None:
    from support.reference.gateway import search

    def equal(key: str, value: object) -> dict[str, object]:
        return {"key": key, "match": {"value": str(value)}}

    search._equal = equal


@defect(
    "a search shows one result more than it was asked for",
    key="larger-limit-extends-results",
    message=r"a ranking of \['first', 'second'\], in this order\s+but: the ranking was[\s\S]*third",
)
def one_result_too_many() -> None:
    from support.reference.gateway.search import Searcher

    search = Searcher.search

    async def generous(self: Searcher, wanted: Any) -> Any:
        # As of a comparison with <= where < belongs.
        wanted.limit += 1
        return await search(self, wanted)

    Searcher.search = generous  # type: ignore[method-assign]


def _results_changed(change: Any) -> None:
    """Let ``change`` (wanted, results) decide what a search finds."""
    from support.reference.gateway.search import Searcher

    results = Searcher._results

    async def changed(self: Searcher, wanted: Any, target: Any, vector: Any) -> Any:
        return change(wanted, target, await results(self, wanted, target, vector))

    Searcher._results = changed  # type: ignore[method-assign]


@defect(
    "the ranking is the wrong way round",
    key="results-ordered-by-score",
    message=r"comes after",
)
def worst_results_first() -> None:
    _results_changed(lambda wanted, target, found: found[::-1])


@defect(
    "similarities are rounded to two digits",
    key="score-threshold-is-exact",
    message=r"results\.1\.score: expected 0\.9375, was 0\.94",
)
def scores_of_two_digits() -> None:
    def rounded(wanted: Any, target: Any, found: Any) -> Any:
        return [hit | {"score": round(hit["score"], 2)} for hit in found]

    _results_changed(rounded)


@defect(
    "the threshold is rounded before it is applied",
    key="score-threshold-is-exact",
    message=r"a ranking of \['high'\], in this order\s+but: the ranking was[\s\S]*middle",
)
def threshold_of_two_digits() -> None:
    from support.reference.gateway.qdrant import Qdrant

    query = Qdrant.query

    async def coarse(self: Qdrant, name: str, vector: Any, *, threshold: Any, **wanted: Any) -> Any:
        limit = None if threshold is None else round(threshold, 2)
        return await query(self, name, vector, threshold=limit, **wanted)

    Qdrant.query = coarse  # type: ignore[method-assign]


@defect(
    "where distance counts, the farthest come first",
    key="nearest-first-for-each-distance",
    message=r"a ranking of \['leaning', 'crossing', 'long'\], in this order",
    row="Euclidean",
)
def farthest_first() -> None:
    _results_changed(lambda w, target, found: found[::-1] if target.distance == "euclidean" else found)


@defect(
    "equally similar documents are not put in the order of their ids",
    key="equal-scores-keep-one-order",
    message=r"what all pages list\s+Expected: <\['tie-1', ",
)
def ties_as_they_come() -> None:
    _results_changed(
        lambda wanted, target, found: sorted(found, key=lambda hit: (-hit["score"], hit["point_id"]))
    )


@defect(
    "the second page of a ranking begins with the last result of the first",
    key="result-pages-join-without-gaps",
    message=r"the results of all pages",
)
def pages_of_a_ranking_overlap() -> None:
    from support.reference.gateway.search import Searcher

    search = Searcher.search

    async def beside(self: Searcher, wanted: Any) -> Any:
        wanted.offset = max(0, wanted.offset - 1)
        return await search(self, wanted)

    Searcher.search = beside  # type: ignore[method-assign]


@defect(
    "a text's combining characters are composed when it is stored",
    key="text-stored-verbatim",
    message=r"text: expected .Cafe\u0301",
    row="combining",
)
def texts_composed() -> None:
    from support.reference.gateway import operations

    take = operations._take

    def composed(target: Any, item: Any, text: str, embedded: Any) -> None:
        take(target, item, unicodedata.normalize("NFC", text), embedded)

    operations._take = composed


@defect(
    "the point carries metadata values as text",
    key="metadata-types-kept",
    message=r"the metadata differ: \w+ is '.*' in Qdrant, .* in PostgreSQL",
)
def metadata_as_text() -> None:
    from support.reference.gateway.writes import Item

    point = Item.point

    def textual(self: Item) -> dict[str, object]:
        written: Any = point(self)
        metadata = written["payload"]["metadata"]
        written["payload"]["metadata"] = {name: str(value) for name, value in metadata.items()}
        return dict(written)

    Item.point = textual  # type: ignore[method-assign]


@defect(
    "the embedding service puts a prompt of another model before each text",
    service="embedding",
    key="embeddings-match-golden-vectors",
    message=r"with its golden vector",
)
def texts_embedded_with_a_prompt() -> None:
    from support.reference.embedding.model import MiniLM

    embed = MiniLM.embed

    def prompted(self: MiniLM, text: str) -> Any:
        return embed(self, f"query: {text}")

    MiniLM.embed = prompted  # type: ignore[method-assign]


def _embedded_otherwise(vector_of: Callable[[Any, Any], Any], pad: bool = False) -> None:
    """Let ``vector_of`` (states of the tokens, attention mask) make the vector of a text."""
    import numpy as np

    from support.reference.embedding.model import Embedded, MiniLM

    def embed(self: MiniLM, text: str) -> Embedded:
        if pad:
            self._tokenizer.enable_padding(length=128)
        encoding = self._tokenizer.encode(text)
        tokens = np.array([encoding.ids], dtype=np.int64)
        mask = np.array([encoding.attention_mask], dtype=np.int64)
        given = {"input_ids": tokens, "attention_mask": mask, "token_type_ids": np.zeros_like(tokens)}
        (states,) = self._session.run(["last_hidden_state"], given)
        vector = np.asarray(vector_of(states[0], mask[0]), dtype=np.float32)
        return Embedded(vector, tokens=int(mask.sum()), truncated=bool(encoding.overflowing))

    MiniLM.embed = embed  # type: ignore[method-assign]


def _unit(vector: Any) -> Any:
    import numpy as np

    return vector / np.linalg.norm(vector)


@defect(
    "a text's vector is that of its first token instead of the mean",
    service="embedding",
    key="embeddings-match-golden-vectors",
    message=r"with its golden vector",
)
def pooled_by_the_first_token() -> None:
    _embedded_otherwise(lambda states, mask: _unit(states[0]))


@defect(
    "texts are padded, and the padding counts in the mean",
    service="embedding",
    key="embeddings-match-golden-vectors",
    message=r"with its golden vector",
)
def padding_pooled_as_well() -> None:
    _embedded_otherwise(lambda states, mask: _unit(states.mean(axis=0)), pad=True)


@defect(
    "the embedding service does not scale its vectors to length 1",
    service="embedding",
    key="embeddings-match-golden-vectors",
    message=r"the length of the vector of",
)
def vectors_not_normalised() -> None:
    _embedded_otherwise(lambda states, mask: states.mean(axis=0))


@defect(
    "the embedding service rounds its vectors to two digits",
    service="embedding",
    key="embeddings-match-golden-vectors",
    message=r"with its golden vector",
)
def vectors_of_few_digits() -> None:
    _embedded_otherwise(lambda states, mask: _unit(states.mean(axis=0)).round(2))


@defect(
    "the embeddings of a batch come in the order of the texts' lengths",
    key="embedding-independent-of-batch",
    message=r"the largest difference in any number",
)
def batch_answers_in_order_of_length() -> None:
    from support.reference.gateway.embedding import Embeddings

    fetch = Embeddings._fetch

    async def shuffled(self: Embeddings, texts: list[str], model: str, size: int) -> Any:
        # The usual saving of padding, with the way back forgotten.
        return await fetch(self, sorted(texts, key=len), model, size)

    Embeddings._fetch = shuffled  # type: ignore[method-assign]


@defect(
    "cached embeddings are stored with half the precision",
    key="repeated-embedding-is-cache-hit",
    message=r"the largest difference in any number",
)
def cached_vectors_of_half_precision() -> None:
    import numpy as np

    from support.reference.gateway import content, embedding

    packed = content.packed
    embedding.packed = lambda vector: packed(  # type: ignore[attr-defined]
        vector.astype(np.float16).astype(np.float32)
    )


@defect(
    "that the model did not read the whole text is not told",
    key="long-text-flagged-truncated",
    message=r"truncated: expected true, was false",
)
def truncation_not_told() -> None:
    from support.reference.gateway.embedding import Embeddings

    embed = Embeddings.embed

    async def silent(self: Embeddings, *texts: Any, **options: Any) -> Any:
        return [dataclasses.replace(each, truncated=False) for each in await embed(self, *texts, **options)]

    Embeddings.embed = silent  # type: ignore[method-assign]


@defect(
    "the tokenizer cuts texts at 128 tokens instead of 256",
    service="embedding",
    key="model-reads-to-its-token-limit",
    message=r"truncated: expected false, was true",
)
def read_to_128_only() -> None:
    from support.reference.embedding.model import MiniLM

    init = MiniLM.__init__

    def shorter(self: MiniLM) -> None:
        init(self)
        self._tokenizer.enable_truncation(128)

    MiniLM.__init__ = shorter  # type: ignore[method-assign]


@defect(
    "the vector store measures every collection by cosine",
    key="vectors-stored-exactly",
    message=r"Qdrant keeps vectors of 4 by Cosine, PostgreSQL declares",
)
def every_collection_by_cosine() -> None:
    from support.reference.gateway import qdrant

    for name in qdrant._DISTANCES:
        qdrant._DISTANCES[name] = "Cosine"


@defect(
    "a vector stored again with other numbers is taken for unchanged",
    key="changed-vector-is-an-update",
    message=r"expected updated in version 2, was unchanged in version 1",
)
def any_vector_is_the_same() -> None:
    from support.reference.gateway import writes

    same = writes._same

    def careless(item: Any, row: Any) -> bool:
        return bool(item.text is None and row["source"] == "vector") or same(item, row)

    writes._same = careless


@defect(
    "a rewriting may bring a text and a vector that is not the text's",
    key="text-and-vector-exclude-each-other",
    message=r"updateVector answered 200",
)
def rewritten_by_text_and_vector() -> None:
    from support.reference.gateway.models import Update, WithMetadata

    Update.findings = WithMetadata.findings  # type: ignore[method-assign]
