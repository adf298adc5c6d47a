"""Steps about callers who could learn of each other, or claim to be somebody else."""

from __future__ import annotations

from behave import then, when
from hamcrest import assert_that, empty, equal_to

from support.matchers.answers import refused_as, succeeded
from support.matchers.complaints import nothing_wrong
from support.matchers.every import every_item
from support.vocabulary import callers, documents


@when("another editor asks for that job and for one that nobody handed over")
def ask_for_both(context):
    """By their numbers, with a key of his own."""
    context.world.evidence["apart"] = callers.tell_apart(context.world)


@then("both are answered alike, when asked for and when cancelled")
def answered_alike(context):
    """Also a difference in words tells that there is such a job."""
    assert_that(context.world.evidence["apart"], nothing_wrong())


@when("another editor goes on from the middle of the list of these jobs")
def go_on(context):
    """With the place that the list told its owner."""
    context.world.evidence["seen by another"] = callers.seen_from_the_middle(context.world)


@then("the other editor is shown none of them")
def shown_none(context):
    """Refused, or a page without jobs."""
    assert_that(context.world.evidence["seen by another"], empty())


@when("callers without a valid key search for {string}")
def search_without_right(context, question):
    """What an employee has just been answered from the cache."""
    context.world.answers = callers.search_without_right(context.world, question)


@then("each of them is refused as {string}")
def each_refused(context, code):
    """Before anybody looks into the cache."""
    assert_that(context.world.answers, every_item(refused_as(code)))


@then("none of them is shown a word about {string}")
def no_word_shown(context, title):
    """Words of the document's text."""
    text = documents.last_text(context.world, title)
    assert_that(callers.words_shown(context.world.answers, text), nothing_wrong())


@when("a reader and an editor claim in every known way to be an administrator")
def claim(context):
    """In headers, cookies and the address, with operations that are not theirs."""
    context.world.evidence["believed"] = callers.believed_claims(context.world)


@then("no claim has changed what they may")
def not_believed(context):
    """Refused as without it."""
    assert_that(context.world.evidence["believed"], nothing_wrong())


@when("an editor asks for the collection and claims that this is to delete it")
def claim_method(context):
    """In headers and in the address: who may send a link must not thereby delete."""
    context.world.evidence["believed"] = callers.overridden(context.world)


@then("no claim has changed what was asked")
def method_not_believed(context):
    """The collection is shown, and still there."""
    assert_that(context.world.evidence["believed"], nothing_wrong())


@when("an editor sends requests that set an owner, a role, a state or a version")
def set_own_members(context):
    """For documents, collections and jobs, one member at a time."""
    context.world.evidence["taken"] = callers.taken_from_caller(context.world)


@then("nothing the platform sets itself was taken from the caller")
def nothing_taken(context):
    """Refused, not dropped in silence."""
    assert_that(context.world.evidence["taken"], nothing_wrong())


@when("an editor stores {string} with metadata named like members of {string}")
def store_lookalike(context, title, of):
    """The values are the other document's as well."""
    context.world.answer = callers.store_lookalike(context.world, title, of)
    assert_that(context.world.answer, succeeded())


@then("the metadata of {string} are exactly what was sent")
def metadata_as_sent(context, title):
    """Kept, and nothing more."""
    sent = context.world.evidence["sent metadata"]
    assert_that(callers.metadata_of(context.world, title), equal_to(sent))
