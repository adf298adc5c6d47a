"""Steps about what reaches a provider and about its embeddings."""

from __future__ import annotations

import itertools

from behave import given, then, when
from hamcrest import all_of, assert_that, empty, equal_to, greater_than, has_length, none

from support.matchers.answers import succeeded
from support.matchers.every import every_item
from support.vocabulary import provider_calls, providers


@given("{provider} gives its embeddings in another order than the texts")
def shuffles(context, provider):
    """Each embedding still tells its place."""
    providers.have_behave(context.world, provider, "shuffled")


@when("{provider} is asked to embed a text as a document and as a question")
def ask_as_both(context, provider):
    """Two requests that differ in nothing else."""
    context.world.answers = provider_calls.ask_as_both(context.world, provider, "Where is the canteen?")


@when("{provider} is asked for embeddings of {int} numbers")
def ask_for_numbers(context, provider, size):
    """A size other than the declared one."""
    context.world.evidence["size"] = size
    context.world.answer = providers.ask(context.world, provider, ["hello", "world"], dimensions=size)


@when("{provider} is asked for embeddings of {int} numbers by its model {string}")
def ask_model_for_numbers(context, provider, size, model):
    """A size that a certain model offers."""
    texts = ["hello", "world"]
    context.world.answer = providers.ask(context.world, provider, texts, dimensions=size, model=model)


@when("{provider} is asked to embed {int} texts together")
def ask_together(context, provider, count):
    """One request with several texts."""
    context.world.answer = provider_calls.ask_together(context.world, provider, count)


@when("{provider} is asked to embed {int} long texts together")
def ask_long_together(context, provider, count):
    """One request with more than the provider reads at a time."""
    context.world.answer = provider_calls.ask_long_together(context.world, provider, count)


@then("{provider} received one request, with its own key and as its documentation says")
def received_as_documented(context, provider):
    """Path, credential and body, nothing more and nothing less."""
    (order,) = provider_calls.wanted(context.world)
    expected = [provider_calls.documented(provider, order)]
    assert_that(provider_calls.received(context.world, provider), equal_to(expected))


@then("{provider} received one request for that size, as its documentation says")
def received_size_as_documented(context, provider):
    """The size in the provider's own words."""
    (order,) = provider_calls.wanted(context.world, size=context.world.evidence["size"])
    expected = [provider_calls.documented(provider, order)]
    assert_that(provider_calls.received(context.world, provider), equal_to(expected))


@then("{provider} received both as its documentation says")
def received_both_as_documented(context, provider):
    """What a document and a question are called there."""
    assert_that(context.world.answers, every_item(succeeded()))
    orders = provider_calls.wanted(context.world, *provider_calls.QUESTIONS)
    expected = [provider_calls.documented(provider, order) for order in orders]
    assert_that(provider_calls.received(context.world, provider), equal_to(expected))


@then("each embedding is that of its text alone")
def none_mixed_up(context):
    """Every text is asked for once more by itself."""
    assert_that(context.world.last, succeeded())
    assert_that(provider_calls.mixed_up(context.world), empty(), "embeddings in the wrong place")


@then("{provider} received every text once and in order, in more than one request")
def received_in_parts(context, provider):
    """No text is lost, doubled or cut, and each request is one that the provider took."""
    parts = provider_calls.inputs(context.world, provider)
    assert_that(parts, has_length(greater_than(1)), "requests")
    assert_that(list(itertools.chain(*parts)), equal_to(context.world.evidence["texts sent"]))


@then("the answer tells as many tokens as {provider} has counted")
def tokens_passed_on(context, provider):
    """Of all requests together."""
    assert_that(context.world.last, succeeded())
    told = provider_calls.tokens(context.world.last)
    counted = provider_calls.tokens_counted(context.world, provider)
    assert_that(told, all_of(greater_than(0), equal_to(counted)), "tokens")


@then("the answer tells that the tokens are not known")
def tokens_unknown(context):
    """The provider does not say, so nobody does."""
    assert_that(context.world.last, succeeded())
    assert_that(provider_calls.tokens(context.world.last), none(), "tokens")
