"""The rules of access: an operation of the contract that nobody thought about is told, and stops the run."""

from __future__ import annotations

from copy import deepcopy
from types import SimpleNamespace
from typing import Any

import pytest
import yaml

from support.contract.validator import FILE, Contract
from support.vocabulary import rights


def world_of(contract: Contract) -> Any:
    """As much of a world as the comparison needs; every capability is offered."""
    offered = {operation.capability for operation in contract.operations()}
    return SimpleNamespace(citadel=SimpleNamespace(contract=contract), evidence={"capabilities": offered})


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    return dict(yaml.safe_load(FILE.read_text()))


def test_every_operation_of_the_contract_has_the_rule_that_it_documents() -> None:
    assert rights.without_rule(world_of(Contract.load())) == []


def test_a_new_operation_without_a_rule_is_told_and_stops_the_run(document: dict[str, Any]) -> None:
    changed = deepcopy(document)
    changed["paths"]["/api/v1/exports"] = {"get": {"operationId": "exportAll", "responses": {}}}
    world = world_of(Contract(changed))
    assert rights.without_rule(world) == ["exportAll has no rule"]
    with pytest.raises(AssertionError, match="no rule says who may use exportAll"):
        list(rights.doors(world))


def test_a_right_that_the_contract_widens_is_told(document: dict[str, Any]) -> None:
    changed = deepcopy(document)
    changed["paths"]["/api/v1/cache/invalidate"]["post"]["x-citadel"]["role"] = "user"
    assert rights.without_rule(world_of(Contract(changed))) == [
        "invalidateCache: the rule says administrator, the contract editor"
    ]
