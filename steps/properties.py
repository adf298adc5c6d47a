"""Steps about what holds for random examples."""

from __future__ import annotations

from behave import given, then, when
from hamcrest import assert_that, greater_than_or_equal_to

from support.vocabulary import filters, random_journeys, values


@when("clients make random journeys of storing, changing, deleting, reading, searching and listing")
def random_journeys_made(context):
    """Each in a collection of its own; the first that goes wrong is shortened and shown."""
    context.world.evidence["agreed"] = random_journeys.travel(context.world)


@then("at least {int} journeys agree with the model in every answer and every store")
@then("at least {int} of them come out of the gateway and of both stores as they went in")
@then("at least {int} filters find exactly the documents that a plain reading finds")
def enough_agreed(context, count):
    """A machine too slow for so many has shown nothing."""
    assert_that(context.world.evidence["agreed"], greater_than_or_equal_to(count))


@given("{int} documents with random metadata")
def random_documents(context, count):
    """Values that are easily mixed up, alone and in lists."""
    filters.have_documents(context.world, count)


@when("they are searched by random filters")
def search_randomly(context):
    """The first filter that finds anything else is shortened and shown."""
    context.world.evidence["agreed"] = filters.compare(context.world)


@when("an editor stores random texts with random metadata")
def store_randomly(context):
    """Any script, any number that is exact; the first that is changed is shortened and shown."""
    context.world.evidence["agreed"] = values.keep(context.world)
