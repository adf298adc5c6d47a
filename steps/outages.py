"""Steps about outages: what fails, what is promised meanwhile, how the platform comes back."""

from __future__ import annotations

from behave import given, then, when
from hamcrest import any_of, assert_that, empty, equal_to, has_item, not_none

from support.matchers.answers import refused_as, succeeded
from support.matchers.attempts import admits_outage, went_well
from support.matchers.every import every_item
from support.matchers.rankings import offers
from support.vocabulary import collections, documents, outages, searches


@when("{store} {process_fault}")
@when("{server} stops in good order")
def process_fails(context, target, what="stops in good order"):
    """Killed, stopped in good order, or standing still with its connections open."""
    outages.strike_process(context.world, target, what)


@given("{dependency} has crashed and is back")
def has_crashed(context, target):
    """Started again with what it had kept."""
    outages.strike(context.world, target, "crashed")
    outages.lift(context.world)


@given("the link to {dependency} {link_fault}")
@when("the link to {dependency} {link_fault}")
def link_fails(context, target, what):
    """Cut, silent in one direction or both, slow, or unreliable in another way."""
    outages.strike_link(context.world, target, what)


@when("the link to {dependency} is cut while the one to {dependency} passes nothing on")
def two_links_fail(context, one, other):
    """Two faults at the same time."""
    outages.strike_link(context.world, one, "is cut")
    outages.strike_link(context.world, other, "passes nothing on")


@given("{dependency} {ailment}")
@when("{dependency} {ailment}")
def ails(context, target, kind):
    """Inside the store, which goes on running; every write or connection that it struck is counted."""
    outages.strike(context.world, target, kind)


@when("the last commit of the document {string} fails in the metadata store")
def last_commit_fails(context, title):
    """The vector store has done its part by then."""
    outages.strike(context.world, "postgresql", "uncommittable")
    context.world.answer = documents.store(context.world, title, f"The text of {title}.")


@when("the last commit of the deletion of {string} fails in the metadata store")
def last_commit_of_deletion_fails(context, title):
    """The vector store has done its part by then."""
    outages.strike(context.world, "postgresql", "uncommittable")
    context.world.answer = documents.delete(context.world, title)


@when("the last commit of making the collection {string} fails in the metadata store")
def last_commit_of_collection_fails(context, alias):
    """The vector store has done its part by then."""
    outages.strike(context.world, "postgresql", "uncommittable")
    context.world.answer = collections.create(context.world, alias)


@then("the collection {string} is soon in both stores or in neither")
def collection_settles(context, alias):
    """Within the time the platform has to converge."""
    outages.collection_settled(context.world, alias)


@when("the answers of the vector store break off in the middle")
def answers_break_off(context):
    """A short answer comes whole, a long one never."""
    outages.strike(context.world, "qdrant", "torn", after=outages.MIDDLE_BYTES)


@then("a search that finds them all is refused as unavailable within the promised time")
def search_for_all_refused(context):
    """A part of a list is no list."""
    attempt = outages.Attempt("searching for all", outages.search_for_all(context.world))
    assert_that(attempt, admits_outage(outages.UNAVAILABLE, outages.due_s(context.world)))


@then("a search soon finds all {int} documents")
def search_finds_all(context, count):
    """Within the time the platform has to recover."""
    outages.recovered(context.world, "searching")
    assert_that(outages.search_for_all(context.world).body["total_count"], equal_to(count))


@when("{dependency} is back")
@when("{dependency} is well again")
@when("the link to {dependency} is whole again")
def is_back(context, target):
    """The fault is lifted; it must have hit something, or the scenario proved nothing."""
    outages.lift(context.world)


@then("{activities} is/are refused as unavailable within the promised time")
def refused_in_time(context, activities):
    """Each kind of work is refused with an honest code, in time."""
    refused = admits_outage(outages.UNAVAILABLE, outages.due_s(context.world))
    assert_that(outages.attempts(context.world, activities), every_item(refused))


@then("storing a new text is refused as unavailable within the promised time")
def storing_refused(context):
    """A text that nobody has embedded before."""
    attempt = outages.attempt(context.world, "storing")
    assert_that(attempt, admits_outage(outages.UNAVAILABLE, outages.due_s(context.world)))


@then("storing is either done or refused as unavailable within the promised time")
def storing_done_or_refused(context):
    """A platform may try again by itself; what it may not is fail otherwise, or late."""
    within_s = outages.due_s(context.world)
    attempt = outages.attempt(context.world, "storing")
    assert_that(attempt, any_of(went_well(within_s), admits_outage(outages.UNAVAILABLE, within_s)))


@then("asking OpenAI is refused as a provider's failure within the promised time")
def openai_refused(context):
    """Told apart from a failure of the platform."""
    attempt = outages.attempt(context.world, "asking OpenAI")
    assert_that(attempt, admits_outage(outages.PROVIDER_FAILED, outages.due_s(context.world)))


@then("{activities} succeed without the cache")
def succeed_without_cache(context, activities):
    """Complete answers, marked as served without the cache, not much slower."""
    well = went_well(outages.due_s(context.world))
    assert_that(outages.attempts(context.world, activities), every_item(well))


@then("{activities} still succeed")
def still_succeed(context, activities):
    """Work that does not need what has failed."""
    attempts = outages.attempts(context.world, activities)
    assert_that([attempt.answer for attempt in attempts], every_item(succeeded()), str(activities))


@then("searching and storing by vector still succeed")
def by_vector_succeed(context):
    """No embedding is needed for either."""
    attempts = outages.attempts(context.world, ["storing by vector", "searching by vector"])
    assert_that([attempt.answer for attempt in attempts], every_item(succeeded()))


@then("{string} can still be read")
def can_be_read(context, title):
    """By its id."""
    assert_that(documents.read(context.world, title), succeeded())


@then("the platform is not ready and names {dependency}")
def not_ready(context, target):
    """Readiness tells what is missing."""
    assert_that(
        outages.readiness_shows(context.world, target),
        refused_as("dependency-unavailable", "dependency-timeout"),
    )
    assert_that(context.world.last.body.get("dependency"), equal_to(target))


@then("the platform is ready and names {dependency} as degraded")
def ready_but_degraded(context, target):
    """Readiness stays, the degraded service is named."""
    answer = outages.degraded(context.world, target)
    assert_that(answer, succeeded())
    assert_that(answer.body["degraded"], has_item(target))


@then("a search for {string} still offers {string}")
def search_still_offers(context, question, title):
    """Found in spite of the outage."""
    answer = searches.ask(context.world, question)
    assert_that(searches.ranking(context.world, answer), offers(title))


@then("a search for {string} still offers {string} and is marked as degraded")
def search_offers_degraded(context, question, title):
    """Found, and the answer says what could not be used."""
    answer = searches.ask(context.world, question)
    assert_that(searches.ranking(context.world, answer), offers(title))
    assert_that(answer.body["degraded"], has_item(outages.struck(context.world)))


@then("the platform recovers within the promised time")
def recovers(context):
    """Every operation works again, without a restart of the gateway."""
    outages.recovered(context.world, "storing", "searching", "reading")


@then("everything works again within the promised time")
def everything_recovers(context):
    """Stores, cache, embedding service and providers."""
    outages.recovered(context.world, "storing", "searching", "reading", "asking OpenAI")
    outages.cache_is_used_again(context.world)


@then("OpenAI answers again within the promised time")
def openai_recovers(context):
    """The breaker lets the provider back in."""
    outages.recovered(context.world, "asking OpenAI")


@then("answers come from the cache again within the promised time")
def cache_recovers(context):
    """A repeated search is a hit again."""
    outages.cache_is_used_again(context.world)


@then("{string} is found and nothing that was refused was stored")
def found_and_nothing_lost(context, title):
    """The client's own history against both stores, id by id."""
    assert_that(outages.settled(context.world, title).row, not_none(), f'"{title}" in the stores')
    assert_that(outages.lost(context.world), empty())


@when("{dependency} hangs while an editor stores the document {string}")
def hangs_during_store(context, target, title):
    """The request never arrives there and no answer comes."""
    outages.strike(context.world, target, "hang")
    context.world.answer = documents.store(context.world, title, f"The text of {title}.")


@then("the editor is told in time that the outcome is unknown")
def told_unknown(context):
    """A time-out within the store's budget and half a second."""
    attempt = outages.Attempt("the change", context.world.last)
    assert_that(attempt, admits_outage(("dependency-timeout",), outages.due_s(context.world)))


@then("{string} is soon in both stores or in neither")
def settles(context, title):
    """Within the time the platform has to converge."""
    outages.settled(context.world, title)


@when("the gateway is killed after the row of {string} is written but before its point is")
def kill_between_writes(context, title):
    """The crash point between the two writes, reached from outside."""
    outages.kill_gateway_between_writes(context.world, title)


@when("everything is running again")
def all_running(context):
    """Every fault is lifted, every service restarted."""
    outages.lift(context.world)


@when("{dependency} crashes in the middle of storing more documents")
def crash_under_writes(context, target):
    """Some are acknowledged by then, some are under way."""
    outages.kill_under_writes(context.world, 30, (target,))


@when("the gateway is told to stop while {int} documents are being stored")
def stop_under_writes(context, count):
    """An orderly stop with work under way."""
    context.world.evidence["outcomes"] = outages.stop_gateway_under_writes(context.world, count)


@then("every document is either acknowledged or refused as shutting down")
def acknowledged_or_refused(context):
    """Nothing is cut off in the middle."""
    assert_that(outages.cut_off(context.world.evidence["outcomes"]), empty())


@then("the gateway has ended in good order")
def ended_well(context):
    """Exit code 0."""
    assert_that(outages.gateway_exit_code(context.world), equal_to(0))


@then("every acknowledged document is in both stores")
def acknowledged_kept(context):
    """The client's history against both stores, id by id, once nothing is in flight."""
    outages.nothing_in_flight(context.world)
    assert_that(outages.lost(context.world), empty())


@then("no document is in one store only")
def no_half_documents(context):
    """Rows and points are the same set."""
    assert_that(outages.in_one_store_only(context.world), empty())


@then("the very first requests of every kind succeed")
def first_requests_succeed(context):
    """Ready means ready: no request pays for the start."""
    kinds = ["storing", "searching", "reading", "storing by vector", "searching by vector", "deleting"]
    tried = outages.attempts(context.world, kinds)
    assert_that([attempt.answer for attempt in tried], every_item(succeeded()))
