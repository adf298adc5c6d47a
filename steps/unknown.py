"""Steps about writes whose outcome nobody was told."""

from __future__ import annotations

from behave import given, then, when
from hamcrest import assert_that, empty, equal_to

from support.matchers.answers import succeeded
from support.matchers.attempts import admits_outage
from support.matchers.every import every_item
from support.matchers.sides import agree
from support.vocabulary import outages, stores, unknown


@when("{loss} is lost of storing {string}, rewriting {string} and deleting {string} in the vector store")
def lost(context, loss, new, changed, dropped):
    """All at the same moment; afterwards the link is whole again."""
    unknown.write_and_lose(context.world, loss, new, changed, dropped)


@then("each caller is told in time that the outcome is unknown")
def told_unknown(context):
    """A time-out, never a success and never a refusal."""
    unknown_in_time = admits_outage(("dependency-timeout",), outages.due_s(context.world))
    assert_that(unknown.attempts(context.world), every_item(unknown_in_time))


@then("all three are soon whole or absent")
def soon_whole(context):
    """Both stores hold the same."""
    assert_that(unknown.settled(context.world), empty())


@given("a rewriting of {string} to which the vector store never answered")
def rewriting_without_answer(context, title):
    """It was carried out, and nobody was told."""
    unknown.rewrite_without_answer(context.world, title)


@when(
    "an editor rewrites {string} to be about {string}, and only then the lost rewriting is carried out again"
)
def late_execution(context, title, text):
    """As by a store that had stood still and now works off what it was sent."""
    assert_that(unknown.rewrite_then_be_late(context.world, title, text), succeeded())


@then("the row and the point of {string} soon agree on {string}")
def soon_agree(context, title, text):
    """The newest write wins, in both stores."""
    unknown.settled(context.world)
    assert_that(stores.sides(context.world, title), agree())
    assert_that(stores.text_of(context.world, title), equal_to(text))


@given("a document {string} whose storing nobody was told the outcome of")
def storing_without_outcome(context, title):
    """Its vector is still missing."""
    unknown.store_without_request(context.world, title)


@when("an editor deletes {string} as soon as the vector store is back")
def delete_at_once(context, title):
    """Before the platform has finished the storing by itself."""
    assert_that(unknown.delete_once_whole(context.world, title), succeeded())


@then("{string} does not come back")
def does_not_come_back(context, title):
    """Neither at once nor when everything has settled."""
    unknown.stays_away(context.world, title)
