"""The vocabulary of the features, collected from the definitions, the features and the lists of words."""

from __future__ import annotations

import re
from pathlib import Path

from support.contract.promises import GUARANTEES, NEVER, TARGETS
from support.faults import wording
from support.plugins import parameter_types, sentences
from support.plugins.run import TAG_MEANINGS
from support.promises import ACCEPTANCE, CONTRACT
from support.reporting.vocabulary import Asked, Glossary, Vocabulary
from support.vocabulary import actors, requests, time_limits

# Their words are told by glossaries of their own.
TOLD_ELSEWHERE = {"actor", "fault", "limit", "request"}
_PARAMETER = re.compile(r"\{(\w+)\}")


def collect(root: Path) -> Vocabulary:
    """Everything that a person needs who writes a scenario below ``root``."""
    sentences.load(root)
    written, of_requests = sentences.collect(sorted((root / "features").rglob("*.feature")))
    asked = [
        Asked(
            kind.pattern,
            " ".join(kind.meaning.split()),
            kind.example,
            tuple((name, option.meaning) for name, option in kind.options.items()),
            len(of_requests[kind.pattern]),
        )
        for kind in requests.KINDS
    ]
    used = {name for each in written for name in _PARAMETER.findall(each.pattern)} - TOLD_ELSEWHERE
    return Vocabulary(written, asked, [*_glossaries(), _parameters(sorted(used))])


def _glossaries() -> list[Glossary]:
    return [
        Glossary(
            "actors",
            "Who acts decides which key is sent.",
            [(name, meaning) for name, (meaning, _key) in actors.ACTORS.items()],
        ),
        Glossary(
            "faults",
            'Begin with "Given" or "When"; "... recovers" ends those of one server, "all faults end" all.',
            [(wording, failure.meaning) for wording, _target, failure in wording.written()],
            ("fault", "what happens"),
        ),
        Glossary(
            "named limits",
            "A limit is a duration such as 300 ms or 2 seconds, or one of these. The acceptance profile is"
            " for a platform that the suite starts; a deployed one is judged by the contract's limits.",
            [
                (name, meaning, f"{limit(ACCEPTANCE):g} s", f"{limit(CONTRACT):g} s")
                for name, (meaning, limit) in time_limits.NAMED.items()
            ],
            ("limit", "within it", "acceptance profile", "contract"),
        ),
        Glossary(
            "promises",
            "Scenarios name what they hold by these tags.",
            [(f"@{tag}", words) for tag, words in {**GUARANTEES, **TARGETS}.items()]
            + [(f"@{tag}", f"Never: {words}") for tag, words in NEVER.items()],
            ("tag", "promise"),
        ),
        Glossary("tags", "A closed list.", [(f"@{tag}", words) for tag, words in TAG_MEANINGS.items()]),
        Glossary("cells of tables", "What may stand in a cell.", CELLS, ("cell", "value")),
    ]


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
    ("absent   present   empty   not 5", "expected: whether it is there, and any value but one"),
    ("{n}", "in the words of a request: the number of the repetition"),
    ("{unique}", "in the words of a request: a word that no other scenario has, unknown to every cache"),
]


def _parameters(names: list[str]) -> Glossary:
    """The words of every parameter that has a closed list."""
    rows = [(f"{{{name}}}", ", ".join(words)) for name in names if (words := parameter_types.words_of(name))]
    return Glossary("parameters", "Words that a parameter may be.", rows, ("parameter", "words"))
