"""The vocabulary page: every sentence that a feature can use, with all its words, as one page and as text."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from string import Template

PAGE = "vocabulary.html"


@dataclass(frozen=True, slots=True)
class Example:
    """A step of a feature: its sentence, its table (headings first) and where it stands."""

    text: str
    table: tuple[tuple[str, ...], ...]
    place: str

    def lines(self) -> list[str]:
        """As it is written in the feature."""
        widths = [max(map(len, column)) for column in zip(*self.table, strict=True)] if self.table else []
        rows = [
            "  | " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + " |"
            for row in self.table
        ]
        return [self.text, *rows]


@dataclass(frozen=True, slots=True)
class Sentence:
    """A wording of a step definition."""

    noun: str
    pattern: str
    keywords: tuple[str, ...]
    meaning: str
    columns: tuple[str, ...] = ()
    uses: tuple[Example, ...] = ()


@dataclass(frozen=True, slots=True)
class Asked:
    """A kind of request: how it is worded, what it does, its options or columns, an example."""

    pattern: str
    meaning: str
    example: str
    options: tuple[tuple[str, str], ...]
    uses: int


@dataclass(frozen=True, slots=True)
class Glossary:
    """A list of words with their meanings, under a heading."""

    title: str
    about: str
    words: Sequence[tuple[str, ...]]
    headings: tuple[str, ...] = ("word", "meaning")


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """All that a person needs who writes a scenario."""

    sentences: Sequence[Sentence]
    asked: Sequence[Asked]
    glossaries: Sequence[Glossary] = field(default_factory=tuple)

    def by_noun(self) -> Mapping[str, list[Sentence]]:
        """The sentences by the noun they are about."""
        found: dict[str, list[Sentence]] = {}
        for each in sorted(self.sentences, key=lambda one: (one.noun, one.pattern)):
            found.setdefault(each.noun, []).append(each)
        return found


def as_text(vocabulary: Vocabulary) -> str:
    """The vocabulary for a terminal."""
    lines: list[str] = []
    for noun, sentences in vocabulary.by_noun().items():
        lines += ["", noun.upper(), ""]
        for each in sentences:
            lines += [f"{'/'.join(each.keywords)} {each.pattern}", f"    {each.meaning}"]
            if each.columns:
                lines.append(f"    columns: {', '.join(each.columns)}")
            lines += [f"      {line}" for use in each.uses[:1] for line in use.lines()]
            lines.append(f"    used {_times(len(each.uses))}")
    lines += ["", "WHAT AN ACTOR CAN REQUEST  ({actor} {request})", ""]
    for asked in vocabulary.asked:
        lines += [asked.pattern, f"    {asked.meaning}", f"      {asked.example}"]
        lines += [f"      {name}: {meaning}" for name, meaning in asked.options]
    for glossary in vocabulary.glossaries:
        lines += ["", glossary.title.upper(), glossary.about, ""]
        lines += ["    " + ": ".join(filter(None, row)) for row in glossary.words]
    return "\n".join(lines).strip() + "\n"


def _times(count: int) -> str:
    return {0: "by no scenario yet", 1: "once"}.get(count, f"{count} times")


def write(vocabulary: Vocabulary, folder: Path) -> Path:
    """Write the page into ``folder``; returns its path."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / PAGE
    path.write_text(as_page(vocabulary), encoding="utf-8")
    return path


def as_page(vocabulary: Vocabulary) -> str:
    """The vocabulary as one HTML page that needs nothing else, can be searched and printed."""
    by_noun = vocabulary.by_noun()
    titles = [*by_noun, "what an actor can request", *(each.title for each in vocabulary.glossaries)]
    links = " ".join(f'<a href="#{_anchor(title)}">{_escaped(title)}</a>' for title in titles)
    parts = [_section(noun, "".join(map(_article, some))) for noun, some in by_noun.items()]
    parts.append(_section("what an actor can request", "".join(map(_request, vocabulary.asked))))
    parts += [_section(each.title, _glossary(each)) for each in vocabulary.glossaries]
    template = Template((Path(__file__).parent / "vocabulary.html").read_text(encoding="utf-8"))
    return template.substitute(links=links, parts="\n".join(parts))


def _section(title: str, content: str) -> str:
    return f'<section id="{_anchor(title)}"><h2>{_escaped(title)}</h2>{content}</section>'


def _article(sentence: Sentence) -> str:
    keywords = "/".join(sentence.keywords)
    columns = f"<p>Columns: {_escaped(', '.join(sentence.columns))}</p>" if sentence.columns else ""
    examples = "".join(f"<pre>{_escaped(chr(10).join(use.lines()))}</pre>" for use in sentence.uses[:1])
    return (
        f'<article><h3><span class="keyword">{keywords}</span> {_marked(sentence.pattern)}</h3>'
        f"<p>{_escaped(sentence.meaning)} <span class=uses>Used {_times(len(sentence.uses))}.</span></p>"
        f"{columns}{examples}</article>"
    )


def _request(asked: Asked) -> str:
    rows = "".join(
        f"<li><b>{_escaped(name)}</b>: {_escaped(meaning)}</li>" for name, meaning in asked.options
    )
    options = f"<ul>{rows}</ul>" if rows else ""
    return (
        f'<article><h3><span class="keyword">{{actor}}</span> {_marked(asked.pattern)}</h3>'
        f"<p>{_escaped(asked.meaning)} <span class=uses>Used {_times(asked.uses)}.</span></p>"
        f"<pre>{_escaped(f'an editor {asked.example}')}</pre>{options}</article>"
    )


def _glossary(glossary: Glossary) -> str:
    heads = "".join(f"<th>{_escaped(name)}</th>" for name in glossary.headings)
    rows = "".join(
        "<tr>" + "".join(f"<td>{_escaped(cell)}</td>" for cell in row) + "</tr>" for row in glossary.words
    )
    table = f"<table><thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table>"
    return f"<p>{_escaped(glossary.about)}</p>{table}"


def _marked(pattern: str) -> str:
    """The pattern with its parameters marked."""
    return _escaped(pattern).replace("{", "<var>{").replace("}", "}</var>")


def _anchor(title: str) -> str:
    return title.replace(" ", "-")


def _escaped(text: str) -> str:
    return html.escape(text)
