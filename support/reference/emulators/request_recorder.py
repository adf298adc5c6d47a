"""What reached the providers, and how each is told to behave."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from support.reference.emulators.malformed_responses import MALFORMED, malformed
from support.reference.emulators.wire import Answer, Call, Dialect

PROVIDERS = (
    "anthropic", "azure", "cohere", "google", "huggingface", "jina", "mistral", "openai", "voyage",
)  # fmt: skip
# The record forgets the oldest beyond this; a run of the suite makes far fewer.
MAX_REMEMBERED = 5000
# No request is held longer, whatever the behaviour says.
LONGEST_HOLD_S = 120.0
# How a refusal without a status of its own is marked.
REFUSAL = 400


@dataclass(frozen=True, slots=True)
class Behaviour:
    """How a provider treats requests: a kind of ``KINDS``, for ``times`` of them (None: until changed).

    Every answer comes ``delay_s`` later than it could. ``retry_after`` is the hint of a rate limit in the
    provider's own form; None means what the provider gives by itself. ``status`` is that of a ``refusal``.
    """

    kind: str = "ok"
    times: int | None = None
    delay_s: float = 0.0
    retry_after: str | None = None
    status: int = REFUSAL

    @property
    def hold_s(self) -> float:
        """Seconds that an answer is held back."""
        return LONGEST_HOLD_S if self.kind == "hang" else self.delay_s


NORMAL = Behaviour()

KINDS: dict[str, Callable[[Dialect, Call, Behaviour], Answer]] = {
    "ok": lambda dialect, call, _: dialect.serve(call),
    # Once let go, a request is answered as usual.
    "hang": lambda dialect, call, _: dialect.serve(call),
    "bad_key": lambda dialect, call, _: dialect.bad_key(call),
    "unknown_model": lambda dialect, call, _: dialect.unknown_model(call),
    "rate_limit": lambda dialect, call, behaviour: dialect.rate_limit(call, behaviour.retry_after),
    "overload": lambda dialect, call, _: dialect.overload(call),
    "server_error": lambda dialect, call, _: dialect.server_error(call),
    # For what only the status tells: the text is nobody's.
    "refusal": lambda _dialect, _call, behaviour: Answer(behaviour.status, {"message": "refused"}),
    "error_as_success": lambda dialect, call, _: replace(dialect.server_error(call), status=200),
    **{name: malformed(name) for name in MALFORMED},
}
"""Each kind of behaviour as the answer it gives; one that spoils good answers starts from ``serve``."""


@dataclass(slots=True)
class Seen:
    """A request that arrived; ``status`` stays None while it is unanswered and when its caller went away.

    ``retry_after`` is the hint with which it is refused. ``tokens`` is what the answer says the texts have
    cost, None where it does not.
    """

    seq: int
    provider: str
    at: float
    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    behaviour: str
    retry_after: str | None = None
    body: Any = None
    status: int | None = None
    tokens: int | None = None
    finished_at: float | None = None


@dataclass(slots=True)
class Recorded:
    """One provider's accepted key, present behaviour, and the event that lets held requests go."""

    key: str | None = None
    behaviour: Behaviour = NORMAL
    changed: asyncio.Event = field(default_factory=asyncio.Event)

    def behave(self, behaviour: Behaviour) -> None:
        """Take a new behaviour; requests held under the old one are answered now."""
        self.behaviour = behaviour
        self.changed.set()
        self.changed = asyncio.Event()

    def next_behaviour(self) -> Behaviour:
        """The behaviour of one more request; after the last of its ``times`` the provider is normal."""
        current = self.behaviour
        if current.times is not None:
            left = current.times - 1
            self.behaviour = replace(current, times=left) if left > 0 else NORMAL
        return current


class RequestRecorder:
    """The nine providers and the record of their requests, in order of arrival."""

    def __init__(self, keys: dict[str, str]) -> None:
        unknown = keys.keys() - set(PROVIDERS)
        if unknown:
            raise ValueError(f"keys for unknown providers: {', '.join(sorted(unknown))}")
        self.providers = {name: Recorded(keys.get(name)) for name in PROVIDERS}
        self._seen: deque[Seen] = deque(maxlen=MAX_REMEMBERED)
        self._last = 0

    def arrived(
        self, provider: str, method: str, path: str, query: dict[str, str], headers: dict[str, str]
    ) -> tuple[Seen, Behaviour]:
        """Record a request at its arrival and decide how it is treated."""
        behaviour = self.providers[provider].next_behaviour()
        self._last += 1
        seen = Seen(
            self._last,
            provider,
            time.time(),
            method,
            path,
            query,
            headers,
            behaviour.kind,
            behaviour.retry_after,
        )
        self._seen.append(seen)
        return seen, behaviour

    @property
    def last(self) -> int:
        """The number of the last request that arrived."""
        return self._last

    def records(self, provider: str | None, after: int) -> list[dict[str, Any]]:
        """The recorded requests with a number above ``after``, as JSON objects."""
        return [asdict(seen) for seen in self._chosen(provider) if seen.seq > after]

    def _chosen(self, provider: str | None) -> Iterable[Seen]:
        return (seen for seen in self._seen if provider in (None, seen.provider))

    def reset(self) -> None:
        """Make every provider normal again; whatever is held is answered."""
        for provider in self.providers.values():
            provider.behave(NORMAL)

    def forget(self) -> None:
        """Empty the record; numbers go on rising, so that a position read earlier stays valid."""
        self._seen.clear()
