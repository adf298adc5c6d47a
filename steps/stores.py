"""Steps about what the two stores really hold."""

from __future__ import annotations

from behave import then, when
from hamcrest import (
    assert_that,
    contains_inanyorder,
    equal_to,
    has_entries,
    only_contains,
)

from support.matchers.sides import agree
from support.vocabulary import stores


@then("the row and the point of {string} agree in version, text, metadata and vector")
def sides_agree(context, title):
    """Compared member by member; the vector's checksum is recomputed from the point."""
    assert_that(stores.sides(context.world, title), agree())


@then("both are version {int}")
def both_version(context, version):
    """The version of the answered write, in both stores."""
    title = context.world.evidence["title"]
    held = stores.sides(context.world, title)
    versions = [side and side["version"] for side in (held.row, held.point)]
    assert_that(versions, only_contains(version))


@then("neither store holds {string}")
def neither_holds(context, title):
    """No row and no point."""
    assert_that(stores.sides(context.world, title), equal_to(stores.Sides(None, None)))


@then("neither store has grown")
def neither_grew(context):
    """The collection holds what it held before: nothing."""
    assert_that(stores.counts(context.world), equal_to({"rows": 0, "points": 0, "in flight": 0}))


@then("both stores hold {string} once")
def both_hold_once(context, title):
    """One row, one point, and they agree."""
    assert_that(stores.counts(context.world), has_entries({"rows": 1, "points": 1}))
    assert_that(stores.sides(context.world, title), agree())


@then("both stores count {int} documents and nothing is in flight")
def both_count(context, count):
    """The stores' own counts and the platform's."""
    expected = {"rows": count, "points": count, "in flight": 0}
    assert_that(stores.counts(context.world), equal_to(expected), "counted in the stores")
    assert_that(stores.reported_counts(context.world), equal_to(expected), "as the platform reports")


@when("the vector of {string} is lost behind the platform's back")
def lose_vector(context, title):
    """Deleted directly in the vector store."""
    stores.lose_vector(context.world, title)


@then("the audit names {string} as missing in the vector store")
def audit_names_missing(context, title):
    """The suite's own audit finds exactly that."""
    report = stores.audit(context.world)
    found = [(finding.kind, finding.subject) for finding in report.findings]
    assert_that(found, equal_to([("MISSING", context.world.names.document(title))]), report.text())


@then("the platform's own check comes to the same finding")
def platform_check_agrees(context):
    """The platform's consistency check as a second opinion."""
    report = stores.platform_check(context.world)
    found = [finding.subject for finding in stores.audit(context.world).findings]
    assert_that(report.body["missing_in_qdrant"], contains_inanyorder(*found))
