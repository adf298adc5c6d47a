"""What an audit says: findings that read like a diagnosis, and a verdict that never guesses."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, NamedTuple
from uuid import UUID

SHOWN_OF_A_KIND = 20


class Conclusion(StrEnum):
    """``UNKNOWN``: a store could not be read in full, so nothing is claimed."""

    CLEAN = "CLEAN"
    FINDINGS = "FINDINGS"
    UNKNOWN = "UNKNOWN"


class Breach(StrEnum):
    """Classes of findings, each the breach of one invariant."""

    ORPHAN = "ORPHAN"  # a point without a row
    MISSING = "MISSING"  # a stored row without a point
    STALE = "STALE"  # the point is of an older version than the row
    AHEAD = "AHEAD"  # the point is of a newer version than the row
    MIRROR = "MIRROR"  # same version, but another field differs
    STUCK = "STUCK"  # pending, deleting or creating for too long, or without an event that would end it
    VISIBLE_TOMBSTONE = "VISIBLE_TOMBSTONE"  # being deleted, yet shown to clients
    CATALOGUE = "CATALOGUE"  # the stores disagree on a collection
    MIXED_MODEL = "MIXED_MODEL"  # a vector of another model than its collection's
    BAD_VECTOR = "BAD_VECTOR"  # wrong length, not finite, or not of unit norm (cosine)
    WRONG_VECTOR = "WRONG_VECTOR"  # not the embedding of its text
    COUNT = "COUNT"  # the platform reports other counts than the stores
    OUTBOX_LAG = "OUTBOX_LAG"  # an event open for too long, or tried too often
    CACHE_STALE = "CACHE_STALE"  # a cached answer that would be served and is out of date
    CACHE_CORRUPT = "CACHE_CORRUPT"  # a value that does not decode or fails its checksum
    CACHE_IMMORTAL = "CACHE_IMMORTAL"  # no time to live, or more than its kind may have
    CACHE_UNKNOWN = "CACHE_UNKNOWN"  # a key of no known form
    CACHE_COLLISION = "CACHE_COLLISION"  # a cached embedding that is not its text's
    RESIDUE = "RESIDUE"  # something left where nothing should be
    LOST = "LOST"  # an acknowledged write that is not there
    PHANTOM = "PHANTOM"  # a refused write, or an acknowledged delete, that is there
    SPLIT = "SPLIT"  # a write of unknown outcome that happened in one store only
    ROLLBACK = "ROLLBACK"  # a version older than an earlier audit saw


@dataclass(frozen=True, slots=True)
class Finding:
    """One breach. ``subject`` is the client's id, the point id, a cache key or an event's number.

    ``store`` is the store in which to look first (postgresql, qdrant, redis or gateway).
    """

    kind: Breach
    collection: str
    subject: str
    store: str
    text: str

    def __str__(self) -> str:
        place = f" in {self.collection}" if self.collection else ""
        return f"{self.kind} {self.subject}{place}: {self.text}"

    def to_dict(self) -> dict[str, str]:
        """Plain members for JSON."""
        return {
            "kind": self.kind.value,
            "collection": self.collection,
            "subject": self.subject,
            "store": self.store,
            "text": self.text,
        }


@dataclass(slots=True)
class Versions:
    """What an audit saw, for a later one to notice that time went backwards (a restored store).

    ``items``: version and creation time by collection id and client id (a re-created item starts again);
    ``generations``: generation by collection id.
    """

    items: dict[tuple[UUID, str], tuple[int, datetime]] = field(default_factory=dict)
    generations: dict[UUID, int] = field(default_factory=dict)


class SampledPart(NamedTuple):
    """A part of a collection that was read in place of all: ``items`` looked at of about ``points``."""

    collection: str
    items: int
    points: int

    @property
    def bound_percent(self) -> float:
        """If nothing was found in it: with 95 % confidence at most so many percent are faulty."""
        return min(100.0, -100.0 * math.log(0.05) / self.items) if self.items else 100.0


@dataclass(frozen=True, slots=True)
class Report:
    """The outcome of one audit.

    ``union`` counts the settled items that are in either store (or should be), ``agreeing`` those that are
    the same in both; items with an open event count as ``in_flight`` and in neither. ``checked`` is
    everything looked at: items, collections, events and cache keys. ``doubts`` are the reasons of an
    ``UNKNOWN``. ``further`` differences were only seen once, as there were too many to look at all again;
    they count in ``union``. ``samples`` are the collections that were not read in full.
    """

    verdict: Conclusion
    checked: int
    agreeing: int
    union: int
    in_flight: int
    findings: tuple[Finding, ...]
    doubts: tuple[str, ...]
    duration_s: float
    versions: Versions | None = None
    further: int = 0
    samples: tuple[SampledPart, ...] = ()

    @property
    def clean(self) -> bool:
        """Everything could be read and nothing was found."""
        return self.verdict is Conclusion.CLEAN

    @property
    def percent(self) -> float:
        """Agreeing items in percent of the union; 100 when nothing is stored."""
        return 100.0 * self.agreeing / self.union if self.union else 100.0

    def of(self, kind: Breach) -> list[Finding]:
        """The findings of one kind."""
        return [finding for finding in self.findings if finding.kind is kind]

    def counts(self) -> Mapping[Breach, int]:
        """Number of findings by kind, in order of the kinds."""
        return {kind: len(self.of(kind)) for kind in Breach if self.of(kind)}

    def to_dict(self) -> dict[str, Any]:
        """Plain members for JSON."""
        return {
            "verdict": self.verdict.value,
            "checked": self.checked,
            "agreeing": self.agreeing,
            "union": self.union,
            "in_flight": self.in_flight,
            "percent": self.percent,
            "findings": [finding.to_dict() for finding in self.findings],
            "doubts": list(self.doubts),
            "duration_s": self.duration_s,
            "further": self.further,
            "samples": [{**each._asdict(), "bound_percent": each.bound_percent} for each in self.samples],
        }

    def text(self) -> str:
        """The report for people."""
        if self.verdict is Conclusion.UNKNOWN and not self.checked:
            lines = ["UNKNOWN: nothing can be said"]
            lines += [f"  could not be decided: {doubt}" for doubt in self.doubts]
            return "\n".join(lines) + "\n"
        lines = [
            f"{self.verdict}: {self.agreeing} of {self.union} items agree ({self.percent:.2f} %),"
            f" {self.in_flight} in flight, {self.checked} things checked in {self.duration_s * 1000:.0f} ms"
        ]
        lines += [f"  could not be decided: {doubt}" for doubt in self.doubts]
        if self.further:
            lines.append(f"  {self.further} further differences were seen once and not looked at again")
        for each in self.samples:
            lines.append(
                f"  of {each.collection} only a sample was read, {each.items} of about {each.points} items:"
                f" if none of them is faulty, at most {each.bound_percent:.3g} % of all are (95 % confidence)"
            )
        for kind, number in self.counts().items():
            lines.append(f"  {kind} ({number})")
            found = self.of(kind)
            lines += [f"    {_without_kind(finding)}" for finding in found[:SHOWN_OF_A_KIND]]
            if number > SHOWN_OF_A_KIND:
                lines.append(f"    ... and {number - SHOWN_OF_A_KIND} more")
        return "\n".join(lines) + "\n"

    def __str__(self) -> str:
        return self.text()


def _without_kind(finding: Finding) -> str:
    return str(finding).removeprefix(f"{finding.kind} ")
