"""Providers in trouble: complaints, malformed answers, rate limits, breaks; one caller or many at once."""

from __future__ import annotations

import secrets
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime, parsedate_to_datetime
from functools import partial
from typing import TYPE_CHECKING

from support.drivers.gateway import Answer
from support.drivers.providers import SeenRequest
from support.vocabulary import providers
from support.waiting import eventually
from support.world import World

if TYPE_CHECKING:
    from support.stack.stack import Stack

# What a provider complains about, as it tells it.
COMPLAINTS = {
    "a mistake": 400,
    "an unpaid bill": 402,
    "a missing right": 403,
    "a path that has moved": 404,
    "its length": 413,
    "what it holds": 422,
}
# What is wrong with an answer, and what the emulators call it.
MALFORMATIONS = {
    "one embedding too few": "one_vector_less",
    "one embedding too many": "one_vector_more",
    "embeddings of another size": "shorter_vectors",
    "embeddings of nothing but zeros": "vectors_of_nothing",
    "embeddings that are missing": "null_vectors",
    "a number that is missing": "null_number",
    "a number in words": "text_number",
    "a number without end": "endless_number",
    "a number that is none": "no_number",
    "embeddings all for the first text": "one_place_for_all",
    "nothing at all": "empty",
    "a page for people": "web_page",
    "something unreadable": "not_json",
    "the first half of an answer": "cut_short",
    "an error that claims success": "error_as_success",
}
# A hint has whole seconds, so a time of the day is up to a second nearer than it seems.
TIME_AHEAD_S = 2
# Long enough that a tenth of it, by which waits differ, shows on a busy machine.
TURNED_AWAY_S = 2
# A tenth of the wait is 0.2 s; without any spread, twelve repetitions are a few milliseconds apart.
LEAST_SPREAD_S = 0.06
# Of the clocks of two processes, and of a timer.
TOLERANCE_S = 0.02
AN_HOUR_S = 3600


@dataclass(frozen=True, slots=True)
class Visit:
    """The requests that arrived at a provider on behalf of one caller."""

    requests: Sequence[SeenRequest]

    @property
    def waited_s(self) -> float:
        """Seconds from the first request to the second."""
        return self.requests[1].at - self.requests[0].at


def name_a_time(world: World, provider: str) -> None:
    """The provider refuses one request until a time of the day."""
    when = format_datetime(datetime.now(UTC) + timedelta(seconds=TIME_AHEAD_S), usegmt=True)
    turn_away(world, provider, 1, when)


def turn_away(world: World, provider: str, times: int, until: str) -> None:
    """The provider refuses some requests with a hint when to come back: seconds, or a time of the day."""
    world.evidence["hint"] = until
    providers.have_behave(world, provider, "rate_limit", times=times, retry_after=until)


def too_early_s(world: World, provider: str) -> float:
    """By how many seconds the repetition came before the provider wanted it; 0 if it did not."""
    refused, repeated = providers.received(world, provider)
    hint = str(world.evidence["hint"])
    due = refused.at + float(hint) if hint.isdecimal() else parsedate_to_datetime(hint).timestamp()
    return max(0.0, due - TOLERANCE_S - repeated.at)


def ask_at_the_same_time(world: World, provider: str, callers: int) -> list[Answer]:
    """Different questions of so many callers."""
    providers.begin(world)
    with ThreadPoolExecutor(callers) as pool:
        return list(pool.map(partial(_question, world, provider), range(callers)))


def ask_in_turn(world: World, provider: str, callers: int) -> list[Answer]:
    """Different questions of so many callers, each after the answer to the one before."""
    providers.begin(world)
    return [_question(world, provider, number) for number in range(callers)]


def _question(world: World, provider: str, number: int) -> Answer:
    text = f"question {number} of {world.names.prefix}"
    return providers.ask_exactly(world, provider, [text], use_cache=False)


def visits(world: World, provider: str) -> list[Visit]:
    """The requests that arrived, by the caller for whom they were made."""
    by_caller: dict[str, list[SeenRequest]] = {}
    for request in providers.received(world, provider):
        by_caller.setdefault(request.headers.get("x-request-id", ""), []).append(request)
    return [Visit(requests) for requests in by_caller.values()]


def spread_s(world: World, provider: str) -> float:
    """How far apart the shortest and the longest wait of the callers are."""
    waits = [visit.waited_s for visit in visits(world, provider)]
    return max(waits) - min(waits)


def ask_again(world: World, provider: str, texts: Sequence[str]) -> Answer:
    """The same request as the last one, of a provider that behaves."""
    providers.witness(world).recover(provider)
    providers.begin(world)
    return providers.ask_exactly(world, provider, texts)


def give_up(world: World, provider: str) -> None:
    """Have the platform leave a provider alone that is overloaded."""
    providers.have_behave(world, provider, "overload")
    providers.ask_until_given_up(world, provider)


def end_the_break(world: World, provider: str) -> None:
    """Wait until the platform would try a provider again."""
    eventually(
        lambda: providers.status(world, provider)["circuit_breaker"]["state"],
        lambda state: state == "half_open",
        within=world.citadel.promises.breaker_open_s + 1.0,
        what=f"the platform may try {provider} again",
    )


def asked_since_the_beginning(world: World) -> list[str]:
    """Providers that received anything since the scenario began."""
    began = time.time() - (time.monotonic() - world.begun)
    return [request.provider for request in providers.witness(world).seen() if request.at >= began]


def replace_key(world: World, provider: str) -> None:
    """The provider takes a new key only; should the platform never learn it, the old one is good again."""
    world.undo(lambda: providers.witness(world).accept_key(provider, providers.own_key(world, provider)))
    new = f"pk-{secrets.token_urlsafe(24)}"
    world.citadel.secrets.add(new, f"the new key of {provider}")
    world.evidence["new key"] = provider, new
    providers.witness(world).accept_key(provider, new)


def tell_the_key(world: World) -> None:
    """Start the platform anew with the key that was replaced."""
    provider, new = world.evidence["new key"]
    own_stack(world).replace_provider_key(provider, new)
    providers.begin(world)


def other_keys_shown(world: World, provider: str) -> int:
    """Requests since then that showed another key than the new one."""
    _provider, new = world.evidence["new key"]
    return sum(providers.sent_key(request) != new for request in providers.received(world, provider))


def limit(world: World, provider: str, requests_per_minute: int) -> None:
    """Start the platform anew with a low limit for a provider, until the scenario ends."""
    world.undo(lambda: own_stack(world).set_provider(provider))
    own_stack(world).set_provider(provider, rpm=requests_per_minute)


def own_stack(world: World) -> Stack:
    """The servers of the suite, about to be changed."""
    assert world.citadel.stack is not None, "the platform was not started by the suite"
    # The first search after a start is not yet what the others are.
    world.citadel.faults.shaken = True
    return world.citadel.stack
