"""The vocabulary page: every sentence that a feature can use, with all its words, as one page and as text."""

from __future__ import annotations

import html
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from string import Template

PAGE = "vocabulary.html"
REQUESTS = "what an actor can request"
COMMON = "Every request takes these options, in its words or in a table, besides its own:"
PARAMETERS = "parameters"
# Begin the anchors and headings of what may share a title with another section.
SENTENCES, PARAMETER = "sentences: ", "parameter: "


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
    """A wording of a step definition; ``sample`` is an example of it where no feature has one."""

    noun: str
    pattern: str
    keywords: tuple[str, ...]
    meaning: str
    columns: tuple[str, ...] = ()
    uses: tuple[Example, ...] = ()
    sample: str = ""

    def example(self) -> list[str]:
        """The first use in a feature, else the sample, line by line."""
        return self.uses[0].lines() if self.uses else [self.sample]


@dataclass(frozen=True, slots=True)
class Asked:
    """A kind of request: how it is worded, what it does, an example, the options that only some have."""

    pattern: str
    meaning: str
    example: str
    options: tuple[tuple[str, str], ...]
    uses: int


@dataclass(frozen=True, slots=True)
class Parameter:
    """What may stand for ``{name}``; ``words``: every word with its meaning, where the list is closed."""

    name: str
    meaning: str
    words: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Glossary:
    """A list of words with their meanings, under a heading."""

    title: str
    about: str
    words: Sequence[tuple[str, ...]]
    headings: tuple[str, ...] = ("word", "meaning")


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """All that a person needs who writes a scenario; ``common`` are the options of every request."""

    sentences: Sequence[Sentence]
    asked: Sequence[Asked]
    common: Sequence[tuple[str, str]] = ()
    parameters: Sequence[Parameter] = ()
    glossaries: Sequence[Glossary] = ()

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
        lines += ["", f"SENTENCES: {noun.upper()}", ""]
        for each in sentences:
            lines += [f"{'/'.join(each.keywords)} {each.pattern}", f"    {each.meaning}"]
            if each.columns:
                lines.append(f"    columns: {', '.join(each.columns)}")
            lines += [f"      {line}" for line in each.example()]
            lines.append(f"    used {_times(len(each.uses))}")
    lines += ["", f"{REQUESTS.upper()}  ({{actor}} {{request}})", "", COMMON]
    lines += [f"      {name}: {meaning}" for name, meaning in vocabulary.common]
    for asked in vocabulary.asked:
        lines += [asked.pattern, f"    {asked.meaning}", f"      {asked.example}"]
        lines += [f"      {name}: {meaning}" for name, meaning in asked.options]
        lines.append(f"    used {_times(asked.uses)}")
    lines += ["", PARAMETERS.upper(), ""]
    for parameter in vocabulary.parameters:
        lines.append(f"    {{{parameter.name}}}: {parameter.meaning}")
        lines += ["        " + ": ".join(filter(None, word)) for word in parameter.words]
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
    known = {parameter.name for parameter in vocabulary.parameters}
    by_noun = vocabulary.by_noun()
    common = "".join(_item(name, meaning) for name, meaning in vocabulary.common)
    requests = "".join(_request(each, known) for each in vocabulary.asked)
    sections = [
        _section(REQUESTS, f"<p>{_escaped(COMMON)}</p><ul>{common}</ul>{requests}", len(vocabulary.asked)),
        _section(PARAMETERS, _parameters(vocabulary.parameters), len(vocabulary.parameters)),
        *(_section(each.title, _glossary(each), len(each.words)) for each in vocabulary.glossaries),
        *(
            _section(noun, "".join(_article(each, known) for each in some), len(some), SENTENCES)
            for noun, some in by_noun.items()
        ),
    ]
    lists = [(REQUESTS, ""), (PARAMETERS, ""), *((each.title, "") for each in vocabulary.glossaries)]
    template = Template((Path(__file__).parent / "vocabulary.html").read_text(encoding="utf-8"))
    return template.substitute(
        count=len(vocabulary.sentences),
        lists=_links(lists),
        nouns=_links([(noun, SENTENCES) for noun in by_noun]),
        parts="\n".join(sections),
    )


def _links(titles: Sequence[tuple[str, str]]) -> str:
    return " ".join(f'<a href="#{_anchor(title, of)}">{_escaped(title)}</a>' for title, of in titles)


def _section(title: str, content: str, count: int, of: str = "") -> str:
    heading = f"{_escaped(of)}{_escaped(title)} <small>{count}</small>"
    return f'<section id="{_anchor(title, of)}"><h2>{heading}</h2>{content}</section>'


def _article(sentence: Sentence, known: Collection[str]) -> str:
    keywords = "/".join(sentence.keywords)
    columns = f"<p>Columns: {_escaped(', '.join(sentence.columns))}</p>" if sentence.columns else ""
    place = sentence.uses[0].place if sentence.uses else ""
    where = f'<span class="uses">{_escaped(place)}</span>' if place else ""
    # So that the words of any use find the sentence.
    also = " ".join(dict.fromkeys(use.text for use in sentence.uses))
    return (
        f'<article data-also="{_escaped(also)}">'
        f'<h3><span class="keyword">{keywords}</span> {_marked(sentence.pattern, known)}</h3>'
        f"<p>{_escaped(sentence.meaning)} {_used(len(sentence.uses))}</p>"
        f"{columns}<pre>{_escaped(chr(10).join(sentence.example()))}</pre>{where}</article>"
    )


def _request(asked: Asked, known: Collection[str]) -> str:
    rows = "".join(_item(name, meaning) for name, meaning in asked.options)
    options = f"<ul>{rows}</ul>" if rows else ""
    return (
        f"<article><h3>{_marked('{actor}', known)} {_marked(asked.pattern, known)}</h3>"
        f"<p>{_escaped(asked.meaning)} {_used(asked.uses)}</p>"
        f"<pre>{_escaped(f'an editor {asked.example}')}</pre>{options}</article>"
    )


def _used(count: int) -> str:
    return f'<span class="uses">Used {_times(count)}.</span>'


def _item(name: str, meaning: str) -> str:
    return f"<li><b>{_escaped(name)}</b>: {_escaped(meaning)}</li>"


def _parameters(parameters: Sequence[Parameter]) -> str:
    rows = []
    for each in parameters:
        words = "".join(_item(*word) if word[1] else f"<li>{_escaped(word[0])}</li>" for word in each.words)
        listed = f'<ul class="words">{words}</ul>' if words else ""
        name = _anchor(each.name, PARAMETER)
        rows.append(
            f'<tr id="{name}"><td><var>{{{each.name}}}</var></td>'
            f"<td>{_escaped(each.meaning)}{listed}</td></tr>"
        )
    heads = "<thead><tr><th>parameter</th><th>what it may be</th></tr></thead>"
    return f"<table>{heads}<tbody>{''.join(rows)}</tbody></table>"


def _glossary(glossary: Glossary) -> str:
    heads = "".join(f"<th>{_escaped(name)}</th>" for name in glossary.headings)
    rows = "".join(
        "<tr>" + "".join(f"<td>{_escaped(cell)}</td>" for cell in row) + "</tr>" for row in glossary.words
    )
    table = f"<table><thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table>"
    return f"<p>{_escaped(glossary.about)}</p>{table}"


def _marked(pattern: str, known: Collection[str]) -> str:
    """The pattern with its parameters marked, and led to what they may be."""

    def marked(found: re.Match[str]) -> str:
        var = f"<var>{found[0]}</var>"
        return f'<a href="#{_anchor(found[1], PARAMETER)}">{var}</a>' if found[1] in known else var

    return re.sub(r"\{(\w*)\}", marked, _escaped(pattern))


def _anchor(title: str, of: str = "") -> str:
    return f"{of}{title}".replace(": ", "-").replace(" ", "-")


def _escaped(text: str) -> str:
    return html.escape(text)
