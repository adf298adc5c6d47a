"""The only place that waits: it returns at once, looks a last time at the deadline, and says what it saw."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from itertools import count

import pytest

from support import waiting
from support.waiting import NotYet, consistently, eventually


@pytest.fixture
def naps(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Time stands still but for the sleeps, which are noted."""
    slept: list[float] = []
    started = time.monotonic()

    def sleep(seconds: float) -> None:
        slept.append(seconds)

    monkeypatch.setattr(time, "sleep", sleep)
    monkeypatch.setattr(time, "monotonic", lambda: started + sum(slept))
    return slept


def giving(*results: object) -> Callable[[], object]:
    """A probe that gives (or raises) one after another, the last without end."""
    left = iter(results)
    last: list[object] = []

    def probe() -> object:
        for result in left:
            last[:] = [result]
            break
        if isinstance(last[0], BaseException):
            raise last[0]
        return last[0]

    return probe


def is_ready(value: object) -> bool:
    return value == "ready"


def test_what_is_there_already_costs_no_wait(naps: list[float]) -> None:
    assert eventually(giving("ready"), is_ready, within=5.0, what="it is ready") == "ready"
    assert naps == []


def test_errors_of_the_kind_that_pass_are_observations(naps: list[float]) -> None:
    probe = giving(ConnectionError("refused"), AssertionError("not so"), "starting", "ready")
    assert eventually(probe, is_ready, within=5.0, what="it is ready") == "ready"
    assert len(naps) == 3


def test_a_defect_of_the_probe_ends_the_wait(naps: list[float]) -> None:
    with pytest.raises(KeyError):
        eventually(giving(KeyError("typo")), is_ready, within=5.0, what="it is ready")
    assert naps == []


def test_the_complaint_tells_the_wait_the_last_state_and_the_changes(naps: list[float]) -> None:
    probe = giving(ConnectionError("refused"), "starting")
    with pytest.raises(NotYet) as complaint:
        eventually(probe, is_ready, within=2.0, what="the gateway is ready")
    told = str(complaint.value)
    assert told.startswith("the gateway is ready: not within 2 s; last seen 'starting'")
    assert re.search(r"changes: at [\d.]+ s: ConnectionError: refused; at [\d.]+ s: 'starting'\)$", told)


def test_the_last_look_falls_on_the_deadline(naps: list[float]) -> None:
    with pytest.raises(NotYet):
        eventually(giving("starting"), is_ready, within=1.0, what="it is ready")
    assert sum(naps) == pytest.approx(1.0)
    assert max(naps) <= waiting.LONGEST_PAUSE_S


def test_pauses_grow_and_then_stay_also_in_a_very_long_wait(naps: list[float]) -> None:
    numbers = count()
    assert eventually(lambda: next(numbers), lambda number: number == 3000, within=900.0, what="3000 looks")
    assert naps[0] == waiting.FIRST_PAUSE_S
    assert naps[:6] == sorted(naps[:6])
    assert set(naps[6:]) == {waiting.LONGEST_PAUSE_S}


def test_many_changes_are_told_in_short(naps: list[float]) -> None:
    numbers = count()
    with pytest.raises(NotYet) as complaint:
        eventually(lambda: next(numbers), lambda _number: False, within=5.0, what="never")
    assert str(complaint.value).count("at ") == 6


def test_what_must_not_happen_is_watched_to_the_end(naps: list[float]) -> None:
    assert consistently(giving("ready"), is_ready, during=1.0, what="it stays ready") == "ready"
    assert sum(naps) == pytest.approx(1.0)


def test_what_does_not_last_is_told_at_once(naps: list[float]) -> None:
    with pytest.raises(NotYet, match=r"it stays ready: no longer so after 0\.1 s \(3 looks\); saw 'gone'"):
        consistently(giving("ready", "ready", "gone"), is_ready, during=60.0, what="it stays ready")


@pytest.fixture
def spans() -> Iterator[list[tuple[float, float]]]:
    before = list(waiting.SPANS)
    waiting.SPANS.clear()
    yield waiting.SPANS
    waiting.SPANS[:] = before


def test_every_wait_is_counted_as_waiting_also_one_that_failed(
    naps: list[float], spans: list[tuple[float, float]]
) -> None:
    eventually(giving("starting", "ready"), is_ready, within=1.0, what="it is ready")
    consistently(giving("ready"), is_ready, during=0.5, what="it stays ready")
    with pytest.raises(NotYet):
        eventually(giving("starting"), is_ready, within=1.0, what="it is ready")
    assert [end - start for start, end in spans] == pytest.approx([0.05, 0.5, 1.0])
