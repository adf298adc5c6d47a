"""Whether a run lives, judged by what every machine can see: its heartbeat in each store that it works in.

A process number, a host name or the clock of a machine say nothing to another machine: two containers have
one name and count processes alike, and clocks are stepped. So a run counts its beats in the store itself, and
each beat carries the time by the clock of that store. One who looks compares that with the same clock, and
takes no old beat for death before it has watched it: a beat that moves is alive whatever the clocks say.
"""

from __future__ import annotations

import contextlib
import sys
import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from support.waiting import NotYet, eventually

BEAT_EVERY_S = 2.0
# A run is dead when its heartbeat is older than this. A fault inside a store may hold the beats back for as
# long as a fault may last (30 s), which must not look like death.
DEAD_AFTER_S = 60.0
# How long a beat that is too old is watched all the same: its age may come from a clock that was stepped.
WATCHED_S = 5 * BEAT_EVERY_S
STOPPED_WITHIN_S = 5.0


class Missed(Exception):
    """One beat could not be made; the next one tries again."""


class Superseded(Exception):
    """What the heartbeat was for belongs to somebody else by now: no more beats."""


@dataclass(frozen=True, slots=True)
class Sign:
    """The last beat of a run in one store; ``age_s`` by the store's clock, None where it tells no time."""

    beat: str
    age_s: float | None

    @property
    def recent(self) -> bool:
        """Whether it is young enough to be a living run's; a beat from the future is as odd as an old one."""
        return self.age_s is not None and abs(self.age_s) <= DEAD_AFTER_S


# The signs of each run, by its id.
Signs = Mapping[str, Iterable[Sign]]


class Heart:
    """Beats in one store, in a thread of its own: a store that stands still holds up no other's beats."""

    def __init__(self, store: str, beat: Callable[[], None]) -> None:
        self._beat = beat
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._go_on, name=f"heartbeat-{store}", daemon=True)

    def start(self) -> None:
        """Beat from now on."""
        self._thread.start()

    def stop(self) -> None:
        """Beat no more; returns when the last beat is over, or after five seconds with one that hangs."""
        self._stopped.set()
        if self._thread.is_alive():
            self._thread.join(STOPPED_WITHIN_S)

    def _go_on(self) -> None:
        while not self._stopped.wait(BEAT_EVERY_S):
            try:
                self._beat()
            except Missed:
                continue
            except Superseded as error:
                print(error, file=sys.stderr)
                return


def stopped(signs: Signs, look: Callable[[], Signs]) -> set[str]:
    """The runs, by id, whose heart beats in no store any more; ``look`` reads their signs again.

    A run with a recent sign is not among them, and costs no time. Any other is watched: for ten seconds, or,
    if one of its stores tells no time, as long as a living run may be silent.
    """
    first = {run: list(of_run) for run, of_run in signs.items()}
    suspects = {run for run, of_run in first.items() if of_run and not any(each.recent for each in of_run)}
    if not suspects:
        return suspects
    timeless = any(each.age_s is None for run in suspects for each in first[run])

    def moved() -> bool:
        now = look()
        for run in list(suspects):
            seen = list(now.get(run, ()))
            # One whose things are gone has shut down gracefully, or was swept by another.
            if (
                not seen
                or {each.beat for each in seen} - {each.beat for each in first[run]}
                or any(each.recent for each in seen)
            ):
                suspects.remove(run)
        return not suspects

    with contextlib.suppress(NotYet):
        eventually(
            moved,
            bool,
            within=DEAD_AFTER_S if timeless else WATCHED_S,
            what="a heartbeat of each run whose last one is old",
        )
    return suspects
