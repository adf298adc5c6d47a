"""Random examples: bounded, repeatable, and a failure told with the smallest example."""

from __future__ import annotations

import time
from typing import Any

import pytest
from hypothesis import strategies as st

from support import properties
from support.vocabulary.filters import fits

LISTS = st.lists(st.integers(0, 1000), max_size=20)


def hold(check: Any, **changed: Any) -> int:
    return properties.hold(LISTS, check, **{"within_s": 5.0, "at_most": 200, "number": 7, **changed})


def test_what_holds_is_counted() -> None:
    assert hold(lambda example: None) == 200


def test_a_failure_is_told_with_the_smallest_example_and_the_seed() -> None:
    def check(example: list[int]) -> None:
        assert sum(example) < 500, f"{sum(example)} is too much"

    with pytest.raises(AssertionError) as told:
        hold(check)
    assert str(told.value).startswith("500 is too much")
    assert "\n[500]\n" in str(told.value)
    assert "repeat with -D seed=7" in str(told.value)


def test_the_same_seed_gives_the_same_examples() -> None:
    def examples(number: int) -> list[list[int]]:
        seen: list[list[int]] = []
        hold(seen.append, number=number, at_most=20)
        return seen

    assert examples(1) == examples(1)
    assert examples(1) != examples(2)


def test_the_time_is_bounded() -> None:
    began = time.monotonic()
    looked_at = hold(lambda example: time.sleep(0.02), within_s=0.2)
    assert looked_at < 20
    assert time.monotonic() - began < 2.0


def test_a_failure_that_does_not_come_again_is_told_all_the_same() -> None:
    failed: list[list[int]] = []

    def once(example: list[int]) -> None:
        if len(example) > 2 and not failed:
            failed.append(example)
            raise AssertionError("only this time")

    with pytest.raises(AssertionError, match="only this time"):
        hold(once)


def test_an_error_of_the_check_itself_is_no_finding() -> None:
    def broken(example: list[int]) -> None:
        raise KeyError("a mistake in the check")

    with pytest.raises(KeyError):
        hold(broken)


@pytest.mark.parametrize(
    ("held", "condition", "found"),
    [
        (5, 5, True),
        (5.0, 5, True),
        (True, 1, False),
        (1, True, False),
        ("1", 1, False),
        (["a", 5], 5, True),
        ([], 5, False),
        ("a", {"any": ["b", "a"]}, True),
        (True, {"any": [1]}, False),
        (5, {"gte": 5, "lt": 6}, True),
        (5, {"gt": 5}, False),
        ([1, 9], {"gt": 2, "lt": 5}, False),
        (True, {"gte": 0}, False),
        ("5", {"gte": 0}, False),
    ],
)
def test_a_filter_is_read_plainly(held: Any, condition: Any, found: bool) -> None:
    assert fits({"key": held}, {"key": condition}) is found
    assert not fits({}, {"key": condition})
