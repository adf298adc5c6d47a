"""Steps about documents."""

from __future__ import annotations

from behave import given, then, when
from hamcrest import assert_that, empty, equal_to

from support.matchers.answers import refused_as, succeeded
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
