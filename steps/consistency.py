"""Steps about what Qdrant, PostgreSQL and Redis really hold, and whether they agree."""

from __future__ import annotations

from behave import then
from hamcrest import assert_that, empty, equal_to, less_than_or_equal_to, starts_with

from support.matchers.complaints import nothing_wrong
from support.vocabulary import agreement, embeddings, stores


@then("Qdrant and PostgreSQL agree on {ids}(:)")
def stores_agree(context, items):
    """Version, text, metadata, model and vector, compared member by member, and the fields of a table.

    Columns: field | value
    """
    rows = [row.as_dict() for row in context.table or ()]
    assert_that(agreement.disagreements(context.world, items, rows), nothing_wrong())


@then("the vector of {string} is the embedding of its text")
def vector_of_text(context, item):
    """The point's vector against the embedding service's own for the text that the point carries."""
    apart = stores.distance_to_service(context.world, item)
    assert_that(apart, less_than_or_equal_to(embeddings.SAME), "the largest difference in any number")


@then("neither Qdrant nor PostgreSQL holds {ids}")
def neither_holds(context, items):
    """No row and no point."""
    held = {item: stores.sides(context.world, item) for item in items}
    assert_that(held, equal_to(dict.fromkeys(items, stores.Sides(None, None))))


@then("for {limit} neither Qdrant nor PostgreSQL holds {string}")
def keeps_away(context, wording, item):
    """Looked at again and again for the whole time: no row and no point."""
    agreement.stays_away(context.world, item, wording)
    assert_that(stores.sides(context.world, item), equal_to(stores.Sides(None, None)))


@then("neither Qdrant nor PostgreSQL holds the collection {string}")
def neither_holds_collection(context, alias):
    """No collection of that name and no row of it, and no write to it is in flight."""
    assert_that(agreement.left_of_collection(context.world, alias), nothing_wrong())


@then("Qdrant and PostgreSQL hold {int} document(s) each")
def both_count(context, count):
    """The stores' own counts and the platform's; no write is in flight."""
    expected = {"rows": count, "points": count, "in flight": 0}
    assert_that(stores.counts(context.world), equal_to(expected), "counted in the stores")
    assert_that(stores.reported_counts(context.world), equal_to(expected), "as the platform reports")


@then("within {limit} every document is in both stores or in neither")
def all_settle(context, wording):
    """All collections and documents of the scenario; nothing is in flight, and the stores agree."""
    assert_that(agreement.halves_after(context.world, wording), empty())


@then("Qdrant and PostgreSQL hold the collection {string} under one name, which begins with that of the run")
def own_name(context, alias):
    """And no other collection of this scenario."""
    name = context.world.names.collection(alias)
    held = stores.named(context.world, context.world.names.prefix)
    assert_that(held, equal_to({"PostgreSQL": [name], "Qdrant": [name]}))
    assert_that(name, starts_with(context.world.names.run.prefix))


@then("every acknowledged document is read as Qdrant and PostgreSQL hold it")
def read_as_held(context):
    """Version, text, metadata and vector, the same for a reader and in both stores."""
    assert_that(agreement.read_otherwise_than_held(context.world), nothing_wrong())


@then("every acknowledged document is in both stores, and no refused one in either")
def history_kept(context):
    """The clients' own history against both stores, document by document."""
    assert_that(agreement.against_the_history(context.world), nothing_wrong())


@then("the audit finds:")
def audit_finds(context):
    """Exactly these, of all collections of the scenario in Qdrant, PostgreSQL and Redis.

    Columns: document | finding | store
    """
    rows = [row.as_dict() for row in context.table]
    assert_that(agreement.audited_otherwise(context.world, rows), nothing_wrong())


@then("the audit is clean")
def audit_clean(context):
    """Nothing is found in the three stores, also against what the clients were told."""
    assert_that(agreement.audited_otherwise(context.world), nothing_wrong())
