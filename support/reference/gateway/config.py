"""The gateway's settings, read once from the environment."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass

from support.reference.gateway.providers import ProviderConfig

PROVIDERS = ("anthropic", "azure", "cohere", "google", "huggingface", "jina", "mistral", "openai", "voyage")

_DEFAULT_RPM = 600
"""Requests a minute where no document names a provider's limit."""
_PLANNED_RPM = {"openai": 3000, "anthropic": 1000, "cohere": 10000}
"""Requests a minute that the platform's plan names."""


@dataclass(frozen=True)
class Config:
    """Everything that differs between deployments. Time limits are seconds."""

    port: int
    database_url: str
    database_schema: str
    redis_url: str
    qdrant_url: str
    qdrant_api_key: str | None
    database_tls_name: str | None
    """Whom PostgreSQL's certificate has to be for, where the address is not the server's own but a link's."""
    redis_tls_name: str | None
    """The same of Redis."""
    qdrant_host: str | None
    """The same of Qdrant: ``host:port``, also for the header Host."""
    embedding_url: str
    providers: Mapping[str, ProviderConfig]
    environment: str
    qdrant_timeout_s: float
    postgresql_timeout_s: float
    redis_timeout_s: float
    embedding_timeout_s: float
    provider_attempt_s: float
    breaker_open_s: float
    cache_bypass_s: float
    key_snapshot_s: float
    reconcile_every_s: float
    job_lease_s: float
    """How long a job waits for a worker that has died."""


def from_environment(env: Mapping[str, str] = os.environ) -> Config:
    """Read the `GATEWAY_*` variables; a missing required one is a `KeyError` naming it."""

    def seconds(name: str, default: float) -> float:
        return float(env.get(f"GATEWAY_{name}_S", default))

    return Config(
        port=int(env.get("GATEWAY_PORT", "8000")),
        database_url=env["GATEWAY_DATABASE_URL"],
        database_schema=env.get("GATEWAY_DATABASE_SCHEMA", "public"),
        redis_url=env["GATEWAY_REDIS_URL"],
        qdrant_url=env["GATEWAY_QDRANT_URL"].rstrip("/"),
        qdrant_api_key=env.get("GATEWAY_QDRANT_API_KEY") or None,
        database_tls_name=env.get("GATEWAY_DATABASE_TLS_NAME") or None,
        redis_tls_name=env.get("GATEWAY_REDIS_TLS_NAME") or None,
        qdrant_host=env.get("GATEWAY_QDRANT_HOST") or None,
        embedding_url=env["GATEWAY_EMBEDDING_URL"].rstrip("/"),
        providers={name: _provider(env, name) for name in PROVIDERS},
        environment=env.get("GATEWAY_ENVIRONMENT", "development"),
        qdrant_timeout_s=seconds("QDRANT_TIMEOUT", 10),
        postgresql_timeout_s=seconds("POSTGRESQL_TIMEOUT", 5),
        redis_timeout_s=seconds("REDIS_TIMEOUT", 0.1),
        embedding_timeout_s=seconds("EMBEDDING_TIMEOUT", 30),
        provider_attempt_s=seconds("PROVIDER_ATTEMPT", 2),
        breaker_open_s=seconds("BREAKER_OPEN", 60),
        cache_bypass_s=seconds("CACHE_BYPASS", 5),
        key_snapshot_s=seconds("KEY_SNAPSHOT", 30),
        reconcile_every_s=seconds("RECONCILE_EVERY", 1),
        job_lease_s=seconds("JOB_LEASE", 10),
    )


def _provider(env: Mapping[str, str], name: str) -> ProviderConfig:
    prefix = f"GATEWAY_PROVIDER_{name.upper()}_"
    return ProviderConfig(
        url=env.get(prefix + "URL") or None,
        key=env.get(prefix + "KEY") or None,
        rpm=int(env.get(prefix + "RPM") or _PLANNED_RPM.get(name, _DEFAULT_RPM)),
    )
