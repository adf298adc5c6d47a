"""Requests for embeddings, of the embedding service and of the external providers."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

from support.corpus.golden import golden
from support.drivers.gateway import Answer
from support.drivers.providers import DISPLAY_NAMES
from support.vocabulary import tables
from support.vocabulary.requests.grammar import Asking, Call, request
from support.vocabulary.tables import Option
from support.vocabulary.texts import of_words, sentences
from support.vocabulary.words import PROVIDERS
from support.world import Order

SERVICE = "the embedding service"
CACHE = Option("use_cache", "off: neither read from the cache nor stored in it", tables.on_or_off)
OF_THE_SERVICE = {"model": Option("model", "the embedding model", tables.words), "cache": CACHE}


def _providers(text: str) -> list[str]:
    return [PROVIDERS.get(name, name) for name in tables.names(text)]


OF_PROVIDERS = {
    "model": Option("model", "a model of the provider", tables.words),
    "dimensions": Option("dimensions", "the size that the embeddings shall have"),
    "required dimensions": Option("required_dimensions", "a condition for whoever answers"),
    "input kind": Option("input_kind", "document or query", tables.words),
    "failover": Option("failover", "providers to turn to, in this order: Voyage, Jina", _providers),
    "attempt limit": Option("attempt_timeout_ms", "milliseconds that one attempt may take"),
    "cache": CACHE,
}


@request("embeds {string}", 'embeds "hello"', options=OF_THE_SERVICE)
def embed(ask: Asking, text: str) -> list[Call]:
    """Asks for the embedding of one text."""
    body = {"text": text, **ask.members}
    make = partial(ask.call, "generateEmbedding")
    uncached = partial(make, json_body={**body, "use_cache": False})
    what = f'{ask.actor} embeds "{text[:40]}"'
    alone = partial(ask.call, "generateEmbeddingBatch")
    options = {name: value for name, value in body.items() if name != "text"}
    order = Order(
        SERVICE,
        (text,),
        lambda texts: alone(json_body={**options, "texts": list(texts), "use_cache": False}),
    )
    return [Call(what, partial(make, json_body=body), about=(text,), order=order, uncached=uncached)]


@request("embeds {ids} in one batch", 'embeds "hello" and "world" in one batch', options=OF_THE_SERVICE)
def embed_batch(ask: Asking, texts: list[str]) -> list[Call]:
    """Asks for the embeddings of several texts in one request."""
    return [_batch(ask, texts)]


@request("embeds the golden texts", "embeds the golden texts", options=OF_THE_SERVICE)
def embed_golden(ask: Asking) -> list[Call]:
    """Asks in one request for the embeddings of the texts whose vectors are known."""
    return [_batch(ask, list(golden()))]


@request(
    "embeds {int} short texts in one batch", "embeds 32 short texts in one batch", options=OF_THE_SERVICE
)
def embed_short_batch(ask: Asking, count: int) -> list[Call]:
    """Asks in one request for the embeddings of "text 1", "text 2" and so on."""
    return [_batch(ask, [f"text {number}" for number in range(1, count + 1)])]


@request("embeds these texts in one batch", "embeds these texts in one batch", rows=tables.texts)
def embed_rows(ask: Asking) -> list[Call]:
    """Asks in one request for the embeddings of the texts in all cells of the table."""
    return [_batch(ask, [text for row in ask.rows for text in tables.texts(row)])]


@request("embeds {int} new texts in one batch", "embeds 20 new texts in one batch", options=OF_THE_SERVICE)
def embed_new_batch(ask: Asking, count: int) -> list[Call]:
    """Asks in one request for the embeddings of texts that nobody has embedded before."""
    return [_batch(ask, _new(ask, count))]


@request("embeds a text of {int} words", "embeds a text of 600 words", options=OF_THE_SERVICE)
def embed_words(ask: Asking, count: int) -> list[Call]:
    """Asks for the embedding of a text of so many words; each is one token of the default model."""
    return embed(ask, of_words(count))


@request(
    "embeds a text of {int} words that ends with {string}",
    'embeds a text of 200 words that ends with "garden"',
    options=OF_THE_SERVICE,
)
def embed_words_and(ask: Asking, count: int, last: str) -> list[Call]:
    """Asks for the embedding of a text of so many words, of which the last is given."""
    return embed(ask, f"{of_words(count - 1)} {last}")


@request("embeds a text of {int} characters", "embeds a text of 8000 characters", options=OF_THE_SERVICE)
def embed_characters(ask: Asking, count: int) -> list[Call]:
    """Asks for the embedding of a text of so many characters, some of which have two bytes."""
    return embed(ask, ("grün " * (count // 5 + 1))[: count - 1] + "." if count else "")


@request("asks {provider} to embed {ids}", 'asks OpenAI to embed "hello {unique}"', options=OF_PROVIDERS)
def ask_provider(ask: Asking, provider: str, texts: list[str]) -> list[Call]:
    """Asks an external provider for the embeddings of texts; {unique} keeps them out of every cache."""
    return [_of_provider(ask, provider, texts)]


@request("asks {provider} to embed {int} new texts", "asks OpenAI to embed 2 new texts", options=OF_PROVIDERS)
def ask_provider_new(ask: Asking, provider: str, count: int) -> list[Call]:
    """Asks an external provider for the embeddings of texts that nobody has embedded before."""
    return [_of_provider(ask, provider, _new(ask, count))]


@request(
    "asks {provider} to embed {int} new texts of {int} characters",
    "asks Mistral to embed 24 new texts of 7000 characters",
    options=OF_PROVIDERS,
)
def ask_provider_long(ask: Asking, provider: str, count: int, characters: int) -> list[Call]:
    """Asks an external provider for the embeddings of texts of a size that nobody has embedded before."""
    return [_of_provider(ask, provider, [_long(text, characters) for text in _new(ask, count)])]


@request(
    "asks {provider} to embed {ids} with failover to {provider}",
    'asks OpenAI to embed "hello {unique}" with failover to Voyage',
    options=OF_PROVIDERS,
)
def ask_provider_or_else(ask: Asking, provider: str, texts: list[str], other: str) -> list[Call]:
    """Asks an external provider, and names another one to turn to; the option failover names several."""
    return [_of_provider(ask, provider, texts, failover=[other])]


@request(
    "asks the provider {string} to embed {ids}",
    'asks the provider "acme" to embed "hello {unique}"',
    options=OF_PROVIDERS,
)
def ask_provider_named(ask: Asking, provider: str, texts: list[str]) -> list[Call]:
    """Asks a provider by the name that the request gives it, whether anybody knows it or not."""
    return [_of_provider(ask, provider, texts)]


def _long(text: str, characters: int) -> str:
    return (text + " And so on." * characters)[:characters]


def _new(ask: Asking, count: int) -> list[str]:
    return sentences(count, f"{ask.world.names.prefix}{next(ask.world.numbers)}")


def _batch(ask: Asking, texts: list[str]) -> Call:
    body: dict[str, Any] = {"texts": texts, **ask.members}
    make = partial(ask.call, "generateEmbeddingBatch")
    return Call(
        f"{ask.actor} embeds {len(texts)} texts in one batch",
        partial(make, json_body=body),
        about=tuple(texts),
        order=Order(
            SERVICE, texts, lambda texts: make(json_body={**body, "texts": texts, "use_cache": False})
        ),
        uncached=partial(make, json_body={**body, "use_cache": False}),
    )


def _of_provider(ask: Asking, provider: str, texts: list[str], **members: Any) -> Call:
    options = {**ask.members, **members}
    if ask.number == 1 and ask.world.citadel.providers is not None:
        ask.world.provider_mark = ask.world.citadel.providers.mark()

    def make(texts: Sequence[str], **changed: Any) -> Answer:
        body: dict[str, Any] = {"texts": list(texts), **options, **changed}
        return ask.call("embedWithProvider", json_body=body, provider=provider)

    sized = f" with {options['dimensions']} dimensions" if "dimensions" in options else ""
    what = f"{ask.actor} asks {DISPLAY_NAMES.get(provider, provider)} to embed {len(texts)} texts{sized}"
    return Call(
        what,
        partial(make, texts),
        about=tuple(texts),
        order=Order(provider, texts, partial(make, use_cache=False)),
        uncached=partial(make, texts, use_cache=False),
    )
