"""Steps about all operations of the contract alike."""

from __future__ import annotations

from behave import given, then, when
from hamcrest import assert_that, empty

from support.vocabulary import access, operations, outages


@when("every operation is asked for properly")
def ask_properly(context):
    """One after another, each on things of its own."""
    context.world.evidence["tries"] = operations.ask_all_properly(context.world)


@when("every operation that takes content is sent {spoilt_content}")
def send_spoilt(context, how):
    """All of them, spoilt in the same way."""
    context.world.evidence["tries"] = operations.spoilt(context.world, how)


@when("every operation on a named thing is asked about one that does not exist")
def ask_about_unknown(context):
    """For each of the names that an operation takes."""
    context.world.evidence["tries"] = operations.about_unknown_things(context.world)


@when("every operation with parameters is given impossible ones")
def give_impossible(context):
    """For each of the parameters of an operation."""
    context.world.evidence["tries"] = operations.with_impossible_parameters(context.world)


@when("a reader asks for everything that readers may not do")
def reader_asks(context):
    """By the contract's own list."""
    context.world.evidence["tries"] = operations.by_a_reader(context.world)


@given("a new administrator who may ask {int} time a minute, and has asked")
def used_up(context, per_minute):
    """A caller whose allowance is used up."""
    access.new_caller(context.world, "admin", per_minute)
    context.world.answers = [access.ask_as_caller(context.world) for _ in range(per_minute)]


@when("that caller asks for every operation at the same moment")
def caller_asks_all(context):
    """All that need a key."""
    context.world.evidence["tries"] = operations.by_the_caller(context.world)


@then("each of them refuses as {string}")
def each_refuses(context, code):
    """With this problem and no other."""
    assert_that(operations.not_refused_as(context.world.evidence["tries"], {code}), empty())


@then("each of them says that it does not exist")
def each_says_unknown(context):
    """Honest about which thing is unknown, never an empty success."""
    assert_that(operations.not_refused_as(context.world.evidence["tries"], operations.NOT_FOUND), empty())


@given("everything is there that the operations work on")
def everything_ready(context):
    """Collections, documents and texts of each operation's own."""
    operations.have_ready(context.world)


@then("all operations, asked for at the same moment, answer within the promised time")
def all_answer_in_time(context):
    """Also those that need what has failed."""
    operations.try_all_at_once(context.world)
    assert_that(operations.late(context.world, outages.due_for_all_s(context.world)), empty())


@then("those that need it refuse as unavailable")
@then("those that need one of them refuse as unavailable")
def needing_refuse(context):
    """By the contract's own list; never an empty success and never the caller's fault."""
    admitted = outages.admitted(context.world)
    assert_that(operations.not_refused_as(operations.in_need(context.world), admitted), empty())
    assert_that(operations.blaming_another(context.world), empty(), "refusals that name another culprit")


@then("all others do their work")
def others_work(context):
    """An outage goes no further than it must."""
    assert_that(operations.failed(operations.not_in_need(context.world)), empty())


@then("each of them does its work without having to do without anything")
def all_work_undegraded(context):
    """Neither refused nor answered with less: what is only slow is not away."""
    assert_that(operations.failed(context.world.evidence["tries"]), empty())
    assert_that(operations.degraded(context.world.evidence["tries"]), empty())
