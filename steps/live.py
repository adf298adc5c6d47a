"""Steps about the providers' live services."""

from __future__ import annotations

from behave import given, then, when
from hamcrest import assert_that, empty, equal_to, not_

from support.matchers.answers import refused_for_good_as
from support.vocabulary import live


@given("the platform asks the live service of {provider}")
def asks_live(context, provider):
    """Until the scenario ends."""
    live.ask_the_live_service(context.world, provider)


@when("{provider} is asked to embed {string} and {string}, with patience")
def ask_patiently(context, provider, one, other):
    """A live service may be far away."""
    context.world.answer = live.ask(context.world, provider, one, other)


@then("the same texts in another order get the same embeddings")
def order_does_not_matter(context):
    """As far as a live service calculates the same thing twice."""
    assert_that(live.unlike_in_another_order(context.world), empty())


@then("{provider} refuses for good a model that it does not know")
def refuses_model(context, provider):
    """Understood as a refusal, not as a failure that may pass."""
    answer = live.ask_for_unknown_model(context.world, provider)
    assert_that(answer, refused_for_good_as("provider-error"))


@then("{provider} refuses for good a key that it does not know")
def refuses_key(context, provider):
    """Understood as a refusal, not as a failure that may pass."""
    answer = live.ask_with_unknown_key(context.world, provider)
    assert_that(answer, refused_for_good_as("provider-error"))


@when("Anthropic's own service is greeted")
def greet_anthropic(context):
    """A few words, and a question for embeddings."""
    live.greet_anthropic(context.world)


@then("it says something")
def says_something(context):
    """The key is good and the interface as documented."""
    assert_that(context.world.evidence["said"], not_(empty()))


@then("it has no embeddings to offer")
def has_no_embeddings(context):
    """Which is why Voyage makes them."""
    assert_that(context.world.evidence["embeddings"], equal_to(404))
