"""Steps about requests that are repeated: without a pause in the background, or with others after each."""

from __future__ import annotations

from behave import given, then, when
from hamcrest import assert_that

from support.matchers.complaints import nothing_wrong
from support.vocabulary import requests, visibility


@given("these requests are repeated without a pause:")
def are_repeated(context):
    """From here on until they end; each client has connections of its own, {n} differs each time.

    Columns: actor | request | clients | collection
    """
    requests.repeating.begin(context.world, [row.as_dict() for row in context.table])


@when("{int} more of the repeated requests {ending}")
def go_on(context, count, succeeding):
    """Of those that end from here on."""
    requests.repeating.await_more(context.world, count, succeeding=succeeding)


@when("the repeated requests end")
def end(context):
    """Each goes on to its end; what came of all of them is judged by what follows."""
    requests.repeating.end(context.world)


@when("{actor} {request} {int} times, each followed at the same moment by:")
def followed(context, actor, request, times):
    """After each answer these requests, every one by a client with connections of its own.

    Columns: actor | request | times | collection
    """
    calls = requests.prepare(context.world, actor, request, times=times)
    requests.repeating.followed(context.world, calls, [row.as_dict() for row in context.table])


@then("no client is shown an older version than one that was acknowledged or shown to it before")
def shown_nothing_older(context):
    """Read, listed or searched; where a document is absent, it is older than any. Each sees a change."""
    assert_that(visibility.shown_older(context.world), nothing_wrong())
