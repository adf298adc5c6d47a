"""What an outage did to the platform's answers: before it, during it and after it, and how fast it was over.

Read from the journal of calls and the history of faults, so a scenario does nothing more for it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from support.drivers.journal import Entry

if TYPE_CHECKING:
    from support.faults import Fault

# Fewer would show nothing: what was whole before, what happened meanwhile, whether all has recovered.
LEAST = {"before": 1, "during": 1, "after": 1}


@dataclass(frozen=True, slots=True)
class Phase:
    """Operations that ended in it, and how many of them were carried out."""

    operations: int
    succeeded: int

    @property
    def percent(self) -> float | None:
        """The share that was carried out; None of nothing."""
        return 100.0 * self.succeeded / self.operations if self.operations else None

    def __str__(self) -> str:
        return "-" if self.percent is None else f"{self.percent:.0f} % of {self.operations}"


@dataclass(frozen=True, slots=True)
class Outage:
    """The evidence of one scenario.

    ``recovery_s`` counts from the fault's end to the first answer after which none was a failure of the
    platform any more; None if there was no such answer.
    """

    scenario: str
    faults: list[str]
    hits: int | None
    lasted_s: float
    before: Phase
    during: Phase
    after: Phase
    recovery_s: float | None
    promised_s: float

    def plain(self) -> dict[str, Any]:
        """For a JSON document."""
        found = asdict(self)
        for phase in LEAST:
            percent = getattr(self, phase).percent
            found[phase]["percent"] = None if percent is None else round(percent, 1)
        return found

    def problems(self) -> list[str]:
        """Why this outage proved nothing, or that the platform was too slow to get over it."""
        # Nobody answers while the gateway itself is away: then what comes after is the evidence.
        silent = any(fault.startswith("gateway ") for fault in self.faults)
        thin = [
            f"{getattr(self, phase).operations} {phase}"
            for phase, least in LEAST.items()
            if getattr(self, phase).operations < least and not (silent and phase == "during")
        ]
        found = []
        if thin:
            found.append(f"the outage proved too little: operations {', '.join(thin)} {_named(self.faults)}")
        if self.after.operations and self.recovery_s is None:
            found.append(f"no operation was answered normally again after {_named(self.faults)}")
        if self.recovery_s is not None and self.recovery_s > self.promised_s:
            found.append(
                f"the platform had recovered {self.recovery_s:.1f} s after {_named(self.faults)},"
                f" {self.promised_s:g} s are promised"
            )
        return found


def _named(faults: Sequence[str]) -> str:
    return " and ".join(faults)


def of(scenario: str, faults: Sequence[Fault], calls: Sequence[Entry], promised_s: float) -> Outage | None:
    """The evidence of a scenario's ended ``faults`` in its ``calls``; None where there were none."""
    ended = [fault.ended_at for fault in faults if fault.ended_at is not None]
    if not ended:
        return None
    begun, over = min(fault.injected_at for fault in faults), max(ended)
    asked = sorted((call for call in calls if call.driver == "gateway"), key=lambda call: call.ended)
    before = [call for call in asked if call.ended <= begun]
    after = [call for call in asked if call.started >= over]
    during = [call for call in asked if call not in before and call not in after]
    hits = [fault.hit for fault in faults if fault.hit is not None]
    return Outage(
        scenario=scenario,
        faults=[str(fault) for fault in faults],
        hits=sum(hits) if hits else None,
        lasted_s=round(over - begun, 2),
        before=_phase(before),
        during=_phase(during),
        after=_phase(after),
        recovery_s=_recovery_s(after, over),
        promised_s=promised_s,
    )


def _phase(calls: Sequence[Entry]) -> Phase:
    return Phase(len(calls), sum(_status(call) < 400 for call in calls))


def _recovery_s(after: Sequence[Entry], over: float) -> float | None:
    """From the fault's end to the first answer after the last failure; a 404 is a normal answer."""
    first: float | None = None
    for call in after:
        if _status(call) >= 500:
            first = None
        elif first is None:
            first = call.ended
    return None if first is None else round(first - over, 2)


def _status(call: Entry) -> int:
    """The answer's status; no answer is the worst."""
    word = call.outcome.partition(" ")[0]
    return int(word) if word.isdecimal() else 999


def table(outages: Sequence[dict[str, Any]]) -> list[str]:
    """The lines of a Markdown table."""
    lines = [
        "| scenario | fault | lasted s | hits | success before | during | after | recovery s | promised s |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for outage in outages:
        phases = " | ".join(
            str(Phase(outage[phase]["operations"], outage[phase]["succeeded"])) for phase in LEAST
        )
        known = ["?" if outage[name] is None else str(outage[name]) for name in ("hits", "recovery_s")]
        lines.append(
            f"| {outage['scenario']} | {_named(outage['faults'])} | {outage['lasted_s']} | {known[0]}"
            f" | {phases}"
            f" | {known[1]} | {outage['promised_s']:g} |"
        )
    return lines
