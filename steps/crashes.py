"""Steps about a gateway that dies at an exact moment of a write."""

from __future__ import annotations

from behave import then, when
from hamcrest import assert_that, empty

from support.vocabulary import crashes


@when(
    "the gateway dies {moment} of storing {string}, rewriting {string} and deleting {string}, and comes back"
)
def dies_during_documents(context, moment, new, changed, dropped):
    """All three are under way, none is answered."""
    crashes.kill_during_document_writes(context.world, moment, new, changed, dropped)


@when("the gateway dies {moment} of making the collection {string}, and comes back")
def dies_during_making(context, moment, alias):
    """Nobody has been told whether it exists."""
    crashes.kill_during_making(context.world, moment, alias)


@when("the gateway dies {moment} of dropping the collection {string}, and comes back")
def dies_during_dropping(context, moment, alias):
    """Nobody has been told whether it is gone."""
    crashes.kill_during_dropping(context.world, moment, alias)


@then("everything is soon in both stores alike or in neither")
def whole_or_absent(context):
    """Collections and documents, within the time the platform has to converge."""
    assert_that(crashes.unsettled(context.world), empty())


@then("doing the same again ends as if nothing had happened")
def again_is_safe(context):
    """Each write is carried out or found done, and the stores are alike."""
    assert_that(crashes.again(context.world), empty(), "refused the second time")
    assert_that(crashes.unsettled(context.world), empty())
