"""Requests that search."""

from __future__ import annotations

from functools import partial
from typing import Any

from support.corpus.knowledge_base import KnowledgeBase
from support.drivers.gateway import Answer
from support.vocabulary import tables
from support.vocabulary.requests.grammar import Asking, Call, request
from support.vocabulary.tables import Option
from support.world import View

MOST_PAGES = 200
DEFAULT_LIMIT = 10
OPTIONS = {
    "limit": Option("limit", "the most results, 1 to 1000 (10)"),
    "offset": Option("offset", "how many results are passed by (0)"),
    "filter": Option(
        "filter", 'what the metadata must be: department = "kitchen" and pages >= 5', tables.conditions
    ),
    "score threshold": Option("score_threshold", "the least score of a result"),
    "cache": Option("use_cache", "off: neither read from the cache nor stored in it", tables.on_or_off),
    "vectors": Option("include_vector", "on: results with their vectors", tables.on_or_off),
}


@request("searches for {string}", 'searches for "lunch"', options=OPTIONS)
def by_text(ask: Asking, question: str) -> list[Call]:
    """Searches the collection by the meaning of a text."""
    return [_search(ask, query_text=question)]


@request(
    "searches for {string} without and with the cache", 'searches for "lunch" without and with the cache'
)
def without_and_with_cache(ask: Asking, question: str) -> list[Call]:
    """Three searches: with the cache off, with it on, and again, so that the last comes from the cache."""
    fresh = _search(ask, query_text=question, use_cache=False)
    return [fresh, *([_search(ask, query_text=question)] * 2)]


@request("searches for the vector {vector}", "searches for the vector [1, 0]", options=OPTIONS)
def by_vector(ask: Asking, vector: list[float]) -> list[Call]:
    """Searches the collection for the vectors next to one."""
    return [_search(ask, query_vector=vector)]


@request("searches for a vector of {int} numbers", "searches for a vector of 384 numbers", options=OPTIONS)
def by_vector_of(ask: Asking, size: int) -> list[Call]:
    """Searches the collection by a vector of so many ones."""
    return [_search(ask, query_vector=[1.0] * size)]


@request("searches for {string} in pages of {int}", 'searches for "lunch" in pages of 5', options=OPTIONS)
def in_pages(ask: Asking, question: str, size: int) -> list[Call]:
    """Reads a ranking page by page, up to the first empty page; the pages are kept."""
    return [_pages(ask, size, {"query_text": question})]


@request(
    "searches for the vector {vector} in pages of {int}",
    "searches for the vector [1, 0] in pages of 5",
    options=OPTIONS,
)
def vector_in_pages(ask: Asking, vector: list[float], size: int) -> list[Call]:
    """Reads the ranking of a vector page by page, up to the first empty page; the pages are kept."""
    return [_pages(ask, size, {"query_vector": vector})]


@request(
    "searches for {string} with {int} filter conditions", 'searches for "lunch" with 16 filter conditions'
)
def with_conditions(ask: Asking, question: str, count: int) -> list[Call]:
    """Searches with a filter of so many conditions, all of which must hold."""
    return [_search(ask, query_text=question, filter={f"name_{n}": n for n in range(count)})]


@request(
    "searches for {string} with a filter of {int} choices", 'searches for "lunch" with a filter of 64 choices'
)
def with_choices(ask: Asking, question: str, count: int) -> list[Call]:
    """Searches with a filter that allows so many values of one name."""
    return [_search(ask, query_text=question, filter={"name": {"any": list(range(count))}})]


@request("searches for the text of every stored document", "searches for the text of every stored document")
def by_own_texts(ask: Asking) -> list[Call]:
    """One search for each document of the scenario, by its own text; it is the right answer."""
    return [_search(ask, (item,), query_text=text) for item, text in ask.world.texts.items()]


@request("asks every question of the knowledge base", "asks every question of the knowledge base")
def by_questions(ask: Asking) -> list[Call]:
    """One search for each question; the articles that answer it are the right answers."""
    questions = KnowledgeBase.load().questions
    return [_search(ask, tuple(each.answers), query_text=each.text) for each in questions]


def _search(ask: Asking, answers: tuple[str, ...] = (), **wanted: Any) -> Call:
    body = {"collection": ask.collection, **wanted, **ask.members}
    shown = wanted.get("query_text", "a vector")
    what = f'{ask.actor} searches for "{shown}"{"".join(f" with {k} {v}" for k, v in ask.members.items())}'
    make = partial(ask.call, "searchVectors")
    uncached = partial(make, json_body={**body, "use_cache": False})
    # What a filter, a threshold or an offset leaves out says nothing of a document.
    everything = not body.keys() & {"filter", "score_threshold", "offset"}
    view = View(ask.collection, room=body.get("limit", DEFAULT_LIMIT)) if everything else None
    return Call(what, partial(make, json_body=body), about=answers, uncached=uncached, view=view)


def _pages(ask: Asking, size: int, wanted: dict[str, Any]) -> Call:
    collection = ask.collection

    def read() -> Answer:
        pages: list[list[dict[str, Any]]] = []
        ask.world.pages = pages
        while not pages or pages[-1]:
            place = {"limit": size, "offset": size * len(pages)}
            answer = ask.call(
                "searchVectors", json_body={"collection": collection, **wanted, **ask.members, **place}
            )
            if not answer.ok:
                return answer
            pages.append(list(answer.body["results"]))
            assert len(pages) < MOST_PAGES, "the ranking has no end"
        return answer

    return Call(f"{ask.actor} searches in pages of {size}", read)
