"""Providers are told how to answer, recover, and have their circuit breakers opened."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from hamcrest import assert_that, equal_to

from support.drivers.gateway import Answer
from support.drivers.providers import DISPLAY_NAMES, Providers
from support.faults import Fault
from support.matchers.answers import succeeded
from support.vocabulary import actors, failures, outcomes
from support.vocabulary.providers import answers
from support.vocabulary.providers.witness import witness
from support.vocabulary.words import Word, any_of
from support.waiting import NotYet, eventually
from support.world import World

# Five failed attempts, with the pauses between those of one request.
OPENS_WITHIN_S = 15.0
# Beyond the time for which a breaker stays open, for the clean-up on a busy machine.
CLEANED_UP_WITHIN_S = 5.0
STATES = {"open": "open", "half-open": "half_open", "closed": "closed"}
BREAKER_STATE = Word(
    "breaker_state",
    "the state of a provider's circuit breaker",
    any_of(STATES),
    STATES.__getitem__,
    {
        "open": "requests are refused without asking the provider",
        "half-open": "one request may find out whether the provider has recovered",
        "closed": "the provider is asked",
    },
)


@dataclass(frozen=True, slots=True)
class _Behaviour:
    """A provider that answers otherwise than it does by itself; one kind of harm."""

    emulators: Providers
    provider: str
    kind: str
    settings: Mapping[str, Any]
    mark: int

    def check(self) -> None:
        """Nothing can be missing."""

    def rollback(self) -> None:
        """The emulators end with the suite."""

    def do(self) -> None:
        self.emulators.behave(self.provider, self.kind, **self.settings)

    def undo(self) -> None:
        self.emulators.recover(self.provider)

    def hits(self) -> int:
        """Requests that were answered so."""
        seen = self.emulators.seen(self.provider, after=self.mark)
        return sum(request.behaviour == self.kind for request in seen)


def begin(world: World, provider: str, wording: str, times: int | None) -> None:
    """Have a provider answer so from now on, ``times`` times or until it recovers.

    The way back is registered first. How it answered before must have met a request.
    """
    if any(fault.target == provider for fault in world.faults):
        failures.end(world, provider)
    answer = answers.parse(wording)
    settings = dict(answer.settings) | ({} if times is None else {"times": times})
    emulators = witness(world)
    harm = _Behaviour(emulators, provider, answer.kind, settings, emulators.mark())
    active: list[Fault] = []
    fault = Fault(provider, answer.kind, settings, harm, active, injected_at=time.monotonic())
    world.undo(partial(_have_available, world, provider))
    world.undo(fault.end)
    active.append(fault)
    harm.do()
    world.faults.append(fault)


def _have_available(world: World, provider: str) -> None:
    """Clean-up: the breaker of this provider has counted a success, so no failure is left in it."""
    eventually(
        lambda: breaker(world, provider),
        lambda told: told["failure_count"] == 0 or _ask(world, provider, "probe").ok,
        within=world.citadel.promises.breaker_open_s + CLEANED_UP_WITHIN_S,
        what=f"the circuit breaker of {provider} is closed and has counted no failures",
    )


def breaker(world: World, provider: str) -> dict[str, Any]:
    """What the platform says of a provider's circuit breaker."""
    told = world.citadel.gateway.call("getProviderStatus", provider=provider, key=_key(world))
    assert_that(told, succeeded())
    return dict(told.body["circuit_breaker"])


def have_breaker(world: World, provider: str, state: str) -> None:
    """Let a provider be overloaded until its circuit breaker is open, and wait for half-open if wanted."""
    begin(world, provider, "an overload error", None)
    eventually(
        lambda: _ask(world, provider, f"a request of {world.names.prefix}").code,
        lambda code: code == "circuit-open",
        within=OPENS_WITHIN_S,
        what=f"the circuit breaker of {DISPLAY_NAMES[provider]} is open",
    )
    if state == "half_open":
        assert_that(await_breaker(world, provider, state, "the circuit breaker limit"), equal_to(state))


def await_breaker(world: World, provider: str, state: str, wording: str) -> str:
    """The state of a circuit breaker, once it is as wanted or the limit is over."""
    within = outcomes.limit(world, wording).seconds
    try:
        return str(
            eventually(
                lambda: breaker(world, provider)["state"],
                lambda now: now == state,
                within=within,
                what=f"the circuit breaker of {provider} is {state}",
            )
        )
    except NotYet:
        return str(breaker(world, provider)["state"])


def _ask(world: World, provider: str, text: str) -> Answer:
    body = {"texts": [text], "use_cache": False}
    return world.citadel.gateway.call("embedWithProvider", json_body=body, provider=provider, key=_key(world))


def _key(world: World) -> str:
    return actors.key_of(world, "a reader")
