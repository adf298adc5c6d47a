"""Requests about documents."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from support.drivers.gateway import Answer, GatewayUnreachable
from support.vocabulary import random_metadata, tables
from support.vocabulary.requests.grammar import Asking, Call, request
from support.vocabulary.tables import Option
from support.vocabulary.texts import of_words, sentences
from support.world import View

CONTENT = {
    "text": Option("text", "the text", tables.words),
    "vector": Option("vector", "the vector", tables.numbers),
    "model": Option("model", "the embedding model", tables.words),
    "metadata.<name>": Option("metadata", 'a metadata value; "no metadata" is an empty set of them'),
    "no metadata": Option("metadata", "an empty set of metadata"),
}
LARGEST_BATCH = 100
# Long texts: so many are embedded well within the embedding service's limit on a busy machine too.
LONG_TEXTS = 8
MOST_PAGES = 500


@request(
    "stores the document {string} with the text {string}",
    'stores the document "menu" with the text "Lunch is at noon."',
    options={name: option for name, option in CONTENT.items() if name != "text"},
)
def store_text(ask: Asking, item: str, text: str) -> list[Call]:
    """Inserts or overwrites one document by its text."""
    return [_insert(ask, item, {"text": text, **ask.members})]


@request(
    "stores the document {string} with the vector {vector}",
    'stores the document "corner" with the vector [1, 0.5]',
    options={name: option for name, option in CONTENT.items() if name != "vector"},
)
def store_vector(ask: Asking, item: str, vector: list[float]) -> list[Call]:
    """Inserts or overwrites one document by its vector."""
    return [_insert(ask, item, {"vector": vector, **ask.members})]


@request("stores the document {string}", 'stores the document "menu"', options=CONTENT)
def store(ask: Asking, item: str) -> list[Call]:
    """Inserts one document; without options its text is new to the platform."""
    content = ask.members or {"text": f"The text of {item}, for {ask.world.names.prefix}."}
    return [_insert(ask, item, content)]


@request("stores {int} documents", "stores 30 documents")
def store_many(ask: Asking, count: int) -> list[Call]:
    """Inserts documents one by one, "document-1" and so on, each with a text of its own."""
    return [_insert(ask, item, {"text": text}) for item, text in many(ask, count).items()]


@request(
    "stores {int} documents one after the other and deletes every third of them",
    "stores 15 documents one after the other and deletes every third of them",
)
def store_and_delete(ask: Asking, count: int) -> list[Call]:
    """Inserts new documents and deletes every third again at once, by one client, up to the first refusal."""
    calls: list[Call] = []
    for number, (item, text) in enumerate(many(ask, count).items()):
        calls += [_insert(ask, item, {"text": text}), *([_delete(ask, item)] if number % 3 == 0 else [])]

    def work() -> Answer:
        for call in calls:
            answer = call.make()
            if not answer.ok:
                break
        return answer

    return [Call(f"{ask.actor} stores {count} documents and deletes every third of them", work)]


@request("stores {int} documents in one batch", "stores 25 documents in one batch")
def store_many_in_batch(ask: Asking, count: int) -> list[Call]:
    """Inserts documents, "document-1" and so on, in one request."""
    return [_batch(ask, [{"id": item, "text": text} for item, text in many(ask, count).items()])]


@request(
    "stores {int} vectors of {int} numbers in one batch", "stores 100 vectors of 384 numbers in one batch"
)
def store_vectors(ask: Asking, count: int, size: int) -> list[Call]:
    """Inserts documents by equal vectors, without a text, in one request."""
    return [_batch(ask, [{"id": item, "vector": [1.0] * size} for item in many(ask, count)])]


@request("stores every document again in one batch", "stores every document again in one batch")
def store_again(ask: Asking) -> list[Call]:
    """Inserts every document of the scenario once more in one request, with the text that it had last."""
    return [_batch(ask, [{"id": item, "text": text} for item, text in ask.world.texts.items()])]


@request(
    "stores the document {string} with a text of {int} words",
    'stores the document "long" with a text of 600 words',
)
def store_words(ask: Asking, item: str, count: int) -> list[Call]:
    """Inserts a document with a text of so many words; each is one token of the default model."""
    return [_insert(ask, item, {"text": of_words(count)})]


@request(
    "stores the document {string} with a vector of {int} numbers",
    'stores the document "long" with a vector of 4096 numbers',
)
def store_numbers(ask: Asking, item: str, count: int) -> list[Call]:
    """Inserts a document with a vector of so many numbers."""
    return [_insert(ask, item, {"vector": [1.0] * count})]


@request(
    "stores the document {string} with {int} metadata values",
    'stores the document "menu" with 64 metadata values',
)
def store_metadata_values(ask: Asking, item: str, count: int) -> list[Call]:
    """Inserts a document with so many metadata values."""
    metadata = {f"name_{number}": number for number in range(count)}
    return [_insert(ask, item, {"text": "A text.", "metadata": metadata})]


@request(
    "stores the document {string} with a metadata list of {int} values",
    'stores the document "menu" with a metadata list of 64 values',
)
def store_metadata_list(ask: Asking, item: str, length: int) -> list[Call]:
    """Inserts a document with a list of so many values as metadata."""
    return [_insert(ask, item, {"text": "A text.", "metadata": {"list": list(range(length))}})]


@request("stores {int} documents with random metadata", "stores 60 documents with random metadata")
def store_random(ask: Asking, count: int) -> list[Call]:
    """Inserts documents with the vector [1, 2] and metadata that are easily mixed up, by the run's seed."""
    made = [
        {"id": item, "vector": [1.0, 2.0], "metadata": metadata}
        for item, metadata in random_metadata.documents(ask.world.citadel.seed, count).items()
    ]
    return [_batch(ask, made[start : start + LARGEST_BATCH]) for start in range(0, count, LARGEST_BATCH)]


@request("stores these documents", "stores these documents", rows=tables.document)
def store_rows(ask: Asking) -> list[Call]:
    """Inserts the documents of the table one by one."""
    made = [tables.document(row) for row in ask.rows]
    return [_insert(ask, each.get("id", ""), {k: v for k, v in each.items() if k != "id"}) for each in made]


@request("stores these documents in one batch", "stores these documents in one batch", rows=tables.document)
def store_rows_in_batch(ask: Asking) -> list[Call]:
    """Inserts the documents of the table in one request."""
    return [_batch(ask, [tables.document(row) for row in ask.rows])]


@request("updates {string}", 'updates "menu"', options=CONTENT)
def update(ask: Asking, item: str) -> list[Call]:
    """Changes the text, the vector or the metadata of a document; what is not named is left alone."""
    changes = ask.members
    _remember(ask, item, changes)
    make = partial(ask.call, "updateVector", json_body=changes, collection=ask.collection, vector_id=item)
    return [_write(ask, item, f'updates "{item}"', make)]


@request("deletes {ids}", 'deletes "menu"')
def delete(ask: Asking, items: list[str]) -> list[Call]:
    """Deletes documents, one request for each."""
    return [_delete(ask, item) for item in items]


@request("deletes {ids} in one batch", 'deletes "menu" and "soup" in one batch')
def delete_batch(ask: Asking, items: list[str]) -> list[Call]:
    """Deletes documents in one request."""
    collection = ask.collection
    body = {"operation": "delete", "collection": collection, "ids": items}

    def make() -> Answer:
        ask.world.wrote = True
        answer = ask.call("batchVectors", json_body=body)
        for result in answer.body["results"] if answer.ok else []:
            if result["status"] < 300:
                ask.world.ledger.acknowledge((collection, result["id"]), 0)
        return answer

    return [Call(f"{ask.actor} deletes {len(items)} documents in one batch", make, about=tuple(items))]


@request(
    "reads {string}",
    'reads "menu"',
    options={"vector": Option("include_vector", "on: the vector as well", tables.on_or_off)},
)
def read(ask: Asking, item: str) -> list[Call]:
    """Reads one document by its id."""
    query = {name: str(value).lower() for name, value in ask.members.items()}
    make = partial(ask.call, "getVector", query=query or None, collection=ask.collection, vector_id=item)
    return [Call(f'{ask.actor} reads "{item}"', make, view=View(ask.collection, item))]


@request("lists the documents", "lists the documents")
def list_documents(ask: Asking) -> list[Call]:
    """Reads the list of the collection to its end, in the largest pages."""
    return list_in_pages(ask, LARGEST_BATCH)


@request("lists the documents in pages of {int}", "lists the documents in pages of 10")
def list_in_pages(ask: Asking, size: int) -> list[Call]:
    """Reads the list of the collection page by page to its end; the pages are kept."""
    return [Call(f"{ask.actor} lists the documents", partial(to_the_end, ask, partial(_page, ask, size)))]


@request("lists the first {int} documents", "lists the first 3 documents")
def list_first(ask: Asking, size: int) -> list[Call]:
    """Reads the first page of the list of the collection; the page is kept."""

    def read() -> Answer:
        ask.world.pages = []
        return keep_page(ask, _page(ask, size, None))

    view = View(ask.collection, room=size)
    return [Call(f"{ask.actor} lists the first {size} documents", read, view=view)]


@request("lists the next {int} documents", "lists the next 3 documents")
def list_next(ask: Asking, size: int) -> list[Call]:
    """Reads the page of the list after the one read last; it is kept with those before it."""

    def read() -> Answer:
        assert ask.world.cursor, "the list has no next page"
        return keep_page(ask, _page(ask, size, ask.world.cursor))

    return [Call(f"{ask.actor} lists the next {size} documents", read)]


def _page(ask: Asking, size: int, cursor: str | None) -> Answer:
    query = {"limit": size, **({"cursor": cursor} if cursor else {})}
    return ask.call("listVectors", query=query, collection=ask.collection)


def keep_page(ask: Asking, answer: Answer) -> Answer:
    """Keep a page of a list, and where the list goes on after it."""
    if answer.ok:
        ask.world.pages.append(listed(ask, answer.body))
        ask.world.cursor = answer.body["next_cursor"]
    return answer


def listed(ask: Asking, body: Mapping[str, Any]) -> list[dict[str, Any]]:
    """What a page lists: its documents, its jobs, or the scenario's own collections by their names in it."""
    if "items" in body:
        return list(body["items"])
    if "jobs" in body:
        return [{"id": each["job_id"], **each} for each in body["jobs"]]
    names = ask.world.names
    own = [each for each in body["collections"] if each["name"].startswith(names.prefix)]
    return [{"id": names.alias_of(each["name"]), **each} for each in own]


def to_the_end(ask: Asking, page: Callable[[str | None], Answer]) -> Answer:
    """Follow the cursors to the end of a list and keep its pages; the last answer, or the first refusal."""
    ask.world.pages = []
    answer = keep_page(ask, page(None))
    while answer.ok and ask.world.cursor is not None:
        assert len(ask.world.pages) < MOST_PAGES, "the list has no end"
        answer = keep_page(ask, page(ask.world.cursor))
    return answer


def many(ask: Asking, count: int) -> dict[str, str]:
    """Texts by id of documents that nobody has stored before; they are numbered through the scenario."""
    texts = sentences(count, f"{ask.world.names.prefix}{ask.number}")
    numbers = [next(ask.world.numbers) for _ in range(count)]
    return {f"document-{number}": text for number, text in zip(numbers, texts, strict=True)}


def _insert(ask: Asking, item: str, content: Mapping[str, Any]) -> Call:
    collection = ask.collection
    # An empty id is left out: the platform then gives one.
    body = {"collection": collection, **({"id": item} if item else {}), **content}
    _remember(ask, item, {"metadata": {}, **content})
    make = partial(ask.call, "insertVector", json_body=body)
    return _write(ask, item, f'stores the document "{item}"', make)


def batches(ask: Asking, items: list[dict[str, Any]]) -> list[Call]:
    """Insert long texts in several requests."""
    return [_batch(ask, items[start : start + LONG_TEXTS]) for start in range(0, len(items), LONG_TEXTS)]


def _batch(ask: Asking, items: list[dict[str, Any]]) -> Call:
    collection = ask.collection
    body = {"operation": "upsert", "collection": collection, "items": items}
    for each in items:
        _remember(ask, str(each.get("id", "")), {"metadata": {}, **each})

    def make() -> Answer:
        world = ask.world
        world.wrote = True
        answer = ask.call("batchVectors", json_body=body)
        for result in answer.body["results"] if answer.ok else []:
            if result["status"] < 300:
                world.ledger.acknowledge((collection, result["id"]), result["version"])
        return answer

    sent = tuple(str(each.get("id", "")) for each in items)
    return Call(f"{ask.actor} stores {len(items)} documents in one batch", make, about=sent)


def _delete(ask: Asking, item: str) -> Call:
    make = partial(ask.call, "deleteVector", collection=ask.collection, vector_id=item)
    return _write(ask, item, f'deletes "{item}"', make, deletes=True)


def _remember(ask: Asking, item: str, content: Mapping[str, Any]) -> None:
    if isinstance(content.get("text"), str):
        ask.world.texts[item] = content["text"]
    if "metadata" in content:
        ask.world.metadata[item] = content["metadata"]


def _write(ask: Asking, item: str, what: str, make: Callable[[], Answer], *, deletes: bool = False) -> Call:
    """A write whose outcome is entered in the client's history: unknown until there is an answer."""
    world, collection = ask.world, ask.collection

    def write() -> Answer:
        world.wrote = True
        ledger = world.ledger
        was_unknown = (collection, item) in ledger.unknown
        with ledger.writing((collection, item), deletes=deletes):
            try:
                answer = make()
            except GatewayUnreachable as silence:
                if silence.sent:
                    ledger.doubt((collection, item))
                else:
                    ledger.refuse(collection, item)
                raise
            if deletes and was_unknown and answer.code == "vector-not-found":
                # Whatever became of the write before: it is not there now.
                ledger.absent(collection, item)
            elif not item and answer.ok:
                ledger.refuse(collection, item)
                ledger.note(collection, str(answer.body["id"]), answer)
            else:
                ledger.note(collection, item, answer, deletes=deletes)
        return answer

    return Call(f"{ask.actor} {what}", write, about=(item,))
