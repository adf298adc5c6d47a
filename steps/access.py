"""Steps about keys, roles and limits."""

from __future__ import annotations

from behave import given, then, when
from hamcrest import assert_that, contains_exactly, empty

from support.matchers.answers import refused_as, succeeded
from support.matchers.complaints import nothing_wrong
from support.matchers.every import every_item
from support.vocabulary import access, rights


@when("every operation of the platform is tried without a key")
def try_without_key(context):
    """All operations of the contract."""
    context.world.evidence["tries"] = access.try_all(context.world, "")


@when("the contract's operations are compared with the rules of access")
def compare_rules(context):
    """An operation without a rule, or a rule that says something else."""
    context.world.evidence["disagreements"] = rights.without_rule(context.world)


@when("every operation of the platform is tried with {credential}")
def try_credential(context, credential):
    """Something that is no valid key, shown at every door."""
    context.world.evidence["disagreements"] = rights.turned_away(context.world, credential)


@when("{role} tries every operation of the platform")
def role_tries(context, role):
    """With the key of that role."""
    context.world.evidence["disagreements"] = rights.role_disagreements(context.world, role)


@when("an editor sends the key in every form that is promised")
def every_form(context):
    """Each of them to every operation."""
    context.world.evidence["disagreements"] = rights.form_disagreements(context.world, "editor")


@when("a stranger and an administrator look for doors that servers leave open")
def look_for_back_doors(context):
    """Without a key, and with the one that opens most."""
    context.world.evidence["disagreements"] = rights.back_doors(context.world)


@then("each of them has a rule, and the contract says the same")
@then("every operation that needs a key has turned it away")
@then("exactly what the rules allow has let the caller in")
@then("they find nothing")
def nothing_disagrees(context):
    """A mismatch lists each operation that does."""
    assert_that(context.world.evidence["disagreements"], nothing_wrong())


@when("a reader tries every operation that changes something")
def reader_tries(context):
    """With the key of the role that may only read."""
    key = context.world.citadel.keys["reader"]
    context.world.evidence["tries"] = access.try_changes(context.world, key)


@then("only the operations that are open by design answer")
def only_open_answer(context):
    """Exactly those the contract declares open."""
    tries = context.world.evidence["tries"]
    assert_that(access.answered(tries), contains_exactly(*access.open_by_design(context.world)))


@then("all others are refused as {string}")
@then("all of them are refused as {string}")
def all_refused(context, code):
    """Each operation that needs a key."""
    assert_that(access.not_refused_as(context.world.evidence["tries"], code), empty())


@when("an editor tries to empty the cache")
def editor_empties(context):
    """Only an administrator may."""
    context.world.answer = access.try_to_empty_cache(context.world, "editor")


@given("a new editor whose key works")
def new_editor(context):
    """A caller of the suite's own."""
    access.new_caller(context.world, "user", 1000)
    assert_that(access.ask_as_caller(context.world), succeeded())


@when("that key is withdrawn")
def withdraw(context):
    """Revoked by an administrator of the database."""
    access.withdraw(context.world)


@then("the key opens nothing any more within the promised time")
def opens_nothing(context):
    """Refused once the platform has noticed."""
    assert_that(access.refused_at_last(context.world), refused_as("unauthenticated"))


@given("a new reader who may ask {int} times a minute")
def limited_reader(context, per_minute):
    """A caller with a small allowance."""
    access.new_caller(context.world, "readonly", per_minute)


@when("that reader asks {int} times")
def asks_often(context, times):
    """One after another, at once."""
    context.world.answers = [access.ask_as_caller(context.world) for _ in range(times)]


@then("exactly {int} requests are answered and the others are refused as {string}")
def some_refused(context, count, code):
    """The allowance is exact."""
    answers = context.world.answers
    assert_that(answers[:count], every_item(succeeded()))
    assert_that(answers[count:], every_item(refused_as(code)))


@then("other callers are not slowed down")
def others_unhindered(context):
    """The allowance belongs to the key."""
    assert_that(access.try_as_editor(context.world), succeeded())
