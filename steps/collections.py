"""Steps about collections."""

from __future__ import annotations

from behave import given

from support.vocabulary import collections


@given("the collection {string}")
def collection_exists(context, alias):
    """A text collection with the platform's default model."""
    collections.have(context.world, alias)


@given("a collection {string} for vectors of {int} numbers compared by {distance}")
def vector_collection(context, alias, size, distance):
    """Takes vectors as they are, and no text."""
    collections.have(context.world, alias, vector_size=size, model=None, distance=distance)
