"""Steps about loads and the figures that are promised under them."""

from __future__ import annotations

from behave import then, when
from hamcrest import assert_that, less_than_or_equal_to

from support.matchers.verdicts import holds
from support.vocabulary import loads


@when("unseen texts arrive for storing {int} times a second in {int} rounds of {duration}")
def unseen_texts_arrive(context, rate, rounds, round_s):
    """Arrivals that do not wait for each other, timed from the moment they were due."""
    loads.store_unseen_texts(context.world, rate, rounds, round_s)


@when("{int} concurrent users each make {int} journeys of storing, reading and searching")
def users_work(context, users, journeys_each):
    """All of them there at once, each without a pause."""
    loads.let_users_work(context.world, users, journeys_each)


@then("the end-to-end average is at most {duration} with 95 % confidence")
def average_at_most(context, limit_s):
    """By the means of the rounds."""
    assert_that(loads.end_to_end_average(context.world, limit_s), holds())


@then("95 of 100 times each hop takes less than {duration}")
def hops_below(context, limit_s):
    """By the times that the gateway tells of itself and of each store."""
    assert_that(loads.hops_are_below(context.world, limit_s), holds())


@then("at least {percent} of the journeys succeed with 95 % confidence")
def journeys_succeed(context, share):
    """By Wilson's bound: more than the share that happened to be seen."""
    assert_that(loads.journeys_succeed(context.world, share), holds())


@when("{int} questions are each asked once without and once with a warm cache")
def ask_twice(context, count):
    """One after the other, so that both see the same moods of the machine."""
    loads.ask_with_and_without_cache(context.world, count)


@then("the typical cached answer takes at most half the time")
def half_the_time(context):
    """Median against median."""
    without, cached = loads.typical_ms_without_and_with_cache(context.world)
    assert_that(cached, less_than_or_equal_to(without / 2), f"ms with the cache, {without:.1f} without")
