"""How requests are written: one expression for each, its options, and one pattern that fits them all."""

from __future__ import annotations

import difflib
import inspect
import re
from collections.abc import Callable, Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

from cucumber_expressions.expression import CucumberExpression

from support.drivers.gateway import Answer, Gateway, GatewayUnreachable
from support.vocabulary import credentials, tables, words
from support.vocabulary.tables import Option, unknown
from support.world import Order, View, World

Outcome = Answer | GatewayUnreachable
# The client of whoever asks, where that is not the scenario's own.
CLIENT: ContextVar[Gateway | None] = ContextVar("client", default=None)


@dataclass(frozen=True, slots=True)
class Call:
    """One request to the gateway, ready to be made; ``operation`` is named where every one is called."""

    what: str
    make: Callable[[], Answer]
    operation: str = ""
    # See ``Attempt.about``.
    about: tuple[str, ...] = ()
    order: Order | None = None
    # See ``Attempt.uncached``.
    uncached: Callable[[], Answer] | None = None
    actor: str = ""
    view: View | None = None


@dataclass(slots=True)
class Asking:
    """Who asks, of which collection, with which options and rows; ``number`` counts repetitions from 1."""

    world: World
    actor: str
    key: str
    options: Mapping[Option, Any] = field(default_factory=dict)
    rows: Sequence[Mapping[str, str]] = ()
    number: int = 1
    alias: str | None = None

    @property
    def collection(self) -> str:
        """The store's name of the collection that is meant."""
        alias = self.alias or self.world.collection
        assert alias, "the scenario has made no collection: begin with 'Given the collection \"handbook\"'"
        return self.world.names.collection(alias)

    @property
    def members(self) -> dict[str, Any]:
        """The members of the request that the options fill."""
        return self._at("field")

    def _at(self, place: str) -> dict[str, Any]:
        return {option.member: value for option, value in self.options.items() if option.place == place}

    def sent(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """A request as the actor sends it: with the key, and what the options add to headers and query."""
        shown = credentials.shown(self.world, self.key, self._at("key").get("key"))
        headers = {**(request.get("headers") or {}), **shown.headers, **self._at("header")}
        query = {**(request.get("query") or {}), **shown.query, **self._at("query")}
        return {**request, "key": shown.key, "headers": headers or None, "query": query or None}

    def call(self, operation: str, **request: Any) -> Answer:
        """Call an operation of the contract as the actor."""
        return self._client.call(operation, **self.sent(request))

    def send(self, method: str, path: str, **request: Any) -> Answer:
        """Send any request as the actor, also one that the contract does not know."""
        return self._client.send(method, path, **self.sent(request))

    @property
    def _client(self) -> Gateway:
        return CLIENT.get() or self.world.citadel.gateway


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of request: how it is written and what it takes."""

    expression: CucumberExpression
    prepare: Callable[..., list[Call]]
    meaning: str
    example: str
    options: Mapping[str, Option]
    # How a row of its table is read, where the table holds rows and not options.
    rows: Callable[[Mapping[str, str]], Any] | None

    @property
    def pattern(self) -> str:
        """The expression as it is written in the vocabulary."""
        return str(self.expression.source)


@dataclass(frozen=True, slots=True)
class Request:
    """A request as a feature words it."""

    text: str
    kind: Kind
    arguments: Sequence[Any]
    # Options that stand in the words themselves, as rows of a table.
    options: tuple[Mapping[str, str], ...] = ()

    def __str__(self) -> str:
        return self.text


KINDS: list[Kind] = []
_REGISTRY = words.registry()
# What every request takes.
COMMON = {
    "request id": Option(
        "X-Request-ID", "the id under which every service is asked", tables.words, place="header"
    ),
    "their key": Option("key", "how the key is sent, see the key forms", credentials.read, place="key"),
    "header <name>": Option("header", "a header, in addition or instead", tables.words, place="header"),
    "query <name>": Option("query", "a parameter of the query, in addition", tables.words, place="query"),
    "field <name>": Option("field", "a field of the content, in addition or instead"),
}


def request(
    pattern: str,
    example: str,
    *,
    options: Mapping[str, Option] | None = None,
    rows: Callable[[Mapping[str, str]], Any] | None = None,
) -> Callable[[Callable[..., list[Call]]], Callable[..., list[Call]]]:
    """Define a kind of request; ``rows`` reads a row of a table that holds no options."""

    def define(prepare: Callable[..., list[Call]]) -> Callable[..., list[Call]]:
        known = {**COMMON, **(options or {})}
        expression = CucumberExpression(pattern, _REGISTRY)
        meaning = inspect.getdoc(prepare) or ""
        KINDS.append(Kind(expression, prepare, meaning, example, known, rows))
        return prepare

    return define


def parse(text: str) -> Request:
    """The request that ``text`` words, perhaps with options: ``searches for "lunch" with limit 5``.

    Raises ``TableError`` if there is none such, with what comes near.
    """
    ends = re.compile(rf"(.*?) with ({_options()})", re.DOTALL).fullmatch(text)
    for asked, options in ((text, ""), *([(ends[1], ends[2])] if ends else [])):
        for kind in KINDS:
            found = kind.expression.match(asked)
            if found is not None:
                rows = ({"option": name, "value": value} for name, value in re.findall(_option(), options))
                return Request(text, kind, [each.value for each in found], tuple(rows))
    known = [kind.pattern for kind in KINDS]
    raise unknown("request", text, difflib.get_close_matches(text, known, 3, cutoff=0.3) or known)


def _option() -> str:
    """An option in the words of a request: its name, and its value or, of a filter, its conditions."""
    known = {name for kind in KINDS for name in kind.options}
    families = [name.removesuffix("<name>") for name in known if name.endswith("<name>")]
    names = words.any_of(name for name in known if not name.endswith("<name>"))
    conditions = rf"{tables.CONDITION}(?: and {tables.CONDITION})*"
    return rf"({names}|(?:{words.any_of(families)})[\w-]+) ({conditions}|{tables.VALUE})"


def _options() -> str:
    option = _without_groups(_option())
    return f"{option}(?: and {option})*"


def _without_groups(regexp: str) -> str:
    """A pattern whose groups do not count, so that it can be a part of another one."""
    return re.sub(r"(?<!\\)\((?!\?)", "(?:", regexp.removeprefix("^").removesuffix("$"))


class _Any:
    """The pattern of any request, with its options; complete when all modules of requests are loaded."""

    @property
    def regexp(self) -> str:
        kinds = "|".join(_without_groups(kind.expression.regexp) for kind in KINDS)
        return f"(?:{kinds})(?: with {_options()})?"


ANY = _Any()
