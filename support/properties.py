"""Properties held against random examples: bounded in time, repeatable, a failure shrunk to its least."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from hypothesis import HealthCheck, Phase, Verbosity, given, seed, settings
from hypothesis.strategies import SearchStrategy

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Trial:
    """What came of random examples: how many were looked at, and what was wrong with the smallest."""

    tried: int
    complaints: tuple[str, ...] = ()


# How long a failure may be shrunk, beyond the time for looking for one.
SHRINK_S = 10.0


def hold(
    examples: SearchStrategy[T],
    check: Callable[[T], None],
    *,
    within_s: float,
    at_most: int,
    number: int,
    shown: Callable[[T], str] = repr,
) -> int:
    """Check random examples, ``at_most`` so many or until ``within_s`` has passed; returns how many.

    The same ``number`` gives the same examples. An ``AssertionError`` of ``check`` is raised again with the
    smallest example that failed and the way to repeat it. Examples must be values that ``shown`` tells apart.
    """
    began: list[float] = []
    failing: dict[str, AssertionError] = {}
    smallest: list[str] = []
    tried = [0]

    def look(example: T) -> None:
        name = shown(example)
        if not began:
            # Only now: hypothesis first builds its tables of characters, on a new machine for seconds.
            began.append(time.monotonic())
        limit = within_s + SHRINK_S if failing else within_s
        if time.monotonic() - began[0] > limit and name not in failing:
            # Time is up: what is known stands, and nothing new is looked at.
            return
        tried[0] += 1
        try:
            check(example)
        except AssertionError as error:
            failing[name] = error
            smallest[:] = [name]
            raise

    search = settings(
        max_examples=at_most,
        deadline=None,
        database=None,
        phases=(Phase.generate, Phase.shrink),
        suppress_health_check=list(HealthCheck),
        report_multiple_bugs=False,
        print_blob=False,
        verbosity=Verbosity.quiet,
    )
    run = seed(number)(search(given(examples)(look)))
    try:
        run()
    except Exception as error:
        if not smallest:
            raise
        raise AssertionError(
            f"{failing[smallest[0]]}\nsmallest example that fails, of {tried[0]} looked at:\n{smallest[0]}\n"
            f"repeat with -D seed={number}"
        ) from error
    return tried[0]
