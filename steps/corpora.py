"""Steps about the two bodies of real text: the knowledge base and the reference texts."""

from __future__ import annotations

from behave import given, then, when
from hamcrest import assert_that, empty, greater_than_or_equal_to

from support.vocabulary import corpora


@given("the whole knowledge base is stored")
def knowledge_base_stored(context):
    """About a hundred articles of several departments."""
    corpora.store_knowledge_base(context.world)


@when("every question of the knowledge base is asked")
def ask_all_questions(context):
    """Each once, ten results each."""
    context.world.evidence["quality"] = corpora.ask_all_questions(context.world)


@then("the right article leads the ranking for at least {percent} of the questions")
def leads(context, share):
    """Share of questions whose first result answers them."""
    quality = context.world.evidence["quality"]
    assert_that(quality.share_within(1), greater_than_or_equal_to(share), quality.told())


@then("it is among the first {int} for at least {percent} of them")
def among_first(context, places, share):
    """Share of questions answered within so many results."""
    quality = context.world.evidence["quality"]
    assert_that(quality.share_within(places), greater_than_or_equal_to(share), quality.told())


@given("{int} passages of the reference texts are stored")
def passages_stored(context, count):
    """Real passages, chosen the same way in every run."""
    corpora.store_passages(context.world, count)


@when("each fifth passage is searched by its own text")
def search_passages(context):
    """Ten results each."""
    corpora.search_each_fifth(context.world)


@then("every one of them is its own first result")
def own_first(context):
    """Passages that are not, with what came first."""
    assert_that(corpora.not_first(context.world), empty())


@then("the stored vectors rank them as the platform does")
def ranked_as_stored(context):
    """Brute force over the stored vectors gives the same ten in the same order, ties aside."""
    assert_that(corpora.ranked_otherwise(context.world), empty())


@then("the mean reciprocal rank is at least {float}")
def reciprocal_rank(context, floor):
    """Mean of 1/place of the first right article."""
    quality = context.world.evidence["quality"]
    assert_that(quality.mean_reciprocal_rank(), greater_than_or_equal_to(floor), quality.told())
