"""Health: every backend probed on demand, each probe bounded, values at most a second old."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime

from redis.exceptions import AuthenticationError, RedisError

from support.reference.gateway.access import Keys
from support.reference.gateway.cache import Cache
from support.reference.gateway.config import Config
from support.reference.gateway.embedding import Embeddings
from support.reference.gateway.metrics import Metrics
from support.reference.gateway.postgres import Database
from support.reference.gateway.problems import DependencyDown, DependencyTimeout, Problem
from support.reference.gateway.providers import ProviderRouter
from support.reference.gateway.qdrant import Qdrant

VERSION = "1.0.0"

CRITICAL = ("qdrant", "postgresql")

_PROBE_S = 0.8
_FRESH_S = 0.9

Report = dict[str, dict[str, object]]


class Health:
    """The state of all services, shared by health, readiness and metrics."""

    def __init__(
        self,
        config: Config,
        database: Database,
        qdrant: Qdrant,
        cache: Cache,
        embeddings: Embeddings,
        providers: ProviderRouter,
        keys: Keys,
        metrics: Metrics,
    ) -> None:
        self._redis_slow_ms = config.redis_timeout_s * 1000
        self._database = database
        self._qdrant = qdrant
        self._cache = cache
        self._embeddings = embeddings
        self._providers = providers
        self._keys = keys
        self._metrics = metrics
        self._services: Report = {}
        self._probed_at = float("-inf")
        self._lock = asyncio.Lock()

    async def services(self) -> Report:
        """State per service. Callers that come together share one round of probes."""
        async with self._lock:
            if time.monotonic() - self._probed_at > _FRESH_S:
                names = ("qdrant", "postgresql", "redis", "embedding")
                found = await asyncio.gather(
                    self._probe("qdrant", lambda: self._qdrant.ready(_PROBE_S)),
                    self._probe("postgresql", self._postgresql),
                    self._probe("redis", lambda: self._cache.probe(_PROBE_S)),
                    self._probe("embedding", lambda: self._embeddings.probe(_PROBE_S)),
                )
                self._services = dict(zip(names, found, strict=True)) | {"external": self._external()}
                self._probed_at = time.monotonic()
                for name, state in self._services.items():
                    up = state["status"] in ("healthy", "degraded")
                    self._metrics.dependency_up.labels(name).set(float(up))
            return self._services

    async def report(self) -> dict[str, object]:
        """The contract's HealthReport."""
        services = await self.services()
        worst = "healthy"
        if any(state["status"] in ("unhealthy", "degraded") for state in services.values()):
            worst = "degraded"
        if any(services[name]["status"] == "unhealthy" for name in CRITICAL):
            worst = "unhealthy"
        now = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        return {"status": worst, "version": VERSION, "timestamp": now, "services": services}

    async def readiness(self) -> dict[str, object]:
        """Ready, or the 503 that names the critical service that is not usable."""
        services = await self.services()
        for name in CRITICAL:
            if services[name]["status"] == "unhealthy":
                raise DependencyDown(name, "not ready")
        if not self._keys.loaded:
            raise DependencyDown("postgresql", "keys not loaded")
        degraded = [name for name, state in services.items() if state["status"] in ("unhealthy", "degraded")]
        return {"status": "ready", "degraded": degraded}

    async def _postgresql(self) -> None:
        async with self._database.reader.lease(_PROBE_S) as lease:
            await lease.fetch("SELECT FROM collections LIMIT 1")

    async def _probe(self, name: str, probe: Callable[[], Awaitable[None]]) -> dict[str, object]:
        started = time.monotonic()
        reason = None
        try:
            async with asyncio.timeout(_PROBE_S + 0.1):
                await probe()
        except (DependencyTimeout, TimeoutError):
            reason = "timeout"
        except DependencyDown as down:
            refused = down.reason in ("connection-refused", "ConnectionRefusedError", "ClientConnectorError")
            reason = "connection-refused" if refused else "error"
            if down.reason in ("status 401", "status 403", "InvalidPasswordError"):
                reason = "auth-failed"
        except AuthenticationError:
            reason = "auth-failed"
        except (RedisError, OSError):
            reason = "connection-refused"
        except Problem:
            reason = "error"
        state: dict[str, object] = {"status": "healthy", "critical": name in CRITICAL, "latency_ms": None}
        if reason:
            return state | {"status": "unhealthy", "reason": reason}
        latency_ms = round((time.monotonic() - started) * 1000, 3)
        if name == "redis" and latency_ms > self._redis_slow_ms:
            state["status"] = "degraded"
        return state | {"latency_ms": latency_ms}

    def _external(self) -> dict[str, object]:
        """From the breakers: no provider is called for this."""
        state: dict[str, object] = {"status": "healthy", "critical": False, "latency_ms": None}
        known = [str(each["status"]) for each in self._providers.describe_all()]
        used = [status for status in known if status != "not_configured"]
        if not used:
            return state | {"status": "unknown", "reason": "not-configured"}
        if all(status == "unavailable" for status in used):
            return state | {"status": "unhealthy", "reason": "circuit-open"}
        if any(status != "available" for status in used):
            return state | {"status": "degraded", "reason": "circuit-open"}
        return state
