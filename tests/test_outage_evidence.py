"""The evidence of an outage: what was asked before, during and after it, and how fast it was over."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any, cast

import pytest

from support.drivers.journal import Entry
from support.faults import Fault
from support.reporting import outages
from support.reporting.outages import Outage, Phase


def call(at: float, outcome: str = "200 [r]", driver: str = "gateway", lasts: float = 0.1) -> Entry:
    return Entry(driver, "searchVectors", outcome, "", at, at + lasts)


def fault(
    name: str = "redis cut", struck: float = 10.0, ended: float | None = 20.0, hit: int | None = 2
) -> Fault:
    """Only what the evidence is made from."""
    told = SimpleNamespace(injected_at=struck, ended_at=ended, hit=hit)
    named = type("Named", (SimpleNamespace,), {"__str__": lambda self: name})(**vars(told))
    return cast(Fault, named)


def evidence(*calls: Entry, faults: list[Fault] | None = None) -> Outage:
    found = outages.of("a scenario", faults or [fault()], calls, 10.0)
    assert found is not None
    return found


def test_calls_fall_into_three_phases_by_when_they_began_and_ended() -> None:
    found = evidence(
        call(1.0),
        call(9.8),
        call(9.95, "503 [r]"),  # under way when it began
        call(12.0, "503 [r]"),
        call(13.0),
        call(19.95),  # under way when it ended
        call(21.0),
        call(15.0, driver="qdrant"),  # the suite's own look around the gateway
    )
    assert (found.before, found.during, found.after) == (Phase(2, 2), Phase(4, 2), Phase(1, 1))
    assert (found.hits, found.lasted_s) == (2, 10.0)
    assert found.problems() == []


def test_several_faults_are_one_outage() -> None:
    both = [fault("qdrant hang", 10, 30, 3), fault("gateway crashed", 12, 25, None)]
    found = evidence(call(1), call(11), call(27), call(31), faults=both)
    assert (found.before.operations, found.during.operations, found.after.operations) == (1, 2, 1)
    assert found.faults == ["qdrant hang", "gateway crashed"]
    assert found.hits == 3


@pytest.mark.parametrize(
    ("after", "recovery_s"),
    [
        ([call(20.0)], 0.1),
        ([call(21.0, "503 [r]"), call(23.0), call(24.0)], 3.1),
        ([call(21.0), call(22.0, "503 [r]"), call(24.0)], 4.1),
        ([call(21.0, "GatewayUnreachable: no answer"), call(22.0, "404 [r]")], 2.1),
        ([call(21.0, "503 [r]")], None),
    ],
)
def test_recovery_is_the_first_answer_after_the_last_failure(
    after: list[Entry], recovery_s: float | None
) -> None:
    assert evidence(call(1), call(11), *after).recovery_s == recovery_s


def test_an_outage_that_proves_too_little_is_told() -> None:
    assert evidence(call(1), call(21)).problems() == [
        "the outage proved too little: operations 0 during redis cut"
    ]
    silent = evidence(call(1), call(21), faults=[fault("gateway crashed")])
    assert silent.problems() == [], "nobody answers while the gateway is away"
    assert "0 before, 0 after" in evidence(call(11)).problems()[0]


def test_a_recovery_that_takes_too_long_or_never_comes_is_told() -> None:
    slow = evidence(call(1), call(11), call(29, "503 [r]"), call(31))
    assert slow.problems() == ["the platform had recovered 11.1 s after redis cut, 10 s are promised"]
    never = evidence(call(1), call(11), call(29, "503 [r]"))
    assert never.problems() == ["no operation was answered normally again after redis cut"]


def test_what_never_began_or_ended_is_no_evidence() -> None:
    assert outages.of("a scenario", [], [call(1)], 10.0) is None
    assert outages.of("a scenario", [fault(ended=None)], [call(1)], 10.0) is None


def test_machines_and_people_read_the_same() -> None:
    plain: dict[str, Any] = json.loads(
        json.dumps(evidence(call(1), call(11, "503 [r]"), call(12), call(21)).plain())
    )
    assert plain["during"] == {"operations": 2, "succeeded": 1, "percent": 50.0}
    row = outages.table([plain])[-1]
    assert row == "| a scenario | redis cut | 10.0 | 2 | 100 % of 1 | 50 % of 2 | 100 % of 1 | 1.1 | 10 |"
