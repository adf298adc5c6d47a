"""Steps about documents."""

from __future__ import annotations

from behave import given

from support.vocabulary import documents


@given("the document {string} about {string}")
def document_exists(context, title, text):
    """A stored document; its storing must have succeeded."""
    documents.have(context.world, title, text)


@given("{int} stored documents")
def many_documents(context, count):
    """Plain, distinct texts."""
    context.world.evidence["titles"] = documents.have_many(context.world, count)
