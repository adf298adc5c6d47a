"""Has a process of the suite killed at an aimed moment, from within: between two statements of its own.

``AIMED_KILL`` holds, as JSON, in which process (``run``, ``worker``, or a command), at which moment and which
time it comes, who dies (``self``, ``parent``, ``deadman``, ``server``: the one just started), and a file that
is made once it has happened.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
from functools import wraps
from pathlib import Path
from typing import IO, Any

MOMENTS = ("start", "started", "told")
# Those that start servers, or a run, in a process of their own.
COMMANDS = ("up", "fuzz", "flakiness")
_lock = threading.Lock()
_seen = dict.fromkeys(MOMENTS, 0)
_children: list[int] = []


def _role() -> str:
    arguments = " ".join(sys.orig_argv)
    if "support.plugins.parallel" in arguments:
        return "worker"
    if "-m behave" in arguments or "tests.kills.small run" in arguments:
        return "run"
    return next((each for each in COMMANDS if f"-m support {each}" in arguments), "other")


def take() -> None:
    """Watch this process, if it is the one that is meant."""
    told = json.loads(os.environ["AIMED_KILL"])
    if told["in"] != _role():
        return
    start = subprocess.Popen.__init__

    @wraps(start)
    def started(self: Any, *arguments: Any, **options: Any) -> None:
        _come("start", told)
        start(self, *arguments, **options)
        _children.append(self.pid)
        _come("started", told)

    subprocess.Popen.__init__ = started  # type: ignore[method-assign]
    # Its first import would be in the middle of what is watched.
    from support.lifecycle.deadman import DeadMan

    write = DeadMan._write

    @wraps(write)
    def wrote(self: DeadMan, order: Any) -> None:
        write(self, order)
        _come("told", told)

    DeadMan._write = wrote  # type: ignore[method-assign]


def _come(moment: str, told: dict[str, Any]) -> None:
    with _lock:
        _seen[moment] += 1
        if moment != told["moment"] or _seen[moment] != told["time"]:
            return
        try:
            with Path(told["file"]).open("x") as struck:
                strike(told["victims"], struck)
        except FileExistsError:
            return


def strike(victims: list[str], struck: IO[str]) -> None:
    """Kill them, this process last; ``struck`` gets who they are: some may not be there."""
    from support.isolation.processes import GUARD, carriers, own_mark

    pids = {
        "parent": [os.getppid()],
        "deadman": [each.pid for each, mark in carriers(variable=GUARD) if mark == own_mark()],
        "server": _children[-1:],
        "self": [os.getpid()],
    }
    meant = {pid for victim in victims for pid in pids[victim]}
    # What was started last may be the dead-man process.
    json.dump([name for name, some in pids.items() if meant & set(some)], struck)
    struck.flush()
    for pid in sorted(meant, key=os.getpid().__eq__):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
