"""Steps about searches."""

from __future__ import annotations

from behave import given, then, when
from hamcrest import assert_that, equal_to, greater_than_or_equal_to, less_than, not_

from support.matchers.rankings import has_first, offers, offers_exactly
from support.vocabulary import documents, searches


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


@when("an employee searches for {string} among documents of {int} pages")
def search_pages(context, question, pages):
    """Only documents of so many pages."""
    context.world.answer = searches.ask(context.world, question, filter={"pages": pages})


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
    assert_that([len(short), len(longer)], equal_to([head, limit]), "numbers of results")
    assert_that(longer[:head], equal_to(short), "the first results of the longer ranking")


@then("the results are ordered by falling similarity")
def falling(context):
    """Best first."""
    scores = [hit.score for hit in searches.ranking(context.world, context.world.last)]
    assert_that(scores, equal_to(sorted(scores, reverse=True)), "similarities, best first")


@then("each of the {int} documents appears once")
def each_once(context, count):
    """Nothing missing, nothing twice."""
    titles = [hit.title for hit in searches.ranking(context.world, context.world.last)]
    assert_that([len(titles), len(set(titles))], equal_to([count, count]), "results, and different ones")


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


@then("a search for {string} finds nothing like itself")
def nothing_like_itself(context, text):
    """The vector of the old text is gone."""
    scores = [hit.score for hit in searches.ranking(context.world, searches.ask(context.world, text))]
    assert_that(max(scores, default=0.0), less_than(searches.LIKE_ITSELF), "the best similarity")


@then("a search by {int} numbers finds nothing")
def by_numbers_nothing(context, size):
    """Neither points nor cached answers of the old collection."""
    answer = searches.ask_by_vector(context.world, [1.0] * size)
    assert_that(searches.ranking(context.world, answer), offers_exactly([]))


@then("a search by the numbers {string} ranks {string}")
def ranks_by_numbers(context, numbers, ranking):
    """The whole order, best first."""
    assert_that(searches.ranked_by_numbers(context.world, numbers), equal_to(ranking), "the nearest first")


@given("{int} documents with the same vector")
def same_vector(context, count):
    """Nothing but their ids tells them apart."""
    context.world.evidence["titles"] = searches.have_ties(context.world, count)


@when("an employee looks through the ranking in pages of {int}")
def page_through(context, size):
    """To the end, and one page further."""
    context.world.evidence["pages"] = searches.page_through(context.world, size)


@then("the pages show every document once, in the order of ids")
def pages_in_id_order(context):
    """Ties are broken the same way on every page."""
    expected = documents.in_id_order(context.world, context.world.evidence["titles"])
    titles = searches.titles_of(context.world.evidence["pages"])
    assert_that(titles, equal_to(expected), "the pages one after another, in the order of ids")


@then("the pages put together are the whole ranking")
def pages_are_ranking(context):
    """With the scores of the whole."""
    whole = searches.whole_ranking(context.world)
    paged = [hit for page in context.world.evidence["pages"] for hit in page]
    assert_that(paged, equal_to(whole), "the pages one after another")


@then("the page after the last is empty")
def empty_last_page(context):
    """An answer, not an error and not the last page again."""
    assert_that(context.world.evidence["pages"][-1], equal_to([]))


@when("an employee looks through the ranking for {string} in pages of {int}")
def page_through_search(context, question, size):
    """To the end, and one page further."""
    context.world.evidence["pages"] = searches.page_through(context.world, size, question)


@when("an employee searches for {string} with a threshold just below and just above the {int}nd result")
def threshold_at_score(context, question, place):
    """The nearest numbers on either side of its similarity."""
    context.world.answers = searches.ask_at_threshold(context.world, question, place)


@then("that result is shown below and not above")
def boundary_included(context):
    """Neither rounded nor applied to the wrong side."""
    shown = [len(searches.ranking(context.world, answer)) for answer in context.world.answers]
    assert_that(shown, equal_to([2, 1]), "results with a threshold just below and just above it")
