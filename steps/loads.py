"""Steps about loads, and the figures that are claimed under them with confidence."""

from __future__ import annotations

from behave import given, then, when
from hamcrest import assert_that, less_than_or_equal_to

from support.matchers.verdicts import holds
from support.vocabulary import loads


@given("the gateway waits for {server} as long as the contract allows")
def waits_as_contracted(context, server):
    """Until the scenario ends: the suite's own gateway has shorter time limits otherwise."""
    loads.wait_as_contracted(context.world, server)


@when("{int} users run {journey} {extent}")
def users_run(context, users, words, extent):
    """All at the same time, each without a pause; a first journey of each does not count."""
    loads.let_users_work(context.world, words, users, extent)


@when("{journey} is run {int} times per second in {int} rounds of {duration}")
def is_run(context, words, rate, rounds, seconds):
    """Whoever still waits: the latency counts from the moment when a journey was due."""
    loads.arrive(context.world, words, rate, rounds, seconds)


@then("at least {percent} of the journeys succeed with 95 % confidence")
def journeys_succeed(context, share):
    """By Wilson's bound; a number of journeys must be 1000 at least. A slow machine decides nothing."""
    assert_that(loads.journeys_succeed(context.world, share), holds())


@then("the mean latency is at most {duration} with 95 % confidence")
def mean_at_most(context, limit_s):
    """Of what was run per second, or of a request made 50 times or more: the t-interval of round means."""
    assert_that(loads.mean_latency(context.world, limit_s), holds())


@then("{percent} of the requests spend less than this with 95 % confidence:")
def hops_below(context, share):
    """By the times that the gateway tells of itself and of each service.

    Columns: hop | limit
    """
    rows = [row.as_dict() for row in context.table]
    assert_that(loads.hops_are_below(context.world, share, rows), holds())


@then("the median latency from the cache is at most {percent} of that without it")
def cached_median(context, share):
    """Of as many answers from the cache as answers that passed it by."""
    measured, described = loads.share_of_time_with_cache(context.world)
    assert_that(measured, less_than_or_equal_to(share), described)
