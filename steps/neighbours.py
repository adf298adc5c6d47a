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


@then("the check for leftovers of the other scenario finds {leftovers}")
def leftovers_named(context, collections):
    """The check that follows every scenario names these collections in each store, and nothing else."""
    assert_that(neighbours.left_otherwise(context.world, collections), nothing_wrong())


@given("somebody else's collection {string} in Qdrant")
def foreign_collection(context, name):
    """Made directly in the store, under a name that is not the suite's: this one and a random word."""
    stores.have_foreign_collection(context.world, name)


@then("somebody else's collection {string} is unchanged")
def foreign_untouched(context, name):
    """It holds what it held."""
    foreign = context.world.foreign[name]
    assert_that(stores.points_of(context.world, foreign.name), equal_to(foreign.points))
