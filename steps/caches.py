"""Steps about the cache: what it answers, what it must not change, what lies in it."""

from __future__ import annotations

from behave import given, then, when
from hamcrest import assert_that, empty, equal_to

from support.matchers.answers import succeeded
from support.vocabulary import caches


@when("the cached reading of {string}, search for {string} and its embedding are {damage}")
def damage(context, title, question, kind):
    """Overwritten directly in the cache."""
    caches.damage(context.world, kind, title, question)


@then("reading {string}, searching for {string} and embedding it answer as without the cache")
def answer_as_without(context, title, question):
    """A damaged entry counts as none, and is no error either."""
    assert_that(caches.differs_from_uncached(context.world, title, question), empty())


@then("nothing that lay in the cache was carried out")
def nothing_carried_out(context):
    """The program in it would have left a file."""
    assert_that(caches.carried_out(), equal_to(False), "a program from the cache was carried out")


@then("the cache is soon of use again for {string} and {string}")
def of_use_again(context, title, question):
    """The damaged entries have been replaced."""
    assert_that(caches.not_cached_again(context.world, title, question), empty())


@given("an administrator has emptied the cache")
def empty_cache(context):
    """All cached searches, items and embeddings."""
    context.world.answer = caches.empty(context.world)
    assert_that(context.world.answer, succeeded())
