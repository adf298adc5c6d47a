"""One scenario: where it may run, its world, and the checks that every scenario gets for free."""

from __future__ import annotations

import operator
from typing import Any

from behave.tag_matcher import ActiveTagMatcher, ValueObject

from support.drivers.providers import DISPLAY_NAMES
from support.isolation.names import Names
from support.lifecycle import diagnosis, invariants, residue, steady_state
from support.plugins import attachments
from support.reporting import outages
from support.reporting.results import repeating
from support.world import World

ActiveTagMatcher.use_skip_reason = True
# Why a scenario that asks for it cannot run here, by the category of its active tag.
REASONS = {
    "mode": "it is not for this mode",
    "stores": "it looks into the stores: set TEST_DATABASE_URL, TEST_REDIS_URL and QDRANT_URL",
    "providers": "it controls the provider emulators, which only a stack of the suite's own has",
    "live": "it uses the live service of a provider, through a gateway of the suite's own: set the"
    " provider's API key to allow that (see docs/reference.md)",
}
ATTACH = {
    "text": attachments.attach_text,
    "json": attachments.attach_json,
    "svg": attachments.attach_svg,
}


def can_run(context: Any, scenario: Any) -> bool:
    """Skip, with the reason, what this mode cannot show."""
    # A tag holds no blanks.
    live = {DISPLAY_NAMES[name].replace(" ", "_") for name in context.citadel.live_services()}
    traits = context.citadel.traits() | {"live": ValueObject(live, compare=operator.contains)}
    matcher = ActiveTagMatcher(traits)
    if matcher.should_skip_with_tags(scenario.effective_tags):
        category = str(matcher.skip_reason).partition(" ")[0]
        scenario.skip(reason=REASONS.get(category, f"needs {matcher.skip_reason}"))
        return False
    return True


def begin(context: Any) -> None:
    """Give the scenario its world; the first clean-up registered is the last to run: the residue check."""
    citadel = context.citadel
    steady_state.regain(citadel)
    names = Names(citadel.run, citadel.next_scenario())
    keep = not citadel.settings.cleanup

    def undo(action: Any) -> None:
        if not keep:
            context.add_cleanup(action)

    context.world = World(citadel=citadel, names=names, undo=undo)
    context.marks = diagnosis.marks(citadel)
    if not keep:
        context.add_cleanup(residue.check, citadel, names)


def end(context: Any, scenario: Any) -> None:
    """Attach the exhibits, end faults, audit and search the logs; the diagnosis if anything went wrong."""
    if "world" not in context or scenario.status.is_untested():
        return
    world, citadel = context.world, context.citadel
    for exhibit in world.exhibits:
        ATTACH[exhibit.kind](exhibit.name, exhibit.content)
    failed = scenario.status.has_failed()
    # A step may find out that this mode cannot go on: the scenario is then skipped with its reason.
    broken_off = failed or bool(scenario.skip_reason)
    problems = invariants.problems(citadel, world, context.marks, broken_off=broken_off)
    if "outage" in scenario.effective_tags and not scenario.skip_reason:
        problems += _outage(citadel, scenario, context.marks)
    if problems or failed:
        for name, text in diagnosis.of(citadel, world, context.marks).items():
            attachments.attach_text(name, text)
        attachments.attach_text("How to repeat", repeating(str(scenario.location), citadel.seed))
    assert not problems, "\n".join(problems)


def _outage(citadel: Any, scenario: Any, since: diagnosis.Marks) -> list[str]:
    """Show what the scenario's faults did; the problems that a scenario which went well may still have.

    What the audit asks counts among the operations after the outage.
    """
    evidence = outages.of(
        scenario.name.rsplit(" -- @", 1)[0],
        citadel.faults.history[since.faults :],
        citadel.journal.since(since.journal),
        citadel.promises.recovers_s,
    )
    if evidence is None:
        return []
    attachments.attach_json("The outage", evidence.plain())
    citadel.outages.append(evidence.plain())
    return [] if scenario.status.has_failed() else evidence.problems()
