"""Faults on servers of others that nobody is left to end: a run's machine or dead-man process has died.

While such a fault is in force its rollback stands in a file that only this account can read: it may hold a
password. It outlives a restart of the machine; the next run or ``python -m support clean`` ends the fault.
Who wrote the file holds a lock on it as long as it lives, whatever machine or container it is in.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import secrets
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, Any

from support.faults import rollbacks
from support.isolation import trust
from support.redaction import Secrets
from support.settings import ROOT

FOLDER = ROOT / ".acceptance" / "faults"
_NAME = f"{os.getpid()}-{secrets.token_hex(4)}.json"
# This process's files, locked; the lock ends with the process.
_held: dict[Path, IO[str]] = {}


def remember(faults: Sequence[Mapping[str, Any]], folder: Path = FOLDER) -> None:
    """Keep ``fault`` and ``rollback`` of each, as of this process; where there are none, leave nothing."""
    file = folder / _NAME
    if not faults:
        file.unlink(missing_ok=True)
        if (former := _held.pop(file, None)) is not None:
            former.close()
        return
    folder.mkdir(parents=True, exist_ok=True)
    # What others can write here is not believed.
    folder.chmod(0o700)
    fresh = file.with_suffix(".new")
    output = os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600), "w")
    fcntl.flock(output, fcntl.LOCK_EX)
    json.dump([{"fault": each["fault"], "rollback": each["rollback"]} for each in faults], output)
    output.flush()
    os.fsync(output.fileno())
    fresh.replace(file)
    former, _held[file] = _held.get(file), output
    if former is not None:
        former.close()


def of_the_dead(folder: Path = FOLDER) -> Iterator[Path]:
    """The files of processes that are no more, and what no process can have written properly."""
    for file in sorted(folder.glob("*.json")):
        with contextlib.suppress(FileNotFoundError):  # another run was faster
            with _taken(file) as taken:
                pass
            if taken:
                yield file


def end(file: Path) -> list[str]:
    """End them, newest first; a line for each. What cannot be ended stays in the file for another time."""
    try:
        with _taken(file) as taken:
            return _end(file) if taken else []
    except FileNotFoundError:
        return []  # another run was faster
    except trust.NotTrusted as reason:
        return [f"faults that a dead run left were not ended, because {reason}; look at it and remove it"]


def _end(file: Path) -> list[str]:
    lines: list[str] = []
    left: list[Mapping[str, Any]] = []
    for each in reversed(_read(file)):
        secrets = Secrets()
        secrets.add_password_of(each["rollback"].get("url"), "password")
        try:
            rollbacks.carry_out(each["rollback"])
            lines.append(f"ended the fault {each['fault']} that a dead run had left")
        except Exception as error:
            left.insert(0, each)
            reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
            lines.append(
                secrets.redact(
                    f"the fault {each['fault']} of a dead run could not be removed: {reason};"
                    f" rolled back by: {rollbacks.described(each['rollback'])}"
                )
            )
    if left:
        file.write_text(json.dumps(left))
    else:
        file.unlink(missing_ok=True)
    return lines


@contextlib.contextmanager
def _taken(file: Path) -> Iterator[bool]:
    """Whether nobody who lives holds the file; meanwhile it is held here. Raises ``FileNotFoundError``."""
    try:
        handle = os.open(file, os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        raise
    except OSError:
        # Nothing that the suite has written: reading it will say so.
        yield True
        return
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        # It may have been replaced before it was locked.
        taken = os.path.samestat(os.fstat(handle), os.stat(file))
    except BlockingIOError:
        taken = False
    try:
        yield taken
    finally:
        os.close(handle)


def _read(file: Path) -> list[Mapping[str, Any]]:
    """What it holds. Raises ``NotTrusted`` if somebody else can have written it, or no process properly."""
    if not trust.is_own_directory(file.parent):
        raise trust.NotTrusted(f"others may write into {file.parent}")
    text = trust.read(file)
    try:
        content = json.loads(text)
    except (ValueError, RecursionError):
        raise trust.NotTrusted(f"{file} is not JSON") from None
    if not isinstance(content, list) or not all(_is_fault(each) for each in content):
        raise trust.NotTrusted(f"{file} does not hold faults and rollbacks")
    return content


def _is_fault(value: object) -> bool:
    return (
        isinstance(value, dict)
        and isinstance(value.get("fault"), str)
        and rollbacks.is_rollback(value.get("rollback"))
    )
