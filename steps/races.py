"""Steps about writers and readers that work on the same documents at the same time."""

from __future__ import annotations

from behave import then, when
from hamcrest import (
    all_of,
    assert_that,
    empty,
    equal_to,
    greater_than,
    greater_than_or_equal_to,
    has_length,
    less_than_or_equal_to,
)

from support.matchers.sides import agree
from support.vocabulary import outages, races, stores


@when("{int} editors store and delete {string} at the same moment")
def store_and_delete(context, count, title):
    """Half of them store it, each in other words, half of them delete it."""
    races.store_and_delete(context.world, title, count)


@when("{int} editors rewrite {string} while one deletes it")
def rewrite_and_delete(context, count, title):
    """All at the same moment."""
    races.rewrite_and_delete(context.world, title, count + 1)


@when("{int} editors store {string} at the same moment, half of them in the same words")
def store_alike_and_apart(context, count, title):
    """Identical and different submissions mixed."""
    races.store_alike_and_apart(context.world, title, count)


@when("the collection {string} is dropped while {int} documents are being stored in it")
def drop_under_inserts(context, alias, count):
    """All at the same moment."""
    races.drop_under_inserts(context.world, alias, count)


@then("each of them succeeded or was told that the other was first")
def honest_answers(context):
    """No error, no doubt."""
    assert_that(races.refused_otherwise(context.world.answers), empty())


@then("{string} has changed at least {int} and at most {int} times")
def changed_so_often(context, title, least, most):
    """Since it was first stored: every change is one version."""
    expected = all_of(greater_than_or_equal_to(least), less_than_or_equal_to(most))
    assert_that(stores.version_of(context.world, title) - 1, expected, f'changes of "{title}"')


@then("both stores soon hold {string} alike or not at all")
def alike_or_absent(context, title):
    """Once nothing is in flight."""
    outages.settled(context.world, title)
    assert_that(stores.halves(context.world), empty())


@then("the row and the point of {string} are of the newest version that anybody was told")
def newest_won(context, title):
    """The winner is the last, and the same in both stores."""
    assert_that(stores.sides(context.world, title), agree())
    newest = races.newest_version(context.world.answers)
    assert_that(stores.version_of(context.world, title), equal_to(newest), f'version of "{title}"')


@then("neither store knows the collection {string}")
def collection_unknown(context, alias):
    """And nothing of it is in flight."""
    name = context.world.names.collection(alias)
    assert_that(stores.named(context.world, name), equal_to({"PostgreSQL": [], "Qdrant": []}))
    assert_that(stores.rows(context.world).open_events(name), empty())


@when("an editor rewrites {string} {int} times while other clients look after each time")
def rewrite_and_look(context, title, count):
    """Clients with connections of their own read it, list it and search it, at once."""
    context.world.evidence["unseen"] = races.unseen_by_others(context.world, title, count)


@then("every client saw every new version at once, in each way of looking")
def seen_at_once(context):
    """Never the one before, cached or not."""
    assert_that(context.world.evidence["unseen"], empty())


@when("an editor rewrites {string} {int} times while readers of each kind read it without a pause")
def rewrite_under_readers(context, title, count):
    """By id, in the list, by a search with and without the cache."""
    context.world.evidence["seen"] = seen = races.read_while_rewriting(context.world, title, count)
    assert_that(races.idle_readers(seen), empty(), "readers that saw no change")


@then("no reader was ever shown an older version after a newer one")
def monotonic(context):
    """In the order in which each of them asked."""
    assert_that(races.went_back(context.world.evidence["seen"]), empty())


@then("no reader was shown anything older than what had been acknowledged when it asked")
def not_older(context):
    """What one client was told is true for all."""
    assert_that(races.older_than_acknowledged(context.world.evidence["seen"]), empty())


@when("{int} editors store and delete {int} documents each while the counts are looked at")
def count_under_load(context, writers, count):
    """Without a pause, as the platform reports them."""
    context.world.evidence["counts"] = races.count_while_loading(context.world, writers, count)


@then("the counts of both stores were the same whenever nothing was in flight")
def counts_even(context):
    """At every look."""
    counts = context.world.evidence["counts"]
    assert_that(counts, has_length(greater_than(3)), "looks at the counts")
    assert_that(races.uneven(counts), empty())


@when("{dependency} crashes and comes back while {int} editors store documents without a pause")
def store_through_outage(context, target, writers):
    """Every write is entered in the history as acknowledged, refused or unknown."""
    races.store_through_an_outage(context.world, target, writers)


@then("what was acknowledged is everywhere, what was refused is nowhere, and what is unknown is one of both")
def accounted_for(context):
    """Id by id: both stores and the platform's own list."""
    assert_that(races.misplaced(context.world), empty())
