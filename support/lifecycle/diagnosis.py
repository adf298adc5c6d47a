"""What a failed scenario shows: the calls it made, what each store holds, what each service logged."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING

from support.drivers.errors import StoreUnreachable

if TYPE_CHECKING:
    from support.citadel import Citadel
    from support.world import World

LONGEST_LOG = 20_000
LONGEST_LINE = 400
MOST_ITEMS = 50


@dataclass(frozen=True, slots=True)
class Marks:
    """Where the journal, each service's log and the history of faults stood when the scenario began."""

    journal: int
    logs: dict[str, int]
    faults: int = 0


def marks(citadel: Citadel) -> Marks:
    """The present positions."""
    return Marks(
        citadel.journal.mark(),
        {name: service.log_size() for name, service in citadel.services.items()},
        len(citadel.faults.history),
    )


def of(citadel: Citadel, world: World, since: Marks) -> dict[str, str]:
    """Attachments by name, all redacted."""
    shown = {
        "Calls of this scenario": citadel.journal.text(since.journal),
        "What the stores hold": _snapshot(citadel, world),
    }
    for name, service in citadel.services.items():
        text = service.log_since(since.logs.get(name, 0))
        if text.strip():
            shown[f"Log of {name}"] = text[-LONGEST_LOG:]
    return {name: citadel.secrets.redact(text) for name, text in shown.items()}


def unexpected_errors(citadel: Citadel, since: Marks) -> list[str]:
    """Lines of level ERROR in the logs of the suite's own services: a defect, also during an outage."""
    found = []
    for name, service in citadel.services.items():
        for line in service.log_since(since.logs.get(name, 0)).splitlines():
            if '"level"' not in line and "Traceback" not in line:
                continue
            if "Traceback" in line or _level(line) in ("ERROR", "CRITICAL"):
                found.append(f"{name} logged an unexpected error: {line[:500]}")
    return found


def leaked_secrets(citadel: Citadel, since: Marks) -> list[str]:
    """Secrets that a service wrote to its log since the mark, by label."""
    found = []
    for name, service in citadel.services.items():
        labels = citadel.secrets.found_in(service.log_since(since.logs.get(name, 0)))
        found += [f"the log of {name} shows a secret: {label}" for label in labels]
    return found


def _level(line: str) -> str:
    try:
        record = json.loads(line)
    except ValueError:
        return ""
    return str(record.get("level", "")) if isinstance(record, dict) else ""


def _snapshot(citadel: Citadel, world: World) -> str:
    """Rows and points of the scenario's collections side by side; a store that cannot be read says so."""
    lines: list[str] = []
    rows, points = citadel.rows, citadel.vectors
    for alias, name in world.names.collections():
        lines.append(f'"{alias}" = {name}')
        if rows is not None:
            lines += _side("row", partial(rows.rows, name))
        if points is not None:
            lines += _side("point", partial(points.points, name))
    return "\n".join(lines) or "the scenario made no collection\n"


def _side(kind: str, read: Callable[[], Iterable[object]]) -> list[str]:
    try:
        found = [f"  {kind} {item}"[:LONGEST_LINE] for item in islice(read(), MOST_ITEMS)]
    except StoreUnreachable as error:
        return [f"  {kind}s cannot be read: {error}"]
    return found or [f"  no {kind}s"]
