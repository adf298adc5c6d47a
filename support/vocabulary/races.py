"""Races: writers and readers at work on the same documents at the same time, and what each of them saw."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from itertools import pairwise
from typing import Any

from hamcrest import assert_that

from support.drivers.gateway import Answer, Gateway, GatewayUnreachable
from support.faults import Fault
from support.matchers.answers import succeeded
from support.vocabulary import collections, documents, outages, stores
from support.vocabulary.texts import sentences
from support.waiting import eventually
from support.world import World

WITHIN_S = 20.0
# Refusals that a write may get because the other side of the race was first.
LOST_THE_RACE = ("vector-not-found", "collection-not-found", "collection-busy")
CLIENTS = 4
# Acknowledged writes before, and after, the outage in the middle of a load.
MANY = 10


@dataclass(slots=True)
class Seen:
    """What one reader saw, in its own order: (version acknowledged before it asked, version it was shown)."""

    reader: str
    versions: list[tuple[int, int]] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Count:
    """One look at the platform's counts."""

    rows: int
    points: int
    in_flight: int


# --- writers against writers


def store_and_delete(world: World, title: str, writers: int) -> list[Answer]:
    """Half of the writers store a document, each in other words, the others delete it: all at once."""
    texts = sentences(writers, world.names.prefix)
    tasks: list[Callable[[], Answer]] = [
        partial(documents.store, world, title, text)
        if number % 2
        else partial(documents.delete, world, title)
        for number, text in enumerate(texts)
    ]
    return _raced(world, title, tasks)


def rewrite_and_delete(world: World, title: str, writers: int) -> list[Answer]:
    """One writer deletes a document that the others rewrite: all at once."""
    texts = sentences(writers - 1, world.names.prefix)
    rewritings = [partial(documents.rewrite, world, title, text=text) for text in texts]
    return _raced(world, title, [*rewritings, partial(documents.delete, world, title)])


def store_alike_and_apart(world: World, title: str, writers: int) -> list[Answer]:
    """Half of the writers bring the same text, the others one of their own: all at once."""
    common, *own = sentences(writers + 1, world.names.prefix)
    tasks = [
        partial(documents.store, world, title, common if number % 2 else text)
        for number, text in enumerate(own)
    ]
    return _raced(world, title, tasks)


def _raced(world: World, title: str, tasks: Sequence[Callable[[], Answer]]) -> list[Answer]:
    world.answers = documents.together(tasks)
    # Nobody knows which of them was the last: the audit is to judge the stores, not the order.
    collection, item = documents.place(world, title)
    world.ledger.acknowledged.pop((collection, item), None)
    world.ledger.refused.discard((collection, item))
    return world.answers


def refused_otherwise(answers: Sequence[Answer]) -> list[str]:
    """Answers that are neither a success nor the honest loss of a race."""
    return [str(answer) for answer in answers if not answer.ok and answer.code not in LOST_THE_RACE]


def newest_version(answers: Sequence[Answer]) -> int:
    """The highest version that any of the writers was told."""
    return max(int(answer.body["version"]) for answer in answers if answer.ok)


def drop_under_inserts(world: World, alias: str, writers: int) -> list[Answer]:
    """Drop a collection while documents are being stored in it."""
    titles = [f"straggler {number}" for number in range(writers)]
    texts = sentences(writers, world.names.prefix)
    stores_ = [
        partial(documents.store, world, title, text) for title, text in zip(titles, texts, strict=True)
    ]
    world.answers = documents.together([*stores_, partial(collections.drop, world, alias)])
    world.ledger.forget(world.names.collection(alias))
    return world.answers


# --- readers against a writer


def other_clients(world: World, count: int = CLIENTS) -> list[Gateway]:
    """Clients with connections of their own; they are closed at the end of the scenario."""
    own = world.citadel.gateway
    made = []
    for _ in range(count):
        client = Gateway(own.url, own.key, own.contract, own.coverage, own.journal, own.secrets, own.proxy)
        world.undo(client.close)
        made.append(client)
    return made


def unseen_by_others(world: World, title: str, rewritings: int) -> list[str]:
    """Rewrite a document again and again; after each acknowledgement, who does not see the new version."""
    clients = other_clients(world)
    collection, item = documents.place(world, title)
    wrong = []
    for text in sentences(rewritings, world.names.prefix):
        answer = documents.rewrite(world, title, text=text)
        assert_that(answer, succeeded())
        looks = [partial(_look, client, collection, item, text) for client in clients]
        with ThreadPoolExecutor(len(clients)) as pool:
            for seen in pool.map(lambda look: look(), looks):
                wrong += [
                    f"version {answer.body['version']} was acknowledged, but {where} shows {version}"
                    for where, version in seen.items()
                    if version != answer.body["version"]
                ]
    return wrong


def _look(client: Gateway, collection: str, item: str, text: str) -> dict[str, int]:
    """The version that reading, listing, a cached and a fresh search show to one client; 0 for none."""
    search = {"collection": collection, "query_text": text, "limit": 100}
    seen = {"reading": int(client.call("getVector", collection=collection, vector_id=item).body["version"])}
    listed = client.call("listVectors", query={"limit": 100}, collection=collection).body["items"]
    seen["the list"] = _version_in(listed, item)
    for name, use_cache in (("a search", True), ("a fresh search", False)):
        told = client.call("searchVectors", json_body={**search, "use_cache": use_cache})
        seen[name] = _version_in(told.body["results"], item)
    return seen


def _version_in(items: Sequence[dict[str, Any]], item: str) -> int:
    return next((int(each["version"]) for each in items if each["id"] == item), 0)


def read_while_rewriting(world: World, title: str, rewritings: int) -> list[Seen]:
    """Let readers of each kind read a document without a pause while it is rewritten again and again."""
    collection, item = documents.place(world, title)
    search = {"collection": collection, "query_text": documents.last_text(world, title), "limit": 100}
    acknowledged, done = [1], threading.Event()

    def by_id(client: Gateway) -> int:
        return int(client.call("getVector", collection=collection, vector_id=item).body["version"])

    def by_list(client: Gateway) -> int:
        page = client.call("listVectors", query={"limit": 100}, collection=collection)
        return _version_in(page.body["items"], item)

    def by_search(client: Gateway, *, use_cache: bool) -> int:
        told = client.call("searchVectors", json_body={**search, "use_cache": use_cache})
        return _version_in(told.body["results"], item)

    def go_on(reader: str, client: Gateway, read: Callable[[Gateway], int]) -> Seen:
        seen = Seen(reader)
        while not done.is_set():
            before = acknowledged[0]
            seen.versions.append((before, read(client)))
        return seen

    readers: dict[str, Callable[[Gateway], int]] = {
        "reading": by_id,
        "the list": by_list,
        "a search": partial(by_search, use_cache=True),
        "a fresh search": partial(by_search, use_cache=False),
    }
    with ThreadPoolExecutor(len(readers)) as pool:
        clients = other_clients(world, len(readers))
        reading = [
            pool.submit(go_on, name, client, read)
            for (name, read), client in zip(readers.items(), clients, strict=True)
        ]
        try:
            for text in sentences(rewritings, world.names.prefix):
                answer = documents.rewrite(world, title, text=text)
                assert_that(answer, succeeded())
                acknowledged[0] = answer.body["version"]
        finally:
            done.set()
        return [one.result() for one in reading]


def went_back(seen: Sequence[Seen]) -> list[str]:
    """Readers that were shown an older version after a newer one."""
    return [
        f"{one.reader} showed version {later} after version {earlier}"
        for one in seen
        for (_before, earlier), (_then, later) in pairwise(one.versions)
        if later < earlier
    ]


def older_than_acknowledged(seen: Sequence[Seen]) -> list[str]:
    """Readers that asked after an acknowledgement and were shown something older."""
    return [
        f"{one.reader} showed version {shown} after version {before} was acknowledged"
        for one in seen
        for before, shown in one.versions
        if shown < before
    ]


def idle_readers(seen: Sequence[Seen]) -> list[str]:
    """Readers that saw fewer than two versions: they prove nothing."""
    return [one.reader for one in seen if len({shown for _before, shown in one.versions}) < 2]


# --- counts under load


def count_while_loading(world: World, writers: int, each: int) -> list[Count]:
    """Store, and delete every third again, with many writers; meanwhile look at the platform's counts."""
    done = threading.Event()

    def go_on_counting() -> list[Count]:
        seen = []
        while not done.is_set():
            told = collections.status(world, world.collection).body
            seen.append(Count(told["rows_count"], told["points_count"], told["in_flight"]))
        return seen

    def write(writer: int) -> None:
        for number, text in enumerate(sentences(each, f"{world.names.prefix}{writer}")):
            title = f"item {writer}-{number}"
            documents.have(world, title, text)
            if number % 3 == 0:
                assert_that(documents.delete(world, title), succeeded())

    with ThreadPoolExecutor(writers + 1) as pool:
        counting = pool.submit(go_on_counting)
        try:
            list(pool.map(write, range(writers)))
        finally:
            done.set()
        return counting.result()


def uneven(counts: Sequence[Count]) -> list[str]:
    """Looks that found nothing in flight and yet different counts."""
    return [str(count) for count in counts if count.in_flight == 0 and count.rows != count.points]


# --- set-full accounting


def store_through_an_outage(world: World, target: str, writers: int) -> None:
    """Store documents with many writers; ``target`` crashes and comes back in the middle."""
    done = threading.Event()

    def write(writer: int) -> None:
        number = 0
        while not done.is_set():
            title = f"entry {writer}-{number}"
            _store_whatever_happens(world, title, f"Entry {number} of writer {writer} {world.names.prefix}.")
            number += 1

    with ThreadPoolExecutor(writers) as pool:
        running = [pool.submit(write, writer) for writer in range(writers)]
        try:
            _acknowledged_more(world, MANY)
            fault: Fault = outages.strike(world, target, "crashed")
            eventually(
                lambda: len(world.ledger.refused) + len(world.ledger.unknown),
                lambda failed: failed > writers,
                within=WITHIN_S,
                what="writes fail during the outage",
            )
            assert fault.hits() > 0, f"{fault} hit nothing"
            outages.lift(world)
            _acknowledged_more(world, MANY)
        finally:
            done.set()
        for one in running:
            one.result()


def _acknowledged_more(world: World, count: int) -> None:
    before = len(world.ledger.acknowledged)
    eventually(
        lambda: len(world.ledger.acknowledged),
        lambda now: now >= before + count,
        within=WITHIN_S,
        what=f"{count} more documents are acknowledged",
    )


def _store_whatever_happens(world: World, title: str, text: str) -> None:
    """What became of it stands in the ledger."""
    try:
        documents.store(world, title, text)
    except GatewayUnreachable:
        return


def misplaced(world: World) -> list[str]:
    """Every id of the history against both stores and the platform's own list, by what became of its write.

    Acknowledged: everywhere. Refused: nowhere. Unknown: everywhere or nowhere.
    """
    outages.nothing_in_flight(world)
    name = world.names.collection(world.collection)
    rows = {row.external_id for row in stores.rows(world).stored_rows(name)}
    points = {point.external_id or "" for point in stores.vectors(world).points(name)}
    listed = {world.names.document(title) for title in documents.titles_listed(world, 100)}
    ledger, wrong = world.ledger, []
    fates = (
        ("acknowledged", {item for (_c, item), version in ledger.acknowledged.items() if version}, {3}),
        ("refused", {item for _c, item in ledger.refused}, {0}),
        ("unknown", {item for _c, item in ledger.unknown}, {0, 3}),
    )
    for fate, items, right in fates:
        for item in sorted(items):
            held = [where for where, ids in _places(rows, points, listed) if item in ids]
            if len(held) not in right:
                wrong.append(f"{item}: {fate}, but held by {', '.join(held) or 'nobody'}")
    known = {item for _fate, items, _right in fates for item in items}
    return wrong + [f"{item}: nobody has stored that" for item in sorted((rows | points | listed) - known)]


def _places(rows: set[str], points: set[str], listed: set[str]) -> tuple[tuple[str, set[str]], ...]:
    return (("PostgreSQL", rows), ("Qdrant", points), ("the list", listed))
