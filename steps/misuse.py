"""Steps about wrong requests: flawed documents, attacks."""

from __future__ import annotations

from behave import then, when
from hamcrest import assert_that, empty, greater_than_or_equal_to, less_than

from support.matchers.answers import succeeded
from support.vocabulary import access, misuse


@when("an editor submits a document with {flaw}")
def submit_flawed(context, flaw):
    """One document, wrong in one way."""
    context.world.answer = misuse.FLAWS[flaw](context.world)


@when("an attacker sends {attack}")
def attack(context, kind):
    """One hostile request with a valid key."""
    context.world.answer = misuse.ATTACKS[kind](context.world)


@then("the request is refused with a problem that shows no internals")
def refused_without_internals(context):
    """A fault of the caller, told without the platform's inside."""
    assert_that(context.world.last.status, greater_than_or_equal_to(400))
    assert_that(context.world.last.status, less_than(500))
    assert_that(misuse.internals_shown(context.world.last), empty())


@then("the collection {string} still works")
def still_works(context, alias):
    """It answers with its counts."""
    assert_that(access.works(context.world, alias), succeeded())
