"""Steps about embeddings that are asked for without storing anything."""

from __future__ import annotations

from behave import then
from hamcrest import assert_that, greater_than_or_equal_to, less_than_or_equal_to

from support.matchers.complaints import nothing_wrong
from support.vocabulary import embeddings


@then("embeddings {int} and {int} differ by at most {float}")
def differ_at_most(context, one, other, bound):
    """In any of their numbers; all embeddings of the last requests are counted through, from 1."""
    apart = embeddings.apart(context.world, one, other)
    assert_that(apart, less_than_or_equal_to(bound), "the largest difference in any number")


@then("embeddings {int} and {int} differ by at least {float}")
def differ_at_least(context, one, other, bound):
    """In at least one of their numbers; all embeddings of the last requests are counted through, from 1."""
    apart = embeddings.apart(context.world, one, other)
    assert_that(apart, greater_than_or_equal_to(bound), "the largest difference in any number")


@then("every embedding has a similarity of at least {float} to its golden vector")
def like_golden(context, floor):
    """The cosine to the vector that the platform's default model gave the same text."""
    assert_that(embeddings.unlike_golden(context.world, floor), nothing_wrong())


@then("every embedding has a length between {float} and {float}")
def of_length(context, least, most):
    """Only with length 1 do cosine and dot product agree."""
    assert_that(embeddings.of_other_length(context.world, least, most), nothing_wrong())


@then(
    "texts of one row have a similarity of at least {float}, and texts of different rows of at most {float}"
)
def related_closer(context, floor, ceiling):
    """Every two of the texts that were embedded by rows of a table."""
    assert_that(embeddings.unlike_their_row(context.world, floor, ceiling), nothing_wrong())
