"""Searches: questions asked of a collection, and the ranking that came back."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from hamcrest import assert_that

from support.drivers.gateway import Answer
from support.matchers.answers import succeeded
from support.matchers.rankings import Hit
from support.vocabulary import collections, documents
from support.world import World

TIED = [1.0, 2.0, 3.0]
MOST_PAGES = 200
# Two texts whose similarity is below this are not the same text.
LIKE_ITSELF = 0.99


def ask(world: World, question: str, **options: Any) -> Answer:
    """Search the scenario's collection by meaning; ``options`` are members of the request."""
    return _search(world, query_text=question, **options)


def ask_by_vector(world: World, vector: Sequence[float], **options: Any) -> Answer:
    """Search the scenario's collection by a vector."""
    return _search(world, query_vector=list(vector), **options)


def ranking(world: World, answer: Answer) -> list[Hit]:
    """The results of a search under the scenario's own titles, best first."""
    assert_that(answer, succeeded(), "the search")
    return [Hit(world.names.alias_of(item["id"]), float(item["score"])) for item in answer.body["results"]]


def _search(world: World, **body: Any) -> Answer:
    collection = world.names.collection(world.collection)
    world.evidence["search"] = body
    return world.citadel.gateway.call(
        "searchVectors", json_body={"collection": collection, **body}, key=world.key
    )


def again(world: World, **options: Any) -> Answer:
    """The scenario's last search once more, with other options."""
    return _search(world, **{**world.evidence["search"], **options})


def text_of(world: World, answer: Answer, title: str) -> str | None:
    """The text a search shows for a document, or None where it does not show it."""
    wanted = world.names.document(title)
    return next((item["text"] for item in answer.body["results"] if item["id"] == wanted), None)


def have_ties(world: World, count: int) -> list[str]:
    """Documents in a collection of small vectors, all with the same one; returns their titles."""
    collections.have(world, "ties", vector_size=3, model=None)
    titles = [f"tie {number}" for number in range(count)]
    documents.have_batch(world, [{"title": title, "vector": TIED} for title in titles])
    return titles


def ranked_by_numbers(world: World, numbers: str) -> str:
    """Titles that a search by ``numbers`` finds, best first, as an enumeration."""
    vector = [float(number) for number in numbers.split(",")]
    return ", ".join(hit.title for hit in ranking(world, ask_by_vector(world, vector)))


def page_through(world: World, size: int, question: str | None = None) -> list[list[Hit]]:
    """The pages of a ranking up to the first empty one, which is the last of the list."""
    pages: list[list[Hit]] = []
    while not pages or pages[-1]:
        options = {"limit": size, "offset": size * len(pages)}
        answer = (
            ask_by_vector(world, TIED, **options) if question is None else ask(world, question, **options)
        )
        pages.append(ranking(world, answer))
        assert len(pages) < MOST_PAGES, "the ranking has no end"
    return pages


def titles_of(pages: Sequence[Sequence[Hit]]) -> list[str]:
    """Titles in the order of the pages."""
    return [hit.title for page in pages for hit in page]


def whole_ranking(world: World) -> list[Hit]:
    """The scenario's last search with all results at once."""
    return ranking(world, again(world, limit=1000, offset=0))


def ask_at_threshold(world: World, question: str, place: int) -> list[Answer]:
    """Search with the nearest numbers below and above the score of result number ``place`` as threshold."""
    # The engine computes in float32.
    score = np.float32(ranking(world, ask(world, question))[place - 1].score)
    nearest = [float(np.nextafter(score, np.float32(towards))) for towards in (-1.0, 2.0)]
    return [ask(world, question, score_threshold=threshold) for threshold in nearest]
