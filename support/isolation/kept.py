"""What a run with ``TEST_DATA_CLEANUP=false`` left on purpose: servers, remembered in the run directory."""

from __future__ import annotations

import contextlib
import json
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

import psutil

from support.isolation.names import Run
from support.isolation.processes import find

FILE = "kept.json"
VARIABLES = "variables.env"
ENDED_WITHIN_S = 10.0


def remember(directory: Path, processes: Mapping[str, int], variables: Mapping[str, str]) -> None:
    """Write down the servers left running and the variables (0600) with which a run can use them."""
    told = {}
    for name, pid in processes.items():
        with contextlib.suppress(psutil.Error):
            told[name] = {"pid": pid, "create_time": psutil.Process(pid).create_time()}
    (directory / FILE).write_text(json.dumps(told))
    secret = directory / VARIABLES
    secret.touch(mode=0o600)
    secret.write_text("".join(f"{name}='{value}'\n" for name, value in variables.items()))


def directories() -> Iterator[tuple[Path, Run]]:
    """Run directories of the suite in the system's temp directory, with the run that made each."""
    for path in sorted(Path(tempfile.gettempdir()).glob("at_*")):
        run = Run.of(path.name)
        if run is not None and path.is_dir():
            yield path, run


def is_kept(directory: Path) -> bool:
    """Whether the directory was left on purpose."""
    return (directory / FILE).exists()


def remove(directory: Path) -> int:
    """End the servers remembered in ``directory`` and remove it; returns how many were ended."""
    ended = 0
    if is_kept(directory):
        for told in json.loads((directory / FILE).read_text()).values():
            ended += _end(int(told["pid"]), float(told["create_time"]))
    shutil.rmtree(directory, ignore_errors=True)
    return ended


def _end(pid: int, create_time: float) -> int:
    """End a process and its descendants, unless the pid belongs to another process by now."""
    root = find(pid, create_time)
    if root is None:
        return 0
    processes = [root]
    with contextlib.suppress(psutil.NoSuchProcess):
        processes += root.children(recursive=True)
    for process in processes:
        with contextlib.suppress(psutil.Error):
            process.kill()
    psutil.wait_procs(processes, timeout=ENDED_WITHIN_S)
    return 1
