"""What the steps about loads do with a measurement: judge, repeat once, record, show."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from types import SimpleNamespace
from typing import Any, cast

import pytest

from support.citadel import Citadel, Inconclusive
from support.drivers.gateway import Answer
from support.drivers.journal import Journal
from support.isolation.names import Names, Run
from support.load import journeys, runner
from support.load.machine import Signals, Watch
from support.load.plan import ClosedLoop, OpenLoop, Plan
from support.load.runner import LoadResult
from support.load.verdicts import Decision
from support.redaction import Secrets
from support.reporting.results import performance_sentences
from support.settings import Mode
from support.vocabulary import loads
from support.world import Attempt, World
from tests.test_load_verdicts import CALM, crowd, latencies, stream

HOPS = ("gateway", "qdrant", "postgresql", "redis")
LIMITS = [{"hop": hop, "limit": "50 ms"} for hop in HOPS]
QUICK = {hop: latencies([2.0] * 500) for hop in HOPS}
# Without a round there is nothing to judge.
UNDECIDED = stream(CALM[:2])


@pytest.fixture
def world() -> World:
    citadel = SimpleNamespace(
        mode=Mode.EMBEDDED,
        keys={"editor": "ck_user_of_this_test"},
        gateway=SimpleNamespace(url="http://127.0.0.1:1"),
        journal=Journal(Secrets()),
        services={"gateway": SimpleNamespace(pid=4711, running=lambda: True)},
        performance={},
    )
    made = World(cast(Citadel, citadel), Names(Run.current(), 1), undo=lambda _action: None)
    made.collection = "handbook"
    return made


@pytest.fixture
def measure(monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[Plan]]:
    """``measure(a, b)`` lets the next loads measure these results; the plans carried out are returned."""

    def prepare(*results: LoadResult) -> list[Plan]:
        left, plans = list(results), list[Plan]()

        def run(plan: Plan, *, pids: Any) -> LoadResult:
            assert pids == [4711]
            plan.check()
            plans.append(plan)
            return left.pop(0)

        monkeypatch.setattr(runner, "run", run)
        return plans

    return prepare


def test_a_decided_claim_is_recorded_and_shown(world: World, measure: Callable[..., list[Plan]]) -> None:
    (plan, *others) = _stored(world, measure(stream(hops=QUICK)))
    assert loads.mean_latency(world, 0.145).outcome is Decision.PASS
    assert loads.hops_are_below(world, 0.95, LIMITS).outcome is Decision.PASS
    assert others == []
    assert plan.load == OpenLoop(10, 10, 5)
    assert [f"{exhibit.kind} {exhibit.name}" for exhibit in world.exhibits] == [
        "json Verdict, pass",
        "svg Latency spectrum",
        "svg Latency over time",
        "text Histogram in ms, HdrHistogram",
        "json Verdict, pass",
        "svg Hop spectrum",
        "text Histogram in ms, HdrHistogram",
    ]
    assert performance_sentences(world.citadel.performance) == [
        "End-to-end embedding workflow: 131 ms average, at most 132 ms with 95 % confidence,"
        " limit 145 ms, 500 journeys: pass",
        "cross-service latency, p95 in ms per hop: gateway 2.0 (pass), postgresql 2.0 (pass),"
        " qdrant 2.0 (pass), redis 2.0 (pass); limit 50 ms",
    ]


def test_an_undecided_load_is_repeated_once(world: World, measure: Callable[..., list[Plan]]) -> None:
    plans = _stored(world, measure(UNDECIDED, stream(hops=QUICK)))
    assert loads.mean_latency(world, 0.145).outcome is Decision.PASS
    assert plans[0].load == plans[1].load
    assert plans[0].run != plans[1].run, "the texts of the second load must be unseen too"
    assert [exhibit.name for exhibit in world.exhibits if exhibit.kind == "json"] == [
        "Verdict, inconclusive",
        "Verdict, pass (repeated)",
    ]
    assert world.citadel.performance["e2e_embedding_ms"]["verdict"] == "pass"


def test_what_stays_undecided_is_told_and_not_repeated_again(
    world: World, measure: Callable[..., list[Plan]]
) -> None:
    plans = _stored(world, measure(UNDECIDED, UNDECIDED))
    for claim in (loads.mean_latency, loads.mean_latency):
        with pytest.raises(Inconclusive, match="at least 5 rounds are needed"):
            claim(world, 0.145)
    assert len(plans) == 2
    assert world.citadel.performance == {"e2e_embedding_ms": {"verdict": "inconclusive"}}
    assert performance_sentences(world.citadel.performance) == []


def test_a_failed_claim_is_not_repeated(world: World, measure: Callable[..., list[Plan]]) -> None:
    plans = _stored(world, measure(stream([mean + 30 for mean in CALM], hops={})))
    assert loads.mean_latency(world, 0.145).outcome is Decision.FAIL
    assert loads.hops_are_below(world, 0.95, LIMITS).outcome is Decision.FAIL
    assert len(plans) == 1
    assert performance_sentences(world.citadel.performance)[0].endswith("500 journeys: fail")


def test_users_are_judged_by_their_share(world: World, measure: Callable[..., list[Plan]]) -> None:
    plans = measure(crowd(990))
    world.texts = {"document-1": "One.", "document-2": "Two."}
    loads.let_users_work(world, ["store", "read", "search"], 100, loads.Extent(times=10))
    assert loads.journeys_succeed(world, 0.95).outcome is Decision.PASS
    assert plans[0].journey.draws["known_text"] == ["One.", "Two."]
    (sentence,) = performance_sentences(world.citadel.performance)
    assert sentence.startswith("100 concurrent users: 99.00 % of 1000 journeys succeed (at least 98.33 %")
    assert sentence.endswith("limit 95 %: pass")


@pytest.mark.parametrize(
    ("result", "acknowledged", "unknown"),
    [(stream(right=range(520)), 520, 0), (stream(ok=499, right=[*range(519)]), 519, 1), (stream(), 0, 520)],
)
def test_documents_of_a_load_stand_in_the_ledger(
    world: World,
    measure: Callable[..., list[Plan]],
    result: LoadResult,
    acknowledged: int,
    unknown: int,
) -> None:
    (plan,) = _stored(world, measure(result))
    assert world.wrote
    assert (len(world.ledger.acknowledged), len(world.ledger.unknown)) == (acknowledged, unknown)
    entered = {*world.ledger.acknowledged, *world.ledger.unknown}
    collection = world.names.collection("handbook")
    item = plan.journey.requests[0].body["id"].replace("${run}", plan.run).replace("${n}", "519")
    assert (collection, item) in entered
    assert world.citadel.journal.entries[-1].driver == "load"


def test_every_text_of_a_load_is_another(world: World, measure: Callable[..., list[Plan]]) -> None:
    (plan,) = _stored(world, measure(stream()))
    texts = plan.journey.draws["text"]
    assert len(set(texts)) == len(texts) == loads.TEXTS


def _stored(world: World, plans: list[Plan]) -> list[Plan]:
    loads.arrive(world, ["store a paragraph"], 10, 10, 5.0)
    return plans


def test_a_mean_of_users_who_wait_is_refused_with_what_to_write(
    world: World, measure: Callable[..., list[Plan]]
) -> None:
    measure(crowd(1000))
    loads.let_users_work(world, ["store"], 100, loads.Extent(seconds=30))
    with pytest.raises(AssertionError, match='When "store" is run 10 times per second in 10 rounds'):
        loads.mean_latency(world, 0.3)


def _made(count: int, elapsed_ms: float, code: int = 201) -> list[Attempt]:
    answer = Answer("insertVector", code, {}, {}, "", elapsed_ms)
    return [Attempt("an insert", answer) for _ in range(count)]


@pytest.mark.parametrize(
    ("attempts", "outcome", "words"),
    [
        (_made(60, 20.0), Decision.PASS, "20 ms average, at most 20 ms with 95 % confidence, limit 100 ms"),
        (_made(60, 120.0), Decision.FAIL, "at least 120 ms with 95 % confidence"),
        (_made(58, 2.0) + _made(2, 2.0, 500), Decision.FAIL, "2 of 60 journeys failed (500, 2 times)"),
    ],
)
def test_requests_made_one_after_another_have_a_mean(
    world: World, attempts: list[Attempt], outcome: Decision, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Watch, "now", lambda: Signals(spin_ms=(3.0, 3.0)))
    world.attempts = attempts
    verdict = loads.mean_latency(world, 0.1)
    assert (verdict.outcome, words in verdict.reason) == (outcome, True), verdict.reason


def test_few_requests_have_no_mean(world: World) -> None:
    world.attempts = _made(49, 20.0)
    with pytest.raises(Inconclusive, match="49 requests, 50 are needed"):
        loads.mean_latency(world, 0.1)


@pytest.mark.parametrize(
    ("words", "complaint"),
    [(["read"], 'needs "store" before it'), (["delete", "store"], '"delete" needs'), (["search"], "20 doc")],
)
def test_a_journey_says_what_it_lacks(world: World, words: list[str], complaint: str) -> None:
    with pytest.raises(AssertionError, match=complaint):
        loads.arrive(world, words, 10, 10, 5.0)


def test_a_journey_knows_what_it_leaves_behind() -> None:
    words = ["store", "update", "store a batch of 2"]
    assert journeys.stored_items(words, "load", "r", 7) == {"load-r-7": 2, "load-r-7-1": 1, "load-r-7-2": 1}
    assert journeys.stored_items(["store", "delete"], "load", "r", 7) == {"load-r-7": 0}


def test_users_go_on_for_so_many_journeys_or_for_a_time() -> None:
    assert loads.EXTENT.parse("10 times each") == loads.Extent(times=10)
    assert loads.EXTENT.parse("for 2 minutes") == loads.Extent(seconds=120)
    assert loads.JOURNEY.parse('"store a batch of 25, read"') == ["store a batch of 25", "read"]


def test_of_a_time_the_bound_alone_decides(world: World, measure: Callable[..., list[Plan]]) -> None:
    timed = replace(crowd(300, 300), load=ClosedLoop(50, 0, for_s=30))
    measure(timed)
    loads.let_users_work(world, ["store"], 50, loads.Extent(seconds=30))
    assert loads.journeys_succeed(world, 0.99).outcome is Decision.PASS
