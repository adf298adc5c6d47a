"""Steps about what the two stores really hold."""

from __future__ import annotations

from behave import then
from hamcrest import assert_that, equal_to

from support.vocabulary import stores


@then("neither store holds {string}")
def neither_holds(context, title):
    """No row and no point."""
    assert_that(stores.sides(context.world, title), equal_to(stores.Sides(None, None)))


@then("both stores count {int} documents and nothing is in flight")
def both_count(context, count):
    """The stores' own counts and the platform's."""
    expected = {"rows": count, "points": count, "in flight": 0}
    assert_that(stores.counts(context.world), equal_to(expected), "counted in the stores")
    assert_that(stores.reported_counts(context.world), equal_to(expected), "as the platform reports")
