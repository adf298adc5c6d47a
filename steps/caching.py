"""Steps about cache entries, seen and changed directly in Redis, and about backups of stores."""

from __future__ import annotations

from behave import given, then, when
from hamcrest import assert_that, greater_than

from support.faults.wording import NAMES
from support.matchers.complaints import nothing_wrong
from support.vocabulary import backups, caches


@then("every cache entry has a TTL within its maximum:")
def entries_end(context):
    """Each entry in Redis is of a kind in the table; number: how many there are, key: what each key must be.

    Columns: kind | maximum TTL | number | key
    """
    rows = [row.as_dict() for row in context.table]
    assert_that(caches.otherwise(context.world, rows), nothing_wrong())


@when("the cache entry/entries of the last answer(s) is/are {damage}")
def damage_entries(context, kind):
    """What the cache kept of each answer is overwritten directly in Redis."""
    caches.damage_last(context.world, kind)


@then("no program in the cache was executed")
def not_executed(context):
    """A program among the damaged entries would have left a file."""
    assert_that(caches.executed(context.world), nothing_wrong())


@when("Redis evicts {percent} of the cache entries")
def evicts(context, share):
    """As when its memory is full; the rest stays."""
    assert_that(caches.evict(context.world, share), greater_than(0), "evicted entries")


@given("a backup of {server}")
def backup(context, server):
    """A copy of what Qdrant or PostgreSQL holds of the scenario, or of all cache entries in Redis."""
    backups.take(context.world, server)


@when("{server} is restored from its backup")
def restored(context, server):
    """Directly, as after an accident with this store alone; the others are left as they are."""
    restored = backups.restore(context.world, server)
    assert_that(restored, greater_than(0), f"entries, points or rows that came back into {NAMES[server]}")


@then("Qdrant and PostgreSQL hold the documents of {string} as in their backups")
def as_in_backups(context, alias):
    """Every row and point exactly: id, version, text, metadata, vector and the time of the last update."""
    assert_that(backups.changed(context.world, alias), nothing_wrong())


@then("Qdrant and PostgreSQL hold the documents of {string} except {ids} as in their backups")
def others_as_in_backups(context, alias, items):
    """Every row and point of all others exactly."""
    assert_that(backups.changed(context.world, alias, items), nothing_wrong())
