"""The property-based run: what its hooks may change of a random request, and how failures are told."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from support import fuzz
from support.contract import fuzz_hooks

GET = SimpleNamespace(operation=SimpleNamespace(method="get"))
NAMES = st.from_regex(r"\A[A-Za-z_][A-Za-z0-9_-]{0,20}\Z")
# Printed as schemathesis prints them.
PRINTED = """
=================================== FAILURES ===================================
____ GET /api/v1/collections ____
- Server error
    curl -X GET http://host/api/v1/collections
=================================== SUMMARY ====================================
other things
"""


def test_the_collections_of_the_hooks_are_those_that_the_run_makes() -> None:
    assert (fuzz_hooks.TEXTS, fuzz_hooks.VECTORS, fuzz_hooks.SIZE) == (fuzz.TEXTS, fuzz.VECTORS, fuzz.SIZE)


@given(NAMES, st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=9))
def test_a_valid_request_becomes_one_about_a_collection_that_exists(name: str, vector: list[float]) -> None:
    made = fuzz_hooks.map_body(GET, {"collection": name, "vector": vector})
    assert made["collection"] in (name, fuzz.TEXTS, fuzz.VECTORS)
    assert len(made["vector"]) == (fuzz.SIZE if made["collection"] == fuzz.VECTORS else len(vector))


@pytest.mark.parametrize(
    "body",
    [
        None,
        [],
        {"collection": 5},
        {"collection": "no name!", "vector": [1.0]},
        {"collection": "a" * 256, "vector": [1.0]},
    ],
)
def test_what_is_to_be_refused_stays_as_it_is(body: Any) -> None:
    assert fuzz_hooks.map_body(GET, body) == body


@given(NAMES, st.sampled_from([[], ["1"], [True], [1e7], [0.5] * 4097, "text"]))
def test_a_vector_that_is_to_be_refused_stays_as_it_is(name: str, vector: Any) -> None:
    assert fuzz_hooks.map_body(GET, {"collection": name, "vector": vector})["vector"] == vector


@given(st.floats(-(2.0**53) + 1, 2.0**53 - 1))
def test_fractions_in_metadata_are_ones_that_qdrant_gives_back(number: float) -> None:
    whole, word = 2**53 - 1, "1.5e-300"
    body = {"items": [{"metadata": {"n": number, "list": [number, whole, word]}, "vector": [number]}]}
    [item] = fuzz_hooks.map_body(GET, body)["items"]
    digits = f"{item['metadata']['n']:.6f}".replace(".", "").lstrip("-0")
    assert float(f"{item['metadata']['n']:.6f}") == item["metadata"]["n"]
    assert len(digits) <= 12
    assert item["metadata"]["list"] == [item["metadata"]["n"], whole, word]
    assert item["vector"] == [number], "vectors stay as they are"


@given(st.floats().filter(lambda number: not abs(number) < 2.0**53))
def test_a_number_in_metadata_that_is_to_be_refused_stays_as_it_is(number: float) -> None:
    made = fuzz_hooks.map_body(GET, {"metadata": {"n": [number]}})
    assert repr(made["metadata"]["n"][0]) == repr(number)


def test_a_deletion_is_never_of_a_collection_that_the_others_need() -> None:
    delete = SimpleNamespace(operation=SimpleNamespace(method="delete"))
    for name in ("a", "ab", "abc"):
        assert fuzz_hooks.map_path_parameters(delete, {"collection": name}) == {"collection": name}


def test_failures_are_told_in_words_with_an_example_of_each() -> None:
    report = {
        "failures": [{"operations": ["GET /a", "POST /b"], "title": "Server error", "count": 3}],
        "errors": [],
    }
    assert list(fuzz._failures(report)) == ["GET /a, POST /b: Server error (3 times)"]
    assert "curl -X GET" in fuzz._examples(PRINTED) and "other things" not in fuzz._examples(PRINTED)
    assert fuzz._examples("nothing failed") == ""
