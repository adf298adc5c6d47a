"""Steps about a store that was put back to an older copy of itself."""

from __future__ import annotations

from behave import then, when
from hamcrest import assert_that, empty, equal_to

from support.vocabulary import caches, restores


@when(
    "the vector store is restored from a copy that knows neither the new {string},"
    " nor the rewriting of {string}, nor the deletion of {string}"
)
def restore_points(context, new, rewritten, deleted):
    """Put back point by point, around the platform."""
    restores.older_points(context.world, rewritten, deleted, new)


@when(
    "the metadata store is restored from a copy that knows neither the new {string},"
    " nor the rewriting of {string}, nor the deletion of {string}"
)
def restore_rows(context, new, rewritten, deleted):
    """Put back record by record, around the platform."""
    restores.older_rows(context.world, rewritten, deleted, new)


@when("the metadata store is restored from a copy that is older than cached answers to {string}")
def restore_below_cache(context, question):
    """The fence will come to the same numbers a second time."""
    restores.older_rows_with_cached_search(context.world, question)
    restores.repair(context.world)
    assert_that(caches.empty(context.world).ok, equal_to(True), "the cache is emptied")


@then("the audit names the first as missing, the second as out of date and the third as left over")
def audit_names_points(context):
    """Exactly these three, each by its kind."""
    expected = restores.expected_of_points(context.world.evidence["change"])
    assert_that(restores.findings(context.world), equal_to(expected))


@then("the audit names the first two as lost although acknowledged, and the third as back although deleted")
def audit_names_rows(context):
    """Exactly these three: the clients' own history knows better than the restored store."""
    expected = restores.expected_of_rows(context.world.evidence["change"])
    assert_that(restores.findings(context.world), equal_to(expected))


@then("the platform's own check names the same three")
def platform_names_them(context):
    """A second opinion, from the two stores alone."""
    expected = restores.names(context.world.evidence["change"])
    assert_that(restores.platforms_findings(context.world), equal_to(expected))


@then("an administrator's repair mends these three and touches no other document")
def repair_mends(context):
    """The others are, to the bit, as they were; a second repair finds nothing."""
    before = context.world.evidence["bystanders"]
    repaired = [restores.repair(context.world).body["repaired"] for _ in range(2)]
    assert_that(repaired, equal_to([3, 0]), "repaired by the first and the second repair")
    assert_that(restores.bystanders(context.world), equal_to(before), "documents that were not named")


@then("the stores agree on the older history")
def agree_on_older(context):
    """What had been acknowledged after the copy is gone for good, but row and point are one."""
    restores.accept_the_older_history(context.world)
    assert_that(restores.findings(context.world), equal_to({}))


@then("the stores agree on the newest history")
def agree_on_newest(context):
    """Nothing that was acknowledged is lost."""
    assert_that(restores.findings(context.world), equal_to({}))


@then("no search for {string} is answered from before the restore, however many changes follow")
def never_from_before(context, question):
    """Compared with the computed answer after each change."""
    wrong = restores.wrong_answers_until_the_fence_comes_again(context.world, question)
    assert_that(wrong, empty(), "answers from before the restore")
