"""What stands in the cells of a table, as typed values: options of a request, documents, filters.

A cell is a number, ``true`` or ``false``, a list (``[1, "a"]``), ``null``, quoted text (``""`` is the empty
text) or plain text. A blank cell is missing: the request leaves that member out.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

METADATA = "metadata."
_NUMBER = re.compile(r"-?(0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?")
# A value within a sentence: quoted text, a list, or one word or number; a last colon belongs to the table.
VALUE = r'(?:"(?:[^"\\]|\\.)*"|\[[^\]]*\]|[^\s"]*[^\s":])'
# A condition of a filter: ``pages >= 5``.
CONDITION = rf"[\w-]+ *(?:>=|<=|=|>|<|\bin\b) *{VALUE}"
_CONDITION = re.compile(rf"\s*([\w-]+)\s*(>=|<=|=|>|<|\bin\b)\s*({VALUE})\s*")
_BOUNDS = {">": "gt", ">=": "gte", "<": "lt", "<=": "lte"}


class TableError(AssertionError):
    """A table says something that nobody understands; the message lists what exists."""


class Missing:
    """The value of a blank cell."""

    def __repr__(self) -> str:
        return "(missing)"


MISSING = Missing()


def cell(text: str) -> Any:
    """The value of a cell; ``MISSING`` for a blank one. Raises ``TableError`` for a broken list or text."""
    text = text.strip()
    if not text:
        return MISSING
    if text in ("true", "false", "null") or _NUMBER.fullmatch(text) or text[0] in '["':
        try:
            return json.loads(text)
        except ValueError as error:
            raise TableError(f"the cell {text!r} is neither a list nor quoted text: {error}") from None
    return text


def words(text: str) -> Any:
    """The value of a cell that holds text: a number or a list in it is text as well."""
    text = text.strip()
    if not text:
        return MISSING
    return cell(text) if text.startswith('"') else text


def unknown(what: str, name: str, known: Iterable[str]) -> TableError:
    """The complaint about a word that is in no list."""
    return TableError(f"there is no {what} {name!r}; known are: {', '.join(sorted(known))}")


@dataclass(frozen=True, slots=True)
class Option:
    """One option of a request: the member of the request that it fills, and how its cell is read.

    ``place`` is where the member goes: a field of the content, a header, a parameter of the query, the key.
    """

    member: str
    meaning: str
    read: Any = cell
    place: Literal["field", "header", "query", "key"] = "field"


def options(rows: Sequence[Mapping[str, str]], known: Mapping[str, Option]) -> dict[Option, Any]:
    """The options of a table ``option | value`` (or ``field | value``); metadata members are joined.

    Raises ``TableError`` for an option that the request does not have.
    """
    found: dict[Option, Any] = {}
    for name, text in pairs(rows, ("option", "field")):
        if name.startswith(METADATA) and METADATA + "<name>" in known:
            metadata = found.setdefault(known[METADATA + "<name>"], {})
            metadata |= _present(name.removeprefix(METADATA), cell(text))
        elif name == "no metadata" and METADATA + "<name>" in known:
            found[known[METADATA + "<name>"]] = {}
        elif option := _named(name, known):
            value = option.read(text)
            if value is not MISSING:
                found[option] = value
        else:
            raise unknown("option", name, known)
    return found


def _named(name: str, known: Mapping[str, Option]) -> Option | None:
    """The option of that name; ``header X-Note`` is one of the family ``header <name>``."""
    family, _, member = name.partition(" ")
    if member and f"{family} <name>" in known:
        return replace(known[f"{family} <name>"], member=member)
    return known.get(name)


def pairs(rows: Sequence[Mapping[str, str]], first: Sequence[str] = ("field",)) -> list[tuple[str, str]]:
    """The rows of a table of two columns: one of the names in ``first``, and ``value``."""
    found = []
    for row in rows:
        name = next((row[each] for each in first if each in row), None)
        if name is None or "value" not in row or len(row) != 2:
            raise TableError(f"the columns are {', '.join(row)}; they must be: {first[0]}, value")
        found.append((name.strip(), row["value"]))
    return found


def document(row: Mapping[str, str], columns: Sequence[str] = ("id", "text", "vector")) -> dict[str, Any]:
    """The members of one document given as a row: ``id``, ``text``, ``vector`` and ``metadata.<name>``.

    Any other column is metadata too where ``columns`` holds ``"..."``. Raises ``TableError`` for an unknown
    column.
    """
    made: dict[str, Any] = {}
    metadata: dict[str, Any] = {}
    for column, text in row.items():
        if column in ("id", "text"):
            made |= _present(column, words(text))
        elif column == "vector":
            made |= _present(column, MISSING if not text.strip() else numbers(text))
        elif column.startswith(METADATA):
            metadata |= _present(column.removeprefix(METADATA), cell(text))
        else:
            raise unknown("column", column, (*columns, "metadata.<name>"))
    return {**made, **({"metadata": metadata} if metadata else {})}


def texts(row: Mapping[str, str]) -> list[Any]:
    """The texts in the cells of a row, whatever its columns are called."""
    return [words(each) for each in row.values()]


def numbers(text: str) -> list[float]:
    """``[1, 0.5]`` or ``1, 0.5`` as a vector; ``384 numbers`` is one of so many ones.

    Raises ``TableError`` for anything else.
    """
    if counted := re.fullmatch(r"\s*(\d+) numbers\s*", text):
        return [1.0] * int(counted[1])
    try:
        found = json.loads(text if text.strip().startswith("[") else f"[{text}]")
    except ValueError:
        raise TableError(f"{text!r} is not a vector such as [1, 0.5]") from None
    return [float(each) for each in found]


def conditions(text: str) -> dict[str, Any]:
    """A filter such as ``department = "kitchen" and floor in [1, 2]``, as the contract writes it."""
    found: dict[str, Any] = {}
    bounded: set[str] = set()
    for part in _conditions(text.strip()):
        match = _CONDITION.fullmatch(part)
        if match is None:
            raise TableError(
                f'{part!r} is not a condition such as: department = "kitchen", pages >= 5, floor in [1, 2]'
            )
        name, operator, wanted = match[1], match[2], cell(match[3])
        bound = _BOUNDS.get(operator)
        if name in found and (bound is None or name not in bounded):
            raise TableError(f"{name!r} has more than one condition in {text!r}; only bounds can be combined")
        if bound is not None:
            bounded.add(name)
            found.setdefault(name, {})[bound] = wanted
        else:
            found[name] = {"any": wanted} if operator == "in" else wanted
    return found


def _conditions(text: str) -> list[str]:
    """The conditions between the words ``and``; quoted text and lists are left whole."""
    parts = re.split(r"\s+and\s+", text)
    whole = re.findall(CONDITION, text)
    return whole if " and ".join(whole) == " ".join(text.split()) else parts


def on_or_off(text: str) -> bool:
    """``on`` as true, ``off`` as false."""
    if text.strip() not in ("on", "off"):
        raise TableError(f"{text!r} is neither on nor off")
    return text.strip() == "on"


def names(text: str) -> list[str]:
    """``Voyage, Jina`` as a list, in quotes or not."""
    return [name.strip() for name in re.split(r",| and ", text.strip().strip('"')) if name.strip()]


def _present(name: str, value: Any) -> dict[str, Any]:
    return {} if value is MISSING else {name: value}
