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
from support.vocabulary import rankings, stores
from support.vocabulary.requests import making
from support.world import Attempt, World

LARGEST_LIMIT = 1000
MOST_SHOWN = 12
MOST_OF_IT = 300
OF_DOCUMENT = ("text", "metadata", "version")
# Largest difference in a number between two embeddings of the same text, and in the score of two searches.
SAME_NUMBER = 1e-5


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


def wrongly_found(world: World) -> list[str]:
    """Searches whose results are others than their right answers."""
    assert_that(world.attempts, all_succeeded())
    found = [(each, [str(hit["id"]) for hit in each.answer.body["results"]]) for each in world.attempts]
    return [
        f"{each.what}: expected {sorted(each.about)}, found {sorted(ids)}"
        for each, ids in found
        if sorted(ids) != sorted(each.about)
    ]


def score(world: World, item: str) -> float:
    """The score of one document. Raises ``AssertionError`` where it is not among the results."""
    found = {hit.title: hit.score for hit in ranking(world)}
    assert item in found, f'"{item}" is not among the results: {", ".join(found) or "none"}'
    return found[item]


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


# Where a result is from, and how the platform marks it.
ORIGINS = {"served from the cache": "hit", "computed": "miss"}


def not_marked(world: World, mark: str) -> list[str]:
    """Answers whose header and body do not both say ``mark`` of the cache: hit, miss or bypass."""
    assert_that(world.attempts, all_succeeded())
    wrong = []
    for each in world.attempts:
        header = each.answer.headers.get("X-Cache", "absent")
        status = each.answer.body.get("cache_info", {}).get("status", "absent")
        if (header, status) != (mark.upper(), mark):
            wrong.append(
                f"{each.what}: expected a cache {mark}, but X-Cache is {header}, the status {status}"
            )
    return wrong


def otherwise_than_computed(world: World) -> list[str]:
    """Results of the last requests that are not those of the same request without the cache.

    Numbers may differ by the rounding of single precision. A document cannot be read without the cache: what
    it must be is its row in PostgreSQL.
    """
    assert_that(world.attempts, all_succeeded())
    wrong = []
    for each in world.attempts:
        found, computed = payload(each.answer), _computed(world, each)
        if not _same(found, computed):
            status = each.answer.body.get("cache_info", {}).get("status")
            about = f" {list(each.about)}" if each.about else ""
            shown, expected = _differing(found, computed)
            wrong.append(f"{each.what}{about}: a {status} shows {shown}, without the cache it is {expected}")
    return wrong


def different(world: World) -> int:
    """How many different results the last requests have had."""
    assert_that(world.attempts, all_succeeded())
    return len({repr(payload(each.answer)) for each in world.attempts})


def payload(answer: Answer) -> Any:
    """What an answer is about, without times and cache marks: results, embeddings or a document."""
    for name in ("results", "embedding", "embeddings"):
        if name in answer.body:
            return answer.body[name]
    return {name: answer.body[name] for name in OF_DOCUMENT}


def _computed(world: World, attempt: Attempt) -> Any:
    if attempt.uncached is not None:
        answer = attempt.uncached()
        assert answer.ok, f"{attempt.what} without the cache: {answer}"
        return payload(answer)
    row = stores.rows(world).row(attempt.answer.body["collection"], attempt.answer.body["id"])
    return {name: getattr(row, name, None) for name in OF_DOCUMENT}


def _same(one: Any, other: Any) -> bool:
    """Equal, numbers up to the rounding of single precision, and never across types."""
    if isinstance(one, float) and isinstance(other, float):
        return abs(one - other) <= SAME_NUMBER
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(_same, one, other))
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(_same(one[name], other[name]) for name in one)
    return type(one) is type(other) and one == other


def _differing(found: Any, computed: Any) -> tuple[str, str]:
    """Both in short: of results their ids and versions, and where these are equal the members that differ."""
    if not (_of_results(found) and _of_results(computed)):
        return str(found)[:MOST_OF_IT], str(computed)[:MOST_OF_IT]
    shown, expected = _brief(found), _brief(computed)
    if shown != expected:
        return shown, expected
    names = {
        name for one, two in zip(found, computed, strict=True) for name in one if one[name] != two.get(name)
    }
    return _members(found, names), _members(computed, names)


def _of_results(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(each, dict) for each in value)


def _brief(value: list[dict[str, Any]]) -> str:
    shown = [f"{each['id']} in version {each['version']}" for each in value[:MOST_SHOWN]]
    return f"{len(value)} results: {', '.join(shown)}"


def _members(value: list[dict[str, Any]], names: set[str]) -> str:
    shown = [{name: each.get(name) for name in sorted(names)} for each in value[:MOST_SHOWN]]
    return str(shown)[:MOST_OF_IT]


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
        return list(made[-1].answer.body["results"])
    finally:
        world.attempts, world.answer, world.pages = attempts, last_answer, pages


# What a result can be compared with.
COMPARISONS = {
    "the same as without the cache": otherwise_than_computed,
    "that of the stored vectors": rankings.ranked_otherwise,
}
