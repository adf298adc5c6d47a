"""Run directories: what a run has started works in one, and with ``TEST_DATA_CLEANUP=false`` stays in it.

Only a directory that belongs to this account and that nobody else can write to is taken for one, if it has
the mark in it. Its run holds it by a lock of the kernel: every namespace that shares the directory sees that
lock, and it ends with the process, whatever ended that.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import secrets
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

from support.isolation import shared_memory, trust
from support.isolation.names import Run
from support.isolation.processes import Mark, own_mark

FILE = "kept"
VARIABLES = "variables.env"
# The mark of everything that works in the directory: only with it is a process of another account ended.
MARK = "mark"
# This process's directories, by descriptors that hold them; the lock ends with the process.
_held: dict[Path, int] = {}


def new_name(run: Run, worker: str) -> Path:
    """A directory that does not exist yet, so that its removal can be arranged before."""
    return Path(tempfile.gettempdir()) / f"{run.prefix}{worker}_{secrets.token_hex(4)}"


def make(directory: Path) -> None:
    """Make a run directory of this process. Raises ``FileExistsError``."""
    directory.mkdir(mode=0o700)
    # Before the mark, without which no sweep takes it for a run's.
    _held[directory] = held = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    fcntl.flock(held, fcntl.LOCK_EX)
    _write_secret(directory / MARK, str(own_mark()))
    # PostgreSQL may have to run as another account, which must pass through to its own directory.
    directory.chmod(0o755)


def remember(directory: Path, variables: Mapping[str, str]) -> None:
    """Have the servers that work in it kept; ``variables`` (0600) are those with which a run can use them."""
    _write_secret(directory / VARIABLES, "".join(f"{name}='{value}'\n" for name, value in variables.items()))
    (directory / FILE).touch()


def directories() -> Iterator[tuple[Path, Run]]:
    """This account's run directories in the system's temp directory, with the run that made each."""
    for path in sorted(Path(tempfile.gettempdir()).glob("at_*")):
        run = Run.of(path.name)
        if run is not None and trust.is_own_directory(path) and _mark_of(path) is not None:
            yield path, run


def abandoned(directory: Path) -> bool:
    """Whether no living process holds the directory."""
    with _lock(directory, fcntl.LOCK_SH) as free:
        return free


@contextlib.contextmanager
def seized(directory: Path) -> Iterator[bool]:
    """Hold the directory of a dead run inside; False where its run lives or another sweep is at work."""
    with _lock(directory, fcntl.LOCK_EX) as ours:
        yield ours


def proves_death(directory: Path) -> bool:
    """Whether its run is known to be dead: an abandoned one may be a copy, as in a cloned machine."""
    mark = _mark_of(directory)
    return mark is not None and mark.dead()


def is_kept(directory: Path) -> bool:
    """Whether the directory was left on purpose."""
    return (directory / FILE).exists()


def marks(*, kept_only: bool = False) -> set[Mark]:
    """The marks of what works in all run directories, or only in those left on purpose."""
    return {
        mark
        for path, _run in directories()
        if (is_kept(path) or not kept_only) and (mark := _mark_of(path)) is not None
    }


def remove(directory: Path) -> None:
    """Remove it, and what PostgreSQL has left in memory; the servers that work in it have ended before."""
    shared_memory.release(directory)
    shutil.rmtree(directory, ignore_errors=True)
    if (held := _held.pop(directory, None)) is not None:
        os.close(held)


@contextlib.contextmanager
def _lock(directory: Path, kind: int) -> Iterator[bool]:
    """Whether the lock could be had; it is held inside."""
    try:
        descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    except OSError:
        yield False
        return
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
        ours = True
    except BlockingIOError:
        ours = False
    try:
        yield ours
    finally:
        os.close(descriptor)


def _mark_of(directory: Path) -> Mark | None:
    with contextlib.suppress(FileNotFoundError, trust.NotTrusted):
        return Mark.of(trust.read(directory / MARK))
    return None


def _write_secret(file: Path, text: str) -> None:
    with open(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600), "w") as output:
        output.write(text)
