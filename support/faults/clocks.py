"""Servers whose clocks are wrong: libfaketime, loaded before a server, answers it when it asks for the time.

Only the time of day is changed; what measures durations (the monotonic clock) stays right, as on a machine
whose clock was set by hand.
"""

from __future__ import annotations

import contextlib
import platform
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import psutil

# The package holds a library for this kind of machine only (libfaketime 3.0.1 on PyPI).
BUILT_FOR = ("Linux", "x86_64")
SHARED_MEMORY = Path("/dev/shm")


@dataclass(frozen=True, slots=True)
class Clock:
    """``tell`` asks a server for its time, in seconds of Unix time; ``library`` can be loaded before it."""

    tell: Callable[[], float]
    library: Path


def why_right() -> str | None:
    """Why no clock can be made wrong on this machine; None where it can."""
    here = (platform.system(), platform.machine())
    if here == BUILT_FOR:
        return None
    return f"libfaketime is built for {' on '.join(BUILT_FOR)}, this is {' on '.join(here)}"


def settings(library: Path, off_s: int) -> dict[str, str]:
    """Environment variables of a server whose clock is off by so many seconds."""
    return {"LD_PRELOAD": str(library), "FAKETIME": f"{off_s:+d}s", "FAKETIME_DONT_FAKE_MONOTONIC": "1"}


def without(environment: Mapping[str, str]) -> dict[str, str]:
    """The same variables for a server whose clock is right."""
    return {name: value for name, value in environment.items() if name not in settings(Path(), 0)}


def tidy(pid: int) -> None:
    """Remove the names of what libfaketime shares in memory.

    A server that is killed would leave them behind; that which runs has it open and needs no name.
    """
    with contextlib.suppress(psutil.NoSuchProcess):
        server = psutil.Process(pid)
        for process in (server, *server.children(recursive=True)):
            for name in (f"faketime_shm_{process.pid}", f"sem.faketime_sem_{process.pid}"):
                (SHARED_MEMORY / name).unlink(missing_ok=True)
