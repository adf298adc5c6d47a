"""The results of a run: what machines read, what people read, and that they say the same."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from behave.model_type import Status

from support.audit import Conclusion, Report
from support.citadel import AuditTally, Citadel
from support.contract.coverage import Coverage
from support.contract.promises import PROMISES
from support.contract.validator import Contract
from support.drivers.journal import Entry, Journal
from support.redaction import Secrets
from support.reporting import results
from support.reporting.results import ScenarioResult
from support.settings import Mode

FAILED = {"failed", "error", "hook_error", "cleanup_error", "undefined", "pending"}
SEED = 7
HOPS = {"hop_ms": {"qdrant": {"p95": 12.3, "limit": 50.0, "verdict": "pass"}}}


def outcome(name: str, status: str = "passed", **members: Any) -> ScenarioResult:
    given: dict[str, Any] = {
        "area": "security",
        "location": f"features/security/access.feature:{len(name)}",
        "seconds": 0.5,
        "reason": "",
        "tags": (),
        **members,
    }
    return ScenarioResult(name=name, status=status, **given)


def audited(agreeing: int, union: int) -> Report:
    return Report(
        verdict=Conclusion.CLEAN,
        checked=union,
        agreeing=agreeing,
        union=union,
        in_flight=0,
        findings=(),
        doubts=(),
        duration_s=0.1,
    )


@pytest.fixture
def citadel() -> Any:
    secrets = Secrets(["canary-secret"])
    journal = Journal(secrets)
    journal.entries += [Entry("gateway", "a", "ok", "", 0.0, 5.0), Entry("gateway", "b", "ok", "", 4.0, 6.0)]
    coverage = Coverage(Contract.load())
    coverage.observe("getHealth", 200)
    tally = AuditTally()
    tally.add(audited(3, 4))
    return SimpleNamespace(
        mode=Mode.EMBEDDED,
        secrets=secrets,
        journal=journal,
        coverage=coverage,
        audits=tally,
        performance={},
        outages=[],
        starts=lambda: [(5.0, 7.5)],
        start_times=lambda: {"postgres": 0.71234, "all": 3.0},
    )


def written(
    citadel: Any, outcomes: list[ScenarioResult], folder: Path, wall_s: float = 10.0
) -> tuple[dict[str, Any], str, str]:
    """summary.json, the results document and the closing table."""
    parts = [results.Figures.of(cast(Citadel, citadel), wall_s)]
    table = results.write(parts, outcomes, wall_s, folder, "see there", citadel.secrets.redact, SEED)
    summary: dict[str, Any] = json.loads((folder / "results" / "summary.json").read_text(encoding="utf-8"))
    document = (folder / "results" / "Integration_Testing_Results.md").read_text(encoding="utf-8")
    return summary, document, table


@pytest.fixture(autouse=True)
def no_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("support.waiting.SPANS", [])


@pytest.mark.parametrize(
    ("verdict", "statuses"),
    [
        ("failed", FAILED),
        ("passed", {"passed", "xfailed", "xpassed"}),
        ("skipped", {"skipped", "untested"}),
    ],
)
def test_every_status_of_a_scenario_has_one_verdict(verdict: str, statuses: set[str]) -> None:
    assert {outcome("a scenario", status).verdict for status in statuses} == {verdict}
    assert {Status.from_name(status).has_failed() for status in statuses} == {verdict == "failed"}


def test_the_summary_has_what_machines_ask_for(citadel: Any, tmp_path: Path) -> None:
    statuses = [*sorted(FAILED), "passed", "passed", "skipped"]
    outcomes = [outcome(f"number {number}", status) for number, status in enumerate(statuses)]
    summary, _document, _table = written(citadel, outcomes, tmp_path)
    assert summary["mode"] == "embedded"
    assert summary["wall_s"] == 10.0
    assert summary["scenarios"] == {"passed": 2, "failed": 6, "skipped": 1, "total": 9}
    documented = summary["coverage"]["documented"]
    assert summary["coverage"]["observed"] == 1
    assert summary["coverage"]["percent"] == round(100 / documented, 1)
    assert len(summary["coverage"]["missing"]) == documented - 1
    assert "getReadiness 503" in summary["coverage"]["missing"]
    assert summary["performance"] == {}
    assert {"checked": 4, "findings": 0, "percent": 75.0}.items() <= summary["consistency"].items()


def test_the_frameworks_share_is_what_no_call_wait_or_start_fills(citadel: Any, tmp_path: Path) -> None:
    summary, _document, table = written(citadel, [outcome("one")], tmp_path)
    assert summary["framework_share_percent"] == 25.0
    assert "10 s, of it the framework's own 25.0 %" in table


def test_a_run_without_audits_or_scenarios_is_told_too(citadel: Any, tmp_path: Path) -> None:
    citadel.audits = AuditTally()
    summary, document, _table = written(citadel, [], tmp_path)
    assert summary["consistency"]["percent"] == 100.0
    assert summary["scenarios"]["total"] == 0
    assert "## By area" in document


def test_table_and_document_name_what_failed_and_why_something_was_skipped(
    citadel: Any, tmp_path: Path
) -> None:
    outcomes = [
        outcome("a broken promise", "failed", area="end to end", tags=("G10", "G1", "smoke")),
        outcome("a kept promise", tags=("G1",)),
        outcome("a lonely one", "skipped", reason="needs stores=visible"),
    ]
    _summary, document, table = written(citadel, outcomes, tmp_path)
    assert "FAILED   a broken promise   behave features/security/access.feature:16 -D seed=7" in table
    assert "skipped  a lonely one: needs stores=visible" in table
    assert "| a broken promise | `behave features/security/access.feature:16 -D seed=7` |" in document
    assert "| a lonely one | needs stores=visible |" in document
    assert "| end to end | 0 | 1 | 0 | 0.5 |" in document
    assert "| security | 1 | 0 | 1 | 1.0 |" in document
    kept = (
        "| G1: An acknowledged write is durable: it survives a crash of the gateway right after the answer. |"
    )
    assert f"{kept} a broken promise (failed); a kept promise (passed) |" in document
    assert document.index("| G1: ") < document.index("| G10: ")
    assert "smoke" not in document


def test_many_skips_of_one_reason_are_told_at_once(citadel: Any, tmp_path: Path) -> None:
    outcomes = [outcome(f"number {number}", "skipped", reason="needs stores") for number in range(3)]
    _summary, document, table = written(citadel, outcomes, tmp_path)
    assert "skipped  3 scenarios: needs stores" in table
    assert "number 1" not in table
    assert "| number 1 | needs stores |" in document


def test_a_promise_that_nothing_put_to_the_test_is_a_finding(citadel: Any, tmp_path: Path) -> None:
    outcomes = [
        outcome("kept", tags=("G1", "N2")),
        outcome("broken", "failed", tags=("N3",)),
        outcome("not run", "skipped", tags=("N4",)),
    ]
    summary, document, table = written(citadel, outcomes, tmp_path)
    assert {"G1", "N2", "N3"}.isdisjoint(summary["promises_unchecked"])
    assert {"G2", "N4", "N15"} <= set(summary["promises_unchecked"])
    assert "3 of 22 put to the test; no scenario of this run for G2, G3," in table
    assert "- N4: Never: The cache serves an answer from before" in document
    outcomes = [outcome("all", tags=tuple(PROMISES))]
    summary, document, table = written(citadel, outcomes, tmp_path)
    assert summary["promises_unchecked"] == []
    assert "22 of 22 put to the test" in table
    assert "no scenario of this run" not in table + document


def test_the_slowest_come_first_and_are_ten_at_most(citadel: Any, tmp_path: Path) -> None:
    outcomes = [outcome(f"takes {number} s", seconds=float(number)) for number in range(15)]
    summary, _document, _table = written(citadel, outcomes, tmp_path)
    assert [each["seconds"] for each in summary["slowest"]] == [float(number) for number in range(14, 4, -1)]


def test_the_slowest_tell_what_took_their_time(citadel: Any, tmp_path: Path) -> None:
    waits = outcome("waits", seconds=5.0, longest_step="When the breaker closes", longest_step_s=4.5)
    quick = outcome("is quick", seconds=0.5, longest_step="Then it holds", longest_step_s=0.4)
    summary, document, table = written(citadel, [waits, quick], tmp_path)
    assert summary["slowest"][0]["longest_step"] == "When the breaker closes"
    assert "5.0 s  waits (4.5 s: When the breaker closes)" in table
    assert "is quick" not in table
    assert "| waits | 5.0 | When the breaker closes | 4.5 |" in document
    assert "| is quick | 0.5 | Then it holds | 0.4 |" in document


def test_no_number_of_workers_makes_the_run_shorter_than_its_critical_path(
    citadel: Any, tmp_path: Path
) -> None:
    outcomes = [
        outcome("a", location="features/a.feature:1", seconds=3.0),
        outcome("b", location="features/a.feature:9", seconds=4.0),
        outcome("c", location="features/c.feature:1", seconds=6.0),
        outcome("d", location="features/d.feature:1", seconds=9.0, tags=("alone",)),
    ]
    summary, document, table = written(citadel, outcomes, tmp_path)
    assert summary["critical_path"] == {
        "longest_feature": "features/a.feature",
        "longest_s": 7.0,
        "alone_s": 9.0,
    }
    told = "16 s, whatever the number of workers: 7 s of features/a.feature, 9 s of features that run alone"
    assert told in table and told in document


def test_performance_is_told_wherever_results_are(citadel: Any, tmp_path: Path) -> None:
    citadel.performance = HOPS
    summary, document, table = written(citadel, [outcome("one")], tmp_path)
    assert summary["performance"] == HOPS
    (sentence,) = results.performance_sentences(HOPS)
    assert sentence in table
    assert f"| performance | {sentence} |" in document


def test_no_result_shows_a_secret(citadel: Any, tmp_path: Path) -> None:
    outcomes = [outcome("with canary-secret", "failed"), outcome("b", "skipped", reason="for canary-secret")]
    summary, document, table = written(citadel, outcomes, tmp_path)
    assert "canary" not in json.dumps(summary) + document + table


def test_every_cell_of_the_fault_matrix_is_told_as_it_is(citadel: Any, tmp_path: Path) -> None:
    summary, document, _table = written(
        citadel,
        [
            outcome("a row", tags=("outage", "fault.Redis_crashes")),
            outcome("another", "error", tags=("fault.the_connection_to_Redis_is_cut",)),
            outcome("no row", "skipped", tags=("fault.gateway.stopped",)),
            outcome("slow", tags=("fault.the_connection_to_the_providers_is_slow_within_its_limit",)),
        ],
        tmp_path,
    )
    told = summary["faults"]
    assert told["redis.crashed"] == "passed"
    assert told["redis.cut"] == "failed"
    assert told["gateway.stopped"] == "skipped"
    assert told["providers.slow_within_limit"] == "passed"
    assert told["qdrant.crashed"] == "not run"
    assert told["providers.frozen"] == "waived"
    assert "| is cut | not run | not run | failed | not run | not run | waived |" in document
    waiver = "the connection that blackholes all traffic shows the gateway the same"
    assert f"the providers freezes | {waiver} |" in document
