"""What every part of an audit has in common: it finds candidates, and looks again at those it is given."""

from __future__ import annotations

import time
from collections.abc import Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol, TypeVar
from uuid import UUID

from support.audit.parameters import Options, ScanProgress, Scope, Stores
from support.audit.report import Finding
from support.drivers.postgres import CollectionRecord, OpenEvent
from support.drivers.qdrant import PointId
from support.isolation.beacon import is_beacon

T = TypeVar("T")


class CutShort(Exception):
    """The audit did not end within its limit."""


class Sighting(NamedTuple):
    """A fault as one look saw it; ``about`` is the collection id and point id (or None) it concerns."""

    finding: Finding
    signature: Hashable
    about: tuple[UUID, PointId | None] | None = None

    def same_as(self, other: Sighting) -> bool:
        """Whether both looks saw the same fault of the same, unchanged thing."""
        return self.finding.kind is other.finding.kind and self.signature == other.signature


class Aspect(Protocol):
    """One part of an audit."""

    def look(self, subjects: Iterable[Any]) -> dict[Any, Sighting]:
        """Read the stores again and return the faults among ``subjects``."""
        ...


@dataclass(frozen=True, slots=True)
class Case:
    """What is audited, by which rules, until when."""

    stores: Stores
    scope: Scope
    options: Options
    started: float = field(default_factory=time.monotonic)

    def collections(self) -> list[CollectionRecord]:
        """The collections in scope, as PostgreSQL declares them now."""
        records = self.stores.metadata.collections(*self.scope.prefixes)
        return [record for record in records if self.scope.covers(record.name)]

    def in_qdrant(self) -> set[str]:
        """The names in scope that Qdrant has a collection for; a run's heartbeat is no platform's."""
        names = self.stores.vectors.collections(*self.scope.prefixes)
        return {name for name in names if self.scope.covers(name) and not is_beacon(name)}

    def open_events(self) -> list[OpenEvent]:
        """The open events in scope."""
        events = self.stores.metadata.open_events(*self.scope.prefixes)
        return [event for event in events if self.scope.covers(event.collection)]

    def tell(self, what: str, done: int, expected: int | None) -> None:
        """Say how far the scan is, to the caller."""
        if self.options.progress is not None:
            self.options.progress(ScanProgress(what, done, expected))

    def check_time(self) -> None:
        """Raise ``CutShort`` when the limit has passed."""
        if time.monotonic() - self.started > self.options.limit_s:
            raise CutShort(f"the audit did not end within {self.options.limit_s:g} s")

    def pages(self, subjects: Sequence[T]) -> Iterator[Sequence[T]]:
        """``subjects`` in pages, looking at the clock before each."""
        for start in range(0, len(subjects), self.options.page):
            self.check_time()
            yield subjects[start : start + self.options.page]


def of_collections(events: Iterable[OpenEvent]) -> dict[UUID, OpenEvent]:
    """The newest open event about each collection itself, by collection id."""
    return {event.collection_id: event for event in events if event.point_id is None}


def of_points(events: Iterable[OpenEvent]) -> dict[tuple[UUID, PointId], OpenEvent]:
    """The newest open event about each point, by collection id and point id."""
    return {(event.collection_id, event.point_id): event for event in events if event.point_id is not None}
