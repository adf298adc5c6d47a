"""Documents: stored, read, changed, deleted, listed - by title, in the collection the scenario speaks of."""

from __future__ import annotations

import itertools
import json
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

from hamcrest import assert_that, equal_to, only_contains

from support.drivers.gateway import Answer, GatewayUnreachable
from support.matchers.answers import succeeded
from support.vocabulary.texts import sentences
from support.world import World

LARGEST_BATCH = 50
# Values that a careless store would change: the largest exact integer, tiny and huge numbers, lists, blanks.
DELICATE_METADATA: dict[str, Any] = {
    "largest": 9007199254740991,
    "smallest": -9007199254740991,
    "tiny": 1e-12,
    "fraction": 0.1,
    "zero": 0,
    "yes": True,
    "words": ["one", "", "drei", "四"],
    "mixed": [1, 2.5, False, "x"],
    "quoted": 'it\'s "quoted" \\ and back',
    "nothing": [],
}
TOGETHER_WITHIN_S = 5.0
# Signs that an id may have, and that a careless store would cut off or take for a pattern.
TRIFLES = (".", "-", "_", ":", "0")


def store(world: World, title: str, text: str, metadata: Mapping[str, Any] | None = None) -> Answer:
    """Submit a document by its text."""
    return submit(world, title, text=text, metadata=metadata)


def store_vector(
    world: World, title: str, vector: Sequence[float], metadata: Mapping[str, Any] | None = None
) -> Answer:
    """Submit a document by its vector."""
    return submit(world, title, vector=list(vector), metadata=metadata)


def submit(world: World, title: str, **content: Any) -> Answer:
    """Submit a document; ``content`` are the members of the request, None ones left out."""
    collection, item = place(world, title)
    body = {"collection": collection, "id": item}
    body |= {name: value for name, value in content.items() if value is not None}
    _remember(world, title, content.get("text"))
    return _write(
        world, collection, item, partial(world.citadel.gateway.call, "insertVector", json_body=body)
    )


def have(world: World, title: str, text: str, metadata: Mapping[str, Any] | None = None) -> None:
    """Store a document that must be accepted."""
    assert_that(store(world, title, text, metadata), succeeded(), f'storing "{title}"')


def store_batch(world: World, documents: Sequence[Mapping[str, Any]]) -> Answer:
    """Submit several documents at once, each with ``title``, ``text`` and perhaps ``metadata``."""
    collection = world.names.collection(world.collection)
    items = [
        {"id": world.names.document(document["title"]), **{k: v for k, v in document.items() if k != "title"}}
        for document in documents
    ]
    world.wrote = True
    answer = world.citadel.gateway.call(
        "batchVectors",
        json_body={"operation": "upsert", "collection": collection, "items": items},
        key=world.key,
    )
    for result in answer.body["results"] if answer.ok else []:
        if result["status"] < 300:
            world.ledger.acknowledged[collection, result["id"]] = result["version"]
    return answer


def rewrite(world: World, title: str, **changes: Any) -> Answer:
    """Replace a document's text, vector or metadata."""
    collection, item = place(world, title)
    _remember(world, title, changes.get("text"))
    update = partial(world.citadel.gateway.call, "updateVector", json_body=changes)
    return _write(world, collection, item, partial(update, collection=collection, vector_id=item))


def write_text_and_vector(world: World, title: str) -> list[Answer]:
    """Store a document, and rewrite it, with a text and a vector in one request."""
    both: dict[str, Any] = {"text": "A text of its own.", "vector": [1.0] + [0.0] * 383}
    return [submit(world, title, **both), rewrite(world, title, **both)]


def rewriting(world: World, title: str) -> Callable[[], Answer]:
    """A rewriting in new words, to be carried out when the scenario wants it."""
    return partial(rewrite, world, title, text=f"In new words: {new_text(world, title)}")


def delete(world: World, title: str) -> Answer:
    """Ask for a document's deletion."""
    collection, item = place(world, title)
    call = partial(world.citadel.gateway.call, "deleteVector", collection=collection, vector_id=item)
    return _write(world, collection, item, call, deletes=True)


def last_text(world: World, title: str) -> str:
    """The text of the last submission or rewriting of a document in this scenario."""
    return str(world.evidence["texts"][title])


def _remember(world: World, title: str, text: object) -> None:
    world.evidence["title"] = title
    if text is not None:
        world.evidence.setdefault("texts", {})[title] = text


def _write(
    world: World, collection: str, item: str, call: Callable[..., Answer], *, deletes: bool = False
) -> Answer:
    """Make one write and enter its outcome in the ledger: unknown until there is an answer."""
    world.wrote = True
    was_unknown = (collection, item) in world.ledger.unknown
    world.ledger.unknown.add((collection, item))
    try:
        answer = call(key=world.key)
    except GatewayUnreachable as silence:
        if not silence.sent:
            world.ledger.refuse(collection, item)
        raise
    if deletes and was_unknown and answer.code == "vector-not-found":
        # Whatever became of the write before: it is not there now.
        world.ledger.absent(collection, item)
    else:
        world.ledger.note(collection, item, answer, deletes=deletes)
    return answer


def read(world: World, title: str, *, with_vector: bool = False) -> Answer:
    """Read a document by its id."""
    collection, item = place(world, title)
    query = {"include_vector": "true"} if with_vector else None
    return world.citadel.gateway.call(
        "getVector", query=query, collection=collection, vector_id=item, key=world.key
    )


def titles_listed(world: World, page_size: int) -> list[str]:
    """Every title of the collection, page by page, in the order listed."""
    titles: list[str] = []
    cursor: str | None = None
    while True:
        page = list_page(world, page_size, cursor)
        titles += [world.names.alias_of(item["id"]) for item in page.body["items"]]
        cursor = page.body["next_cursor"]
        if cursor is None:
            return titles


def list_page(world: World, size: int, cursor: str | None) -> Answer:
    """One page of the collection's list; None for the first."""
    query = {"limit": size, **({"cursor": cursor} if cursor else {})}
    collection = world.names.collection(world.collection)
    page = world.citadel.gateway.call("listVectors", query=query, collection=collection, key=world.key)
    assert_that(page, succeeded(), "listing the documents")
    return page


def place(world: World, title: str) -> tuple[str, str]:
    """Where a document lives: the stores' names of its collection and of itself."""
    return world.names.collection(world.collection), world.names.document(title)


def have_many(world: World, count: int) -> list[str]:
    """Store ``count`` documents that must all be accepted; returns their titles."""
    texts = sentences(count, world.names.prefix)
    titles = [f"document {number}" for number in range(1, count + 1)]
    for start in range(0, count, LARGEST_BATCH):
        batch = [
            {"title": title, "text": text}
            for title, text in zip(titles[start : start + LARGEST_BATCH], texts[start:], strict=False)
        ]
        have_batch(world, batch)
    return titles


def have_batch(world: World, documents: Sequence[Mapping[str, Any]]) -> None:
    """Store a batch of which every document must be accepted."""
    answer = store_batch(world, documents)
    assert_that(answer, succeeded(), "storing a batch")
    failed = [result for result in answer.body["results"] if result["status"] >= 300]
    assert not failed, f"documents of the batch failed: {failed[:3]}"


def have_table(world: World, documents: Sequence[Mapping[str, str]]) -> None:
    """Store documents given as rows with title, text and further columns as metadata."""
    for row in documents:
        metadata = {name: value for name, value in row.items() if name not in ("title", "text")}
        have(world, row["title"], row["text"], metadata or None)


def together(tasks: Sequence[Callable[[], Answer]]) -> list[Answer]:
    """Run ``tasks`` at the same moment, each in a thread of its own; answers in the order of the tasks."""
    start = threading.Barrier(len(tasks))

    def at_the_signal(task: Callable[[], Answer]) -> Answer:
        start.wait(TOGETHER_WITHIN_S)
        return task()

    with ThreadPoolExecutor(len(tasks)) as pool:
        return list(pool.map(at_the_signal, tasks))


def store_while(
    world: World, texts: Mapping[str, str], meanwhile: Callable[[], None]
) -> list[Answer | GatewayUnreachable]:
    """Store documents (text by title) at the same time and do something meanwhile; a silence is a value."""

    def store_one(title: str, text: str) -> Answer | GatewayUnreachable:
        try:
            return store(world, title, text)
        except GatewayUnreachable as silence:
            return silence

    with ThreadPoolExecutor(len(texts)) as pool:
        storing = [pool.submit(store_one, title, text) for title, text in texts.items()]
        meanwhile()
        return [one.result() for one in storing]


def new_text(world: World, title: str) -> str:
    """A text that nobody has stored or embedded before: it names this run and scenario."""
    return f"The text of {title} of {world.names.prefix}."


def store_under_id(world: World, title: str, request_id: str) -> Answer:
    """Store a document under the caller's own request id."""
    collection, item = place(world, title)
    body = {"collection": collection, "id": item, "text": new_text(world, title)}
    headers = {"X-Request-ID": request_id}
    insert = partial(world.citadel.gateway.call, "insertVector", json_body=body, headers=headers)
    return _write(world, collection, item, insert)


def store_new_batch(world: World, count: int) -> Answer:
    """Store ``count`` new documents in one request."""
    texts = sentences(count, world.names.prefix)
    return _batch(world, [{"title": f"item {number}", "text": text} for number, text in enumerate(texts, 1)])


def store_flawed_batch(world: World, flawed: int, count: int) -> Answer:
    """A batch whose document number ``flawed`` has an empty text."""
    texts = sentences(count, world.names.prefix)
    texts[flawed - 1] = ""
    return _batch(world, [{"title": f"item {number}", "text": text} for number, text in enumerate(texts, 1)])


def store_mixed_batch(world: World, title: str, count: int) -> Answer:
    """A batch of a document as it is stored already, and ``count`` new ones."""
    new = [
        {"title": f"item {n}", "text": text} for n, text in enumerate(sentences(count, world.names.prefix))
    ]
    return _batch(world, [{"title": title, "text": last_text(world, title)}, *new])


def store_near_ids(world: World) -> Answer:
    """Store documents in one request whose ids differ only in case or in one sign at the end."""
    base = f"Trifle.{world.names.run.id}.{world.names.scenario}"
    ids = [base, base.lower(), base.upper(), *(f"{base}{sign}" for sign in TRIFLES)]
    titles = [f"trifle {number}" for number in range(len(ids))]
    for title, item in zip(titles, ids, strict=True):
        world.names.call(title, item)
    texts = sentences(len(ids), world.names.prefix)
    return _batch(world, [{"title": t, "text": text} for t, text in zip(titles, texts, strict=True)])


def batch(world: World) -> list[str]:
    """Titles of the scenario's last batch, in its order."""
    return list(world.evidence["batch"])


def otherwise_than_stored(world: World) -> dict[str, str]:
    """Documents of the last batch that are not read with the text they were stored with, and what came."""
    found = {}
    for title in batch(world):
        answer = read(world, title)
        if answer.body.get("text") != last_text(world, title):
            found[title] = str(answer.body.get("text", answer.code))
    return found


def have_pages(world: World, pages: Mapping[str, object]) -> None:
    """Store documents by title, each with its number of pages as metadata."""
    for title, number in pages.items():
        have(world, title, f"The {title} document has some pages.", {"pages": number})


def outcomes(world: World) -> list[tuple[str, str]]:
    """``(title, outcome)`` of each document of the last batch, in the order of the answer."""
    results = world.last.body["results"]
    return [(world.names.alias_of(result["id"]), result.get("outcome", "failed")) for result in results]


def in_id_order(world: World, titles: Sequence[str]) -> list[str]:
    """Titles in the order of their ids' bytes."""
    return sorted(titles, key=lambda title: world.names.document(title).encode())


def exactly(value: Any) -> str:
    """A form in which 1, 1.0 and true differ."""
    return json.dumps(value, sort_keys=True, ensure_ascii=False)


def store_together(world: World, count: int, title: str) -> list[Answer]:
    """``count`` identical submissions at the same moment."""
    return together([partial(store, world, title, "One text for all.")] * count)


def rewrite_together(world: World, count: int, title: str) -> list[Answer]:
    """``count`` different rewritings of one document at the same moment."""
    texts = sentences(count, world.names.prefix)
    return together([partial(rewrite, world, title, text=text) for text in texts])


def _batch(world: World, documents: Sequence[Mapping[str, Any]]) -> Answer:
    world.evidence["batch"] = [document["title"] for document in documents]
    for document in documents:
        _remember(world, document["title"], document["text"])
    return store_batch(world, documents)


def ingest_again(world: World) -> list[Answer]:
    """Store every document of ``have_many`` once more, in the batches of the first time."""
    titles: list[str] = world.evidence["titles"]
    texts = sentences(len(titles), world.names.prefix)
    pairs = [{"title": title, "text": text} for title, text in zip(titles, texts, strict=True)]
    return [
        store_batch(world, pairs[start : start + LARGEST_BATCH])
        for start in range(0, len(pairs), LARGEST_BATCH)
    ]


def otherwise_than(answers: Sequence[Answer], outcome: str, version: int) -> list[str]:
    """Documents of these batches that were answered with another outcome or version."""
    assert_that(
        [answer.ok for answer in answers], only_contains(True), f"the batches {list(map(str, answers))}"
    )
    return [
        f"{result['id']}: {result.get('outcome', result['status'])} in version {result.get('version')}"
        for answer in answers
        for result in answer.body["results"]
        if (result.get("outcome"), result.get("version")) != (outcome, version)
    ]


def store_batch_with_misfit(world: World, misfit: int, count: int) -> Answer:
    """A batch of vectors of which number ``misfit`` is one number too short for the text collection."""
    return store_batch(
        world,
        [
            {"title": f"item {number}", "vector": [1.0] * (383 if number == misfit else 384)}
            for number in range(1, count + 1)
        ],
    )


def delete_batch(world: World, titles: Sequence[str]) -> Answer:
    """Ask for the deletion of several documents at once."""
    places = [place(world, title) for title in titles]
    world.wrote = True
    answer = world.citadel.gateway.call(
        "batchVectors",
        json_body={"operation": "delete", "collection": places[0][0], "ids": [item for _c, item in places]},
        key=world.key,
    )
    for result in answer.body["results"] if answer.ok else []:
        if result["status"] < 300:
            world.ledger.acknowledged[places[0][0], result["id"]] = 0
    return answer


def partly_failed(answer: Answer) -> dict[int, str]:
    """The places of a batch that failed, from 1, with the problem of each.

    The answer must say in its status and its counts alike that the batch was carried out in part.
    """
    assert_that(answer.status, equal_to(207), f"a batch carried out in part: {answer}")
    results = answer.body["results"]
    failed = {
        result["index"] + 1: str(result["problem"]["code"]) for result in results if result["status"] >= 300
    }
    told = [answer.body["failed_count"], answer.body["success_count"]]
    assert_that(
        told, equal_to([len(failed), len(results) - len(failed)]), "failed and successful by its counts"
    )
    return failed


def list_while_changing(world: World, size: int) -> list[str]:
    """List page by page; between pages documents come and go.

    After each odd page one is stored that belongs before what was listed, after each even page one is
    deleted that was listed: never both, which would keep what follows in its place. The last that is
    yet to come is deleted each time.
    """
    titles = in_id_order(world, world.evidence["titles"])
    listed: list[str] = []
    gone: list[str] = []
    cursor: str | None = None
    for number in itertools.count(1):
        page = list_page(world, size, cursor)
        listed += [world.names.alias_of(item["id"]) for item in page.body["items"]]
        cursor = page.body["next_cursor"]
        if cursor is None:
            break
        going = [title for title in titles if title not in listed and title not in gone][-1:]
        if number % 2:
            have(world, f"a newcomer {number}", f"What came after {len(listed)} documents.")
        else:
            going.append(listed[-1])
        for title in going:
            assert_that(delete(world, title), succeeded(), f'deleting "{title}" between two pages')
        gone += going
    world.evidence["gone"] = gone
    return listed


def listed_otherwise_than_once(world: World) -> dict[str, int]:
    """Documents that were there all the time and how often they were listed, where that is not once."""
    listed: list[str] = world.evidence["listed"]
    alive = [title for title in world.evidence["titles"] if title not in world.evidence["gone"]]
    assert alive and world.evidence["gone"], "nothing went, or nothing stayed"
    return {title: listed.count(title) for title in alive if listed.count(title) != 1}
