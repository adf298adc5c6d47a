"""Steps about the cache: what it answers, what it must not change, what lies in it."""

from __future__ import annotations

from behave import given, then, when
from hamcrest import assert_that, contains_string, empty, equal_to, greater_than, has_length, not_

from support.matchers.answers import succeeded
from support.matchers.every import every_item
from support.vocabulary import caches, documents, searches


@given("an employee has searched for {string}")
def has_searched(context, question):
    """A search whose answer is cached now."""
    context.world.evidence["before"] = searches.ask(context.world, question)
    assert_that(context.world.evidence["before"], succeeded())


@given("{string} has been read twice")
def has_been_read(context, title):
    """The second reading comes from the cache."""
    documents.read(context.world, title)
    second = documents.read(context.world, title)
    assert_that(caches.came_from_cache(second), equal_to(True), "the second reading is cached")


@then("the answer comes from the cache")
def comes_from_cache(context):
    """The gateway marks it so in header and body."""
    assert_that(context.world.last, succeeded())
    told = f"answered from the cache: {context.world.last.text[-300:]}"
    assert_that(caches.came_from_cache(context.world.last), equal_to(True), told)


@then("it equals a search without the cache")
def equals_uncached(context):
    """The same question, computed."""
    fresh = searches.again(context.world, use_cache=False)
    assert_that(caches.results_of(context.world.last), equal_to(caches.results_of(fresh)))


@then("a search for {string} is answered afresh and shows the new text of {string}")
def answered_afresh(context, question, title):
    """Not from the cache, and with the text of the last write."""
    answer = searches.ask(context.world, question)
    assert_that(answer, succeeded())
    assert_that(caches.came_from_cache(answer), equal_to(False), "answered from the cache")
    assert_that(
        searches.text_of(context.world, answer, title), equal_to(documents.last_text(context.world, title))
    )


@then("reading {string} gives the new text each of {int} times")
def reading_gives_new(context, title, times):
    """Never the cached old one."""
    texts = {documents.read(context.world, title).body["text"] for _ in range(times)}
    assert_that(texts, equal_to({documents.last_text(context.world, title)}), f'texts read of "{title}"')


@when("the document is read, searched and embedded, and a provider is asked")
def warm_everything(context):
    """Every kind of entry exists afterwards, the count of the caller's requests included."""
    caches.warm_everything(context.world, "canteen", "when can I eat")
    assert_that(caches.missing_kinds(context.world), empty(), "kinds of entries that do not exist")


@then("every entry of the cache has an end not later than its kind allows")
def entries_end(context):
    """Looked up one by one in the cache itself."""
    assert_that(caches.entries(context.world), has_length(greater_than(2)), "entries in the cache")
    assert_that(caches.overlong(context.world), empty())


@then("no name in the cache contains {string}")
def no_text_in_names(context, text):
    """Names hold hashes, never words."""
    names = [entry.key for entry in caches.entries(context.world)]
    assert_that(names, has_length(greater_than(0)), "entries in the cache")
    assert_that(" ".join(names), not_(contains_string(text)))


@when("the cached reading of {string}, search for {string} and its embedding are {damage}")
def damage(context, title, question, kind):
    """Overwritten directly in the cache."""
    caches.damage(context.world, kind, title, question)


@then("reading {string}, searching for {string} and embedding it answer as without the cache")
def answer_as_without(context, title, question):
    """A damaged entry counts as none, and is no error either."""
    assert_that(caches.differs_from_uncached(context.world, title, question), empty())


@then("nothing that lay in the cache was carried out")
def nothing_carried_out(context):
    """The program in it would have left a file."""
    assert_that(caches.carried_out(), equal_to(False), "a program from the cache was carried out")


@then("the cache is soon of use again for {string} and {string}")
def of_use_again(context, title, question):
    """The damaged entries have been replaced."""
    assert_that(caches.not_cached_again(context.world, title, question), empty())


@when("the cache has thrown out half of its entries")
def thrown_out(context):
    """As when it is full."""
    assert_that(caches.throw_out_half(context.world), greater_than(0), "entries thrown out")


@given("an employee has read {string} and searched for {string}")
def has_read_and_searched(context, title, question):
    """Both are cached now."""
    assert_that(caches.warm(context.world, title, question), every_item(succeeded()))


@when("the cache is restored from a copy that is older than a rewriting of {string}")
def restore_older(context, title):
    """Every entry of before the change is there again."""
    rewrite = documents.rewriting(context.world, title)
    assert_that(caches.restore_older(context.world, rewrite), greater_than(0), "entries that came back")


@then("a search for {string} still answers as without the cache")
def answers_as_without(context, question):
    """A damaged entry counts as none."""
    cached = searches.ask(context.world, question)
    fresh = searches.ask(context.world, question, use_cache=False)
    assert_that(caches.results_of(cached), equal_to(caches.results_of(fresh)), "as without the cache")


@given("an administrator has emptied the cache")
@when("an administrator empties the cache")
def empty_cache(context):
    """All cached searches, items and embeddings."""
    context.world.answer = caches.empty(context.world)
    assert_that(context.world.answer, succeeded())


@then("a search for {string} gives the same results as before")
def same_as_before(context, question):
    """Only slower."""
    after = searches.ask(context.world, question)
    assert_that(caches.came_from_cache(after), equal_to(False), "still answered from the cache")
    assert_that(caches.results_of(after), equal_to(caches.results_of(context.world.evidence["before"])))
