"""Steps about the environment of a run, as the doctor sees it."""

from __future__ import annotations

from behave import then, when
from hamcrest import assert_that, contains_string, equal_to, not_

from support.vocabulary import platform


@when("the doctor examines {examined}")
def examine(context, settings):
    """Every service that this run uses, as before every run; or nothing listens at a service's address."""
    platform.examine(context.world, settings(context.world), context.output)


@when("the doctor examines a run with the password {string} for PostgreSQL")
def examine_password(context, password):
    """With a user that PostgreSQL does not know."""
    settings = platform.pointed_at_wrong_password(context.world, password)
    platform.examine(context.world, settings, context.output)


@then("the only failed check of the doctor is {string}, and its advice names {string}")
def one_failed(context, check, variable):
    """How to fix it names the variable."""
    failed = platform.failed(context.world)
    assert_that(list(failed), equal_to([check]), "failed checks")
    assert_that(failed[check], contains_string(variable), "the advice")


@then("no check of the doctor fails")
def none_failed(context):
    """Python, packages, directories, and every service."""
    assert_that(platform.failed(context.world), equal_to({}), "failed checks with their advice")


@then("neither the diagnosis nor the settings show {string}")
def not_shown(context, secret):
    """As they are printed."""
    assert_that(platform.printed(context.world), not_(contains_string(secret)))
