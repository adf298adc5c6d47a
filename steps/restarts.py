"""Steps about what starts and stops in an order that nobody has chosen."""

from __future__ import annotations

from behave import then, when
from hamcrest import assert_that, equal_to

from support.matchers.answers import refused_as
from support.matchers.attempts import admits_outage
from support.matchers.every import every_item
from support.vocabulary import outages, restarts


@when("the gateway starts while nothing else can be reached")
def gateway_first(context):
    """Started, living, and cut off from every service."""
    restarts.start_gateway_first(context.world)


@then("it lives, says that it is not ready, and refuses work as unavailable")
def waits_honestly(context):
    """Neither gone nor pretending."""
    assert_that(restarts.readiness_meanwhile(context.world), refused_as("dependency-unavailable"))
    refused = admits_outage(outages.UNAVAILABLE, outages.due_s(context.world))
    tried = outages.attempts(context.world, ["storing", "searching", "reading"])
    assert_that(tried, every_item(refused))


@then("the gateway is soon ready without another start")
def ready_without_restart(context):
    """It has waited by itself."""
    assert_that(restarts.further_starts(context.world), equal_to(0), "further starts")


@when("the gateway is told to stop while {int} editors store one document after the other")
def stop_under_load(context, editors):
    """They go on until they are refused."""
    context.world.evidence["outcomes"] = restarts.stop_under_load(context.world, editors)


@when("everything crashes in the middle of storing more documents")
def everything_crashes(context):
    """Some are acknowledged by then, some are under way."""
    restarts.crash_everything_under_writes(context.world, 30)
