"""Steps about documents."""

from __future__ import annotations

from behave import given, then, when
from hamcrest import assert_that, equal_to

from support.matchers.answers import succeeded
from support.vocabulary import documents


@given("the document {string} about {string}")
def document_exists(context, title, text):
    """A stored document; its storing must have succeeded."""
    documents.have(context.world, title, text)


@when("an editor rewrites {string} to be about {string}")
def rewrite_document(context, title, text):
    """A new text for a stored document."""
    context.world.answer = documents.rewrite(context.world, title, text=text)


@given("{int} stored documents")
def many_documents(context, count):
    """Plain, distinct texts."""
    context.world.evidence["titles"] = documents.have_many(context.world, count)


@then("the document is reported as {string} in version {int}")
def reported_as(context, outcome, version):
    """What the last write did."""
    assert_that(context.world.last, succeeded())
    body = context.world.last.body
    assert_that([body["outcome"], body["version"]], equal_to([outcome, version]))
