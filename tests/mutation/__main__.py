"""Runs the scenarios against mutants of the gateway: ``python -m tests.mutation [--sample N] [--seed S]``.

cosmic-ray finds the places and makes the changes, in a copy of the code; the scenarios run in their own
environment against a gateway started from that copy. A mutant meets the scenarios nearest to its module
first, then all quick ones, then those that break servers; the first red one kills it. What survives is listed
with its change in ``.acceptance/results/mutants.json`` and ``.md``; the README beside says what each means.
"""

from __future__ import annotations

import argparse
import ast
import difflib
import json
import os
import random
import shlex
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from queue import SimpleQueue
from types import FrameType
from typing import NoReturn

from support.settings import ROOT
from tests.defects.proof import STORES
from tests.running import behave, failures, stack_up

GATEWAY = "support/reference/gateway"
LANES = 2
# Characters that are kept of what the killer printed.
SHOWN = 1200
NO_PYTHON = "(no Python: not counted)"
STAGE_WITHIN_S = (150.0, 400.0, 600.0)
QUICK = ("--stop", "-t", "not @slow", "-t", "not @alone")
SHARED_STORES = ("-t", "not @outage")
BREAKING = ("features/failure_scenarios", "features/data_consistency")
# The modules whose mutants are sampled, each with the features nearest to it.
NEAREST: Mapping[str, tuple[str, ...]] = {
    "access": ("security/access", "cross_service/every_operation", "security/injection"),
    "cache": ("data_consistency/cache", "data_consistency/cache_keys", "cross_service/wires"),
    "collections": (
        "end_to_end/collections_and_batches",
        "end_to_end/ingest",
        "cross_service/every_operation",
    ),
    "content": ("data_consistency/two_stores", "end_to_end/values_and_embeddings"),
    "descriptors": ("end_to_end/document_life", "data_consistency/separate_lives"),
    "embedding": (
        "end_to_end/values_and_embeddings",
        "cross_service/working_together",
        "cross_service/wires",
    ),
    "models": ("end_to_end/ingest", "security/injection", "cross_service/every_operation"),
    "operations": ("cross_service/every_operation", "end_to_end/ingest", "cross_service/wires"),
    "search": (
        "end_to_end/search_and_retrieval",
        "data_consistency/cache_keys",
        "end_to_end/random_journeys",
    ),
    "writes": ("data_consistency/two_stores", "end_to_end/ingest", "data_consistency/separate_lives"),
}
# Nearly always equivalent: `A | B` stands in annotations that nothing evaluates, frozen and slots only guard.
NOT_TAKEN = "core/ReplaceBinaryOperator_BitOr_"
NOT_TAKEN_LINES = "@dataclass("


@dataclass(frozen=True, slots=True)
class Mutant:
    """One change: the operator's ``occurrence``-th place in the module."""

    module: str
    operator: str
    occurrence: int
    line: int
    column: int

    @property
    def name(self) -> str:
        return f"{self.module}:{self.line}:{self.column} {self.operator.removeprefix('core/')}"


@dataclass(frozen=True, slots=True)
class Fate:
    """What became of a mutant.

    ``killed_by`` is empty for a survivor, ``said`` is what the killer printed, or that a stage did not end;
    ``stages`` is how many it met.
    """

    mutant: str
    change: str
    killed_by: str
    said: str
    stages: int
    seconds: float


class Copy:
    """A copy of the code in which one mutant at a time lives."""

    def __init__(self, folder: Path, tool: Path) -> None:
        self.folder, self._tool = folder, tool
        shutil.copytree(ROOT / "support", folder / "support", ignore=shutil.ignore_patterns("__pycache__"))

    def command(self, *arguments: str) -> list[str]:
        """Python with the code of this copy; -P keeps out the working directory, which holds the original."""
        environ = [f"PYTHONPATH={self.folder}", "PYTHONDONTWRITEBYTECODE=1"]
        return ["env", *environ, sys.executable, "-P", *arguments]

    def check(self) -> None:
        """Raise unless a gateway started from here would run the code of this copy."""
        code = "import support.reference.gateway.app as app; print(app.__file__)"
        told = subprocess.run(self.command("-c", code), cwd=ROOT, capture_output=True, text=True, check=True)
        if not told.stdout.startswith(str(self.folder)):
            raise RuntimeError(f"the copy would run the code of {told.stdout}")

    def find(self, modules: Sequence[str]) -> list[Mutant]:
        """Every place that cosmic-ray would change."""
        paths = [f"{GATEWAY}/{module}.py" for module in modules]
        settings = ["[cosmic-ray]", f"module-path = {json.dumps(paths)}", "timeout = 1.0"]
        settings += ["excluded-modules = []", 'test-command = "false"']
        settings += ["[cosmic-ray.distributor]", 'name = "local"']
        (self.folder / "settings.toml").write_text("\n".join(settings))
        self._cosmic_ray("init", "settings.toml", "places.sqlite")
        with sqlite3.connect(self.folder / "places.sqlite") as places:
            rows = places.execute(
                "SELECT module_path, operator_name, occurrence, start_pos_row, start_pos_col"
                " FROM mutation_specs"
            ).fetchall()
        lines = {path: (ROOT / path).read_text(encoding="utf-8").splitlines() for path in paths}
        return sorted(
            (
                Mutant(Path(path).stem, operator, occurrence, line, column)
                for path, operator, occurrence, line, column in rows
                if not operator.startswith(NOT_TAKEN) and NOT_TAKEN_LINES not in lines[path][line - 1]
            ),
            key=lambda mutant: (
                mutant.module,
                mutant.line,
                mutant.column,
                mutant.operator,
                mutant.occurrence,
            ),
        )

    def change(self, mutant: Mutant) -> str:
        """Bring the mutant to life; returns the lines that differ."""
        path = f"{GATEWAY}/{mutant.module}.py"
        before = (ROOT / path).read_text(encoding="utf-8")
        (self.folder / path).write_text(before, encoding="utf-8")
        self._cosmic_ray("apply", path, mutant.operator, str(mutant.occurrence))
        after = (self.folder / path).read_text(encoding="utf-8")
        lines = difflib.unified_diff(before.splitlines(), after.splitlines(), n=0, lineterm="")
        return "\n".join(line for line in lines if line[:3] not in ("---", "+++") and line[:2] != "@@")

    def readable(self, mutant: Mutant) -> bool:
        """Whether the tool has left Python (it takes the star of keyword arguments for a product)."""
        try:
            ast.parse((self.folder / GATEWAY / f"{mutant.module}.py").read_text(encoding="utf-8"))
        except SyntaxError:
            return False
        return True

    def undo(self, mutant: Mutant) -> None:
        """Back to the code as it is."""
        path = f"{GATEWAY}/{mutant.module}.py"
        shutil.copy(ROOT / path, self.folder / path)

    def _cosmic_ray(self, *arguments: str) -> None:
        subprocess.run(
            [self._tool, *arguments], cwd=self.folder, check=True, capture_output=True, timeout=120
        )


def sample(mutants: Sequence[Mutant], size: int, seed: int) -> list[Mutant]:
    """At most ``size`` places at random, one mutant of each: no place counts for its many operators.

    A larger sample of the same seed begins with the smaller one.
    """
    by_place: dict[tuple[str, int, int], list[Mutant]] = {}
    for mutant in mutants:
        by_place.setdefault((mutant.module, mutant.line, mutant.column), []).append(mutant)
    chance = random.Random(seed)
    places = sorted(by_place)
    chance.shuffle(places)
    return [chance.choice(by_place[place]) for place in places[:size]]


def stages_of(module: str) -> Iterator[tuple[tuple[str, ...], bool]]:
    """Arguments for behave, and whether the scenarios need servers of their own: nearest, quick, breaking."""
    yield (*(f"features/{name}.feature" for name in NEAREST[module]), *QUICK, *SHARED_STORES), False
    others = sorted({name for some in NEAREST.values() for name in some} - set(NEAREST[module]))
    yield (*(f"features/{name}.feature" for name in others), *QUICK, *SHARED_STORES), False
    yield (*BREAKING, *QUICK, "-t", "@outage"), True


def hunt(mutant: Mutant, copy: Copy, stores: Mapping[str, str], stages: int) -> Fate:
    """Let the scenarios loose on one mutant, stage by stage."""
    begun = time.monotonic()
    change = copy.change(mutant)
    environ = {"CITADEL_GATEWAY_COMMAND": shlex.join(copy.command("-m", "support.reference.gateway"))}
    killed_by, said, met = "", "", 0
    if not copy.readable(mutant):
        copy.undo(mutant)
        return Fate(mutant.name, change, NO_PYTHON, "", 0, 0.0)
    for (arguments, own), within in zip(stages_of(mutant.module), STAGE_WITHIN_S[:stages], strict=False):
        met += 1
        given = environ if own else {**stores, **environ}
        try:
            done = behave(copy.folder / "output", *arguments, environ=given, within_s=within)
        except subprocess.TimeoutExpired:
            # Of a busy machine as well: no verdict is no kill.
            said = f"(no end within {within:g} s)"
            continue
        if done.code:
            red = failures(done.printed) or {"(the gateway does not start)": done.printed[-SHOWN:]}
            killed_by, said = next(iter(red.items()))
            break
    copy.undo(mutant)
    return Fate(mutant.name, change, killed_by, said[:SHOWN], met, round(time.monotonic() - begun, 1))


def write(fates: Sequence[Fate], about: Mapping[str, object], folder: Path) -> None:
    """``mutants.json`` for machines, ``mutants.md`` for people."""
    folder.mkdir(parents=True, exist_ok=True)
    found = {**about, "fates": [asdict(fate) for fate in fates]}
    text = json.dumps(found, indent=2, ensure_ascii=False) + "\n"
    (folder / "mutants.json").write_text(text, encoding="utf-8")
    survivors = [fate for fate in fates if not fate.killed_by]
    lines = ["# Mutants of the gateway", "", *(f"- {name}: {value}" for name, value in about.items()), ""]
    lines += ["## Survivors", ""]
    for fate in survivors:
        lines += [f"### {fate.mutant} {fate.said}".rstrip(), "", "```diff", fate.change, "```", ""]
    lines += ["## Killed", "", "| mutant | by | seconds |", "|---|---|---|"]
    lines += [
        f"| {fate.mutant} | {fate.killed_by} | {fate.seconds:.0f} |" for fate in fates if fate.killed_by
    ]
    (folder / "mutants.md").write_text("\n".join(lines) + "\n", encoding="utf-8")


def main(arguments: Sequence[str] | None = None) -> int:
    """Sample, hunt, tell. Survivors are for people to judge: the exit code is 0 whatever survives."""
    parser = argparse.ArgumentParser(prog="python -m tests.mutation", description=__doc__)
    parser.add_argument("--sample", type=int, default=100, help="at most so many mutants (100)")
    parser.add_argument("--seed", type=int, default=1, help="of the sample (1)")
    parser.add_argument("--skip", type=int, default=0, help="leave so many of the sample out (0)")
    parser.add_argument(
        "--stages", type=int, choices=(1, 2, 3), default=3, help="1 nearest, 2 quick, 3 breaking"
    )
    parser.add_argument("--only", nargs="*", default=[], metavar="PLACE", help="only those of module:line")
    parser.add_argument("--tool", type=Path, default=ROOT / ".venv-mutation/bin/cosmic-ray")
    given = list(sys.argv[1:] if arguments is None else arguments)
    options = parser.parse_args(given)
    one_at_a_time = threading.Lock()
    begun = time.monotonic()
    fates: list[Fate] = []
    with ExitStack() as stack:
        copies: SimpleQueue[tuple[Copy, dict[str, str]]] = SimpleQueue()
        for _lane in range(LANES):
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
            printed = stack.enter_context(stack_up())
            copies.put((Copy(folder, options.tool), {name: printed[name] for name in STORES}))
        first = copies.get()
        first[0].check()
        found = first[0].find(sorted(NEAREST))
        copies.put(first)
        chosen = sample(found, options.sample, options.seed)[options.skip :]
        if options.only:
            chosen = [mutant for mutant in chosen if f"{mutant.module}:{mutant.line}" in options.only]

        def one(mutant: Mutant) -> Fate:
            copy, stores = lane = copies.get()
            try:
                fate = hunt(mutant, copy, stores, options.stages)
            finally:
                copies.put(lane)
            with one_at_a_time:
                fates.append(fate)
                word = f"killed by {fate.killed_by}" if fate.killed_by else f"SURVIVED\n{fate.change}"
                told = f"[{len(fates)}/{len(chosen)}] {fate.seconds:6.1f} s  {fate.mutant}  {word}"
                print(told, flush=True)
                # After each: a hunt takes long, and may be ended.
                about = {
                    "command": f"python -m tests.mutation {' '.join(given)}",
                    "places": len(found),
                    "mutants": sum(each.killed_by != NO_PYTHON for each in fates),
                    "killed": sum(bool(each.killed_by) and each.killed_by != NO_PYTHON for each in fates),
                    "seconds": round(time.monotonic() - begun),
                }
                write(fates, about, ROOT / ".acceptance" / "results")
            return fate

        with ThreadPoolExecutor(LANES) as pool:
            try:
                list(pool.map(one, chosen))
            except BaseException:
                pool.shutdown(cancel_futures=True)
                raise
    print("see .acceptance/results/mutants.md")
    return 0


def _interrupt(_signal: int, _frame: FrameType | None) -> NoReturn:
    raise KeyboardInterrupt


if __name__ == "__main__":
    os.nice(5)
    # Like Ctrl-C, so that the stores are stopped.
    signal.signal(signal.SIGTERM, _interrupt)
    sys.exit(main())
