"""However a run ends, it leaves no process and no directory: Ctrl-C, SIGTERM, SIGKILL."""

from __future__ import annotations

import contextlib
import re
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from support.isolation.processes import lives
from support.settings import ROOT
from support.waiting import eventually
from tests.running import UP_WITHIN_S, bare_environment

GONE_WITHIN_S = 20.0


@pytest.fixture(autouse=True)
def interruptible() -> Iterator[None]:
    """Children inherit an ignored SIGINT, which every job in a script's background has."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.parametrize(
    "number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL], ids=lambda each: each.name
)
def test_nothing_is_left_of_a_run_that_was_ended(number: signal.Signals, tmp_path: Path) -> None:
    command = [
        sys.executable, "-u", "-m", "behave", "--no-color", "features/failure_scenarios",
        "-D", f"output={tmp_path}",
    ]  # fmt: skip
    run = subprocess.Popen(
        command,
        cwd=ROOT,
        env=bare_environment(TEST_PARALLEL_WORKERS="1"),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    watchdog = threading.Timer(UP_WITHIN_S, run.kill)
    watchdog.start()
    try:
        assert run.stdout is not None
        printed = ""
        for line in run.stdout:
            printed += line
            if re.match(r"\[ *1/?", line) or re.match(r"\[ *1\]", line):
                break
        prefix = re.search(r"run (\w+)", printed)
        assert prefix, printed
        servers = psutil.Process(run.pid).children(recursive=True)
        assert len(servers) >= 8, f"only {servers} were running\n{printed}"
        shared = _shared(servers)
        assert shared, "PostgreSQL shares memory"
        run.send_signal(number)
        run.communicate(timeout=GONE_WITHIN_S)
    finally:
        watchdog.cancel()
        run.kill()
    assert run.returncode != 0
    eventually(
        lambda: [process for process in servers if lives(process)],
        lambda left: not left,
        within=GONE_WITHIN_S,
        what=f"every server of the run is gone after {number.name}",
    )
    directories = Path(tempfile.gettempdir())
    eventually(
        lambda: list(directories.glob(f"at_{prefix[1]}_*")),
        lambda left: not left,
        within=GONE_WITHIN_S,
        what=f"the run's directory is gone after {number.name}",
    )
    assert [name for name in shared if _held(name)] == []


def _shared(processes: list[psutil.Process]) -> set[str]:
    """What they share in memory under a name of its own: a file, or PostgreSQL's mark ("/SYSV" and a key)."""
    found = set()
    for process in processes:
        with contextlib.suppress(psutil.NoSuchProcess):
            found |= {each.path.split()[0] for each in process.memory_maps(grouped=True)}
    return {name for name in found if name.startswith(("/dev/shm/", "/SYSV"))}


def _held(name: str) -> bool:
    """Whether the system still keeps it."""
    if not name.startswith("/SYSV"):
        return Path(name).exists()
    key = str(int(name.removeprefix("/SYSV"), 16))
    return any(line.split()[0] == key for line in Path("/proc/sysvipc/shm").read_text().splitlines())
