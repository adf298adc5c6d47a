"""Steps about clocks that are wrong."""

from __future__ import annotations

from behave import given, when

from support.vocabulary import clocks


@given("the clock of {store} is an hour {deviation}")
@when("the clock of {store} is an hour {deviation}")
def clock_is_wrong(context, target, kind):
    """Set before the service starts anew; what measures durations stays right."""
    clocks.set_wrong(context.world, target, kind)


@when("the clock of {dependency} is right again")
def clock_is_right(context, target):
    """The wrong one must have been told by the service itself, or the scenario proved nothing."""
    clocks.set_right(context.world, target)
