"""Steps about collections and callers side by side."""

from __future__ import annotations

from behave import given, then, when
from hamcrest import assert_that, empty, equal_to, not_

from support.matchers.answers import succeeded
from support.matchers.every import every_item
from support.vocabulary import caches, collections, separate


@given("the collection {string} that holds {string} about {string}")
def collection_beside(context, alias, title, text):
    """The scenario goes on speaking of the collection that it began with."""
    separate.have_beside(context.world, alias, title, text)


@when("an editor rewrites {string} in {string}")
def rewrite_in(context, title, alias):
    """The same id lives elsewhere too."""
    assert_that(separate.rewrite_in(context.world, title, alias), succeeded())


@when("an editor removes {string} in {string}")
def delete_in(context, title, alias):
    """The same id lives elsewhere too."""
    assert_that(separate.delete_in(context.world, title, alias), succeeded())


@given("the vector store alone holds a collection {string} with {int} points of another size")
def left_in_vector_store(context, alias, count):
    """No row knows of it."""
    separate.leave_in_vector_store(context.world, alias, count)


@when("an editor makes the collection {string}")
def make(context, alias):
    """Under a name that is free by the metadata store."""
    assert_that(collections.create(context.world, alias), succeeded())


@then("{string} holds nothing, in either store, and takes vectors of the size that was asked for")
def empty_in_both(context, alias):
    """Nothing old, and nothing of an old shape."""
    assert_that(separate.not_as_new(context.world, alias), empty())


@when("an editor drops {string}")
def drop(context, alias):
    """With everything in it."""
    assert_that(collections.drop(context.world, alias), succeeded())


@then("{string} in {string} is what and where it was")
def untouched(context, title, alias):
    """Row, point, reading, list and search."""
    assert_that(separate.differences(context.world, title, alias), empty())


@given("an employee has searched {string} for {string}")
def has_searched_in(context, alias, question):
    """That answer is cached now."""
    assert_that(separate.search_in(context.world, alias, question), succeeded())


@when("an employee searches {string} for {string}")
def search_in(context, alias, question):
    """The same words, another collection."""
    context.world.answer = separate.search_in(context.world, alias, question)


@then("the answer shows only what {string} holds")
def shows_only(context, alias):
    """All of it, and nothing of another collection."""
    shown = separate.texts_shown(context.world.last)
    assert_that(shown, equal_to(separate.texts_of(context.world, alias)), f'what "{alias}" holds')


@when("a reader, an editor and an administrator search for {string}")
def all_roles_search(context, question):
    """The first of them finds it in the cache already."""
    context.world.answers = separate.ask_as_all_roles(context.world, question)


@then("all three are shown the same results")
def same_results(context):
    """Collections belong to all callers alike."""
    results = [caches.results_of(answer) for answer in context.world.answers]
    assert_that(results, every_item(equal_to(results[0])))
    assert_that(results[0], not_(empty()))


@then("none of the answers names another caller")
def names_nobody(context):
    """What is cached belongs to nobody."""
    assert_that(separate.other_callers_named(context.world, context.world.answers), empty())


@given("the collection {string} is dropped and made anew, and the old entries come back into the cache")
@when("the collection {string} is dropped and made anew, and the old entries come back into the cache")
def make_anew(context, alias):
    """As when the cache was away meanwhile, or is restored afterwards."""
    separate.make_anew(context.world, alias)
