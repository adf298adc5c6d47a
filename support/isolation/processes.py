"""Who a process is, and which processes belong to a run that is dead.

The number of a process is given to another one some time later, and clocks are set back and forth; number and
start in the kernel's ticks since the machine was started are one process and no other.

Everything that a process of the suite starts inherits its mark in the environment, also what puts itself in
the background. A mark names the process that made it, so that everybody can see whether that one still lives.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import secrets
import select
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import psutil

from support.waiting import NotYet, eventually

# What everything carries that a process of the suite starts, and what its dead-man process carries instead.
MARK, GUARD = "CITADEL_ACCEPTANCE_RUN", "CITADEL_ACCEPTANCE_GUARD"
# What a program of the user carries instead: what it leaves running is the user's, once it has ended.
PROGRAM = "CITADEL_ACCEPTANCE_PROGRAM"
# What everything carries besides that one server has started.
SERVER = "CITADEL_ACCEPTANCE_SERVER"
# Number of the signal by which a server would like to be ended; what does not heed it is killed.
LAST = "CITADEL_ACCEPTANCE_LAST"
HEEDED_WITHIN_S = 2.0
ENDED_WITHIN_S = 10.0
# A process that is being started has for a moment still the environment of the one that starts it.
QUIET_S = 0.5
# How long the dead-man process of a dead run may take to undo everything.
GUARDED_WITHIN_S = 30.0
_TEXT = re.compile(r"([0-9a-f-]{36}\.\d+)/([0-9a-f]{8})/(\d{1,9})\.(\d{1,20})/([0-9a-f]{16})")


@dataclass(frozen=True, slots=True)
class Identity:
    """One process: its number and its start in ticks since the machine was started."""

    pid: int
    ticks: int

    @classmethod
    def of(cls, pid: int) -> Identity | None:
        """The living process of this number; None for none, and for one that only waits to be collected."""
        try:
            state, *others = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()
        except (OSError, ValueError):
            return None
        return None if state in (b"Z", b"X") else cls(pid, int(others[18]))

    @classmethod
    def own(cls) -> Identity:
        """This process."""
        own = cls.of(os.getpid())
        assert own is not None, "/proc shows the processes of another namespace"
        return own

    def name(self) -> str:
        """The name of its program; empty if it is gone."""
        with contextlib.suppress(psutil.Error):
            return psutil.Process(self.pid).name()
        return ""

    def lives(self) -> bool:
        """Whether it still runs."""
        return Identity.of(self.pid) == self

    def signal(self, number: int) -> None:
        """Send a signal to this process and no other; nothing happens if it is gone."""
        with contextlib.suppress(OSError):
            handle = os.pidfd_open(self.pid)
            try:
                # From here on the number cannot be given away unnoticed.
                if self.lives():
                    signal.pidfd_send_signal(handle, number)
            finally:
                os.close(handle)


@dataclass(frozen=True, slots=True)
class Mark:
    """What belongs to one process of the suite: where it runs, who it is, a word that nobody can guess.

    ``temp`` stands for its temp directory: a sweep looks for run directories in one, and for their processes.
    """

    place: str
    temp: str
    owner: Identity
    word: str

    @classmethod
    def of(cls, text: str) -> Mark | None:
        """The mark of this text, or None if it is none."""
        match = _TEXT.fullmatch(text)
        if match is None:
            return None
        return cls(match[1], match[2], Identity(int(match[3]), int(match[4])), match[5])

    @classmethod
    def carried_by(cls, pid: int, variable: str = MARK) -> Mark | None:
        """The mark with which a process was started; None if there is none or it may not be read."""
        text = _started_with(pid, variable)
        return None if text is None else cls.of(text)

    def __str__(self) -> str:
        return f"{self.place}/{self.temp}/{self.owner.pid}.{self.owner.ticks}/{self.word}"

    def dead(self) -> bool:
        """Whether its owner is known to be gone: never so for one of another machine or pid namespace."""
        return self.place == _place() and not self.owner.lives()


_own: Mark | None = None


def own_mark() -> Mark:
    """This process's mark, which everything carries that it starts from now on."""
    global _own
    if _own is None or _own.owner.pid != os.getpid():
        _own = Mark(_place(), _temp(), Identity.own(), secrets.token_hex(8))
        os.environ[MARK] = str(_own)
    return _own


def fresh_mark() -> Mark:
    """A mark for one server or program that this process starts."""
    return replace(own_mark(), word=secrets.token_hex(8))


def environment_of_program(mark: Mark | None) -> dict[str, str]:
    """The environment for a program of the user: without what the suite's own processes carry."""
    environment = {name: value for name, value in os.environ.items() if name not in (MARK, GUARD, PROGRAM)}
    return environment if mark is None else {**environment, PROGRAM: str(mark)}


def end_with_owner(within: float) -> None:
    """Interrupt this process (SIGTERM) when the process of the suite that started it is gone.

    What has not unwound ``within`` seconds ends at once; its dead-man process does the rest. Nothing happens
    to a process that was not started by the suite: a shell may end and leave its programs running.
    """
    mark = Mark.carried_by(os.getpid())
    if mark is not None and mark.place == _place():
        threading.Thread(target=_follow, args=(mark.owner, within), name="owner", daemon=True).start()


def _follow(owner: Identity, within: float) -> None:
    with contextlib.suppress(ProcessLookupError):
        handle = os.pidfd_open(owner.pid)
        try:
            if owner.lives():
                select.select([handle], [], [])
        finally:
            os.close(handle)
    with contextlib.suppress(OSError):
        print("interrupted: the process that started this run is gone", file=sys.stderr, flush=True)
    end = threading.Timer(within, os._exit, (1,))
    end.daemon = True
    end.start()
    os.kill(os.getpid(), signal.SIGTERM)


def carriers(known: Collection[Mark] = (), variable: str = MARK) -> Iterator[tuple[Identity, Mark]]:
    """Processes with a mark, in this pid namespace and of this temp directory, without this one.

    Of other accounts only those whose mark is ``known`` from a source that only this account can write to:
    anybody can put a mark that he has seen into an environment.
    """
    place, temp, namespace = _place(), _temp(), _namespace("self")
    for pid in psutil.pids():
        identity = Identity.of(pid)
        if identity is None or pid == os.getpid():
            continue
        mark = Mark.carried_by(pid, variable)
        if mark is None or mark.place != place or _namespace(str(pid)) != namespace:
            continue
        with contextlib.suppress(psutil.Error):
            ours = mark.temp == temp and set(psutil.Process(pid).uids()) == {os.getuid()}
            if (ours or mark in known) and identity.lives():
                yield identity, mark


def left_by_the_dead(known: Collection[Mark] = ()) -> Iterator[tuple[Identity, Mark]]:
    """What dead processes of the suite have left running, dead-man processes included."""
    for variable in (MARK, GUARD):
        yield from ((each, mark) for each, mark in carriers(known, variable) if mark.dead())


def end_what_dead_runs_left(
    known: Collection[Mark] = (), spared: Collection[Mark] = (), owner: Identity | None = None
) -> list[int]:
    """End what the dead have left running, but for ``spared`` marks; the numbers of what was ended.

    Who is still at work on it may first do what it can: dead-man processes, and workers that clean up.
    ``owner``: only what this one has left. Raises ``NotYet`` if some do not end.
    """
    ended: set[Identity] = set()
    marks = {mark for _, mark in left_by_the_dead(known) if owner in (None, mark.owner)} - set(spared)
    while marks:
        fresh = _end_all_of(marks, known)
        ended |= fresh
        # What was ended may have had processes of its own.
        marks = {mark for _, mark in left_by_the_dead(known) if mark.owner in fresh}
    return sorted(each.pid for each in ended)


def _end_all_of(marks: Collection[Mark], known: Collection[Mark]) -> set[Identity]:
    def at_work() -> list[int]:
        guards = list(carriers(known, GUARD))
        guarded = {mark.owner for _, mark in guards}
        theirs = [each for each, mark in guards if mark in marks]
        theirs += [each for each, mark in carriers(known) if mark in marks and each in guarded]
        return [each.pid for each in theirs]

    with contextlib.suppress(NotYet):
        eventually(
            at_work,
            lambda pids: not pids,
            within=GUARDED_WITHIN_S,
            what="who is left of the dead runs has cleaned up",
        )
    return end(
        lambda: [
            each for variable in (MARK, GUARD) for each, mark in carriers(known, variable) if mark in marks
        ]
    )


def end(look: Callable[[], Collection[Identity]]) -> set[Identity]:
    """End every process that ``look`` finds, with descendants and sessions; by ``LAST`` first, if it has one.

    Looks again until there was nothing for a moment: one may start another in its last moment. Returns all
    that were ended. Raises ``NotYet`` if some do not end.
    """
    seen: set[Identity] = set()
    asked: dict[Identity, float] = {}
    quiet_since = time.monotonic()

    def left() -> list[int]:
        nonlocal quiet_since
        found = _with_descendants(look()) | {each for each in seen if each.lives()}
        now = time.monotonic()
        for each in found:
            seen.add(each)
            if each not in asked and (last := _last_signal(each)) is not None:
                asked[each] = now
                # One that stands still heeds nothing.
                each.signal(signal.SIGCONT)
                each.signal(last)
        heeding = {each for each, at in asked.items() if now < at + HEEDED_WITHIN_S and each.lives()}
        spared = heeding | {child for child in _with_descendants(heeding) if child in found}
        for each in found - spared:
            each.signal(signal.SIGKILL)
        if found:
            quiet_since = now
        return sorted(each.pid for each in found)

    eventually(
        left,
        lambda pids: not pids and time.monotonic() - quiet_since >= QUIET_S,
        within=ENDED_WITHIN_S,
        what="all processes have ended",
    )
    return seen


def _with_descendants(roots: Collection[Identity]) -> set[Identity]:
    """These, what descends from them, and what is in their sessions.

    Never this process, and no dead-man process that was not named: it is to undo what its suite has left.
    """
    found: set[Identity] = set()
    sessions = {each.pid for each in roots}
    for each in roots:
        with contextlib.suppress(psutil.Error):
            children = psutil.Process(each.pid).children(recursive=True) if each.lives() else []
            found |= {child for child in (Identity.of(process.pid) for process in children) if child}
    for pid in psutil.pids() if sessions else ():
        with contextlib.suppress(OSError):
            if os.getsid(pid) in sessions and (member := Identity.of(pid)) is not None:
                found.add(member)
    found = {each for each in found if _started_with(each.pid, GUARD) is None}
    return {each for each in found | set(roots) if each.pid != os.getpid()}


def _last_signal(process: Identity) -> int | None:
    text = _started_with(process.pid, LAST)
    return int(text) if text is not None and re.fullmatch(r"\d{1,2}", text) else None


def _started_with(pid: int, variable: str) -> str | None:
    """The value of a variable in the environment with which a process was started."""
    start = f"{variable}=".encode()
    with contextlib.suppress(OSError):
        for entry in Path(f"/proc/{pid}/environ").read_bytes().split(b"\0"):
            if entry.startswith(start):
                return entry[len(start) :].decode("ascii", "replace")
    return None


def _place() -> str:
    """Machine (since its start) and pid namespace: within one place a number and ticks are one process."""
    return f"{Path('/proc/sys/kernel/random/boot_id').read_text().strip()}.{_namespace('self')}"


def _temp() -> str:
    """What stands for the temp directory of this process."""
    return hashlib.sha256(os.fsencode(tempfile.gettempdir())).hexdigest()[:8]


def _namespace(pid: str) -> str:
    """The number of a process's pid namespace; empty if it may not be seen."""
    with contextlib.suppress(OSError):
        return re.sub(r"\D", "", os.readlink(f"/proc/{pid}/ns/pid"))
    return ""


def lives(process: psutil.Process) -> bool:
    """Whether it still runs; a zombie only waits for its parent, which may never collect it."""
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
