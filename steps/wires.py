"""Steps about what is seen between the gateway and its services."""

from __future__ import annotations

from behave import given, then
from hamcrest import all_of, assert_that, empty, greater_than, has_length, less_than_or_equal_to

from support.matchers.every import every_item
from support.vocabulary import wires


@given("the wires to the vector store and the embedding service are watched")
def watch(context):
    """From here on every request to them is kept."""
    wires.watch(context.world)


@then("every request to either service carries the id {string}")
def all_carry_id(context, request_id):
    """Each service was asked, and under no other id."""
    assert_that(wires.not_under(context.world, request_id), empty())


@then("the embedding service is told how long the gateway will wait")
def told_deadline(context):
    """A time that is not over yet, and not longer than the gateway's own patience."""
    patience_ms = context.world.citadel.promises.backend_s["embedding"] * 1000
    in_time = all_of(greater_than(0.0), less_than_or_equal_to(patience_ms))
    assert_that(wires.deadlines_ms(context.world), every_item(in_time), "ms that the service is given")


@then("each service was asked once for the whole batch")
def asked_once_each(context):
    """One embedding request, one write of points."""
    assert_that(wires.work(context.world, "embedding"), has_length(1), "requests to embed")
    written = wires.writes(wires.work(context.world, "qdrant"))
    assert_that(written, has_length(1), "writes to the vector store")


@then("neither service was asked for it")
def not_asked(context):
    """The cache alone has answered."""
    assert_that(wires.work(context.world, "embedding"), empty(), "what the embedding service was asked")
    assert_that(wires.work(context.world, "qdrant"), empty(), "what the vector store was asked")


@then("no service was shown a key that is not its own")
def no_key_passed_on(context):
    """Neither the caller's nor another service's."""
    assert_that(wires.work(context.world, "qdrant"), has_length(greater_than(0)))
    assert_that(wires.secrets_passed_on(context.world), empty())


@given("the connections to all services are counted")
def count_connections(context):
    """At the links, from here on."""
    wires.count_connections(context.world)


@then("no more than {int} new connections were opened to any service")
def few_connections(context, most):
    """Connections are kept and used again."""
    opened = wires.connections_since(context.world)
    assert_that(max(opened.values()), less_than_or_equal_to(most), f"new connections by service {opened}")


@then("no answer names the software behind it")
def no_banner(context):
    """No header that helps an attacker to choose."""
    assert_that(wires.banners(context.world.attempts), empty())
