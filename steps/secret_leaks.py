"""Steps about what logs, metrics, caches and stores may not show."""

from __future__ import annotations

from behave import then
from hamcrest import assert_that

from support.matchers.complaints import nothing_wrong
from support.vocabulary import secret_leaks


@then("no log, metric, cache entry, row or point contains a key or a password")
def nothing_leaks(context):
    """In any encoding. Every answer is searched as it arrives; here everything else."""
    assert_that(secret_leaks.shown(context.world), nothing_wrong())


@then("{string} is the event of no log line and in no metric")
def nothing_forged(context, event):
    """It is at most a value within a line of the platform's own, and there are no control characters."""
    assert_that(secret_leaks.written_by_callers(context.world, event), nothing_wrong())
