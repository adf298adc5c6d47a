"""The calls that behave makes to formatters, noted in one process and made again in another."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from behave.formatter.base import Formatter
from behave.matchers import NoMatch

# The call and the number it is about: of a scenario in its feature, of a step in its scenario.
Call = tuple[str, int]


class Recorder(Formatter):  # type: ignore[misc]  # behave has no types
    """Notes every call; ``taken`` returns the notes since the last time.

    ``begun`` is called when a feature begins: formatters before this one have wrapped its scenarios by then.
    """

    name = "citadel.recorder"

    def __init__(self, begun: Callable[[], None]) -> None:
        self._begun = begun
        self._calls: list[Call] = []
        self._scenarios: list[Any] = []
        self._steps: list[Any] = []
        self._matched = 0

    def taken(self) -> list[Call]:
        """The calls since this was last asked."""
        calls, self._calls = self._calls, []
        return calls

    def feature(self, feature: Any) -> None:
        self._scenarios = feature.walk_scenarios()
        self._calls.append(("feature", 0))
        self._begun()

    def background(self, _background: Any) -> None:
        self._calls.append(("background", 0))

    def scenario(self, scenario: Any) -> None:
        self._steps, self._matched = list(scenario.all_steps), 0
        self._calls.append(("scenario", _place(scenario, self._scenarios)))

    def step(self, step: Any) -> None:
        self._calls.append(("step", _place(step, self._steps)))

    def match(self, _match: Any) -> None:
        # A match does not say whose it is; behave runs the steps one after the other.
        self._calls.append(("match", self._matched))
        self._matched += 1

    def result(self, step: Any) -> None:
        self._calls.append(("result", _place(step, self._steps)))

    def eof(self) -> None:
        self._calls.append(("eof", 0))

    def close(self) -> None:
        """There is no stream to close."""


def replay(calls: Iterable[Call], feature: Any, registry: Any, formatters: Iterable[Any]) -> None:
    """Make the calls again, about this process's own model."""
    scenarios = feature.walk_scenarios()
    listeners = list(formatters)
    steps: list[Any] = []
    for call, number in calls:
        about: tuple[Any, ...]
        if call == "feature":
            about = (feature,)
        elif call == "background":
            about = (feature.background,)
        elif call == "scenario":
            about = (scenarios[number],)
            steps = list(scenarios[number].all_steps)
        elif call == "match":
            about = (registry.find_match(steps[number]) or NoMatch(),)
        elif call == "eof":
            about = ()
        else:
            about = (steps[number],)
        for listener in listeners:
            getattr(listener, call)(*about)


def calls_of_unreported(feature: Any, numbers: Iterable[int]) -> list[Call]:
    """The calls about scenarios of which no worker told anything."""
    scenarios = feature.walk_scenarios()
    calls: list[Call] = []
    for number in numbers:
        calls.append(("scenario", number))
        calls += [("step", step) for step, _ in enumerate(scenarios[number].all_steps)]
    return calls


def _place(wanted: Any, among: list[Any]) -> int:
    # behave calls steps with the same words equal.
    return next(number for number, each in enumerate(among) if each is wanted)
