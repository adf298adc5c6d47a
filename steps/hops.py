"""Steps about what happens between the services."""

from __future__ import annotations

from behave import given, then, when
from hamcrest import (
    all_of,
    assert_that,
    empty,
    equal_to,
    greater_than,
    greater_than_or_equal_to,
    has_entries,
    has_items,
    has_key,
    less_than,
    less_than_or_equal_to,
    matches_regexp,
    not_,
)

from support.matchers.answers import succeeded
from support.matchers.every import every_item
from support.promises import HOP_MS
from support.vocabulary import hops


@then("the answer, the gateway and the embedding service all name that id")
def all_name_id(context):
    """Answered, and found in both logs."""
    assert_that(context.world.last, succeeded())
    request_id = context.world.last.request_id
    assert_that(request_id, equal_to("at-trace-minutes"))
    named = hops.services_naming(context.world, request_id, ["gateway", "embedding"], context.marks)
    assert_that(named, equal_to(["gateway", "embedding"]))


@then("the answer carries a request id of its own")
def own_id(context):
    """Made by the gateway: a UUID."""
    assert_that(context.world.last.request_id, matches_regexp("^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f-]{22}$"))


@then("the answer names the time spent in {string}")
def names_hops(context, hop_names):
    """One figure per hop that was used."""
    assert_that(context.world.last, succeeded())
    assert_that(context.world.last.hops_ms, has_items(*hop_names.split(", ")))


@when("an employee asks a question that is new to the platform, and then searches by a vector")
def search_both_ways(context):
    """Only the first has to be embedded."""
    context.world.answers = hops.search_by_text_and_by_vector(context.world)


@then("the first answer tells how long its question was embedded, the second tells of no embedding")
def embedding_told(context):
    """As much as the hops say."""
    by_text, by_vector = context.world.answers
    assert_that([by_text, by_vector], every_item(succeeded()))
    assert_that(
        by_text.body, has_entries(embedding_time_ms=all_of(greater_than(0), by_text.hops_ms["embedding"]))
    )
    assert_that(by_vector.body, not_(has_key("embedding_time_ms")))


@then("the hops together take no longer than the whole request")
def hops_add_up(context):
    """The gateway's own work and every backend fit into the total."""
    spent = dict(context.world.last.hops_ms)
    total = spent.pop("total")
    assert_that(max(spent.values()), less_than_or_equal_to(total), "the longest hop, in ms")
    assert_that(total, less_than_or_equal_to(context.world.last.elapsed_ms), "the gateway's total, in ms")


@when("{string} is read and searched {int} times without the cache")
def work_without_cache(context, title, times):
    """Every answer is computed."""
    hops.work_without_cache(context.world, title, times)


@then("the typical time spent in each store is below 50 ms")
def stores_are_fast(context):
    """Median over the answers that used the store."""
    typical = hops.typical_ms(context.world.answers)
    assert_that(max(typical.values()), less_than(HOP_MS), f"median ms per store {typical}")


@when("{int} documents are stored and {int} searches are made")
def store_and_search(context, stored, searched):
    """The counters are read before."""
    context.world.evidence["counted"] = hops.work_counted(context.world)
    hops.store_and_search(context.world, stored, searched)


@then("the gateway's counters have grown by {int} stored documents and {int} searches")
def counters_grew(context, stored, searched):
    """Exactly by what was done."""
    before = context.world.evidence["counted"]
    expected = {"insert": before["insert"] + stored, "search": before["search"] + searched}
    assert_that(hops.counters_grown_to(context.world, expected), has_entries(expected))


@then("the delay is found once in the time of {dependency} and nowhere else")
def delay_found(context, target):
    """One round trip, not two; and no other hop and not the gateway itself has become slower."""
    delay = context.world.evidence["delay"]
    spent = hops.spent_ms(context.world.last)
    own = spent.pop(target)
    assert_that(own, all_of(greater_than_or_equal_to(delay), less_than(2 * delay)), f"ms of {target}")
    assert_that(max(spent.values()), less_than(delay), f"ms elsewhere {spent}")


@then("no time is left over that neither a service nor the gateway accounts for")
def all_accounted(context):
    """The whole is the gateway's share and that of the services."""
    left_ms = hops.unaccounted_ms(context.world.last)
    assert_that(left_ms, less_than_or_equal_to(hops.ROUNDING_MS), "ms that nobody accounts for")


@given("the gateway's counters have been read")
def counters_read(context):
    """All of them."""
    hops.read_counters(context.world)


@then("the counters have grown by exactly the answers that were given")
def counters_tell_answers(context):
    """Operation by operation and status by status."""
    assert_that(hops.answers_not_counted(context.world), equal_to({}))


@then("every promised measure has a value")
def measures_have_values(context):
    """After work of every kind."""
    assert_that(hops.measures_without_value(context.world), empty(), "measures without a value")


@then("the counters of {provider} have grown by what {provider} received")
def counters_tell_provider(context, provider, same):
    """Counted at the provider; refusals and repetitions included."""
    received = hops.received_by(context.world, provider)
    assert_that(hops.provider_calls_counted(context.world, same, received), equal_to(received))


@then("the cache counters have grown by {int} misses and {int} hit")
def counters_tell_cache(context, misses, hits):
    """Look-ups of the cache."""
    counted = hops.cache_calls_counted(context.world, misses, hits)
    assert_that(counted, equal_to((misses, hits)), "misses and hits by the counters")


@when("an employee searches twice for a question that nobody has asked")
def search_twice(context):
    """The first answer is computed, the second cached."""
    context.world.answers = hops.search_twice(context.world)


@when("an employee searches for {string} while {dependency} answers {int} ms later")
def search_with_delay(context, question, target, ms):
    """One computed search."""
    hops.search_with_delay(context.world, question, target, ms)
