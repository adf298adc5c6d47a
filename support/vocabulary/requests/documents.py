"""Requests about documents."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from support.drivers.gateway import Answer, GatewayUnreachable
from support.vocabulary import tables
from support.vocabulary.requests.grammar import Asking, Call, request
from support.vocabulary.tables import Option
from support.vocabulary.texts import sentences

CONTENT = {
    "text": Option("text", "the text", tables.words),
    "vector": Option("vector", "the vector", tables.numbers),
    "model": Option("model", "the embedding model", tables.words),
    "metadata.<name>": Option("metadata", 'a metadata value; "no metadata" is an empty set of them'),
    "no metadata": Option("metadata", "an empty set of metadata"),
}
LARGEST_BATCH = 100
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


@request("stores {int} documents in one batch", "stores 25 documents in one batch")
def store_many_in_batch(ask: Asking, count: int) -> list[Call]:
    """Inserts documents, "document-1" and so on, in one request."""
    return [_batch(ask, [{"id": item, "text": text} for item, text in many(ask, count).items()])]


@request("stores these documents", "stores these documents", rows=True)
def store_rows(ask: Asking) -> list[Call]:
    """Inserts the documents of the table one by one."""
    made = [tables.document(row) for row in ask.rows]
    return [_insert(ask, each.get("id", ""), {k: v for k, v in each.items() if k != "id"}) for each in made]


@request("stores these documents in one batch", "stores these documents in one batch", rows=True)
def store_rows_in_batch(ask: Asking) -> list[Call]:
    """Inserts the documents of the table in one request."""
    return [_batch(ask, [tables.document(row) for row in ask.rows])]


@request("updates {string}", 'updates "menu"', options=CONTENT)
def update(ask: Asking, item: str) -> list[Call]:
    """Changes the text, the vector or the metadata of a document; what is not named is left alone."""
    changes = ask.members
    item = ask.world.names.known(item)
    _remember(ask, item, changes)
    make = partial(ask.call, "updateVector", json_body=changes, collection=ask.collection, vector_id=item)
    return [_write(ask, item, f'updates "{item}"', make)]


@request("deletes {string}", 'deletes "menu"')
def delete(ask: Asking, item: str) -> list[Call]:
    """Deletes one document."""
    item = ask.world.names.known(item)
    make = partial(ask.call, "deleteVector", collection=ask.collection, vector_id=item)
    return [_write(ask, item, f'deletes "{item}"', make, deletes=True)]


@request("deletes {ids} in one batch", 'deletes "menu" and "soup" in one batch')
def delete_batch(ask: Asking, items: list[str]) -> list[Call]:
    """Deletes documents in one request."""
    collection = ask.collection
    items = [ask.world.names.known(item) for item in items]
    body = {"operation": "delete", "collection": collection, "ids": items}

    def make() -> Answer:
        ask.world.wrote = True
        answer = ask.call("batchVectors", json_body=body)
        for result in answer.body["results"] if answer.ok else []:
            if result["status"] < 300:
                ask.world.ledger.acknowledged[collection, result["id"]] = 0
        return answer

    return [Call(f"{ask.actor} deletes {len(items)} documents in one batch", make)]


@request(
    "reads {string}",
    'reads "menu"',
    options={"vector": Option("include_vector", "on: the vector as well", tables.on_or_off)},
)
def read(ask: Asking, item: str) -> list[Call]:
    """Reads one document by its id."""
    query = {name: str(value).lower() for name, value in ask.members.items()}
    item = ask.world.names.known(item)
    make = partial(ask.call, "getVector", query=query or None, collection=ask.collection, vector_id=item)
    return [Call(f'{ask.actor} reads "{item}"', make)]


@request("lists the documents", "lists the documents")
def list_documents(ask: Asking) -> list[Call]:
    """Reads the list of the collection to its end, in the largest pages."""
    return list_in_pages(ask, LARGEST_BATCH)


@request("lists the documents in pages of {int}", "lists the documents in pages of 10")
def list_in_pages(ask: Asking, size: int) -> list[Call]:
    """Reads the list of the collection page by page to its end; the pages are kept."""
    collection = ask.collection

    def page(cursor: str | None) -> Answer:
        query = {"limit": size, **({"cursor": cursor} if cursor else {})}
        return ask.call("listVectors", query=query, collection=collection)

    return [Call(f"{ask.actor} lists the documents", partial(to_the_end, ask, page))]


def to_the_end(ask: Asking, page: Callable[[str | None], Answer]) -> Answer:
    """Follow the cursors to the end of a list and keep its pages; the last answer, or the first refusal."""
    ask.world.pages = []
    cursor: str | None = None
    while True:
        answer = page(cursor)
        if not answer.ok:
            return answer
        ask.world.pages.append(list(answer.body["items"]))
        cursor = answer.body["next_cursor"]
        if cursor is None:
            return answer
        assert len(ask.world.pages) < MOST_PAGES, "the list has no end"


def many(ask: Asking, count: int) -> dict[str, str]:
    """Texts by id of documents that nobody has stored before; they are numbered through the scenario."""
    texts = sentences(count, f"{ask.world.names.prefix}{ask.number}")
    numbers = [next(ask.world.numbers) for _ in range(count)]
    return {f"document-{number}": text for number, text in zip(numbers, texts, strict=True)}


def _insert(ask: Asking, item: str, content: Mapping[str, Any]) -> Call:
    collection = ask.collection
    # An empty id is left out: the platform then gives one.
    body = {"collection": collection, **({"id": item} if item else {}), **content}
    _remember(ask, item, content)
    make = partial(ask.call, "insertVector", json_body=body)
    return _write(ask, item, f'stores the document "{item}"', make)


def _batch(ask: Asking, items: list[dict[str, Any]]) -> Call:
    collection = ask.collection
    body = {"operation": "upsert", "collection": collection, "items": items}
    for each in items:
        _remember(ask, str(each.get("id", "")), each)

    def make() -> Answer:
        world = ask.world
        world.wrote = True
        answer = ask.call("batchVectors", json_body=body)
        for result in answer.body["results"] if answer.ok else []:
            if result["status"] < 300:
                world.ledger.acknowledged[collection, result["id"]] = result["version"]
        return answer

    return Call(f"{ask.actor} stores {len(items)} documents in one batch", make)


def _remember(ask: Asking, item: str, content: Mapping[str, Any]) -> None:
    if isinstance(content.get("text"), str):
        ask.world.texts[item] = content["text"]


def _write(ask: Asking, item: str, what: str, make: Callable[[], Answer], *, deletes: bool = False) -> Call:
    """A write whose outcome is entered in the client's history: unknown until there is an answer."""
    world, collection = ask.world, ask.collection

    def write() -> Answer:
        world.wrote = True
        ledger = world.ledger
        was_unknown = (collection, item) in ledger.unknown
        ledger.unknown.add((collection, item))
        try:
            answer = make()
        except GatewayUnreachable as silence:
            if not silence.sent:
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

    return Call(f"{ask.actor} {what}", write)
