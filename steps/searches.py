"""Steps about searches."""

from __future__ import annotations

from behave import then, when
from hamcrest import assert_that, not_

from support.matchers.rankings import offers, offers_exactly
from support.vocabulary import searches


@when("an employee searches for {string}")
def search(context, question):
    """One question, asked by meaning."""
    context.world.answer = searches.ask(context.world, question)


@then("a search for {string} no longer offers {string}")
def search_no_longer_offers(context, question, title):
    """Neither a fresh search nor a cached answer shows it."""
    ranking = searches.ranking(context.world, searches.ask(context.world, question))
    assert_that(ranking, not_(offers(title)), "results, best first")


@then("an employee who searches for {string} finds nothing")
def finds_nothing(context, question):
    """No old point, row or cached answer comes back."""
    ranking = searches.ranking(context.world, searches.ask(context.world, question))
    assert_that(ranking, offers_exactly([]))
