"""behave's hooks, in the order in which they run; each calls one named function."""

from __future__ import annotations

from typing import Any

from support.packages import exit_unless_installed

exit_unless_installed()

from support.plugins import allure_corrections, early_refusal, parameter_types, run, scenario, steps  # noqa: E402

early_refusal.install()
allure_corrections.install()
parameter_types.install()


def before_all(context: Any) -> None:
    """Diagnose, open the report, start the platform or the workers that each start their own."""
    run.interrupt_on_sigterm()
    with early_refusal.refusing_what_breaks(context):
        run.choose(context)
        run.prepare(context)
        run.open_report(context)
        steps.bound_every_step(context)
        run.start(context)


def before_scenario(context: Any, this: Any) -> None:
    """Skip what cannot run here, else give the scenario a world of its own."""
    if scenario.can_run(context, this):
        scenario.begin(context)


def after_scenario(context: Any, this: Any) -> None:
    """End faults, audit, look for errors and leaked secrets; on a failure attach the diagnosis."""
    scenario.end(context, this)


def after_all(context: Any) -> None:
    """Close the platform and tell the results."""
    run.close_platform(context)
    run.tell_results(context)
