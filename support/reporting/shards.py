"""A run divided among machines: which feature files each takes, and one result put together from all."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import jsonschema

from support.options import one_line
from support.printable import as_json
from support.reporting import results, write_errors
from support.reporting.output import ALLURE, FOLDERS, JUNIT, RECORD, claim
from support.reporting.results import Figures, ScenarioResult

COPIED = (ALLURE, JUNIT)
# Seconds that a scenario may take, by its tags: a guess that is the same on every machine.
SLOW_S, OUTAGE_S, ORDINARY_S = 30.0, 5.0, 0.5
NUMBER = {"type": "number", "minimum": 0, "maximum": 1e12}
COUNT = {"type": "integer", "minimum": 0}
TEXT = {"type": "string"}
SCHEMA = {
    "type": "object",
    "required": ["shard", "plan", "code", "seed", "wall_s", "broken", "parts", "outcomes"],
    "properties": {
        "shard": {
            "type": "object",
            "required": ["number", "of"],
            "properties": {
                "number": {"type": "integer", "minimum": 1},
                "of": {"type": "integer", "minimum": 1},
            },
        },
        "plan": {"type": "object", "additionalProperties": COUNT},
        "code": TEXT,
        "seed": COUNT,
        "wall_s": NUMBER,
        "broken": COUNT,
        "parts": {
            "type": "array",
            "minItems": 1,
            "items": {
                "type": "object",
                "properties": {
                    "mode": TEXT,
                    "wall_s": {**NUMBER, "exclusiveMinimum": 0},
                    "busy_s": NUMBER,
                    "seen": {
                        "type": "array",
                        "items": {"type": "array", "prefixItems": [TEXT, COUNT, COUNT], "minItems": 3},
                    },
                    "agreeing": COUNT,
                    "union": COUNT,
                    "audits": COUNT,
                    "findings": COUNT,
                    "performance": {"type": "object", "additionalProperties": {"type": "object"}},
                    "start_s": {"type": "object", "additionalProperties": NUMBER},
                    "outages": {"type": "array", "items": {"type": "object"}},
                },
            },
        },
        "outcomes": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {
                    **dict.fromkeys(("area", "name", "location", "status", "reason", "longest_step"), TEXT),
                    "seconds": NUMBER,
                    "longest_step_s": NUMBER,
                    "tags": {"type": "array", "items": TEXT},
                },
            },
        },
    },
}
# While a feature runs alone, the other workers of its machine have nothing to do.
ALONE_COUNTS = 2.0


class NotDivided(Exception):
    """A run cannot be divided like this; the message says why."""


class NotMerged(Exception):
    """Results do not belong together, or some are missing; the message says which."""


@dataclass(frozen=True, slots=True)
class Shard:
    """Part ``number`` (from 1) of the ``of`` parts of a run."""

    number: int
    of: int

    @classmethod
    def parse(cls, text: str) -> Shard:
        """``2/3``. Raises ``NotDivided`` for anything else."""
        match = re.fullmatch(r"(\d{1,3})/(\d{1,3})", text)
        if match is None or not 1 <= int(match[1]) <= int(match[2]):
            raise NotDivided(f"shard={text} is no part of a run; the second of three parts is shard=2/3")
        return cls(int(match[1]), int(match[2]))

    def __str__(self) -> str:
        return f"{self.number}/{self.of}"


def guess(tags: Collection[str]) -> float:
    """Seconds that a scenario with these tags may take."""
    if "slow" in tags:
        return SLOW_S
    return OUTAGE_S if "outage" in tags else ORDINARY_S


def divide(seconds: Mapping[str, float], alone: Sequence[str], of: int) -> dict[str, int]:
    """The part that takes each feature file: the longest first, each to the part with least to do.

    The same files and times give the same answer on every machine. Raises ``NotDivided`` if a part would have
    nothing to do.
    """
    if len(seconds) < of:
        raise NotDivided(f"{len(seconds)} feature files are selected: too few for {of} parts")
    loads = dict.fromkeys(range(1, of + 1), 0.0)
    counts = dict.fromkeys(loads, 0)
    plan: dict[str, int] = {}
    weights = {file: took * (ALONE_COUNTS if file in alone else 1.0) for file, took in seconds.items()}
    for file in sorted(weights, key=lambda each: (-weights[each], each)):
        # By the number of files where the times do not tell.
        part = min(loads, key=lambda each: (loads[each], counts[each], each))
        plan[file] = part
        loads[part] += weights[file]
        counts[part] += 1
    return plan


@dataclass(frozen=True, slots=True)
class Record:
    """What one machine has to tell: its part, the plan and the code it went by, and all it measured."""

    shard: Shard
    plan: dict[str, int]
    code: str
    seed: int
    wall_s: float
    broken: int
    parts: list[Figures]
    outcomes: list[ScenarioResult]

    def write(self, output: Path, redact: Callable[[str], str]) -> None:
        """Beside the other results of the machine."""
        content = asdict(self)
        for part in content["parts"]:
            part["seen"] = [[operation, status, n] for (operation, status), n in part["seen"].items()]
        path = output / RECORD
        with write_errors.kept(str(path)):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(redact(as_json(content, indent=1)), encoding="utf-8")

    @classmethod
    def read(cls, output: Path) -> Record:
        """The record of the results in ``output``. Raises ``NotMerged`` if there is none."""
        path = output / RECORD
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
            jsonschema.validate(content, SCHEMA)
            return cls(
                **{
                    **content,
                    "shard": Shard(**content["shard"]),
                    "parts": [_figures(part) for part in content["parts"]],
                    "outcomes": [
                        ScenarioResult(**{**each, "tags": tuple(each["tags"])})
                        for each in content["outcomes"]
                    ],
                }
            )
        except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
            raise NotMerged(_not_a_record(path, error)) from None
        except jsonschema.ValidationError as error:
            where = "/".join(map(str, error.absolute_path)) or "all of it"
            raise NotMerged(_not_a_record(path, f"{where} is not as it should be")) from None


def _not_a_record(path: Path, reason: object) -> str:
    return one_line(f"{path} is no record of a part of a run: {reason}")


def _figures(content: dict[str, Any]) -> Figures:
    return Figures(
        **{**content, "seen": {(operation, status): n for operation, status, n in content["seen"]}}
    )


def merge(folders: Sequence[Path], output: Path, redact: Callable[[str], str] = str) -> tuple[str, bool]:
    """Put the results of all parts of one run into ``output``; returns the closing table and the verdict.

    It is good if nothing failed or broke and nothing was left out. Raises ``NotMerged`` before anything is
    written if the parts are not those of one run, or if one is missing.
    """
    if any(folder.resolve() == output.resolve() for folder in folders):
        raise NotMerged(f"{output} cannot be a part and the whole; name another place with --output")
    inside = [folder for folder in folders if _is_replaced(folder, output)]
    if inside:
        raise NotMerged(f"{inside[0]} is replaced by the whole: name another place with --output")
    records = sorted((Record.read(folder) for folder in folders), key=lambda each: each.shard.number)
    _belong_together(records)
    held = claim(output, "--output")
    for name in COPIED:
        for folder in folders:
            if (folder / name).is_dir():
                # Allure's names are unique; JUnit's are those of the features, each of which ran in one part.
                shutil.copytree(folder / name, output / name, dirs_exist_ok=True)
    outcomes = [replace(each, seed=record.seed) for record in records for each in record.outcomes]
    parts = [part for record in records for part in record.parts]
    wall_s = max(record.wall_s for record in records)
    where = f"{output}/results, {output}/allure-results"
    table = results.write(parts, outcomes, wall_s, output, where, redact, records[0].seed)
    held.release()
    unfinished = [outcome.name for outcome in outcomes if outcome.status == "untested"]
    broken = [str(record.shard) for record in records if record.broken]
    lines = [table]
    lines += [f"  not run        {name}" for name in unfinished]
    lines += [f"  broken         part {part}, outside of its scenarios" for part in broken]
    good = not unfinished and not broken and all(each.verdict != "failed" for each in outcomes)
    return "\n".join(lines), good


def _is_replaced(folder: Path, output: Path) -> bool:
    return any(folder.resolve().is_relative_to(output.resolve() / name) for name in (*FOLDERS, "results"))


def _belong_together(records: Sequence[Record]) -> None:
    first = records[0]
    numbers = [record.shard.number for record in records]
    if any(record.shard.of != first.shard.of for record in records):
        raise NotMerged(f"parts of different runs: {', '.join(str(record.shard) for record in records)}")
    missing = sorted(set(range(1, first.shard.of + 1)) - set(numbers))
    if missing:
        raise NotMerged(f"missing: {', '.join(f'{number}/{first.shard.of}' for number in missing)}")
    if len(set(numbers)) < len(numbers):
        raise NotMerged(f"a part is there twice: {', '.join(str(record.shard) for record in records)}")
    for record in records[1:]:
        if record.code != first.code:
            raise NotMerged(f"parts {first.shard} and {record.shard} ran different code")
        if record.plan != first.plan:
            raise NotMerged(
                f"parts {first.shard} and {record.shard} went by different plans: give all the same selection"
                " and the same shard_times"
            )
    for record in records:
        ran = {outcome.file for outcome in record.outcomes}
        due = {file for file, part in record.plan.items() if part == record.shard.number}
        if ran != due:
            raise NotMerged(
                f"part {record.shard} has no results of {', '.join(sorted(due - ran)) or 'its own'}"
            )
