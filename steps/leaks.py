"""Steps about secrets."""

from __future__ import annotations

from behave import then, when
from hamcrest import assert_that

from support.matchers.complaints import nothing_wrong
from support.vocabulary import leaks


@when("the platform has answered requests that succeed, fail and are refused")
def provoke(context):
    """Every kind of answer."""
    leaks.provoke(context.world)


@then("no answer, no log, no metric and no store shows a key or a password")
def nothing_leaks(context):
    """Answers are searched as they arrive; here everything else."""
    assert_that(leaks.shown(context.world), nothing_wrong())
