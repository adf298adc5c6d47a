"""Steps about the platform as a whole, its health and the environment."""

from __future__ import annotations

from behave import given, then, when
from hamcrest import assert_that, contains_string, equal_to, has_key, not_

from support import doctor
from support.matchers.answers import succeeded
from support.matchers.every import every_item
from support.vocabulary import platform

WRONG_PASSWORD = "at-wrong-password-canary"


@when("an operator looks at the platform's health")
def look_at_health(context):
    """The health report, without a key."""
    context.world.answer = platform.health(context.world)


@then("every service is reported healthy")
def all_healthy(context):
    """Each service of the report."""
    statuses = platform.services_by_status(context.world.last)
    assert_that(list(statuses.values()), every_item(equal_to("healthy")), f"health by service {statuses}")


@then("the platform accepts work")
def accepts_work(context):
    """Readiness."""
    assert_that(platform.readiness(context.world), succeeded())


@given("a run that is pointed at {missing_service} where nothing listens")
def pointed_at_nothing(context, service):
    """Settings with an address at which no server is."""
    context.world.evidence["settings"] = platform.pointed_at_nothing(service)


@given("a run that is pointed at a PostgreSQL with a wrong password")
def pointed_at_wrong_password(context):
    """Settings with credentials the server does not know."""
    context.world.evidence["settings"] = platform.pointed_at_wrong_password(context.world, WRONG_PASSWORD)


@when("the doctor examines the environment")
def doctor_examines(context):
    """The same examination that precedes every run."""
    settings = context.world.evidence["settings"]
    context.world.evidence["findings"] = platform.examine(settings, context.output)


@when("the doctor examines the environment of this run")
def doctor_examines_this_run(context):
    """Every service that this run uses."""
    settings = context.world.evidence["settings"] = platform.of_this_run(context.world)
    context.world.evidence["findings"] = platform.examine(settings, context.output)


@then("the diagnosis names {missing_service} as unreachable")
def names_service(context, service):
    """The one thing to mend is that service."""
    assert_that(platform.unhealthy(context.world.evidence["findings"]), has_key(service))


@then("it says that {word} has to be corrected")
def names_setting(context, variable):
    """The mending names the setting."""
    mends = " ".join(finding.mend for finding in context.world.evidence["findings"] if not finding.ok)
    assert_that(mends, contains_string(variable))


@then("the diagnosis finds nothing to mend")
def nothing_to_mend(context):
    """A healthy environment."""
    assert_that(platform.unhealthy(context.world.evidence["findings"]), equal_to({}))


@then("the password does not appear in it")
def no_password_shown(context):
    """Neither the table nor the settings show it."""
    evidence = context.world.evidence
    told = doctor.table(evidence["settings"], evidence["findings"]) + repr(evidence["settings"])
    assert_that(told, not_(contains_string(WRONG_PASSWORD)))
