"""The requests of the features: how they are written, what they send, and what is said of unknown ones."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
import yaml
from behave.parser import parse_file

from support.contract.validator import FILE as CONTRACT
from support.drivers.gateway import Answer
from support.isolation.names import Names, Run
from support.vocabulary import actors, requests, words
from support.vocabulary.requests import making
from support.vocabulary.tables import TableError
from support.world import World

ROOT = Path(__file__).resolve().parent.parent
INGEST = ROOT / "features" / "end_to_end" / "ingest.feature"
SAFE = 2**53 - 1
# Of each measure the schema of the contract that bounds it, and the words that do.
ITEMS, LENGTH, RANGE = ("minItems", "maxItems"), ("minLength", "maxLength"), ("minimum", "maximum")
SCALAR = "schemas/MetadataScalar/anyOf/1"
SCHEMAS: Mapping[str, tuple[str, tuple[str, str]]] = {
    "a text length": ("schemas/Text", LENGTH),
    "a batch size": ("schemas/BatchUpsert/properties/items", ITEMS),
    "a job size": ("schemas/JobBulkDelete/properties/ids", ITEMS),
    "an embedding batch size": ("schemas/EmbeddingBatchRequest/properties/texts", ITEMS),
    "a search limit": ("schemas/SearchLimit", RANGE),
    "a search offset": ("schemas/SearchOffset", RANGE),
    "a page size": ("parameters/PageLimit/schema", RANGE),
    "a number of metadata values": ("schemas/Metadata", ("minProperties", "maxProperties")),
    "a metadata list length": ("schemas/Metadata/additionalProperties/anyOf/1", ITEMS),
    "a number of filter conditions": ("schemas/Filter", ("minProperties", "maxProperties")),
    "a number of filter choices": ("schemas/Filter/additionalProperties/anyOf/3/properties/any", ITEMS),
    "a number of dimensions": ("schemas/Dimensions", RANGE),
    "a whole number": (SCALAR, RANGE),
}
# What the contract bounds without a word of its own: a text needs a sign that is no blank.
IMPLIED = {("a text length", "minLength"): 1}


class Recorder:
    """A gateway that answers every request with the request itself."""

    def call(self, operation: str, **request: Any) -> Answer:
        return Answer(operation, 200, {}, {"outcome": "created", "version": 1, **request}, "", 1.0)


def world() -> World:
    citadel = SimpleNamespace(
        keys={"reader": "r", "editor": "e", "administrator": "a"}, gateway=Recorder(), seed=7
    )
    made = World(cast(Any, citadel), Names(Run("0" * 16), 1), lambda _action: None)
    made.collection = "handbook"
    return made


def sent(text: str, *rows: tuple[str, str], times: int = 1, actor: str = "an editor") -> list[dict[str, Any]]:
    """What a request sends, each time that it is made."""
    table = [{"option": name, "value": value} for name, value in rows]
    in_world = world()
    calls = making.prepare(in_world, actor, requests.parse(text), times=times, table=table)
    return [each.answer.body for each in making.in_turn(in_world, calls)]


@pytest.mark.parametrize("kind", requests.KINDS, ids=lambda kind: kind.pattern)
def test_every_kind_of_request_says_what_it_does_and_is_its_own_example(kind: Any) -> None:
    assert kind.meaning.endswith((".", ".)")), kind.pattern
    found = requests.parse(kind.example)
    assert found.kind is kind and found.options == ()
    assert all(option.meaning for option in kind.options.values())


def test_no_two_kinds_of_request_are_written_alike() -> None:
    for kind in requests.KINDS:
        fitting = [each.pattern for each in requests.KINDS if each.expression.match(kind.example) is not None]
        assert fitting == [kind.pattern]


def test_the_actor_decides_the_key() -> None:
    for actor, key in (("a reader", "r"), ("an editor", "e"), ("an anonymous caller", "")):
        assert sent('deletes "menu"', actor=actor)[0]["key"] == key
    assert set(actors.ROLES) <= set(actors.ACTORS)


def test_options_stand_in_a_table_or_in_the_words() -> None:
    (by_table,) = sent(
        'searches for "lunch"',
        ("limit", "5"),
        ("filter", 'department = "kitchen" and pages >= 5'),
        ("cache", "off"),
    )
    (by_words,) = sent(
        'searches for "lunch" with limit 5 and filter department = "kitchen" and pages >= 5 and cache off'
    )
    assert by_table["json_body"] == by_words["json_body"]
    assert by_words["json_body"] | {"collection": ""} == {
        "collection": "",
        "query_text": "lunch",
        "limit": 5,
        "filter": {"department": "kitchen", "pages": {"gte": 5}},
        "use_cache": False,
    }


def test_words_that_look_like_options_may_stand_in_a_text() -> None:
    (found,) = sent('searches for "lunch with limit 5"')
    assert found["json_body"]["query_text"] == "lunch with limit 5" and "limit" not in found["json_body"]


def test_metadata_and_text_in_the_words_of_a_request() -> None:
    (found,) = sent(
        'stores the document "menu" with text "Lunch." and metadata.pages 5 and metadata.floor "5"'
    )
    assert found["json_body"]["text"] == "Lunch."
    assert found["json_body"]["metadata"] == {"pages": 5, "floor": "5"}


def test_repetitions_are_numbered_in_words_options_and_rows() -> None:
    made = sent('stores the document "menu-{n}"', ("text", "Number {n}."), ("metadata.place", "{n}"), times=2)
    assert [each["json_body"]["id"] for each in made] == ["menu-1", "menu-2"]
    assert [each["json_body"]["text"] for each in made] == ["Number 1.", "Number 2."]
    assert [each["json_body"]["metadata"] for each in made] == [{"place": 1}, {"place": 2}]


def test_a_unique_word_is_the_same_in_one_scenario_and_in_no_other() -> None:
    first, second = sent('embeds "a {unique} text"', times=2)
    assert first["json_body"]["text"] == second["json_body"]["text"] == f"a {world().names.prefix} text"


def test_ids_are_sent_as_they_are_given() -> None:
    for item in ("🙂", "a b", "a/b", "x" * 200, "menu."):
        (stored,) = sent(f'stores the document "{item}" with the text "A text."')
        (read,) = sent(f'reads "{item}"')
        assert stored["json_body"]["id"] == read["vector_id"] == item


def test_a_batch_is_about_the_documents_it_sends() -> None:
    in_world = world()
    table = [{"id": "b", "text": "1"}, {"id": "a", "metadata.x": "2"}, {"id": "b", "text": ""}]
    (call,) = making.prepare(
        in_world, "an editor", requests.parse("stores these documents in one batch"), table=table
    )
    assert call.about == ("b", "a", "b")


@pytest.mark.parametrize(
    ("text", "known"),
    [
        ('searches for "lunch" with vector [1]', "cache, field <name>, filter, header <name>, limit, offset"),
        (
            'reads "menu" with limit 5',
            "field <name>, header <name>, query <name>, request id, their key, vector",
        ),
    ],
)
def test_an_option_of_another_request_ends_with_those_that_exist(text: str, known: str) -> None:
    with pytest.raises(TableError, match=f"known are: {known}"):
        sent(text)


def test_an_unknown_request_ends_with_the_nearest() -> None:
    with pytest.raises(TableError, match=r"no request 'serches .*known are: .*searches for \{string\}"):
        requests.parse('serches for "lunch"')


def test_an_unknown_actor_or_column_ends_with_those_that_exist() -> None:
    with pytest.raises(TableError, match=r"no actor 'an intern'; known are: .*a reader"):
        making.of_table(world(), [{"actor": "an intern", "request": "lists the models"}])
    with pytest.raises(TableError, match="no column 'who'; known are: actor, collection, request, times"):
        making.of_table(world(), [{"who": "a reader", "request": "lists the models"}])


def test_a_table_of_requests_says_how_often() -> None:
    calls = making.of_table(
        world(), [{"actor": "a reader", "request": 'searches for "lunch {n}" with limit 3', "times": "2"}]
    )
    assert [call.what for call in calls] == [
        f'a reader searches for "lunch {n}" with limit 3' for n in (1, 2)
    ]


def test_requests_aside_leave_the_scenario_s_own_alone() -> None:
    in_world = world()
    own = making.in_turn(in_world, making.prepare(in_world, "a reader", requests.parse('reads "menu"')))
    making.aside(in_world, "an editor", 'reads "soup"')
    assert in_world.attempts is own and in_world.last_request is not None
    assert in_world.last_request.request.text == 'reads "menu"'


# --- limits: the tables of the feature and the contract say the same


def _bounds(largest: bool) -> dict[str, tuple[int, int]]:
    """By measure the value that is accepted and the one that is refused, as the feature has them."""
    column = "largest" if largest else "smallest"
    outlines = [each for each in parse_file(str(INGEST)).scenarios if getattr(each, "examples", None)]
    return {
        row["measure"]: (int(row[column]), int(row["next"]))
        for outline in outlines
        for examples in outline.examples
        for row in examples.table.rows
        if column in examples.table.headings
    }


def _bound(measure: str, word: str) -> int | None:
    found: Any = yaml.safe_load(CONTRACT.read_text(encoding="utf-8"))["components"]
    for name in SCHEMAS[measure][0].split("/"):
        found = found[int(name) if name.isdecimal() else name]
    bound = found.get(word, IMPLIED.get((measure, word)))
    return None if bound is None else int(bound)


@pytest.mark.parametrize("measure", words.MEASURES)
def test_the_feature_and_the_contract_name_the_same_bounds(measure: str) -> None:
    smallest, largest = SCHEMAS[measure][1]
    assert _bounds(largest=True)[measure][0] == _bound(measure, largest)
    accepted = _bounds(largest=False).get(measure, (None, None))[0]
    assert accepted == _bound(measure, smallest)


def test_what_is_refused_lies_next_to_what_is_accepted() -> None:
    for largest in (True, False):
        for measure, (accepted, refused) in _bounds(largest).items():
            assert refused - accepted == (1 if largest else -1), measure
    assert set(_bounds(largest=True)) == set(words.MEASURES)
    assert _bounds(largest=True)["a whole number"][0] == SAFE == -_bounds(largest=False)["a whole number"][0]


def test_every_measure_is_a_request() -> None:
    for measure, template in words.MEASURES.items():
        assert requests.parse(template.format(3)).kind is not None, measure
        assert requests.parse(f"tries {measure} of 3").arguments == [measure, 3]


def test_the_same_requests_are_made_again_and_not_those_aside() -> None:
    in_world = world()
    made = making.prepare(in_world, "a reader", requests.parse('searches for "lunch {n}"'), times=2)
    first = [each.answer.body for each in making.in_turn(in_world, made)]
    making.aside(in_world, "an editor", 'reads "soup"')
    assert [each.answer.body for each in making.repeat(in_world)] == first


def test_a_character_may_be_written_by_its_number() -> None:
    assert sent(r'embeds "cafe\u0301"')[0]["json_body"]["text"] == "cafe\u0301"
