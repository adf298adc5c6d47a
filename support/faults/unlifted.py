"""Faults on servers of others that nobody is left to lift: a run's machine or dead-man process has died.

While such a fault is in force its remedy stands in a file that only this account can read: it may hold a
password. It outlives a restart of the machine; the next run heals by it, or ``python -m support clean``.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import psutil

from support.faults import remedies
from support.isolation.processes import find, lives
from support.redaction import Secrets
from support.settings import ROOT

FOLDER = ROOT / ".acceptance" / "faults"


def remember(faults: Sequence[Mapping[str, Any]], folder: Path = FOLDER) -> None:
    """Write down ``fault`` and ``remedy`` of each, as this process's; where there are none, leave nothing."""
    file = folder / f"{os.getpid()}.json"
    if not faults:
        file.unlink(missing_ok=True)
        return
    folder.mkdir(parents=True, exist_ok=True)
    told = [{"fault": each["fault"], "remedy": each["remedy"]} for each in faults]
    fresh = file.with_suffix(".new")
    fresh.touch(mode=0o600)
    with fresh.open("w") as output:
        json.dump({"since": psutil.Process().create_time(), "faults": told}, output)
        output.flush()
        os.fsync(output.fileno())
    fresh.replace(file)


def of_the_dead(folder: Path = FOLDER) -> Iterator[Path]:
    """The files of processes that are no more."""
    for file in sorted(folder.glob("*.json")):
        try:
            process = find(int(file.stem), _read(file)["since"])
        except FileNotFoundError:
            continue  # another run was faster
        if process is None or not lives(process):
            yield file


def lift(file: Path) -> list[str]:
    """Heal, newest first; a line for each fault. What cannot be healed stays in the file for another time."""
    try:
        told = _read(file)
    except FileNotFoundError:
        return []  # another run was faster
    lines: list[str] = []
    left: list[Mapping[str, Any]] = []
    for each in reversed(told["faults"]):
        secrets = Secrets()
        secrets.add_password_of(each["remedy"].get("url"), "password")
        try:
            remedies.carry_out(each["remedy"])
            lines.append(f"lifted the fault {each['fault']} that a dead run had left")
        except Exception as error:
            left.insert(0, each)
            reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
            lines.append(
                secrets.redact(
                    f"the fault {each['fault']} of a dead run could not be lifted: {reason};"
                    f" healed by: {remedies.told(each['remedy'])}"
                )
            )
    if left:
        file.write_text(json.dumps({**told, "faults": left}))
    else:
        file.unlink(missing_ok=True)
    return lines


def _read(file: Path) -> Any:
    return json.loads(file.read_text())
