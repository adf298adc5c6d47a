"""Steps about what the services behind the gateway received, and requests that are held on their way."""

from __future__ import annotations

from behave import given, then, when
from hamcrest import assert_that

from support.matchers.complaints import nothing_wrong
from support.vocabulary import in_flight, metrics, recordings


@given("the requests to {server} are recorded")
def recorded(context, server):
    """From here on; of PostgreSQL and Redis the connections are counted, of the gateway its metrics kept."""
    recordings.record(context.world, server)


@then("{server} received:")
def received(context, server):
    """Since it is recorded, by kind: requests, writes, texts, connections, others; more columns are of each.

    Columns: kind | number | request id | texts | points | deadline | keys of others
    """
    rows = [row.as_dict() for row in context.table]
    assert_that(recordings.otherwise(context.world, server, rows), nothing_wrong())


@then("the metrics show:")
def metrics_show(context):
    """Those of the gateway: value, or growth since its requests are recorded; the other columns are labels.

    "one for each answer" is the growth of a counter of answers. Columns: metric | value | growth | <label>
    """
    rows = [row.as_dict() for row in context.table]
    assert_that(metrics.otherwise(context.world, rows), nothing_wrong())


@then("within {limit} the log of {server} contains {string}")
def log_contains(context, wording, server, text):
    """What it has logged since the scenario began."""
    complaints = recordings.not_logged(context.world, context.marks.logs, server, text, wording)
    assert_that(complaints, nothing_wrong())


@given("these requests are in flight, held {moment}:")
@when("these requests are in flight, held {moment}:")
def are_in_flight(context, moment):
    """Made at the same moment, each by a client of its own; each is held there until they go on.

    Columns: actor | request | times | collection
    """
    in_flight.hold(context.world, moment, [row.as_dict() for row in context.table])


@when("the requests in flight {continuation}")
def continue_in_flight(context, continuation):
    """To their end, none answered before; or answered while they are held: the gateway gives them up."""
    continuation(context.world)
