"""Steps about the results of a search, and about lists and rankings read page by page."""

from __future__ import annotations

from behave import then
from hamcrest import assert_that, equal_to, greater_than_or_equal_to, has_item, has_length, not_

from support.matchers.complaints import nothing_wrong
from support.matchers.rankings import has_first, offers, offers_exactly, ranks
from support.vocabulary import results


@then("the results are {ids}")
def results_are(context, items):
    """Exactly these, in this order."""
    assert_that(results.ranking(context.world), ranks(items))


@then("the results are {ids}, ordered by falling score")
def results_by_score(context, items):
    """Exactly these, best first, whichever that is."""
    assert_that(results.ranking(context.world), offers_exactly(items))
    assert_that(results.disorder(context.world), nothing_wrong())


@then("there are no results")
def no_results(context):
    """An answer, with nothing in it."""
    assert_that(results.ranking(context.world), ranks([]))


@then("the first result is {string}")
def first_result(context, item):
    """The best match."""
    assert_that(results.ranking(context.world), has_first(item))


@then("the results include {ids}")
def results_include(context, items):
    """Wherever they stand."""
    assert_that(results.ranking(context.world), results.all_of(offers(item) for item in items))


@then("the results do not include {ids}")
def results_without(context, items):
    """None of them."""
    assert_that(results.ranking(context.world), results.all_of(not_(offers(item)) for item in items))


@then("the/every result was {origin}")
def of_origin(context, mark):
    """Header and body of each answer say so."""
    assert_that(results.not_marked(context.world, mark), nothing_wrong())


@then("the/every result is {comparison}")
def compares(context, compared):
    """Made again with the cache off (a document is compared with its row), or by brute force in Qdrant."""
    assert_that(compared(context.world), nothing_wrong())


@then("at least {int} of the results differ from each other")
def differ(context, count):
    """Where all results are equal nobody could see whether requests share a cache entry."""
    assert_that(results.different(context.world), greater_than_or_equal_to(count), "different results")


@then("the right document is among the first {int} results of at least {percent} of the searches")
def right_among_first(context, places, share):
    """Of searches that have right answers: questions of the knowledge base, or the texts of documents."""
    quality = results.quality(context.world)
    assert_that(quality.share_within(places), greater_than_or_equal_to(share), str(quality))


@then("the mean reciprocal rank of the right documents is at least {float}")
def reciprocal_rank(context, floor):
    """Mean of 1/place of the first right document, 0 where there is none."""
    quality = results.quality(context.world)
    assert_that(quality.mean_reciprocal_rank(), greater_than_or_equal_to(floor), str(quality))


@then("every search finds exactly its right documents")
def exactly_right(context):
    """Of searches that have right answers: these and no others, in any order."""
    assert_that(results.wrongly_found(context.world), nothing_wrong())


@then("the pages show {int} documents, each once, in the order of their ids")
def pages_in_id_order(context, count):
    """Ids in the order of their bytes."""
    listed = results.paged_ids(context.world)
    assert_that(
        listed, equal_to(results.in_byte_order(context.world)), "listed, against each id once in order"
    )
    assert_that(listed, has_length(count), "the documents of all pages")


@then("the pages have {ids}")
def pages_have(context, items):
    """Exactly these documents, in this order over all pages; or these of the scenario's own collections."""
    assert_that(results.paged_ids(context.world), equal_to(items), "what all pages list")


@then("no page has more than {int} documents/jobs")
def page_size(context, size):
    """As many as asked for, at most."""
    assert_that(
        [len(page) for page in context.world.pages], not_(has_item(greater_than_or_equal_to(size + 1)))
    )


@then("the pages together are the results of the same search without pages")
def pages_are_the_ranking(context):
    """With the same scores, in the same order."""
    paged, whole = results.paged_hits(context.world), results.unpaged_hits(context.world)
    assert_that(paged, equal_to(whole), "the results of all pages")
