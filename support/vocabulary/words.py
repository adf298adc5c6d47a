"""The typed words of the sentences: how they are written and what they mean."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from cucumber_expressions.parameter_type import ParameterType
from cucumber_expressions.parameter_type_registry import ParameterTypeRegistry

from support.drivers.providers import DISPLAY_NAMES
from support.vocabulary.tables import numbers

QUOTED = r'"(?:[^"\\]|\\.)*"'
_NUMBER = r"-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?"


@dataclass(frozen=True, slots=True)
class Word:
    """A parameter type: its regular expression, its value, and for a closed list every word."""

    name: str
    meaning: str
    regexp: str
    parse: Callable[[str], Any]
    known: Mapping[str, str] = field(default_factory=dict)


def any_of(words: Iterable[str]) -> str:
    """One of the words, longest first, so that no word hides a longer one."""
    return "|".join(re.escape(word) for word in sorted(words, key=len, reverse=True))


def unquoted(text: str) -> str:
    """The text between the quotes; ``\\"`` stands for a quote."""
    return text[1:-1].replace('\\"', '"')


def quoted(text: str) -> str:
    """The text between quotes."""
    return '"' + text.replace('"', '\\"') + '"'


def listed(text: str) -> list[str]:
    """``"a", "b" and "c"`` as a list."""
    return [unquoted(each) for each in re.findall(QUOTED, text)]


PROVIDERS = {shown: name for name, shown in DISPLAY_NAMES.items()}

IDS = Word(
    "ids",
    'one or more quoted names: "a", "b" and "c"',
    rf"{QUOTED}(?:, {QUOTED})*(?: and {QUOTED})?",
    listed,
)
VECTOR = Word("vector", "the numbers of a vector: [1, 0.5]", rf"\[{_NUMBER}(?:, {_NUMBER})*\]", numbers)
PROVIDER = Word(
    "provider",
    "one of the nine external providers",
    any_of(PROVIDERS),
    PROVIDERS.__getitem__,
    dict.fromkeys(PROVIDERS, ""),
)
FLAWS = {
    "malformed content": "it breaks off; of operations that take content",
    "an unsupported content type": "not the one that the contract names; of operations that take content",
    "too large content": "a byte more than the contract allows; of operations that take content",
    "an unknown field": "a field that the contract does not know; of operations that take content",
    "an unknown collection": "a name that no collection has; of operations on a collection",
    "an unknown document": "an id that no document has; of operations on a document",
    "an unknown model": "a name that no model has; of operations on a model",
    "an unknown provider": "a name that no provider has; of operations on a provider",
    "an unknown job": "an id that no job has; of operations on a job",
    "an invalid parameter": "a name or a number that cannot be; once for each parameter of an operation",
}
FLAW = Word("flaw", "what is wrong with a request to every operation", any_of(FLAWS), str, FLAWS)
# Of each measure the request that has it, with the value in the place of {}.
MEASURES = {
    "a text length": "embeds a text of {} characters",
    "a batch size": "stores {} vectors of 384 numbers in one batch",
    "a job size": "submits a job that deletes {} documents",
    "an embedding batch size": "embeds {} short texts in one batch",
    "a search limit": 'searches for "a text" with limit {}',
    "a search offset": 'searches for "a text" with offset {}',
    "a page size": "lists the first {} documents",
    "a number of metadata values": 'stores the document "sample" with {} metadata values',
    "a metadata list length": 'stores the document "sample" with a metadata list of {} values',
    "a number of filter conditions": 'searches for "a text" with {} filter conditions',
    "a number of filter choices": 'searches for "a text" with a filter of {} choices',
    "a number of dimensions": 'creates the collection "of {0} dimensions" with dimensions {0}',
    "a whole number": 'stores the document "sample" with text "A text." and metadata.number {}',
}
MEASURE = Word(
    "measure", "what the contract limits, and the request that has it", any_of(MEASURES), str, MEASURES
)
# Where a hostile string is put, and where that is.
PLACES = {
    "the name of a collection": "to read it",
    "the name of a new collection": "to create it",
    "the collection of a search": "in the content",
    "the id of a document": "to read it",
    "the id of a new document": "to store it",
    "the name of a metadata value": "of a new document",
    "the name in a filter": "of a search",
    "the operator of a filter": "of a search",
    "a field of a search": "a name that the content may not have",
    "the model of a document": "to store it",
    "the name of a model": "to read it",
    "the name of a provider": "to read its status",
    "a provider to fail over to": "of a request to OpenAI",
    "the id of a job": "to read its status",
    "the status of jobs to list": "in the query",
    "the cursor of a list": "in the query",
    "the size of a page": "in the query",
}
HOSTILE_PLACE = Word("hostile_place", "where a hostile string is put", any_of(PLACES), str, PLACES)
# What is malformed about a request, and how.
MALFORMED = {
    "no content": "where an object belongs",
    "a truncated object": "it breaks off in a string",
    "two objects": "one after the other",
    "a character after the object": "a closing bracket",
    "a comment": "within the object",
    "single quotes": "for double ones",
    "a trailing comma": "after the last field",
    "NaN": "as a number",
    "invalid UTF-8": "bytes that no character has",
    "truncated UTF-8": "the first of two bytes",
    "overlong UTF-8": "two bytes for a character that has one",
    "UTF-16": "with its mark",
    "a line break within a string": "not escaped",
    "100,000 nested lists": "never closed",
    "5,000 nested objects in a filter": "all closed",
    "gzip content without its header": "as if it were an object",
    "a form": "as browsers send it",
    "XML": "as older services send it",
    "a list for the object": "of one text",
    "a string for the object": "a text alone",
    "a number for the object": "a number alone",
    "null for the object": "nothing alone",
    "an empty object": "without a field",
    "a field too many": "of another operation",
    "a field named __proto__": "an object of its own",
    "a NUL in the text": "escaped",
    "a lone surrogate in the text": "escaped",
    "a list for the text": "of two texts",
    "a number beyond float64": "in the metadata",
    "two lengths": "two headers that differ",
    "a negative length": "less than nothing",
    "a sum as its length": "6+7",
    "an unknown transfer encoding": "one that looks like chunked",
    "a chunk without a length": "letters in its place",
    "a space after a header name": "before the colon",
    "a header without a name": "a colon first",
    "a NUL in a header": "in its value",
    "a bare carriage return in a header": "in its value",
    "two hosts": "two headers that differ",
    "a header of 200,000 characters": "longer than servers read",
}
MALFORMATION = Word("malformed", "what is malformed about a request", any_of(MALFORMED), str, MALFORMED)
JOBS = {
    "the job": "where there is only one",
    "the first job": "of those that were accepted",
    "the second job": "",
    "the third job": "",
}
JOB = Word("job", "a job of the scenario", any_of(JOBS), str, JOBS)
ENDINGS = {"succeed": "are carried out", "fail": "are refused, or not answered"}
ENDING = Word("ending", "how requests come out", any_of(ENDINGS), "succeed".__eq__, ENDINGS)
# What the requests of an actor may contain, besides {string}, {int} and {float}.
OF_REQUESTS = (IDS, VECTOR, PROVIDER, FLAW, MEASURE, HOSTILE_PLACE, MALFORMATION, JOB)


def registry() -> ParameterTypeRegistry:
    """A registry of its own for the expressions of requests."""
    made = ParameterTypeRegistry()
    for word in OF_REQUESTS:
        made.define_parameter_type(ParameterType(word.name, word.regexp, object, word.parse))
    return made
