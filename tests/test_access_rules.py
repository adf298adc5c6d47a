"""The access rules: each operation has a row, and the platform and the contract's document grant the same."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from behave.parser import parse_file

from support.drivers.gateway import Answer
from support.vocabulary import operations
from support.vocabulary.tables import TableError
from support.world import Attempt

FEATURE = Path(__file__).resolve().parent.parent / "features" / "security" / "access.feature"
CALLERS = [*operations.RANKS]


@pytest.fixture(scope="module")
def rules() -> list[dict[str, str]]:
    """The table of the feature."""
    scenario = parse_file(str(FEATURE)).scenarios[0]
    return [row.as_dict() for row in scenario.steps[1].table]


def answered(outcome: str) -> Answer:
    status = {"unauthenticated": 401, "forbidden": 403}.get(outcome, 200)
    return Answer("it", status, {}, {"code": outcome} if status > 200 else {}, "", 1.0)


def world(rules: list[dict[str, str]], **otherwise: str) -> Any:
    """Every caller has called every operation, with the outcome of the rules or one that is given."""
    attempts = [
        Attempt(
            row["operation"],
            answered(otherwise.get(row["operation"].replace(" ", "_"), row[caller]).split(" or ")[0]),
            row["operation"],
            actor=caller,
        )
        for row in rules
        for caller in CALLERS
        if row["operation"] != "get job status"
    ]
    return SimpleNamespace(attempts=attempts)


def test_the_rules_of_the_feature_are_those_of_the_contract(rules: list[dict[str, str]]) -> None:
    assert operations.granted_otherwise(world(rules), rules) == []


def test_an_operation_without_a_row_is_told(rules: list[dict[str, str]]) -> None:
    (wrong,) = operations.granted_otherwise(world(rules), rules[:-1])
    assert wrong == "invalidate cache: no row says who may call it"


def test_a_rule_that_the_contract_does_not_know_is_told(rules: list[dict[str, str]]) -> None:
    wider = [*rules[:-1], {**rules[-1], "an editor": "succeeded"}]
    (wrong,) = operations.granted_otherwise(world(wider), wider)
    assert wrong == "invalidate cache: an editor: the table says succeeded, the contract forbidden"


def test_a_platform_that_grants_more_is_told(rules: list[dict[str, str]]) -> None:
    wrong = operations.granted_otherwise(world(rules, invalidate_cache="succeeded"), rules)
    assert [each.partition(" - ")[0] for each in wrong] == [
        "an anonymous caller: invalidate cache: expected unauthenticated",
        "a reader: invalidate cache: expected forbidden",
        "an editor: invalidate cache: expected forbidden",
    ]


def test_a_caller_who_has_called_nothing_is_told(rules: list[dict[str, str]]) -> None:
    made = world(rules)
    made.attempts = [each for each in made.attempts if each.actor != "an editor"]
    assert operations.granted_otherwise(made, rules) == ["an editor has called no operation"]


def test_an_unknown_caller_or_operation_is_an_error(rules: list[dict[str, str]]) -> None:
    with pytest.raises(TableError, match="no caller 'a guest'"):
        operations.granted_otherwise(world(rules), [{**rules[0], "a guest": "succeeded"}])
    with pytest.raises(TableError, match="no operation 'get rich'"):
        operations.granted_otherwise(world(rules), [{**rules[0], "operation": "get rich"}])
