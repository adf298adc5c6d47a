"""Steps about embeddings that are asked for without storing anything."""

from __future__ import annotations

from behave import given, then, when
from hamcrest import assert_that, equal_to, greater_than, greater_than_or_equal_to, less_than_or_equal_to

from support.matchers.answers import succeeded
from support.vocabulary import embeddings

# Largest difference in a component between two embeddings of the same text.
SAME = 1e-5


@when("the same text is embedded alone and in a batch with longer texts")
def alone_and_batched(context):
    """Neighbours must not rub off."""
    context.world.evidence["pair"] = embeddings.alone_and_batched(context.world)


@given("a text that has just been embedded")
def just_embedded(context):
    """Its embedding is cached now."""
    context.world.evidence["text"] = embeddings.new_texts(context.world, 1)[0]
    context.world.evidence["first"] = embeddings.embed(context.world, context.world.evidence["text"])
    assert_that(context.world.evidence["first"], succeeded())


@when("the text is embedded again")
def embedded_again(context):
    """The same text once more."""
    context.world.answer = embeddings.embed(context.world, context.world.evidence["text"])
    first = context.world.evidence["first"].body["embedding"]
    context.world.evidence["pair"] = (first, context.world.last.body["embedding"])


@then("both embeddings are the same")
def same_embedding(context):
    """Component by component."""
    apart = embeddings.furthest_apart(*context.world.evidence["pair"])
    assert_that(apart, less_than_or_equal_to(SAME), "how far two embeddings of one text are apart")


@when("a text of {int} words is embedded")
def long_text(context, words):
    """Longer than the model's window."""
    context.world.answer = embeddings.embed(context.world, embeddings.long_text(words))


@then("the answer says that the text was truncated")
def says_truncated(context):
    """Declared, never silent."""
    assert_that(context.world.last, succeeded())
    assert_that(context.world.last.body["truncated"], equal_to(True), "truncated")


@when("two texts of {int} words that differ in the last one are embedded")
def differ_at_the_end(context, words):
    """Long, but not too long for the model."""
    context.world.answers = embeddings.embed_differing_at_the_end(context.world, words)


@then("neither is declared truncated")
def neither_truncated(context):
    """The model had room for them."""
    truncated = [answer.body["truncated"] for answer in context.world.answers]
    assert_that(truncated, equal_to([False, False]), "truncated")


@then("their embeddings differ")
def embeddings_differ(context):
    """The last word was read."""
    pair = [answer.body["embedding"] for answer in context.world.answers]
    assert_that(embeddings.furthest_apart(*pair), greater_than(SAME), "largest difference in any component")


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
    assert_that(apart, less_than_or_equal_to(SAME), "how far an embedding is from its text's own")


@when("{int} different texts are embedded at the same time")
def embedded_together(context, count):
    """One request each, at the same moment."""
    embeddings.embed_together(context.world, embeddings.new_texts(context.world, count))


@then("every text got its own embedding")
def every_text_its_own(context):
    """No answer is missing and none is mixed up."""
    apart = embeddings.furthest_from_service(context.world)
    assert_that(apart, less_than_or_equal_to(SAME), "how far an embedding is from its text's own")


@when("the golden texts are embedded")
def embed_golden(context):
    """Fresh from the model, not from the cache."""
    context.world.evidence["least"] = embeddings.least_like_golden(context.world)


@then("each vector is like its golden one to at least {float}")
def like_golden(context, floor):
    """Cosine of the least like."""
    alike, text = context.world.evidence["least"]
    assert_that(alike, greater_than_or_equal_to(floor), f'cosine of "{text}" with its golden vector')


@then("each of them has length 1")
def of_length_one(context):
    """Only then cosine and dot product agree, and old vectors can be compared with new ones."""
    off = embeddings.furthest_from_length_one(context.world)
    assert_that(off, less_than_or_equal_to(SAME), "how far the length of a vector is from 1")


@when("these pairs of texts are embedded:")
def embed_pairs(context):
    """Two texts of the same meaning in each row."""
    embeddings.embed_pairs(context.world, [(row["text"], row["in other words"]) for row in context.table])


@then("every text is closer to its own other words than any two unrelated texts are")
def related_closer(context):
    """The worst related pair beats the best unrelated one."""
    unrelated, between = embeddings.most_alike_unrelated(context.world)
    related, own = embeddings.least_related(context.world)
    assert_that(related, greater_than(unrelated), f'"{own}" against the unrelated "{between}"')
