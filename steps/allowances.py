"""Steps about how often a caller may ask."""

from __future__ import annotations

from behave import given, then, when
from hamcrest import assert_that, has_length

from support.matchers.answers import refused_as, succeeded
from support.matchers.complaints import nothing_wrong
from support.matchers.every import every_item
from support.vocabulary import access, allowances, documents


@given("a new editor who may ask {int} times a minute")
def limited_editor(context, per_minute):
    """A caller with a small allowance who may store."""
    access.new_caller(context.world, "user", per_minute)


@given("nothing of {int} requests is left")
def used_up(context, count):
    """All were answered, and one more was not."""
    allowances.use_up(context.world, count)


@when("that reader asks {int} times at the same moment")
def ask_at_once(context, times):
    """Each in a thread and on a connection of its own."""
    context.world.answers = allowances.ask_at_once(context.world, times)


@then("exactly {int} of them are answered and {int} refused as {string}")
def exactly_answered(context, answered, refused, code):
    """In whatever order: no request slips through between two counts."""
    told = [answer.code for answer in context.world.answers]
    assert_that([each for each in told if each is None], has_length(answered), "requests that were answered")
    assert_that([each for each in told if each == code], has_length(refused), f"requests refused as {code}")


@when("that reader asks again in every known disguise")
def ask_disguised(context):
    """Other headers, other routes, the key in another form."""
    context.world.evidence["helped"] = allowances.disguises_that_helped(context.world)


@then("no disguise has helped")
def none_helped(context):
    """Refused like the plain request."""
    assert_that(context.world.evidence["helped"], nothing_wrong())


@when("that reader asks for the health and the counters")
def ask_exempt(context):
    """What watches over the platform must not be locked out."""
    context.world.evidence["refused"] = allowances.refused_although_exempt(context.world)


@then("nothing of it is refused")
def nothing_refused(context):
    """They are open to everybody and not counted."""
    assert_that(context.world.evidence["refused"], nothing_wrong())


@then("each answer tells the limit of {int}, what is left of it and when the minute ends")
def told_exactly(context, allowed):
    """In the answers that are given and in those that are not."""
    assert_that(allowances.told_wrongly(context.world.answers, allowed), nothing_wrong())


@when("that editor stores one document more than {int}")
def store_beyond(context, allowed):
    """One after another."""
    context.world.answers = allowances.store_beyond(context.world, allowed)


@then("the first {int} are stored and the last is refused as {string}")
def last_refused(context, allowed, code):
    """The allowance is exact for writers too."""
    assert_that(context.world.answers[:allowed], every_item(succeeded()))
    assert_that(context.world.answers[allowed:], every_item(refused_as(code)))


@then("the collection holds {int} documents")
def collection_lists(context, count):
    """As it lists them."""
    assert_that(documents.titles_listed(context.world, 50), has_length(count))
