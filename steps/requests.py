"""Steps in which an actor makes requests: once, several times, at the same moment, while something fails."""

from __future__ import annotations

from behave import given, when
from hamcrest import assert_that

from support.matchers.requests import all_succeeded
from support.vocabulary import actors, failures, requests


@given("{actor} {request}")
def has_made(context, actor, request):
    """A request that must succeed before the scenario goes on."""
    made = requests.in_turn(context.world, requests.prepare(context.world, actor, request))
    assert_that(made, all_succeeded())


@given("{actor} {request} in {string}")
def has_made_in(context, actor, request, alias):
    """A request about another collection than the last one made; it must succeed."""
    calls = requests.prepare(context.world, actor, request, collection=alias)
    assert_that(requests.in_turn(context.world, calls), all_succeeded())


@given("{actor} {request}:")
@given("{actor} {request} with:")
def has_made_with(context, actor, request):
    """A request with options or rows from the table; it must succeed."""
    rows = [row.as_dict() for row in context.table]
    calls = requests.prepare(context.world, actor, request, table=rows)
    assert_that(requests.in_turn(context.world, calls), all_succeeded())


@when("{actor} {request}")
def make(context, actor, request):
    """One request; what comes of it is judged by what follows."""
    requests.in_turn(context.world, requests.prepare(context.world, actor, request))


@when("{actor} {request}:")
@when("{actor} {request} with:")
def make_with(context, actor, request):
    """A request with options, or with rows, from the table."""
    rows = [row.as_dict() for row in context.table]
    requests.in_turn(context.world, requests.prepare(context.world, actor, request, table=rows))


@when("{actor} {request} in {string}")
def make_in(context, actor, request, alias):
    """A request about another collection than the last one made."""
    requests.in_turn(context.world, requests.prepare(context.world, actor, request, collection=alias))


@when("{actor} {request} {int} times")
def make_often(context, actor, request, times):
    """One after another; {n} in the words is the number of the repetition."""
    requests.in_turn(context.world, requests.prepare(context.world, actor, request, times=times))


@when("{actor} {request} with each of these options:")
def make_with_each(context, actor, request):
    """Once for each row, with that option alone.

    Columns: option | value
    """
    rows = [row.as_dict() for row in context.table]
    requests.in_turn(context.world, requests.with_each(context.world, actor, request, rows))


@when("{actor} {request} at the same moment")
def make_at_once(context, actor, request):
    """All that the request consists of, each by a client of its own."""
    requests.at_once(context.world, requests.prepare(context.world, actor, request))


@when("{actor} {request} {int} times at the same moment")
def make_together(context, actor, request, times):
    """By as many clients; {n} in the words is the number of the repetition."""
    requests.at_once(context.world, requests.prepare(context.world, actor, request, times=times))


@when("these requests are made:")
def make_all(context):
    """One after another: actor and request of each row, and how many times."""
    rows = [row.as_dict() for row in context.table]
    requests.in_turn(context.world, requests.of_table(context.world, rows))


@when("the same requests are made again")
def make_again(context):
    """The requests of the last When or Given, one after another and exactly as they were."""
    requests.repeat(context.world)


@when("these requests are made at the same moment:")
def make_all_together(context):
    """Actor and request of each row, and how many times; each by a client of its own."""
    rows = [row.as_dict() for row in context.table]
    requests.at_once(context.world, requests.of_table(context.world, rows))


@when("{actor} {request} while {fault}")
def make_while_failing(context, actor, request, named):
    """A few clients make the requests; in the middle the fault begins, and it stays."""
    calls = requests.prepare(context.world, actor, request)
    requests.during(context.world, calls, failures.event(context.world, named, and_ends=False))


@when("{actor} {request} while {fault} and recovers/restarts")
def make_while_restarting(context, actor, request, named):
    """A few clients make the requests; in the middle the fault begins and ends."""
    calls = requests.prepare(context.world, actor, request)
    requests.during(context.world, calls, failures.event(context.world, named, and_ends=True))


@when("{actor} {request} {int} times while {fault} and recovers/restarts")
def make_often_while_restarting(context, actor, request, times, named):
    """One after another; the fault begins and ends in the middle. Who is told to come back later does so."""
    calls = requests.prepare(context.world, actor, request, times=times)
    event = failures.event(context.world, named, and_ends=True)
    requests.during(context.world, calls, event, clients=1)


@when("the key of {actor} is revoked")
def revoke(context, actor):
    """Of "another editor" and the like; the platform takes notice within the key limit."""
    actors.revoke(context.world, actor)


@given("{role} with a rate limit of {int} request(s) per minute")
def limited_caller(context, role, per_minute):
    """A caller of the scenario's own; later steps call it "the limited caller"."""
    actors.limit(context.world, role, per_minute)
