"""Processes that one remembers by number and start: a number is given to another process some time later."""

from __future__ import annotations

import psutil

# The system tells the start of a process to a hundredth of a second; a file may have rounded it.
SAME_START_S = 1.0


def find(pid: int, created: float) -> psutil.Process | None:
    """The process of this number that was started then (Unix time); None if it is gone."""
    try:
        process = psutil.Process(pid)
        return process if abs(process.create_time() - created) <= SAME_START_S else None
    except psutil.NoSuchProcess:
        return None


def lives(process: psutil.Process) -> bool:
    """Whether it still runs; a zombie only waits for its parent, which may never collect it."""
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
