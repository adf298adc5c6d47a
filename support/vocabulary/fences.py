"""The fence around the cache: searches and writes interleaved in an exact order.

Order is made by size, not by time: on a narrow link a large answer (or request) is under way for most of a
second while a small one passes at once, so a write overtakes a search, or a search overtakes a write.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from typing import Any

from hamcrest import assert_that

from support.drivers.gateway import Answer
from support.faults import Fault
from support.matchers.answers import succeeded
from support.vocabulary import caches, documents, outages, searches, stores
from support.waiting import eventually
from support.world import World

# How long the large one is under way: well within the gateway's patience with the vector store.
UNDER_WAY_S = 0.8
UNDER_WAY_WITHIN_S = 3.0
BYSTANDERS = 20
# A search that shows vectors has a large answer.
LARGE = {"include_vector": True, "limit": 50}
# A document by vector with these metadata is a large request; a search in its collection is a small one.
LARGE_METADATA = {f"remark_{number}": "x" * 2000 for number in range(60)}
LARGE_METADATA_BYTES = 60 * 2000
DIRECTION = [0.6, 0.8, 0.0, 0.0]


def rewrite_while_search_is_under_way(world: World, title: str) -> None:
    """Rewrite a document after the vector store has answered a search and before the answer arrived."""
    _write_while_search_is_under_way(world, title, documents.rewriting(world, title))


def delete_while_search_is_under_way(world: World, title: str) -> None:
    """Delete a document after the vector store has answered a search and before the answer arrived."""
    _write_while_search_is_under_way(world, title, partial(documents.delete, world, title))


def _write_while_search_is_under_way(world: World, title: str, write: Callable[[], Answer]) -> None:
    """Carry out ``write`` after the vector store has answered a search and before the answer arrived."""
    question = f"What do we know of {title}?"
    documents.have_many(world, BYSTANDERS)
    size = len(searches.ask(world, question, use_cache=False, **LARGE).text)
    with _narrow(world, "downstream", size) as link, ThreadPoolExecutor(1) as pool:
        slow = pool.submit(partial(searches.ask, world, question, **LARGE))
        eventually(link.hits, bool, within=UNDER_WAY_WITHIN_S, what="the slow search's answer is on its way")
        assert_that(write(), succeeded(), "the write that overtakes the search")
        _still_under_way(slow, "the search")
        link.lift()
        world.evidence["overtaken"] = slow.result()
    world.evidence["question"] = {"query_text": question, **LARGE}


def search_while_write_is_on_its_way(world: World, title: str) -> None:
    """Search, with the cache, after a change was announced and before it has reached the vector store."""
    question: dict[str, Any] = {"query_vector": DIRECTION}
    changed = partial(documents.store_vector, world, title, DIRECTION, LARGE_METADATA)
    with _narrow(world, "upstream", LARGE_METADATA_BYTES) as link, ThreadPoolExecutor(1) as pool:
        write = pool.submit(changed)
        _announced(world)
        world.evidence["overtaken"] = searches.ask_by_vector(world, DIRECTION)
        _still_under_way(write, "the write")
        link.lift()
        assert_that(write.result(), succeeded(), "the write that was overtaken")
    world.evidence["question"] = question


def search_before_the_last_commit(world: World, title: str) -> None:
    """Search, with the cache, when the vector store has the change and the row has not."""
    question: dict[str, Any] = {"query_vector": DIRECTION}
    with stores.rows(world).open_transaction() as session, ThreadPoolExecutor(1) as pool:
        name = world.names.collection(world.collection)
        session.execute("SELECT FROM collections WHERE name = %s FOR NO KEY UPDATE", (name,))
        write = pool.submit(partial(documents.store_vector, world, title, DIRECTION, LARGE_METADATA))
        eventually(
            lambda: stores.rows(world).sessions_waiting("collections"),
            bool,
            within=UNDER_WAY_WITHIN_S,
            what="the write has come to its last commit",
        )
        world.evidence["overtaken"] = searches.ask_by_vector(world, DIRECTION)
        _still_under_way(write, "the write")
        session.close()
        assert_that(write.result(), succeeded(), "the write that was overtaken")
    world.evidence["question"] = question


def asked_again(world: World, **options: Any) -> Answer:
    """The overtaken search's question once more."""
    name = world.names.collection(world.collection)
    body = {"collection": name, **world.evidence["question"], **options}
    answer = world.citadel.gateway.call("searchVectors", json_body=body, key=world.key)
    assert_that(answer, succeeded(), "the search")
    return answer


def later_differences(world: World) -> list[str]:
    """What is wrong with the question's next answers: another content than computed, the last not cached."""
    fresh = asked_again(world, use_cache=False)
    later = [asked_again(world) for _ in range(2)]
    wrong = [
        f"answer {number} ({answer.body['cache_info']['status']}) shows {_versions(answer)},"
        f" without the cache it is {_versions(fresh)}"
        for number, answer in enumerate(later, 1)
        if caches.results_of(answer) != caches.results_of(fresh)
    ]
    return wrong if caches.came_from_cache(later[-1]) else [*wrong, "the second answer is not cached"]


def came_before_the_change(world: World) -> bool:
    """Whether the overtaken answer is another than the one of now: else the order was not as meant."""
    return caches.results_of(overtaken(world)) != caches.results_of(asked_again(world, use_cache=False))


def _versions(answer: Answer) -> str:
    shown = [f"{item['id'].partition('.')[0]} v{item['version']}" for item in answer.body["results"][:5]]
    return f"{len(answer.body['results'])} results: {', '.join(shown)}"


def overtaken(world: World) -> Answer:
    """The answer of the search that was overtaken, or overtook."""
    answer = world.evidence["overtaken"]
    assert isinstance(answer, Answer)
    assert_that(answer, succeeded(), "the search")
    return answer


@contextmanager
def _narrow(world: World, stream: str, size: int) -> Iterator[Fault]:
    fault = outages.strike(
        world, "qdrant", "narrow", kb_per_s=max(1, round(size / UNDER_WAY_S / 1000)), stream=stream
    )
    yield fault
    world.faults.remove(fault)


def _announced(world: World) -> None:
    name = world.names.collection(world.collection)
    eventually(
        lambda: len(stores.rows(world).open_events(name)),
        bool,
        within=UNDER_WAY_WITHIN_S,
        what="the change is announced in the metadata store",
    )


def _still_under_way(one: Future[Answer], what: str) -> None:
    """Else the order that the scenario is about has not come about, and it would prove nothing."""
    assert not one.done(), f"{what} was answered too early: {one.result()}"
