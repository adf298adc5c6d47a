"""The journal: every call the suite makes, with its duration and outcome, redacted."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from support.redaction import Secrets

LONGEST_DETAIL = 2000


@dataclass(frozen=True, slots=True)
class Entry:
    """One finished call; ``started`` and ``ended`` are seconds of ``time.monotonic()``."""

    driver: str
    what: str
    outcome: str
    detail: str
    started: float
    ended: float

    @property
    def duration_ms(self) -> float:
        return (self.ended - self.started) * 1000.0


@dataclass(slots=True)
class OpenCall:
    """A call under way; the driver fills in how it went."""

    outcome: str = "ok"
    detail: str = ""


@dataclass(slots=True)
class Journal:
    """All calls of a run, in the order in which they ended; none of them if it is not ``recording``."""

    secrets: Secrets
    entries: list[Entry] = field(default_factory=list)
    recording: bool = True
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @contextmanager
    def call(self, driver: str, what: str) -> Iterator[OpenCall]:
        """Time one call; an exception is its outcome and goes on to the caller."""
        call = OpenCall()
        started = time.monotonic()
        try:
            yield call
        except Exception as error:
            call.outcome = f"{type(error).__name__}: {error}"
            raise
        finally:
            self._append(driver, what, call, started)

    def _append(self, driver: str, what: str, call: OpenCall, started: float) -> None:
        if not self.recording:
            return
        entry = Entry(
            driver=driver,
            what=self.secrets.redact(what),
            outcome=self.secrets.redact(call.outcome),
            detail=self.secrets.redact(call.detail)[:LONGEST_DETAIL],
            started=started,
            ended=time.monotonic(),
        )
        with self._lock:
            self.entries.append(entry)

    def mark(self) -> int:
        """A position to read from later."""
        return len(self.entries)

    def since(self, mark: int) -> list[Entry]:
        """The calls recorded after ``mark``."""
        return self.entries[mark:]

    def text(self, mark: int = 0) -> str:
        """The calls after ``mark`` as lines for a report, times relative to the first."""
        entries = self.since(mark)
        if not entries:
            return "no calls\n"
        start = min(entry.started for entry in entries)
        lines = []
        for entry in entries:
            at = entry.started - start
            lines.append(
                f"{at:8.3f} s {entry.duration_ms:9.1f} ms  {entry.driver:<10} {entry.what} -> {entry.outcome}"
            )
            if entry.detail:
                lines.append(f"{'':25}{entry.detail}")
        return "\n".join(lines) + "\n"


def union_of_seconds(spans: list[tuple[float, float]]) -> float:
    """Length of the union of ``(start, end)`` spans, in their unit: overlapping calls count once."""
    total, reach = 0.0, float("-inf")
    for start, end in sorted(spans):
        if end > reach:
            total += end - max(start, reach)
            reach = end
    return total
