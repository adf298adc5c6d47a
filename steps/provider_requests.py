"""Steps about what reached the providers, who served a request, and about the embeddings."""

from __future__ import annotations

from behave import then
from hamcrest import all_of, assert_that, empty, equal_to, greater_than, greater_than_or_equal_to, has_length

from support.matchers.complaints import nothing_wrong
from support.matchers.requests import all_succeeded
from support.vocabulary.providers import documented, embeddings, witness


@then("{provider} received {quantity} request(s)")
def received_so_many(context, provider, quantity):
    """For the last requests to providers; counted by the provider, not by the gateway."""
    seen = witness.received(context.world, provider)
    assert_that(seen, has_length(quantity.matcher()), f"requests that {provider} received")


@then("no provider received a request")
def nobody_asked(context):
    """Since the scenario began, by the records of all nine."""
    assert_that(witness.received_by_any(context.world), empty(), "requests that arrived")


@then("{provider} received these requests as documented:")
def received_as_documented(context, provider):
    """One row a request: path, key and body are exactly as the provider documents them for such an order."""
    rows = [row.as_dict() for row in context.table]
    wanted = documented.expected(context.world, provider, rows)
    assert_that(documented.found(context.world, provider, rows), equal_to(wanted))


@then("{provider} received every retry no earlier than its Retry-After")
def retried_when_told(context, provider):
    """By the provider's own clock; each of its refusals named a time and was retried."""
    assert_that(witness.hints(context.world, provider), greater_than(0), "refusals that named a time")
    assert_that(witness.early_retries(context.world, provider), nothing_wrong())


@then("the retries to {provider} are spread over at least {duration}")
def retries_spread(context, provider, seconds):
    """From the shortest to the longest wait of a caller; every caller has retried."""
    waits = witness.retry_waits_s(context.world, provider)
    assert_that(waits, has_length(len(context.world.attempts)), "callers that have retried")
    apart = max(waits) - min(waits)
    assert_that(apart, greater_than_or_equal_to(seconds), "seconds between the shortest and the longest wait")


@then("{provider} received every text once, in order, in {quantity} request(s)")
def received_in_parts(context, provider, quantity):
    """No text is lost, repeated or cut; each request is one that the provider accepted."""
    parts = embeddings.parts(context.world, provider)
    assert_that(parts, has_length(quantity.matcher()), "requests")
    assert_that([text for part in parts for text in part], equal_to(embeddings.texts(context.world)))


@then("{provider} served the/every request")
def served(context, provider):
    """The answer names it, and whether it stood in for another one."""
    assert_that(context.world.attempts, all_succeeded())
    wanted = embeddings.served_by(context.world, provider)
    assert_that(embeddings.servers(context.world), equal_to(wanted), "provider, and failover used")


@then("the attempts are:")
def attempts_are(context):
    """Whom the platform has asked, in this order, and what came of it, as the answer tells."""
    assert_that(context.world.attempts, all_succeeded())
    wanted = embeddings.wanted_attempts([row.as_dict() for row in context.table])
    assert_that(embeddings.attempts(context.world), equal_to(wanted))


@then("the failover takes at most {limit}")
def failover_in_time(context, wording):
    """As the answer tells."""
    assert_that(context.world.attempts, all_succeeded())
    assert_that(embeddings.failovers_beyond(context.world, wording), nothing_wrong())


@then("the embeddings have {dimensions} and unit length")
def shape(context, size):
    """One embedding for each text that was asked for, in every answer."""
    assert_that(context.world.attempts, all_succeeded())
    assert_that(embeddings.misshapen(context.world, size), nothing_wrong())


@then("each embedding is within {float} of that of its text alone")
def none_mixed_up(context, distance):
    """Each text is asked for again by itself, without the cache; the Euclidean distance of the two."""
    assert_that(context.world.attempts, all_succeeded())
    assert_that(embeddings.otherwise_alone(context.world, distance), nothing_wrong())


@then("the answer reports the tokens that {provider} counted")
def tokens_passed_on(context, provider):
    """Of all requests together that it took to answer; more than none."""
    assert_that(context.world.attempts, all_succeeded())
    counted = embeddings.tokens_counted(context.world, provider)
    assert_that(embeddings.tokens(context.world), all_of(greater_than(0), equal_to(counted)), "tokens")


@then("the answer shows neither {provider}'s key nor its words")
def shows_no_words(context, provider):
    """The key in no form and no part, and none of the words with which providers refuse a key."""
    assert_that(embeddings.repeated(context.world, provider), nothing_wrong())
