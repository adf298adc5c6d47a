"""The embedded stack: every server of one worker, started together, ended together."""

from __future__ import annotations

import contextlib
import json
import secrets
import shlex
import sys
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from support import addresses
from support.faults.toxiproxy import Toxiproxy
from support.isolation import lease, run_directories, schema
from support.isolation.beacon import Beacon
from support.isolation.names import Run
from support.lifecycle.deadman import DeadMan
from support.limits import Limits
from support.settings import PROVIDER_KEYS, Settings
from support.stack import servers
from support.stack.ports import free_ports
from support.stack.process import ServiceProcess
from support.stack.servers import LOOPBACK, Workshop, answers, python_service

LINKED = ("qdrant", "postgresql", "redis", "embedding", "providers")
# Where each provider's API begins at the emulators.
PROVIDER_PATHS = {
    "openai": "/openai/v1",
    "azure": "/azure",
    "cohere": "/cohere",
    "huggingface": "/hf",
    "google": "/google",
    "voyage": "/voyage/v1",
    "jina": "/jina",
    "mistral": "/mistral",
    "anthropic": "/anthropic-voyage/v1",
}
# Requests a minute each provider documents; 600 where no document gives one.
PROVIDER_RPM = {"openai": 3000, "anthropic": 1000, "cohere": 10000}
DEFAULT_RPM = 600


@dataclass(frozen=True, slots=True)
class Endpoints:
    """Where everything listens. ``*_url`` go straight to the server; the gateway goes through the links."""

    gateway_url: str
    database_url: str
    schema: str
    redis_url: str
    qdrant_url: str
    qdrant_api_key: str | None
    embedding_url: str
    emulators_url: str
    links_url: str


@dataclass(slots=True)
class Stack:
    """The servers of one worker; ``services`` holds those that this suite started (faults may touch them)."""

    settings: Settings
    run: Run
    worker: str
    promises: Limits
    logs: Path
    provider_keys: dict[str, str] = field(default_factory=dict)
    services: dict[str, ServiceProcess] = field(default_factory=dict)
    timings: dict[str, float] = field(default_factory=dict)
    links: dict[str, str] = field(default_factory=dict)
    gateway_database_url: str = ""
    # Where the started servers listen; known after the start, as what follows.
    endpoints: Endpoints = field(init=False)
    # Who cleans up after the suite if it is killed.
    deadman: DeadMan = field(init=False)
    # Where everything of this stack works; removed with it.
    directory: Path = field(init=False)
    _providers_url: str = ""
    # Tell in the stores of others that what is there was left on purpose.
    _keeping: list[Callable[[], None]] = field(default_factory=list)
    _closing: contextlib.ExitStack = field(default_factory=contextlib.ExitStack)

    def start(self) -> Endpoints:
        """Start every server that is not given; on any failure stop what was started and raise."""
        begun = time.monotonic()
        try:
            self.endpoints = self._start()
        except BaseException:
            self.stop()
            raise
        self.timings["all"] = time.monotonic() - begun
        return self.endpoints

    def stop(self) -> None:
        """Stop every server started here, give back schema and lease, remove the run directory."""
        self._closing.close()

    def set_provider(
        self, name: str, *, url: str | None = None, key: str | None = None, rpm: int | None = None
    ) -> None:
        """Restart the gateway with other settings of a provider; what is not given is the suite's own."""
        gateway = self.services["gateway"]
        gateway.stop()
        gateway.environment = {**gateway.environment, **self._provider(name, url, key, rpm)}
        gateway.start()

    def set_patience(self, server: str, seconds: float) -> None:
        """Restart the gateway with another time limit for a server."""
        gateway = self.services["gateway"]
        gateway.stop()
        gateway.environment = {**gateway.environment, f"GATEWAY_{server.upper()}_TIMEOUT_S": str(seconds)}
        gateway.start()

    def replace_provider_key(self, name: str, key: str) -> None:
        """From now on provider and platform know another key, whichever of them restarts later."""
        self.provider_keys[name] = key
        emulators = self.services["providers"]
        emulators.environment = {**emulators.environment, "EMULATOR_KEYS": json.dumps(self.provider_keys)}
        self.set_provider(name)

    def _provider(
        self, name: str, url: str | None = None, key: str | None = None, rpm: int | None = None
    ) -> dict[str, str]:
        """A provider in the gateway's environment."""
        variable = f"GATEWAY_PROVIDER_{name.upper()}"
        return {
            f"{variable}_URL": url or self._providers_url + PROVIDER_PATHS[name],
            f"{variable}_KEY": key or self.provider_keys[name],
            f"{variable}_RPM": str(rpm or PROVIDER_RPM.get(name, DEFAULT_RPM)),
        }

    def keep(self, variables: Mapping[str, str]) -> str:
        """Leave everything running; returns where it is, how to use it and how to remove it.

        ``variables`` hold keys, so they go to a file that only this account can read.
        """
        run_directories.remember(self.directory, variables)
        for keep in self._keeping:
            keep()
        self.deadman.disarm()
        self._closing.pop_all()
        return (
            f"kept, because TEST_DATA_CLEANUP is false: {self.directory}\n"
            f"  use it:    set -a; . {self.directory / run_directories.VARIABLES}; set +a; behave\n"
            "  remove it: python -m support clean"
        )

    def _start(self) -> Endpoints:
        deadman = self.deadman = DeadMan.start(self.logs / "deadman.log")
        self._closing.callback(deadman.disarm)
        data = self.directory = run_directories.new_name(self.run, self.worker)
        removal = deadman.remove_directory(data)
        self._closing.callback(deadman.forget, removal)
        self._closing.callback(run_directories.remove, data)
        run_directories.make(data)
        workshop = Workshop(data, self.logs, deadman)
        ports = iter(free_ports(16))
        with ThreadPoolExecutor(max_workers=8, thread_name_prefix="start") as pool:
            return self._start_parts(workshop, ports.__next__, pool)

    def _start_parts(
        self, workshop: Workshop, port: Callable[[], int], pool: ThreadPoolExecutor
    ) -> Endpoints:
        settings = self.settings
        schema_name = f"{self.run.prefix}{self.worker}"
        link_ports = {name: port() for name in LINKED}
        gateway_port = port()

        links = pool.submit(self._launch, self._links(workshop, port()))
        database = pool.submit(self._database, workshop, port(), schema_name)
        cache = pool.submit(self._cache, workshop, port())
        qdrant_key = settings.qdrant_api_key if settings.qdrant_url else secrets.token_urlsafe(18)
        qdrant_url, qdrant = self._qdrant(workshop, port(), qdrant_key)
        embedding = self._embedding(workshop, port())
        emulators = self._emulators(workshop, port())
        others = [
            pool.submit(self._launch, service)
            for service in (qdrant, embedding, emulators)
            if service is not None
        ]
        database_url, self.gateway_database_url = database.result()
        redis_url = cache.result()
        links.result()
        links_url = settings.toxiproxy_url or f"http://{LOOPBACK}:{self.services['links'].port}"
        embedding_url = f"http://{LOOPBACK}:{embedding.port}"
        emulators_url = f"http://{LOOPBACK}:{emulators.port}"
        behind = {
            "qdrant": qdrant_url,
            "postgresql": self.gateway_database_url,
            "redis": redis_url,
            "embedding": embedding_url,
            "providers": emulators_url,
        }
        linked = self._connect(links_url, behind, link_ports)
        gateway = self._gateway(workshop, gateway_port, linked, schema_name, qdrant_key)
        gateway.environment = {**gateway.environment, **names_behind_links(behind)}
        # The gateway's imports run while the slower servers get ready; it waits for none of them.
        self._launch(gateway)
        _raise_first(others)
        return Endpoints(
            gateway_url=f"http://{LOOPBACK}:{gateway_port}",
            database_url=database_url,
            schema=schema_name,
            redis_url=redis_url,
            qdrant_url=qdrant_url,
            qdrant_api_key=qdrant_key,
            embedding_url=embedding_url,
            emulators_url=emulators_url,
            links_url=links_url,
        )

    def _launch(self, service: ServiceProcess) -> None:
        self.services[service.name] = service
        self._closing.callback(service.close)
        service.start()
        self.timings[service.name] = service.ready_s

    def _links(self, workshop: Workshop, port: int) -> ServiceProcess:
        return python_service(
            workshop,
            "links",
            "support.stack.links",
            ["--port", str(port)],
            port=port,
            ready=lambda: _answers_at_all(f"http://{LOOPBACK}:{port}/version"),
        )

    def _database(self, workshop: Workshop, port: int, schema_name: str) -> tuple[str, str]:
        """URLs of the database for the suite and for the gateway; the schema exists afterwards."""
        given = self.settings.database_url
        if given is not None:
            removal = workshop.deadman.drop_schema(given, schema_name)
            self._closing.callback(workshop.deadman.forget, removal)
            self._closing.callback(schema.drop, given, schema_name)
            schema.create(given, schema_name, self.run)
            beats = schema.Beats(given, schema_name)
            self._closing.callback(beats.stop)
            beats.start()
            self._keeping += [beats.stop, partial(schema.keep, given, schema_name, self.run)]
            return given, given
        postgres = servers.postgres(workshop, port)
        self._launch(postgres.service)
        servers.create_gateway_role(postgres)
        schema.create(postgres.suite_url, schema_name, self.run, servers.GATEWAY_ROLE)
        return postgres.suite_url, postgres.gateway_url

    def _cache(self, workshop: Workshop, port: int) -> str:
        """URL of the leased Redis database."""
        given = self.settings.redis_url
        if given is None:
            valkey = servers.valkey(workshop, port)
            self._launch(valkey.service)
            return valkey.url
        taken = lease.take(given, self.run)
        removal = workshop.deadman.release_redis(taken.url, lease.index_of(taken.url), lease.LEASE_KEY)
        self._closing.callback(workshop.deadman.forget, removal)
        self._closing.callback(taken.release)
        taken.keep_alive()
        self._keeping.append(taken.keep)
        return taken.url

    def _qdrant(self, workshop: Workshop, port: int, key: str | None) -> tuple[str, ServiceProcess | None]:
        """URL of Qdrant, and the process to start unless one is given."""
        given = self.settings.qdrant_url
        if given is not None:
            beacon = Beacon(given, key, self.run)
            removal = workshop.deadman.delete_collections(given, key, self.run)
            self._closing.callback(workshop.deadman.forget, removal)
            self._closing.callback(beacon.put_out)
            beacon.light()
            self._keeping.append(beacon.keep)
            return given, None
        url = f"http://{LOOPBACK}:{port}"
        data = workshop.directory("qdrant")
        if self.settings.qdrant_binary is not None:
            environment = {
                "QDRANT__STORAGE__STORAGE_PATH": str(data),
                "QDRANT__SERVICE__HOST": LOOPBACK,
                "QDRANT__SERVICE__HTTP_PORT": str(port),
                "QDRANT__SERVICE__API_KEY": key or "",
                "QDRANT__TELEMETRY_DISABLED": "true",
            }
            command, arguments = [self.settings.qdrant_binary], []
        else:
            command = [sys.executable, "-m", "support.stack.qdrant_node"]
            arguments = ["--data", str(data), "--port", str(port)]
            environment = {"QDRANT_NODE_API_KEY": key or ""}
        return url, python_service(
            workshop,
            "qdrant",
            "support.stack.qdrant_node",
            arguments,
            port=port,
            ready=lambda: _answers_at_all(f"{url}/readyz"),
            environment=environment,
            command=command,
        )

    def _embedding(self, workshop: Workshop, port: int) -> ServiceProcess:
        given = self.settings.embedding_command
        return python_service(
            workshop,
            "embedding",
            "support.reference.embedding",
            ["--port", str(port)],
            port=port,
            ready=answers(f"http://{LOOPBACK}:{port}/health", {"service": "embedding", "status": "healthy"}),
            command=shlex.split(given) if given else None,
        )

    def _emulators(self, workshop: Workshop, port: int) -> ServiceProcess:
        self.provider_keys.update({name: f"pk-{secrets.token_urlsafe(24)}" for name in PROVIDER_KEYS})
        return python_service(
            workshop,
            "providers",
            "support.reference.emulators",
            ["--port", str(port)],
            port=port,
            ready=answers(f"http://{LOOPBACK}:{port}/_emulator/health", {"service": "provider-emulators"}),
            environment={"EMULATOR_KEYS": json.dumps(self.provider_keys)},
        )

    def _connect(self, links_url: str, behind: dict[str, str], ports: dict[str, int]) -> dict[str, str]:
        """Put a link in front of every dependency; returns the URLs the gateway uses."""
        control = Toxiproxy(links_url)
        linked = {}
        for name, url in behind.items():
            address = addresses.of(url)
            link = f"{self.run.prefix}{self.worker}_{name}"
            if self.settings.toxiproxy_url:
                deletion = self.deadman.delete_link(links_url, link)
                self._closing.callback(self.deadman.forget, deletion)
            self._closing.callback(_delete_quietly, control, link)
            control.create(link, f"{LOOPBACK}:{ports[name]}", address.upstream)
            self.links[name] = link
            linked[name] = address.through(LOOPBACK, ports[name]).url
        return linked

    def _gateway(
        self, workshop: Workshop, port: int, linked: dict[str, str], schema_name: str, qdrant_key: str | None
    ) -> ServiceProcess:
        limits = self.promises
        environment = {
            "GATEWAY_PORT": str(port),
            "GATEWAY_DATABASE_URL": linked["postgresql"],
            "GATEWAY_DATABASE_SCHEMA": schema_name,
            "GATEWAY_REDIS_URL": linked["redis"],
            "GATEWAY_QDRANT_URL": linked["qdrant"],
            "GATEWAY_QDRANT_API_KEY": qdrant_key or "",
            "GATEWAY_EMBEDDING_URL": linked["embedding"],
            "GATEWAY_ENVIRONMENT": self.settings.environment or "acceptance",
            "GATEWAY_QDRANT_TIMEOUT_S": str(limits.backend_s["qdrant"]),
            "GATEWAY_POSTGRESQL_TIMEOUT_S": str(limits.backend_s["postgresql"]),
            "GATEWAY_REDIS_TIMEOUT_S": str(limits.backend_s["redis"]),
            "GATEWAY_EMBEDDING_TIMEOUT_S": str(limits.backend_s["embedding"]),
            "GATEWAY_PROVIDER_ATTEMPT_S": str(limits.provider_attempt_s),
            "GATEWAY_BREAKER_OPEN_S": str(limits.breaker_open_s),
            "GATEWAY_CACHE_BYPASS_S": str(limits.cache_bypass_s),
            "GATEWAY_KEY_SNAPSHOT_S": str(limits.key_snapshot_s),
            "GATEWAY_JOB_LEASE_S": str(limits.job_lease_s),
        }
        self._providers_url = linked["providers"]
        for name in PROVIDER_PATHS:
            environment |= self._provider(name)
        given = self.settings.gateway_command
        return python_service(
            workshop,
            "gateway",
            "support.reference.gateway",
            [],
            port=port,
            ready=answers(f"http://{LOOPBACK}:{port}/health/ready", {"status": "ready"}),
            environment=environment,
            command=shlex.split(given) if given else None,
        )


def names_behind_links(behind: Mapping[str, str]) -> dict[str, str]:
    """What the gateway's servers are called, which the addresses of their links do not tell."""
    servers = {name: addresses.of(url) for name, url in behind.items()}
    return {
        "GATEWAY_DATABASE_TLS_NAME": servers["postgresql"].certified_name or "",
        "GATEWAY_REDIS_TLS_NAME": servers["redis"].certified_name or "",
        "GATEWAY_QDRANT_HOST": servers["qdrant"].place,
    }


def _answers_at_all(url: str) -> None:
    """A readiness probe for an answer that is not a JSON object."""
    with contextlib.suppress(ValueError, TypeError):
        servers.get_json(url)


def _delete_quietly(control: Toxiproxy, link: str) -> None:
    """Remove a link; our own link process takes its links with it, so a silent one is no error."""
    with contextlib.suppress(Exception):
        control.delete(link)


def _raise_first(futures: list[Future[None]]) -> None:
    for future in futures:
        future.result()
