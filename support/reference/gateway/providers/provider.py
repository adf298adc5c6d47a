"""One provider: its dialect, limit and breaker around single HTTP calls."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import aiohttp
import orjson
from yarl import URL

from support.reference.gateway import logs
from support.reference.gateway.content import Vector
from support.reference.gateway.providers.breaker import Breaker
from support.reference.gateway.providers.limiter import Limiter, LimitReached, take_tokens
from support.reference.gateway.providers.orders import (
    AttemptFailed,
    CallAttempt,
    Hint,
    OutcomeName,
    ProviderConfig,
    Terms,
)
from support.reference.gateway.providers.wire import (
    Adapter,
    InvalidAnswer,
    Job,
    Wire,
    checked_vectors,
    counted_tokens,
)

OnCall = Callable[[str, str, float], None]
"""Told of every call that was made: provider, outcome, seconds."""

_COUNTED_BY_BREAKER = frozenset({"timeout", "connection_error", "server_error", "invalid_response"})


@dataclass(frozen=True, slots=True)
class Part:
    """What one successful call delivered."""

    vectors: list[Vector]
    tokens: int | None
    duration_ms: float


@dataclass(frozen=True, slots=True)
class _Answer:
    """What came back; the body is None if it is no JSON."""

    status: int
    body: Any
    hint: Hint | None


class Provider:
    """Calls to one provider. `limiters` are all that a call counts against, its own first."""

    def __init__(
        self,
        adapter: Adapter,
        config: ProviderConfig,
        session: aiohttp.ClientSession,
        limiters: Sequence[Limiter],
        breaker: Breaker,
        on_call: OnCall,
    ) -> None:
        self.adapter = adapter
        self.breaker = breaker
        self._url = (config.url or "").rstrip("/")
        self._key = config.key or ""
        self._session = session
        self._limiters = limiters
        self._on_call = on_call

    @property
    def configured(self) -> bool:
        """Whether there is an address and a key."""
        return bool(self._url and self._key)

    @property
    def status(self) -> str:
        """One of the contract's four words."""
        if not self.configured:
            return "not_configured"
        return {"closed": "available", "half_open": "degraded", "open": "unavailable"}[self.breaker.state]

    def describe(self) -> dict[str, object]:
        """The contract's Provider."""
        own = self._limiters[0]
        return {
            "provider": self.adapter.name,
            "display_name": self.adapter.display_name,
            "status": self.status,
            "default_model": self.adapter.default.name,
            "dimensions": self.adapter.default.dimensions,
            "rate_limit": {
                "requests_per_minute": own.tokens,
                "remaining": min(limiter.remaining for limiter in self._limiters),
            },
            "circuit_breaker": self.breaker.summary(),
        }

    async def call(self, job: Job, size: int | None, terms: Terms) -> Part:
        """One call: waits for the limit, asks the breaker, sends, checks. Raises `AttemptFailed`.

        The wait for the limit may take as long as an attempt; the time-out starts with the call itself.
        """
        if _left_s(terms) <= 0:
            raise AttemptFailed(CallAttempt(self.adapter.name, "timeout"))
        if not self.breaker.admits():
            raise self._not_made("circuit_open", self.breaker.rest_s())
        start = time.monotonic()
        try:
            await take_tokens(self._limiters, min(terms.attempt_s, _left_s(terms)))
        except LimitReached as reached:
            raise self._not_made("rate_limited", reached.rest_s) from None
        terms.timing(start, time.monotonic())
        # The breaker may have opened while a token was waited for.
        ticket = self.breaker.admit()
        if ticket is None:
            self._give_back(used=False)
            raise self._not_made("circuit_open", self.breaker.rest_s())
        try:
            part, attempt = await self._measured(job, size, terms)
        except BaseException:
            self.breaker.abandoned(ticket)
            raise
        finally:
            self._give_back(used=True)
        if attempt.outcome in _COUNTED_BY_BREAKER:
            self.breaker.failed(ticket)
        else:
            self.breaker.answered(ticket, success=part is not None)
        if part is None:
            raise AttemptFailed(attempt)
        return part

    def _not_made(self, outcome: OutcomeName, rest_s: float) -> AttemptFailed:
        return AttemptFailed(CallAttempt(self.adapter.name, outcome, hint=Hint(rest_s)))

    def _give_back(self, *, used: bool) -> None:
        for limiter in self._limiters:
            limiter.give_back(used=used)

    async def _measured(self, job: Job, size: int | None, terms: Terms) -> tuple[Part | None, CallAttempt]:
        start = time.monotonic()
        answer: _Answer | None = None
        part: Part | None = None
        try:
            answer = await self._send(self.adapter.request(job, self._key), terms)
            outcome = self._judged(answer)
            if outcome == "success":
                vectors = checked_vectors(self.adapter, answer.body, len(job.texts), size)
                tokens = counted_tokens(self.adapter, answer.body)
                part = Part(vectors, tokens, _ms_since(start))
        except TimeoutError:
            outcome = "timeout"
        except (InvalidAnswer, aiohttp.ClientPayloadError, aiohttp.ClientResponseError):
            outcome = "invalid_response"
        except (aiohttp.ClientError, OSError):
            outcome = "connection_error"
        finally:
            terms.timing(start, time.monotonic())
        status = answer.status if answer else None
        hint = answer.hint if answer else None
        attempt = CallAttempt(self.adapter.name, outcome, _ms_since(start), status, made=True, hint=hint)
        self._note(attempt, terms.request_id)
        return part, attempt

    async def _send(self, wire: Wire, terms: Terms) -> _Answer:
        """Redirections are not followed: the key is for this address only."""
        headers = {"Content-Type": "application/json", "Accept": "application/json", **wire.headers}
        async with self._session.post(
            # Encoded by the adapter: another pass would take a deployment's or a model's name apart.
            URL(self._url + wire.path, encoded=True),
            data=orjson.dumps(wire.body),
            headers=headers | {"X-Request-ID": terms.request_id},
            timeout=aiohttp.ClientTimeout(total=max(0.001, min(terms.attempt_s, _left_s(terms)))),
            allow_redirects=False,
        ) as response:
            raw = await response.read()
            try:
                body = orjson.loads(raw)
            except ValueError:
                body = None
            hint = None if response.status == 200 else self.adapter.hint(response.headers, body)
            return _Answer(response.status, body, hint)

    def _judged(self, answer: _Answer) -> OutcomeName:
        status = answer.status
        if status == 200:
            return "success"
        if self.adapter.refuses_account(status, answer.body):
            return "auth_error"
        if status == 429:
            return "rate_limited"
        if status >= 500:
            return "server_error"
        return "rejected" if status >= 400 else "invalid_response"

    def _note(self, attempt: CallAttempt, request_id: str) -> None:
        self._on_call(attempt.provider, attempt.outcome, attempt.duration_ms / 1000)
        if attempt.outcome != "success":
            logs.warning(
                "provider-failed",
                provider=attempt.provider,
                outcome=attempt.outcome,
                http_status=attempt.http_status,
                request_id=request_id,
            )


def _left_s(terms: Terms) -> float:
    return terms.deadline - time.monotonic()


def _ms_since(start: float) -> float:
    return round((time.monotonic() - start) * 1000, 3)
