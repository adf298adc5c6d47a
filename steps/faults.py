"""Steps about what fails and when it ends: processes, connections, stores, clocks."""

from __future__ import annotations

from behave import given, then, when
from hamcrest import assert_that, equal_to

from support.matchers.complaints import nothing_wrong
from support.vocabulary import failures, recovery, service_use


@given("{fault}")
@when("{fault}")
def begins(context, named):
    """From here on, until "... recovers"; each fault must hit something while it lasts."""
    failures.begin(context.world, named)


@given("{fault} and recovers/restarts")
@when("{fault} and recovers/restarts")
def begins_and_ends(context, named):
    """Begins and ends at once."""
    failures.restart(context.world, named)


@when("{server} recovers")
def recovers(context, target):
    """Ends the faults of this server and no others; each must have hit something."""
    failures.end(context.world, target)


@when("all faults end")
def all_end(context):
    """Ends every fault of the scenario; each must have hit something."""
    failures.end(context.world)


@then("within {limit} every service is used again")
def all_used_again(context, wording):
    """Insert, read, search and a request to a provider succeed; a repeated search comes from the cache."""
    assert_that(service_use.not_used(context.world, wording), nothing_wrong())


@when("the gateway starts while no dependency can be reached")
def starts_alone(context):
    """It is started again with every connection cut; the step ends when the process says that it lives."""
    recovery.start_alone(context.world)


@then("within {limit} the gateway is ready without another start")
def ready_without_restart(context, wording):
    """It has waited for its dependencies by itself."""
    assert_that(recovery.further_starts(context.world, wording), equal_to(0), "further starts")


@then("every request succeeds, is refused with {string} or is not accepted at all")
def nothing_cut_off(context, code):
    """No request is cut off in the middle: not accepted means that no connection could be opened."""
    assert_that(recovery.cut_off(context.world, code), nothing_wrong())


@then("the gateway has exited with code {int}")
def exited_with(context, code):
    """The exit code of its last process."""
    assert_that(recovery.exit_code(context.world), equal_to(code), "exit code of the gateway")
