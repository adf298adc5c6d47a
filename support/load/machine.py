"""What the machine did during a load: was it the platform that was slow, or did others use the processors?

Read from Linux' ``/proc``; where that is missing the figures are None. Steal time is told but not judged: on
a virtual machine that slowed down by a factor of seven it never showed more than about 1 %.
"""

from __future__ import annotations

import hashlib
import math
import os
import statistics
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import psutil

PROC = Path("/proc")
# The fixed work is about 3 ms long on a quiet core, its median over seven about 20 ms.
SPINS = 7
SPIN_HASHES = 4000
# Quiet machine 0.11, one busy loop per two cores 0.40, two 0.71 (measured at 150 requests a second).
PRESSURE_LIMIT = 0.40
# A quarter of all processors: half of one core on a machine with two.
FOREIGN_LIMIT = 0.25
SPIN_RATIO_LIMIT = 1.5
# The time limits of the suite's own platform are made for machines that need 1.2 to 4 ms for the fixed work.
SPIN_LIMIT_MS = 6.0


@dataclass(frozen=True, slots=True)
class Signals:
    """The machine during a load; shares are 0 to 1 of all processors, or of the time for ``pressure``.

    ``pressure``: share of the time in which some task waited for a processor. ``waited_ms``: how long the
    platform's processes stood in the run queue, all together. ``system_cpu_s``: the processor time they used.
    ``foreign``: processors used by anybody but the platform and the load. ``spin_ms``: a fixed piece of work
    before and after; ``quickest_ms``: the same at its quickest since this process began.
    """

    spin_ms: tuple[float, float]
    quickest_ms: float | None = None
    pressure: float | None = None
    waited_ms: float | None = None
    system_cpu_s: float | None = None
    foreign: float | None = None
    steal: float | None = None

    def disturbances(self) -> list[str]:
        """Reasons why a slow answer may be the machine's doing; empty for a quiet machine."""
        reasons = []
        before, after = self.spin_ms
        slowest, quickest = max(before, after), min(before, after, *filter(None, [self.quickest_ms]))
        work = f"a fixed piece of work took {before:.1f} ms before and {after:.1f} ms after it"
        if slowest > SPIN_RATIO_LIMIT * min(before, after):
            reasons.append(work)
        elif slowest > SPIN_RATIO_LIMIT * quickest:
            # Slow all through the load, which before and after alone do not show.
            reasons.append(f"{work}, but {quickest:.1f} ms earlier in this run")
        elif self.waited_ms is not None and slowest > SPIN_LIMIT_MS:
            # Only a platform on this machine is slow because the machine is.
            reasons.append(
                f"{work}, but {SPIN_LIMIT_MS:g} ms at most where the time limits are meant to hold"
            )
        # A system that is slow by its own work also presses; only others' work excuses it.
        if (self.foreign or 0.0) > FOREIGN_LIMIT and (self.pressure or 0.0) > PRESSURE_LIMIT:
            reasons.append(f"other processes used {self.foreign:.0%} of the processors")
        return reasons


@dataclass(frozen=True, slots=True)
class _Reading:
    at: float
    pressure_us: float | None
    busy_s: float | None
    steal_s: float | None
    tasks: dict[tuple[int, int], tuple[int, int]]
    own_cpu_s: float


class Watch:
    """Takes the machine's figures from now on; ``pids`` are the platform's processes, children included."""

    _quickest_ms: ClassVar[float] = math.inf

    def __init__(self, pids: Sequence[int] = ()) -> None:
        self._pids = tuple(pids)
        self._spin_ms = self._spin()
        self._first = self._read()

    def signals(self, load_cpu_s: float) -> Signals:
        """What happened since; ``load_cpu_s`` is the processor time the load engines used meanwhile."""
        first, last = self._first, self._read()
        seconds = last.at - first.at
        ran_ns = waited_ns = 0
        for task, (ran, waited) in last.tasks.items():
            ran_before, waited_before = first.tasks.get(task, (0, 0))
            ran_ns += ran - ran_before
            waited_ns += waited - waited_before
        known = bool(last.tasks)
        processors_s = seconds * (os.cpu_count() or 1)
        busy_s = _difference(first.busy_s, last.busy_s)
        steal_s = _difference(first.steal_s, last.steal_s)
        pressure_us = _difference(first.pressure_us, last.pressure_us)
        ours_s = ran_ns / 1e9 + load_cpu_s + last.own_cpu_s - first.own_cpu_s
        return Signals(
            spin_ms=(self._spin_ms, self._spin()),
            quickest_ms=Watch._quickest_ms,
            pressure=None if pressure_us is None else pressure_us / 1e6 / seconds,
            waited_ms=waited_ns / 1e6 if known else None,
            system_cpu_s=ran_ns / 1e9 if known else None,
            foreign=None if busy_s is None else max(0.0, busy_s - ours_s) / processors_s,
            steal=None if steal_s is None else steal_s / processors_s,
        )

    @classmethod
    def now(cls) -> Signals:
        """The machine at this moment: how quick it is, against the quickest so far."""
        took = cls._spin()
        return Signals(spin_ms=(took, took), quickest_ms=cls._quickest_ms)

    @staticmethod
    def _spin() -> float:
        took = spin_ms()
        Watch._quickest_ms = min(Watch._quickest_ms, took)
        return took

    def _read(self) -> _Reading:
        busy_s, steal_s = _processor_times()
        return _Reading(
            at=time.monotonic(),
            pressure_us=_pressure_us(),
            busy_s=busy_s,
            steal_s=steal_s,
            tasks=_tasks(self._pids),
            own_cpu_s=time.process_time(),
        )


def spin_ms() -> float:
    """How long a fixed piece of work takes at this moment: median of a few goes, in ms."""
    took = []
    for _ in range(SPINS):
        began = time.perf_counter()
        digest = b""
        for _ in range(SPIN_HASHES):
            digest = hashlib.sha256(digest).digest()
        took.append((time.perf_counter() - began) * 1000.0)
    return statistics.median(took)


def _difference(first: float | None, last: float | None) -> float | None:
    return None if first is None or last is None else last - first


def _pressure_us() -> float | None:
    """Total of ``some`` in ``/proc/pressure/cpu``: microseconds in which at least one task waited."""
    try:
        some = (PROC / "pressure" / "cpu").read_text().splitlines()[0]
        return float(some.rpartition("total=")[2])
    except (OSError, ValueError, IndexError):
        return None


def _processor_times() -> tuple[float | None, float | None]:
    """Seconds all processors were busy, and seconds the host took from them (``/proc/stat``)."""
    try:
        fields = [int(field) for field in (PROC / "stat").read_text().splitlines()[0].split()[1:9]]
    except (OSError, ValueError, IndexError):
        return None, None
    user, nice, system, _idle, _iowait, irq, softirq, steal = fields
    ticks = os.sysconf("SC_CLK_TCK")
    return (user + nice + system + irq + softirq) / ticks, steal / ticks


def _tasks(pids: Iterable[int]) -> dict[tuple[int, int], tuple[int, int]]:
    """Per thread of the processes and their descendants: ns on a processor, ns in its run queue.

    From ``/proc/<pid>/task/<tid>/schedstat``; the file of the process itself shows its first thread only.
    """
    tasks = {}
    for pid in _with_descendants(pids):
        for schedstat in (PROC / str(pid) / "task").glob("*/schedstat"):
            try:
                ran, waited, _slices = schedstat.read_text().split()
            except (OSError, ValueError):
                continue
            tasks[pid, int(schedstat.parent.name)] = int(ran), int(waited)
    return tasks


def _with_descendants(pids: Iterable[int]) -> set[int]:
    family = set()
    for pid in pids:
        try:
            process = psutil.Process(pid)
            family |= {pid, *(child.pid for child in process.children(recursive=True))}
        except psutil.Error:
            continue
    return family
