"""Steps about embeddings that are asked for without storing anything."""

from __future__ import annotations

from behave import given, then, when
from hamcrest import assert_that, equal_to, greater_than_or_equal_to, less_than_or_equal_to

from support.matchers.answers import succeeded
from support.matchers.complaints import nothing_wrong
from support.vocabulary import embeddings


@given("{int} texts that have just been embedded")
def texts_embedded(context, count):
    """All cached now."""
    context.world.evidence["known"] = embeddings.new_texts(context.world, count, "known")
    assert_that(embeddings.embed_batch(context.world, context.world.evidence["known"]), succeeded())


@when("{int} new texts are embedded in one request")
def batch_of_new(context, count):
    """None of them is cached."""
    embeddings.embed_and_watch(context.world, embeddings.new_texts(context.world, count, "new"))


@when("these texts and {int} new ones are embedded in one request")
def batch_of_mixed(context, count):
    """Cached and new ones in turn."""
    new = embeddings.new_texts(context.world, count, "new")
    embeddings.embed_and_watch(context.world, embeddings.shuffled(context.world.evidence["known"], new))


@then("the embedding service was asked exactly once")
def asked_once(context):
    """By the service's own log of the last request's id."""
    times = embeddings.times_asked(context.world, context.marks)
    assert_that(times, equal_to(1), "requests the service got")


@then("it embedded {int} texts")
@then("the embedding service embedded {int} texts")
def embedded_texts(context, count):
    """Counted at the service."""
    assert_that(context.world.evidence["work"].texts, equal_to(count), "texts the service embedded")


@then("the answer says that {int} of its texts came from the cache, and not that all did")
def partly_cached(context, count):
    """Only an answer of which nothing was computed is marked as a hit."""
    assert_that(context.world.answer.body["cache_hits"], equal_to(count), "texts that came from the cache")
    assert_that(context.world.answer.headers.get("X-Cache"), equal_to("MISS"), "the mark of the whole answer")


@then("every embedding belongs to its text")
def belongs_to_text(context):
    """Compared with the service's own, text by text."""
    apart = embeddings.furthest_from_service(context.world)
    assert_that(apart, less_than_or_equal_to(embeddings.SAME), "how far an embedding is from its text's own")


@when("{int} different texts are embedded at the same time")
def embedded_together(context, count):
    """One request each, at the same moment."""
    embeddings.embed_together(context.world, embeddings.new_texts(context.world, count))


@then("every text got its own embedding")
def every_text_its_own(context):
    """No answer is missing and none is mixed up."""
    apart = embeddings.furthest_from_service(context.world)
    assert_that(apart, less_than_or_equal_to(embeddings.SAME), "how far an embedding is from its text's own")


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
