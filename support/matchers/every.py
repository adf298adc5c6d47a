"""Matcher for all items of a sequence."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

from hamcrest.core.base_matcher import BaseMatcher
from hamcrest.core.description import Description
from hamcrest.core.matcher import Matcher

T = TypeVar("T")


class EveryItem(BaseMatcher[Sequence[T]]):
    """There are items and each of them matches; a mismatch tells the first that does not."""

    def __init__(self, matcher: Matcher[T]) -> None:
        self._matcher = matcher

    def _matches(self, item: Sequence[T]) -> bool:
        return len(item) > 0 and all(self._matcher.matches(each) for each in item)

    def describe_to(self, description: Description) -> None:
        description.append_text("every item is ").append_description_of(self._matcher)

    def describe_mismatch(self, item: Sequence[T], mismatch_description: Description) -> None:
        for place, each in enumerate(item, 1):
            if not self._matcher.matches(each):
                mismatch_description.append_text(f"item {place} of {len(item)}: ")
                self._matcher.describe_mismatch(each, mismatch_description)
                return
        mismatch_description.append_text("there are no items")


def every_item(matcher: Matcher[T]) -> EveryItem[T]:
    """Match a sequence, not an empty one, whose items all match."""
    return EveryItem(matcher)
