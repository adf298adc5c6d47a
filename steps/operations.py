"""Steps about all operations of the contract alike."""

from __future__ import annotations

from behave import given, then
from hamcrest import any_of, assert_that, empty

from support.matchers.complaints import nothing_wrong
from support.matchers.requests import all_refused_with, all_succeeded
from support.vocabulary import operations, outages, requests


@given("every operation has something to work on")
def have_ready(context):
    """Collections, documents, jobs and texts, made now: from here on every operation is called on them."""
    context.world.prepared = requests.operations.prepare(context.world)


@then("every operation succeeds except:")
def succeed_except(context):
    """The exceptions: operation and outcome, such as "a or b"; further columns are fields of the answer."""
    rows = [row.as_dict() for row in context.table]
    assert_that(operations.deviations(context.world, "succeeded", rows), nothing_wrong())


@then("every operation is refused with {string} except:")
def refused_except(context, code):
    """The exceptions: operation and outcome, such as "a or b"; further columns are fields of the answer."""
    rows = [row.as_dict() for row in context.table]
    assert_that(operations.deviations(context.world, code, rows), nothing_wrong())


@then("every operation has these outcomes, and the contract grants it to the same callers:")
def granted(context):
    """The access rules: a row for every operation, a column for every caller who has called them all.

    Columns: operation | an anonymous caller | a reader | an editor | an administrator
    """
    rows = [row.as_dict() for row in context.table]
    assert_that(operations.granted_otherwise(context.world, rows), nothing_wrong())


@then("every operation answers within {limit}, or within its own limit where that is shorter")
def answers_in_time(context, wording):
    """The contract gives every operation a limit."""
    assert_that(operations.late(context.world, wording), nothing_wrong())


@then("all operations, asked for at the same moment, answer within the promised time")
def all_answer_in_time(context):
    """Also those that need what has failed."""
    calls = requests.prepare(context.world, "an administrator", requests.parse("calls every operation"))
    requests.at_once(context.world, [call for call in calls if call.operation != "get readiness"])
    assert_that(operations.late(context.world, "the refusal limit"), nothing_wrong())


@then("those that need it refuse as unavailable")
@then("those that need one of them refuse as unavailable")
def needing_refuse(context):
    """By the contract's own list; never an empty success and never the caller's fault."""
    admitted = all_refused_with(*outages.admitted(context.world))
    assert_that(operations.in_need(context.world), any_of(admitted, empty()))
    assert_that(operations.blaming_another(context.world), empty(), "refusals that name another culprit")


@then("all others do their work")
def others_work(context):
    """An outage goes no further than it must."""
    assert_that(operations.not_in_need(context.world), all_succeeded())
