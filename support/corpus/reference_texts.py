"""Real prose that ships with Python itself: the help topics of ``pydoc``, cut into passages.

The topics differ a little from one release of Python to the next; within a release the passages, their ids
and their order are always the same.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from operator import itemgetter
from pydoc_data.topics import topics

FEWEST_WORDS = 40
MOST_WORDS = 120
# The model reads 256 tokens. It makes at least one of every sign and of every word, and more of a rare word:
# this leaves a third of them for that.
MOST_PIECES = 170
# Of the characters of a paragraph, letters and blanks: program text and tables have fewer.
SHARE_OF_LETTERS = 0.85
FEWEST_WORDS_OF_PROSE = 6

_BORDER = re.compile(r"\n\s*\n")
_PIECE = re.compile(r"\w+|[^\w\s]")
_PROGRAM_TEXT = re.compile(r"^\s*(>>>|\.\.\. )|::=", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Passage:
    """A passage of 40 to 120 words. ``id`` is valid as a client id, ``topic`` the help topic's name."""

    id: str
    text: str
    topic: str


def passages(count: int) -> list[Passage]:
    """The first ``count`` passages: one of each topic, then a second of each, and so on.

    Raises ``ValueError`` if there are not so many.
    """
    found = _all_passages()
    if not 0 <= count <= len(found):
        raise ValueError(f"{count} passages wanted, the reference texts have 0 to {len(found)}")
    return list(found[:count])


@cache
def _all_passages() -> tuple[Passage, ...]:
    """Every passage; no paragraph is in two of them, though topics share whole sections."""
    seen: set[str] = set()
    ranked = []
    for topic in sorted(topics):
        for number, text in enumerate(_joined(_fresh(topics[topic], seen)), 1):
            ranked.append((number, Passage(f"{topic}.{number:03d}", text, topic)))
    return tuple(passage for _number, passage in sorted(ranked, key=itemgetter(0)))


def _fresh(text: str, seen: set[str]) -> Iterator[str]:
    """The paragraphs of prose that have not been seen yet; an empty one wherever something was left out."""
    for raw in _BORDER.split(text):
        paragraph = " ".join(raw.split())
        known = paragraph.casefold()
        if known in seen or not _is_prose(raw):
            yield ""
        else:
            seen.add(known)
            yield paragraph


def _is_prose(paragraph: str) -> bool:
    """Whether it reads as sentences rather than as a heading, program text, grammar or a signature."""
    if _PROGRAM_TEXT.search(paragraph) or not paragraph.rstrip().endswith((".", ":", ";", ".)")):
        return False
    letters = sum(sign.isalpha() or sign.isspace() for sign in paragraph)
    return len(paragraph.split()) >= FEWEST_WORDS_OF_PROSE and letters >= SHARE_OF_LETTERS * len(paragraph)


def _joined(paragraphs: Iterator[str]) -> Iterator[str]:
    """Neighbouring paragraphs put together until they have enough words; what stays too short is left out."""
    text = ""
    for paragraph in paragraphs:
        together = f"{text} {paragraph}".strip()
        text = together if paragraph and _fits(together) else paragraph
        if len(text.split()) >= FEWEST_WORDS:
            if _fits(text):
                yield text
            text = ""


def _fits(text: str) -> bool:
    return len(text.split()) <= MOST_WORDS and len(_PIECE.findall(text)) <= MOST_PIECES
