"""How scenarios and features ended, as plain data: taken from one process's model, entered in another's."""

from __future__ import annotations

import sys
import traceback
import types
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from behave.capture import Captured
from behave.model_type import Status

from support.plugins.sanitizing import stand_in

# Takes out what must not or cannot be shown.
Redact = Callable[[str], str]
# Of a failure that went through hundreds of calls (a recursion) only so many travel.
MOST_FRAMES = 100


@dataclass(frozen=True, slots=True)
class RaisedError:
    """An exception: the name of its class, its text, and ``(file, line, function)`` of its calls."""

    kind: str
    text: str
    frames: tuple[tuple[str, int, str], ...]


@dataclass(frozen=True, slots=True)
class Output:
    """Output that behave captured."""

    stdout: str
    stderr: str
    log: str
    name: str | None
    failed: bool


@dataclass(frozen=True, slots=True)
class Ending:
    """How a step, a scenario or a feature ended; ``seconds`` belongs to steps, ``skip`` to the others."""

    status: str
    hook_failed: bool = False
    message: str | None = None
    fault: RaisedError | None = None
    captured: tuple[Output, ...] = ()
    seconds: float = 0.0
    skip: bool = False
    reason: str | None = None
    steps: tuple[Ending, ...] = ()


def of_feature(feature: Any, redact: Redact) -> Ending:
    """How a feature itself ended, without its scenarios."""
    reason = feature.skip_reason
    return _of(feature, redact, skip=feature.should_skip, reason=redact(reason) if reason else None)


def of_scenario(scenario: Any, redact: Redact) -> Ending:
    """How a scenario and its steps ended."""
    steps = tuple(_of(step, redact, seconds=step.duration) for step in scenario.all_steps)
    reason = scenario.skip_reason
    return _of(
        scenario, redact, skip=scenario.should_skip, reason=redact(reason) if reason else None, steps=steps
    )


def enter_feature(feature: Any, ending: Ending) -> None:
    """Make the feature end like that; unless a hook or clean-up broke, its scenarios decide its status."""
    _enter(feature, ending)
    feature.should_skip, feature.skip_reason = ending.skip, ending.reason
    for each in (*feature.walk_scenarios(with_outlines=True), feature):
        if each.type != "scenario":
            each.clear_status()
    if Status.from_name(ending.status).is_hook_error():
        feature.set_status(ending.status)


def enter_scenario(scenario: Any, ending: Ending) -> None:
    """Make the scenario and its steps end like that."""
    for step, ended in zip(scenario.all_steps, ending.steps, strict=False):
        _enter(step, ended)
        step.status, step.duration = Status.from_name(ended.status), ended.seconds
    _enter(scenario, ending)
    scenario.should_skip, scenario.skip_reason = ending.skip, ending.reason
    scenario.clear_status()
    scenario.set_status(ending.status)


def _of(entity: Any, redact: Redact, **further: Any) -> Ending:
    message, error = entity.error_message, entity.exception
    fault = None
    if error is not None:
        frames = traceback.extract_tb(entity.exc_traceback)[-MOST_FRAMES:]
        fault = RaisedError(
            type(error).__name__,
            redact(str(error)),
            tuple((frame.filename, frame.lineno or 0, frame.name) for frame in frames),
        )
    captured = tuple(
        Output(redact(part.stdout), redact(part.stderr), redact(part.log), part.name, part.failed)
        for part in entity.captured.captures
    )
    return Ending(
        status=entity.status.name,
        hook_failed=entity.hook_failed,
        message=redact(message) if message else None,
        fault=fault,
        captured=captured,
        **further,
    )


def _enter(entity: Any, ending: Ending) -> None:
    entity.hook_failed = ending.hook_failed
    entity.error_message = ending.message
    if ending.fault is not None:
        # A class of that name stands for the real one, whose module this process may never have seen.
        entity.exception = stand_in(ending.fault.kind, ending.fault.text)
        entity.exc_traceback = _traceback(ending.fault.frames)
    entity.captured.reset()
    for part in ending.captured:
        entity.captured.add_captured(
            Captured(part.stdout, part.stderr, part.log, name=part.name, failed=part.failed), use_merge=False
        )


def _traceback(frames: tuple[tuple[str, int, str], ...]) -> types.TracebackType | None:
    """A traceback that reads like the original: behave's reporters print it."""
    built: types.TracebackType | None = None
    for file, line, function in reversed(frames):
        code = _here.__code__.replace(co_filename=file, co_name=function)
        frame = types.FunctionType(code, globals())()
        built = types.TracebackType(built, frame, -1, line)
    return built


def _here() -> types.FrameType:
    return sys._getframe()
