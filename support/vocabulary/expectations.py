"""What a table expects of an answer or a document, field by field, and what differs from it.

A cell is a value (see ``tables``) or one of ``at least 5``, ``at most 5``, ``more than 5``, ``less than 5``,
``within 1 of 5``, ``contains "text"``, ``absent``, ``present``, ``empty``, ``a UUID``, ``not 5``,
``absent or ...``. A bound may be another field of the same answer: ``at most Server-Timing.total``.
"""

from __future__ import annotations

import json
import operator
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from support.drivers.gateway import Answer
from support.vocabulary import tables
from support.vocabulary.tables import METADATA, MISSING, TableError

_COMPARED: Mapping[str, Callable[[Any, Any], bool]] = {
    "at least": operator.ge,
    "at most": operator.le,
    "more than": operator.gt,
    "less than": operator.lt,
}
_BOUND = re.compile(rf"({'|'.join(_COMPARED)}) +(-?[\d.]+(?:[eE][+-]?\d+)?)")
_NEAR = re.compile(r"within ([\d.]+) of +(-?[\d.]+)")
_BOUND_BY_FIELD = re.compile(rf"({'|'.join(_COMPARED)}|within [\d.]+ of) +([^-\d].*)")
_UUID = re.compile("[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
TIMING = "Server-Timing."
_PART = re.compile(r'contains ".*"')
_ABSENT = object()


def exactly(value: Any) -> str:
    """A form in which 1, 1.0 and true differ."""
    return json.dumps(value, sort_keys=True, ensure_ascii=False)


def fits(expected: str, found: Any) -> bool:
    """Whether a value is as the cell expects."""
    expected = expected.strip()
    if expected.startswith("not "):
        return not fits(expected.removeprefix("not "), found)
    if expected in ("", "absent"):
        return found is _ABSENT or found is None
    if expected.startswith("absent or "):
        return fits("absent", found) or fits(expected.removeprefix("absent or "), found)
    if found is _ABSENT:
        return False
    if expected == "present":
        return found is not None
    if expected == "empty":
        return found in ([], {}, "")
    if expected == "a UUID":
        return isinstance(found, str) and _UUID.fullmatch(found) is not None
    if expected.startswith("contains "):
        wanted = tables.cell(expected.removeprefix("contains "))
        return isinstance(found, str | list | Mapping) and _holds(found, wanted)
    if compared := _BOUND.fullmatch(expected):
        return _number(found) and _COMPARED[compared[1]](found, tables.cell(compared[2]))
    if near := _NEAR.fullmatch(expected):
        return _number(found) and abs(found - float(near[2])) <= float(near[1])
    wanted = tables.cell(expected)
    if isinstance(found, str) and not isinstance(wanted, str):
        wanted = expected
    return exactly(wanted) == exactly(found) or (_number(wanted) and _number(found) and wanted == found)


def _holds(found: str | list[Any] | Mapping[str, Any], wanted: Any) -> bool:
    """Whether a text has a part, a list an element, an object a member."""
    if isinstance(found, str):
        return str(wanted) in found
    return exactly(wanted) in map(exactly, found)


def _number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def deviations(answer: Answer, rows: Sequence[Mapping[str, str]]) -> list[str]:
    """The fields of an answer that are otherwise than the table says, each with both values."""
    wrong = []
    for written, expected in tables.pairs(rows):
        for name in _each(answer, written):
            found = member(answer, name)
            bound = bounded(answer, expected)
            if not fits(bound, found):
                expected = expected if bound == expected else f"{expected.strip()} ({bound})"
                wrong.append(f"{name}: expected {expected.strip() or 'nothing'}, was {shown(found)}")
    return wrong


def bounded(answer: Answer, expected: str) -> str:
    """The expectation with a number in the place of a field that bounds it."""
    bound = _BOUND_BY_FIELD.fullmatch(expected.strip())
    return expected if bound is None else f"{bound[1]} {member(answer, bound[2])}"


# What is measured of an answer beside its members and headers; times in milliseconds.
_MEASURED: Mapping[str, Callable[[Answer], float]] = {
    "answer length": lambda answer: len(answer.text),
    "elapsed time": lambda answer: answer.elapsed_ms,
    "unaccounted time": lambda answer: 2 * answer.hops_ms["total"] - sum(answer.hops_ms.values()),
}


def _each(answer: Answer, name: str) -> list[str]:
    """The fields that ``services.*.status`` means: the one of every member, or the name itself."""
    head, star, rest = name.partition(".*")
    if not star:
        return [name]
    found = member(answer, head)
    keys = (
        [str(place) for place in range(1, len(found) + 1)] if isinstance(found, list) else list(found or ())
    )
    return [each for key in keys for each in _each(answer, f"{head}.{key}{rest}")] or [f"{head}.1{rest}"]


def member(answer: Answer, name: str) -> Any:
    """A field of an answer: a header by its name, else a member, such as ``cache info.status``.

    ``number of results`` is the length of a list, ``results.1.id`` the id of the first, ``answer length`` the
    number of characters, ``Server-Timing.qdrant`` the milliseconds of a hop. Raises ``TableError`` for a
    field that no answer has.
    """
    if name.startswith(TIMING):
        return answer.hops_ms.get(name.removeprefix(TIMING), _ABSENT)
    if name in _MEASURED:
        return _MEASURED[name](answer)
    if re.fullmatch(r"[A-Z][A-Za-z]*(-[A-Za-z]+)*", name):
        told: Any = answer.headers.get(name, _ABSENT)
        return int(told) if isinstance(told, str) and told.isdecimal() else told
    counted = name.removeprefix("number of ")
    found: Any = answer.body
    if isinstance(found, str):
        return _ABSENT
    for part in counted.split("."):
        key = part.strip().replace(" ", "_")
        if isinstance(found, list) and key.isdecimal():
            found = found[int(key) - 1] if int(key) <= len(found) else _ABSENT
        elif isinstance(found, Mapping):
            found = found.get(key, found.get(part.strip(), _ABSENT))
        else:
            raise TableError(f"the answer has no field {name!r}: {_fields(answer)}")
        if found is _ABSENT:
            return _ABSENT
    return len(found) if counted != name else found


def _fields(answer: Answer) -> str:
    if not isinstance(answer.body, Mapping):
        return "it has no fields"
    return f"it has {', '.join(key.replace('_', ' ') for key in answer.body)}"


def of_document(held: Mapping[str, Any], rows: Sequence[Mapping[str, str]]) -> list[str]:
    """What of a document is otherwise than the table says; metadata that are named must be all there are.

    Values of metadata are of the very type that the cell shows, 5 is not 5.0; a bound (``at least 5``) holds
    for numbers of either type. Text that looks like a bound stands in quotes.
    """
    wrong: list[str] = []
    metadata: dict[str, Any] = {}
    named = False
    held_metadata = held.get("metadata") or {}
    for name, expected in tables.pairs(rows):
        if name == "no metadata":
            named = True
        elif name.startswith(METADATA):
            named = True
            key, value = name.removeprefix(METADATA), tables.cell(expected)
            if _BOUND.fullmatch(expected.strip()) and fits(expected, held_metadata.get(key)):
                value = held_metadata[key]
            metadata |= {} if value is MISSING else {key: value}
        elif name == "vector":
            wanted = tables.numbers(expected)
            if list(held.get("vector") or []) != wanted:
                wrong.append(f"vector: expected {wanted}, was {shown(held.get('vector'))}")
        elif name == "text":
            wanted_text = tables.words(expected)
            if _PART.fullmatch(expected.strip()) and fits(expected, held.get("text")):
                wanted_text = held.get("text")
            if held.get("text") != (None if wanted_text is MISSING else wanted_text):
                wrong.append(f"text: expected {shown(wanted_text)}, was {shown(held.get('text'))}")
        elif name not in held:
            raise TableError(f"a document has no field {name!r}: it has {', '.join(held)}, metadata.<name>")
        elif not fits(expected, held[name]):
            wrong.append(f"{name}: expected {expected.strip()}, was {shown(held[name])}")
    if named and exactly(metadata) != exactly(held.get("metadata")):
        wrong.append(f"metadata: expected {exactly(metadata)}, was {exactly(held.get('metadata'))}")
    return wrong


def shown(value: Any) -> str:
    """A value as messages show it, cut off where it is long."""
    if value is _ABSENT or value is MISSING:
        return "absent"
    text = exactly(value)
    return text if len(text) <= 200 else f"{text[:200]}..."
