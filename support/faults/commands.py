"""Faults by the user's own programs: CITADEL_FAULT_COMMANDS names a TOML file with a pair for each fault.

    within_s = 20                      # what a program may take; optional

    [redis.frozen]
    do = "docker pause citadel-redis"
    undo = "docker unpause citadel-redis"
    check = "test-that-redis-is-paused"  # optional: ends with 0 while the fault is in force

A program is run with its arguments, never by a shell.
"""

from __future__ import annotations

import shlex
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from support.faults import rollbacks
from support.faults.fault_types import TARGETS, kinds_of
from support.faults.injectors import Link
from support.faults.rollbacks import Rollback, RollbackFailed
from support.isolation.processes import Mark, fresh_mark
from support.waiting import eventually

WITHIN_S = 20.0
LONGEST_WITHIN_S = 120.0
# How long a fault that was done is given until its check sees it.
SEEN_WITHIN_S = 10.0
PARTS = {"do", "undo", "check"}


class CommandsError(Exception):
    """The file cannot be used; the message says where and why."""


@dataclass(frozen=True, slots=True)
class Pair:
    """How one fault is done and undone; ``check`` tells whether it is in force."""

    do: tuple[str, ...]
    undo: tuple[str, ...]
    check: tuple[str, ...] = ()
    within_s: float = WITHIN_S


class ProgramsEnder(Protocol):
    """Ends a program that is still running when the suite is dead."""

    def end_program(self, mark: Mark) -> str: ...

    def forget(self, registration: str) -> None: ...


Pairs = Mapping[tuple[str, str], Pair]


def load(file: str | None) -> Pairs:
    """The pairs by target and kind; none without a file. Raises ``CommandsError``."""
    if file is None:
        return {}
    try:
        document = tomllib.loads(Path(file).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise CommandsError(f"{file}: {error}") from None
    within_s = document.pop("within_s", WITHIN_S)
    if isinstance(within_s, bool) or not isinstance(within_s, int | float) or not 0 < within_s <= 120:
        raise CommandsError(f"{file}: within_s is a number of seconds up to {LONGEST_WITHIN_S:g}")
    pairs = {}
    for target, kinds in document.items():
        if target not in TARGETS:
            raise CommandsError(f"{file}: no such target: [{target}]; known are: {', '.join(TARGETS)}")
        for kind, parts in kinds.items() if isinstance(kinds, dict) else [("", kinds)]:
            if kind not in kinds_of(target):
                known = ", ".join(kinds_of(target))
                raise CommandsError(f"{file}: no such fault of {target}: {kind!r}; known are: {known}")
            pairs[target, kind] = _pair(f"{file}: [{target}.{kind}]", parts, float(within_s))
    return pairs


def _pair(place: str, parts: Any, within_s: float) -> Pair:
    if not isinstance(parts, dict) or not {"do", "undo"} <= parts.keys() <= PARTS:
        raise CommandsError(f"{place} needs do and undo, may have check, and has nothing else")
    words = {name: _words(f"{place}: {name}", line) for name, line in parts.items()}
    return Pair(words["do"], words["undo"], words.get("check", ()), within_s)


def _words(place: str, line: Any) -> tuple[str, ...]:
    try:
        words = tuple(shlex.split(line)) if isinstance(line, str) else ()
    except ValueError as error:
        raise CommandsError(f"{place}: {error}") from None
    if not words:
        raise CommandsError(f"{place} is not a program with its arguments")
    return words


class Commanded:
    """A fault made by programs. Hits without a check: what the link sees arriving, else the injection."""

    def __init__(self, pair: Pair, link: Link | None, reaper: ProgramsEnder | None = None) -> None:
        self._pair = pair
        self._reaper = reaper
        self._link = link
        self._before: int | None = None
        self._done = False

    def check(self) -> None:
        if self._pair.check and self._seen():
            raise RollbackFailed(f"{' '.join(self._pair.check)!r} says that it is in force already")

    def do(self) -> None:
        self._before = self._link.arrivals() if self._link else None
        self._run(self._pair.do)
        if self._pair.check:
            what = f"{' '.join(self._pair.check)!r} sees the fault"
            eventually(self._seen, bool, within=SEEN_WITHIN_S, what=what)
        self._done = True

    def undo(self) -> None:
        rollbacks.carry_out(self.rollback())
        self._done = False

    def rollback(self) -> Rollback:
        return rollbacks.by_program(self._pair.undo, self._pair.within_s)

    def hits(self) -> int:
        if not self._done or (self._pair.check and not self._seen()):
            return 0
        now = self._link.arrivals() if self._link else None
        return 1 if now is None or self._before is None else now - self._before

    def _seen(self) -> bool:
        try:
            self._run(self._pair.check)
        except RollbackFailed:
            return False
        return True

    def _run(self, arguments: Sequence[str]) -> None:
        """Run a program; should the suite die meanwhile, it is ended before the fault is undone."""
        mark = fresh_mark()
        registration = self._reaper.end_program(mark) if self._reaper else ""
        try:
            rollbacks.run(arguments, self._pair.within_s, mark)
        finally:
            if self._reaper:
                self._reaper.forget(registration)
