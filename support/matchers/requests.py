"""Matchers for the requests that a scenario has made; a mismatch tells each that came out otherwise."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence

from hamcrest.core.base_matcher import BaseMatcher
from hamcrest.core.description import Description

from support.drivers.gateway import Answer
from support.matchers.answers import explain
from support.world import Attempt

MOST_SHOWN = 5


def told(attempt: Attempt) -> str:
    """The request and what came of it, with what a person needs to look it up."""
    outcome = attempt.outcome
    return f"{attempt.what}: {explain(outcome) if isinstance(outcome, Answer) else outcome}"


def counted(attempts: Sequence[Attempt]) -> str:
    """How many requests came out how: ``8 succeeded, 2 rate-limited``."""
    return ", ".join(
        f"{count} {code}" for code, count in Counter(each.code for each in attempts).most_common()
    )


class EachOne(BaseMatcher[Sequence[Attempt]]):
    """There are requests, and each came out as wanted."""

    def __init__(self, wanted: str, fits: Callable[[Attempt], bool]) -> None:
        self._wanted = wanted
        self._fits = fits

    def _matches(self, item: Sequence[Attempt]) -> bool:
        return len(item) > 0 and all(map(self._fits, item))

    def describe_to(self, description: Description) -> None:
        description.append_text(self._wanted)

    def describe_mismatch(self, item: Sequence[Attempt], mismatch_description: Description) -> None:
        if not item:
            mismatch_description.append_text("no request has been made")
            return
        others = [told(each) for each in item if not self._fits(each)]
        more = [f"and {len(others) - MOST_SHOWN} more"] if len(others) > MOST_SHOWN else []
        summary = [f"of {len(item)} requests: {counted(item)}"] if len(item) > 1 else []
        mismatch_description.append_text("\n  ".join([*summary, *others[:MOST_SHOWN], *more]))


class Split(BaseMatcher[Sequence[Attempt]]):
    """So many requests succeeded, and all others were refused with one code."""

    def __init__(self, succeeded: int, refused: int, code: str) -> None:
        self._wanted = {"succeeded": succeeded, code: refused}

    def _matches(self, item: Sequence[Attempt]) -> bool:
        return dict(Counter(each.code for each in item)) == {k: v for k, v in self._wanted.items() if v}

    def describe_to(self, description: Description) -> None:
        description.append_text(", ".join(f"{count} {code}" for code, count in self._wanted.items()))

    def describe_mismatch(self, item: Sequence[Attempt], mismatch_description: Description) -> None:
        others = [told(each) for each in item if each.code not in self._wanted]
        mismatch_description.append_text("\n  ".join([counted(item), *others[:MOST_SHOWN]]))


def all_succeeded() -> EachOne:
    """Match requests that were all carried out."""
    return EachOne("every request succeeds", lambda each: each.ok)


def all_refused_with(*codes: str) -> EachOne:
    """Match requests that were all refused with one of these problem codes."""
    return EachOne(f"every request is refused with {' or '.join(codes)}", lambda each: each.code in codes)


def all_refused_or_cut_off() -> EachOne:
    """Match requests that were all refused, or whose connection was closed instead of an answer."""
    return EachOne(
        "every request is refused, or its connection closed",
        lambda each: not isinstance(each.outcome, Answer) or 400 <= each.outcome.status < 500,
    )


def all_within(seconds: float, name: str) -> EachOne:
    """Match requests that were all answered within a limit."""
    return EachOne(
        f"every answer arrives within {name}",
        lambda each: isinstance(each.outcome, Answer) and each.outcome.elapsed_ms <= 1000.0 * seconds,
    )


def split(succeeded: int, refused: int, code: str) -> Split:
    """Match requests of which so many succeeded and so many were refused with a code, and no other."""
    return Split(succeeded, refused, code)
