"""Steps about outages: what fails, what is promised meanwhile, how the platform comes back."""

from __future__ import annotations

from behave import then, when
from hamcrest import assert_that

from support.matchers.attempts import admits_outage
from support.vocabulary import documents, outages


@when("{dependency} is back")
def is_back(context, target):
    """The fault is lifted; it must have hit something, or the scenario proved nothing."""
    outages.lift(context.world)


@then("the platform recovers within the promised time")
def recovers(context):
    """Every operation works again, without a restart of the gateway."""
    outages.recovered(context.world, "storing", "searching", "reading")


@then("everything works again within the promised time")
def everything_recovers(context):
    """Stores, cache, embedding service and providers."""
    outages.recovered(context.world, "storing", "searching", "reading", "asking OpenAI")
    outages.cache_is_used_again(context.world)


@then("answers come from the cache again within the promised time")
def cache_recovers(context):
    """A repeated search is a hit again."""
    outages.cache_is_used_again(context.world)


@when("{dependency} hangs while an editor stores the document {string}")
def hangs_during_store(context, target, title):
    """The request never arrives there and no answer comes."""
    outages.strike(context.world, target, "hang")
    context.world.answer = documents.store(context.world, title, f"The text of {title}.")


@then("the editor is told in time that the outcome is unknown")
def told_unknown(context):
    """A time-out within the store's budget and half a second."""
    attempt = outages.Attempt("the change", context.world.last)
    assert_that(attempt, admits_outage(("dependency-timeout",), outages.due_s(context.world)))


@then("{string} is soon in both stores or in neither")
def settles(context, title):
    """Within the time the platform has to converge."""
    outages.settled(context.world, title)


@when("the gateway is killed after the row of {string} is written but before its point is")
def kill_between_writes(context, title):
    """The crash point between the two writes, reached from outside."""
    outages.kill_gateway_between_writes(context.world, title)


@when("everything is running again")
def all_running(context):
    """Every fault is lifted, every service restarted."""
    outages.lift(context.world)
