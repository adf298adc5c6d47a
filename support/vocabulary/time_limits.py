"""Time limits as the features write them: a duration, or the name of a limit that the platform promises."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from support.limits import Limits

UNITS = {
    "ms": 0.001,
    "s": 1.0,
    "second": 1.0,
    "seconds": 1.0,
    "minute": 60.0,
    "minutes": 60.0,
    "hour": 3600.0,
    "hours": 3600.0,
}
_DURATION = re.compile(rf"(\d+(?:\.\d+)?) ({'|'.join(sorted(UNITS, key=len, reverse=True))})")
# Cache look-ups and stores of the operation that makes most of them.
CACHE_CALLS = 5


@dataclass(frozen=True, slots=True)
class Limit:
    """A limit in seconds, and how the feature calls it."""

    name: str
    seconds: float

    def __str__(self) -> str:
        return f"{self.name} ({self.seconds:g} s)" if self.name else f"{self.seconds:g} s"


def _backend(name: str) -> Callable[[Limits], float]:
    return lambda promises: promises.due_s(name)


NAMED: Mapping[str, tuple[str, Callable[[Limits], float]]] = {
    "the refusal limit": (
        "every operation is answered, whatever has failed",
        lambda promises: promises.refusal_s,
    ),
    "the recovery limit": (
        "everything works again after a fault has ended",
        lambda promises: promises.recovers_s,
    ),
    "the convergence limit": (
        "a write whose outcome was unknown is in both stores or in neither",
        lambda promises: promises.converges_s,
    ),
    "the health limit": (
        "the health and readiness reports show a failure or a recovery",
        lambda promises: promises.reflects_s,
    ),
    "the key limit": (
        "a key that was made, changed or revoked is treated so",
        lambda promises: promises.key_snapshot_s + 1.0,
    ),
    "the job limit": (
        "a job of some hundred documents has ended",
        lambda _promises: 30.0,
    ),
    "the failover limit": (
        "one attempt has timed out and the next provider has answered",
        lambda promises: promises.provider_attempt_s + promises.failover_slack_s + 0.1,
    ),
    "the circuit breaker limit": (
        "an open circuit breaker becomes half-open",
        lambda promises: promises.breaker_open_s + 1.0,
    ),
    "the cache limit": (
        "a request is answered while Redis does not answer: a few cache calls, each given up",
        lambda promises: CACHE_CALLS * promises.backend_s["redis"] + 0.5,
    ),
    "the Qdrant limit": ("a request is answered while Qdrant does not answer", _backend("qdrant")),
    "the PostgreSQL limit": (
        "a request is answered while PostgreSQL does not answer",
        _backend("postgresql"),
    ),
    "the embedding limit": (
        "a request is answered while the embedding service does not answer",
        lambda promises: min(promises.refusal_s, promises.due_s("embedding")),
    ),
    "the embedding timeout": (
        "the gateway gives the embedding service up",
        lambda promises: promises.backend_s["embedding"],
    ),
}


def parse(text: str, promises: Limits) -> Limit:
    """``300 ms``, ``2 seconds`` or ``the recovery limit`` as a limit."""
    if text in NAMED:
        return Limit(text, NAMED[text][1](promises))
    return Limit("", duration(text))


def duration(text: str) -> float:
    """``30 minutes`` in seconds."""
    match = _DURATION.fullmatch(text)
    assert match is not None, f"{text!r} is no time limit"
    return float(match[1]) * UNITS[match[2]]


REGEXP = "|".join(
    [re.escape(name) for name in NAMED] + [_DURATION.pattern.replace("(", "(?:", 1).replace(" (", " (?:")]
)
