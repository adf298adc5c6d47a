"""The gateway's metrics, held against tables of the features."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress

from support.vocabulary import expectations, platform, tables
from support.vocabulary.words import PROVIDERS
from support.waiting import NotYet, eventually
from support.world import World

# An answer is counted a moment after it was given.
COUNTED_WITHIN_S = 3.0
# The page that shows the metrics is counted after it was written.
METRICS = "getMetrics"
FOR_EACH_ANSWER = "one for each answer"

Figures = Mapping[tuple[str, frozenset[tuple[str, str]]], float]


def remember(world: World) -> None:
    """Growth counts from here."""
    world.figures = platform.counters(world)
    world.answered = Counter(world.citadel.coverage.seen)


def otherwise(world: World, rows: Sequence[Mapping[str, str]]) -> list[str]:
    """Metrics whose value or growth is not as the rows say, when that has had the time to be counted."""
    seen: list[list[str]] = []

    def look() -> list[str]:
        now = platform.counters(world)
        seen.append([wrong for row in rows for wrong in _deviations(world, now, row)])
        return seen[-1]

    with suppress(NotYet):
        eventually(look, lambda wrong: not wrong, within=COUNTED_WITHIN_S, what="the metrics are as expected")
    return seen[-1]


def _deviations(world: World, now: Figures, row: Mapping[str, str]) -> Iterator[str]:
    name = row["metric"].strip()
    labels = {
        label: _label(world, label, value.strip())
        for label, value in row.items()
        if label not in ("metric", "value", "growth") and value.strip()
    }
    shown = f"{name}{labels or ''}"
    if value := row.get("value", "").strip():
        series = _series(now, name, labels)
        if not expectations.fits(value, sum(series) if series else None):
            yield f"{shown}: expected the value {value}, was {sum(series) if series else 'absent'}"
    growth = row.get("growth", "").strip()
    if growth == FOR_EACH_ANSWER:
        yield from _miscounted(world, now, name)
    elif growth and not expectations.fits(growth, grown := _grown(world, now, name, labels)):
        yield f"{shown}: expected a growth of {growth}, was {grown:g}"


def _label(world: World, label: str, value: str) -> str:
    if label == "collection":
        return world.names.collection(str(tables.words(value)))
    return PROVIDERS.get(value, value)


def _series(figures: Figures, name: str, labels: Mapping[str, str]) -> list[float]:
    """The values of the series with these labels."""
    wanted = labels.items()
    return [
        value
        for (series, given), value in figures.items()
        if series == name and wanted <= dict(given).items()
    ]


def _grown(world: World, now: Figures, name: str, labels: Mapping[str, str]) -> float:
    assert world.figures, "the requests to the gateway were not recorded"
    return sum(_series(now, name, labels)) - sum(_series(world.figures, name, labels))


def _miscounted(world: World, now: Figures, name: str) -> Iterator[str]:
    """Answers, by operation and status, of which the gateway counted another number than it gave."""
    given = Counter(world.citadel.coverage.seen) - world.answered
    assert given, "no answers were given"
    for operation in world.citadel.contract.operations():
        for status in operation.statuses if operation.id != METRICS else ():
            labels = {"method": operation.method, "endpoint": operation.path, "status": str(status)}
            counted = _grown(world, now, name, labels)
            if counted != given[operation.id, status]:
                yield (
                    f"{name} of {operation.id} with status {status}: {given[operation.id, status]} answers"
                    f" were given, {counted:g} counted"
                )
