"""The audit itself: scan once, look again at every candidate, report what stays the same."""

from __future__ import annotations

import time
from typing import Any

from support.audit.aspects import Aspect, Case, CutShort, Sighting
from support.audit.cache import CacheAudit
from support.audit.collections import CollectionsAudit, Outbox, Reported
from support.audit.comparison import Comparison
from support.audit.parameters import EVERYTHING, Options, Scope, Stores
from support.audit.report import Breach, Conclusion, Finding, Report
from support.drivers.errors import StoreUnreachable

Candidates = list[tuple[Aspect, dict[Any, Sighting]]]


def audit(stores: Stores, scope: Scope = EVERYTHING, options: Options | None = None) -> Report:
    """Compare the three stores of one platform and report every breach of their invariants.

    Correct while clients write: the stores are read as they are, one after the other, so that a difference
    is a candidate only; a candidate becomes a finding if it is seen, unchanged, in every one of
    ``options.rounds`` further looks. A quiet and sound platform therefore costs one scan and no waiting.
    Items with an open event are in flight and judged only once that event is too old.

    Never raises for a store that does not answer: the verdict is then ``UNKNOWN`` and nothing is claimed.
    """
    return _Audit(Case(stores, scope, options or Options())).run()


class _Audit:
    def __init__(self, case: Case) -> None:
        self._case = case
        self._catalogue = CollectionsAudit(case)
        self._outbox = Outbox(case)
        self._items = Comparison(case)
        self._reported = Reported(case)
        cache = case.stores.cache
        self._cache = CacheAudit(case, cache) if cache is not None else None

    def run(self) -> Report:
        try:
            doubts = self._blind_spots()
            candidates = self._scan()
            doubts += self._items.short_scans()
            confirmed = self._confirm(candidates)
            if self._items.further and not any(seen for _aspect, seen in confirmed):
                doubts.append(f"{self._items.further} differences were seen once and not looked at again")
            return self._report(confirmed, doubts)
        except (StoreUnreachable, CutShort) as reason:
            return self._undecided(str(reason))

    def _blind_spots(self) -> list[str]:
        if self._case.stores.metadata.sees_every_row():
            return []
        return ["postgresql: row-level security hides rows from the audit's role"]

    def _scan(self) -> list[tuple[Aspect, list[Any]]]:
        case, found = self._case, list[tuple[Aspect, list[Any]]]()
        with case.stores.metadata.snapshot():
            records, events = case.collections(), case.open_events()
            found.append((self._catalogue, self._catalogue.scan(records, events)))
            found.append((self._outbox, self._outbox.scan(events)))
        # Outside of the snapshot, which a long scan would keep open: rows are read after the points of the
        # same ids, and what changed in between is a candidate like any other.
        if not case.options.expect_empty:
            found.append((self._items, self._items.scan(self._catalogue.comparable, events)))
        found.append((self._reported, self._reported.scan(self._catalogue.comparable)))
        if self._cache is not None:
            found.append((self._cache, self._cache.scan()))
        return found

    def _confirm(self, candidates: list[tuple[Aspect, list[Any]]]) -> Candidates:
        """Keep what every look sees in the same way; all aspects share the pauses."""
        options = self._case.options
        standing: Candidates = [(aspect, aspect.look(subjects)) for aspect, subjects in candidates]
        for _round in range(1, options.rounds):
            if not any(seen for _aspect, seen in standing):
                break
            self._case.check_time()
            options.pause(options.grace_s)
            standing = [(aspect, _still(seen, aspect.look(seen))) for aspect, seen in standing]
        return standing

    def _report(self, confirmed: Candidates, doubts: list[str]) -> Report:
        sightings = {id(aspect): seen for aspect, seen in confirmed}
        faulty = sightings.get(id(self._items), {})
        union = self._items.settle(faulty)
        for name, sighting in sightings[id(self._catalogue)].items():
            if sighting.finding.kind is Breach.CATALOGUE:
                union += self._catalogue.items_of(name)
        # A stuck item or collection names its event already.
        named = [*faulty.values(), *sightings[id(self._catalogue)].values()]
        reported = {sighting.about for sighting in named if sighting.finding.kind is Breach.STUCK}
        findings = [
            sighting.finding
            for aspect, seen in confirmed
            for sighting in seen.values()
            if not (aspect is self._outbox and sighting.about in reported)
        ]
        verdict = Conclusion.UNKNOWN if doubts else Conclusion.FINDINGS if findings else Conclusion.CLEAN
        others = (self._catalogue, self._outbox, self._cache)
        return Report(
            verdict=verdict,
            checked=union + self._items.in_flight + sum(part.checked for part in others if part is not None),
            agreeing=self._items.agreeing,
            union=union,
            in_flight=self._items.in_flight,
            findings=tuple(sorted(findings, key=_place)),
            doubts=tuple(doubts),
            duration_s=time.monotonic() - self._case.started,
            versions=self._items.versions if self._case.options.remember else None,
            further=self._items.further,
            samples=tuple(self._items.samples),
        )

    def _undecided(self, reason: str) -> Report:
        return Report(
            verdict=Conclusion.UNKNOWN,
            checked=0,
            agreeing=0,
            union=0,
            in_flight=0,
            findings=(),
            doubts=(reason,),
            duration_s=time.monotonic() - self._case.started,
        )


def _still(before: dict[Any, Sighting], now: dict[Any, Sighting]) -> dict[Any, Sighting]:
    return {subject: seen for subject, seen in now.items() if seen.same_as(before[subject])}


def _place(finding: Finding) -> tuple[int, str, str]:
    return (list(Breach).index(finding.kind), finding.collection, finding.subject)
