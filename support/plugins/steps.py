"""Bounds every step in time and turns "cannot be had here" into a skip with its reason."""

from __future__ import annotations

import functools
import signal
import time
from collections.abc import Callable
from types import FrameType
from typing import Any, NoReturn

from support.citadel import Inconclusive, Unavailable
from support.settings import Mode

# A scenario tagged @slow (load, volume) may take this many times the usual ceiling.
SLOW_FACTOR = 10


class _Deadline(BaseException):
    """Raised by the timer inside whatever the step is doing; no client that catches Exception may hold it."""


def bound_every_step(context: Any) -> None:
    """Wrap every step definition once."""
    signal.signal(signal.SIGALRM, _ring)
    # The runner's own: behave replaces the registry of its module when it starts.
    for definitions in context._runner.step_registry.steps.values():
        for definition in definitions:
            definition.func = _bounded(definition.func)


def _bounded(function: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(function)
    def step(context: Any, *arguments: Any, **named: Any) -> None:
        left = _seconds_left(context)
        signal.setitimer(signal.ITIMER_REAL, left)
        try:
            function(context, *arguments, **named)
        except _Deadline:
            raise AssertionError(
                f"the step did not end within {left:.0f} s, what was left of the scenario's ceiling"
                " (INTEGRATION_TEST_TIMEOUT); the journal shows what it waited for"
            ) from None
        except Inconclusive as reason:
            context.scenario.skip(f"inconclusive: {reason}")
        except Unavailable as reason:
            if context.citadel.mode is Mode.EMBEDDED:
                raise
            context.scenario.skip(str(reason))
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)

    return step


def _seconds_left(context: Any) -> float:
    ceiling: float = context.citadel.settings.timeout_s
    if "slow" in context.tags:
        ceiling *= SLOW_FACTOR
    begun: float = context.world.begun
    return max(1.0, ceiling - (time.monotonic() - begun))


def _ring(_signal: int, _frame: FrameType | None) -> NoReturn:
    raise _Deadline
