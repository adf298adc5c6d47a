"""Requests that are nearly equal: two of them share a cached answer only where their answers are the same."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import product
from typing import Any

from hamcrest import assert_that

from support.drivers.gateway import Answer
from support.matchers.answers import succeeded
from support.vocabulary import caches, documents, embeddings, searches
from support.world import World

COMPOSED = unicodedata.normalize("NFC", "café")
DECOMPOSED = unicodedata.normalize("NFD", "café")
# What only a careless comparison takes for the same value.
METADATA: tuple[dict[str, Any], ...] = (
    {"n": 1},
    {"n": True},
    {"n": "1"},
    {"n": "true"},
    {"n": 1.5},
    {"n": -1},
    {"n": [1, 2]},
    {"n": ["1", "2"]},
    {"n": "1,2"},
    {"s": COMPOSED},
    {"s": DECOMPOSED},
    {"s": "a"},
    {"s": "A"},
    {"s": "a "},
    {"s": ""},
    {"a": "x", "b": "y"},
    {"a": "y", "b": "x"},
    {"ab": "xy"},
)
FILTERS: tuple[dict[str, Any] | None, ...] = (
    None,
    {"n": 1},
    {"n": True},
    {"n": "1"},
    {"n": "true"},
    {"n": -1},
    {"n": "1,2"},
    {"n": {"any": [1, 2]}},
    {"n": {"any": ["1", "2"]}},
    {"n": {"any": ["1,2"]}},
    {"n": {"gte": 1}},
    {"n": {"gt": 1}},
    {"n": {"lte": 1}},
    {"n": {"lt": 1}},
    {"n": {"gte": 1, "lte": 1}},
    {"n": {"gte": -1, "lt": 1.5}},
    {"s": COMPOSED},
    {"s": DECOMPOSED},
    {"s": "a"},
    {"s": "A"},
    {"s": "a "},
    {"s": ""},
    {"a": "x", "b": "y"},
    {"b": "y", "a": "x"},
    {"a": "y", "b": "x"},
    {"ab": "xy"},
)
PAGES: tuple[dict[str, Any], ...] = (
    {},
    {"limit": 1},
    {"limit": 2},
    {"limit": 12},
    {"offset": 1},
    {"offset": 2},
    {"limit": 1, "offset": 1},
    {"limit": 1, "offset": 2},
    {"limit": 2, "offset": 1},
    {"limit": 12, "include_vector": True},
    {"score_threshold": 0},
    {"score_threshold": 1},
    {"score_threshold": 0.5},
    {"score_threshold": 0.50001, "limit": 12},
)
# Few questions, because the model itself finds some of them equal.
QUESTIONS = (
    "note",
    "note ",
    " note",
    "Note",
    "no te",
    "note 1",
    "note 1.0",
    "note true",
    COMPOSED,
    DECOMPOSED,
)
TEXTS = (
    *QUESTIONS,
    "1",
    "1.0",
    "true",
    "True",
    "a b",
    "a  b",
    "ab",
    "a\nb",
    "a,b",
    '["a","b"]',
    "a|b",
    "a:b",
)
TEXT_LISTS = (
    ["a", "b"],
    ["b", "a"],
    ["ab"],
    ["a,b"],
    ["a|b"],
    ['a","b'],
    ["a", "b", "b"],
    [COMPOSED],
    [DECOMPOSED],
    ["a"],
    ["a "],
)


@dataclass(frozen=True, slots=True)
class Triple:
    """One request answered three times: computed and cached, from the cache, and without it."""

    request: dict[str, Any]
    first: Any
    second: Any
    fresh: Any
    cached: bool


def have_documents(world: World) -> None:
    """Documents whose texts and metadata differ in a trifle."""
    documents.have_batch(
        world,
        [
            {"title": f"note {number}", "text": f"note {number}", "metadata": metadata}
            for number, metadata in enumerate(METADATA)
        ],
    )


def search_all(world: World) -> list[Triple]:
    """Every nearly equal search, all of them once before any is asked again."""
    requests = list(_searches())
    ask = partial(_search, world)
    first = [ask(request) for request in requests]
    second = [ask(request) for request in requests]
    fresh = [ask({**request, "use_cache": False}) for request in requests]
    return _triples(requests, first, second, fresh, caches.results_with_vectors)


def embed_all(world: World) -> list[Triple]:
    """Every nearly equal text."""
    requests = [{"text": f"{text}{world.names.scenario}"} for text in TEXTS]
    first = [embeddings.embed(world, **request) for request in requests]
    second = [embeddings.embed(world, **request) for request in requests]
    fresh = [embeddings.embed(world, **request, use_cache=False) for request in requests]
    return _triples(requests, first, second, fresh, lambda answer: answer.body["embedding"])


def ask_provider_all(world: World, provider: str) -> list[Triple]:
    """Nearly equal lists of texts, each in two sizes."""
    requests: list[dict[str, Any]] = [
        {"texts": texts, **size} for texts, size in product(TEXT_LISTS, ({}, {"dimensions": 256}))
    ]
    ask = partial(_ask_provider, world, provider)
    first = [ask(request) for request in requests]
    second = [ask(request) for request in requests]
    fresh = [ask({**request, "use_cache": False}) for request in requests]
    return _triples(requests, first, second, fresh, lambda answer: answer.body["embeddings"])


def shared(triples: Sequence[Triple]) -> list[str]:
    """Requests whose cached answer is not the one without the cache."""
    return [
        f"{each.request}: {_brief(each.second)} from the cache, {_brief(each.fresh)} without it"
        for each in triples
        if not _same(each.second, each.fresh) or not _same(each.first, each.fresh)
    ]


def uncached(triples: Sequence[Triple]) -> list[str]:
    """Requests whose second answer did not come from the cache: they prove nothing."""
    return [str(each.request) for each in triples if not each.cached]


def different_answers(triples: Sequence[Triple]) -> int:
    """How many different answers there are: where all are the same, sharing could not be seen."""
    return len({repr(each.fresh) for each in triples})


def _searches() -> Iterator[dict[str, Any]]:
    for condition in FILTERS:
        for page in PAGES if condition is None else PAGES[:3]:
            chosen = {} if condition is None else {"filter": condition}
            yield {"query_text": "note", **chosen, **page}
    yield from ({"query_text": question, "limit": 12} for question in QUESTIONS)


def _search(world: World, request: dict[str, Any]) -> Answer:
    return searches.ask(
        world, request["query_text"], **{k: v for k, v in request.items() if k != "query_text"}
    )


def _ask_provider(world: World, provider: str, request: dict[str, Any]) -> Answer:
    return world.citadel.gateway.call(
        "embedWithProvider", json_body=request, provider=provider, key=world.key
    )


def _triples(
    requests: Sequence[dict[str, Any]],
    first: Sequence[Answer],
    second: Sequence[Answer],
    fresh: Sequence[Answer],
    value: Any,
) -> list[Triple]:
    for answer in (*first, *second, *fresh):
        assert_that(answer, succeeded())
    return [
        Triple(request, value(one), value(two), value(three), caches.came_from_cache(two))
        for request, one, two, three in zip(requests, first, second, fresh, strict=True)
    ]


def _same(one: Any, other: Any) -> bool:
    """Equal, numbers up to the rounding of single precision, and never across types."""
    if isinstance(one, float) and isinstance(other, float):
        return abs(one - other) <= caches.SAME_NUMBER
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(_same, one, other))
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(_same(one[name], other[name]) for name in one)
    return type(one) is type(other) and one == other


def _brief(value: Any) -> str:
    if isinstance(value, list) and value and isinstance(value[0], dict):
        return f"{[item['id'].partition('.')[0] for item in value]}"
    return f"{str(value)[:60]}..."
