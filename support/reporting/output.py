"""The folder of all results of a run: one run at a time, nobody else's files, nothing of a former run."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
from pathlib import Path

from support.printable import printable
from support.settings import ROOT

DEFAULT = ROOT / ".acceptance"
# Says that a folder is the suite's; locked by the process that writes results there.
MARK = ".citadel-acceptance"
TOLD = (
    "Results of Citadel Acceptance. A run replaces the results of the one before and touches nothing else.\n"
)
ALLURE, JUNIT, LOGS, REPORT = "allure-results", "junit", "logs", "report"
FOLDERS = (ALLURE, JUNIT, LOGS, REPORT)
SUMMARY = Path("results", "summary.json")
DOCUMENT = Path("results", "Integration_Testing_Results.md")
RECORD = Path("results", "shard.json")
FILES = (SUMMARY, DOCUMENT, RECORD)


class NotUsable(Exception):
    """Results cannot be written there; the message says why and what to do."""


class FolderClaim:
    """A folder that this process has for itself, until it ends or lets go."""

    def __init__(self, folder: Path, lock: int) -> None:
        self.folder = folder
        self._lock = lock

    def release(self) -> None:
        """Let others have the folder."""
        os.close(self._lock)


def claim(folder: Path, named_by: str) -> FolderClaim:
    """Take ``folder``, which is made if need be, and remove the results of a former run from it.

    ``named_by`` is the option that the messages name. Raises ``NotUsable``, before anything was removed, if
    the folder is another's, if a run is at work there or if it may not be written.
    """
    remedy = f"name a folder with {named_by} that is new, empty or of an earlier run"
    try:
        mark(folder)
        lock = os.open(folder / MARK, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o644)
    except NotOurs:
        raise NotUsable(f"{_shown(folder)} holds files that no run of this suite made: {remedy}") from None
    except OSError as error:
        raise NotUsable(f"{_shown(folder)} may not be written ({error.strerror}): {remedy}") from None
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        # Its time tells when the last run began to write.
        os.utime(lock)
        _clean(folder)
    except BlockingIOError:
        os.close(lock)
        raise NotUsable(
            f"another run is writing its results into {_shown(folder)}: wait for its end, or {remedy}"
        ) from None
    except OSError as error:
        os.close(lock)
        raise NotUsable(f"{_shown(folder)} may not be written ({error.strerror}): {remedy}") from None
    return FolderClaim(folder, lock)


class NotOurs(Exception):
    """The folder holds files and is not marked as the suite's."""


def mark(folder: Path) -> None:
    """Make the folder if need be, and mark it as the suite's. Raises ``NotOurs`` or ``OSError``."""
    folder.mkdir(parents=True, exist_ok=True)
    if (folder / MARK).exists():
        return
    # The default folder has never been anything else.
    if any(folder.iterdir()) and folder.resolve() != DEFAULT.resolve():
        raise NotOurs
    (folder / MARK).write_text(TOLD, encoding="utf-8")


def began(folder: Path) -> int:
    """When a run last took the folder (nanoseconds of the clock); 0 if none ever did."""
    with contextlib.suppress(OSError):
        return (folder / MARK).stat().st_mtime_ns
    return 0


def _clean(folder: Path) -> None:
    for name in FOLDERS:
        path = folder / name
        if path.is_symlink() or path.is_file():
            path.unlink()
        elif path.exists():
            shutil.rmtree(path)
    for file in FILES:
        (folder / file).unlink(missing_ok=True)


def _shown(folder: Path) -> str:
    return printable(str(folder))
