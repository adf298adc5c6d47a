"""Steps that judge what came of the scenario's last requests."""

from __future__ import annotations

from behave import then
from hamcrest import assert_that, greater_than_or_equal_to

from support.matchers.complaints import nothing_wrong
from support.matchers.requests import (
    all_refused_or_cut_off,
    all_refused_with,
    all_succeeded,
    all_within,
    counted,
    split,
)
from support.vocabulary import expectations, outcomes


@then("the/every request succeeds")
def all_succeed(context):
    """All requests of the last When were carried out."""
    assert_that(context.world.attempts, all_succeeded())


@then("the/every request/item succeeds as {string}")
def all_succeed_as(context, outcome):
    """Writes, or the items of batches, by their outcome: created, updated, unchanged, deleted."""
    assert_that(outcomes.otherwise_than(context.world, outcome), nothing_wrong())


@then("the/every request/item succeeds as {string} in version {int}")
def all_succeed_in_version(context, outcome, version):
    """Writes by their outcome and by the version that the document has then, as the answer says."""
    assert_that(outcomes.otherwise_than(context.world, outcome, version), nothing_wrong())


@then("the/every request is refused with {string}")
def all_refused(context, code):
    """The problem code of the contract."""
    assert_that(context.world.attempts, all_refused_with(code))


@then("the/every request is refused with {string} or {string}")
def all_refused_either(context, code, other):
    """One of two problem codes, for each."""
    assert_that(context.world.attempts, all_refused_with(code, other))


@then("the request is refused or its connection closed")
def all_refused_or_closed(context):
    """All requests of the last When; one that cannot be read need not be answered."""
    assert_that(context.world.attempts, all_refused_or_cut_off())


@then("{int} request(s) succeed(s) and {int} is/are refused with {string}")
def some_refused(context, succeeded, refused, code):
    """Exactly so many, and no other outcome."""
    assert_that(context.world.attempts, split(succeeded, refused, code))


@then("at least {percent} of the requests succeed")
def share_succeeds(context, share):
    """Of all requests of the last When."""
    succeeded = outcomes.share_of_success(context.world.attempts)
    assert_that(succeeded, greater_than_or_equal_to(share), counted(context.world.attempts))


@then("the/every answer arrives within {limit}")
def in_time(context, wording):
    """Measured by the client, from sending the request to the last byte of the answer."""
    limit = outcomes.limit(context.world, wording)
    assert_that(context.world.attempts, all_within(limit.seconds, str(limit)))


@then("the outcomes are:")
def outcomes_are(context):
    """In the order of the requests, or of the items of one batch; in any order with a number of each.

    A column <name> is a field of the answer.

    Columns: request | id | outcome | version | number | <name>
    """
    rows = [row.as_dict() for row in context.table]
    assert_that(outcomes.deviations(context.world, rows), nothing_wrong())


@then("the/every answer shows:")
def answer_shows(context):
    """Members of the answer, field by field; a header by its name.

    Columns: field | value | answer | if
    """
    rows = [row.as_dict() for row in context.table]
    assert_that(outcomes.shown_otherwise(context.world, rows), nothing_wrong())


@then("all answers are the same except for {ids}")
def all_same(context, fields):
    """Status and content of every answer, field by field; those named belong to a single request."""
    assert_that(outcomes.differing(context.world, fields), nothing_wrong())


@then("no answer contains {ids}")
def none_contains(context, texts):
    """None of these texts stands in the content or in a header of any answer."""
    assert_that(outcomes.containing(context.world, texts), nothing_wrong())


@then("at least {percent} of the answers show:")
def most_answers_show(context, share):
    """At least so many of the answers to the last requests have these values; half of them is the median.

    Columns: field | value
    """
    shown, described = outcomes.showing(context.world, [row.as_dict() for row in context.table])
    assert_that(shown, greater_than_or_equal_to(share), described)


@then("within {limit} these requests succeed:")
def soon_succeed(context, wording):
    """Made again and again until all of them succeed at once."""
    rows = [row.as_dict() for row in context.table]
    assert_that(outcomes.until_all_succeed(context.world, rows, wording), all_succeeded())


@then("within {limit} the answer to {actor} who {request} shows:")
def soon_shows(context, wording, actor, request):
    """Asked again and again until the answer is as the table says."""
    rows = [row.as_dict() for row in context.table]
    assert_that(outcomes.until_shown(context.world, actor, request, rows, wording), nothing_wrong())


@then("the document {string} has:")
def document_has(context, item):
    """Read by an editor, vector included; metadata that are named must be all there are.

    Columns: field | value
    """
    rows = [row.as_dict() for row in context.table]
    held = outcomes.read_document(context.world, item)
    assert_that(expectations.of_document(held, rows), nothing_wrong())


@then("every acknowledged document is read with its last text and metadata")
def all_read_whole(context):
    """By its id, with the text and exactly the metadata that were last stored."""
    assert_that(outcomes.read_otherwise(context.world), nothing_wrong())


@then("the document {string} does not exist")
def document_absent(context, item):
    """Reading it by its id finds nothing."""
    assert_that([outcomes.read(context.world, item)], all_refused_with("vector-not-found"))
