"""The suite's own matchers: what they take, and what their complaint tells."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hamcrest import assert_that, less_than

from support.matchers.every import every_item
from support.matchers.rankings import Hit, has_first, offers, offers_exactly

RANKING = [Hit("tea", 0.91234), Hit("coffee", 0.5)]


def test_every_item_matches() -> None:
    assert_that([1, 2], every_item(less_than(3)))


@pytest.mark.parametrize(("items", "told"), [([1, 5, 9], "item 2 of 3: was <5>"), ([], "there are no items")])
def test_the_first_item_that_does_not_match_is_told(items: Sequence[int], told: str) -> None:
    with pytest.raises(AssertionError, match=told):
        assert_that(items, every_item(less_than(3)))


def test_rankings() -> None:
    assert_that(RANKING, has_first("tea"))
    assert_that(RANKING, offers("coffee"))
    assert_that(RANKING, offers_exactly(["coffee", "tea"]))
    assert not has_first("tea").matches([])


@pytest.mark.parametrize("matcher", [has_first("coffee"), offers("water"), offers_exactly(["tea"])])
def test_a_ranking_that_does_not_match_is_shown_whole(matcher: object) -> None:
    with pytest.raises(AssertionError) as complaint:
        assert_that(RANKING, matcher)  # type: ignore[call-overload]
    assert "1. 0.9123  tea" in str(complaint.value)
    assert "2. 0.5000  coffee" in str(complaint.value)
