"""Steps about the documented limits."""

from __future__ import annotations

from behave import then, when
from hamcrest import assert_that

from support.matchers.answers import refused_as, succeeded
from support.vocabulary import limits


@when("the largest allowed and the next larger {measure} are tried")
def try_largest(context, measure):
    """One request each."""
    limits.try_largest(context.world, measure)


@when("the smallest allowed and the next smaller {measure} are tried")
def try_smallest(context, measure):
    """One request each."""
    limits.try_smallest(context.world, measure)


@then("the largest is taken and the next larger refused as {string}")
@then("the smallest is taken and the next smaller refused as {string}")
def one_taken_one_refused(context, code):
    """Never clamped in silence."""
    allowed, beyond = context.world.answers
    assert_that(allowed, succeeded())
    assert_that(beyond, refused_as(code))
