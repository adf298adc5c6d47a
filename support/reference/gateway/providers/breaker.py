"""The circuit breaker of one provider: closed, open, half-open with a single probe."""

from __future__ import annotations

import math
import time
from datetime import UTC, datetime
from typing import Literal

State = Literal["closed", "half_open", "open"]

THRESHOLD = 5
"""Consecutive failures that open a breaker."""

Ticket = int
"""Admission to one call. A breaker that has changed since then does not care any more how the call ended."""


class Breaker:
    """Opens after `THRESHOLD` consecutive failures; `open_s` seconds later one call may try again."""

    def __init__(self, open_s: float) -> None:
        self._open_s = open_s
        self._failures = 0
        self._open_until: float | None = None
        self._opened_at: datetime | None = None
        self._probing = False
        self._era: Ticket = 0

    @property
    def state(self) -> State:
        """Half-open from the moment a probe is allowed until it has ended."""
        if self._open_until is None:
            return "closed"
        return "open" if time.monotonic() < self._open_until else "half_open"

    def rest_s(self) -> float:
        """Seconds until a probe is allowed."""
        return 0.0 if self._open_until is None else max(0.0, self._open_until - time.monotonic())

    def admits(self) -> bool:
        """Whether `admit` would let a call through now."""
        return self.state == "closed" or (self.state == "half_open" and not self._probing)

    def admit(self) -> Ticket | None:
        """Let a call through, or None. The ticket must be handed to one of the three methods below."""
        if not self.admits():
            return None
        self._probing = self.state == "half_open"
        return self._era

    def failed(self, ticket: Ticket) -> None:
        """The provider is to blame."""
        if ticket != self._era:
            return
        self._failures += 1
        if self._probing or self._failures >= THRESHOLD:
            self._open_until = time.monotonic() + self._open_s
            self._opened_at = datetime.now(UTC)
            self._changed()

    def answered(self, ticket: Ticket, *, success: bool) -> None:
        """The provider is there. A refusal (not `success`) neither adds to the failures nor ends the row."""
        if ticket != self._era:
            return
        if success or self._probing:
            self._failures = 0
        if self._probing:
            self._open_until = self._opened_at = None
            self._changed()

    def abandoned(self, ticket: Ticket) -> None:
        """The call was given up by its caller and tells nothing: a probe may be repeated."""
        if ticket == self._era:
            self._probing = False

    def _changed(self) -> None:
        self._probing = False
        self._era += 1

    def summary(self) -> dict[str, object]:
        """The contract's CircuitBreaker."""
        opened = self._opened_at
        return {
            "state": self.state,
            "failure_count": self._failures,
            "failure_threshold": THRESHOLD,
            "reset_timeout_s": self._open_s,
            "opened_at": opened and opened.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "retry_after_s": None if opened is None else math.ceil(self.rest_s()),
        }
