"""The only place in the suite that waits: bounded polls that return at once and say what they saw."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

from tenacity import RetryCallState, Retrying, retry_if_exception_type, stop_after_delay
from tenacity.wait import wait_base

T = TypeVar("T")

TRANSIENT: tuple[type[Exception], ...] = (ConnectionError, TimeoutError)
FIRST_PAUSE_S = 0.05
LONGEST_PAUSE_S = 0.25
# Of a state that is no longer: enough to recognise it.
MOST_OF_A_STATE = 200

# (start, end) of every wait so far, seconds of time.monotonic(): what the run spent waiting.
SPANS: list[tuple[float, float]] = []


def _pause_after(look: int) -> float:
    """Seconds between the n-th look (from 1) and the next: 50 ms growing by half to 250 ms."""
    # The longest pause comes with the fifth look; the power would overflow in a wait of minutes.
    return min(FIRST_PAUSE_S * 1.5 ** min(look - 1, 4), LONGEST_PAUSE_S)


class NotYet(AssertionError):
    """The awaited state did not come, or did not last; the message tells the last state and the changes."""


class _GrowingPause(wait_base):
    """Growing pauses, cut so that the last look falls on the deadline."""

    def __init__(self, within: float) -> None:
        self._within = within

    def __call__(self, retry_state: RetryCallState) -> float:
        elapsed = retry_state.seconds_since_start or 0.0
        return max(0.0, min(_pause_after(retry_state.attempt_number), self._within - elapsed))


class _Trail:
    """The states a probe went through, each with the second it was first seen."""

    def __init__(self) -> None:
        self._started = time.monotonic()
        self._changes: list[tuple[float, str]] = []
        self.last = "nothing yet"

    def see(self, state: str) -> None:
        if not self._changes or self._changes[-1][1] != state:
            self._changes.append((time.monotonic() - self._started, state))
        self.last = state

    def __str__(self) -> str:
        shown = self._changes[:3] + self._changes[3:][-3:]
        return "; ".join(f"at {at:.1f} s: {_cut(state)}" for at, state in shown)


def _cut(state: str) -> str:
    return state if len(state) <= MOST_OF_A_STATE else f"{state[:MOST_OF_A_STATE]}..."


def eventually(
    probe: Callable[[], T],
    accept: Callable[[T], bool],
    *,
    within: float,
    what: str,
    transient: tuple[type[Exception], ...] = TRANSIENT,
) -> T:
    """Return the first result of ``probe`` that ``accept`` takes; look at once, then for ``within`` seconds.

    An ``AssertionError`` or a ``transient`` error of the probe is an observation; any other error ends the
    wait at once, because it is a defect of the probe. Raises ``NotYet`` with *what*, the last state and the
    trail of changes. A probe's own time-out must be shorter than ``within``.
    """
    trail = _Trail()
    observed: tuple[type[Exception], ...] = (AssertionError, *transient)

    def look() -> T:
        try:
            result = probe()
        except observed as complaint:
            trail.see(f"{type(complaint).__name__}: {complaint}")
            raise NotYet(str(complaint)) from complaint
        trail.see(repr(result))
        if not accept(result):
            raise NotYet(repr(result))
        return result

    retrying = Retrying(
        stop=stop_after_delay(within),
        wait=_GrowingPause(within),
        retry=retry_if_exception_type(NotYet),
        reraise=True,
    )
    started = time.monotonic()
    try:
        return retrying(look)
    except NotYet as last:
        raise NotYet(f"{what}: not within {within:g} s; last seen {trail.last} (changes: {trail})") from last
    finally:
        SPANS.append((started, time.monotonic()))


def back_off(seconds: float) -> None:
    """What a client does that was told to come back later; never used to wait for a state."""
    started = time.monotonic()
    time.sleep(seconds)
    SPANS.append((started, time.monotonic()))


def consistently(probe: Callable[[], T], accept: Callable[[T], bool], *, during: float, what: str) -> T:
    """Look again and again for ``during`` seconds and return the last result; for what must *not* happen.

    Raises ``NotYet`` at the first result that ``accept`` refuses.
    """
    started = time.monotonic()
    looks = 0
    try:
        while True:
            looks += 1
            result = probe()
            elapsed = time.monotonic() - started
            if not accept(result):
                raise NotYet(f"{what}: no longer so after {elapsed:.1f} s ({looks} looks); saw {result!r}")
            if elapsed >= during:
                return result
            time.sleep(max(0.0, min(_pause_after(looks), during - elapsed)))
    finally:
        SPANS.append((started, time.monotonic()))
