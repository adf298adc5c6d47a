"""Who is asked, in which order and how often; and what the caller is told when nobody delivers."""

from __future__ import annotations

import asyncio
import math
import random
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal

import aiohttp

from support.reference.gateway.content import Vector
from support.reference.gateway.providers.adapters import ADAPTERS
from support.reference.gateway.providers.breaker import Breaker
from support.reference.gateway.providers.limiter import Limiter
from support.reference.gateway.providers.orders import (
    AttemptFailed,
    CallAttempt,
    Delivery,
    EmbedOrder,
    OutcomeName,
    ProviderConfig,
    ProviderProblem,
    Terms,
)
from support.reference.gateway.providers.provider import OnCall, Part, Provider
from support.reference.gateway.providers.wire import Job

MAX_ATTEMPTS = 3
"""Calls for an order without a failover list; one that is split gets the same number of repetitions."""

_FIRST_PAUSE_S = 0.1
"""The pause before the first repetition; it doubles, and a random half of it is left out."""
_SPREAD = 0.1
"""Share of a provider's own hint that is added at random, so that callers do not come back together."""

_REPEATED = frozenset({"timeout", "connection_error", "rate_limited", "server_error"})
_MAY_PASS = frozenset({"server_error", "invalid_response"})
"""Failures behind a 502 that another try may not meet again."""

_STATE_NUMBERS = {"closed": 0.0, "half_open": 1.0, "open": 2.0}

_EXPLAINED: dict[OutcomeName, str] = {
    "auth_error": "The provider refused the platform's access.",
    "rejected": "The provider refused the request.",
    "server_error": "The provider failed.",
    "invalid_response": "The provider's answer is not usable.",
}


@dataclass(slots=True)
class _Story:
    """What happened to one order so far."""

    terms: Terms
    repetitions_left: int
    attempts: list[CallAttempt] = field(default_factory=list)
    started: float = field(default_factory=time.monotonic)


class ProviderRouter:
    """The nine providers. Time limits are seconds."""

    def __init__(
        self,
        configs: Mapping[str, ProviderConfig],
        session: aiohttp.ClientSession,
        *,
        attempt_s: float,
        breaker_open_s: float,
        on_call: OnCall,
    ) -> None:
        self._attempt_s = attempt_s
        known = {name: configs.get(name, ProviderConfig()) for name in ADAPTERS}
        limiters = {name: Limiter(config.rpm) for name, config in known.items()}
        self._providers: dict[str, Provider] = {}
        for name, adapter in ADAPTERS.items():
            own = [limiters[name]]
            # A call that another provider serves also counts against that one's limit.
            shared = [limiters[adapter.served_by]] if adapter.served_by else []
            self._providers[name] = Provider(
                adapter, known[name], session, own + shared, Breaker(breaker_open_s), on_call
            )

    def describe(self, name: str) -> dict[str, object]:
        """The contract's Provider; `KeyError` for a name that is none of the nine."""
        return self._providers[name].describe()

    def describe_all(self) -> list[dict[str, object]]:
        """All nine in id order."""
        return [provider.describe() for provider in self._providers.values()]

    def breaker_states(self) -> dict[str, float]:
        """Per provider: 0 closed, 1 half-open, 2 open."""
        return {name: _STATE_NUMBERS[each.breaker.state] for name, each in self._providers.items()}

    def model_of(self, name: str, order: EmbedOrder) -> str:
        """The model that a provider would use for an order."""
        if name == order.provider and order.model is not None:
            return order.model
        return self._providers[name].adapter.default.name

    def size_of(self, name: str, order: EmbedOrder) -> int | None:
        """Numbers per vector by which a provider would answer; None for a model that no list knows."""
        return self._providers[name].adapter.size_of(self.model_of(name, order), order.dimensions)

    async def embed(
        self,
        order: EmbedOrder,
        *,
        request_id: str,
        deadline: float,
        timing: Callable[[float, float], None],
    ) -> Delivery:
        """Vectors from the first provider of the chain that delivers. Raises `ProviderProblem`.

        `deadline` is on the clock of `time.monotonic()`. `timing` is told when providers were waited for.
        """
        chain = list(dict.fromkeys([order.provider, *order.failover]))
        self._refuse_hopeless(order, chain)
        attempt_s = self._attempt_s if order.attempt_timeout_s is None else order.attempt_timeout_s
        story = _Story(
            Terms(request_id, deadline, attempt_s, timing),
            repetitions_left=0 if order.failover else MAX_ATTEMPTS - 1,
        )
        for name in chain:
            provider = self._providers.get(name)
            skipped = self._reason_to_skip(order, name)
            if provider is None or skipped is not None:
                story.attempts.append(CallAttempt(name, skipped or "not_configured"))
                continue
            try:
                return await self._delivery(order, provider, story)
            except AttemptFailed as failed:
                # What one provider finds wrong with the request is wrong with the request.
                if failed.attempt.outcome == "rejected":
                    break
        raise _problem(story.attempts, order)

    def _refuse_hopeless(self, order: EmbedOrder, chain: list[str]) -> None:
        known = [name for name in chain if name in self._providers]
        if not known:
            raise ProviderProblem("provider-not-found", "No provider of the chain is known.")
        if order.model is not None and {".", ".."} & set(order.model.split("/")):
            # Some providers take the model as a part of the path.
            raise ProviderProblem(
                "validation-failed", errors=[_finding("/model", "pattern", "not the name of a model")]
            )
        wrong = {self._wrong_size(order, name) for name in known}
        if None not in wrong:
            # A size that no model offers is named before one that no model has.
            pointer = "/dimensions" if "dimensions" in wrong else "/required_dimensions"
            raise _size_problem(pointer, "no provider of the chain offers this size")

    def _reason_to_skip(self, order: EmbedOrder, name: str) -> OutcomeName | None:
        if name not in self._providers or not self._providers[name].configured:
            return "not_configured"
        return "dimension_mismatch" if self._wrong_size(order, name) else None

    def _wrong_size(
        self, order: EmbedOrder, name: str
    ) -> Literal["dimensions", "required_dimensions"] | None:
        """The member of the order that the provider cannot satisfy."""
        adapter, model = self._providers[name].adapter, self.model_of(name, order)
        if order.dimensions is not None and not adapter.offers(model, order.dimensions):
            return "dimensions"
        size = self.size_of(name, order)
        wanted = order.required_dimensions
        return "required_dimensions" if None not in (wanted, size) and wanted != size else None

    async def _delivery(self, order: EmbedOrder, provider: Provider, story: _Story) -> Delivery:
        adapter, name = provider.adapter, provider.adapter.name
        model = self.model_of(name, order)
        size = self.size_of(name, order)
        asked = adapter.asked_dimensions(model, order.dimensions)
        parts: list[Part] = []
        for texts in adapter.parts(order.texts):
            job = Job(texts, model, order.input_kind, asked)
            parts.append(await _persistent(provider, job, size, story))
            size = len(parts[0].vectors[0])
        duration_ms = round(sum(part.duration_ms for part in parts), 3)
        if order.required_dimensions not in (None, size):
            # Only a model that no list knows gets here: its size is known from its answer.
            mismatch = CallAttempt(name, "dimension_mismatch", duration_ms, 200, made=True)
            story.attempts.append(mismatch)
            raise AttemptFailed(mismatch)
        story.attempts.append(CallAttempt(name, "success", duration_ms, 200, made=True))
        vectors: list[Vector] = [vector for part in parts for vector in part.vectors]
        counts = [part.tokens for part in parts if part.tokens is not None]
        waited_ms = round((time.monotonic() - story.started) * 1000, 3)
        return Delivery(
            embeddings=vectors,
            provider=name,
            served_by=adapter.served_by or name,
            model=model,
            dimensions=len(vectors[0]),
            attempts=[attempt.summary() for attempt in story.attempts],
            input_tokens=sum(counts) if len(counts) == len(parts) else None,
            failover_time_ms=None if name == order.provider else waited_ms,
        )


async def _persistent(provider: Provider, job: Job, size: int | None, story: _Story) -> Part:
    """One part, with the repetitions that the order still has."""
    number = 0
    while True:
        try:
            return await provider.call(job, size, story.terms)
        except AttemptFailed as failed:
            story.attempts.append(failed.attempt)
            pause_s = _pause_s(failed.attempt, number, story)
            if pause_s is None:
                raise
        story.repetitions_left -= 1
        number += 1
        start = time.monotonic()
        await asyncio.sleep(pause_s)
        story.terms.timing(start, time.monotonic())


def _pause_s(attempt: CallAttempt, number: int, story: _Story) -> float | None:
    """Seconds to wait before repetition `number` (from 0); None if it is not to be."""
    if not story.repetitions_left or not attempt.made or attempt.outcome not in _REPEATED:
        return None
    usual_s = _FIRST_PAUSE_S * 2**number * random.uniform(0.5, 1)
    left_s = story.terms.deadline - time.monotonic() - story.terms.attempt_s
    if attempt.hint is not None:
        hinted_s = attempt.hint.seconds * random.uniform(1, 1 + _SPREAD)
        if hinted_s <= left_s or attempt.hint.binding:
            usual_s = hinted_s
    return usual_s if usual_s <= left_s else None


def _problem(attempts: list[CallAttempt], order: EmbedOrder) -> ProviderProblem:
    """The last attempt that was really made decides; without one, what stood in the way."""
    made = [attempt for attempt in attempts if attempt.made]
    if not made:
        return _nobody_asked(attempts)
    last = made[-1]
    match last.outcome:
        case "timeout":
            return ProviderProblem("provider-timeout", "The provider gave no answer.", provider=last.provider)
        case "connection_error":
            return ProviderProblem(
                "provider-unavailable", "The provider cannot be reached.", provider=last.provider
            )
        case "rate_limited":
            return ProviderProblem(
                "provider-rate-limited", provider=last.provider, retry_after_s=_whole_rest_s([last])
            )
        case "dimension_mismatch":
            return _size_problem("/required_dimensions", f"{order.model} has another size")
        case outcome:
            return ProviderProblem(
                "provider-error",
                _EXPLAINED[outcome],
                provider=last.provider,
                retryable=outcome in _MAY_PASS,
            )


def _nobody_asked(attempts: list[CallAttempt]) -> ProviderProblem:
    kept_out = [attempt for attempt in attempts if attempt.outcome == "circuit_open"]
    limited = [attempt for attempt in attempts if attempt.outcome == "rate_limited"]
    if kept_out:
        return ProviderProblem(
            "circuit-open", provider=kept_out[-1].provider, retry_after_s=_whole_rest_s(kept_out)
        )
    if limited:
        return ProviderProblem(
            "provider-rate-limited", provider=limited[-1].provider, retry_after_s=_whole_rest_s(limited)
        )
    return ProviderProblem(
        "provider-unavailable", "No usable provider is configured.", provider=attempts[-1].provider
    )


def _whole_rest_s(attempts: list[CallAttempt]) -> int | None:
    """Seconds until the first of the providers may be asked again, if any of them said so."""
    rests = [attempt.hint.seconds for attempt in attempts if attempt.hint is not None]
    return max(1, math.ceil(min(rests))) if rests else None


def _size_problem(pointer: str, message: str) -> ProviderProblem:
    return ProviderProblem("dimension-mismatch", message, errors=[_finding(pointer, "dimension", message)])


def _finding(pointer: str, code: str, message: str) -> dict[str, str]:
    return {"pointer": pointer, "code": code, "message": message}
