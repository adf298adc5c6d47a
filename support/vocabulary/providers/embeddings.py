"""What came of the embeddings that providers made: their sizes, their order, their tokens, their attempts."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence

from hamcrest import assert_that

from support.drivers.gateway import Answer
from support.drivers.providers import DISPLAY_NAMES
from support.matchers.answers import succeeded
from support.vocabulary import actors, outcomes, tables
from support.vocabulary.providers.settings import own_key
from support.vocabulary.providers.witness import received
from support.vocabulary.words import PROVIDERS, Word
from support.world import Order, World

DECLARED = "their declared dimensions"
# Of a length that should be 1.
UNIT_WITHIN = 1e-3
# A piece of a key so long is no chance.
SHOWN_PIECE = 8
# What the providers say when they refuse a key, each in its own words, and what all of them might say.
OWN_WORDS: Mapping[str, tuple[str, ...]] = {
    "anthropic": ("api key is invalid", "authentication_error", "provided api key"),
    "azure": ("access denied", "subscription key", "wrong api endpoint"),
    "cohere": ("invalid api token",),
    "google": ("api key not valid", "api_key_invalid", "googleapis", "invalid_argument"),
    "huggingface": ("invalid username or password",),
    "jina": ("invalid api key", "auth_invalid_api_key", "jina.ai"),
    "mistral": ("invalid api key",),
    "openai": ("incorrect api key", "invalid_api_key", "platform.openai.com"),
    "voyage": ("provided api key",),
}
ANYBODYS_WORDS = ("api key", "api token", "credentials", "username", "subscription")


def _dimensions(text: str) -> int | None:
    return None if text == DECLARED else int(re.sub(r"\D", "", text))


DIMENSIONS = Word(
    "dimensions",
    f"a size such as 1536 dimensions, or {DECLARED}: what the platform says of the provider",
    rf"\d+ dimensions|{DECLARED}",
    _dimensions,
)


def _orders(world: World) -> Iterator[tuple[Order, Answer]]:
    """What was asked of providers, and the answers."""
    found = [(each.order, each.answer) for each in world.attempts if each.order is not None]
    assert found, "the scenario's last requests were to no provider"
    yield from found


def misshapen(world: World, dimensions: int | None) -> list[str]:
    """Answers without exactly one embedding for each text, of this (or the declared) size, of length 1."""
    return [
        f"{DISPLAY_NAMES[answer.body['provider']]}: {wrong}"
        for order, answer in _orders(world)
        for wrong in _misshapen(
            answer, len(order.texts), dimensions or _declared(world, answer.body["provider"])
        )
    ]


def _declared(world: World, provider: str) -> int:
    told = world.citadel.gateway.call(
        "getProviderStatus", provider=provider, key=actors.key_of(world, "a reader")
    )
    assert_that(told, succeeded())
    return int(told.body["dimensions"])


def _misshapen(answer: Answer, texts: int, size: int) -> Iterator[str]:
    vectors = answer.body["embeddings"]
    if len(vectors) != texts:
        yield f"{len(vectors)} embeddings for {texts} texts"
    for place, vector in enumerate(vectors, 1):
        length = math.sqrt(math.fsum(number * number for number in vector))
        if len(vector) != size:
            yield f"embedding {place} of {texts} has {len(vector)} dimensions, not {size}"
        if not abs(length - 1.0) <= UNIT_WITHIN:
            yield f"embedding {place} of {texts} has a length of {length:.4f}, not 1"


def otherwise_alone(world: World, distance: float) -> list[str]:
    """Embeddings further than ``distance`` from the one that the same text gets alone, without the cache."""
    return [
        f"text {place} ({text[:40]}): {apart:.3g} apart"
        for order, answer in _orders(world)
        for vectors in [answer.body.get("embeddings") or [answer.body["embedding"]]]
        for place, (text, vector) in enumerate(zip(order.texts, vectors, strict=True), 1)
        if not (apart := _apart(vector, order, text)) <= distance
    ]


def _apart(vector: Sequence[float], order: Order, text: str) -> float:
    alone = order.again([text])
    assert_that(alone, succeeded())
    (other,) = alone.body["embeddings"]
    return math.dist(vector, other) if len(vector) == len(other) else math.inf


def tokens(world: World) -> int | None:
    """What the last answer says its texts cost."""
    cost = world.last.body["usage"]["input_tokens"]
    return None if cost is None else int(cost)


def tokens_counted(world: World, provider: str) -> int:
    """What the provider has counted for the scenario's last requests together."""
    return sum(request.tokens or 0 for request in received(world, provider))


def attempts(world: World) -> list[dict[str, str]]:
    """Whom the platform has asked for the last request, in this order, and what came of it."""
    return [{column: each[column] for column in ATTEMPT} for each in world.last.body["attempts"]]


ATTEMPT = ("provider", "outcome")


def wanted_attempts(rows: Sequence[Mapping[str, str]]) -> list[dict[str, str]]:
    """The attempts of a table. Raises ``TableError`` for a column that an attempt does not have."""
    for column in {column for row in rows for column in row} - set(ATTEMPT):
        raise tables.unknown("column", column, ATTEMPT)
    return [
        {"provider": PROVIDERS.get(row["provider"], row["provider"]), "outcome": row["outcome"]}
        for row in rows
    ]


def servers(world: World) -> list[tuple[str, bool]]:
    """Who served each of the last requests, and whether the answer says that it was in another's place."""
    return [(answer.body["provider"], answer.body["failover_used"]) for _order, answer in _orders(world)]


def served_by(world: World, provider: str) -> list[tuple[str, bool]]:
    """The same, if this provider has served all."""
    return [(provider, order.provider != provider) for order, _answer in _orders(world)]


def parts(world: World, provider: str) -> list[list[str]]:
    """The texts of each request that a provider received and answered well."""
    return [list(each.body["input"]) for each in received(world, provider) if each.status == 200]


def texts(world: World) -> list[str]:
    """The texts of the scenario's last requests to providers."""
    return [text for order, _answer in _orders(world) for text in order.texts]


def repeated(world: World, provider: str) -> list[str]:
    """What the last answers, headers included, repeat of a provider's key or of its own words."""
    key = own_key(world, provider)
    label = f"key of {provider}"
    pieces = {key[start : start + SHOWN_PIECE] for start in range(len(key) - SHOWN_PIECE + 1)}
    # Some show the two ends of a key.
    pieces |= {f"{key[:4]}*", f"*{key[-4:]}"}
    wrong = []
    for attempt in world.attempts:
        shown = "\n".join([*attempt.answer.headers.values(), attempt.answer.text])
        if label in world.citadel.secrets.found_in_any_form(shown) or any(each in shown for each in pieces):
            wrong.append(f"{attempt.what}: shows the key, or a part of it")
        said = [each for each in (*OWN_WORDS[provider], *ANYBODYS_WORDS) if each in shown.lower()]
        wrong += [f"{attempt.what}: says {each!r}" for each in said]
    return wrong


def failovers_beyond(world: World, wording: str) -> list[str]:
    """Answers that report no failover, or one that took longer than the limit."""
    within = outcomes.limit(world, wording)
    return [
        f"the failover took {took} ms, at most {within} are allowed"
        for _order, answer in _orders(world)
        if not 0 < (took := answer.body.get("failover_time_ms") or 0) <= 1000.0 * within.seconds
    ]
