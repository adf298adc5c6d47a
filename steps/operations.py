"""Steps about all operations of the contract alike."""

from __future__ import annotations

from behave import given, then
from hamcrest import assert_that

from support.matchers.complaints import nothing_wrong
from support.vocabulary import operations, requests


@given("every operation has something to work on")
def have_ready(context):
    """Collections, documents, jobs and texts, made now: from here on every operation is called on them."""
    requests.operations.have_ready(context.world)


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
