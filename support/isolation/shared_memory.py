"""The little memory that PostgreSQL asks the system for, which stays when PostgreSQL is killed outright."""

from __future__ import annotations

import contextlib
import ctypes
import re
from pathlib import Path

_IPC_RMID = 0
# In the seventh line of its lock file PostgreSQL notes key and number of the memory, after its own number:
# with a minus while it prepares the directory.
_NOTED = re.compile(r"-?(\d+)\n(?:.*\n){5} *(\d+) +(\d+)\n")


def release(directory: Path) -> None:
    """Give back what a PostgreSQL that had its data in ``directory`` has left, unless somebody uses it."""
    for file in directory.glob("*/postmaster.pid"):
        with contextlib.suppress(OSError, UnicodeDecodeError):
            if noted := _NOTED.match(file.read_text()):
                _release(*map(int, noted.groups()))


def _release(maker: int, key: int, number: int) -> None:
    for line in Path("/proc/sysvipc/shm").read_text().splitlines()[1:]:
        segment = dict(
            zip(("key", "number", "mode", "size", "maker", "last", "users"), line.split(), strict=False)
        )
        if (segment["key"], segment["number"], segment["maker"], segment["users"]) == (
            str(key),
            str(number),
            str(maker),
            "0",
        ):
            ctypes.CDLL(None, use_errno=True).shmctl(number, _IPC_RMID, None)
