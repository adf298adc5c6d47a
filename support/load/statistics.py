"""Few figures, honestly bounded: means of rounds, shares of journeys, quantiles.

Requests of one burst resemble each other, so an interval from single requests is far too narrow (it held the
truth in 5 to 42 % of measured cases instead of 95 %). The mean's interval comes from the means of rounds
spread in time instead, with Student's t.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

CONFIDENCE = 0.95


@dataclass(frozen=True, slots=True)
class MeanBounds:
    """A mean, and where it is with 95 % confidence: ``between``, above ``lower``, below ``upper``."""

    mean: float
    rounds: int
    between: tuple[float, float]
    lower: float
    upper: float


def mean_bounds(round_means: Sequence[float]) -> MeanBounds:
    """The t-interval of the means of at least two equally large rounds."""
    rounds = len(round_means)
    if rounds < 2:
        raise ValueError(f"{rounds} rounds tell nothing about the spread: at least 2 are needed")
    mean = statistics.fmean(round_means)
    error = statistics.stdev(round_means) / math.sqrt(rounds)
    one_sided = student_t_quantile(CONFIDENCE, rounds - 1) * error
    two_sided = student_t_quantile((1 + CONFIDENCE) / 2, rounds - 1) * error
    return MeanBounds(mean, rounds, (mean - two_sided, mean + two_sided), mean - one_sided, mean + one_sided)


def student_t_quantile(probability: float, degrees: int) -> float:
    """The value that Student's t with ``degrees`` degrees of freedom stays below with ``probability``."""
    if not 0.5 <= probability < 1.0 or degrees < 1:
        raise ValueError(f"no t for probability {probability} and {degrees} degrees of freedom")
    low, high = 0.0, 1.0
    while _student_t_cdf(high, degrees) < probability:
        high *= 2.0
    while high - low > 1e-10 * high:
        middle = (low + high) / 2.0
        low, high = (middle, high) if _student_t_cdf(middle, degrees) < probability else (low, middle)
    return high


def _student_t_cdf(t: float, degrees: int) -> float:
    """Abramowitz and Stegun, Handbook of Mathematical Functions, 26.7.3 and 26.7.4; ``t`` is not negative."""
    theta = math.atan(t / math.sqrt(degrees))
    cosine, sine = math.cos(theta), math.sin(theta)
    if degrees % 2:
        term, total = cosine, cosine if degrees > 1 else 0.0
        for k in range(3, degrees - 1, 2):
            term *= cosine * cosine * (k - 1) / k
            total += term
        within = 2.0 / math.pi * (theta + sine * total)
    else:
        term = total = 1.0
        for k in range(2, degrees - 1, 2):
            term *= cosine * cosine * (k - 1) / k
            total += term
        within = sine * total
    return (1.0 + within) / 2.0


def share_bounds(successes: int, n: int) -> tuple[float, float]:
    """Wilson's score bounds of a share, each one-sided with 95 % confidence."""
    if n < 1 or not 0 <= successes <= n:
        raise ValueError(f"{successes} of {n} is no share")
    z = statistics.NormalDist().inv_cdf(CONFIDENCE)
    share = successes / n
    centre = share + z * z / (2 * n)
    spread = z * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    scale = 1 + z * z / n
    return max(0.0, (centre - spread) / scale), min(1.0, (centre + spread) / scale)


def highest_share(successes: int, n: int) -> float:
    """The share that so many successes still allow, one-sided with 95 % confidence: Clopper and Pearson's.

    Exact also where nothing was seen at all: 0 of 59 allows 5 %.
    """
    if n < 1 or not 0 <= successes <= n:
        raise ValueError(f"{successes} of {n} is no share")
    if successes == n:
        return 1.0
    low, high = successes / n, 1.0
    while high - low > 1e-9:
        middle = (low + high) / 2
        seen = sum(_binomial(k, n, middle) for k in range(successes + 1))
        low, high = (middle, high) if seen > 1 - CONFIDENCE else (low, middle)
    return high


def smallest_sample(quantile: float) -> int:
    """How many values bound a quantile from above with 95 % confidence: 59 for p95, 299 for p99."""
    return math.ceil(math.log(1 - CONFIDENCE) / math.log(quantile))


def quantile_ranks(quantile: float, n: int) -> tuple[int, int | None]:
    """Ranks (from 1) of the ordered values that bound a quantile below and above, each with 95 % confidence.

    The number of values below the quantile is binomial, whatever their distribution. The lower rank is 0 and
    the upper None where ``n`` is too small to bound that side.
    """
    lower, upper = 0, None
    below = 0.0
    for k in range(n):
        # ``below`` is the chance that fewer than k values lie below the quantile.
        if below <= 1 - CONFIDENCE:
            lower = k
        below += _binomial(k, n, quantile)
        if below >= CONFIDENCE:
            upper = k + 1
            break
    return lower, upper


def _binomial(k: int, n: int, chance: float) -> float:
    """How likely exactly ``k`` of ``n`` happen, each with a chance above 0 and below 1."""
    ways = math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1)
    return math.exp(ways + k * math.log(chance) + (n - k) * math.log(1 - chance))


def warm_up_ends(values: Sequence[float], batch: int = 5) -> int:
    """How many values MSER-5 would cut from the start of a series because they are not yet steady.

    White, Cobb and Spratt, "A comparison of five steady-state truncation heuristics for simulation" (2000):
    of all cuts in the first half the one whose rest has the smallest squared standard error, in batches of 5.
    """
    means = [
        statistics.fmean(values[start : start + batch]) for start in range(0, len(values) - batch + 1, batch)
    ]
    best, best_error = 0, math.inf
    # Sums from the end: the variance of every rest in one pass.
    total = squares = 0.0
    for start in range(len(means) - 1, -1, -1):
        total += means[start]
        squares += means[start] * means[start]
        rest = len(means) - start
        error = max(0.0, squares - total * total / rest) / (rest * rest)
        if start <= len(means) // 2 and error <= best_error:
            best, best_error = start, error
    return best * batch
