"""Steps about hostile words, contents, addresses and framing."""

from __future__ import annotations

from behave import then, when
from hamcrest import assert_that

from support.matchers.answers import refused_as
from support.matchers.complaints import nothing_wrong
from support.matchers.every import every_item
from support.vocabulary import hostile_traffic, hostile_words


@when("an attacker puts every hostile word where {hostile_place} belongs")
def put_words(context, place):
    """Code, addresses, look-alikes and control characters, one request each."""
    context.world.evidence["complaints"] = hostile_words.try_words(context.world, place)


@then("each of them is refused without a word about the inside")
@then("nobody without a key has got past the lock")
@then("each of them is refused or cut off")
@then("no answer repeats it")
@then("each is refused as unsupported")
@then("each is refused as not valid")
@then("no line of a log and no counter is the caller's")
def nothing_to_complain_about(context):
    """A mismatch lists each request that was treated otherwise."""
    assert_that(context.world.evidence["complaints"], nothing_wrong())


@when("an editor stores a document for each hostile word, in its text and in its metadata")
def store_words(context):
    """Where a value belongs, any text may stand."""
    hostile_words.store_words(context.world)


@then("each word is read as it was written and found by itself alone")
def words_unchanged(context):
    """Neither cleaned, nor joined with one that looks alike, nor carried out."""
    assert_that(hostile_words.changed_words(context.world), nothing_wrong())


@when("an attacker searches with filters in the languages of stores and of programs")
def foreign_filters(context):
    """Conditions that are none of the contract's."""
    context.world.evidence["complaints"] = hostile_words.filters_not_refused(context.world)


@when("an attacker sends {hostile_content} where a text to embed belongs")
def send_content(context, content):
    """With the content type of a well-formed request."""
    context.world.answer = hostile_traffic.send_content(context.world, content)


@when("a well-formed request is sent as any other kind of content")
def other_kinds(context):
    """One request each."""
    context.world.evidence["complaints"] = hostile_traffic.kinds_taken(context.world)


@when("an attacker sends the largest request and one of a byte more, with and without the length")
def send_largest(context):
    """Who does not tell the length is not thereby allowed more."""
    hostile_traffic.send_largest(context.world)


@then("those of the largest size are read, and refused as {string} for their text")
def largest_read(context, code):
    """The text in them is longer than a text may be."""
    assert_that(context.world.answers[::2], every_item(refused_as(code)))


@then("those of a byte more are refused as {string}")
def larger_refused(context, code):
    """Whether or not the length was told."""
    assert_that(context.world.answers[1::2], every_item(refused_as(code)))


@when("an attacker sends a small request that unpacks to a huge one")
def send_packed(context):
    """Packing is not promised."""
    context.world.answer = hostile_traffic.send_packed(context.world)


@then("it is refused without having been unpacked")
def refused_packed(context):
    """As no request, as a kind that is not supported, or as too large: not for what is in it."""
    codes = "malformed-request", "unsupported-media-type", "content-too-large"
    assert_that(context.world.last, refused_as(*codes))


@when("an editor stores the document {string} with every member given twice")
def store_doubled(context, title):
    """With another value the second time."""
    context.world.answer = hostile_traffic.store_doubled(context.world, title)


@then("the document {string} is the same for readers and in both stores, or was refused")
def same_everywhere(context, title):
    """No part of the platform reads the first value and another one the second."""
    assert_that(hostile_traffic.read_differently(context.world, title), nothing_wrong())


@when("somebody without a key spells and redirects addresses in every known way")
def spell_addresses(context):
    """What one part of a server takes for open and another for the address behind the lock."""
    context.world.evidence["complaints"] = hostile_traffic.doors_opened_by_spelling(context.world)


@when("an attacker sends requests that two servers would read differently")
def odd_frames(context):
    """What one of them takes for the end, the other takes for the beginning."""
    context.world.evidence["complaints"] = hostile_traffic.frames_taken(context.world)


@when("an editor's requests claim another host")
def claim_host(context):
    """Requests that succeed and one that does not."""
    context.world.evidence["complaints"] = hostile_traffic.forge_host(context.world)


@when("callers write what looks like a line of the log wherever they can write")
def forge_lines(context):
    """In addresses, ids, filters, texts, headers and the method."""
    context.world.evidence["complaints"] = hostile_traffic.forged_lines(context.world)
