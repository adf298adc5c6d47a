"""Steps about searches."""

from __future__ import annotations

from behave import then, when
from hamcrest import assert_that, equal_to, greater_than_or_equal_to, not_

from support.matchers.rankings import has_first, offers, offers_exactly
from support.vocabulary import searches


@when("an employee searches for {string}")
def search(context, question):
    """One question, asked by meaning."""
    context.world.answer = searches.ask(context.world, question)


@then("{string} is the first result")
def first_result(context, title):
    """The best match leads the ranking."""
    ranking = searches.ranking(context.world, context.world.last)
    assert_that(ranking, has_first(title), "results, best first")


@then("a search for {string} no longer offers {string}")
def search_no_longer_offers(context, question, title):
    """Neither a fresh search nor a cached answer shows it."""
    ranking = searches.ranking(context.world, searches.ask(context.world, question))
    assert_that(ranking, not_(offers(title)), "results, best first")


@then("a search for {string} is led by {string}")
def search_is_led_by(context, question, title):
    """A fresh question finds it first."""
    ranking = searches.ranking(context.world, searches.ask(context.world, question))
    assert_that(ranking, has_first(title), "results, best first")


@when("an employee searches for {string} in the department {string}")
def search_department(context, question, department):
    """Only documents of one department."""
    context.world.answer = searches.ask(context.world, question, filter={"department": department})


@when("an employee searches for {string} and asks for {int} results")
def search_limited(context, question, limit):
    """No more than so many."""
    context.world.answer = searches.ask(context.world, question, limit=limit)


@when("an employee searches for {string} with a similarity of at least {float}")
def search_threshold(context, question, threshold):
    """Nothing less similar."""
    context.world.answer = searches.ask(context.world, question, score_threshold=threshold)


@then("the results are exactly {string}")
def results_exactly_one(context, title):
    """One result and no other."""
    assert_that(searches.ranking(context.world, context.world.last), offers_exactly([title]))


@then("the results are exactly {string} and {string}")
def results_exactly_two(context, one, other):
    """Two results, in any order, and no other."""
    assert_that(searches.ranking(context.world, context.world.last), offers_exactly([one, other]))


@then("the results are empty")
def results_empty(context):
    """An answer, with nothing in it."""
    assert_that(searches.ranking(context.world, context.world.last), offers_exactly([]))


@then("asking for {int} results begins with the same {int} results")
def same_head(context, limit, head):
    """A longer ranking has the same head."""
    short = searches.ranking(context.world, context.world.last)
    longer = searches.ranking(context.world, searches.again(context.world, limit=limit))
    assert_that([len(short), len(longer)], equal_to([head, limit]))
    assert_that(longer[:head], equal_to(short))


@then("the results are ordered by falling similarity")
def falling(context):
    """Best first."""
    scores = [hit.score for hit in searches.ranking(context.world, context.world.last)]
    assert_that(scores, equal_to(sorted(scores, reverse=True)))


@then("each of the {int} documents appears once")
def each_once(context, count):
    """Nothing missing, nothing twice."""
    titles = [hit.title for hit in searches.ranking(context.world, context.world.last)]
    assert_that([len(titles), len(set(titles))], equal_to([count, count]))


@then("its similarity is at least {float}")
def similarity(context, floor):
    """Of the first result."""
    first = searches.ranking(context.world, context.world.last)[0]
    assert_that(first.score, greater_than_or_equal_to(floor), first.title)


@then("an employee who searches for {string} finds nothing")
def finds_nothing(context, question):
    """No old point, row or cached answer comes back."""
    ranking = searches.ranking(context.world, searches.ask(context.world, question))
    assert_that(ranking, offers_exactly([]))
