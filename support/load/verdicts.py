"""Judges a load: passed, failed, or not decided - never a lucky or unlucky number.

A verdict is INCONCLUSIVE when the load was not offered as planned, when the sample is too small or too spread
to tell, or when an answer against the platform may be the doing of a disturbed machine or a strained generator.
Both of these only ever add latency, so a PASS obtained in spite of them stands.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from support.load.histograms import Latencies
from support.load.plan import ClosedLoop, OpenLoop
from support.load.runner import LoadResult
from support.load.statistics import mean_bounds, quantile_ranks, share_bounds, smallest_sample

FEWEST_ROUNDS = 5
FEWEST_JOURNEYS = 1_000
# A wrong answer may be a quick one: a mean says nothing if more than these failed.
FAILED_SHARE_LIMIT = 0.01
ACHIEVED_SHARE = 0.98
# The generator's own delay, as a share of the limit that is judged.
SEND_LAG_SHARE = 0.10
GENERATOR_CPU_LIMIT = 0.70
# What the platform's processes wait for a processor per request, as a share of the limit that is judged.
WAITED_SHARE = 0.10


class Outcome(StrEnum):
    """How a claim about a load ends."""

    PASS = "pass"
    FAIL = "fail"
    INCONCLUSIVE = "inconclusive"


@dataclass(frozen=True, slots=True)
class Verdict:
    """An outcome, the sentence that tells it with its figures, and these figures as plain values."""

    outcome: Outcome
    reason: str
    figures: Mapping[str, Any]

    def __str__(self) -> str:
        return self.reason


def mean_at_most(result: LoadResult, limit_ms: float) -> Verdict:
    """Whether the average journey takes less than ``limit_ms``, by the t-interval of the round means.

    PASS if the average is below the limit with 95 % confidence (one-sided), FAIL if it is at least the limit
    with 95 % confidence or if more than 1 % of the journeys failed. Only open loops can be judged: in a closed
    loop nobody comes while the platform stands still. Figures: ``mean``, ``ci95`` (two-sided, ms), ``upper``,
    ``n``, ``rounds``, ``limit``, ``verdict``.
    """
    _needs(isinstance(result.load, OpenLoop), "an average latency is measured with an open loop")
    name = result.journey[:1].upper() + result.journey[1:]
    size = f"limit {limit_ms:g} ms, {len(result.rounds)} rounds, {result.n} journeys"
    if len(result.rounds) < FEWEST_ROUNDS:
        return _inconclusive(f"{name}: at least {FEWEST_ROUNDS} rounds are needed; {size}", {"n": result.n})
    bounds = mean_bounds([one.mean_ms for one in result.rounds])
    figures = {
        "mean": bounds.mean,
        "ci95": list(bounds.between),
        "upper": bounds.upper,
        "n": result.n,
        "rounds": bounds.rounds,
        "limit": limit_ms,
    }
    average = f"{name}: {bounds.mean:.0f} ms average"
    failed = result.n - result.ok
    if failed > FAILED_SHARE_LIMIT * result.n:
        outcome, told = Outcome.FAIL, f"{name}: {failed} of {result.n} journeys failed ({_most(result)})"
    elif bounds.upper < limit_ms:
        outcome = Outcome.PASS
        told = f"{average}, at most {bounds.upper:.0f} ms with 95 % confidence, {size}"
    elif bounds.lower >= limit_ms:
        outcome = Outcome.FAIL
        told = f"{average}, at least {bounds.lower:.0f} ms with 95 % confidence, {size}"
    else:
        outcome = Outcome.INCONCLUSIVE
        low, high = bounds.between
        told = f"{average}, between {low:.0f} and {high:.0f} ms with 95 % confidence, {size}: too close to tell"
    return _tempered(result, outcome, told, figures, limit_ms)


def success_at_least(
    result: LoadResult, share: float, *, fewest_journeys: int = FEWEST_JOURNEYS
) -> Verdict:
    """Whether that share (0 to 1) of the journeys succeeds, by Wilson's one-sided 95 % bounds.

    PASS needs ``fewest_journeys``; it also needs that all users were there at once. Journeys that never
    started leave the claim open, unless it fails even if all of them had succeeded. Figures: ``count`` (users,
    or None in an open loop), ``requests`` (journeys), ``success_percent``, ``lower_bound_percent``,
    ``upper_bound_percent``, ``limit_percent``, ``verdict``.
    """
    users = result.load.users if isinstance(result.load, ClosedLoop) else None
    who = f"{users} concurrent users" if users else f"{result.load.rate:g} arrivals a second"  # type: ignore[union-attr]
    if not result.n:
        return _inconclusive(f"{who}: no journey was made", {"count": users, "requests": 0})
    lower, upper = share_bounds(result.ok, result.n)
    figures = {
        "count": users,
        "requests": result.n,
        "success_percent": 100.0 * result.ok / result.n,
        "lower_bound_percent": 100.0 * lower,
        "upper_bound_percent": 100.0 * upper,
        "limit_percent": 100.0 * share,
    }
    seen = f"{who}: {result.ok / result.n:.2%} of {result.n} journeys succeed"
    at_least = f"{seen}, at least {lower:.2%} with 95 % confidence, limit {share:.0%}"
    _lower, best = share_bounds(result.ok + result.dropped, result.n + result.dropped)
    if best < share:
        at_most = f"{seen}, at most {best:.2%} with 95 % confidence, limit {share:.0%}"
        return _tempered(
            replace_dropped(result), Outcome.FAIL, f"{at_most} ({_most(result)})", figures, None
        )
    return _inconclusive("", {})
