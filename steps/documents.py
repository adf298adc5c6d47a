"""Steps about documents."""

from __future__ import annotations

from behave import given, then, when
from hamcrest import assert_that, contains_exactly, empty, equal_to
from hamcrest import greater_than_or_equal_to as at_least

from support.matchers.answers import refused_as, succeeded
from support.matchers.every import every_item
from support.vocabulary import documents


@given("the document {string} about {string}")
def document_exists(context, title, text):
    """A stored document; its storing must have succeeded."""
    documents.have(context.world, title, text)


@when("an editor stores the document {string} about {string}")
def store_document(context, title, text):
    """One submission by text."""
    context.world.answer = documents.store(context.world, title, text)


@when("an editor rewrites {string} to be about {string}")
def rewrite_document(context, title, text):
    """A new text for a stored document."""
    context.world.answer = documents.rewrite(context.world, title, text=text)


@then("{string} can no longer be read")
def document_is_gone(context, title):
    """Reading by id finds nothing."""
    assert_that(documents.read(context.world, title), refused_as("vector-not-found"))


@given("{int} stored documents")
def many_documents(context, count):
    """Plain, distinct texts."""
    context.world.evidence["titles"] = documents.have_many(context.world, count)


@then("nothing of the batch was stored")
def batch_not_stored(context):
    """The collection is as empty as before."""
    assert_that(documents.titles_listed(context.world, 100), empty())


@then("the document {string} reads {string}")
@then("{string} still reads {string}")
def document_reads(context, title, text):
    """Character by character."""
    read = documents.read(context.world, title).body.get("text")
    assert_that(read, equal_to(text), f'the text of "{title}"')


@then("the document is reported as {string} in version {int}")
def reported_as(context, outcome, version):
    """What the last write did."""
    assert_that(context.world.last, succeeded())
    body = context.world.last.body
    assert_that([body["outcome"], body["version"]], equal_to([outcome, version]))


@when("an editor deletes {int} of them")
def delete_some(context, count):
    """The first ones."""
    titles = context.world.evidence["titles"][:count]
    assert_that([documents.delete(context.world, title) for title in titles], every_item(succeeded()))


@when("{int} editors store the same document {string} at the same moment")
def store_together(context, count, title):
    """Identical submissions, in threads of their own."""
    context.world.answers = documents.store_together(context.world, count, title)


@then("exactly one of them created it and the others found it unchanged")
def one_created(context):
    """One creation, no second version."""
    assert_that(context.world.answers, every_item(succeeded()))
    outcomes = sorted(answer.body["outcome"] for answer in context.world.answers)
    assert_that(outcomes, equal_to(["created"] + ["unchanged"] * (len(context.world.answers) - 1)))


@when("{int} editors rewrite {string} at the same moment, each in other words")
def rewrite_together(context, count, title):
    """Different texts for one document."""
    context.world.answers = documents.rewrite_together(context.world, count, title)


@then("every rewrite counted, also one that another overtook")
def every_rewrite_counted(context):
    """None was lost: each takes a version, and one that was overtaken is told the later version that won."""
    told = sorted(answer.body.get("version", 0) for answer in context.world.answers)
    own = range(2, 2 + len(told))
    assert_that(told, contains_exactly(*(at_least(each) for each in own[:-1]), equal_to(own[-1])))
