"""The budget of the language: the sentences are composed, not carved for single scenarios.

The figures are those of CONTRIBUTING.md. A sentence is one wording of a step definition; an outline counts
once, for every sentence that one of its rows finds.
"""

from __future__ import annotations

import random
import statistics
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from behave.parser import parse_file
from behave.step_registry import registry

from support.plugins import sentences
from support.settings import ROOT

ROUNDS = 40
# At most this much, but of ``parameters``: at least.
MOST = {
    "definitions": 250,
    "sentences a scenario": 0.8,
    "used once": 0.30,
    "used in one file only": 0.45,
    "scenarios with a sentence of their own": 0.20,
    "distinct sentences in 500 random steps": 120,
    "without parameters": 0.20,
}
LEAST = {"parameters": 1.25}


@dataclass(frozen=True, slots=True)
class Written:
    """A scenario, or a background: where it stands, and the sentences of each of its steps."""

    file: str
    name: str
    steps: tuple[frozenset[Any], ...]


def test_the_language_keeps_its_budget() -> None:
    sentences.load(ROOT)
    known = [each for kind in registry.steps.values() for each in kind]
    told = figures(known, list(written(sorted((ROOT / "features").rglob("*.feature")))))
    print(told)
    over = {name: (told[name], f"at most {most}") for name, most in MOST.items() if told[name] > most}
    over |= {name: (told[name], f"at least {least}") for name, least in LEAST.items() if told[name] < least}
    assert over == {}


def written(features: Sequence[Path]) -> Iterator[Written]:
    """Everything that is written in the features, with the sentences that it uses."""
    for path in features:
        feature = parse_file(str(path))
        if feature.background:
            yield Written(str(path), "", tuple(_hits([step]) for step in feature.background.steps))
        for scenario in feature.walk_scenarios(with_outlines=True):
            if getattr(scenario, "_row", None) is None:
                rows = getattr(scenario, "scenarios", None) or [scenario]
                of_step = zip(*(row.steps for row in rows), strict=True)
                yield Written(str(path), scenario.name, tuple(_hits(steps) for steps in of_step))


def _hits(steps: Sequence[Any]) -> frozenset[Any]:
    return frozenset(
        each
        for name, kind in {(step.name, step.step_type) for step in steps}
        for each in registry.steps[kind]
        if each.match(name)
    )


def figures(known: Sequence[Any], scenarios: Sequence[Written]) -> dict[str, float]:
    """What the budget limits."""
    uses: dict[Any, list[Written]] = {each: [] for each in known}
    for scenario in scenarios:
        for step in scenario.steps:
            for each in step:
                uses[each].append(scenario)
    own = {each for each, places in uses.items() if len({(one.file, one.name) for one in places}) == 1}
    with_own = [each for each in scenarios if any(step & own for step in each.steps)]
    parameters = [each.pattern.count("{") for each in known]
    return {
        "definitions": len({(each.func.__module__, each.func.__code__) for each in known}),
        "sentences a scenario": len(known) / sum(bool(each.name) for each in scenarios),
        "used once": sum(len(places) == 1 for places in uses.values()) / len(known),
        "used in one file only": sum(len({one.file for one in places}) == 1 for places in uses.values())
        / len(known),
        "scenarios with a sentence of their own": len(with_own) / len(scenarios),
        "distinct sentences in 500 random steps": statistics.mean(_met(scenarios, 500, ROUNDS)),
        "parameters": statistics.mean(parameters),
        "without parameters": parameters.count(0) / len(known),
    }


def _met(scenarios: Sequence[Written], steps: int, rounds: int) -> Iterator[int]:
    """How many sentences are met in the first so many steps of scenarios in a random order."""
    for seed in range(rounds):
        order = random.Random(seed).sample(scenarios, len(scenarios))
        walked = [step for scenario in order for step in scenario.steps]
        assert len(walked) >= steps
        yield len(frozenset().union(*walked[:steps]))


def test_carved_sentences_are_seen() -> None:
    class Carved:
        pattern = "a sentence of nobody else"

        def func(self) -> None:
            """Do nothing."""

    known = [Carved() for _ in range(300)]
    told = figures(known, [Written(f"{n}", f"{n}", (frozenset({each}),) * 2) for n, each in enumerate(known)])
    assert {name for name, most in MOST.items() if told[name] > most} == set(MOST) - {
        "definitions",
        "used once",
    }
    assert told["parameters"] < LEAST["parameters"]
