"""The results of the scenario's last search, and the pages it has read."""

from __future__ import annotations

import itertools
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from hamcrest import all_of as every_matcher
from hamcrest import assert_that
from hamcrest.core.matcher import Matcher

from support.drivers.gateway import Answer
from support.matchers.rankings import Hit
from support.matchers.requests import all_succeeded
from support.vocabulary.requests import making
from support.world import World

LARGEST_LIMIT = 1000
MOST_SHOWN = 12
SHOWN = ("id", "score", "text", "metadata", "version")


def answer(world: World) -> Answer:
    """The answer of the last search, which must have succeeded."""
    assert_that(world.attempts, all_succeeded())
    return world.attempts[-1].answer


def ranking(world: World) -> list[Hit]:
    """The results, best first, by the ids of the documents."""
    return [_hit(each) for each in answer(world).body["results"]]


@dataclass(frozen=True, slots=True)
class Quality:
    """At which place each search found its right document; 0 where it did not."""

    places: dict[str, int]

    def share_within(self, places: int) -> float:
        """Share of the searches with the right document among so many results."""
        return sum(0 < place <= places for place in self.places.values()) / len(self.places)

    def mean_reciprocal_rank(self) -> float:
        """Mean of 1/place, 0 for a search without its document."""
        return sum(1 / place for place in self.places.values() if place) / len(self.places)

    def __str__(self) -> str:
        wrong = [f"{what} (place {place or 'none'})" for what, place in self.places.items() if place != 1]
        return (
            f"{len(self.places)} searches, first place {self.share_within(1):.1%}, first five"
            f" {self.share_within(5):.1%}, mean reciprocal rank {self.mean_reciprocal_rank():.3f};"
            f" not first: {'; '.join(wrong[:MOST_SHOWN]) or 'none'}"
        )


def quality(world: World) -> Quality:
    """How well the last searches found their right documents."""
    assert_that(world.attempts, all_succeeded())
    places = {}
    for each in world.attempts:
        assert each.about, f"{each.what} has no right answer"
        found = [place for place, hit in enumerate(each.answer.body["results"], 1) if hit["id"] in each.about]
        places[each.what] = found[0] if found else 0
    return Quality(places)


def score(world: World, item: str) -> float:
    """The score of one document. Raises ``AssertionError`` where it is not among the results."""
    found = {hit.title: hit.score for hit in ranking(world)}
    assert item in found, f'"{item}" is not among the results: {", ".join(found) or "none"}'
    return found[item]


def best_score(world: World) -> float:
    """The best score; 0 without results."""
    return max((hit.score for hit in ranking(world)), default=0.0)


def disorder(world: World) -> list[str]:
    """Scores that rise, and documents that appear twice."""
    hits = ranking(world)
    rising = [
        f"{after.title} ({after.score}) comes after {before.title} ({before.score})"
        for before, after in itertools.pairwise(hits)
        if after.score > before.score
    ]
    twice = [item for item, count in Counter(hit.title for hit in hits).items() if count > 1]
    return rising + [f"{item} appears more than once" for item in twice]


def cache_marks(world: World) -> tuple[str, str]:
    """What header and body of the last answer say of the cache."""
    found = answer(world)
    return found.headers.get("X-Cache", ""), str(found.body["cache_info"]["status"])


def shown(world: World) -> list[dict[str, Any]]:
    """What the last search shows of its results, without times and cache marks."""
    return [{name: each.get(name) for name in SHOWN} for each in answer(world).body["results"]]


def without_cache(world: World) -> list[dict[str, Any]]:
    """The same for the last search made once more with the cache off."""
    return _again(world, {"cache": "off"})


def paged_ids(world: World) -> list[str]:
    """Ids over all pages, in their order."""
    return [str(each["id"]) for page in world.pages for each in page]


def in_byte_order(world: World) -> list[str]:
    """The ids of all pages, each once, in the order of their bytes."""
    return sorted(set(paged_ids(world)), key=str.encode)


def paged_hits(world: World) -> list[Hit]:
    """Results over all pages, in their order."""
    return [_hit(each) for page in world.pages for each in page]


def unpaged_hits(world: World) -> list[Hit]:
    """The results of the last search made once more without pages."""
    last = world.last_request
    assert last is not None, "no search has been made in this scenario yet"
    text = re.sub(r" in pages of \d+", "", last.request.text)
    found = _again(world, {"limit": str(LARGEST_LIMIT)}, text)
    return [_hit(each) for each in found]


def all_of(matchers: Iterable[Matcher[Sequence[Hit]]]) -> Matcher[Sequence[Hit]]:
    """Match what every one of the matchers matches."""
    return every_matcher(*matchers)


def _hit(result: Mapping[str, Any]) -> Hit:
    return Hit(str(result["id"]), float(result["score"]))


def _again(world: World, options: Mapping[str, str], text: str | None = None) -> list[dict[str, Any]]:
    attempts, last_answer, pages = world.attempts, world.answer, world.pages
    try:
        made = making.again(world, options, text)
        assert_that(made, all_succeeded())
        return shown(world)
    finally:
        world.attempts, world.answer, world.pages = attempts, last_answer, pages
