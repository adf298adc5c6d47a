"""A worker: behave's own runner, given its feature files one by one by the run that started it.

Started as ``python -m support.plugins.parallel`` with behave's arguments; ``LINE`` names the
descriptor of the line to the run. When the run is gone, the line ends and the worker ends itself, clean-ups
included.
"""

# mypy: allow-untyped-calls
# (Allure's and behave's packages are only partly typed.)

from __future__ import annotations

import contextlib
import functools
import os
import queue
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from multiprocessing.connection import Connection
from types import FrameType
from typing import Any

from behave.configuration import Configuration
from behave.formatter.base import StreamOpener
from behave.runner import Runner
from behave.runner_util import reset_runtime

from support.plugins import allure_corrections, worker_context
from support.plugins.parallel import endings
from support.plugins.parallel.replay import Recorder
from support.reporting import write_errors

LINE = "CITADEL_WORKER_LINE"
# How long a worker whose run is gone may take to clean up; its dead-man process does the rest.
ORPHAN_ENDS_WITHIN_S = 20.0
STOP = "stop"


@dataclass(frozen=True, slots=True)
class Task:
    """The first thing a worker hears: its number and where Allure's results go."""

    number: int
    allure_folders: tuple[str, ...]


class Interruption:
    """SIGTERM and SIGINT as one ``KeyboardInterrupt``, held back while a message is under way."""

    def __init__(self) -> None:
        self._come = self._raised = False
        self._held = False
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._ring)

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """Half a message would make the line unreadable: interrupt after it."""
        self._held = True
        try:
            yield
        finally:
            self._held = False
        self._raise_once()

    def _ring(self, _number: int, _frame: FrameType | None) -> None:
        self._come = True
        if not self._held:
            self._raise_once()

    def _raise_once(self) -> None:
        # A second one would hit the clean-ups that the first one has started.
        if self._come and not self._raised:
            self._raised = True
            raise KeyboardInterrupt


class Line:
    """The worker's end of the line to the run."""

    def __init__(self, connection: Connection, interruption: Interruption) -> None:
        self._connection = connection
        self._interruption = interruption
        self._orders: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        self.stopping = False
        self.task: Task = connection.recv()
        threading.Thread(target=self._listen, name="line", daemon=True).start()

    def tell(self, what: str, *details: object) -> None:
        """Send something; a run that is gone is noticed by the listener."""
        with self._interruption.held(), contextlib.suppress(OSError):
            self._connection.send((what, *details))

    def next_file(self) -> str | None:
        """The feature file to run next; None when there is no more to do."""
        self.tell("idle")
        return None if self.stopping else self._orders.get()

    def _listen(self) -> None:
        try:
            while True:
                order = self._connection.recv()
                if order == STOP:
                    self.stopping, order = True, None
                self._orders.put(order)
        except (EOFError, OSError):
            self._orphaned()

    def _orphaned(self) -> None:
        print("the run is gone", flush=True)
        end = threading.Timer(ORPHAN_ENDS_WITHIN_S, os._exit, (1,))
        end.daemon = True
        end.start()
        main = threading.main_thread().ident
        if main is not None:
            signal.pthread_kill(main, signal.SIGTERM)


class WorkerRunner(Runner):  # type: ignore[misc]  # behave has no types
    """behave's runner with features that come over the line and formatters that note or write results."""

    def __init__(self, config: Any, line: Line) -> None:
        super().__init__(config)
        self._line = line
        self._recorder = Recorder(self._watch)
        self._scenarios: list[Any] = []
        self._unreported: set[int] = set()
        self._broken = ""
        # Those of features and scenarios, which are told with them.
        self._cleanup_errors = 0

    def load_hooks(self, filename: str | None = None) -> None:
        """Let the run know how the hooks of the whole run ended."""
        super().load_hooks(filename)
        self.hooks["before_all"] = self._telling_of_the_begin(self.hooks["before_all"])
        if "after_all" in self.hooks:
            self.hooks["after_all"] = self._telling_of_the_end(self.hooks["after_all"])

    def run_model(self, _features: Any = None) -> bool:
        """Run what is handed out; then tell the figures and what broke outside of features."""
        folders = self._line.task.allure_folders
        allure = [allure_corrections.AllureFormatter(StreamOpener(folder), self.config) for folder in folders]
        self.formatters = [*allure, self._recorder]
        failed = bool(super().run_model(self._handed_out()))
        if not self._broken and self.context._root["cleanup_errors"] > self._cleanup_errors:
            self._broken = "a clean-up of the run failed"
        if write_errors.LOST and not self._broken:
            self._broken = "; ".join(write_errors.LOST)
        self._line.tell("ended", worker_context.OWN.figures, self._broken)
        return failed

    def _handed_out(self) -> Iterator[Any]:
        by_file = {feature.filename: feature for feature in self.features}
        try:
            while not self.aborted and (file := self._line.next_file()) is not None:
                yield from self._carried_out(by_file[file])
        except KeyboardInterrupt:
            self.abort(reason="told to end")
        self._cleanup_errors = self.context._root["cleanup_errors"]

    def _carried_out(self, feature: Any) -> Iterator[Any]:
        """The feature; when behave asks for the next one, this one has ended, clean-ups included."""
        scenarios = self._scenarios = feature.walk_scenarios()
        self._unreported = set(range(len(scenarios)))
        failed: list[bool] = []
        feature.run = functools.partial(_noting, feature.run, failed)
        begun = time.monotonic()
        yield feature
        left = {
            number: endings.of_scenario(scenarios[number], worker_context.OWN.shown)
            for number in sorted(self._unreported)
        }
        self._line.tell(
            "feature",
            endings.of_feature(feature, worker_context.OWN.shown),
            left,
            self._recorder.taken(),
            # Not even the result of an interrupted one comes back.
            failed[0] if failed else True,
            time.monotonic() - begun,
        )

    def _watch(self) -> None:
        """Tell of each scenario when it has ended, and begin none after the run has been told to stop."""
        for number, scenario in enumerate(self._scenarios):
            scenario.run = functools.partial(self._run_scenario, number, scenario, scenario.run)

    def _run_scenario(self, number: int, scenario: Any, original: Callable[[Any], bool], runner: Any) -> bool:
        if self._line.stopping:
            return False
        self._line.tell("began", number)
        try:
            return original(runner)
        finally:
            self._unreported.discard(number)
            self._line.tell(
                "scenario",
                number,
                endings.of_scenario(scenario, worker_context.OWN.shown),
                self._recorder.taken(),
            )

    def _telling_of_the_begin(self, hook: Callable[[Any], None]) -> Callable[[Any], None]:
        @functools.wraps(hook)
        def before_all(context: Any) -> None:
            try:
                hook(context)
            except BaseException as error:
                # The run reports it, once for all workers.
                print(worker_context.OWN.shown(traceback.format_exc()))
                refused = isinstance(error, worker_context.CannotBegin)
                message = str(error) if refused else f"{type(error).__name__}: {error}"
                self._line.tell("failed", worker_context.OWN.shown(message))
                self.hook_failures += 1
                self.abort(reason="before_all failed")
            else:
                self._line.tell("ready", worker_context.OWN.introduction)

        return before_all

    def _telling_of_the_end(self, hook: Callable[[Any], None]) -> Callable[[Any], None]:
        @functools.wraps(hook)
        def after_all(context: Any) -> None:
            try:
                hook(context)
            except BaseException as error:
                self._broken = worker_context.OWN.shown(f"after_all: {type(error).__name__}: {error}")
                raise

        return after_all


def _noting(original: Callable[[Any], bool], results: list[bool], runner: Any) -> bool:
    failed = original(runner)
    results.append(failed)
    return failed


def main() -> int:
    """Run what the run hands out."""
    interruption = Interruption()
    descriptor = int(os.environ.pop(LINE))
    os.set_inheritable(descriptor, False)
    line = Line(Connection(descriptor), interruption)
    worker_context.OWN.number = line.task.number
    config = Configuration(sys.argv[1:])
    config.format, config.outputs, config.reporters = [], [], []
    config.userdata.pop(allure_corrections.RESULTS, None)
    reset_runtime()
    return int(bool(WorkerRunner(config, line).run()))
