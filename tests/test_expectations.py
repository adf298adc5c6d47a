"""What tables expect of answers, documents and batches: right and wrong ones, and what the complaint says."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest

from support.drivers.gateway import Answer
from support.isolation.names import Names, Run
from support.vocabulary import expectations, outcomes, results
from support.vocabulary.tables import TableError
from support.world import Attempt, World

DOCUMENT = {
    "id": "menu",
    "version": 2,
    "text": "Lunch is at noon.",
    "vector": [1.0, 0.5],
    "metadata": {"pages": 5, "half": 5.0, "tags": ["a"], "note": "at least 5"},
}


def answer(body: Any, status: int = 200, headers: dict[str, str] | None = None) -> Answer:
    return Answer("anything", status, headers or {}, body, "", 1.0)


def table(**fields: str) -> list[dict[str, str]]:
    return [
        {"field": name.replace("__", ".").replace("_", " "), "value": each} for name, each in fields.items()
    ]


@pytest.mark.parametrize(
    ("expected", "found"),
    [
        ("5", 5),
        ("5", 5.0),
        ("kitchen", "kitchen"),
        ("5", "5"),
        ('"5"', "5"),
        ("true", True),
        ("null", None),
        ("[1, 2]", [1, 2]),
        ("at least 5", 5),
        ("within 1 of 5", 6),
        ("at most 0.5", 0.5),
        ("more than 5", 5.1),
        ("less than -1", -2),
        ('contains "noon"', "at noon"),
        ("contains 2", [1, 2]),
        ("not 5", 6),
        ("not absent", 0),
        ("present", ""),
        ("empty", []),
        ("absent", None),
        ("absent or 5", None),
        ("absent or 5", 5),
        ("a UUID", "8a1f3c52-0b5e-4f0c-9c5b-3f5de1a7b1aa"),
    ],
)
def test_what_fits(expected: str, found: Any) -> None:
    assert expectations.fits(expected, found)


@pytest.mark.parametrize(
    ("expected", "found"),
    [
        ("5", 6),
        ('"5"', 5),
        ("true", 1),
        ("1", True),
        ("null", 0),
        ("[1, 2]", [2, 1]),
        ("at least 5", 4.999),
        ("within 1 of 5", 6.5),
        ("within 1 of 5", "5"),
        ("at least 5", "6"),
        ("at least 1", True),
        ("more than 5", 5),
        ('contains "noon"', None),
        ("contains 1", [True, "1"]),
        ("not 5", 5),
        ("present", None),
        ("empty", None),
        ("empty", [0]),
        ("absent", 0),
        ("absent or 5", 6),
        ("", "something"),
    ],
)
def test_what_does_not_fit(expected: str, found: Any) -> None:
    assert not expectations.fits(expected, found)


def test_fields_of_an_answer_by_name_place_length_and_header() -> None:
    body = {
        "cache_info": {"status": "hit"},
        "results": [{"id": "a", "score": 0.5}, {"id": "b", "score": 0.4}],
    }
    found = answer(body, headers={"X-Cache": "HIT"})
    rows = [
        ("cache info.status", "hit"),
        ("X-Cache", "HIT"),
        ("Retry-After", "absent"),
        ("number of results", "2"),
        ("results.2.id", "b"),
        ("results.3", "absent"),
        ("results.*.score", "at least 0.4"),
    ]
    assert expectations.deviations(found, [{"field": name, "value": value} for name, value in rows]) == []
    (wrong,) = expectations.deviations(found, [{"field": "results.*.score", "value": "at least 0.45"}])
    assert wrong == "results.2.score: expected at least 0.45, was 0.4"


def test_a_star_without_members_is_a_deviation() -> None:
    assert expectations.deviations(answer({"results": []}), [{"field": "results.*.id", "value": "a"}]) != []


def test_an_unknown_field_of_an_answer_ends_with_those_that_exist() -> None:
    with pytest.raises(TableError, match=r"no field 'status\.x\.y': it has status"):
        expectations.deviations(answer({"status": "ok"}), [{"field": "status.x.y", "value": "5"}])


def test_a_document_as_the_table_says() -> None:
    rows = table(version="2", text="Lunch is at noon.", vector="[1, 0.5]")
    assert expectations.of_document(DOCUMENT, rows) == []
    assert expectations.of_document(DOCUMENT, table(text='contains "noon"', version="at least 2")) == []


def test_metadata_are_all_there_are_and_of_the_very_type() -> None:
    good = table(
        metadata__pages="5", metadata__half="5.0", metadata__tags='["a"]', metadata__note='"at least 5"'
    )
    assert expectations.of_document(DOCUMENT, good) == []
    for other in (
        good[:3],
        [*good, *table(metadata__more="1")],
        [*table(metadata__pages="5.0"), *good[1:]],
        [*table(metadata__pages='"5"'), *good[1:]],
        [*table(metadata__pages="at least 6"), *good[1:]],
        table(no_metadata=""),
    ):
        (wrong,) = expectations.of_document(DOCUMENT, other)
        assert wrong.startswith("metadata: expected {")
    assert expectations.of_document(DOCUMENT, [*table(metadata__pages="at least 5"), *good[1:]]) == []


def test_each_field_of_a_document_that_differs_is_told_with_both_values() -> None:
    wrong = expectations.of_document(DOCUMENT, table(version="1", text="Dinner.", vector="[1, 1]"))
    assert wrong == [
        "version: expected 1, was 2",
        'text: expected "Dinner.", was "Lunch is at noon."',
        "vector: expected [1.0, 1.0], was [1.0, 0.5]",
    ]
    with pytest.raises(TableError, match="no field 'title': it has id, version"):
        expectations.of_document(DOCUMENT, table(title="x"))


# --- outcomes of requests and of the items of a batch


def world(*attempts: Attempt) -> World:
    made = World(cast(Any, SimpleNamespace()), Names(Run("0" * 16), 1), lambda _action: None)
    made.attempts = list(attempts)
    return made


def item(index: int, name: str, status: int = 201) -> dict[str, Any]:
    told = (
        {"outcome": "created", "version": 1} if status < 300 else {"problem": {"code": "dimension-mismatch"}}
    )
    return {"index": index, "id": name, "status": status, **told}


def batch(
    *items: dict[str, Any], sent: tuple[str, ...], status: int = 200, failed: int | None = None
) -> Attempt:
    wrong = sum(each["status"] >= 300 for each in items) if failed is None else failed
    body = {"failed_count": wrong, "success_count": len(items) - wrong, "results": list(items)}
    return Attempt("an editor stores a batch", answer(body, status), about=sent)


def test_the_items_of_a_batch_count_each_for_itself() -> None:
    made = world(batch(item(0, "a"), item(1, "b", 422), sent=("a", "b"), status=207))
    rows = [{"id": "a", "outcome": "created"}, {"id": "b", "outcome": "dimension-mismatch"}]
    assert outcomes.deviations(made, rows) == []
    (wrong,) = outcomes.deviations(made, [rows[0], {"id": "b", "outcome": "created"}])
    assert wrong == '2. "b" of the batch: expected outcome created, was dimension-mismatch'


@pytest.mark.parametrize(
    "made",
    [
        batch(item(0, "b"), item(1, "a"), sent=("a", "b")),
        batch(item(0, "a"), item(1, "b", 422), sent=("a", "b"), status=200),
        batch(item(0, "a"), item(1, "b"), sent=("a", "b"), status=207),
        batch(item(0, "a"), item(1, "b"), sent=("a", "b"), failed=1),
        batch(item(0, "a"), sent=("a", "b")),
    ],
    ids=["another order", "failure hidden", "failure made up", "miscounted", "one item lost"],
)
def test_a_batch_that_miscounts_or_mixes_up_its_items_is_told(made: Attempt) -> None:
    assert outcomes.otherwise_than(world(made), "created") != []
    rows = [{"outcome": outcome} for outcome in ("created", "created")]
    assert outcomes.deviations(world(made), rows) != []


def test_a_batch_that_failed_in_part_has_not_succeeded() -> None:
    made = batch(item(0, "a"), item(1, "b", 422), sent=("a", "b"), status=207)
    assert (made.ok, made.code) == (False, "partly failed")
    assert batch(item(0, "a"), sent=("a",)).ok


def test_outcome_and_version_of_every_request() -> None:
    stored = [Attempt("it", answer({"outcome": "updated", "version": number})) for number in (2, 3)]
    assert outcomes.otherwise_than(world(*stored), "updated") == []
    (wrong,) = outcomes.otherwise_than(world(*stored), "updated", 2)
    assert wrong.endswith("expected updated in version 2, was updated in version 3")


def test_an_outcome_is_bounded_by_the_one_before_and_by_a_field_of_its_answer() -> None:
    ends = [{"RateLimit-Reset": reset, "Retry-After": wait} for reset, wait in (("60", "60"), ("58", "59"))]
    made = world(*(Attempt("it", answer({"outcome": "read"}, headers=each)) for each in ends))
    rows = [
        {"outcome": "read", "RateLimit-Reset": "at least 59", "Retry-After": "within 1 of RateLimit-Reset"},
        {"outcome": "read", "RateLimit-Reset": "at most the one before", "Retry-After": "59"},
    ]
    assert outcomes.deviations(made, rows) == []
    made.attempts.reverse()
    rows[0]["RateLimit-Reset"] = "58"
    (wrong,) = outcomes.deviations(made, [rows[0], {**rows[1], "Retry-After": "60"}])
    assert wrong.endswith(": expected RateLimit-Reset at most 58, was 60")
    with pytest.raises(TableError, match="no outcome before the first"):
        outcomes.deviations(made, [rows[1]])


def test_the_number_of_outcomes_is_compared() -> None:
    made = world(Attempt("it", answer({"outcome": "created"})))
    assert outcomes.deviations(made, [{"outcome": "created"}] * 2) == ["expected 2 outcomes, got 1"]
    (wrong,) = outcomes.deviations(made, [{"result": "created"}])
    assert wrong.endswith("expected result created, was absent")


def test_the_place_of_the_right_document() -> None:
    def search(what: str, *found: str, right: tuple[str, ...]) -> Attempt:
        return Attempt(what, answer({"results": [{"id": each, "score": 1.0} for each in found]}), about=right)

    made = world(
        search("one", "a", "b", right=("a",)),
        search("two", "a", "b", right=("x", "b")),
        search("three", "a", right=("x",)),
        search("four", right=("x",)),
    )
    quality = results.quality(made)
    assert quality.places == {"one": 1, "two": 2, "three": 0, "four": 0}
    assert (quality.share_within(1), quality.share_within(5)) == (0.25, 0.5)
    assert quality.mean_reciprocal_rank() == 0.375
    assert "two (place 2); three (place none)" in str(quality)


TIMED = answer({"took_ms": 3.0}, headers={"Server-Timing": "gateway;dur=1.5, qdrant;dur=2.5, total;dur=4.5"})


def test_hops_and_measured_times_are_fields_and_a_field_may_be_a_bound() -> None:
    right = {
        "Server-Timing.qdrant": "at most Server-Timing.total",
        "took ms": "at least Server-Timing.qdrant",
    }
    rows = [{"field": name, "value": value} for name, value in right.items()]
    assert expectations.deviations(TIMED, [*rows, {"field": "unaccounted time", "value": "0.5"}]) == []
    (wrong,) = expectations.deviations(
        TIMED, [{"field": "took ms", "value": "at most Server-Timing.gateway"}]
    )
    assert wrong == "took ms: expected at most Server-Timing.gateway (at most 1.5), was 3.0"


def test_a_share_of_the_answers_may_be_otherwise() -> None:
    world = cast(World, SimpleNamespace(attempts=[Attempt("a", answer({"n": n})) for n in (1, 1, 2)]))
    share, described = outcomes.showing(world, table(n="1"))
    assert share == 2 / 3 and "of 3 answers" in described and "n: expected 1, was 2" in described


def test_results_differ_by_their_members_where_ids_and_versions_are_equal() -> None:
    def searched(text: str) -> Answer:
        found = {"id": "menu", "version": 1, "text": text}
        return answer({"results": [found], "cache_info": {"status": "hit"}})

    made = Attempt("a search", searched("old"), uncached=lambda: searched("new"))
    world = cast(World, SimpleNamespace(attempts=[made]))
    (wrong,) = results.otherwise_than_computed(world)
    assert "a hit shows [{'text': 'old'}], without the cache it is [{'text': 'new'}]" in wrong
    (unmarked,) = results.not_marked(world, "hit")
    assert "X-Cache is absent, the status hit" in unmarked
