"""The checks that every scenario gets for free, after its last step and before its clean-up."""

from __future__ import annotations

from typing import TYPE_CHECKING

from support.audit import Report, Scope, Stores, Verdict, audit
from support.reporting import diagnosis
from support.waiting import NotYet, eventually

if TYPE_CHECKING:
    from support.citadel import Citadel
    from support.world import World


def problems(citadel: Citadel, world: World, since: diagnosis.Marks) -> list[str]:
    """What is wrong with the platform now that the scenario is over, as sentences; faults are healed first."""
    found = [f"a fault was still active: {fault}" for fault in citadel.faults.lift_all()]
    found += diagnosis.unexpected_errors(citadel, since)
    found += diagnosis.leaked_secrets(citadel, since)
    if world.wrote and not world.disagreement_expected:
        found += _disagreements(citadel, world)
    return found


def audit_of(citadel: Citadel, world: World) -> Report:
    """One audit of the scenario's collections in all three stores."""
    assert citadel.rows is not None and citadel.vectors is not None, "the stores cannot be seen in this mode"
    stores = Stores(rows=citadel.rows, vectors=citadel.vectors, cache=citadel.cache)
    return audit(stores, Scope(prefix=world.names.prefix))


def _disagreements(citadel: Citadel, world: World) -> list[str]:
    """Findings that do not settle within the time the platform has to converge."""
    if citadel.rows is None or citadel.vectors is None:
        return []
    reports: list[Report] = []

    def look() -> Verdict:
        reports.append(audit_of(citadel, world))
        return reports[-1].verdict

    try:
        eventually(
            look, lambda verdict: verdict is Verdict.CLEAN, within=citadel.promises.converges_s, what="audit"
        )
    except NotYet:
        citadel.audits.add(reports[-1])
        return [f"the stores disagree after the scenario:\n{reports[-1].text()}"]
    citadel.audits.add(reports[-1])
    return []
