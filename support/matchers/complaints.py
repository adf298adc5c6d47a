"""Matcher for a list of what is wrong, which must be empty."""

from __future__ import annotations

from collections.abc import Sequence

from hamcrest.core.base_matcher import BaseMatcher
from hamcrest.core.description import Description

MOST_SHOWN = 12


class NothingWrong(BaseMatcher[Sequence[str]]):
    """Nothing is listed; a mismatch counts what is and shows it line by line."""

    def _matches(self, item: Sequence[str]) -> bool:
        return len(item) == 0

    def describe_to(self, description: Description) -> None:
        description.append_text("nothing to complain about")

    def describe_mismatch(self, item: Sequence[str], mismatch_description: Description) -> None:
        shown = [f"\n  {each}" for each in item[:MOST_SHOWN]]
        more = len(item) - len(shown)
        mismatch_description.append_text(f"{len(item)} complaints:{''.join(shown)}")
        if more > 0:
            mismatch_description.append_text(f"\n  and {more} more")


def nothing_wrong() -> NothingWrong:
    """Match a list of complaints that has none."""
    return NothingWrong()
