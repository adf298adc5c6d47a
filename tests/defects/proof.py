"""Seeds every known defect, one at a time: ``python -m tests.defects.proof [DEFECT...]``.

Each defect meets the scenario that was written for it; if that stays green, the whole area is run. Told are
who caught it, whether the message names the cause, and the shares of both; first of all, that none of these
scenarios is red without a defect. The proof is written to ``.acceptance/results/defects.json`` and ``.md``.
"""

from __future__ import annotations

import argparse
import json
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence, Set
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType
from typing import NoReturn

from support.settings import ROOT
from tests.defects.catalogue import DEFECTS
from tests.defects.defect import Defect
from tests.running import SuiteRun, behave, failures, stack_up
from tests.scenarios import Scenario, arguments, of_key

DETECTED_AT_LEAST = 0.95
NAMED_AT_LEAST = 0.90
OUTPUT = ROOT / ".acceptance"
# More than the cores: half of each run is waiting for servers and time limits.
LANES = 3
TARGET_WITHIN_S = 240.0
AREA_WITHIN_S = 600.0
# Scenarios with this tag may stop servers, so they need those that the suite starts itself.
NEED_OWN_SERVERS = "outage"
STORES = ("TEST_DATABASE_URL", "TEST_REDIS_URL", "QDRANT_URL", "QDRANT_API_KEY")
NOBODY = "nobody"

Runner = Callable[[Sequence[str], float], SuiteRun]
"""Runs behave with arguments, within so many seconds."""


@dataclass(frozen=True, slots=True)
class Proof:
    """What became of one defect.

    ``expected`` is the key of the scenario that was written for it, ``caught_by`` the name of the red one
    (empty if nobody noticed it), ``as_expected`` whether that is the same; ``why`` tells what was odd.
    """

    defect: str
    what: str
    area: str
    expected: str
    caught_by: str
    as_expected: bool
    named: bool
    seconds: float
    why: str = ""

    @property
    def detected(self) -> bool:
        return bool(self.caught_by)


@dataclass(frozen=True, slots=True)
class Control:
    """The scenarios of all defects without any defect: how many ran, and who was red all the same."""

    scenarios: int
    false_alarms: tuple[str, ...]


def watched(defect: Defect) -> tuple[Scenario, ...]:
    """The scenarios, usually one, that must turn red. Raises ``LookupError`` if there is none."""
    return of_key(defect.key, defect.row)


def judge(name: str, defect: Defect, run: Runner, watching: Sequence[Scenario] | None = None) -> Proof:
    """Run the scenario that watches for the defect and, if it stays green, its area until one is red.

    ``watching`` stands in for the scenarios of the defect's key.
    """
    begun = time.monotonic()
    chosen = watched(defect) if watching is None else watching
    names, area = {each.name for each in chosen}, chosen[0].area

    def verdict(caught_by: str, named: bool) -> Proof:
        return Proof(
            defect=name,
            what=defect.what,
            area=area.replace("_", " "),
            expected=defect.key,
            caught_by=caught_by,
            as_expected=caught_by in names,
            named=named,
            seconds=round(time.monotonic() - begun, 1),
            why="; ".join(whys),
        )

    whys: list[str] = []
    for asked, within in (
        (arguments(chosen), TARGET_WITHIN_S),
        ([f"features/{area}", "--stop"], AREA_WITHIN_S),
    ):
        try:
            done = run(asked, within)
        except subprocess.TimeoutExpired:
            whys.append(f"{asked[0]} did not end within {within:g} s")
            continue
        if done.code not in (0, 1):
            whys.append(f"the run ended with exit code {done.code}")
            break
        red = failures(done.printed)
        if red:
            caught_by, said = _most_telling(red, defect, names)
            return verdict(caught_by, re.search(defect.message, said) is not None)
        whys.append(f"{'the scenario' if within == TARGET_WITHIN_S else 'the area'} stays green")
    return verdict("", False)


def _most_telling(red: Mapping[str, str], defect: Defect, expected: Set[str]) -> tuple[str, str]:
    """Of several red scenarios the expected one, a telling one, any one: in this order."""

    def rank(item: tuple[str, str]) -> tuple[bool, bool]:
        return item[0] not in expected, re.search(defect.message, item[1]) is None

    return min(red.items(), key=rank)


def needs_own_servers(defect: Defect) -> bool:
    """Whether its scenario may stop servers."""
    return any(NEED_OWN_SERVERS in each.tags for each in watched(defect))


def seeded(name: str, defect: Defect) -> dict[str, str]:
    """The variable that starts the service with the defect."""
    command = f"{sys.executable} -m tests.defects.launch {name} -- {defect.service}"
    return {f"CITADEL_{defect.service.upper()}_COMMAND": command}


class Lane(threading.local):
    """Stores of one thread, which stay up between its defects; only the services on top restart."""

    def __init__(self, open_stacks: ExitStack) -> None:
        self._open_stacks = open_stacks
        self._variables: dict[str, str] = {}

    def stores(self) -> dict[str, str]:
        if not self._variables:
            printed = self._open_stacks.enter_context(stack_up())
            self._variables = {name: printed[name] for name in STORES}
        return self._variables


def prove(names: Sequence[str], tell: Callable[[str], None], keep: Path) -> tuple[Control, list[Proof]]:
    """The control run, then every defect, ``LANES`` at a time; what each printed is kept in ``keep``."""
    chosen = {name: DEFECTS[name] for name in names}
    with ExitStack() as stacks, tempfile.TemporaryDirectory() as folder:
        lane = Lane(stacks)

        def runner(name: str, own_servers: bool, environ: Mapping[str, str]) -> Runner:
            def run(arguments: Sequence[str], within: float) -> SuiteRun:
                stores = {} if own_servers else lane.stores()
                done = behave(Path(folder) / name, *arguments, environ={**stores, **environ}, within_s=within)
                (keep / f"{name}.txt").write_text(done.printed, encoding="utf-8")
                return done

            return run

        def one(name: str) -> Proof:
            defect = chosen[name]
            verdict = judge(name, defect, runner(name, needs_own_servers(defect), seeded(name, defect)))
            tell(line(verdict))
            return verdict

        def control(own_servers: bool) -> Control:
            some = [defect for defect in chosen.values() if needs_own_servers(defect) is own_servers]
            if not some:
                return Control(0, ())
            all_of_them = {each for defect in some for each in watched(defect)}
            done = runner(f"none-{own_servers:d}", own_servers, {})(arguments(all_of_them), AREA_WITHIN_S)
            red = failures(done.printed)
            if done.code and not red:
                red = {f"the run itself ended with exit code {done.code}": done.printed}
            return Control(int(done.summary["scenarios"]["passed"]) if done.code < 2 else 0, tuple(red))

        with ThreadPoolExecutor(LANES) as pool:
            try:
                controls = list(pool.map(control, (True, False)))
                alarms = tuple(alarm for each in controls for alarm in each.false_alarms)
                without = Control(sum(each.scenarios for each in controls), alarms)
                tell(told(without))
                return without, list(pool.map(one, chosen))
            except BaseException:
                pool.shutdown(cancel_futures=True)
                raise


def told(control: Control) -> str:
    """The control run in words."""
    alarms = "".join(f"\n  FALSE ALARM  {name}" for name in control.false_alarms)
    return f"without a defect {control.scenarios} scenarios pass, {len(control.false_alarms)} are red{alarms}"


def line(verdict: Proof) -> str:
    """One defect in one line."""
    word = "caught" if verdict.detected else "MISSED"
    named = ("names the cause" if verdict.named else "CAUSE NOT NAMED") if verdict.detected else ""
    why = f"  ({verdict.why})" if verdict.why else ""
    caught_by = verdict.caught_by or NOBODY
    return f"{word:6} {verdict.seconds:6.1f} s  {verdict.defect:40} {named:15}  {caught_by}{why}"


def share(verdicts: Sequence[Proof], what: Callable[[Proof], bool]) -> float:
    """The share of verdicts for which it is so, 0 of none."""
    return sum(map(what, verdicts)) / len(verdicts) if verdicts else 0.0


def good(control: Control, verdicts: Sequence[Proof]) -> bool:
    """Whether the suite deserves its name: enough found, enough named, no false alarm."""
    return (
        not control.false_alarms
        and share(verdicts, lambda each: each.detected) >= DETECTED_AT_LEAST
        and share(verdicts, lambda each: each.named) >= NAMED_AT_LEAST
    )


def figures(control: Control, verdicts: Sequence[Proof], seconds: float) -> list[str]:
    """The sums in sentences."""
    detected, named = sum(v.detected for v in verdicts), sum(v.named for v in verdicts)
    expected = sum(v.detected and v.as_expected for v in verdicts)
    total = len(verdicts)
    return [
        f"detected: {detected} of {total} = {100 * share(verdicts, lambda v: v.detected):.1f} %"
        f" (at least {100 * DETECTED_AT_LEAST:g} %), {expected} by the scenario written for it",
        f"message names the cause: {named} of {total} = {100 * share(verdicts, lambda v: v.named):.1f} %"
        f" (at least {100 * NAMED_AT_LEAST:g} %)",
        f"false alarms: {len(control.false_alarms)} of {control.scenarios} scenarios without a defect",
        f"wall time: {seconds:.0f} s in {LANES} lanes",
    ]


def table(verdicts: Iterable[Proof]) -> list[str]:
    """All defects, in the order of the areas, as a Markdown table."""
    lines = [
        "| area | defect | what it does | caught by | cause named | seconds |",
        "|---|---|---|---|---|---|",
    ]
    for each in sorted(verdicts, key=lambda verdict: verdict.area):
        caught_by = each.caught_by or f"**{NOBODY}**"
        if each.detected and not each.as_expected:
            caught_by += " (another than expected)"
        named = "yes" if each.named else "**no**"
        what = each.what.replace("|", r"\|")
        lines.append(
            f"| {each.area} | `{each.defect}` | {what} | {caught_by} | {named} | {each.seconds:.0f} |"
        )
    return lines


def write(control: Control, verdicts: Sequence[Proof], seconds: float, folder: Path) -> None:
    """``defects.json`` for machines, ``defects.md`` for people."""
    folder.mkdir(parents=True, exist_ok=True)
    moment = datetime.now(UTC).isoformat(timespec="seconds")
    proof = {
        "at": moment,
        "good": good(control, verdicts),
        "defects": len(verdicts),
        "detected": sum(each.detected for each in verdicts),
        "named": sum(each.named for each in verdicts),
        "detected_share": round(share(verdicts, lambda each: each.detected), 4),
        "named_share": round(share(verdicts, lambda each: each.named), 4),
        "control": asdict(control),
        "seconds": round(seconds, 1),
        "verdicts": [asdict(each) for each in verdicts],
    }
    text = json.dumps(proof, indent=2, ensure_ascii=False) + "\n"
    (folder / "defects.json").write_text(text, encoding="utf-8")
    told = [f"- {sentence}" for sentence in figures(control, verdicts, seconds)]
    page = ["# Seeded defects", "", f"{moment}, seeded one at a time.", "", *told, "", *table(verdicts), ""]
    (folder / "defects.md").write_text("\n".join(page), encoding="utf-8")


def main(arguments: Sequence[str] | None = None) -> int:
    """Prove it; the exit code is 0 if the shares are reached and there is no false alarm."""
    parser = argparse.ArgumentParser(prog="python -m tests.defects.proof", description=__doc__)
    parser.add_argument(
        "defects", nargs="*", metavar="DEFECT", help="only these; all of the catalogue if none"
    )
    names = parser.parse_args(arguments).defects or list(DEFECTS)
    unknown = sorted(set(names) - set(DEFECTS))
    if unknown:
        parser.error(f"no such defects: {', '.join(unknown)}; known are {', '.join(sorted(DEFECTS))}")
    keep = OUTPUT / "defects"
    shutil.rmtree(keep, ignore_errors=True)
    keep.mkdir(parents=True)
    begun = time.monotonic()
    control, verdicts = prove(names, lambda text: print(text, flush=True), keep)
    seconds = time.monotonic() - begun
    write(control, verdicts, seconds, OUTPUT / "results")
    print("", *table(verdicts), "", *figures(control, verdicts, seconds), sep="\n")
    print(f"written to {OUTPUT / 'results'}/defects.md and .json; what each printed is in {keep}")
    return 0 if good(control, verdicts) else 1


def _interrupt(_signal: int, _frame: FrameType | None) -> NoReturn:
    raise KeyboardInterrupt


if __name__ == "__main__":
    # Like Ctrl-C, so that the stores are stopped.
    signal.signal(signal.SIGTERM, _interrupt)
    sys.exit(main())
