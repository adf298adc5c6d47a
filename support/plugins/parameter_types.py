"""The typed words of the step definitions: durations, shares, providers, dependencies, roles and the like."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from behave.cucumber_expression import (
    StepMatcher4CucumberExpressions,
    define_parameter_type_with,
    use_step_matcher_for_cucumber_expressions,
)

from support.faults.wording import DEPENDENCIES as SERVERS
from support.faults.wording import written as written_faults
from support.vocabulary import (
    actors,
    caches,
    failures,
    in_flight,
    jobs,
    loads,
    neighbours,
    platform,
    requests,
    results,
    time_limits,
    trials,
    words,
)
from support.vocabulary.providers import answers, embeddings, settings, troubles, witness

SECONDS = {
    "ms": 0.001,
    "millisecond": 0.001,
    "s": 1.0,
    "second": 1.0,
    "min": 60.0,
    "minute": 60.0,
    "hour": 3600.0,
}
PROVIDERS = {
    "OpenAI": "openai",
    "Azure OpenAI": "azure",
    "Cohere": "cohere",
    "Hugging Face": "huggingface",
    "Google": "google",
    "Voyage": "voyage",
    "Jina": "jina",
    "Mistral": "mistral",
    "Anthropic": "anthropic",
}
ROLES = {"a reader": "reader", "an editor": "editor", "an administrator": "administrator"}

# Words of parameters that may be something else as well: a delay of so many ms, a duration.
NAMED = {"fault": [wording for wording, *_ in written_faults()], "limit": [*time_limits.NAMED]}

_NUMBER = r"\d+(?:\.\d+)?"


def seconds(text: str) -> float:
    """``145 ms``, ``2 seconds`` or ``1 minute`` in seconds."""
    number, unit = text.split()
    return float(number) * SECONDS[_singular(unit, SECONDS)]


def share(text: str) -> float:
    """``95 %`` as 0.95."""
    return float(text.rstrip("% ")) / 100.0


def install() -> None:
    """Make cucumber expressions the step language and define the types; a second call changes nothing."""
    use_step_matcher_for_cucumber_expressions()
    _define("duration", rf"{_NUMBER} (?:{_plurals(SECONDS)})", float, seconds)
    _define("percent", rf"{_NUMBER} ?%", float, share)
    choices: Mapping[str, Any]
    for name, choices in (
        ("provider", PROVIDERS),
        ("role", ROLES),
        ("origin", results.ORIGINS),
        ("comparison", results.COMPARISONS),
        ("continuation", in_flight.CONTINUATIONS),
        ("examined", platform.EXAMINED),
    ):
        _define(name, _any_of(choices), object, choices.__getitem__)
    _define("samples", _any_of(trials.SAMPLES), str, str)
    for word in (
        words.IDS,
        words.JOB,
        jobs.JOB_STAGE,
        loads.EXTENT,
        loads.JOURNEY,
        neighbours.LEFTOVERS,
        words.VECTOR,
        words.ENDING,
        answers.PROVIDER_ANSWER,
        answers.SPAN,
        embeddings.DIMENSIONS,
        settings.LIVE_TASK,
        troubles.BREAKER_STATE,
        witness.QUANTITY,
    ):
        _define(word.name, word.regexp, object, word.parse)
    _define("actor", _any_of(actors.ACTORS), str, str)
    _define("request", requests.ANY.regexp, requests.Request, requests.parse)
    _define("fault", failures.REGEXP, failures.Named, failures.parse)
    _define("limit", time_limits.REGEXP, str, str)
    _define("server", _any_of(SERVERS), str, SERVERS.__getitem__)
    for name, listed in (
        ("moment", in_flight.MOMENTS),
        ("damage", caches.DAMAGES),
        ("job_end", jobs.ENDS),
        ("job_moment", jobs.MOMENTS),
    ):
        _define(name, _any_of(listed), str, str)


def regexp_of(name: str) -> str:
    """How a parameter is written: the regular expression of its type."""
    found = StepMatcher4CucumberExpressions.TYPE_REGISTRY.parameter_types.lookup_by_type_name(name)
    return "|".join(found.regexps)


def words_of(name: str) -> list[str]:
    """The words of a parameter that has a closed list of them; empty for any other."""
    if name in NAMED:
        return list(NAMED[name])
    parts = re.split(r"(?<!\\)\|", regexp_of(name))
    plain = [part for part in parts if not re.search(r"(?<!\\)[\[\](){}*+?.]|\\[dws]", part)]
    return [re.sub(r"\\(.)", r"\1", part) for part in plain] if len(plain) > 0.9 * len(parts) > 1 else []


def _define(name: str, regexp: str, kind: type, transformer: Callable[[str], Any]) -> None:
    if StepMatcher4CucumberExpressions.TYPE_REGISTRY.has_registered_type(name):
        return
    define_parameter_type_with(name, regexp=regexp, type=kind, transformer=transformer)


def _any_of(words: Iterable[str]) -> str:
    """One of the words, longest first, so that no word hides a longer one."""
    return "|".join(re.escape(word) for word in sorted(words, key=len, reverse=True))


def _plurals(units: Iterable[str]) -> str:
    return "|".join(f"{unit}s?" if len(unit) > 3 else unit for unit in sorted(units, key=len, reverse=True))


def _singular(unit: str, units: Iterable[str]) -> str:
    return unit if unit in units else unit.removesuffix("s")
