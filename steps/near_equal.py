"""Steps about requests that are nearly equal and must not be taken for one another."""

from __future__ import annotations

from behave import given, then, when
from hamcrest import assert_that, empty, greater_than_or_equal_to

from support.vocabulary import near_equal


@given("documents that differ in a trifle")
def documents_differ(context):
    """A number, its text, a truth value; a letter, its capital; two spellings of the same word."""
    near_equal.have_documents(context.world)


@when("an employee asks many nearly equal questions, each twice")
def ask_questions(context):
    """Other limits, offsets, thresholds, filters and spellings."""
    context.world.evidence["triples"] = near_equal.search_all(context.world)


@when("many nearly equal texts are embedded, each twice")
def embed_texts(context):
    """Other blanks, spellings and punctuation."""
    context.world.evidence["triples"] = near_equal.embed_all(context.world)


@when("{provider} is asked for many nearly equal lists of texts, each twice")
def ask_provider(context, provider):
    """Other orders, divisions and sizes."""
    context.world.evidence["triples"] = near_equal.ask_provider_all(context.world, provider)


@then("every second answer comes from the cache and is the one without the cache")
def not_shared(context):
    """No request was answered with what belongs to another."""
    triples = context.world.evidence["triples"]
    assert_that(near_equal.uncached(triples), empty(), "not answered from the cache")
    assert_that(near_equal.shared(triples), empty(), "answered with another request's answer")


@then("at least {int} of the answers differ from each other")
def answers_differ(context, count):
    """Where all answers are the same, nobody could see whether they are shared."""
    different = near_equal.different_answers(context.world.evidence["triples"])
    assert_that(different, greater_than_or_equal_to(count), "different answers")
