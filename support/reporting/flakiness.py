"""Flakiness: the same selection again and again, and what the repeats prove about each scenario.

A scenario is flaky when it both passed and failed with the same code. One that always fails is broken, which
is something else; one that never failed may still fail sometimes: how often at most, the bound says.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType

from support.isolation.processes import own_mark
from support.load.statistics import highest_share
from support.printable import as_json, printable
from support.reporting.output import mark
from support.settings import ROOT

GOAL = 0.05
# What decides the outcome of a scenario: everything that the repository holds of these kinds.
CODE = ("environment.py", "behave.ini", "requirements.txt", "features", "steps", "support")
KINDS = {".py", ".feature", ".yaml", ".sql", ".txt", ".ini", ".json"}


class NotMeasured(Exception):
    """A repeat did not come to an end, so there is nothing to report; the message says why."""


@dataclass(frozen=True, slots=True)
class Repeat:
    """One run of a selection: Allure's status by scenario, and the names of the scenarios by history."""

    at: str
    code: str
    selection: list[str]
    seconds: float
    verdicts: dict[str, str]
    names: dict[str, str]


@dataclass(frozen=True, slots=True)
class Tally:
    """How often a scenario ran and failed with the present code."""

    name: str
    runs: int
    failures: int

    @property
    def flaky(self) -> bool:
        return 0 < self.failures < self.runs

    @property
    def broken(self) -> bool:
        return self.failures == self.runs


def measure(runs: int, arguments: Sequence[str], output: Path) -> int:
    """Repeat the selection, tell each run and the report over all runs of this code; returns the exit code.

    0: with 95 % confidence less than five in a hundred scenarios are flaky and none always fails; 1: not so;
    2: a run did not begin or was interrupted. Red runs keep their results in ``output/flakiness``.
    """
    history, code = output / "flakiness.jsonl", fingerprint(ROOT)
    before = len(recall(history, code))
    for number in range(1, runs + 1):
        folder = output / "flakiness" / f"run-{before + number}"
        shutil.rmtree(folder, ignore_errors=True)
        try:
            repeat = _repeat(before + number, list(arguments), folder, code)
        except NotMeasured as reason:
            print(f"run {number} of {runs}: {reason}", file=sys.stderr)
            return 2
        append(history, repeat)
        failed = sum(status != "passed" for status in repeat.verdicts.values())
        where = f", see {folder}" if failed else ""
        passed = len(repeat.verdicts) - failed
        print(
            f"run {number} of {runs}: {passed} passed, {failed} failed, {repeat.seconds:.0f} s{where}",
            flush=True,
        )
        if not failed:
            shutil.rmtree(folder, ignore_errors=True)
    repeats = recall(history, code)
    tallies = tally(repeats)
    print(report(tallies, repeats))
    return 0 if _bound(tallies) < GOAL and not any(each.broken for each in tallies) else 1


def fingerprint(root: Path) -> str:
    """Sixteen characters that change with the code, the features and the pinned packages."""
    digest = hashlib.sha256()
    for name in CODE:
        start = root / name
        for path in sorted(start.rglob("*")) if start.is_dir() else [start]:
            if path.suffix in KINDS and path.is_file():
                digest.update(str(path.relative_to(root)).encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()[:16]


def append(history: Path, repeat: Repeat) -> None:
    """Add a run to the history."""
    history.parent.mkdir(parents=True, exist_ok=True)
    with history.open("a", encoding="utf-8") as file:
        file.write(as_json(asdict(repeat)) + "\n")


def recall(history: Path, code: str) -> list[Repeat]:
    """The runs of this code; a line that a killed run left half written is passed over."""
    found = []
    for line in history.read_text(encoding="utf-8").splitlines() if history.exists() else []:
        try:
            repeat = Repeat(**json.loads(line))
        except (ValueError, TypeError):
            continue
        if repeat.code == code:
            found.append(repeat)
    return found


def tally(repeats: Iterable[Repeat]) -> list[Tally]:
    """Each scenario's runs and failures, the most suspect first."""
    names: dict[str, str] = {}
    seen: dict[str, list[bool]] = {}
    for repeat in repeats:
        names |= repeat.names
        for scenario, status in repeat.verdicts.items():
            seen.setdefault(scenario, []).append(status != "passed")
    tallies = [Tally(names[scenario], len(failed), sum(failed)) for scenario, failed in seen.items()]
    return sorted(tallies, key=lambda each: (-each.failures / each.runs, each.name))


def report(tallies: Sequence[Tally], repeats: Sequence[Repeat]) -> str:
    """The figures in words."""
    flaky = [each for each in tallies if each.flaky]
    broken = [each for each in tallies if each.broken]
    red = sum(any(status != "passed" for status in repeat.verdicts.values()) for repeat in repeats)
    lines = [
        "",
        f"Flakiness of {len(tallies)} scenarios in {len(repeats)} runs of this code"
        " (bounds: exact binomial, one-sided, 95 % confidence)",
    ]
    if tallies:
        lines += [
            f"  scenarios  {len(flaky)} flaky = {_percent(len(flaky) / len(tallies))}, at most"
            f" {_percent(_bound(tallies))}; goal: below {_percent(GOAL)}",
            f"  runs       {red} red = {_percent(red / len(repeats))}, at most"
            f" {_percent(highest_share(red, len(repeats)))}",
        ]
        executions, failures = sum(each.runs for each in tallies), sum(each.failures for each in tallies)
        lines.append(
            f"  executions {failures} of {executions:,} red, at most"
            f" {100 * highest_share(failures, executions):.2f} %"
        )
        fewest = min(each.runs for each in tallies)
        lines.append(
            f"  proof      a scenario that never failed in {fewest} runs may still fail"
            f" {_percent(highest_share(0, fewest))} of the time"
        )
    for title, some in (("flaky", flaky), ("always fails", broken)):
        for each in some:
            most = _percent(highest_share(each.failures, each.runs))
            lines.append(f"  {title:12} {each.failures} of {each.runs}, at most {most}: {each.name}")
    return "\n".join(lines)


def _bound(tallies: Sequence[Tally]) -> float:
    """The share of flaky scenarios that the repeats still allow."""
    return highest_share(sum(each.flaky for each in tallies), len(tallies)) if tallies else 1.0


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"


def _repeat(seed: int, arguments: list[str], folder: Path, code: str) -> Repeat:
    """Run behave once. Raises ``NotMeasured`` if it did not begin or was interrupted."""
    results = folder / "allure-results"
    # Another order each time, else a dependence on the order would never show.
    order = [] if any(argument.startswith("order=") for argument in arguments) else ["-D", f"order={seed}"]
    command = [
        sys.executable, "-m", "behave", "--no-color", "--junit-directory", str(folder / "junit"),
        "-D", f"output={folder}", "-D", f"allure_results={results}", *order, *arguments,
    ]  # fmt: skip
    mark(folder)
    # By this behave knows that it is to end when this process is gone.
    own_mark()
    begun, moment = time.monotonic(), datetime.now(UTC).isoformat(timespec="seconds")
    interrupts: list[int] = []
    with (folder / "console.txt").open("wb") as console:
        run = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=console, stderr=console)

        def interrupted(number: int, _frame: FrameType | None) -> None:
            interrupts.append(number)
            # Ctrl-C reaches behave by itself. Either way this process only waits for it to unwind.
            if number == signal.SIGTERM:
                run.terminate()

        before = {number: signal.signal(number, interrupted) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            exit_code = run.wait()
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
    verdicts, names = _verdicts(results)
    if interrupts:
        raise NotMeasured("interrupted")
    if exit_code not in (0, 1) or not verdicts:
        end = printable((folder / "console.txt").read_text(encoding="utf-8", errors="replace").strip()[-500:])
        raise NotMeasured(f"behave ended with exit code {exit_code}:\n{end}")
    return Repeat(moment, code, arguments, time.monotonic() - begun, verdicts, names)


def _verdicts(results: Path) -> tuple[dict[str, str], dict[str, str]]:
    """Status and name of every scenario that ran, by its history; a skip is no attempt."""
    verdicts, names = {}, {}
    for path in results.glob("*-result.json"):
        result = json.loads(path.read_text(encoding="utf-8"))
        if result["status"] != "skipped":
            verdicts[result["historyId"]] = result["status"]
            names[result["historyId"]] = result["name"]
    return verdicts, names
