"""The bounds of a load's figures, against published tables and against chance itself."""

from __future__ import annotations

import math
import random
import statistics

import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.load.statistics import (
    highest_share,
    mean_bounds,
    quantile_ranks,
    share_bounds,
    smallest_sample,
    student_t_quantile,
    warm_up_ends,
)


@pytest.mark.parametrize(
    ("probability", "degrees", "expected"),
    [
        (0.95, 1, 6.3138),
        (0.975, 1, 12.7062),
        (0.95, 2, 2.9200),
        (0.975, 4, 2.7764),
        (0.95, 9, 1.8331),
        (0.975, 9, 2.2622),
        (0.975, 30, 2.0423),
        (0.5, 5, 0.0),
    ],
)
def test_students_t_is_that_of_the_tables(probability: float, degrees: int, expected: float) -> None:
    assert student_t_quantile(probability, degrees) == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize(("probability", "degrees"), [(0.4, 5), (1.0, 5), (0.95, 0)])
def test_students_t_refuses_what_has_no_value(probability: float, degrees: int) -> None:
    with pytest.raises(ValueError):
        student_t_quantile(probability, degrees)


def test_the_mean_of_rounds_has_the_t_interval() -> None:
    bounds = mean_bounds([10.0, 12.0, 14.0])
    error = 2.0 / math.sqrt(3)
    assert (bounds.mean, bounds.rounds) == (12.0, 3)
    assert bounds.between == pytest.approx((12.0 - 4.3027 * error, 12.0 + 4.3027 * error), abs=1e-3)
    assert (bounds.lower, bounds.upper) == pytest.approx((12.0 - 2.92 * error, 12.0 + 2.92 * error), abs=1e-3)


def test_one_round_tells_nothing_about_the_spread() -> None:
    with pytest.raises(ValueError, match="at least 2"):
        mean_bounds([10.0])


def test_the_interval_holds_the_truth_as_often_as_it_says() -> None:
    chance = random.Random(20)
    held = 0
    for _ in range(400):
        low, high = mean_bounds([chance.gauss(100.0, 15.0) for _ in range(10)]).between
        held += low <= 100.0 <= high
    assert 0.92 <= held / 400 <= 0.98


@pytest.mark.parametrize(
    ("n", "fewest_to_pass", "most_to_fail"), [(100, 99, 91), (1000, 962, 938), (5000, 4776, 4724)]
)
def test_a_share_of_95_percent_is_decided_where_wilson_says(
    n: int, fewest_to_pass: int, most_to_fail: int
) -> None:
    assert share_bounds(fewest_to_pass, n)[0] >= 0.95 > share_bounds(fewest_to_pass - 1, n)[0]
    assert share_bounds(most_to_fail, n)[1] < 0.95 <= share_bounds(most_to_fail + 1, n)[1]


@given(st.integers(1, 5000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_a_shares_bounds_enclose_it(counted: tuple[int, int]) -> None:
    successes, n = counted
    lower, upper = share_bounds(successes, n)
    assert 0.0 <= lower <= successes / n + 1e-12
    assert successes / n - 1e-12 <= upper <= 1.0


@pytest.mark.parametrize(("successes", "n"), [(0, 0), (-1, 3), (4, 3)])
def test_no_share_of_nothing(successes: int, n: int) -> None:
    with pytest.raises(ValueError, match="no share"):
        share_bounds(successes, n)


def test_how_many_values_bound_a_percentile() -> None:
    assert (smallest_sample(0.95), smallest_sample(0.99)) == (59, 299)
    assert quantile_ranks(0.95, 58)[1] is None
    assert quantile_ranks(0.95, 59)[1] == 59
    assert quantile_ranks(0.95, 5) == (4, None)


def test_a_percentiles_ranks_hold_it_as_often_as_they_say() -> None:
    chance = random.Random(95)
    lower, upper = quantile_ranks(0.95, 500)
    assert upper is not None
    below = above = 0
    for _ in range(400):
        values = sorted(chance.random() for _ in range(500))
        below += values[lower - 1] <= 0.95
        above += values[upper - 1] >= 0.95
    assert min(below, above) / 400 >= 0.92
    assert statistics.fmean([lower, upper]) == pytest.approx(475, abs=2)


def test_a_steady_series_needs_no_warm_up() -> None:
    chance = random.Random(1)
    assert warm_up_ends([chance.gauss(10.0, 0.1) for _ in range(200)]) <= 30


def test_a_slow_start_is_cut() -> None:
    chance = random.Random(2)
    slow = [chance.gauss(100.0, 5.0) for _ in range(50)]
    steady = [chance.gauss(10.0, 1.0) for _ in range(200)]
    # Never more than half of the series.
    assert 50 <= warm_up_ends(slow + steady) <= 125


def test_too_short_a_series_is_left_alone() -> None:
    assert warm_up_ends([]) == 0
    assert warm_up_ends([5.0, 1.0]) == 0


@pytest.mark.parametrize(
    ("successes", "n", "expected"),
    [(0, 59, 0.0495), (0, 10, 0.2589), (1, 10, 0.3942), (5, 10, 0.7776), (10, 10, 1.0), (3, 1000, 0.00773)],
)
def test_the_highest_share_is_clopper_and_pearsons(successes: int, n: int, expected: float) -> None:
    assert highest_share(successes, n) == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize(("successes", "n"), [(0, 0), (2, 1), (-1, 3)])
def test_the_highest_share_of_nothing_is_refused(successes: int, n: int) -> None:
    with pytest.raises(ValueError, match="no share"):
        highest_share(successes, n)
