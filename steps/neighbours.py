"""Steps about other scenarios of the run, and other users of the stores: isolation and clean-up."""

from __future__ import annotations

from behave import given, then, when
from hamcrest import assert_that, equal_to

from support.matchers.complaints import nothing_wrong
from support.matchers.requests import all_succeeded
from support.vocabulary import neighbours, stores


@given("{actor} of another scenario {request}")
def neighbour_has_made(context, actor, request):
    """In a second scenario beside this one, with names and a clean-up of its own; it must succeed."""
    assert_that(neighbours.ask(context.world, actor, request), all_succeeded())


@when("{actor} of another scenario {request}")
def neighbour_makes(context, actor, request):
    """In a second scenario beside this one, with names and a clean-up of its own."""
    neighbours.ask(context.world, actor, request)


@when("the other scenario is cleaned up")
def neighbour_cleans_up(context):
    """As at the end of every scenario."""
    neighbours.of(context.world).clean_up()


@then("the check for leftovers of the other scenario finds nothing")
def nothing_left(context):
    """The check that follows every scenario."""
    assert_that(neighbours.of(context.world).leftovers(), nothing_wrong())


@then("the check for leftovers of the other scenario finds {string} in Qdrant and in PostgreSQL")
def leftovers_named(context, alias):
    """The check that follows every scenario names the collection in each store, and nothing else."""
    assert_that(neighbours.left_otherwise(context.world, alias), nothing_wrong())


@given("a collection of somebody else in Qdrant")
def foreign_collection(context):
    """Made directly in the store, under a name that is not the suite's."""
    context.world.foreign = stores.have_foreign_collection(context.world)


@then("the collection of somebody else is unchanged")
def foreign_untouched(context):
    """It holds what it held."""
    foreign = context.world.foreign
    assert_that(stores.points_of(context.world, foreign.name), equal_to(foreign.points))
