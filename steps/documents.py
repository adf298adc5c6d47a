"""Steps about documents."""

from __future__ import annotations

from behave import given, then, when
from hamcrest import assert_that, contains_exactly, empty, equal_to, has_item, starts_with
from hamcrest import greater_than_or_equal_to as at_least

from support.matchers.answers import refused_as, succeeded
from support.matchers.every import every_item
from support.vocabulary import documents, embeddings


@given("the document {string} about {string}")
def document_exists(context, title, text):
    """A stored document; its storing must have succeeded."""
    documents.have(context.world, title, text)


@when("an editor stores the document {string} about {string}")
def store_document(context, title, text):
    """One submission by text."""
    context.world.answer = documents.store(context.world, title, text)


@when("an editor rewrites {string} to be about {string}")
def rewrite_document(context, title, text):
    """A new text for a stored document."""
    context.world.answer = documents.rewrite(context.world, title, text=text)


@then("the request succeeds")
def request_succeeds(context):
    """The last request was carried out."""
    assert_that(context.world.last, succeeded())


@then("{string} can no longer be read")
def document_is_gone(context, title):
    """Reading by id finds nothing."""
    assert_that(documents.read(context.world, title), refused_as("vector-not-found"))


@given("these documents:")
def these_documents(context):
    """A table of title, text and further columns as metadata."""
    documents.have_table(context.world, [row.as_dict() for row in context.table])


@given("{int} stored documents")
def many_documents(context, count):
    """Plain, distinct texts."""
    context.world.evidence["titles"] = documents.have_many(context.world, count)


@when("an editor stores the document {string} about {string} for {string}")
def store_for_department(context, title, text, department):
    """One submission with metadata."""
    metadata = {"department": department}
    context.world.evidence["sent"] = {"text": text, "metadata": metadata}
    context.world.answer = documents.store(context.world, title, text, metadata)
    assert_that(context.world.last, succeeded())


@when("an editor stores a document {string} with a text that is new to the platform")
def store_new_text(context, title):
    """No cache can know its embedding."""
    context.world.answer = documents.store(context.world, title, documents.new_text(context.world, title))


@when("an editor stores the document {string} under the request id {string}")
def store_under_id(context, title, request_id):
    """The caller brings an id."""
    context.world.answer = documents.store_under_id(context.world, title, request_id)


@when("an editor stores a batch of {int} documents")
def store_batch(context, count):
    """All new."""
    context.world.answer = documents.store_new_batch(context.world, count)


@given("documents whose pages are the numbers 5, 5.0 and 5.5 and the text {string}")
def documents_by_pages(context, text):
    """Numbers in two forms, and what only looks like a number."""
    documents.have_pages(context.world, {"whole": 5, "decimal": 5.0, "half": 5.5, "text": text})


@when("an editor stores a batch of documents whose ids differ in a trifle")
def store_near_ids(context):
    """In case, or in the last sign."""
    context.world.answer = documents.store_near_ids(context.world)


@when("an editor stores a batch in which document {int} of {int} has no text")
def store_flawed_batch(context, flawed, count):
    """One of them cannot be valid."""
    context.world.answer = documents.store_flawed_batch(context.world, flawed, count)
    context.world.evidence["flawed"] = flawed


@when("an editor stores a batch of the unchanged {string} and {int} new documents")
def store_mixed_batch(context, title, count):
    """One that is there already, and new ones."""
    context.world.answer = documents.store_mixed_batch(context.world, title, count)


@then("every document of the batch is acknowledged in its place")
def batch_acknowledged(context):
    """One outcome per document, in the order of the batch."""
    assert_that(context.world.last, succeeded())
    assert_that(
        documents.outcomes(context.world),
        equal_to([(title, "created") for title in documents.batch(context.world)]),
    )


@then("each of them can be read")
def batch_readable(context):
    """By id, with its text."""
    assert_that(documents.otherwise_than_stored(context.world), equal_to({}), "not read as they were stored")


@then("the batch is refused as a whole and the third document is named")
def batch_refused(context):
    """The flawed document's place is in the error."""
    assert_that(context.world.last, refused_as("validation-failed"))
    pointers = [error["pointer"] for error in context.world.last.body["errors"]]
    assert_that(pointers, has_item(starts_with(f"/items/{context.world.evidence['flawed'] - 1}")))


@then("nothing of the batch was stored")
def batch_not_stored(context):
    """The collection is as empty as before."""
    assert_that(documents.titles_listed(context.world, 100), empty())


@then("the outcomes are {string}")
def outcomes_are(context, outcomes):
    """In the order of the batch."""
    assert_that(context.world.last, succeeded())
    assert_that(
        [outcome for _title, outcome in documents.outcomes(context.world)], equal_to(outcomes.split(", "))
    )


@when("a reader lists the collection in pages of {int}")
def list_pages(context, size):
    """To the end."""
    context.world.evidence["listed"] = documents.titles_listed(context.world, size)


@then("every document is listed exactly once and in the order of ids")
def listed_once(context):
    """Ids in the order of their bytes."""
    expected = documents.in_id_order(context.world, context.world.evidence["titles"])
    assert_that(context.world.evidence["listed"], equal_to(expected), "listed, in the order of ids")


@then("the document {string} reads {string}")
@then("{string} still reads {string}")
def document_reads(context, title, text):
    """Character by character."""
    read = documents.read(context.world, title).body.get("text")
    assert_that(read, equal_to(text), f'the text of "{title}"')


@when("an editor stores {string} with large, small, negative and listed metadata values")
def store_values(context, title):
    """Values that a careless store would change."""
    context.world.answer = documents.store(context.world, title, "A text.", documents.DELICATE_METADATA)
    assert_that(context.world.last, succeeded())


@then("the metadata of {string} are exactly those")
def metadata_exact(context, title):
    """Types and values."""
    held = documents.read(context.world, title).body["metadata"]
    assert_that(documents.exactly(held), equal_to(documents.exactly(documents.DELICATE_METADATA)))


@given("the vector {string} with the numbers {string}")
@when("an editor stores the vector {string} with the numbers {string}")
def store_vector(context, title, numbers):
    """By vector, without a text."""
    vector = [float(number) for number in numbers.split(",")]
    context.world.evidence["vector"] = vector
    context.world.answer = documents.store_vector(context.world, title, vector)
    assert_that(context.world.last, succeeded())


@when("an editor rewrites the vector {string} to the numbers {string}")
def rewrite_vector(context, title, numbers):
    """A new vector for a stored document."""
    vector = [float(number) for number in numbers.split(",")]
    context.world.evidence["vector"] = vector
    context.world.answer = documents.rewrite(context.world, title, vector=vector)
    assert_that(context.world.last, succeeded())


@when("an editor stores, and then rewrites, {string} with a text and a vector at once")
def write_both(context, title):
    """Nobody could tell which of the two is meant."""
    context.world.answers = documents.write_text_and_vector(context.world, title)


@then("each is refused as {string}")
def each_refused(context, problem):
    """All answers alike."""
    assert_that(context.world.answers, every_item(refused_as(problem)))


@then("reading {string} gives exactly those numbers")
def vector_exact(context, title):
    """As stored."""
    answer = documents.read(context.world, title, with_vector=True)
    assert_that(answer, succeeded())
    assert_that(answer.body["vector"], equal_to(context.world.evidence["vector"]))


@then("the document is reported as {string} in version {int}")
def reported_as(context, outcome, version):
    """What the last write did."""
    assert_that(context.world.last, succeeded())
    body = context.world.last.body
    assert_that([body["outcome"], body["version"]], equal_to([outcome, version]))


@when("an editor deletes {int} of them")
def delete_some(context, count):
    """The first ones."""
    titles = context.world.evidence["titles"][:count]
    assert_that([documents.delete(context.world, title) for title in titles], every_item(succeeded()))


@when("{int} editors store the same document {string} at the same moment")
def store_together(context, count, title):
    """Identical submissions, in threads of their own."""
    context.world.answers = documents.store_together(context.world, count, title)


@then("exactly one of them created it and the others found it unchanged")
def one_created(context):
    """One creation, no second version."""
    assert_that(context.world.answers, every_item(succeeded()))
    outcomes = sorted(answer.body["outcome"] for answer in context.world.answers)
    assert_that(outcomes, equal_to(["created"] + ["unchanged"] * (len(context.world.answers) - 1)))


@when("{int} editors rewrite {string} at the same moment, each in other words")
def rewrite_together(context, count, title):
    """Different texts for one document."""
    context.world.answers = documents.rewrite_together(context.world, count, title)


@then("every rewrite counted, also one that another overtook")
def every_rewrite_counted(context):
    """None was lost: each takes a version, and one that was overtaken is told the later version that won."""
    told = sorted(answer.body.get("version", 0) for answer in context.world.answers)
    own = range(2, 2 + len(told))
    assert_that(told, contains_exactly(*(at_least(each) for each in own[:-1]), equal_to(own[-1])))


@when("the same documents are ingested again")
def ingest_again(context):
    """The same ids and texts as at first."""
    context.world.answers = documents.ingest_again(context.world)


@then("each of them is found unchanged")
def all_unchanged(context):
    """No second version and no second document."""
    assert_that(documents.otherwise_than(context.world.answers, "unchanged", 1), empty())


@when("an editor stores a batch in which the vector of document {int} of {int} does not fit")
def store_misfit(context, misfit, count):
    """A vector of another size than the collection's."""
    context.world.answer = documents.store_batch_with_misfit(context.world, misfit, count)


@when("an editor deletes a batch of {string} and {string}")
def delete_batch(context, one, other):
    """Two ids in one request."""
    context.world.answer = documents.delete_batch(context.world, [one, other])


@then("only document {int} of the batch has failed, as {string}")
def only_failed(context, place, code):
    """Told as partly done, with the reason where it failed."""
    assert_that(documents.partly_failed(context.world.last), equal_to({place: code}))


@when("an editor stores the document {string} of {int} words")
def store_long(context, title, words):
    """Longer than the model's window."""
    context.world.answer = documents.store(context.world, title, embeddings.long_text(words))


@then("{string} is read as long as it was stored")
def read_whole(context, title):
    """Cutting off concerns the embedding, never the text."""
    held = documents.read(context.world, title).body.get("text")
    assert_that(held, equal_to(documents.last_text(context.world, title)))


@when("a reader lists the collection in pages of {int} while documents come and go")
def list_while_changing(context, size):
    """Between each two pages one document is stored and one deleted."""
    context.world.evidence["listed"] = documents.list_while_changing(context.world, size)


@then("every document that was there all the time is listed exactly once")
def throughout_once(context):
    """Whatever came and went meanwhile."""
    assert_that(documents.listed_otherwise_than_once(context.world), equal_to({}))
