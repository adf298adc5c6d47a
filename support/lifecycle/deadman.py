"""The dead-man process: ends what a run has started when the suite itself was killed.

The suite holds the writing end of a pipe to a child process in a session of its own. It tells the child, a
JSON line at a time, what to undo and what to forget again. When the pipe ends without ``disarm``, or the
suite's process is gone, the suite is dead: the child undoes what is left. A parent-death signal would not do,
because it fires when the thread ends that started the process.

The child also ends everything that carries the suite's mark, so nothing that was just being started is left.
When the child itself dies, the suite starts another one and tells it everything again.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import IO, Any

import psutil

from support.isolation import shared_memory
from support.isolation.names import Run
from support.isolation.processes import GUARD, MARK, PROGRAM, Identity, Mark, carriers, end, own_mark
from support.redaction import Secrets
from support.waiting import NotYet, eventually

ROOT = Path(__file__).resolve().parents[2]
# What ends the suite must not end its reaper.
SUITE_ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
# How often the child looks whether its parent lives; a forked helper of the suite may hold the pipe open.
LOOK_EVERY_S = 1.0
DISARMED_WITHIN_S = 5.0
# Between the end of the pipe and the suite's own.
SUITE_ENDS_WITHIN_S = 1.0
REMOVED_WITHIN_S = 3.0
# Who ends it more often than this means it: the run has to end then.
MOST_STARTS = 5
# What the suite has told, as it came through the pipe.
Order = dict[str, Any]


class DeadManGone(Exception):
    """The dead-man process has ended, so nothing would be cleaned up after a kill; see its log."""


@dataclass(slots=True)
class DeadMan:
    """The suite's side. Each registration returns an id for ``forget``; safe to use from several threads."""

    log: Path
    faults: Path | None = None
    _process: subprocess.Popen[bytes] = field(init=False)
    _pipe: IO[bytes] = field(init=False)
    # What has not been forgotten, by its id.
    _orders: dict[str, Order] = field(default_factory=dict)
    _lock: threading.RLock = field(default_factory=threading.RLock)
    _given: int = 0
    _starts: int = 0
    _disarmed: bool = False

    @classmethod
    def start(cls, log: Path, faults: Path | None = None) -> DeadMan:
        """Start the child process; what it does is written to ``log``.

        ``faults``: where it keeps the rollbacks of faults that would outlive this machine, if not in the
        usual folder.
        """
        log.parent.mkdir(parents=True, exist_ok=True)
        started = cls(log, faults)
        started._start()
        return started

    def _start(self) -> None:
        """Start the child, tell it everything, and see to it that another one follows if it dies."""
        environment = {**os.environ, GUARD: str(own_mark()), "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"}
        environment.pop(MARK, None)
        with self.log.open("ab") as output, _held_back(*SUITE_ENDING):
            self._process = subprocess.Popen(
                [
                    sys.executable,
                    "-m",
                    "support.lifecycle.deadman",
                    *([str(self.faults)] if self.faults else []),
                ],
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=environment,
                cwd="/",
                start_new_session=True,
            )
        assert self._process.stdin is not None
        self._pipe = self._process.stdin
        self._starts += 1
        handle = os.pidfd_open(self._process.pid)
        threading.Thread(target=self._watch, args=(handle,), name="dead-man", daemon=True).start()
        for order in self._orders.values():
            self._write(order)

    def _watch(self, handle: int) -> None:
        """Wait until the child ends; unless it was told to, start another one, or end the run."""
        try:
            select.select([handle], [], [])
        finally:
            os.close(handle)
        with self._lock:
            if self._disarmed:
                return
            self._process.wait()
            with contextlib.suppress(OSError):
                self._pipe.close()
            if self._starts < MOST_STARTS:
                with contextlib.suppress(OSError):
                    self._start()
                    return
        print(f"the run ends, because nobody would clean up after it: {_gone(self.log)}", file=sys.stderr)
        os.kill(os.getpid(), signal.SIGTERM)

    @property
    def pid(self) -> int:
        """Process id of the child."""
        return self._process.pid

    def end_process(self, pid: int) -> str:
        """End this process of ours and all its descendants; what carries the suite's mark ends anyway."""
        identity = Identity.of(pid)
        # One that is gone already may have left descendants in its session.
        return self._register("end_process", pid=pid, ticks=identity.ticks if identity else 0)

    def end_program(self, mark: Mark) -> str:
        """End the program of the user that carries this mark, and whatever it has started."""
        return self._register("end_program", mark=str(mark))

    def remove_directory(self, path: Path) -> str:
        """Remove this directory, after the processes have ended."""
        return self._register("remove_directory", path=str(path))

    def drop_schema(self, url: str, schema: str) -> str:
        """Drop this schema if its comment names a run of ours."""
        return self._register("drop_schema", url=url, schema=schema)

    def release_redis(self, url: str, index: int, lease_key: str) -> str:
        """Empty this leased database as ``Lease.release`` does, if the lease is still the present one."""
        return self._register(
            "release_redis", url=url, index=index, key=lease_key, run=_holder(url, index, lease_key)
        )

    def delete_collections(self, url: str, key: str | None, run: Run) -> str:
        """Delete the run's collections in this Qdrant, with its beacon; nothing where no beacon is lit."""
        return self._register("delete_collections", url=url, api_key=key, run=run.id)

    def delete_link(self, url: str, link: str) -> str:
        """Delete this link of a Toxiproxy that lives on."""
        return self._register("delete_link", url=url, link=link)

    def end_fault(self, fault: str, rollback: Mapping[str, Any], within_s: float, *, outlives: bool) -> str:
        """End this fault; also while the suite lives, if it has not been forgotten ``within_s`` seconds.

        ``outlives``: what it breaks does not end with this machine, so that the rollback is kept in a file
        meanwhile.
        """
        return self._register(
            "end_fault", fault=fault, rollback=dict(rollback), within_s=within_s, outlives=outlives
        )

    def forget(self, registration: str) -> None:
        """The suite has undone it by itself; nothing happens for an id that is forgotten already."""
        with self._lock, contextlib.suppress(DeadManGone):
            if self._orders.pop(registration, None) is not None:
                self._tell({"do": "forget", "id": registration})

    def disarm(self) -> None:
        """Forget everything and end the child; again does nothing."""
        with self._lock:
            self._disarmed = True
            self._orders.clear()
            with contextlib.suppress(DeadManGone):
                self._tell({"do": "disarm"})
            with contextlib.suppress(OSError):
                self._pipe.close()
        try:
            self._process.wait(DISARMED_WITHIN_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _register(self, action: str, **parameters: object) -> str:
        with self._lock:
            self._given += 1
            registration = str(self._given)
            order = self._orders[registration] = {"do": action, "id": registration, **parameters}
            self._tell(order)
        return registration

    def _tell(self, order: Order) -> None:
        try:
            self._write(order)
        except ValueError:
            raise DeadManGone(_gone(self.log)) from None
        except OSError:
            # Who watches it starts another one, which is told everything.
            if self._disarmed or self._starts >= MOST_STARTS:
                raise DeadManGone(_gone(self.log)) from None

    def _write(self, order: Order) -> None:
        self._pipe.write(json.dumps(order).encode() + b"\n")
        self._pipe.flush()


def _gone(log: Path) -> str:
    return f"the dead-man process has ended: see {log}"


@contextlib.contextmanager
def _held_back(*numbers: signal.Signals) -> Iterator[None]:
    """Block signals in this thread; a process started meanwhile keeps them blocked from its first moment."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, numbers)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _holder(url: str, index: int, key: str) -> str | None:
    """The run that holds the lease, or None where nobody does."""
    # Only a run that leases a database pays for the import.
    from support.isolation import lease

    client = lease.connect(lease.with_index(url, index))
    try:
        claim = client.get(key)
        return str(json.loads(claim)["run"]) if isinstance(claim, str | bytes) else None
    except (ValueError, KeyError, TypeError):
        return None
    finally:
        client.close()


def _say(text: str) -> None:
    print(f"{time.strftime('%H:%M:%S')} {text}", flush=True)


def _end_processes(orders: list[Order], mark: Mark | None) -> None:
    """End every registered process, and whatever carries the mark of the dead suite."""

    programs = {order["mark"] for order in orders if order["do"] == "end_program"}

    def look() -> list[Identity]:
        found: list[Identity] = []
        for order in orders:
            if order["do"] == "end_process":
                found += _registered(int(order["pid"]), int(order["ticks"]))
        found += [each for each, carried in carriers(variable=PROGRAM) if str(carried) in programs]
        if mark is not None:
            found += [each for each, carried in carriers([mark]) if carried == mark]
        return found

    ended = sorted(each.pid for each in end(look))
    _say(f"ended {len(ended)} processes: {ended}")


def _registered(pid: int, ticks: int) -> Iterator[Identity]:
    """The process, and what is in its session; nothing if the number was given away."""
    present = Identity.of(pid)
    if present == Identity(pid, ticks):
        yield present
    elif present is None:
        # The tree is lost where the process ended before its descendants; its session is not.
        for other in psutil.pids():
            with contextlib.suppress(OSError):
                if os.getsid(other) == pid and (member := Identity.of(other)) is not None:
                    yield member


def _remove_directory(order: Order) -> None:
    path = Path(order["path"])

    shared_memory.release(path)

    def removed() -> bool:
        shutil.rmtree(path, ignore_errors=True)
        return not path.exists()

    eventually(removed, bool, within=REMOVED_WITHIN_S, what=f"{path} removed")
    _say(f"removed {path}")


def _drop_schema(order: Order) -> None:
    from support.isolation import schema

    dropped = schema.drop(order["url"], order["schema"])
    _say(f"{'dropped' if dropped else 'not there or not ours:'} schema {order['schema']}")


def _release_redis(order: Order) -> None:
    from support.isolation import lease

    at = lease.with_index(order["url"], order["index"])
    if order["run"] is None or not lease.give_back(at, Run(order["run"])):
        _say(f"Redis database {order['index']} is no longer leased to this run: left alone")
        return
    _say(f"gave back Redis database {order['index']}")


def _delete_collections(order: Order) -> None:
    from support.isolation import beacon

    deleted = beacon.remove(order["url"], order["api_key"], Run(order["run"]))
    _say(f"deleted {len(deleted)} collections in Qdrant")


def _end_fault(order: Order) -> None:
    # Only a run with faults pays for the imports.
    from support.faults import rollbacks

    rollbacks.carry_out(order["rollback"])
    order["ended"] = True
    _say(f"ended the fault {order['fault']}")


def _delete_link(order: Order) -> None:
    from support.faults import rollbacks

    rollbacks.carry_out(rollbacks.by_deleting_link(order["url"], order["link"]))
    _say(f"deleted the link {order['link']}")


_ACTIONS: Mapping[str, Callable[[Order], None]] = {
    # Before the schema: a fault may stand in its way.
    "end_fault": _end_fault,
    "delete_link": _delete_link,
    "drop_schema": _drop_schema,
    "release_redis": _release_redis,
    "delete_collections": _delete_collections,
    "remove_directory": _remove_directory,
}


def _undo(orders: list[Order], mark: Mark | None) -> None:
    """Processes first, so that nobody writes into what is removed next; one failure stops nothing else."""
    actions = [partial(_end_processes, orders, mark)]
    for kind, action in _ACTIONS.items():
        actions += [partial(action, order) for order in orders if order["do"] == kind]
    for undo in actions:
        _attempt(undo, orders)


def _attempt(undo: partial[None], orders: Iterable[Order]) -> None:
    """Undo one thing; what stands in the way is told without the passwords of what is to be undone."""
    secrets = Secrets()
    for order in orders:
        secrets.add_password_of(order.get("url") or order.get("rollback", {}).get("url"), "password")
        secrets.add(order.get("api_key"), "key of Qdrant")
    try:
        undo()
    except Exception as error:
        _say(secrets.redact(f"{undo.func.__name__} failed: {type(error).__name__}: {error}"))


def _orders_left(suite: Identity) -> list[Order] | None:
    """Read orders until the suite is dead; what is left to undo then, or None if it disarmed."""
    orders: dict[str, Order] = {}
    descriptor, unread = sys.stdin.fileno(), b""
    while True:
        readable, _, _ = select.select([descriptor], [], [], LOOK_EVERY_S)
        _end_overdue(orders)
        if not readable:
            if not suite.lives():
                break
            continue
        received = os.read(descriptor, 65536)
        if not received:
            break
        *lines, unread = (unread + received).split(b"\n")
        for message in map(json.loads, lines):
            if message["do"] == "disarm":
                return None
            if message["do"] == "forget":
                forgotten = orders.pop(message["id"], {})
                _keep_rollbacks(orders.values(), [forgotten])
            else:
                orders[message["id"]] = message
                if message["do"] == "end_fault":
                    _note_fault(message)
                _keep_rollbacks(orders.values(), [message])
    return list(orders.values())


def _note_fault(order: Order) -> None:
    """When the fault has to be over; and what a person would have to do if this machine died as well."""
    from support.faults import rollbacks

    order["due"] = time.monotonic() + float(order["within_s"])
    undone_by = rollbacks.described(order["rollback"])
    _say(f"the fault {order['fault']} is about to begin; rolled back by: {undone_by}")


def _keep_rollbacks(orders: Iterable[Order], changed: Iterable[Order]) -> None:
    """Have the rollbacks outlive this machine that would be wanted after its death."""
    if any(each.get("outlives") for each in changed):
        from support.faults import orphaned_faults

        left = [each for each in orders if each.get("outlives") and not each.get("ended")]
        orphaned_faults.remember(left, *map(Path, sys.argv[1:]))


def _end_overdue(orders: dict[str, Order]) -> None:
    """End what the suite has let last too long, as one that hangs would; if that fails, again at its end."""
    now = time.monotonic()
    overdue = [order for order in orders.values() if float(order.get("due", "inf")) <= now]
    for order in overdue:
        del order["due"]
        _say(f"the fault {order['fault']} has lasted longer than {order['within_s']:g} s")
        _attempt(partial(_end_fault, order), [order])
        if order.get("ended"):
            orders.pop(order["id"])
    _keep_rollbacks(orders.values(), overdue)


def _ends(suite: Identity) -> bool:
    """Whether the suite is gone; one that has only closed the pipe has more that carries its mark."""
    with contextlib.suppress(NotYet):
        eventually(
            suite.lives, lambda alive: not alive, within=SUITE_ENDS_WITHIN_S, what="the suite has ended"
        )
        return True
    return False


def main() -> None:
    """Wait for the suite's end; undo what it has left unless it disarmed."""
    mark = Mark.of(os.environ[GUARD])
    assert mark is not None, "only the suite starts this"
    orders = _orders_left(mark.owner)
    if orders is None:
        return
    _say(f"the suite ended without its clean-up: {len(orders)} things to undo")
    _undo(orders, mark if _ends(mark.owner) else None)
    _keep_rollbacks(orders, orders)
    _say("done")


if __name__ == "__main__":
    main()
