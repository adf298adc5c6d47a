"""Searches: questions asked of a collection, and the ranking that came back."""

from __future__ import annotations

from typing import Any

from hamcrest import assert_that

from support.drivers.gateway import Answer
from support.matchers.answers import succeeded
from support.matchers.rankings import Hit
from support.world import World


def ask(world: World, question: str, **options: Any) -> Answer:
    """Search the scenario's collection by meaning; ``options`` are members of the request."""
    return _search(world, query_text=question, **options)


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
