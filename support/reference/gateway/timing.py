"""One call and its clock: request id, deadline, and the time spent in each backend."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field

from support.reference.gateway.problems import DependencyTimeout

HOPS = ("embedding", "qdrant", "postgresql", "redis", "provider")

Interval = tuple[float, float]


@dataclass(slots=True)
class Call:
    """A request in progress. Times are `time.monotonic()` seconds, which is also the event loop's clock."""

    request_id: str
    started: float = field(default_factory=time.monotonic)
    deadline: float = float("inf")
    hops: dict[str, list[Interval]] = field(default_factory=dict)
    background: bool = False

    def add(self, hop: str, start: float, end: float) -> None:
        """Note that `hop` was waited for from `start` to `end`. Background work has nobody to tell."""
        if self.background:
            return
        self.hops.setdefault(hop, []).append((start, end))

    def total_ms(self) -> float:
        """Milliseconds since the request arrived."""
        return round((time.monotonic() - self.started) * 1000, 3)

    def hop_ms(self, hop: str) -> float:
        """Milliseconds spent in one backend; overlapping calls count once."""
        return round(covered(self.hops.get(hop, [])) * 1000, 3)

    def gateway_ms(self, total_ms: float | None = None) -> float:
        """The gateway's own work: total (by default until now) less the union of all backend intervals."""
        total_ms = self.total_ms() if total_ms is None else total_ms
        every = [interval for intervals in self.hops.values() for interval in intervals]
        return max(0.0, round(total_ms - covered(every) * 1000, 3))

    def server_timing(self) -> str:
        """The `Server-Timing` header: only the hops that were used."""
        # The clock is read once, or the parts would not make the whole where the process had to wait between.
        total_ms = self.total_ms()
        parts = [f"gateway;dur={self.gateway_ms(total_ms)}"]
        parts += [f"{hop};dur={self.hop_ms(hop)}" for hop in HOPS if hop in self.hops]
        parts.append(f"total;dur={total_ms}")
        return ", ".join(parts)


_call: ContextVar[Call] = ContextVar("call")


def current() -> Call:
    """The call in whose task this runs."""
    return _call.get()


def begin(call: Call) -> None:
    """Make `call` the current one of this task."""
    _call.set(call)


def allowed(budget_s: float, dependency: str) -> float:
    """The smaller of a backend's budget and what is left of the operation; none left is a time-out."""
    left = min(budget_s, current().deadline - time.monotonic())
    if left <= 0:
        raise DependencyTimeout(dependency, "no time left")
    return left


@contextmanager
def hop(name: str) -> Iterator[None]:
    """Count the time of the block as spent in backend `name`."""
    start = time.monotonic()
    try:
        yield
    finally:
        current().add(name, start, time.monotonic())


def covered(intervals: list[Interval]) -> float:
    """Length of the union of intervals, in their unit."""
    total = 0.0
    reached = float("-inf")
    for start, end in sorted(intervals):
        if end > reached:
            total += end - max(start, reached)
            reached = end
    return total
