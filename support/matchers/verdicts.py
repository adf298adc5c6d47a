"""Matcher for claims about a load; a mismatch is the verdict's own sentence."""

from __future__ import annotations

from hamcrest.core.base_matcher import BaseMatcher
from hamcrest.core.description import Description

from support.load.verdicts import Decision, Verdict


class Holds(BaseMatcher[Verdict]):
    """The claim is kept with the confidence it speaks of."""

    def _matches(self, item: Verdict) -> bool:
        return item.outcome is Decision.PASS

    def describe_to(self, description: Description) -> None:
        description.append_text("a claim that holds")

    def describe_mismatch(self, item: Verdict, mismatch_description: Description) -> None:
        mismatch_description.append_text(item.reason)


def holds() -> Holds:
    """Match a verdict that says: passed."""
    return Holds()
