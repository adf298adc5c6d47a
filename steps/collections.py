"""Steps about collections."""

from __future__ import annotations

from behave import given, then, when
from hamcrest import assert_that, equal_to

from support.matchers.answers import refused_as, succeeded
from support.vocabulary import collections, documents


@given("the collection {string}")
def collection_exists(context, alias):
    """A text collection with the platform's default model."""
    collections.have(context.world, alias)


@given("a collection {string} for vectors of {int} numbers compared by {distance}")
def vector_collection(context, alias, size, distance):
    """Takes vectors as they are, and no text."""
    collections.have(context.world, alias, vector_size=size, model=None, distance=distance)


@when("an editor makes a collection {string} for vectors of {int} numbers")
def make_vector_collection(context, alias, size):
    """Without an embedding model."""
    context.world.answer = collections.create(context.world, alias, vector_size=size, model=None)
    assert_that(context.world.answer, succeeded())


@then("the collection {string} takes vectors of {int} numbers and no text")
def takes_vectors_only(context, alias, size):
    """As described by the platform, and as it acts."""
    described = collections.describe(context.world, alias).body
    assert_that([described["vector_size"], described["model"]], equal_to([size, None]))
    assert_that(documents.store(context.world, "a text", "Not a vector."), refused_as("text-not-supported"))


@when("an editor makes the collection {string} once more")
def make_again(context, alias):
    """The name is taken."""
    context.world.answer = collections.create(context.world, alias)


@when("an editor drops the collection {string} and makes it anew for vectors of {int} numbers")
def drop_and_make_otherwise(context, alias, size):
    """The same name for another kind of vectors."""
    assert_that(collections.drop(context.world, alias), succeeded())
    collections.have(context.world, alias, vector_size=size, model=None)


@when("an editor drops the collection {string} and makes it anew")
def drop_and_make(context, alias):
    """The same name twice."""
    assert_that(collections.drop(context.world, alias), succeeded())
    collections.have(context.world, alias)
