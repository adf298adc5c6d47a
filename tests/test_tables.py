"""Cells, options, documents and filters of tables: typed values, and what exists for what does not."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.vocabulary import tables
from support.vocabulary.tables import MISSING, Option, TableError

CONTENT = {
    "text": Option("text", "the text", tables.words),
    "limit": Option("limit", "the most results"),
    "metadata.<name>": Option("metadata", "a metadata value"),
    "no metadata": Option("metadata", "none"),
}
SCALARS = st.one_of(st.booleans(), st.integers(-(2**53), 2**53), st.floats(min_value=-1e300, max_value=1e300))


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("5", 5),
        ("-5", -5),
        ("5.0", 5.0),
        ("1e-12", 1e-12),
        ("9007199254740991", 9007199254740991),
        ("true", True),
        ("false", False),
        ("null", None),
        ('"5"', "5"),
        ('""', ""),
        ('"a \\"quoted\\" word"', 'a "quoted" word'),
        ('[1, "a", 2.5, false, ""]', [1, "a", 2.5, False, ""]),
        ("[]", []),
        ("kitchen", "kitchen"),
        ("  at noon ", "at noon"),
        ("0815", "0815"),
        ("5 pages", "5 pages"),
        ("1.2.3", "1.2.3"),
        ("True", "True"),
        ("it's", "it's"),
    ],
)
def test_a_cell_has_the_value_that_it_shows(text: str, value: Any) -> None:
    found = tables.cell(text)
    assert (type(found), found) == (type(value), value)


def test_a_blank_cell_is_missing() -> None:
    assert tables.cell("  ") is MISSING
    assert tables.words("") is MISSING
    assert tables.document({"id": "menu", "text": "", "metadata.floor": " "}) == {"id": "menu"}


@given(st.one_of(SCALARS, st.text(), st.lists(st.one_of(SCALARS, st.text()), max_size=4)))
def test_any_value_can_stand_in_a_cell(value: Any) -> None:
    found = tables.cell(json.dumps(value))
    assert json.dumps(found) == json.dumps(value)


@pytest.mark.parametrize("text", ["[1, 2", '"open', "[a, b]"])
def test_a_broken_list_or_text_is_told(text: str) -> None:
    with pytest.raises(TableError, match="neither a list nor quoted text"):
        tables.cell(text)


def test_text_is_text_whatever_it_looks_like() -> None:
    assert tables.words("5") == "5" and tables.words("[1]") == "[1]" and tables.words('" 5 "') == " 5 "


def test_options_fill_members_and_join_metadata() -> None:
    rows = [
        {"option": "text", "value": "5"},
        {"option": "limit", "value": "5"},
        {"option": "metadata.department", "value": "kitchen"},
        {"option": "metadata.floor", "value": "5"},
    ]
    found = {option.member: value for option, value in tables.options(rows, CONTENT).items()}
    assert found == {"text": "5", "limit": 5, "metadata": {"department": "kitchen", "floor": 5}}


def test_no_metadata_is_an_empty_set() -> None:
    (found,) = tables.options([{"field": "no metadata", "value": ""}], CONTENT).values()
    assert found == {}


def test_an_unknown_option_ends_with_those_that_exist() -> None:
    with pytest.raises(TableError, match=r"'limmit'; known are: limit, metadata\.<name>, no metadata"):
        tables.options([{"option": "limmit", "value": "5"}], CONTENT)


def test_other_columns_are_told() -> None:
    with pytest.raises(TableError, match="the columns are name, value; they must be: option, value"):
        tables.options([{"name": "limit", "value": "5"}], CONTENT)


def test_a_row_is_a_document() -> None:
    row = {"id": "007", "text": "12", "vector": "[1, 0.5]", "metadata.pages": "5.0", "metadata.tags": '["a"]'}
    assert tables.document(row) == {
        "id": "007",
        "text": "12",
        "vector": [1.0, 0.5],
        "metadata": {"pages": 5.0, "tags": ["a"]},
    }


def test_an_unknown_column_ends_with_those_that_exist() -> None:
    with pytest.raises(TableError, match=r"'department'; known are: id, metadata\.<name>, text, vector"):
        tables.document({"id": "menu", "department": "kitchen"})


def test_vectors_are_written_out_or_counted() -> None:
    assert tables.numbers("[1, -0.5]") == tables.numbers("1, -0.5") == [1.0, -0.5]
    assert tables.numbers("3 numbers") == [1.0, 1.0, 1.0]
    with pytest.raises(TableError, match="is not a vector such as"):
        tables.numbers("one, two")


@pytest.mark.parametrize(
    ("text", "conditions"),
    [
        ('department = "kitchen"', {"department": "kitchen"}),
        ("department = kitchen", {"department": "kitchen"}),
        ("pages = 5", {"pages": 5}),
        ('pages = "5"', {"pages": "5"}),
        ("open = true", {"open": True}),
        ("pages >= 5 and pages < 10", {"pages": {"gte": 5, "lt": 10}}),
        ("pages > 5.5 and floor <= 2", {"pages": {"gt": 5.5}, "floor": {"lte": 2}}),
        ("floor in [1, 2]", {"floor": {"any": [1, 2]}}),
        ('note = "this and that" and floor=1', {"note": "this and that", "floor": 1}),
        ('tags in ["a and b", "c"]', {"tags": {"any": ["a and b", "c"]}}),
    ],
)
def test_filters_as_the_contract_writes_them(text: str, conditions: dict[str, Any]) -> None:
    assert tables.conditions(text) == conditions


@pytest.mark.parametrize(
    "text", ["department", "pages != 5", "pages = 5, floor = 2", "pages is 5", "= 5", "pages = 5 and"]
)
def test_what_is_no_condition_is_told_with_an_example(text: str) -> None:
    with pytest.raises(TableError, match="is not a condition such as: department"):
        tables.conditions(text)


@pytest.mark.parametrize("text", ["pages = 5 and pages = 6", "a >= 5 and a = 6", "a in [1] and a > 2"])
def test_a_name_has_one_condition_or_bounds(text: str) -> None:
    with pytest.raises(TableError, match="more than one condition"):
        tables.conditions(text)
