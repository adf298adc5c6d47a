"""The results of a run: ``summary.json``, the results document and the table that ends the output."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from support import waiting
from support.contract.coverage import Coverage
from support.contract.promises import PROMISES, in_words
from support.contract.validator import Contract
from support.drivers.journal import union_of_seconds
from support.faults import matrix, wording
from support.printable import as_json, printable
from support.reporting import outages, write_errors
from support.reporting.output import DOCUMENT, REPORT, SUMMARY
from support.reporting.vocabulary import PAGE

if TYPE_CHECKING:
    from support.citadel import Citadel

PASSED = {"passed", "xfailed", "xpassed"}
SKIPPED = {"skipped", "untested"}
SLOWEST_SHOWN = 10
# On the terminal a scenario faster than this is not slow, whatever the others are.
WORTH_TELLING_S = 1.0


@dataclass(frozen=True, slots=True)
class ScenarioResult:
    """How one selected scenario ended."""

    area: str
    name: str
    location: str
    status: str
    seconds: float
    reason: str
    tags: tuple[str, ...]
    longest_step: str = ""
    longest_step_s: float = 0.0
    # Where it ran with another seed than the rest: on another machine.
    seed: int | None = None

    @property
    def file(self) -> str:
        """The feature file it stands in."""
        return self.location.rpartition(":")[0]

    @property
    def verdict(self) -> str:
        """passed, skipped, or failed for everything else (errors of hooks and clean-ups included)."""
        if self.status in PASSED:
            return "passed"
        return "skipped" if self.status in SKIPPED else "failed"


@dataclass(frozen=True, slots=True)
class Figures:
    """What one process of a run has measured, as plain data: a worker sends it to the run.

    ``wall_s`` is how long the process had a platform to work with, ``busy_s`` how much of that calls, waits,
    loads and process starts filled; ``seen`` counts the platform's answers by operation and status.
    """

    mode: str
    wall_s: float
    busy_s: float
    seen: dict[tuple[str, int], int]
    agreeing: int
    union: int
    audits: int
    findings: int
    performance: dict[str, Any]
    start_s: dict[str, float]
    outages: list[dict[str, Any]]

    @classmethod
    def of(cls, citadel: Citadel, wall_s: float) -> Figures:
        """The figures of this process."""
        calls = [(entry.started, entry.ended) for entry in citadel.journal.entries]
        tally = citadel.audits
        return cls(
            mode=str(citadel.mode),
            wall_s=wall_s,
            busy_s=min(wall_s, union_of_seconds(calls + waiting.SPANS + citadel.starts())),
            seen=dict(citadel.coverage.seen),
            agreeing=tally.agreeing,
            union=tally.union,
            audits=tally.audits,
            findings=len(tally.findings),
            performance=dict(citadel.performance),
            start_s=citadel.start_times(),
            outages=list(citadel.outages),
        )


def write(
    parts: Sequence[Figures],
    outcomes: list[ScenarioResult],
    wall_s: float,
    output: Path,
    report: str,
    redact: Callable[[str], str],
    seed: int,
) -> str:
    """Write ``results/summary.json`` and the results document; returns the closing table.

    ``parts`` are the figures of every process that had a platform, at least one; ``seed`` is the run's for
    random data.
    """
    summary = _summary(parts, outcomes, wall_s)
    for path, text in (
        (SUMMARY, as_json(summary, indent=2) + "\n"),
        (DOCUMENT, printable(_document(summary, outcomes, seed))),
    ):
        file = output / path
        with write_errors.kept(str(file)):
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(redact(text), encoding="utf-8")
    return printable(redact(_table(summary, outcomes, output, report, seed)))


def _summary(parts: Sequence[Figures], outcomes: list[ScenarioResult], wall_s: float) -> dict[str, Any]:
    counts = {
        verdict: sum(o.verdict == verdict for o in outcomes) for verdict in ("passed", "failed", "skipped")
    }
    coverage = Coverage(Contract.load())
    for part in parts:
        coverage.merge(Coverage(coverage.contract, part.seen))
    # Of the time of all workers together: each of them is slowed down by its own framework.
    share = 1.0 - sum(part.busy_s for part in parts) / sum(part.wall_s for part in parts)
    agreeing, union = sum(part.agreeing for part in parts), sum(part.union for part in parts)
    performance: dict[str, Any] = {}
    for part in parts:
        performance |= part.performance
    return {
        "mode": parts[0].mode,
        "wall_s": round(wall_s, 2),
        "platforms": len(parts),
        "framework_share_percent": round(100.0 * share, 1),
        "scenarios": {**counts, "total": len(outcomes)},
        "coverage": {
            "percent": round(coverage.percent(), 1),
            "observed": len(coverage.observed),
            "documented": len(coverage.documented),
            "missing": [f"{operation} {status}" for operation, status in coverage.missing()],
            "reasons": {
                f"{operation} {status}": coverage.reason(operation, status)
                for operation, status in coverage.missing()
            },
        },
        "performance": performance,
        "consistency": {
            "checked": union,
            "findings": sum(part.findings for part in parts),
            "percent": round(100.0 * agreeing / union, 3) if union else 100.0,
            "audits": sum(part.audits for part in parts),
        },
        "outages": sorted(
            (outage for part in parts for outage in part.outages), key=lambda outage: outage["scenario"]
        ),
        "promises_unchecked": unchecked_promises(outcomes),
        "faults": _faults(outcomes),
        "start_s": {name: round(seconds, 2) for name, seconds in _slowest_starts(parts).items()},
        "slowest": [
            {
                "scenario": o.name,
                "location": o.location,
                "seconds": round(o.seconds, 2),
                "longest_step": o.longest_step,
                "longest_step_s": round(o.longest_step_s, 2),
            }
            for o in _slowest(outcomes)
        ],
        "critical_path": _critical_path(outcomes),
    }


def unchecked_promises(outcomes: Iterable[ScenarioResult]) -> list[str]:
    """Promises that no scenario of this run has put to the test; a skipped one has not."""
    checked = {tag for o in outcomes if o.verdict != "skipped" for tag in o.tags}
    return [promise for promise in PROMISES if promise not in checked]


def _faults(outcomes: Iterable[ScenarioResult]) -> dict[str, str]:
    """The matrix of dependencies and faults: what became of each cell, by its id."""
    verdicts = matrix.verdicts((o.tags, o.verdict) for o in outcomes)
    return {cell.id: verdict for cell, verdict in verdicts.items()}


def _slowest_starts(parts: Iterable[Figures]) -> dict[str, float]:
    """The longest time each server took, over all platforms of the run."""
    slowest: dict[str, float] = {}
    for part in parts:
        for name, seconds in part.start_s.items():
            slowest[name] = max(seconds, slowest.get(name, 0.0))
    return slowest


def _slowest(outcomes: Iterable[ScenarioResult]) -> list[ScenarioResult]:
    return sorted(outcomes, key=lambda o: o.seconds, reverse=True)[:SLOWEST_SHOWN]


def _critical_path(outcomes: Sequence[ScenarioResult]) -> dict[str, Any]:
    """What no number of workers can shorten: the longest feature file, then all that runs alone (seconds)."""
    by_file: dict[str, list[ScenarioResult]] = {}
    for outcome in outcomes:
        by_file.setdefault(outcome.file, []).append(outcome)
    alone, longest, longest_s = 0.0, "", 0.0
    for file, own in by_file.items():
        seconds = sum(o.seconds for o in own)
        if any("alone" in o.tags for o in own):
            alone += seconds
        elif seconds > longest_s:
            longest, longest_s = file, seconds
    return {"longest_feature": longest, "longest_s": round(longest_s, 2), "alone_s": round(alone, 2)}


def _repeat(outcome: ScenarioResult, seed: int) -> str:
    return repeating(outcome.location, seed if outcome.seed is None else outcome.seed)


def repeating(location: str, seed: int) -> str:
    """The command that runs one scenario again, with the same random data."""
    return f"behave {location} -D seed={seed}"


def _table(
    summary: dict[str, Any], outcomes: list[ScenarioResult], output: Path, report: str, seed: int
) -> str:
    scenarios, coverage, consistency = summary["scenarios"], summary["coverage"], summary["consistency"]
    lines = ["", "Results"]
    for outcome in outcomes:
        if outcome.verdict == "failed":
            lines.append(f"  FAILED   {outcome.name}   {_repeat(outcome, seed)}")
    lines += [f"  skipped  {line}" for line in _skips(outcomes)]
    rows = [
        ("scenarios", "{passed} passed, {failed} failed, {skipped} skipped of {total}".format(**scenarios)),
        (
            "coverage",
            f"{coverage['percent']} % of the contract's answers seen"
            f" ({coverage['observed']} of {coverage['documented']})",
        ),
        ("promises", _promises_line(summary["promises_unchecked"])),
        *(("performance", line) for line in performance_sentences(summary["performance"])),
        (
            "consistency",
            f"{consistency['percent']:g} % of {consistency['checked']} items agree"
            f" in {consistency['audits']} audits, {consistency['findings']} findings",
        ),
        (
            "wall time",
            f"{summary['wall_s']:.0f} s, of it the framework's own {summary['framework_share_percent']} %",
        ),
        ("critical path", _critical_path_line(summary["critical_path"])),
        *(("slowest", line) for line in _slowest_lines(summary["slowest"])),
        ("report", report),
        ("vocabulary", f"{output / REPORT / PAGE}: what the sentences, faults and promises mean"),
    ]
    if coverage["missing"]:
        shown = ", ".join(coverage["missing"][:8])
        more = (
            f" and {len(coverage['missing']) - 8} more (see the results document)"
            if len(coverage["missing"]) > 8
            else ""
        )
        rows.insert(2, ("not seen", shown + more))
    width = max(len(name) for name, _told in rows)
    lines += [f"  {name:<{width}}  {line}" for name, line in rows]
    return "\n".join(lines)


def _skips(outcomes: Sequence[ScenarioResult]) -> list[str]:
    """Each reason once, with the scenario or the number of them; the results document names them all."""
    by_reason: dict[str, list[str]] = {}
    for outcome in outcomes:
        if outcome.status == "skipped" and outcome.reason:
            by_reason.setdefault(outcome.reason, []).append(outcome.name)
    return [
        f"{names[0] if len(names) == 1 else f'{len(names)} scenarios'}: {reason}"
        for reason, names in by_reason.items()
    ]


def _critical_path_line(path: dict[str, Any]) -> str:
    line = f"{path['longest_s'] + path['alone_s']:.0f} s, whatever the number of workers"
    parts = [f"{path['longest_s']:.0f} s of {path['longest_feature']}"] if path["longest_feature"] else []
    parts += [f"{path['alone_s']:.0f} s of features that run alone"] if path["alone_s"] else []
    return f"{line}: {', '.join(parts)}" if parts else line


def _slowest_lines(slowest: list[dict[str, Any]]) -> list[str]:
    """Each with the step that took most of its time: what the time was needed for."""
    return [
        f"{item['seconds']:5.1f} s  {item['scenario']}"
        f" ({item['longest_step_s']:.1f} s: {item['longest_step']})"
        for item in slowest
        if item["seconds"] >= WORTH_TELLING_S
    ]


def _promises_line(unchecked: list[str]) -> str:
    line = f"{len(PROMISES) - len(unchecked)} of {len(PROMISES)} put to the test"
    return f"{line}; no scenario of this run for {', '.join(unchecked)}" if unchecked else line


def performance_sentences(performance: dict[str, Any]) -> list[str]:
    """The performance figures in the words of the original plan; nothing where there are no figures."""
    means = {"End-to-end embedding workflow": performance.get("e2e_embedding_ms", {})}
    means |= {name: found for name, found in performance.items() if name.startswith("mean of ")}
    lines = [
        f"{name}: {found['mean']:.0f} ms average, at most {found['upper']:.0f} ms with 95 % confidence,"
        f" limit {found['limit']:g} ms, {found['n']} journeys: {found['verdict']}"
        for name, found in means.items()
        if "mean" in found
    ]
    users = performance.get("users", {})
    if "success_percent" in users:
        lines.append(
            f"{users['count']} concurrent users: {users['success_percent']:.2f} % of {users['requests']}"
            f" journeys succeed (at least {users['lower_bound_percent']:.2f} % with 95 % confidence),"
            f" limit {users['limit_percent']:g} %: {users['verdict']}"
        )
    hops = {name: hop for name, hop in performance.get("hop_ms", {}).items() if "p95" in hop}
    if hops:
        each = ", ".join(f"{name} {hop['p95']:.1f} ({hop['verdict']})" for name, hop in sorted(hops.items()))
        limit = max(hop["limit"] for hop in hops.values())
        lines.append(f"cross-service latency, p95 in ms per hop: {each}; limit {limit:g} ms")
    return lines


def _document(summary: dict[str, Any], outcomes: list[ScenarioResult], seed: int) -> str:
    scenarios, coverage, consistency = summary["scenarios"], summary["coverage"], summary["consistency"]
    lines = [
        "# Integration Testing Results",
        "",
        f"Mode: {summary['mode']}. Wall time {summary['wall_s']:.0f} s. The [vocabulary](../{REPORT}/{PAGE})"
        " explains the sentences, faults, limits and promises.",
        "",
        "| what | result |",
        "|---|---|",
        "| scenarios | {passed} passed, {failed} failed, {skipped} skipped of {total} |".format(**scenarios),
        f"| integration coverage | {coverage['percent']} %"
        f" ({coverage['observed']} of {coverage['documented']} pairs of operation and documented status) |",
        f"| data consistency | {consistency['percent']:g} % of {consistency['checked']} items in"
        f" {consistency['audits']} audits, {consistency['findings']} findings |",
        *(f"| performance | {line} |" for line in performance_sentences(summary["performance"])),
        "",
        "## By area",
        "",
        "| area | passed | failed | skipped | seconds |",
        "|---|---|---|---|---|",
    ]
    for area in sorted({o.area for o in outcomes}):
        own = [o for o in outcomes if o.area == area]
        count = {
            verdict: sum(o.verdict == verdict for o in own) for verdict in ("passed", "failed", "skipped")
        }
        seconds = sum(o.seconds for o in own)
        lines.append(
            f"| {area} | {count['passed']} | {count['failed']} | {count['skipped']} | {seconds:.1f} |"
        )
    failed = [o for o in outcomes if o.verdict == "failed"]
    if failed:
        lines += ["", "## Failed", "", "| scenario | repeat with |", "|---|---|"]
        lines += [f"| {_cell(o.name)} | `{_repeat(o, seed)}` |" for o in failed]
    skipped = [o for o in outcomes if o.status == "skipped"]
    if skipped:
        lines += ["", "## Skipped", "", "| scenario | reason |", "|---|---|"]
        lines += [f"| {_cell(o.name)} | {_cell(o.reason)} |" for o in skipped]
    promises = sorted(
        {tag for o in outcomes for tag in o.tags if tag[:1] in "GN" and tag[1:].isdigit()}, key=_promise
    )
    if promises:
        lines += [
            "",
            "## Promises and the scenarios that hold them",
            "",
            "| promise | scenarios |",
            "|---|---|",
        ]
        for promise in promises:
            held = "; ".join(f"{_cell(o.name)} ({o.verdict})" for o in outcomes if promise in o.tags)
            lines.append(f"| {promise}: {_cell(in_words(promise))} | {held} |")
    if summary["outages"]:
        lines += ["", "## Outages", "", *outages.table(summary["outages"])]
    unchecked = summary["promises_unchecked"]
    if unchecked:
        lines += ["", "## Promises that no scenario of this run has put to the test", ""]
        lines += [f"- {promise}: {in_words(promise)}" for promise in unchecked]
    lines += _fault_table(summary["faults"])
    lines += ["", "## Slowest scenarios", "", "| scenario | seconds | its longest step | seconds |"]
    lines += ["|---|---|---|---|"]
    lines += [
        f"| {_cell(item['scenario'])} | {item['seconds']} | {_cell(item['longest_step'])}"
        f" | {item['longest_step_s']} |"
        for item in summary["slowest"]
    ]
    lines += ["", f"Critical path: {_critical_path_line(summary['critical_path'])}."]
    lines += ["", "## Documented answers not seen", ""]
    lines += _unseen(coverage["reasons"])
    return "\n".join(lines) + "\n"


def _cell(text: str) -> str:
    """Text that does not end its cell of a table."""
    return " ".join(text.split()).replace("|", "\\|")


def _fault_table(verdicts: dict[str, str]) -> list[str]:
    """The matrix, then the waivers."""
    lines = [
        "",
        "## Every dependency under every fault",
        "",
        "A cell is held by the scenario with its tag, as in `@fault.redis.cut`.",
        "",
        f"| fault | {' | '.join(wording.DEPENDENCIES)} |",
        f"|---|{'---|' * len(wording.DEPENDENCIES)}",
    ]
    for fault, words in matrix.FAULTS.items():
        cells = [verdicts[matrix.Cell(dependency, fault).id] for dependency in wording.DEPENDENCIES.values()]
        lines.append(f"| {words} | {' | '.join(cells)} |")
    lines += ["", "| waived | because |", "|---|---|"]
    for reason in dict.fromkeys(matrix.WAIVED.values()):
        cells = [str(cell) for cell, told_reason in matrix.WAIVED.items() if told_reason == reason]
        lines.append(f"| {'; '.join(cells)} | {reason} |")
    return lines


def _unseen(reasons: dict[str, str]) -> list[str]:
    """The documented answers that were not seen, those of one reason in one line."""
    if not reasons:
        return ["None."]
    lines = ["| reason | operation and status |", "|---|---|"]
    for reason in dict.fromkeys(reasons.values()):
        pairs = ", ".join(pair for pair, given in reasons.items() if given == reason)
        lines.append(f"| {reason} | {pairs} |")
    return lines


def _promise(tag: str) -> tuple[str, int]:
    return tag[0], int(tag[1:])
