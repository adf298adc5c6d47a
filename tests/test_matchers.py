"""The suite's own matchers: what they take, and what their complaint tells."""

from __future__ import annotations

import pytest
from hamcrest import assert_that

from support.matchers.rankings import Hit, has_first, offers, offers_exactly

RANKING = [Hit("tea", 0.91234), Hit("coffee", 0.5)]


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
