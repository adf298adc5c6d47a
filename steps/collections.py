"""Steps about collections."""

from __future__ import annotations

from behave import given

from support.vocabulary import collections


@given("the collection {string}")
def collection_exists(context, alias):
    """A text collection with the platform's default model."""
    collections.have(context.world, alias)
