"""Steps that say what is there when a scenario begins: collections and documents."""

from __future__ import annotations

from behave import given
from hamcrest import assert_that

from support.matchers.requests import all_succeeded
from support.vocabulary import contents


@given("the collection {string}(:)")
def collection_with(context, alias):
    """A text collection of the default model, or with the options of a table.

    Columns: option | value
    """
    rows = [row.as_dict() for row in context.table or ()]
    assert_that(contents.have_collection(context.world, alias, rows), all_succeeded())


@given("the documents:")
def the_documents(context):
    """Stored in one batch.

    Columns: id | text | vector | metadata.<name>
    """
    rows = [row.as_dict() for row in context.table]
    assert_that(contents.have_documents(context.world, rows), all_succeeded())


@given("the documents in {string}:")
def the_documents_in(context, alias):
    """Stored in one batch in a collection that need not be the last one made.

    Columns: id | text | vector | metadata.<name>
    """
    rows = [row.as_dict() for row in context.table]
    assert_that(contents.have_documents(context.world, rows, alias), all_succeeded())


@given("{int} documents")
def many_documents(context, count):
    """ "document-1" and so on, each with a text of its own."""
    assert_that(contents.have_many(context.world, count), all_succeeded())
