"""The checks that every scenario gets for free, after its last step and before its clean-up."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING

from support.audit import Conclusion, Counts, Options, Report, Scope, Stores, audit, decode, opaque
from support.drivers.errors import StoreUnreachable
from support.drivers.gateway import Answer
from support.drivers.http import WitnessUnreachable
from support.lifecycle import diagnosis
from support.waiting import NotYet, eventually

if TYPE_CHECKING:
    from support.citadel import Citadel
    from support.world import World

# Texts of each collection that are embedded a second time: cheap enough for the end of every scenario.
RE_EMBEDDED = 3
# Looks that must see the same fault before it is told.
ROUNDS = 3


def problems(citadel: Citadel, world: World, since: diagnosis.Marks, *, broken_off: bool) -> list[str]:
    """What is wrong with the platform now that the scenario is over, as sentences.

    Faults are ended first; in a scenario that was ``broken_off`` nobody expects that it has done so itself.
    """
    left = citadel.faults.end_all()
    found = [] if broken_off else [f"a fault was still active: {fault}" for fault in left]
    if broken_off and (stuck := citadel.faults.not_removed()):
        found.append(f"{stuck}: aborting")
    # What has not ended by now is no fault of a server: a provider that was told how to answer.
    unmet = [fault for fault in world.faults if fault.ended_at is None and fault.hits() == 0]
    found += [] if broken_off else [f"the fault was never exercised (0 hits): {fault}" for fault in unmet]
    found += diagnosis.unexpected_errors(citadel, since)
    found += diagnosis.leaked_secrets(citadel, since)
    if world.wrote and not world.disagreement_expected:
        found += _disagreements(citadel, world)
    return found


def audit_of(citadel: Citadel, world: World, *, rounds: int = ROUNDS) -> Report:
    """One audit of the scenario's collections in all three stores, against what its clients were told.

    Without a further look (``rounds`` 1) it never waits, but what it finds may be a write under way.
    """
    assert citadel.rows is not None and citadel.vectors is not None, "the stores cannot be seen in this mode"
    stores = Stores(citadel.rows, citadel.vectors, citadel.cache)
    return audit(stores, Scope((world.names.prefix,)), _options(citadel, world, rounds))


def _options(citadel: Citadel, world: World, rounds: int) -> Options:
    # Only of a gateway that the suite started are the cache and its encoding known to be its own.
    own = citadel.stack is not None
    return Options(
        rounds=rounds,
        t_max_s=citadel.promises.converges_s,
        sample=RE_EMBEDDED,
        decode=decode if own else opaque,
        embed=partial(_embed, citadel) if citadel.embedding is not None else None,
        visible=partial(_shows, citadel),
        counts=partial(_counts, citadel),
        ledger=world.ledger,
        own_cache=own,
    )


def _disagreements(citadel: Citadel, world: World) -> list[str]:
    """What does not settle within the time the platform has to converge."""
    if citadel.rows is None or citadel.vectors is None:
        return []
    within = citadel.promises.converges_s
    try:
        report = eventually(
            partial(audit_of, citadel, world, rounds=1), _at_rest, within=within, what="the stores agree"
        )
    except NotYet:
        report = audit_of(citadel, world)
    citadel.audits.add(report)
    return _complaints(report, within)


def _at_rest(report: Report) -> bool:
    """Nothing is wrong, and nothing is under way that was not judged."""
    return report.clean and report.in_flight == 0


def _complaints(report: Report, within: float) -> list[str]:
    if _at_rest(report):
        return []
    if report.verdict is Conclusion.UNKNOWN:
        what = "the stores could not be audited after the scenario, so nothing is known of them"
    elif report.verdict is Conclusion.FINDINGS:
        what = "the stores disagree after the scenario"
    else:
        what = f"writes were still under way {within:g} s after the scenario"
    return [f"{what}:\n{report.text()}"]


def _counts(citadel: Citadel, collection: str) -> Counts:
    """What the platform says a collection holds."""
    answer = _asked(partial(citadel.gateway.call, "getCollectionStatus", collection=collection))
    if not answer.ok:
        raise StoreUnreachable("gateway", str(answer))
    return Counts(points=answer.body["points_count"], rows=answer.body["rows_count"])


def _shows(citadel: Citadel, collection: str, item: str) -> bool:
    """Whether clients see an item."""
    answer = _asked(partial(citadel.gateway.call, "getVector", collection=collection, vector_id=item))
    if not answer.ok and answer.status != 404:
        raise StoreUnreachable("gateway", str(answer))
    return answer.ok


def _asked(call: Callable[[], Answer]) -> Answer:
    """The gateway as a witness: without an answer as promised, the audit cannot say anything."""
    try:
        return call()
    except AssertionError as error:
        raise StoreUnreachable("gateway", str(error)) from error


def _embed(citadel: Citadel, text: str, model: str) -> Sequence[float]:
    """The embedding service's own vector of a text."""
    assert citadel.embedding is not None
    try:
        return citadel.embedding.embed([text], model)[0]
    except WitnessUnreachable as error:
        raise StoreUnreachable("embedding", str(error)) from error
