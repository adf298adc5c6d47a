"""A run in small: the command, the run that it starts, and a stack of servers that do nothing.

The command is what ``python -m support acceptance`` is, the run is behave's process without behave.
"""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from support.faults.clocks import Clock
from support.isolation.names import Run
from support.isolation.processes import Identity, end_with_owner, own_mark
from support.lifecycle.sweep import end_processes
from support.limits import limits_for
from support.settings import ROOT, Settings
from support.stack.process import ServiceProcess
from support.stack.servers import Workshop
from support.stack.stack import Endpoints, Stack

SERVERS = ("one", "two", "three", "four")
# It leaves a process behind that has put itself in the background, then listens.
SERVER = """
import os, signal, socket, sys, time
if os.fork() == 0:
    os.setsid()
    if os.fork():
        os._exit(0)
    time.sleep(100)
    os._exit(0)
os.wait()
listener = socket.create_server(("127.0.0.1", int(sys.argv[1])))
time.sleep(100)
"""


class SmallStack(Stack):
    """Servers that do nothing, started and ended as the real ones."""

    def _start_parts(
        self, workshop: Workshop, port: Callable[[], int], pool: ThreadPoolExecutor
    ) -> Endpoints:
        for begun in [pool.submit(self._launch, self._small(workshop, name, port())) for name in SERVERS]:
            begun.result()
        return Endpoints("", "", "", "", "", None, "", "", "")

    def _small(self, workshop: Workshop, name: str, port: int) -> ServiceProcess:
        return ServiceProcess(
            name=name,
            command=[sys.executable, "-I", "-S", "-c", SERVER, str(port)],
            port=port,
            log=workshop.logs / f"{name}.log",
            ready=lambda: None,
            deadman=workshop.deadman,
            clock=Clock(time.time, Path("none")),
            last=signal.SIGTERM if name == "one" else None,
        )


def _interrupt(*_: Any) -> None:
    raise KeyboardInterrupt


def command() -> int:
    """Start the run and wait for it."""
    own_mark()
    run = subprocess.Popen([sys.executable, "-m", "tests.kills.small", "run", *sys.argv[2:]], cwd=ROOT)
    identity = Identity.of(run.pid)
    code = run.wait()
    if code < 0 and identity is not None:
        end_processes(owner=identity)
    return code


def run(logs: Path, hold_s: float) -> int:
    """Start the stack, wait, stop it."""
    signal.signal(signal.SIGTERM, _interrupt)
    end_with_owner(20)
    settings = Settings.load({}, dotenv=None)
    stack = SmallStack(settings, Run.current(), "w0", limits_for(settings.mode), logs)
    try:
        stack.start()
        time.sleep(hold_s)
    finally:
        stack.stop()
    print("ended gracefully")
    return 0


if __name__ == "__main__":
    if sys.argv[1] == "command":
        sys.exit(command())
    sys.exit(run(Path(sys.argv[2]), float(sys.argv[3])))
