"""Steps that say what is there when a scenario begins: collections and documents."""

from __future__ import annotations

from behave import given
from hamcrest import assert_that

from support.matchers.requests import all_succeeded
from support.vocabulary import contents


@given("the collection(s) {ids}(:)")
def collections_with(context, aliases):
    """Text collections of the default model, or with the options of a table; later steps mean the last one.

    Columns: option | value
    """
    rows = [row.as_dict() for row in context.table or ()]
    assert_that(contents.have_collections(context.world, aliases, rows), all_succeeded())


@given("the documents:")
def the_documents(context):
    """Stored in one batch; in the collection that was made last, or in that of the row.

    Columns: id | text | vector | metadata.<name> | collection
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
