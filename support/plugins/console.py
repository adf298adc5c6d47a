"""What the terminal shows while features run: one line per scenario, failures at once and in full."""

from __future__ import annotations

import os
import traceback
from typing import Any

from behave.formatter.base import Formatter
from behave.model_type import Status

from support.plugins import worker_context
from support.reporting.results import repeating
from support.settings import Settings, SettingsError

WORDS = {Status.passed: "ok", Status.skipped: "skipped", Status.untested: "not run"}
WIDTH = 100
# A traceback shows its ends: where it began and what was said last.
FIRST_LINES, LAST_LINES = 4, 16


def announce(context: Any, seed: int) -> None:
    """Tell the console what is to come: how many scenarios, to count ``[ 12/63]``, and their random data."""
    runner = context._runner
    scenarios = [each for feature in runner.features for each in feature.walk_scenarios()]
    for formatter in runner.formatters:
        if isinstance(formatter, ConsoleFormatter):
            formatter.total = sum(bool(each.should_run(context.config)) for each in scenarios)
            formatter.seed = seed


class ConsoleFormatter(Formatter):  # type: ignore[misc]  # behave has no types
    """Feature heading once, then a line per scenario; a live line on a terminal, none in CI."""

    name = "citadel.console"
    description = "One line per scenario, failures at once"
    # Workers' scenarios are shown as they end, by ``began`` and ``ended``, and not again with their feature.
    shows_workers = True

    def __init__(self, stream_opener: Any, config: Any) -> None:
        super().__init__(stream_opener, config)
        self.stream = self.open()
        self.total: int | None = None
        self.seed: int | None = None
        self._begun = 0
        self._current: Any = None
        self._feature: Any = None
        self._heading = ""
        self._begun_by: dict[str, str] = {}
        self._feature_of: dict[str, Any] = {}
        self._verbose = _verbose()
        self._live = self.stream.isatty() and "CI" not in os.environ

    def feature(self, feature: Any) -> None:
        """The heading waits until the feature has a scenario to show."""
        self._feature = feature
        self._heading = f"\n{feature.name}  ({feature.filename})\n"

    def scenario(self, scenario: Any) -> None:
        """The one before is finished only now: its hooks and clean-ups have run."""
        self._finish()
        if not scenario.should_run(self.config) and not scenario.skip_reason:
            return
        self._current = scenario
        self._begun += 1
        if self._heading:
            self._write(self._heading)
            self._heading = ""
        if self._live:
            self.stream.write(worker_context.OWN.shown(f"{self._count()} ... {_name(scenario)}")[:WIDTH])
            self.stream.flush()

    def result(self, step: Any) -> None:
        """A finished step, where the user wants to see them (``INTEGRATION_TEST_VERBOSE``)."""
        if self._verbose and self._current is not None:
            self._write(f"      {step.duration:6.2f} s  {step.status.name:8} {step.keyword} {step.name}\n")

    def eof(self) -> None:
        """End of a feature; its own hooks and clean-ups have run."""
        self._finish()
        if self._feature is not None and self._feature.status.is_hook_error():
            self._write(self._heading + "".join(f"      {line}\n" for line in _broken(self._feature)))
        self._feature = None

    def began(self, scenario: Any, lane: str) -> None:
        """A worker has begun a scenario; a terminal shows what each of them is at."""
        if scenario.should_run(self.config):
            self._begun_by[lane] = _name(scenario)
            self._write_live()

    def ended(self, scenario: Any, lane: str) -> None:
        """A worker's scenario has ended, its hooks and clean-ups included."""
        self._begun_by.pop(lane, None)
        if not scenario.should_run(self.config) and not scenario.skip_reason:
            return
        if scenario.feature is not self._feature_of.get(lane):
            self._feature_of[lane] = scenario.feature
            self._write(f"{lane:3} {scenario.feature.name}  ({scenario.filename})\n")
        self._begun += 1
        self._write(self._line(scenario, lane))
        self._write_live()

    def ended_feature(self, feature: Any, lane: str) -> None:
        """A worker's feature has ended; only a broken hook or clean-up of its own is shown."""
        if feature.status.is_hook_error():
            heading = f"{lane:3} {feature.name}  ({feature.filename})\n"
            self._write(heading + "".join(f"      {line}\n" for line in _broken(feature)))

    def close(self) -> None:
        """End of the run."""
        self._finish()
        super().close()

    def _finish(self) -> None:
        scenario, self._current = self._current, None
        if scenario is not None:
            self._write(self._line(scenario))

    def _line(self, scenario: Any, lane: str = "") -> str:
        status = scenario.status
        word = "FAILED" if status.has_failed() else WORDS.get(status, status.name)
        mark = f"{lane:3} " if lane else ""
        line = f"{self._count()} {word:7} {scenario.duration:6.2f} s  {mark}{_name(scenario)}\n"
        if status is Status.skipped and scenario.skip_reason:
            line += f"{'':18}because: {scenario.skip_reason}\n"
        if status.has_failed():
            line += _failure(scenario)
            if self.seed is not None:
                line += f"      repeat with: {repeating(str(scenario.location), self.seed)}\n"
        return line

    def _count(self) -> str:
        width = len(str(self.total or ""))
        return f"[{self._begun:{width + 1}}/{self.total}]" if self.total else f"[{self._begun:3}]"

    def _write_live(self) -> None:
        if self._live and self._begun_by:
            doing = " | ".join(f"{lane} {name}" for lane, name in sorted(self._begun_by.items()))
            self._write(worker_context.OWN.shown(f"{self._count()} ... {doing}")[:WIDTH])

    def _write(self, text: str) -> None:
        if self._live:
            self.stream.write("\r\x1b[K")
        self.stream.write(worker_context.OWN.shown(text))
        self.stream.flush()


def _failure(scenario: Any) -> str:
    lines = [f"at {scenario.location}"]
    for step in scenario.all_steps:
        if step.status.has_failed():
            lines.append(f"{step.status.name} in step: {step.keyword} {step.name}  ({step.location})")
            lines += _ends(step.error_message or str(step.exception or ""))
    if scenario.status.is_hook_error() or scenario.error_message:
        lines += _broken(scenario)
    return "".join(f"      {line}\n" for line in lines)


def _broken(entity: Any) -> list[str]:
    """What a hook or a clean-up of a scenario or a feature said, and where."""
    lines = [
        f"{entity.status.name.replace('_', ' ')} of the {entity.type}:",
        *_ends(entity.error_message or ""),
    ]
    if entity.exc_traceback is not None:
        frame = traceback.extract_tb(entity.exc_traceback)[-1]
        lines.append(f"  ({os.path.relpath(frame.filename)}:{frame.lineno} in {frame.name})")
    return lines


def _name(scenario: Any) -> str:
    """Without the row number that behave appends in an outline."""
    return str(scenario.name.rsplit(" -- @", 1)[0])


def _ends(message: str) -> list[str]:
    lines = [f"  {line}" for line in message.strip().splitlines()]
    if len(lines) <= FIRST_LINES + LAST_LINES + 1:
        return lines
    hidden = len(lines) - FIRST_LINES - LAST_LINES
    return [*lines[:FIRST_LINES], f"  ... {hidden} lines ...", *lines[-LAST_LINES:]]


def _verbose() -> bool:
    try:
        return Settings.load().verbose
    except SettingsError:
        # The run itself refuses a wrong setting, with the explanation.
        return False
