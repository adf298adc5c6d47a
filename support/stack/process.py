"""One server process of the embedded stack: start, readiness by identity, faults, end."""

from __future__ import annotations

import contextlib
import os
import pwd
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from support.faults.clocks import Clock
from support.isolation.processes import LAST, SERVER, Mark, carriers, fresh_mark, lives
from support.lifecycle.deadman import DeadMan
from support.waiting import NotYet, eventually

READY_WITHIN_S = 30.0
STOPPED_WITHIN_S = 10.0
LOG_TAIL_LINES = 15


class ServiceFailed(Exception):
    """A service did not start or ended by itself; the message holds the end of its log."""


@dataclass(slots=True)
class ServiceProcess:
    """A child process in a session of its own, with its own log.

    ``ready`` asks the service who it is and raises while it is not usable; on top of that the listening
    socket at ``port`` must belong to this process, so that a stranger on the port is never taken for it.
    ``clock`` is how it tells the time. ``user`` is the account to run as (None: ours). ``graceful`` is the
    signal of an orderly stop, ``last`` that of one after the suite's death (None: SIGKILL at once).
    """

    name: str
    command: Sequence[str]
    port: int
    log: Path
    ready: Callable[[], None]
    deadman: DeadMan
    clock: Clock
    environment: Mapping[str, str] = field(default_factory=dict)
    user: str | None = None
    directory: str | None = None
    graceful: signal.Signals = signal.SIGTERM
    last: signal.Signals | None = None
    ready_s: float = 0.0
    starts: list[tuple[float, float]] = field(default_factory=list)
    _process: subprocess.Popen[bytes] | None = None
    _watch: str | None = None
    _mark: Mark = field(default_factory=fresh_mark)

    @property
    def pid(self) -> int:
        """Process id of the running service; 0 when it was never started."""
        return self._process.pid if self._process else 0

    def start(self) -> None:
        """Start, always on the same port; return when ready. Raises ``ServiceFailed`` with the log's end."""
        started = time.monotonic()
        self.log.parent.mkdir(parents=True, exist_ok=True)
        own = {SERVER: str(self._mark), **({} if self.last is None else {LAST: str(int(self.last))})}
        with self.log.open("ab") as log:
            # Valkey dies of SIGXFSZ at a full disk unless the signal stays ignored as Python set it.
            self._process = subprocess.Popen(
                list(self.command),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env={**os.environ, **self.environment, **own},
                cwd=self.directory,
                user=self.user,
                group=None if self.user is None else _group_of(self.user),
                extra_groups=None if self.user is None else [],
                start_new_session=True,
                restore_signals=False,
            )
        self._watch = self.deadman.end_process(self._process.pid)
        try:
            eventually(
                self._look,
                bool,
                within=READY_WITHIN_S,
                what=f"{self.name} ready",
                transient=(Exception,),
            )
        except _Died as died:
            self.kill()
            raise ServiceFailed(str(died)) from None
        except NotYet as last:
            self.kill()
            raise ServiceFailed(f"{last}\n{self._log_end()}") from None
        finally:
            ended = time.monotonic()
            self.ready_s = ended - started
            self.starts.append((started, ended))

    def _look(self) -> bool:
        if not self.running():
            code = self._process.returncode if self._process else None
            raise _Died(f"{self.name} ended with exit code {code} before it was ready:\n{self._log_end()}")
        self.ready()
        assert self.owns_port(), f"port {self.port} is held by another process"
        return True

    def owns_port(self) -> bool:
        """Whether this process or a descendant listens on its port."""
        for process in self._tree():
            with contextlib.suppress(psutil.Error):
                for connection in process.net_connections(kind="inet"):
                    if connection.status == psutil.CONN_LISTEN and connection.laddr.port == self.port:
                        return True
        return False

    def running(self) -> bool:
        """Whether the process lives (a paused one does)."""
        return self._process is not None and self._process.poll() is None

    @property
    def exit_code(self) -> int | None:
        """With what the last process ended; None while it runs."""
        return self._process.poll() if self._process else None

    def stop(self) -> None:
        """Orderly stop, then by force; returns when the process is gone."""
        process = self._process
        if process is None or not self.running():
            return
        descendants = self._tree()
        self.resume()
        process.send_signal(self.graceful)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(STOPPED_WITHIN_S)
        self._end(descendants)

    def close(self) -> None:
        """Orderly stop, also of what a server that has ended by itself has left in the background."""
        self.stop()
        self._end([])

    def kill(self) -> None:
        """SIGKILL the process and every descendant; returns when they are gone."""
        self._end(self._tree())

    def pause(self) -> None:
        """Freeze the process and its descendants (PostgreSQL's backends leave the process group).

        Returns when all stand still: until then one could still answer.
        """
        processes = self._tree()
        for process in processes:
            with contextlib.suppress(psutil.Error):
                process.suspend()
        eventually(
            lambda: [process.pid for process in processes if _moves(process)],
            lambda pids: not pids,
            within=STOPPED_WITHIN_S,
            what=f"{self.name} and its descendants stand still",
        )

    def resume(self) -> None:
        """Thaw what ``pause`` froze, children first."""
        for process in reversed(self._tree()):
            with contextlib.suppress(psutil.Error):
                process.resume()

    def log_since(self, offset: int) -> str:
        """The service's log from byte ``offset`` on."""
        if not self.log.exists():
            return ""
        with self.log.open("rb") as log:
            log.seek(offset)
            return log.read().decode("utf-8", "replace")

    def log_size(self) -> int:
        """Present length of the log in bytes."""
        return self.log.stat().st_size if self.log.exists() else 0

    def _tree(self) -> list[psutil.Process]:
        """The process first, then its descendants."""
        if self._process is None:
            return []
        try:
            root = psutil.Process(self._process.pid)
            return [root, *root.children(recursive=True)]
        except psutil.NoSuchProcess:
            return []

    def _end(self, processes: list[psutil.Process]) -> None:
        for process in processes:
            with contextlib.suppress(psutil.Error):
                process.kill()
        if self._process is not None:
            self._process.wait(STOPPED_WITHIN_S)
        # What has put itself in the background descends from nobody any more.
        for each, mark in carriers([self._mark], SERVER):
            if mark == self._mark:
                each.signal(signal.SIGKILL)
        # Orphans end as zombies until the system's first process collects them, which may take its time.
        eventually(
            lambda: [process.pid for process in processes if lives(process)],
            lambda pids: not pids,
            within=STOPPED_WITHIN_S,
            what=f"{self.name} and its descendants have ended",
        )
        if self._watch is not None:
            self.deadman.forget(self._watch)
            self._watch = None

    def _log_end(self) -> str:
        lines = self.log_since(0).splitlines()[-LOG_TAIL_LINES:]
        return "\n".join(f"    {line}" for line in lines)


def _moves(process: psutil.Process) -> bool:
    with contextlib.suppress(psutil.NoSuchProcess):
        return lives(process) and process.status() != psutil.STATUS_STOPPED
    return False


class _Died(BaseException):
    """Ends the readiness wait at once: a dead process does not become ready."""


def _group_of(user: str) -> int:
    return pwd.getpwnam(user).pw_gid
