"""The suite's own knowledge base: articles, and questions in other words with the articles that answer them.

The content is in ``features/data/knowledge_base.yaml``, beside the features, where it can be read and edited.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

FILE = Path(__file__).resolve().parents[2] / "features" / "data" / "knowledge_base.yaml"
# An id is an alias of the scenario too: of longer ones the names in the stores would show only the beginning.
LONGEST_ID = 40

_ID = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
_ARTICLE: dict[str, type] = {"id": str, "title": str, "department": str, "year": int, "text": str}
_QUESTION: dict[str, type] = {"text": str, "answers": list}
_WORDS = {str: "a text that is not empty", int: "a whole number", list: "a list that is not empty"}


class KnowledgeBaseError(ValueError):
    """The file cannot be used; the message has a line for each fault, with the entry it is in."""


@dataclass(frozen=True, slots=True)
class Article:
    """What is stored. ``id`` is valid as a client id, ``year`` that of the last revision."""

    id: str
    title: str
    department: str
    year: int
    text: str


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked; ``answers`` are the ids of all articles that answer it, at least one."""

    text: str
    answers: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class KnowledgeBase:
    """Articles and questions in the order of the file."""

    articles: tuple[Article, ...]
    questions: tuple[Question, ...]

    @classmethod
    def load(cls, path: Path = FILE) -> KnowledgeBase:
        """Read and check the file. Raises ``KnowledgeBaseError`` with every fault found."""
        loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
        try:
            content = yaml.load(path.read_text(encoding="utf-8"), loader)
        except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
            raise KnowledgeBaseError(f"{path.name} cannot be read: {error}") from error
        faults = list(_faults(content))
        if faults:
            raise KnowledgeBaseError("\n".join(f"{path.name}: {fault}" for fault in faults))
        return cls(
            tuple(Article(**entry) for entry in content["articles"]),
            tuple(Question(entry["text"], tuple(entry["answers"])) for entry in content["questions"]),
        )


def _faults(content: Any) -> Iterator[str]:
    """Faults of form first: what refers to other entries is looked at only when every entry has its form."""
    if not isinstance(content, dict) or set(content) != {"articles", "questions"}:
        yield "the members must be 'articles' and 'questions'"
        return
    faults = [
        *_faults_of_form(content, "article", _ARTICLE),
        *_faults_of_form(content, "question", _QUESTION),
    ]
    yield from faults
    if not faults:
        yield from _faults_of_ids(content["articles"])
        yield from _faults_of_questions(content["questions"], {entry["id"] for entry in content["articles"]})


def _faults_of_form(content: Mapping[str, Any], kind: str, members: Mapping[str, type]) -> Iterator[str]:
    entries = content[f"{kind}s"]
    if not isinstance(entries, list) or not entries:
        yield f"'{kind}s' must be {_WORDS[list]}"
        return
    for number, entry in enumerate(entries, 1):
        if not isinstance(entry, dict) or set(entry) != set(members):
            yield f"{_name(kind, number, entry)}: its members must be {', '.join(members)}"
            continue
        for member, kind_of_value in members.items():
            if not _is_filled(entry[member], kind_of_value):
                yield f"{_name(kind, number, entry)}: '{member}' must be {_WORDS[kind_of_value]}"


def _is_filled(value: object, kind: type) -> bool:
    # Not isinstance: True is no year.
    if type(value) is not kind:
        return False
    return kind is int or bool(value.strip() if isinstance(value, str) else value)


def _faults_of_ids(articles: list[dict[str, Any]]) -> Iterator[str]:
    known: set[str] = set()
    for number, entry in enumerate(articles, 1):
        name = _name("article", number, entry)
        if not _ID.fullmatch(entry["id"]) or len(entry["id"]) > LONGEST_ID:
            yield f"{name}: the id must be lower-case words and hyphens, at most {LONGEST_ID} characters"
        if entry["id"] in known:
            yield f"{name}: the id is taken by an earlier article"
        known.add(entry["id"])


def _faults_of_questions(questions: list[dict[str, Any]], ids: set[str]) -> Iterator[str]:
    known: set[str] = set()
    for number, entry in enumerate(questions, 1):
        name = _name("question", number, entry)
        if entry["text"] in known:
            yield f"{name}: it is asked twice"
        known.add(entry["text"])
        for position, answer in enumerate(entry["answers"]):
            if not isinstance(answer, str) or answer not in ids:
                yield f"{name}: there is no article '{answer}'"
            elif answer in entry["answers"][:position]:
                yield f"{name}: the answer '{answer}' is named twice"


def _name(kind: str, number: int, entry: Any) -> str:
    """Which entry: its place in the list, and how a reader finds it there."""
    shown = entry.get("id" if kind == "article" else "text") if isinstance(entry, dict) else entry
    return f"{kind} {number} ({shown!r})"
