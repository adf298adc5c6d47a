"""Steps about providers in trouble: what they refuse, what they spoil, when they are left alone."""

from __future__ import annotations

from behave import given, then, when
from hamcrest import (
    all_of,
    assert_that,
    empty,
    equal_to,
    greater_than_or_equal_to,
    has_length,
    less_than_or_equal_to,
    not_,
)

from support.matchers.answers import refused_as, succeeded
from support.matchers.every import every_item
from support.vocabulary import caches, provider_calls, provider_troubles, providers


@given("{provider} refuses every request because of {complaint}")
def complains(context, provider, complaint):
    """A refusal that no repetition changes."""
    status = provider_troubles.COMPLAINTS[complaint]
    providers.have_behave(context.world, provider, "refusal", status=status)


@given("{provider} fails at every request")
def fails(context, provider):
    """The provider's own error for a failure of its own."""
    providers.have_behave(context.world, provider, "server_error")


@given("{provider} refuses every request because of a rate limit")
def always_limited(context, provider):
    """With what hint the provider gives by itself."""
    providers.have_behave(context.world, provider, "rate_limit")


@given("{provider} refuses the next request because of its rate limit")
def refuses_once(context, provider):
    """One refusal with the hint to come back in a second, then normal answers."""
    provider_troubles.turn_away(context.world, provider, 1, "1")


@given("{provider} refuses the next request and names the time when it may be asked again")
def refuses_until(context, provider):
    """The hint is a time of the day."""
    provider_troubles.name_a_time(context.world, provider)


@given("{provider} refuses the next request because of its rate limit, for an hour")
def refuses_for_an_hour(context, provider):
    """Longer than any request may take."""
    provider_troubles.turn_away(context.world, provider, 1, str(provider_troubles.AN_HOUR_S))


@given("{provider} turns the next {int} requests away for the same time")
def turns_away(context, provider, times):
    """All get the same hint."""
    hint = str(provider_troubles.TURNED_AWAY_S)
    provider_troubles.turn_away(context.world, provider, times, hint)


@given("{provider} answers the next request with {malformation}")
def spoils(context, provider, malformation):
    """One malformed answer, then normal ones."""
    kind = provider_troubles.MALFORMATIONS[malformation]
    providers.have_behave(context.world, provider, kind, times=1)


@given("the platform has given {provider} up")
def given_up(context, provider):
    """After failures in a row."""
    provider_troubles.give_up(context.world, provider)


@given("the platform has given {provider} up, and the break is over")
def given_up_for_a_while(context, provider):
    """The next request is a trial."""
    provider_troubles.give_up(context.world, provider)
    provider_troubles.end_the_break(context.world, provider)


@given("{provider} is well again")
def well_again(context, provider):
    """It answers as ever, which the platform cannot know yet."""
    providers.witness(context.world).recover(provider)


@given("{provider} has embedded {string} and {string} in place of {provider}")
def has_stood_in(context, provider, one, other, overloaded):
    """The one that was asked was overloaded, and is well again."""
    providers.have_behave(context.world, overloaded, "overload", times=1)
    answer = providers.ask(context.world, overloaded, [one, other], failover=[provider])
    assert_that(answer, succeeded())
    providers.begin(context.world)


@given("{provider} has refused to embed {string} and {string}")
def has_refused(context, provider, one, other):
    """Once; it is well again."""
    providers.have_behave(context.world, provider, "refusal", times=1)
    assert_that(providers.ask(context.world, provider, [one, other]), refused_as("provider-error"))
    providers.begin(context.world)


@given("{provider} takes a new key only")
def takes_new_key(context, provider):
    """The old one is worth nothing from now on."""
    provider_troubles.replace_key(context.world, provider)
    refused = providers.ask(context.world, provider, ["hello"], use_cache=False)
    assert_that(refused, refused_as("provider-error"))


@given("the platform has been started anew with that key")
def started_with_key(context):
    """Only the key is another one."""
    provider_troubles.tell_the_key(context.world)


@given("the platform is set to ask {provider} {int} times a minute")
def set_limit(context, provider, times):
    """Until the scenario ends."""
    provider_troubles.limit(context.world, provider, times)


@when("{int} callers ask {provider} at the same time")
def many_ask(context, callers, provider):
    """Each has a question of its own."""
    context.world.evidence["asked"] = provider
    context.world.answers = provider_troubles.ask_at_the_same_time(context.world, provider, callers)


@when("{int} callers ask {provider} one after another")
def many_ask_in_turn(context, callers, provider):
    """Each has a question of its own."""
    context.world.answers = provider_troubles.ask_in_turn(context.world, provider, callers)


@when("a provider that nobody knows is asked to embed {string} and {string}, or else {provider}")
def ask_nobody(context, one, other, provider):
    """A name as it may come from a typing mistake."""
    context.world.answer = providers.ask(context.world, "acme", [one, other], failover=[provider])


@then("{provider} was left alone for as long as it asked")
def left_alone(context, provider):
    """By the provider's own clock."""
    early = provider_troubles.too_early_s(context.world, provider)
    assert_that(early, equal_to(0.0), "seconds by which the repetition came too early")


@then("the caller is told not to come back within a minute")
def told_to_stay_away(context):
    """The provider's hint, as far as the platform may pass it on."""
    told = float(context.world.last.headers.get("Retry-After", "0"))
    assert_that(told, greater_than_or_equal_to(60), "seconds until the next attempt")


@then("every caller is served after all")
def all_served(context):
    """Nobody was turned away for good."""
    assert_that(context.world.answers, every_item(succeeded()))


@then("{int} callers at the same time are all served by {provider}")
def all_served_by(context, callers, provider):
    """Nobody is kept out any more."""
    answers = provider_troubles.ask_at_the_same_time(context.world, provider, callers)
    assert_that(answers, every_item(succeeded()))
    assert_that(providers.received(context.world, provider), has_length(callers), "requests that arrived")


@then("every caller is refused")
def all_refused(context):
    """Nobody got embeddings."""
    assert_that(context.world.answers, every_item(not_(succeeded())))


@then("their second requests are spread over time")
def spread_over_time(context):
    """Measured at the provider, for each caller from its first request to its second."""
    asked = context.world.evidence["asked"]
    assert_that(provider_troubles.visits(context.world, asked), has_length(len(context.world.answers)))
    apart = provider_troubles.spread_s(context.world, asked)
    wanted = greater_than_or_equal_to(provider_troubles.LEAST_SPREAD_S)
    assert_that(apart, wanted, "seconds between the shortest and the longest wait")


@then("{provider} has received at most {int} requests of theirs")
def received_at_most(context, provider, most):
    """However often the platform tries."""
    received = len(providers.received(context.world, provider))
    assert_that(received, all_of(greater_than_or_equal_to(1), less_than_or_equal_to(most)), "requests")


@then("the same request succeeds when {provider} answers well, by asking it anew")
def nothing_remembered(context, provider):
    """The malformed answer is in no cache."""
    texts = context.world.evidence["texts sent"]
    context.world.answer = provider_troubles.ask_again(context.world, provider, texts)
    assert_that(context.world.last, succeeded())
    assert_that(providers.received(context.world, provider), has_length(1), "requests that arrived")


@then("all of them but {provider} have answered")
def others_answered(context, provider):
    """The one that was given up is refused (or tried, if its break is over by now), all others are not."""
    by_name = dict(zip(providers.ALL, context.world.answers, strict=True))
    assert_that(by_name.pop(provider), refused_as("circuit-open", "provider-error"))
    assert_that(list(by_name.values()), every_item(succeeded()))


@then("no provider was asked in its place")
def nobody_asked(context):
    """By the request logs of all nine."""
    assert_that(provider_troubles.asked_since_the_beginning(context.world), empty(), "requests that arrived")


@then("{provider} has been shown no other key since")
def no_other_key(context, provider):
    """The old key is never shown again."""
    assert_that(provider_troubles.other_keys_shown(context.world, provider), equal_to(0), "other keys")


@then("the other {int} callers are told to come back later")
def told_later(context, callers):
    """Refused by the platform itself, with a time."""
    refused = [answer for answer in context.world.answers if not answer.ok]
    assert_that(refused, has_length(callers))
    assert_that(refused, every_item(refused_as("provider-rate-limited")))
    named = [answer.headers.get("Retry-After") for answer in refused]
    assert_that(named, every_item(not_(equal_to(None))), "when to come back")


@given("what the cache kept of the answer is {damage}")
def damage_kept_answer(context, kind):
    """Overwritten directly in the cache."""
    context.world.evidence["before"] = context.world.last
    caches.damage_entry_of(context.world, kind, context.world.last)


@then("the embeddings are the same as before")
def same_embeddings(context):
    """As far as the same texts get the same embeddings twice."""
    assert_that(provider_calls.changed(context.world.evidence["before"], context.world.last), empty())


@then("the next answer of {provider} comes from the cache again")
def cached_again(context, provider):
    """The same request once more."""
    answer = providers.ask_exactly(context.world, provider, context.world.evidence["texts sent"])
    assert_that(caches.came_from_cache(answer), equal_to(True), f"from the cache: {answer.text[-300:]}")


@then("the answer costs no tokens")
def costs_nothing(context):
    """Nothing is paid twice."""
    assert_that(provider_calls.tokens(context.world.last), equal_to(0), "tokens")
