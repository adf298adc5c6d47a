"""The vocabulary of the features, collected from the definitions, the features and the lists of words."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from behave.step_registry import registry

from support.contract.promises import PROBLEMS, PROMISES, TARGETS, in_words
from support.faults import wording
from support.limits import ACCEPTANCE, CONTRACT
from support.plugins import parameter_types, sentences, tags
from support.reporting.vocabulary import Asked, Glossary, Parameter, Vocabulary
from support.vocabulary import actors, credentials, requests, time_limits
from support.vocabulary.glossary import GLOSSARY
from support.vocabulary.requests.grammar import COMMON
from support.vocabulary.tables import Option
from support.vocabulary.words import Word

_PARAMETER = re.compile(r"\{(\w+)\}")
# What a parameter is that has no Word of its own, and how it is written.
MEANINGS = {
    "string": 'any text in quotes: "menu"',
    "word": "one word without blanks",
    "int": "a whole number: 30",
    "float": "a number: 0.8",
    "duration": "how long: 300 ms, 2 seconds, 1 minute",
    "percent": "a share: 95 %",
    "size": "a number of bytes: 64 bytes, 4 KiB, 10 MiB",
    "actor": "who acts, and so whose key is sent: see the actors",
    "request": "what an actor can request: see there",
    "fault": "what is broken, and how: see the faults",
    "limit": "a duration (300 ms, 2 seconds) or a named limit: see there",
    "server": "a server that can fail and recover",
    "dependency": "a server that the gateway needs, or the gateway itself",
    "store": "where documents or cache entries are kept",
    "provider": "one of the nine external providers",
    "role": "what a key may do",
    "distance": "how the nearness of two vectors is measured",
}
# Their words are told by glossaries of their own.
TOLD_ELSEWHERE = {"actor", "fault", "limit", "request"}
CELLS = [
    ("(blank)", "missing: the member is left out"),
    ("5   -2.5   1e-12", "a number"),
    ("true   false", "a boolean"),
    ('[1, "a", true]', "a list"),
    ('""', "an empty text"),
    ('"5"   "a \\" b"', "a text, quoted"),
    ("noon at the latest", "a text"),
    ("at least 5   at most 5   more than 5   less than 5", "expected: a number in that range"),
    ('contains "abc"', "expected: a text or a list that holds it"),
    ("at most Server-Timing.total   within 1 of RateLimit-Reset", "expected: a number, by another field"),
    ("at most the one before", "expected of outcomes: a number, by what the outcome before had"),
    ("absent   present   empty", "expected: whether it is there, and whether it holds anything"),
    ("not 5   absent or 5   a UUID", "expected: any other value; none or this one; an id of that form"),
    (r"\u0301", "in the words of a request: the character of that number, where sight does not tell it"),
    ("{n}", "in the words of a request: the number of the repetition"),
    ("{unique}", "in the words of a request: a word that no other scenario has, unknown to every cache"),
]


def collect(root: Path, steps: Any = None) -> Vocabulary:
    """Everything that a person needs who writes a scenario below ``root``.

    ``steps`` are the step definitions of a run, as a registry; without them they are loaded.
    """
    if steps is None:
        sentences.load(root)
        steps = registry
    written, of_requests = sentences.collect(sorted((root / "features").rglob("*.feature")), steps)
    asked = [
        Asked(
            kind.pattern,
            " ".join(kind.meaning.split()),
            kind.example,
            _options(each for each in kind.options.items() if each[0] not in COMMON),
            len(of_requests[kind.pattern]),
        )
        for kind in requests.KINDS
    ]
    patterns = [each.pattern for each in written] + [each.pattern for each in asked]
    used = {name for pattern in patterns for name in _PARAMETER.findall(pattern)}
    return Vocabulary(written, asked, _options(COMMON.items()), parameters(sorted(used)), _glossaries())


def _options(options: Iterable[tuple[str, Option]]) -> tuple[tuple[str, str], ...]:
    return tuple((name, option.meaning) for name, option in options)


def _glossaries() -> list[Glossary]:
    return [
        Glossary(
            "actors",
            "Who acts decides which key is sent.",
            [(name, meaning) for name, (meaning, _key) in actors.ACTORS.items()],
            ("actor", "key"),
        ),
        Glossary(
            "key forms",
            'How an actor sends the key: the option "their key" of any request.',
            [(name, meaning) for name, (meaning, _form) in credentials.FORMS.items()],
            ("form", "meaning"),
        ),
        Glossary(
            "faults by dependency",
            'A sentence each, with Given or When. "Redis recovers" ends those of Redis and no others,'
            ' "all faults end" ends all.',
            [(wording.NAMES[target], words, failure.meaning) for words, target, failure in wording.written()],
            ("server", "fault", "what happens"),
        ),
        Glossary(
            "named limits",
            "A limit is a duration such as 300 ms or 2 seconds, or one of these. A platform that the suite"
            " starts is set to shorter limits; a deployed one is judged by the contract's.",
            [
                (name, meaning, f"{limit(ACCEPTANCE):g} s", f"{limit(CONTRACT):g} s")
                for name, (meaning, limit) in time_limits.NAMED.items()
            ],
            ("limit", "within it", "embedded, attached", "deployed"),
        ),
        Glossary("cells of tables", "What may stand in a cell.", CELLS, ("cell", "value")),
        Glossary(
            "problem codes",
            "Why a request is refused: the codes of the contract.",
            [*PROBLEMS.items()],
            ("code", "meaning"),
        ),
        Glossary(
            "promises",
            "Scenarios name what they hold by these tags.",
            [(f"@{tag}", in_words(tag)) for tag in (*PROMISES, *TARGETS)],
            ("tag", "promise"),
        ),
        Glossary(
            "tags",
            "A closed list; an unknown tag ends the run.",
            [(f"@{tag}", words) for tag, words in {**tags.MEANINGS, **tags.FAMILIES}.items()],
            ("tag", "meaning"),
        ),
        Glossary("glossary", "What the words of the features mean.", [*GLOSSARY.items()]),
    ]


def parameters(names: Iterable[str]) -> list[Parameter]:
    """The parameters of these names: what each is, and its words where it has a closed list."""
    known = _words()
    return [_parameter(name, known.get(name)) for name in names]


def _parameter(name: str, word: Word | None) -> Parameter:
    if word is not None and word.known:
        return Parameter(name, MEANINGS.get(name, word.meaning), tuple(word.known.items()))
    listed = [] if name in TOLD_ELSEWHERE else sorted(parameter_types.words_of(name))
    usual = word.meaning if word else "one of these words" if listed else ""
    return Parameter(name, MEANINGS.get(name, usual), tuple((each, "") for each in listed))


def _words() -> Mapping[str, Word]:
    """Every word that a module of the vocabulary defines, by its name."""
    modules = [module for name, module in [*sys.modules.items()] if name.startswith("support.vocabulary")]
    found = [each for module in modules for each in vars(module).values() if isinstance(each, Word)]
    return {word.name: word for word in found}
