"""Judges a load: passed, failed, or not decided - never a lucky or unlucky number.

A verdict is INCONCLUSIVE when the load was not offered as planned, when the sample is too small or too
spread to tell, or when an answer against the platform may be the doing of a disturbed machine or a strained
generator. Both of these only ever add latency, so a PASS obtained in spite of them stands; and they explain
a journey that came too late, never a wrong answer.
"""

from __future__ import annotations

import re
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from support.load.histograms import Latencies
from support.load.machine import FOREIGN_LIMIT, Signals
from support.load.plan import UNFINISHED, ClosedLoop, OpenLoop
from support.load.runner import LoadResult
from support.load.statistics import mean_bounds, quantile_ranks, share_bounds, smallest_sample

FEWEST_ROUNDS = 5
FEWEST_JOURNEYS = 1_000
# Requests of one client, one after another, are divided into so many rounds.
ROUNDS_OF_SEQUENCE = 10
FEWEST_OF_A_ROUND = 5
# A wrong answer may be a quick one: a mean says nothing if more than these failed.
FAILED_SHARE_LIMIT = 0.01
ACHIEVED_SHARE = 0.98
# The generator's own delay, as a share of the limit that is judged.
SEND_LAG_SHARE = 0.10
GENERATOR_CPU_LIMIT = 0.70
# What the platform's processes wait for a processor per request, as a share of the limit that is judged.
WAITED_SHARE = 0.10
# A hop is judged by what it does not exceed in this share of the requests.
HOP_QUANTILE = 0.95
# How the engine tells failures that slowness alone can cause: no answer in time, or the report of a time-out.
_LATE = re.compile(rf"{re.escape(UNFINISHED)}|\S+: (no answer within .*|504\b.*|503 \S+-unavailable)")


class Decision(StrEnum):
    """How a claim about a load ends."""

    PASS = "pass"
    FAIL = "fail"
    INCONCLUSIVE = "inconclusive"


@dataclass(frozen=True, slots=True)
class Verdict:
    """An outcome, the sentence that tells it with its figures, and these figures as plain values.

    ``figures`` always holds ``verdict``, and nothing else where the sample allows no figures at all.
    """

    outcome: Decision
    reason: str
    figures: Mapping[str, Any]

    def plain(self) -> dict[str, Any]:
        """The verdict as plain values."""
        return {"verdict": str(self.outcome), "reason": self.reason, "figures": dict(self.figures)}

    def __str__(self) -> str:
        return self.reason


def mean_at_most(result: LoadResult, limit_ms: float) -> Verdict:
    """Whether the average journey takes less than ``limit_ms``, by the t-interval of the round means.

    PASS if the average is below the limit with 95 % confidence (one-sided), FAIL if it is at least the limit
    with 95 % confidence or if more than 1 % of the journeys failed. Figures: ``mean``, ``ci95`` (two-sided,
    ms), ``upper``, ``n``, ``rounds``, ``limit``, ``verdict``. Raises ``ValueError`` for a closed loop: there
    nobody comes while the platform stands still.
    """
    if not isinstance(result.load, OpenLoop):
        raise ValueError("an average latency is measured with an open loop")
    name = result.journey[:1].upper() + result.journey[1:]
    means = [one.mean_ms for one in result.rounds]
    return _mean(name, means, result, limit_ms, _gaps(result), _excuses(result, limit_ms))


@dataclass(frozen=True, slots=True)
class Sequential:
    """Requests that one client made one after another: ms of each, and the errors of those that failed."""

    name: str
    latencies_ms: Sequence[float]
    errors: Mapping[str, int]
    machine: Signals

    @property
    def n(self) -> int:
        """How many requests."""
        return len(self.latencies_ms)

    @property
    def ok(self) -> int:
        """How many of them succeeded."""
        return self.n - sum(self.errors.values())


def mean_of_sequence(made: Sequential, limit_ms: float) -> Verdict:
    """The same of requests that one client made one after another: equal parts of them are the rounds.

    Whoever would have come while the platform stood still is not seen. Figures as of ``mean_at_most``.
    """
    length = made.n // ROUNDS_OF_SEQUENCE
    if length < FEWEST_OF_A_ROUND:
        fewest = ROUNDS_OF_SEQUENCE * FEWEST_OF_A_ROUND
        return _verdict(Decision.INCONCLUSIVE, f"{made.name}: {made.n} requests, {fewest} are needed", {})
    starts = range(0, length * ROUNDS_OF_SEQUENCE, length)
    means = [statistics.fmean(made.latencies_ms[start : start + length]) for start in starts]
    return _mean(made.name, means, made, limit_ms, [], made.machine.disturbances())


def _mean(
    name: str,
    means: Sequence[float],
    result: LoadResult | Sequential,
    limit_ms: float,
    gaps: Sequence[str],
    excuses: Sequence[str],
) -> Verdict:
    size = f"limit {limit_ms:g} ms, {len(means)} rounds, {result.n} journeys"
    if len(means) < FEWEST_ROUNDS:
        reason = f"{name}: at least {FEWEST_ROUNDS} rounds are needed; {size}"
        return _verdict(Decision.INCONCLUSIVE, reason, {})
    bounds = mean_bounds(means)
    figures = {
        "mean": bounds.mean,
        "ci95": list(bounds.between),
        "upper": bounds.upper,
        "n": result.n,
        "rounds": bounds.rounds,
        "limit": limit_ms,
    }
    average = f"{name}: {bounds.mean:.0f} ms average"
    failed, bearable = result.n - result.ok, FAILED_SHARE_LIMIT * result.n
    if failed > bearable:
        outcome, reason = Decision.FAIL, f"{name}: {failed} of {result.n} journeys failed ({_most(result)})"
        if failed - _late(result) > bearable:
            return _verdict(outcome, reason, figures)
    elif bounds.upper < limit_ms:
        outcome = Decision.PASS
        reason = f"{average}, at most {bounds.upper:.0f} ms with 95 % confidence, {size}"
    elif bounds.lower >= limit_ms:
        outcome = Decision.FAIL
        reason = f"{average}, at least {bounds.lower:.0f} ms with 95 % confidence, {size}"
    else:
        outcome = Decision.INCONCLUSIVE
        low, high = bounds.between
        reason = f"{average}, between {low:.0f} and {high:.0f} ms with 95 % confidence, {size}: undecided"
    return _tempered(outcome, reason, figures, gaps, excuses)


def success_at_least(result: LoadResult, share: float, *, fewest_journeys: int = FEWEST_JOURNEYS) -> Verdict:
    """Whether that share (0 to 1) of the journeys succeeds, by Wilson's one-sided 95 % bounds.

    PASS needs ``fewest_journeys``; it also needs that all users were there at once. Journeys that never
    started leave the claim open, unless it fails even if all of them had succeeded. Figures: ``count``
    (users, or None in an open loop), ``requests`` (journeys), ``success_percent``, ``lower_bound_percent``,
    ``upper_bound_percent``, ``limit_percent``, ``verdict``.
    """
    load, n, ok = result.load, result.n, result.ok
    if isinstance(load, ClosedLoop):
        users, who = load.users, f"{load.users} concurrent users"
    else:
        users, who = None, f"{load.rate:g} arrivals a second"
    if not n:
        return _verdict(Decision.INCONCLUSIVE, f"{who}: no journey was made", {})
    lower, upper = share_bounds(ok, n)
    figures = {
        "count": users,
        "requests": n,
        "success_percent": 100.0 * ok / n,
        "lower_bound_percent": 100.0 * lower,
        "upper_bound_percent": 100.0 * upper,
        "limit_percent": 100.0 * share,
    }
    seen = f"{who}: {_percent(ok / n)} of {n} journeys succeed"
    claim = f"with 95 % confidence, limit {100.0 * share:g} %"
    everything = n + result.dropped
    _lower, best = share_bounds(ok + result.dropped, everything)
    if best < share:
        reason = f"{seen}, at most {_percent(best)} {claim} ({_most(result)})"
        _lower, in_time = share_bounds(ok + result.dropped + _late(result), everything)
        excuses = _excuses(result, None) if in_time >= share else []
        return _tempered(Decision.FAIL, reason, figures, [], excuses)
    reason = f"{seen}, at least {_percent(lower)} {claim}"
    if lower < share:
        reason = f"{seen}, between {_percent(lower)} and {_percent(upper)} {claim}: undecided"
        reason += f" ({_most(result)})"
    elif n < fewest_journeys:
        reason += f": at least {fewest_journeys} journeys are needed"
    else:
        return _tempered(Decision.PASS, reason, figures, _gaps(result), [])
    return _tempered(Decision.INCONCLUSIVE, reason, figures, _gaps(result), [])


def hop_below(result: LoadResult, hop: str, limit_ms: float, quantile: float = HOP_QUANTILE) -> Verdict:
    """Whether a hop takes less than ``limit_ms`` 95 of 100 times, by 95 % bounds of its p95 (or another).

    The bounds are single ordered values, so nothing is assumed about the distribution. PASS if the upper one
    is below the limit (at least 59 values), FAIL if the lower one is not, or if no answer tells the hop's
    time. Figures: ``mean``, ``p95``, ``upper`` (ms; None without a bound), ``n``, ``limit``, ``verdict``.
    """
    seen = result.hops.get(hop, Latencies())
    if not seen.n:
        outcome = Decision.FAIL if result.ok else Decision.INCONCLUSIVE
        return _verdict(outcome, f"{hop}: no answer tells the time spent there", {})
    low_rank, high_rank = quantile_ranks(quantile, seen.n)
    lower = seen.ranked_ms(low_rank) if low_rank else 0.0
    upper = seen.ranked_ms(high_rank) if high_rank else None
    figures = {
        "mean": seen.mean_ms,
        "p95": seen.quantile_ms(quantile),
        "upper": upper,
        "n": seen.n,
        "limit": limit_ms,
    }
    reason = f"{hop}: {figures['p95']:.1f} ms or less {100 * quantile:g} of 100 times"
    size = f"with 95 % confidence, limit {limit_ms:g} ms, {seen.n} requests"
    if lower >= limit_ms:
        outcome, reason = Decision.FAIL, f"{reason}, at least {lower:.1f} ms {size}"
    elif upper is None:
        outcome = Decision.INCONCLUSIVE
        reason += f", limit {limit_ms:g} ms: {seen.n} requests, {smallest_sample(quantile)} are needed"
    elif upper < limit_ms:
        outcome, reason = Decision.PASS, f"{reason}, at most {upper:.1f} ms {size}"
    else:
        outcome = Decision.INCONCLUSIVE
        reason += f", between {lower:.1f} and {upper:.1f} ms {size}: undecided"
    return _tempered(outcome, reason, figures, _gaps(result), _excuses(result, limit_ms))


def all_of(verdicts: Mapping[str, Verdict]) -> Verdict:
    """Several claims as one: it fails if one of them fails, and passes only if all of them pass.

    The sentence tells the claims that decide, ``figures`` those of every claim by its name.
    """
    outcomes = {verdict.outcome for verdict in verdicts.values()}
    by_weight = (Decision.FAIL, Decision.INCONCLUSIVE, Decision.PASS)
    outcome = next(one for one in by_weight if one in outcomes)
    reason = "; ".join(verdict.reason for verdict in verdicts.values() if verdict.outcome is outcome)
    return Verdict(outcome, reason, {name: dict(verdict.figures) for name, verdict in verdicts.items()})


def _tempered(
    outcome: Decision, reason: str, figures: Mapping[str, Any], gaps: Sequence[str], excuses: Sequence[str]
) -> Verdict:
    """The verdict, left open where the load had ``gaps``, or where it fails and there are ``excuses``."""
    reasons = [*gaps, *(excuses if outcome is Decision.FAIL else [])]
    if not reasons:
        return _verdict(outcome, reason, figures)
    return _verdict(Decision.INCONCLUSIVE, f"{reason}; not decided, because {' and '.join(reasons)}", figures)


def _verdict(outcome: Decision, reason: str, figures: Mapping[str, Any]) -> Verdict:
    return Verdict(outcome, reason, {**figures, "verdict": str(outcome)})


def _gaps(result: LoadResult) -> list[str]:
    """In what the load fell short of its plan."""
    load, lines = result.load, []
    if result.dropped:
        lines.append(f"{result.dropped} of {result.planned} planned journeys never started")
    if isinstance(load, ClosedLoop):
        if result.peak_in_flight < load.users:
            lines.append(f"only {result.peak_in_flight} of {load.users} users were there at once")
    elif result.achieved_rate is not None and result.achieved_rate < ACHIEVED_SHARE * load.rate:
        lines.append(f"only {result.achieved_rate:.1f} of {load.rate:g} arrivals a second were offered")
    return lines


def _excuses(result: LoadResult, limit_ms: float | None) -> list[str]:
    """Why a slow answer may not be the platform's doing; delays are held against a limit, if any."""
    machine, lines = result.machine, []
    if result.generator_cpu > GENERATOR_CPU_LIMIT:
        lines.append(f"the load generator used {result.generator_cpu:.0%} of its processor")
    if machine is not None:
        lines += machine.disturbances()
    if limit_ms is None:
        return lines
    if result.send_lag.n and (lag_ms := result.send_lag.quantile_ms(0.99)) > SEND_LAG_SHARE * limit_ms:
        lines.append(f"the load generator itself was {lag_ms:.0f} ms late (p99)")
    if machine is not None and machine.waited_ms is not None and result.requests:
        waited_ms = machine.waited_ms / result.requests
        # A system that is slow by its own work also waits for itself; only others' work excuses it.
        if waited_ms > WAITED_SHARE * limit_ms and (machine.foreign or 0.0) > FOREIGN_LIMIT:
            lines.append(f"the platform waited {waited_ms:.1f} ms per request for processors others used")
    return lines


def _late(result: LoadResult | Sequential) -> int:
    """Failed journeys that slowness alone can explain."""
    return sum(count for text, count in result.errors.items() if _LATE.fullmatch(text))


def _most(result: LoadResult | Sequential) -> str:
    """The most frequent error and how often it came."""
    if not result.errors:
        return "no error was told"
    text, count = max(result.errors.items(), key=lambda error: error[1])
    return f"mostly {text}, {count} times" if len(result.errors) > 1 else f"{text}, {count} times"


def _percent(share: float) -> str:
    return f"{100.0 * share:.2f} %"
