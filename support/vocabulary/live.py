"""The providers' live services, asked through the gateway with the platform's own adapters."""

from __future__ import annotations

import numpy as np

from support.drivers.anthropic import AnthropicApi
from support.drivers.gateway import Answer
from support.settings import Live
from support.vocabulary import providers
from support.vocabulary.provider_troubles import own_stack
from support.world import World

# A live service may be far away and busy; how fast it is is not what is asked here.
PATIENCE_MS = 10_000
# Of the same text by the same model: live services calculate a little differently each time.
ALIKE = 0.999
UNKNOWN_MODEL = "no-such-model-0"
# Has the form of a key, so that nobody refuses it for its form.
UNKNOWN_KEY = "pk-0000000000000000000000000000000000000000"


def ask_the_live_service(world: World, provider: str) -> None:
    """Have the gateway ask a provider's live service, until the scenario ends."""
    world.undo(lambda: own_stack(world).set_provider(provider))
    _point(world, provider)


def ask(world: World, provider: str, *texts: str) -> Answer:
    """One request that no cache answers."""
    world.evidence["live texts"] = texts
    world.evidence["live provider"] = provider
    return _ask(world, provider, *texts)


def _ask(world: World, provider: str, *texts: str, **options: object) -> Answer:
    return providers.ask_exactly(
        world, provider, texts, use_cache=False, attempt_timeout_ms=PATIENCE_MS, **options
    )


def unlike_in_another_order(world: World) -> list[str]:
    """Texts that get another embedding when all of them are asked for again, the last one first."""
    texts = world.evidence["live texts"]
    again = _ask(world, world.evidence["live provider"], *texts[::-1])
    assert again.ok, str(again)
    before = np.array(world.last.body["embeddings"])
    after = np.array(again.body["embeddings"])[::-1]
    return [
        f"{text!r}: {score:.3f} alike"
        for text, score in zip(texts, (before * after).sum(axis=1), strict=True)
        if not score >= ALIKE
    ]


def ask_for_unknown_model(world: World, provider: str) -> Answer:
    """A model that nobody has."""
    return _ask(world, provider, "hello", model=UNKNOWN_MODEL)


def ask_with_unknown_key(world: World, provider: str) -> Answer:
    """A key that nobody has given out."""
    _point(world, provider, UNKNOWN_KEY)
    return _ask(world, provider, "hello")


def _point(world: World, provider: str, key: str | None = None) -> None:
    live = _service(world, provider)
    own_stack(world).set_provider(provider, url=live.url, key=key or live.key)


def _service(world: World, provider: str) -> Live:
    return next(each for each in world.citadel.settings.live if each.provider == provider)


def greet_anthropic(world: World) -> None:
    """Say hello, and ask for embeddings; what came back is kept as evidence."""
    api = AnthropicApi(_service(world, "anthropic"), world.citadel.journal)
    world.undo(api.close)
    world.evidence["said"] = api.say("Say hello.")
    world.evidence["embeddings"] = api.embeddings_status()
