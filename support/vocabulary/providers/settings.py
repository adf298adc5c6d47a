"""What the gateway knows of a provider: its key, its rate limit, where it is; and the live services."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from support.drivers.anthropic import AnthropicApi
from support.drivers.gateway import Answer
from support.drivers.providers import DISPLAY_NAMES
from support.settings import Live
from support.vocabulary import tables
from support.vocabulary.providers.witness import witness
from support.vocabulary.words import Word, any_of
from support.world import Attempt, World

if TYPE_CHECKING:
    from support.stack.stack import Stack

# Has the form of a key, so that nobody refuses it for its form.
UNKNOWN_KEY = "pk-0000000000000000000000000000000000000000"
NEW_KEY, ANOTHER_KEY, LIVE = "the new key", "an unknown key", "live"


def own_key(world: World, provider: str) -> str:
    """The key that the gateway was given for a provider."""
    assert world.citadel.stack is not None, "the platform was not started by the suite"
    return world.citadel.stack.provider_keys[provider]


def accept_new_key_only(world: World, provider: str) -> None:
    """The provider takes a new key only; should the gateway never learn it, the old one is good again."""
    emulators = witness(world)
    world.undo(lambda: emulators.accept_key(provider, own_key(world, provider)))
    new = f"pk-{secrets.token_urlsafe(24)}"
    world.citadel.secrets.add(new, f"the new key of {provider}")
    world.provider_keys[provider] = new
    emulators.accept_key(provider, new)


def configure(world: World, provider: str, rows: Sequence[Mapping[str, str]]) -> None:
    """Restart the gateway with other settings of a provider, until the scenario ends.

    A new key stays: provider and gateway both know it then. Raises ``TableError`` for an unknown option.
    """
    given: dict[str, Any] = {}
    for name, text in tables.pairs(rows, ("option", "field")):
        if name not in SETTINGS:
            raise tables.unknown("option", name, SETTINGS)
        given |= SETTINGS[name](world, provider, text.strip())
    world.undo(partial(_stack(world).set_provider, provider))
    if given.pop("learn", False):
        _stack(world).replace_provider_key(provider, given.pop("key"))
    if given:
        _stack(world).set_provider(provider, **given)


def _per_minute(_world: World, _provider: str, text: str) -> dict[str, Any]:
    return {"rpm": int(text)}


def _key(world: World, provider: str, text: str) -> dict[str, Any]:
    if text == NEW_KEY:
        assert provider in world.provider_keys, f"{DISPLAY_NAMES[provider]} was given no new key"
        return {"key": world.provider_keys[provider], "learn": True}
    if text != ANOTHER_KEY:
        raise tables.unknown("key", text, (NEW_KEY, ANOTHER_KEY))
    return {"key": UNKNOWN_KEY}


def _service(world: World, provider: str, text: str) -> dict[str, Any]:
    if text != LIVE:
        raise tables.unknown("service", text, (LIVE,))
    live = _live(world, provider)
    return {"url": live.url, "key": live.key}


SETTINGS: Mapping[str, Callable[[World, str, str], dict[str, Any]]] = {
    "requests per minute": _per_minute,
    "service": _service,
    "key": _key,
}


def _live(world: World, provider: str) -> Live:
    return next(each for each in world.citadel.settings.live if each.provider == provider)


def _stack(world: World) -> Stack:
    """The servers of the suite, about to be changed."""
    assert world.citadel.stack is not None, "the platform was not started by the suite"
    # The first search after a start is not yet what the others are.
    world.citadel.faults.shaken = True
    return world.citadel.stack


def _say(api: AnthropicApi, text: str) -> tuple[int, dict[str, Any]]:
    said = api.say(text)
    return HTTPStatus.OK, {"text": said}


def _embed(api: AnthropicApi, text: str) -> tuple[int, dict[str, Any]]:
    status = api.embeddings_status(text)
    return status, {"reason": HTTPStatus(status).phrase}


TASKS: Mapping[str, Callable[[AnthropicApi, str], tuple[int, dict[str, Any]]]] = {
    "answer": _say,
    "embed": _embed,
}
LIVE_TASK = Word(
    "live_task",
    "what Anthropic's own service is asked for",
    any_of(TASKS),
    str,
    {"answer": "a few words to a text", "embed": "the embedding of a text"},
)


def ask_anthropic(world: World, task: str, text: str) -> None:
    """One request to Anthropic's own service, which the gateway never asks; its answer is the last one."""
    api = AnthropicApi(_live(world, "anthropic"), world.citadel.journal)
    world.undo(api.close)
    begun = time.monotonic()
    status, body = TASKS[task](api, text)
    took_ms = 1000.0 * (time.monotonic() - begun)
    world.answer = Answer(f"Anthropic: {task}", status, {}, body, str(body), took_ms)
    world.attempts = [Attempt(f'Anthropic is asked to {task} "{text}"', world.answer)]
