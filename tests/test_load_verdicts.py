"""When a load passes, fails or decides nothing, and that the sentence says why."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

import pytest

from support.load import runner
from support.load.histograms import Latencies
from support.load.machine import Signals
from support.load.plan import UNFINISHED, ClosedLoop, OpenLoop
from support.load.runner import LoadResult, Round
from support.load.verdicts import Decision, Verdict, all_of, hop_below, mean_at_most, success_at_least

LIMIT_MS = 145.0
CALM = (130.0, 131.0, 132.0, 129.0, 133.0, 130.0, 131.0, 132.0, 131.0, 131.0)
TIMED_OUT = "insert: no answer within 30 s"
QUIET = Signals(spin_ms=(3.0, 3.1), pressure=0.1, waited_ms=100.0, system_cpu_s=5.0, foreign=0.05, steal=0.0)
DISTURBED = Signals(spin_ms=(3.0, 9.0), pressure=0.7, waited_ms=9000.0, foreign=0.6)


def latencies(milliseconds: Iterable[float]) -> Latencies:
    seen = Latencies()
    for each in milliseconds:
        seen.record(each / 1000.0)
    return seen


def measured(load: OpenLoop | ClosedLoop, n: int, **seen: Any) -> LoadResult:
    """A load of ``n`` journeys that went by the book, but for ``seen``."""
    rate = load.rate if isinstance(load, OpenLoop) else None
    by_the_book: dict[str, Any] = {
        "journey": "end-to-end embedding workflow",
        "load": load,
        "n": n,
        "ok": n,
        "planned": n,
        "dropped": 0,
        "requests": n,
        "errors": {},
        "latency": latencies([100.0] * n),
        "rounds": [],
        "timeline": [],
        "hops": {},
        "steps": {},
        "achieved_rate": rate,
        "send_lag": latencies([1.0] * n),
        "generator_cpu": 0.1,
        "processes": 1,
        "peak_in_flight": load.users if isinstance(load, ClosedLoop) else 3,
        "started_at": 0.0,
        "seconds": 60.0,
        "warm_up_n": 20,
        "warm_up_failed": 0,
        "warm_up_s": 2.0,
        "warm_up_enough": True,
        "machine": QUIET,
    }
    return LoadResult(**{**by_the_book, **seen})


def stream(means: Iterable[float] = CALM, **seen: Any) -> LoadResult:
    """An open loop of 50 journeys a round with these round means."""
    rounds = [Round(number, 50, 50, mean, 0.0, 5.0) for number, mean in enumerate(means)]
    return measured(
        OpenLoop(10, len(rounds) or 1, 5), 50 * len(rounds), **{"rounds": rounds, "errors": {}, **seen}
    )


def crowd(ok: int, n: int = 1000, **seen: Any) -> LoadResult:
    """A hundred users with so many right journeys; the wrong ones were answered wrongly."""
    wrong = {"search: wrong content at /results/0/id": n - ok} if ok < n else {}
    return measured(ClosedLoop(100, 10), n, **{"ok": ok, "errors": wrong, **seen})


def told(verdict: Verdict) -> tuple[Decision, str]:
    assert verdict.figures["verdict"] == verdict.outcome
    json.dumps(verdict.figures)
    return verdict.outcome, str(verdict)


def test_a_low_average_passes_in_the_words_of_the_plan() -> None:
    verdict = mean_at_most(stream(), LIMIT_MS)
    assert told(verdict) == (
        Decision.PASS,
        "End-to-end embedding workflow: 131 ms average, at most 132 ms with 95 % confidence,"
        " limit 145 ms, 10 rounds, 500 journeys",
    )
    low, high = verdict.figures["ci95"]
    assert verdict.figures["mean"] == pytest.approx(131.0)
    assert low < verdict.figures["mean"] < verdict.figures["upper"] < high
    assert (verdict.figures["n"], verdict.figures["rounds"], verdict.figures["limit"]) == (500, 10, 145.0)


def test_a_high_average_fails() -> None:
    outcome, reason = told(mean_at_most(stream([mean + 30 for mean in CALM]), LIMIT_MS))
    assert outcome is Decision.FAIL
    assert "161 ms average, at least 160 ms with 95 % confidence, limit 145 ms" in reason


def test_an_average_at_the_limit_is_undecided() -> None:
    outcome, reason = told(mean_at_most(stream([mean + 14 for mean in CALM]), LIMIT_MS))
    assert outcome is Decision.INCONCLUSIVE
    assert "between 144 and 146 ms" in reason
    assert "undecided" in reason


def test_few_rounds_decide_nothing_and_have_no_figures() -> None:
    verdict = mean_at_most(stream(CALM[:4]), LIMIT_MS)
    assert told(verdict)[0] is Decision.INCONCLUSIVE
    assert "at least 5 rounds" in verdict.reason
    assert dict(verdict.figures) == {"verdict": "inconclusive"}


def test_a_closed_loop_has_no_average_to_judge() -> None:
    with pytest.raises(ValueError, match="open loop"):
        mean_at_most(crowd(1000), LIMIT_MS)


def test_quick_errors_are_no_low_average() -> None:
    seen = stream(ok=480, errors={"insert: 500": 15, "insert: 422 validation-failed": 5})
    outcome, reason = told(mean_at_most(seen, LIMIT_MS))
    assert outcome is Decision.FAIL
    assert "20 of 500 journeys failed (mostly insert: 500, 15 times)" in reason


def test_one_percent_of_failed_journeys_is_borne() -> None:
    assert mean_at_most(stream(ok=495, errors={"insert: 500": 5}), LIMIT_MS).outcome is Decision.PASS


@pytest.mark.parametrize(
    ("seen", "why"),
    [
        ({"achieved_rate": 9.7}, "only 9.7 of 10 arrivals a second were offered"),
        ({"dropped": 3, "planned": 503}, "3 of 503 planned journeys never started"),
    ],
)
@pytest.mark.parametrize("means", [CALM, [mean + 30 for mean in CALM]])
def test_a_load_that_was_not_offered_decides_nothing(
    means: list[float], seen: dict[str, Any], why: str
) -> None:
    outcome, reason = told(mean_at_most(stream(means, **seen), LIMIT_MS))
    assert outcome is Decision.INCONCLUSIVE
    assert reason.endswith(f"not decided, because {why}")


@pytest.mark.parametrize(
    ("seen", "why"),
    [
        ({"machine": DISTURBED}, "a fixed piece of work took 3.0 ms before and 9.0 ms after it"),
        ({"machine": DISTURBED}, "other processes used 60% of the processors"),
        ({"machine": DISTURBED}, "the platform waited 18.0 ms per request for processors others used"),
        ({"generator_cpu": 0.9}, "the load generator used 90% of its processor"),
        ({"send_lag": latencies([1.0] * 480 + [40.0] * 20)}, "the load generator itself was 40 ms late"),
    ],
)
def test_noise_excuses_a_slow_answer_but_spoils_no_quick_one(seen: dict[str, Any], why: str) -> None:
    outcome, reason = told(mean_at_most(stream([mean + 30 for mean in CALM], **seen), LIMIT_MS))
    assert outcome is Decision.INCONCLUSIVE
    assert why in reason
    assert mean_at_most(stream(**seen), LIMIT_MS).outcome is Decision.PASS


def test_a_platform_that_is_slow_by_its_own_work_has_no_excuse() -> None:
    busy = Signals(spin_ms=(3.0, 3.1), pressure=0.9, waited_ms=20_000.0, foreign=0.05)
    seen = stream([mean + 30 for mean in CALM], machine=busy)
    assert mean_at_most(seen, LIMIT_MS).outcome is Decision.FAIL


def test_without_signals_of_the_machine_a_failure_stands() -> None:
    seen = stream([mean + 30 for mean in CALM], machine=None)
    assert mean_at_most(seen, LIMIT_MS).outcome is Decision.FAIL


@pytest.mark.parametrize(
    ("error", "outcome"),
    [
        (TIMED_OUT, Decision.INCONCLUSIVE),
        (UNFINISHED, Decision.INCONCLUSIVE),
        ("insert: 504 dependency-timeout", Decision.INCONCLUSIVE),
        ("insert: 503 dependency-unavailable", Decision.INCONCLUSIVE),
        ("insert: 503 shutting-down", Decision.FAIL),
        ("insert: 500 internal", Decision.FAIL),
        ("insert: wrong content at /stored/qdrant", Decision.FAIL),
        ("insert: ServerDisconnectedError", Decision.FAIL),
    ],
)
def test_noise_excuses_late_journeys_but_never_wrong_ones(error: str, outcome: Decision) -> None:
    seen = stream(ok=400, errors={error: 100}, machine=DISTURBED)
    assert mean_at_most(seen, LIMIT_MS).outcome is outcome
    assert success_at_least(crowd(900, errors={error: 100}, machine=DISTURBED), 0.95).outcome is outcome
    assert success_at_least(crowd(900, errors={error: 100}), 0.95).outcome is Decision.FAIL


@pytest.mark.parametrize(
    ("machine", "why"),
    [
        (
            Signals(spin_ms=(8.1, 8.2), quickest_ms=3.9),
            "a fixed piece of work took 8.1 ms before and 8.2 ms after it, but 3.9 ms earlier in this run",
        ),
        (
            Signals(spin_ms=(8.1, 8.2), quickest_ms=8.1, waited_ms=100.0),
            "a fixed piece of work took 8.1 ms before and 8.2 ms after it,"
            " but 6 ms at most where the time limits are meant to hold",
        ),
    ],
)
def test_a_machine_that_is_slow_all_through_the_load_decides_nothing(machine: Signals, why: str) -> None:
    late = {"insert: 504 dependency-timeout": 405, "search: 503 dependency-unavailable": 5}
    outcome, reason = told(success_at_least(crowd(590, errors=late, machine=machine), 0.95))
    assert outcome is Decision.INCONCLUSIVE
    assert reason.endswith(f"(mostly insert: 504 dependency-timeout, 405 times); not decided, because {why}")
    wrong = late | {"get: 404 vector-not-found": 70}
    assert success_at_least(crowd(520, errors=wrong, machine=machine), 0.95).outcome is Decision.FAIL


def test_a_slow_generator_does_not_excuse_a_platform_elsewhere() -> None:
    slow_here = Signals(spin_ms=(8.1, 8.2), quickest_ms=8.1)
    late = {"insert: 504 dependency-timeout": 410}
    assert success_at_least(crowd(590, errors=late, machine=slow_here), 0.95).outcome is Decision.FAIL


@pytest.mark.parametrize(
    ("ok", "outcome", "words"),
    [
        (1000, Decision.PASS, "100.00 % of 1000 journeys succeed, at least 99.73 % with 95 % confidence"),
        (962, Decision.PASS, "96.20 % of 1000 journeys succeed, at least 95.07 %"),
        (955, Decision.INCONCLUSIVE, "between 94.29 % and 96.46 %"),
        (938, Decision.FAIL, "at most 94.94 % with 95 % confidence, limit 95 %"),
        (900, Decision.FAIL, "(search: wrong content at /results/0/id, 100 times)"),
    ],
)
def test_a_share_needs_the_bound_and_not_the_luck(ok: int, outcome: Decision, words: str) -> None:
    got, reason = told(success_at_least(crowd(ok), 0.95))
    assert got is outcome
    assert reason.startswith("100 concurrent users: ")
    assert words in reason


def test_a_shares_figures_are_those_of_the_results() -> None:
    figures = success_at_least(crowd(990), 0.95).figures
    assert (figures["count"], figures["requests"], figures["limit_percent"]) == (100, 1000, 95.0)
    assert figures["lower_bound_percent"] < figures["success_percent"] == 99.0
    assert figures["success_percent"] < figures["upper_bound_percent"]


def test_a_hundred_right_journeys_are_too_few() -> None:
    outcome, reason = told(success_at_least(crowd(100, 100), 0.95))
    assert outcome is Decision.INCONCLUSIVE
    assert "at least 1000 journeys are needed" in reason
    assert success_at_least(crowd(100, 100), 0.95, fewest_journeys=100).outcome is Decision.PASS


def test_no_journey_decides_nothing() -> None:
    verdict = success_at_least(crowd(0, 0, dropped=1000, planned=1000), 0.95)
    assert told(verdict) == (Decision.INCONCLUSIVE, "100 concurrent users: no journey was made")


def test_missing_users_and_journeys_leave_success_open() -> None:
    outcome, reason = told(success_at_least(crowd(1000, peak_in_flight=50), 0.95))
    assert outcome is Decision.INCONCLUSIVE
    assert "only 50 of 100 users were there at once" in reason
    assert success_at_least(crowd(1000, dropped=5, planned=1005), 0.95).outcome is Decision.INCONCLUSIVE


def test_missing_journeys_do_not_hide_a_failure() -> None:
    assert success_at_least(crowd(800, dropped=10, planned=1010), 0.95).outcome is Decision.FAIL
    assert success_at_least(crowd(900, dropped=2000, planned=3000), 0.95).outcome is Decision.INCONCLUSIVE


def test_a_quick_hop_passes() -> None:
    verdict = hop_below(stream(hops={"redis": latencies([1.0] * 480 + [20.0] * 20)}), "redis", 50.0)
    outcome, reason = told(verdict)
    assert outcome is Decision.PASS
    assert reason.startswith("redis: 1.0 ms or less 95 of 100 times, at most 20.0 ms with 95 % confidence")
    assert verdict.figures["mean"] == pytest.approx(1.76)
    assert (verdict.figures["n"], verdict.figures["limit"]) == (500, 50.0)


def test_a_slow_hop_fails_whatever_its_average() -> None:
    outcome, reason = told(
        hop_below(stream(hops={"qdrant": latencies([1.0] * 440 + [60.0] * 60)}), "qdrant", 50)
    )
    assert outcome is Decision.FAIL
    assert "at least 60.0 ms" in reason


def test_a_hop_at_the_limit_is_undecided() -> None:
    seen = stream(hops={"qdrant": latencies([1.0] * 474 + [60.0] * 26)})
    outcome, reason = told(hop_below(seen, "qdrant", 50.0))
    assert outcome is Decision.INCONCLUSIVE
    assert "between 1.0 and 60.0 ms" in reason


def test_few_requests_do_not_bound_a_hop() -> None:
    outcome, reason = told(hop_below(stream(hops={"qdrant": latencies([1.0] * 58)}), "qdrant", 50.0))
    assert outcome is Decision.INCONCLUSIVE
    assert "58 requests, 59 are needed" in reason


def test_a_hop_nobody_tells_of_is_a_broken_promise() -> None:
    outcome, reason = told(hop_below(stream(), "postgresql", 50.0))
    assert (outcome, reason) == (Decision.FAIL, "postgresql: no answer tells the time spent there")
    assert hop_below(stream(ok=0), "postgresql", 50.0).outcome is Decision.INCONCLUSIVE


def test_several_claims_are_as_good_as_the_worst() -> None:
    quick, slow = latencies([1.0] * 500), latencies([60.0] * 500)
    seen = stream(hops={"redis": quick, "qdrant": slow, "gateway": latencies([1.0] * 9)})
    claims = {name: hop_below(seen, name, 50.0) for name in seen.hops}
    whole = all_of(claims)
    assert whole.outcome is Decision.FAIL
    assert whole.reason.startswith("qdrant: ")
    assert "redis" not in whole.reason
    assert {name: figures["verdict"] for name, figures in whole.figures.items()} == {
        "redis": "pass",
        "qdrant": "fail",
        "gateway": "inconclusive",
    }
    del claims["qdrant"]
    assert all_of(claims).outcome is Decision.INCONCLUSIVE
    del claims["gateway"]
    assert all_of(claims).outcome is Decision.PASS


def test_the_results_are_plain_values() -> None:
    shown = runner.figures(stream(hops={"redis": latencies([1.0] * 500)}))
    assert json.loads(json.dumps(shown))["hops_ms"]["redis"]["n"] == 500
