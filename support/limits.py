"""The time limits the platform promises, as named figures the steps compare with."""

from __future__ import annotations

from dataclasses import dataclass

from support.settings import Mode


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits in seconds.

    ``backend_s`` is how long the gateway waits for each dependency before it gives up; the answer is due
    half a second later. ``reflects_s``/``recovers_s``: how soon health shows a stop or a return.
    ``converges_s``: how soon an unknown write is in both stores or in neither after the dependency is back.
    ``job_lease_s``: how soon a job goes on after the gateway that worked on it has died.
    """

    backend_s: dict[str, float]
    refusal_s: float
    provider_attempt_s: float
    failover_slack_s: float
    breaker_open_s: float
    cache_bypass_s: float
    key_snapshot_s: float
    reflects_s: float
    recovers_s: float
    converges_s: float
    job_lease_s: float

    def due_s(self, dependency: str) -> float:
        """Seconds within which a request is answered while ``dependency`` hangs."""
        return self.backend_s[dependency] + 0.5


# The reference system is configured with short limits, so that an outage scenario takes seconds.
ACCEPTANCE = Limits(
    backend_s={"qdrant": 2.0, "postgresql": 2.0, "redis": 0.1, "embedding": 3.0, "providers": 0.5},
    refusal_s=5.0,
    provider_attempt_s=0.5,
    failover_slack_s=0.2,
    breaker_open_s=2.0,
    cache_bypass_s=1.0,
    key_snapshot_s=1.0,
    reflects_s=5.0,
    recovers_s=10.0,
    converges_s=5.0,
    job_lease_s=1.5,
)

# What the contract promises for any deployment.
CONTRACT = Limits(
    backend_s={"qdrant": 10.0, "postgresql": 5.0, "redis": 0.1, "embedding": 30.0, "providers": 2.0},
    refusal_s=5.0,
    provider_attempt_s=2.0,
    failover_slack_s=0.5,
    breaker_open_s=60.0,
    cache_bypass_s=5.0,
    key_snapshot_s=30.0,
    reflects_s=5.0,
    recovers_s=10.0,
    converges_s=30.0,
    job_lease_s=30.0,
)


def limits_for(mode: Mode) -> Limits:
    """The limits a run in this mode is judged by."""
    return CONTRACT if mode is Mode.DEPLOYED else ACCEPTANCE
