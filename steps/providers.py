"""Steps about how providers answer and recover, and about what the gateway knows of them."""

from __future__ import annotations

from behave import given, then, when
from hamcrest import assert_that, equal_to

from support.vocabulary import failures
from support.vocabulary.providers import settings, troubles


@given("{provider} answers {span} with {provider_answer}")
@when("{provider} answers {span} with {provider_answer}")
def answers(context, provider, times, wording):
    """From here on, until it recovers or as often as said; it must meet a request."""
    troubles.begin(context.world, provider, wording, times)


@when("{provider} recovers")
def recovers(context, provider):
    """It answers as it does by itself; how it answered before must have met a request."""
    failures.end(context.world, provider)


@given("{provider}'s circuit breaker is {breaker_state}")
def breaker_is(context, provider, state):
    """The provider answers with overload errors until its breaker has opened, and until it recovers."""
    troubles.have_breaker(context.world, provider, state)


@then("within {limit} {provider}'s circuit breaker is {breaker_state}")
def breaker_becomes(context, wording, provider, state):
    """As the platform tells it."""
    assert_that(troubles.await_breaker(context.world, provider, state, wording), equal_to(state))


@given("{provider} accepts only a new key")
def accepts_new_key(context, provider):
    """A key that the gateway does not know; the old one is refused from now on."""
    settings.accept_new_key_only(context.world, provider)


@given("the gateway is reconfigured for {provider}:")
@when("the gateway is reconfigured for {provider}:")
def reconfigured(context, provider):
    """It restarts with another key, limit or address: requests per minute, key, service."""
    settings.configure(context.world, provider, [row.as_dict() for row in context.table])


@when("Anthropic's own service is asked to {live_task} {string}")
def ask_anthropic(context, task, text):
    """Directly: the gateway never asks it."""
    settings.ask_anthropic(context.world, task, text)
