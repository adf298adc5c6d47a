"""Steps about many callers at once."""

from __future__ import annotations

from behave import then, when
from hamcrest import assert_that, empty, less_than_or_equal_to

from support.matchers.answers import succeeded
from support.matchers.attempts import admits_outage
from support.matchers.every import every_item
from support.vocabulary import crowds, outages


@when("the embedding service dies of every text")
def dies_of_all(context):
    """It says that it is well, but nobody gets an embedding."""
    outages.strike(context.world, "embedding", "choke", on="POST /embed")


@when("{int} employees search for {string} at the same moment")
def crowd_asks(context, count, question):
    """All have come before the first one is answered."""
    crowds.ask_the_same(context.world, count, question)


@then("each of them is offered {string} first")
def crowd_is_offered(context, title):
    """Nobody is turned away or answered otherwise."""
    assert_that(crowds.not_offering(context.world, title), empty())


@then("the embedding service was called {int} time(s) for all of them")
def called_for_all(context, times):
    """By its own count."""
    assert_that(crowds.calls(context.world), less_than_or_equal_to(times), "calls of the embedding service")


@then("{int} employees who search {int} times each are refused as unavailable within the promised time")
def crowd_is_refused(context, users, times):
    """Every search of every one of them, honestly and in time."""
    refused = admits_outage(outages.UNAVAILABLE, outages.due_s(context.world))
    assert_that(crowds.search_in_an_outage(context.world, users, times), every_item(refused))


@then("{int} employees who search {int} times each are soon answered")
def crowd_is_answered(context, users, times):
    """Once the platform has recovered, every search of every one of them."""
    assert_that(crowds.search_after_an_outage(context.world, users, times), every_item(succeeded()))


@then("the embedding service was called at most once for each search")
def called_once_each(context):
    """No attempt is repeated on its way, let alone on several layers."""
    searches = context.world.evidence["searches"]
    calls = crowds.calls(context.world)
    assert_that(calls, less_than_or_equal_to(searches), f"calls of the embedding service for {searches}")
