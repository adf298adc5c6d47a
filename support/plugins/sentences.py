"""The sentences of the step definitions, how the features use them, and what comes near an unknown one."""

from __future__ import annotations

import difflib
import inspect
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from behave.parser import ParserError, parse_file
from behave.runner_util import load_step_modules
from behave.step_registry import registry

from support.plugins import parameter_types
from support.reporting.vocabulary import Example, Sentence
from support.vocabulary import requests, tables
from support.vocabulary.requests.grammar import Kind

NEAREST = 3
COLUMNS = "Columns: "
# Ends of the sentences whose table holds the options or the rows of their request.
OF_OPTIONS = ("{request}:", "{request} with:", "{request} with each of these options:")
# Of the parameters that have no closed list of words.
SAMPLES = {
    "string": '"menu"',
    "word": "menu",
    "int": "3",
    "float": "0.8",
    "duration": "300 ms",
    "percent": "95 %",
    "size": "4 KiB",
    "actor": "an editor",
    "request": 'searches for "lunch"',
    "ids": '"menu" and "soup"',
    "vector": "[1, 0.5]",
    "limit": "the recovery limit",
}
_PARAMETER = re.compile(r"\{([^}]*)\}")
_QUOTED = re.compile(r'"(?:[^"\\]|\\.)*"')
_NUMBERS = re.compile(r"-?\b\d+(?:\.\d+)?\b")


@dataclass(slots=True)
class Definition:
    """One wording of a step definition."""

    pattern: str
    keyword: str
    function: Any
    matcher: Any
    uses: list[Example] = field(default_factory=list)
    regexp: re.Pattern[str] = field(init=False)

    def __post_init__(self) -> None:
        # Looked at before the expression itself, which takes its time for every sentence.
        self.regexp = re.compile(self.matcher.cucumber_expression.regexp)

    @property
    def meaning(self) -> str:
        """The docstring without the line that names the columns."""
        lines = (inspect.getdoc(self.function) or "").splitlines()
        return " ".join(line.strip() for line in lines if line.strip() and not line.startswith(COLUMNS))

    @property
    def columns(self) -> list[str]:
        """The columns of its table, as the docstring names them; empty where it names none."""
        lines = (inspect.getdoc(self.function) or "").splitlines()
        named = next((line.removeprefix(COLUMNS) for line in lines if line.startswith(COLUMNS)), "")
        return [name.strip() for name in named.split("|") if name.strip()]

    @property
    def noun(self) -> str:
        """The module that it stands in, as words."""
        return Path(inspect.getsourcefile(inspect.unwrap(self.function)) or "").stem.replace("_", " ")


def load(root: Path) -> None:
    """Load the step modules, where behave has not done so already."""
    if not any(registry.steps.values()):
        parameter_types.install()
        load_step_modules([str(root / "steps")])


def definitions(steps: Any = registry) -> list[Definition]:
    """Every wording of every step definition of ``steps``, a registry: a run has one of its own."""
    return [
        Definition(str(matcher.pattern), keyword.capitalize(), matcher.func, matcher)
        for keyword, matchers in steps.steps.items()
        for matcher in matchers
    ]


def collect(
    features: Iterable[Path], steps: Any = registry
) -> tuple[list[Sentence], dict[str, list[Example]]]:
    """The sentences with their uses, and the uses of each kind of request, by its pattern."""
    known = definitions(steps)
    of_requests: dict[str, list[Example]] = {kind.pattern: [] for kind in requests.KINDS}
    for path in features:
        for step, place in _written(path):
            found = next((each for each in known if _fits(each, step)), None)
            if found is not None:
                example = Example(f"{step.keyword} {step.name}", _table(step), place)
                found.uses.append(example)
                for kind in _requests_of(found, step):
                    of_requests[kind.pattern].append(example)
    return _sentences(known), of_requests


def _sentences(known: Sequence[Definition]) -> list[Sentence]:
    """One entry for each wording; Given, When and Then of the same words are one."""
    together: dict[tuple[str, str], list[Definition]] = {}
    for each in known:
        together.setdefault((each.noun, each.pattern), []).append(each)
    return [
        Sentence(
            noun=noun,
            pattern=pattern,
            keywords=tuple(sorted({each.keyword for each in alike})),
            meaning=alike[-1].meaning,
            columns=tuple(alike[-1].columns),
            uses=tuple(use for each in alike for use in each.uses),
            sample=f"{alike[-1].keyword} {sample(pattern)}",
        )
        for (noun, pattern), alike in together.items()
    ]


def sample(pattern: str) -> str:
    """A sentence that fits the pattern, for one that no feature uses yet."""
    several = "{int}" in pattern
    chosen = re.sub(r"([\w']+)((?:/[\w']+)+)", lambda found: _choice(found[0].split("/"), several), pattern)
    chosen = chosen.replace("(s)", "s", 1).replace("(s)", "") if several else chosen.replace("(s)", "")
    return _PARAMETER.sub(lambda found: _sample_of(found[1]), re.sub(r"\(([^)]*)\)", r"\1", chosen))


def _choice(words: Sequence[str], several: bool) -> str:
    return next((each for each in words if several and each in ("are", "were", "have")), words[0])


def _sample_of(name: str) -> str:
    return SAMPLES.get(name) or next(iter(parameter_types.words_of(name)), f"{{{name}}}")


def _written(path: Path) -> Iterator[tuple[Any, str]]:
    """Each step as it is written, once: an outline by its first row."""
    seen: set[int] = set()
    try:
        feature = parse_file(str(path))
    except ParserError:
        # Whoever runs it is told; its other sentences are nobody's example.
        return
    backgrounds = list(feature.background.steps) if feature.background else []
    for step in backgrounds:
        yield step, f"{path.name}:{step.line}"
    for scenario in feature.walk_scenarios():
        for step in scenario.steps:
            if step.line not in seen:
                seen.add(step.line)
                yield step, f"{path.name}:{step.line}"


def _fits(definition: Definition, step: Any) -> bool:
    return definition.keyword.lower() == step.step_type and bool(definition.regexp.match(step.name))


def _table(step: Any) -> tuple[tuple[str, ...], ...]:
    if step.table is None:
        return ()
    return (tuple(step.table.headings), *(tuple(row.cells) for row in step.table.rows))


def _requests_of(definition: Definition, step: Any) -> Iterator[Kind]:
    if "{request}" in definition.pattern:
        for argument in definition.matcher.match(step.name).arguments:
            if isinstance(argument.value, requests.Request):
                yield argument.value.kind
    for row in (
        step.table.rows if step.table is not None and {"actor", "request"} <= {*step.table.headings} else ()
    ):
        try:
            yield requests.parse(row["request"].strip()).kind
        except tables.TableError:
            continue


# --- what nobody defined


def complaints(scenarios: Iterable[Any], steps: Any = registry) -> list[str]:
    """Steps that no definition fits, and tables with a column, option or request that does not exist.

    Each complaint begins with file and line, and ends with what exists or comes near.
    """
    known, found = definitions(steps), []
    fitting_of: dict[tuple[str, str], Definition | None] = {}
    reported: set[str] = set()
    for scenario in scenarios:
        for step in scenario.all_steps:
            wording = (step.step_type, step.name)
            if str(step.location) in reported or (wording in fitting_of and step.table is None):
                continue
            if wording not in fitting_of:
                fitting_of[wording] = next((each for each in known if _fits(each, step)), None)
            reported.add(str(step.location))
            fitting = fitting_of[wording]
            if fitting is None:
                said = f"no such sentence: {step.keyword} {step.name}\n{_near(step, known)}"
            else:
                said = _wrong_table(fitting, step)
            if said:
                found.append(f"{step.location}: {said}")
    return found


def _near(step: Any, known: Sequence[Definition]) -> str:
    """The word that is not in its list, where only that is wrong; else the nearest sentences."""
    for each in sorted(known, key=lambda one: -len(_PARAMETER.sub("", one.pattern))):
        if each.keyword.lower() == step.step_type and (wrong := _wrong_word(each, step.name)):
            return f"  {wrong}"
    by_form = {_form(each.pattern): each.pattern for each in known if each.keyword.lower() == step.step_type}
    if step.step_type in ("given", "when"):
        by_form |= {wording: wording for wording in parameter_types.words_of("fault")}
        by_form |= {
            f"{{actor}} {_form(kind.pattern)}": f"{{actor}} {kind.pattern}" for kind in requests.KINDS
        }
    form = _form(step.name)
    for actor in parameter_types.words_of("actor"):
        form = form.replace(f"{actor} ", "{actor} ", 1) if form.startswith(f"{actor} ") else form
    near = difflib.get_close_matches(form, list(by_form), NEAREST, cutoff=0.0)
    return "\n".join(f"  near: {step.keyword} {by_form[each]}" for each in near)


def _form(text: str) -> str:
    """A sentence with its names and numbers left out, so that only the wording is compared."""
    return _NUMBERS.sub("{int}", _QUOTED.sub("{string}", text)).replace("{ids}", "{string}")


def _wrong_word(definition: Definition, sentence: str) -> str:
    """What is said of the one word of a closed list that keeps the sentence from fitting; empty otherwise."""
    names = _PARAMETER.findall(definition.pattern)
    for place, name in enumerate(names):
        words = parameter_types.words_of(name)
        if not words:
            continue
        match = re.fullmatch(_relaxed(definition.pattern, place), sentence)
        if match is None or not match[1] or match[1] in words:
            continue
        literal = _PARAMETER.sub("", definition.pattern).strip()
        if len(literal) < len(name) and name != "actor":
            continue
        return f'"{match[1]}" is no {name.replace("_", " ")}; known are: {", ".join(sorted(words))}'
    return ""


def _relaxed(pattern: str, place: int) -> str:
    """The sentence as a regular expression in which one parameter may be anything."""
    parts = re.split(r"(\{[^}]*\})", pattern)
    made, number = "", -1
    for part in parts:
        if part.startswith("{"):
            number += 1
            made += "(.+?)" if number == place else f"(?:{parameter_types.regexp_of(part[1:-1])})"
        else:
            made += _literal(part)
    return made


def _literal(text: str) -> str:
    """Literal text of an expression: ``(s)`` is optional, ``is/are`` are alternatives."""
    escaped = re.escape(text).replace(r"\ ", " ").replace(r"\(", "(?:").replace(r"\)", ")?")
    return re.sub(r"([\w']+(?:/[\w']+)+)", lambda found: f"(?:{found[1].replace('/', '|')})", escaped)


def _wrong_table(definition: Definition, step: Any) -> str:
    """What is wrong with the words of a step's table, as far as that can be told without running it."""
    if step.table is None:
        return ""
    headings, columns = list(step.table.headings), definition.columns
    for argument in definition.matcher.match(step.name).arguments:
        if isinstance(argument.value, requests.Request) and definition.pattern.endswith(OF_OPTIONS):
            return _wrong_options(argument.value.kind, step)
    family = tuple(name.removesuffix("<name>") for name in columns if name.endswith("<name>"))
    for heading in headings:
        if columns and heading not in columns and not (family and heading.startswith(family)):
            return f"there is no column {heading!r}; known are: {', '.join(columns)}"
    for row in step.table.rows if {"actor", "request"} <= {*headings} else ():
        try:
            requests.parse(row["request"].strip())
        except tables.TableError as error:
            return str(error)
    return ""


def _wrong_options(kind: Kind, step: Any) -> str:
    rows: list[Mapping[str, str]] = [row.as_dict() for row in step.table.rows]
    try:
        if kind.rows:
            for row in rows:
                kind.rows(row)
        else:
            tables.options(rows, kind.options)
    except tables.TableError as error:
        return str(error)
    return ""
