"""Steps about the nine external providers."""

from __future__ import annotations

from behave import given, then, when
from hamcrest import (
    assert_that,
    close_to,
    contains_exactly,
    empty,
    equal_to,
    has_length,
    less_than_or_equal_to,
    not_,
)

from support.matchers.answers import refused_as, succeeded
from support.matchers.every import every_item
from support.vocabulary import providers


@when("every provider is asked to embed the same two texts")
def ask_all(context):
    """One request to each."""
    context.world.answers = [providers.ask(context.world, name, ["hello", "world"]) for name in providers.ALL]


@then("each of the {int} providers answers with two embeddings of its declared size")
def all_answer(context, count):
    """Two vectors of the declared size from each."""
    answers = context.world.answers
    assert_that(answers, has_length(count))
    assert_that(answers, every_item(succeeded()))
    sizes = [[len(vector) for vector in answer.body["embeddings"]] for answer in answers]
    declared = [[providers.declared_size(context.world, name)] * 2 for name in providers.ALL]
    assert_that(sizes, equal_to(declared), f"sizes of {', '.join(providers.ALL)}")


@given("{provider} has embedded {string} and {string}")
def has_embedded(context, provider, one, other):
    """An answer that is cached now."""
    context.world.answer = providers.ask(context.world, provider, [one, other])
    assert_that(context.world.last, succeeded())


@when("{provider} is asked to embed {string} and {string}")
def ask(context, provider, one, other):
    """One request with two texts."""
    context.world.answer = providers.ask(context.world, provider, [one, other])


@when("{provider} is asked to embed {string} and {string}, or else {provider}")
def ask_or_else(context, provider, one, other, second):
    """With a second provider to turn to."""
    context.world.answer = providers.ask(context.world, provider, [one, other], failover=[second])


@when("{provider} is asked for embeddings of {int} numbers, or else {provider}")
def ask_for_size(context, provider, size, second):
    """The size is a condition for whoever answers."""
    context.world.answer = providers.ask(
        context.world, provider, ["hello"], failover=[second], required_dimensions=size
    )


@when("{provider} is asked for the model {string}")
def ask_for_model(context, provider, model):
    """A model by its name."""
    context.world.answer = providers.ask(context.world, provider, ["hello"], model=model)


@given("{provider} refuses the platform's key")
def refuses_key(context, provider):
    """As after a withdrawn key."""
    providers.have_behave(context.world, provider, "bad_key")


@given("{provider} is overloaded")
def overloaded(context, provider):
    """Every request is answered with the provider's overload error."""
    providers.have_behave(context.world, provider, "overload")


@when("{provider} is asked so often that the platform gives it up")
def ask_until_given_up(context, provider):
    """Until the platform says that it leaves the provider alone."""
    providers.ask_until_given_up(context.world, provider)


@then("further requests are refused without asking {provider}")
def refused_unasked(context, provider):
    """By the provider's own request log."""
    providers.begin(context.world)
    answers = [providers.ask_once(context.world, provider) for _ in range(3)]
    assert_that(answers, every_item(refused_as("circuit-open")))
    assert_that(providers.received(context.world, provider), empty(), "requests that arrived")


@then("{provider} is asked again when the break is over")
def asked_again(context, provider):
    """The first request after the break reaches it."""
    assert_that(providers.answers_after_the_break(context.world, provider), succeeded())
    assert_that(providers.received(context.world, provider), not_(empty()), "requests that arrived")


@given("{provider} does not answer at all")
def hangs(context, provider):
    """Requests are taken and never answered."""
    providers.have_behave(context.world, provider, "hang")


@then("the {int} embeddings have {int} numbers and unit length")
def embeddings_shape(context, count, size):
    """Size and length of every vector."""
    assert_that(context.world.last, succeeded())
    assert_that([len(vector) for vector in context.world.last.body["embeddings"]], equal_to([size] * count))
    assert_that(providers.lengths(context.world.last), every_item(close_to(1.0, 1e-3)))


@then("{provider} was asked exactly {int} time(s)")
def asked_times(context, provider, times):
    """Counted at the provider, not in the gateway."""
    assert_that(providers.received(context.world, provider), has_length(times))


@then("the answer shows neither the key nor the provider's own words")
def shows_no_words(context):
    """The caller learns the kind of failure, nothing else."""
    assert_that(providers.own_words(context.world.last), empty(), context.world.last.text)


@then("the answer comes from {provider} and names both attempts")
def comes_from(context, provider):
    """The second provider answered, the first one's failure is told."""
    assert_that(context.world.last, succeeded())
    body = context.world.last.body
    assert_that([body["provider"], body["failover_used"]], equal_to([provider, True]))
    attempted = [attempt["provider"] for attempt in body["attempts"]]
    assert_that(attempted, contains_exactly(body["requested_provider"], provider))


@then("the change-over took no longer than promised")
def change_over(context):
    """Attempt time-out plus one healthy answer."""
    took = context.world.last.body["failover_time_ms"]
    assert_that(
        took, less_than_or_equal_to(providers.longest_change_over_ms(context.world)), "ms for the change-over"
    )


@then("the request is refused as {string}")
def refused(context, code):
    """The problem's code."""
    assert_that(context.world.last, refused_as(code))


@then("the request is refused as {string} or {string}")
def refused_either(context, code, other):
    """One of two codes."""
    assert_that(context.world.last, refused_as(code, other))


@when("{provider} is asked for an embedding under the request id {string}")
def ask_with_id(context, provider, request_id):
    """The caller brings an id."""
    context.world.answer = providers.ask_under_id(context.world, provider, request_id)


@then("{provider} received that id")
def received_id(context, provider):
    """Seen in the headers that arrived."""
    ids = [request.headers.get("x-request-id") for request in providers.received(context.world, provider)]
    assert_that(ids, equal_to([context.world.last.request_id]))
