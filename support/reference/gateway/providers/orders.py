"""What is asked of the providers, what they deliver, and how a request to them ends badly."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Literal

from support.reference.gateway.content import Vector
from support.reference.gateway.problems import Problem

InputKind = Literal["document", "query"]

OutcomeName = Literal[
    "success",
    "timeout",
    "connection_error",
    "rate_limited",
    "server_error",
    "auth_error",
    "rejected",
    "invalid_response",
    "dimension_mismatch",
    "circuit_open",
    "not_configured",
]


@dataclass(frozen=True, slots=True)
class ProviderConfig:
    """Where a provider's API begins, the platform's key for it, and its limit of requests a minute."""

    url: str | None = None
    key: str | None = field(default=None, repr=False)
    rpm: int = 600


@dataclass(frozen=True, slots=True)
class EmbedOrder:
    """A request for embeddings. `model` counts for `provider` only, all else for the whole chain."""

    texts: Sequence[str]
    provider: str
    model: str | None = None
    input_kind: InputKind = "document"
    dimensions: int | None = None
    failover: Sequence[str] = ()
    required_dimensions: int | None = None
    attempt_timeout_s: float | None = None


@dataclass(frozen=True, slots=True)
class Terms:
    """What every call made for one order has in common.

    `deadline` is on the clock of `time.monotonic()`; `timing` is told each interval in which a provider was
    waited for.
    """

    request_id: str
    deadline: float
    attempt_s: float
    timing: Callable[[float, float], None]


@dataclass(frozen=True, slots=True)
class Hint:
    """Seconds that a provider wants to be left alone. A forecast (`binding` False) may be too careful."""

    seconds: float
    binding: bool = True


@dataclass(frozen=True, slots=True)
class CallAttempt:
    """One attempt at a provider; `made` is False if nothing was sent."""

    provider: str
    outcome: OutcomeName
    duration_ms: float = 0.0
    http_status: int | None = None
    made: bool = False
    hint: Hint | None = None

    def summary(self) -> dict[str, object]:
        """The contract's ProviderAttempt."""
        content: dict[str, object] = {
            "provider": self.provider,
            "outcome": self.outcome,
            "duration_ms": self.duration_ms,
        }
        return content if self.http_status is None else content | {"http_status": self.http_status}


class AttemptFailed(Exception):
    """An attempt brought no vectors."""

    def __init__(self, attempt: CallAttempt) -> None:
        super().__init__(f"{attempt.provider}: {attempt.outcome}")
        self.attempt = attempt


@dataclass(frozen=True, slots=True)
class Delivery:
    """Vectors of length 1, one per text and in the order of the texts.

    `served_by` is whose API made them. `input_tokens` is None where the provider does not count.
    `failover_time_ms` is None unless another provider than the requested one answered.
    """

    embeddings: list[Vector]
    provider: str
    served_by: str
    model: str
    dimensions: int
    attempts: list[dict[str, object]]
    input_tokens: int | None
    failover_time_ms: float | None


class ProviderProblem(Problem):
    """The order could not be filled. The text never quotes a provider."""
