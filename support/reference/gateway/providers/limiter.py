"""Requests a minute: never more at the provider than it allows, in any minute."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Sequence

_MINUTE_S = 60.0


class LimitReached(Exception):
    """No token in time; `rest_s` seconds until the next one."""

    def __init__(self, rest_s: float) -> None:
        super().__init__(f"{rest_s:.3f} s")
        self.rest_s = rest_s


class Limiter:
    """A bucket with a token for each request allowed in `window_s` seconds.

    A used token comes back one window after its call *ended*: the request had arrived by then, so that no
    window on the provider's own clock sees more requests than tokens. A bucket that is refilled steadily
    would allow up to twice the limit in the minute after a pause.
    """

    def __init__(self, tokens: int, window_s: float = _MINUTE_S) -> None:
        self.tokens = tokens
        self._window_s = window_s
        self._in_use = 0
        self._returning: deque[float] = deque()

    @property
    def remaining(self) -> int:
        """Tokens at hand."""
        while self._returning and self._returning[0] <= time.monotonic():
            self._returning.popleft()
        return self.tokens - self._in_use - len(self._returning)

    def rest_s(self) -> float:
        """Seconds until a token is at hand; while all are in use, the least that it can take."""
        if self.remaining > 0:
            return 0.0
        return self._returning[0] - time.monotonic() if self._returning else self._window_s

    def take(self) -> None:
        """Use one of the tokens at hand."""
        self._in_use += 1

    def give_back(self, *, used: bool) -> None:
        """The call has ended, or was not made after all."""
        self._in_use -= 1
        if used:
            self._returning.append(time.monotonic() + self._window_s)


async def take_tokens(limiters: Sequence[Limiter], budget_s: float) -> None:
    """Take one token of each limiter at the same moment; `LimitReached` if the budget is too short."""
    until = time.monotonic() + budget_s
    while (rest_s := max(limiter.rest_s() for limiter in limiters)) > 0:
        if time.monotonic() + rest_s > until:
            raise LimitReached(rest_s)
        await asyncio.sleep(rest_s)
    for limiter in limiters:
        limiter.take()
