"""Matchers for search results; a mismatch shows the whole ranking with its scores."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from hamcrest.core.base_matcher import BaseMatcher
from hamcrest.core.description import Description


@dataclass(frozen=True, slots=True)
class Hit:
    """One search result under the title the scenario gave it."""

    title: str
    score: float


class _Ranking(BaseMatcher[Sequence[Hit]]):
    def describe_mismatch(self, item: Sequence[Hit], mismatch_description: Description) -> None:
        mismatch_description.append_text("the ranking was\n" + shown(item))


class HasFirst(_Ranking):
    """``title`` leads the ranking."""

    def __init__(self, title: str) -> None:
        self._title = title

    def _matches(self, item: Sequence[Hit]) -> bool:
        return bool(item) and item[0].title == self._title

    def describe_to(self, description: Description) -> None:
        description.append_text(f'a ranking led by "{self._title}"')


class Offers(_Ranking):
    """``title`` is somewhere in the ranking."""

    def __init__(self, title: str) -> None:
        self._title = title

    def _matches(self, item: Sequence[Hit]) -> bool:
        return any(hit.title == self._title for hit in item)

    def describe_to(self, description: Description) -> None:
        description.append_text(f'a ranking with "{self._title}"')


class OffersExactly(_Ranking):
    """The ranking holds these titles and no other, in any order."""

    def __init__(self, titles: Sequence[str]) -> None:
        self._titles = sorted(titles)

    def _matches(self, item: Sequence[Hit]) -> bool:
        return sorted(hit.title for hit in item) == self._titles

    def describe_to(self, description: Description) -> None:
        description.append_text(f"a ranking of exactly {self._titles}")


class Ranks(_Ranking):
    """The ranking holds these titles in this order and no other."""

    def __init__(self, titles: Sequence[str]) -> None:
        self._titles = list(titles)

    def _matches(self, item: Sequence[Hit]) -> bool:
        return [hit.title for hit in item] == self._titles

    def describe_to(self, description: Description) -> None:
        description.append_text(f"a ranking of {self._titles}, in this order")


def shown(hits: Sequence[Hit]) -> str:
    """The ranking as lines."""
    lines = [f"  {place:3}. {hit.score:.4f}  {hit.title}" for place, hit in enumerate(hits, 1)]
    return "\n".join(lines) or "  (no results)"


def has_first(title: str) -> HasFirst:
    """Match a ranking that ``title`` leads."""
    return HasFirst(title)


def offers(title: str) -> Offers:
    """Match a ranking that contains ``title``."""
    return Offers(title)


def offers_exactly(titles: Sequence[str]) -> OffersExactly:
    """Match a ranking of exactly these titles."""
    return OffersExactly(titles)


def ranks(titles: Sequence[str]) -> Ranks:
    """Match a ranking of exactly these titles in this order."""
    return Ranks(titles)
