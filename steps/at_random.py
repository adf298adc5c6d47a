"""Steps about what is asked at random."""

from __future__ import annotations

from behave import then, when
from hamcrest import assert_that, equal_to, greater_than_or_equal_to

from support.matchers.complaints import nothing_wrong
from support.vocabulary import at_random


@when("a platform of its own is asked at random, with the seed of the run")
def ask_at_random(context):
    """Valid and invalid requests, made from the contract's own description of them."""
    context.world.evidence["outcome"] = at_random.ask(context.world)


@then("no operation was left out of at least {int} requests")
def nothing_left_out(context, count):
    """A round that reached less has shown nothing."""
    outcome = context.world.evidence["outcome"]
    assert_that(at_random.left_out(context.world, outcome), equal_to(0), "operations left out")
    assert_that(outcome.requests, greater_than_or_equal_to(count), "random requests")


@then("no answer has broken the contract and the stores agree")
def contract_kept(context):
    """An example of each failure is shown with the scenario."""
    assert_that(context.world.evidence["outcome"].complaints, nothing_wrong())
