"""The platform as the steps see it. The one place that assembles a mode: embedded, attached or deployed."""

from __future__ import annotations

import itertools
import secrets as random_secrets
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from support import addresses
from support.audit import Report
from support.contract.coverage import Coverage
from support.contract.validator import Contract
from support.drivers.embedding import Embedding
from support.drivers.gateway import Gateway
from support.drivers.journal import Journal
from support.drivers.postgres import MetadataStore
from support.drivers.providers import Providers
from support.drivers.qdrant import VectorStore
from support.drivers.redis import CacheStore
from support.errors import Unavailable as Unavailable
from support.faults import Faults, commands
from support.faults.guard import Guard
from support.faults.store_faults import CacheServer, DatabaseServer, Store
from support.isolation.names import Run
from support.limits import Limits, limits_for
from support.redaction import Secrets
from support.settings import Mode, Settings

if TYPE_CHECKING:
    # Against a deployed platform the stack's packages need not be installed.
    from support.lifecycle.deadman import DeadMan
    from support.stack.process import ServiceProcess
    from support.stack.stack import Stack

ROLES = {"reader": "readonly", "editor": "user", "administrator": "admin"}
# Far above anything the suite sends in a minute: limits are tested with keys of their own.
WIDE_LIMIT_RPM = 100_000


class Inconclusive(Exception):
    """The machine or the load generator could not carry the question; the message says why."""


class RoleKeys(Mapping[str, str]):
    """The key of each role. Raises ``Unavailable`` for a role nobody gave a key for."""

    def __init__(self, keys: Mapping[str, str | None]) -> None:
        self._keys = {role: key for role, key in keys.items() if key}

    def __getitem__(self, role: str) -> str:
        if role not in self._keys:
            raise Unavailable(f"no key for the role {role!r} was given (set CITADEL_*_KEY)")
        return self._keys[role]

    def __iter__(self) -> Iterator[str]:
        return iter(self._keys)

    def __len__(self) -> int:
        return len(self._keys)


@dataclass(slots=True)
class AuditTally:
    """All audits of a run together."""

    agreeing: int = 0
    union: int = 0
    audits: int = 0
    findings: list[str] = field(default_factory=list)

    @property
    def percent(self) -> float:
        """Agreeing items in percent of all items looked at (100 when nothing was stored)."""
        return 100.0 * self.agreeing / self.union if self.union else 100.0

    def add(self, report: Report) -> None:
        """Count one audit."""
        self.audits += 1
        self.agreeing += report.agreeing
        self.union += report.union
        self.findings += [str(finding) for finding in report.findings]


@dataclass(slots=True)
class Citadel:
    """Drivers and controls of the platform under test, for the whole run."""

    settings: Settings
    run: Run
    promises: Limits
    secrets: Secrets
    journal: Journal
    contract: Contract
    coverage: Coverage
    keys: RoleKeys
    gateway: Gateway
    faults: Faults
    rows: MetadataStore | None = None
    vectors: VectorStore | None = None
    cache: CacheStore | None = None
    providers: Providers | None = None
    embedding: Embedding | None = None
    stack: Stack | None = None
    # Ends faults on a platform of others if the suite dies; that of a stack is the stack's.
    deadman: DeadMan | None = None
    audits: AuditTally = field(default_factory=AuditTally)
    performance: dict[str, Any] = field(default_factory=dict)
    # What each scenario's faults did, as plain data.
    outages: list[dict[str, Any]] = field(default_factory=list)
    closed: bool = False
    # What random data are made from: the same number makes the same data.
    seed: int = 0
    _numbers: Iterator[int] = field(default_factory=partial(itertools.count, 1))

    @property
    def mode(self) -> Mode:
        """Embedded, attached or deployed."""
        return self.settings.mode

    @property
    def services(self) -> Mapping[str, ServiceProcess]:
        """The servers that this suite started, by name."""
        return self.stack.services if self.stack else {}

    @classmethod
    def open(cls, settings: Settings, run: Run, logs: Path, worker: str = "w0") -> Citadel:
        """Start what the mode needs and connect to all of it; on a failure nothing is left behind.

        ``worker`` is part of the names of what a run makes in several processes.
        """
        secrets = settings.secrets()
        if settings.mode is Mode.DEPLOYED:
            return _deployed(settings, run, secrets, logs)
        return _started(settings, run, secrets, logs, worker)

    def next_scenario(self) -> int:
        """A number that no other scenario of this run has."""
        return next(self._numbers)

    def traits(self) -> dict[str, str]:
        """What active tags can ask for: the mode, whether the stores and the providers can be seen."""
        seen = self.rows is not None and self.vectors is not None and self.cache is not None
        return {
            "mode": str(self.mode),
            "stores": "visible" if seen else "hidden",
            "providers": "visible" if self.providers is not None else "hidden",
        }

    def live_services(self) -> frozenset[str]:
        """Providers whose live service may be asked, through a gateway of the suite's own."""
        own = self.settings.live if self.stack is not None else ()
        return frozenset(service.provider for service in own)

    def start_times(self) -> dict[str, float]:
        """Seconds until each server was ready, and until all were."""
        return dict(self.stack.timings) if self.stack else {}

    def starts(self) -> list[tuple[float, float]]:
        """``(start, end)`` of every process start, in seconds of ``time.monotonic()``."""
        return [span for service in self.services.values() for span in service.starts]

    def introduction(self) -> str:
        """One or two lines for the terminal: what is tested and how long it took to start."""
        lines = [f"Citadel Acceptance, {self.mode} mode, run {self.run.id}, gateway {self.gateway.url}"]
        times = self.start_times()
        if times:
            parts = ", ".join(f"{name} {seconds:.1f}" for name, seconds in times.items() if name != "all")
            lines.append(f"started in {times['all']:.1f} s ({parts})")
        if self.live_services():
            lines.append(f"may use the live services of {', '.join(sorted(self.live_services()))}")
        return "\n".join(lines)

    def variables(self) -> dict[str, str]:
        """The variables with which another run tests this stack as a deployed one."""
        if self.stack is None:
            return {}
        endpoints = self.stack.endpoints
        database = addresses.of(endpoints.database_url)
        options = f"{database.options.get('options', '')} -csearch_path={endpoints.schema}".strip()
        database = replace(database, options={**database.options, "options": options})
        return {
            "INTEGRATION_TEST_HOST": endpoints.gateway_url,
            "CITADEL_API_KEY": self.keys["editor"],
            "CITADEL_READONLY_KEY": self.keys["reader"],
            "CITADEL_ADMIN_KEY": self.keys["administrator"],
            "TEST_DATABASE_URL": database.url,
            "TEST_REDIS_URL": endpoints.redis_url,
            "QDRANT_URL": endpoints.qdrant_url,
            **({"QDRANT_API_KEY": endpoints.qdrant_api_key} if endpoints.qdrant_api_key else {}),
        }

    def close(self) -> None:
        """Close the drivers and stop what the suite started; again does nothing."""
        if self.closed:
            return
        self.closed = True
        for driver in (self.gateway, self.rows, self.vectors, self.cache, self.providers, self.embedding):
            if driver is not None:
                driver.close()
        self.faults.close()
        if self.deadman is not None:
            self.deadman.disarm()
        if self.stack is not None:
            if self.settings.cleanup:
                self.stack.stop()
            else:
                print(self.stack.keep(self.variables()))


def _started(settings: Settings, run: Run, secrets: Secrets, logs: Path, worker: str) -> Citadel:
    from support.stack.stack import Stack

    promises = limits_for(settings.mode)
    stack = Stack(settings, run, worker, promises, logs)
    endpoints = stack.start()
    try:
        for name, key in stack.provider_keys.items():
            secrets.add(key, f"key of {name}")
        for label, url in (("PostgreSQL", endpoints.database_url), ("Redis", endpoints.redis_url)):
            secrets.add_password_of(url, f"password of {label}")
        secrets.add_password_of(stack.gateway_database_url, "the gateway's password of PostgreSQL")
        secrets.add(endpoints.qdrant_api_key, "key of Qdrant")
        journal = Journal(secrets)
        rows = MetadataStore(endpoints.database_url, endpoints.schema, journal)
        keys = {}
        for name, role in ROLES.items():
            keys[name] = f"ck_{role}_{random_secrets.token_urlsafe(18)}"
            secrets.add(keys[name], f"key of {name}")
            rows.add_user(f"at.{name}", role, keys[name], WIDE_LIMIT_RPM)
        contract = Contract.load()
        coverage = Coverage(contract)
        gateway = Gateway(endpoints.gateway_url, keys["editor"], contract, coverage, journal, secrets)
        for key in keys.values():
            # A key that the platform has not met before an outage of PostgreSQL, it cannot know in it.
            gateway.call("listModels", key=key)
        return Citadel(
            settings=settings,
            run=run,
            promises=promises,
            secrets=secrets,
            journal=journal,
            contract=contract,
            coverage=coverage,
            keys=RoleKeys(keys),
            gateway=gateway,
            faults=Faults(
                endpoints.links_url,
                stack.links,
                stack.services,
                settings.faults,
                stores=_inside(stack),
                pairs=commands.load(settings.fault_commands),
                reaper=stack.deadman,
            ),
            rows=rows,
            vectors=VectorStore(endpoints.qdrant_url, endpoints.qdrant_api_key, journal),
            cache=CacheStore(endpoints.redis_url, journal),
            providers=Providers(endpoints.emulators_url, journal),
            embedding=Embedding(endpoints.embedding_url, journal),
            stack=stack,
        )
    except BaseException:
        stack.stop()
        raise


def _inside(stack: Stack) -> dict[str, Store]:
    """The stores whose inner state faults may change."""
    at, services = stack.endpoints, stack.services
    return {
        "postgresql": DatabaseServer(
            at.database_url,
            stack.gateway_database_url,
            at.schema,
            service=services.get("postgresql"),
        ),
        "redis": CacheServer(at.redis_url, services.get("redis")),
    }


def _deployed(settings: Settings, run: Run, secrets: Secrets, logs: Path) -> Citadel:
    deadman = None
    if settings.faults:
        from support.lifecycle.deadman import DeadMan

        deadman = DeadMan.start(logs / "deadman.log")
    journal = Journal(secrets)
    contract = Contract.load()
    coverage = Coverage(contract)
    keys = RoleKeys(
        {"editor": settings.api_key, "reader": settings.readonly_key, "administrator": settings.admin_key}
    )
    url = settings.gateway_url or ""
    return Citadel(
        settings=settings,
        run=run,
        promises=limits_for(settings.mode),
        secrets=secrets,
        journal=journal,
        contract=contract,
        coverage=coverage,
        keys=keys,
        gateway=Gateway(url, keys["editor"], contract, coverage, journal, secrets, settings.proxy),
        faults=Faults.deployed(
            settings.toxiproxy_url,
            settings.faults,
            Guard.of(settings),
            commands.load(settings.fault_commands),
            deadman,
        ),
        deadman=deadman,
        rows=MetadataStore(settings.database_url, None, journal) if settings.database_url else None,
        vectors=VectorStore(settings.qdrant_url, settings.qdrant_api_key, journal)
        if settings.qdrant_url
        else None,
        cache=CacheStore(settings.redis_url, journal) if settings.redis_url else None,
    )
