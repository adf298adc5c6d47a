"""Steps about what holds for random examples."""

from __future__ import annotations

from behave import then, when
from hamcrest import assert_that, greater_than_or_equal_to

from support.matchers.complaints import nothing_wrong
from support.vocabulary import trials


@when("{samples} are tried")
def try_samples(context, samples):
    """By the seed of the run, for a few seconds, or up to the first that deviates."""
    trials.hold(context.world, samples)


@then("at least {int} of them were tried and none deviates from what is expected")
def none_deviates(context, count):
    """The smallest example that deviates is shown. A machine too slow for so many has shown nothing."""
    assert_that(context.world.trial.complaints, nothing_wrong())
    assert_that(context.world.trial.tried, greater_than_or_equal_to(count), "examples tried")
