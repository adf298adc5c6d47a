"""The nine external providers: asked through the gateway, witnessed at the emulators."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from hamcrest import assert_that

from support.drivers.gateway import Answer
from support.drivers.providers import DISPLAY_NAMES, Providers, SeenRequest
from support.matchers.answers import succeeded
from support.waiting import eventually
from support.world import World

ALL = tuple(sorted(DISPLAY_NAMES))
# What an emulator and the gateway need for an answer on a busy machine.
HEALTHY_ANSWER_MS = 100.0
# Five failed attempts, with the pauses between those of one request.
GIVEN_UP_WITHIN_S = 15.0
# What the providers say when they refuse a key, in their own words.
OWN_WORDS = ("api key", "api token", "credentials", "username", "subscription")
KEY_HEADERS = ("authorization", "api-key", "x-goog-api-key", "x-api-key")


def witness(world: World) -> Providers:
    """The emulators' control and request log."""
    assert world.citadel.providers is not None, "the providers cannot be seen in this mode"
    return world.citadel.providers


def ask(world: World, provider: str, texts: Sequence[str], **options: Any) -> Answer:
    """Ask one provider to embed texts that carry the scenario's name, so that no cache knows them."""
    if "mark" not in world.evidence:
        begin(world)
    world.evidence["texts sent"] = own = [f"{text} {world.names.prefix}" for text in texts]
    return ask_exactly(world, provider, own, **options)


def ask_exactly(world: World, provider: str, texts: Sequence[str], **options: Any) -> Answer:
    """Ask one provider to embed texts just as they are."""
    return world.citadel.gateway.call(
        "embedWithProvider", json_body={"texts": list(texts), **options}, provider=provider, key=world.key
    )


def begin(world: World) -> None:
    """Remember where the request log stands."""
    world.evidence["mark"] = witness(world).mark()


def have_behave(world: World, provider: str, kind: str, **details: Any) -> None:
    """Tell a provider how to behave until the scenario ends; the return to normal is registered first."""
    world.undo(lambda: witness(world).recover(provider))
    world.undo(lambda: wait_until_available(world, provider))
    begin(world)
    witness(world).behave(provider, kind, **details)


def wait_until_available(world: World, provider: str) -> None:
    """Clean-up: give the gateway's breaker of this provider a success, so that it has counted no failure."""
    witness(world).recover(provider)
    eventually(
        lambda: status(world, provider),
        lambda told: told["circuit_breaker"]["failure_count"] == 0 or _probe(world, provider).ok,
        within=world.citadel.promises.breaker_open_s + 5.0,
        what=f"the breaker of {provider} is closed and has no failures in a row",
    )


def _probe(world: World, provider: str) -> Answer:
    return world.citadel.gateway.call(
        "embedWithProvider",
        json_body={"texts": ["probe"], "use_cache": False},
        provider=provider,
        key=world.key,
    )


def received(world: World, provider: str) -> list[SeenRequest]:
    """What arrived at a provider since the scenario began to ask."""
    return witness(world).seen(provider, after=int(world.evidence["mark"]))


def sent_key(request: SeenRequest) -> str:
    """The credential a provider was shown, without its scheme."""
    shown = [request.headers[name] for name in KEY_HEADERS if name in request.headers]
    return shown[0].removeprefix("Bearer ").removeprefix("bearer ") if shown else ""


def own_key(world: World, provider: str) -> str:
    """The key the gateway was given for a provider."""
    assert world.citadel.stack is not None
    return world.citadel.stack.provider_keys[provider]


def own_words(answer: Answer) -> list[str]:
    """Which of the providers' own words about a refused key an answer repeats."""
    told = answer.text.lower()
    return [words for words in OWN_WORDS if words in told]


def status(world: World, provider: str) -> dict[str, Any]:
    """What the platform tells about a provider."""
    told = world.citadel.gateway.call("getProviderStatus", provider=provider, key=world.key)
    assert_that(told, succeeded())
    return dict(told.body)


def declared_size(world: World, provider: str) -> int:
    """The size the platform declares for a provider's embeddings."""
    return int(status(world, provider)["dimensions"])


def lengths(answer: Answer) -> list[float]:
    """Euclidean length of each embedding."""
    return [math.sqrt(sum(number * number for number in vector)) for vector in answer.body["embeddings"]]


def longest_change_over_ms(world: World) -> float:
    """Attempt time-out, one healthy answer, and the promised slack."""
    promises = world.citadel.promises
    return (promises.provider_attempt_s + promises.failover_slack_s) * 1000.0 + HEALTHY_ANSWER_MS


def ask_until_given_up(world: World, provider: str) -> None:
    """Ask until the gateway's breaker opens; each failed attempt counts, so a few requests are enough."""
    eventually(
        lambda: ask_once(world, provider).code,
        lambda code: code == "circuit-open",
        within=GIVEN_UP_WITHIN_S,
        what=f"the platform gives {provider} up",
    )
    world.evidence["mark"] = witness(world).mark()


def ask_once(world: World, provider: str) -> Answer:
    """One request that no cache can answer."""
    world.answer = ask(world, provider, ["once more"], use_cache=False)
    return world.answer


def answers_after_the_break(world: World, provider: str) -> Answer:
    """The provider recovers; the first answer that comes from it once the break is over."""
    witness(world).recover(provider)
    return eventually(
        lambda: ask_once(world, provider),
        lambda answer: answer.ok,
        within=world.citadel.promises.breaker_open_s + 5.0,
        what=f"{provider} is asked again",
    )


def ask_under_id(world: World, provider: str, request_id: str) -> Answer:
    """Ask for one embedding under the caller's own request id."""
    begin(world)
    return world.citadel.gateway.call(
        "embedWithProvider",
        json_body={"texts": [f"traced {world.names.prefix}"]},
        provider=provider,
        key=world.key,
        headers={"X-Request-ID": request_id},
    )
