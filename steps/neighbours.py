"""Steps about other scenarios of the run: isolation and clean-up."""

from __future__ import annotations

from behave import given, then, when
from hamcrest import all_of, assert_that, contains_string, empty, equal_to, has_item

from support.vocabulary import collections, documents, neighbours, stores


@given("another scenario that stored {int} document(s)")
def neighbour_stored(context, count):
    """A second world with a clean-up of its own."""
    context.world.evidence["neighbour"] = neighbours.that_stored(context.world, count)


@when("another scenario makes its own collection {string}")
def neighbour_makes(context, alias):
    """The same alias in another world."""
    neighbour = context.world.evidence["neighbour"] = neighbours.beside(context.world)
    collections.have(neighbour.world, alias)


@then("that collection is empty")
def neighbour_is_empty(context):
    """Nothing of this scenario is seen there."""
    assert_that(documents.titles_listed(context.world.evidence["neighbour"].world, 10), empty())


@when("the clean-up of that scenario has run")
def neighbour_cleans_up(context):
    """As it runs at the end of every scenario."""
    context.world.evidence["neighbour"].clean_up()


@when("that scenario ends without its clean-up")
def neighbour_leaves(context):
    """As after a crash of its clean-up."""
    context.world.evidence["left"] = context.world.evidence["neighbour"].leftovers()


@then("no store holds anything of that scenario")
def nothing_left(context):
    """The check for leftovers finds nothing."""
    assert_that(context.world.evidence["neighbour"].leftovers(), empty())


@then("the check for leftovers names the collection in both stores")
def leftovers_named(context):
    """Both stores are looked at."""
    left = context.world.evidence["left"]
    assert_that(
        left, all_of(has_item(contains_string("in PostgreSQL")), has_item(contains_string("in Qdrant")))
    )


@given("a collection that someone else keeps in the vector store")
def foreign_collection(context):
    """Made directly in the store, under a name that is not the suite's."""
    context.world.evidence["foreign"] = stores.have_foreign_collection(context.world)


@then("the collection of someone else is untouched")
def foreign_untouched(context):
    """It still holds what it held."""
    foreign = context.world.evidence["foreign"]
    assert_that(stores.points_of(context.world, foreign.name), equal_to(foreign.points))
