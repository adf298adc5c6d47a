"""Steps about what fails and when it ends: processes, connections, stores, clocks."""

from __future__ import annotations

from behave import given, when

from support.vocabulary import failures


@given("{fault}")
@when("{fault}")
def begins(context, named):
    """From here on, until "... recovers"; each fault must hit something while it lasts."""
    failures.begin(context.world, named)


@given("{fault} and recovers/restarts")
@when("{fault} and recovers/restarts")
def begins_and_ends(context, named):
    """Begins and ends at once."""
    failures.restart(context.world, named)


@given("{server} recovers")
@when("{server} recovers")
def recovers(context, target):
    """Ends the faults of this server and no others; each must have hit something."""
    failures.end(context.world, target)


@when("all faults end")
def all_end(context):
    """Ends every fault of the scenario; each must have hit something."""
    failures.end(context.world)
