"""Says what would be tested, what is reachable and how to fix what is not."""

from __future__ import annotations

import platform
import sys
import tempfile
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import httpx
import psycopg2
import redis

from support import addresses, admission, packages
from support.admission import NotAdmitted
from support.errors import Unavailable
from support.faults import commands
from support.faults.capabilities import Capabilities
from support.faults.commands import CommandsError
from support.faults.fault_types import unknown
from support.faults.guard import Guard
from support.faults.toxiproxy import Toxiproxy, ToxiproxyError
from support.isolation import lease, schema
from support.isolation.sessions import Pooled, refuse_pooler
from support.settings import Mode, Settings

OLDEST_PYTHON = (3, 11)
PROBE_S = 3.0
# A server of Qdrant makes a collection on its disk.
WRITES_WITHIN_S = 10.0
# PostgreSQL and Redis versions the contract's schema and key commands need.
OLDEST_POSTGRESQL = 140000
OLDEST_REDIS = (6, 2)


@dataclass(frozen=True, slots=True)
class Check:
    """One line of the diagnosis; ``fix`` says what to do when it is not ``ok``."""

    what: str
    ok: bool
    seen: str
    fix: str = ""


def examine(settings: Settings, output: Path) -> list[Check]:
    """Look at everything the mode needs, at the same time; each look is bounded by three seconds."""
    looks: list[Callable[[], Check]] = [
        _python,
        lambda: _packages(settings),
        lambda: _writable("output directory", output),
        lambda: _writable("temporary directory", Path(tempfile.gettempdir())),
    ]
    if settings.database_url:
        looks.append(lambda: _database(settings))
    if settings.redis_url:
        looks.append(lambda: _cache(settings))
    if settings.qdrant_url:
        looks.append(lambda: _vectors(settings))
    if settings.toxiproxy_url:
        looks.append(lambda: _links(settings))
    if settings.mode is Mode.DEPLOYED:
        looks.append(lambda: _gateway(settings))
    if settings.faults or settings.fault_commands:
        looks.append(lambda: _faults(settings))
    with ThreadPoolExecutor(len(looks)) as pool:
        return list(pool.map(lambda look: look(), looks))


def table(settings: Settings, findings: Iterable[Check]) -> str:
    """The diagnosis as text, secrets masked."""
    lines = [f"mode: {settings.mode} ({_why(settings)})"]
    for finding in findings:
        lines.append(f"  {'ok ' if finding.ok else 'BAD'}  {finding.what:<20} {finding.seen}")
        if not finding.ok:
            lines.append(f"       {'':<20} -> {finding.fix}")
    return settings.secrets().redact("\n".join(lines))


def faults(settings: Settings) -> Capabilities:
    """Which faults a run with these settings may make, and why not the rest; asks a deployed platform."""
    try:
        pairs = commands.load(settings.fault_commands)
    except CommandsError:
        pairs = {}
    if settings.mode is not Mode.DEPLOYED or not settings.faults:
        return Capabilities.expected(settings, pairs)
    try:
        refused = Guard.of(settings).refusal()
    except Unavailable as error:
        refused = str(error)
    return Capabilities.expected(settings, pairs, _links_of(settings.toxiproxy_url), refused)


def _links_of(toxiproxy_url: str | None) -> list[str]:
    try:
        return Toxiproxy(toxiproxy_url).names() if toxiproxy_url else []
    except ToxiproxyError:
        return []


def _why(settings: Settings) -> str:
    if settings.mode is Mode.EMBEDDED:
        return "no host, database, Redis or Qdrant is set: the suite starts everything itself"
    given = [
        name
        for name in ("INTEGRATION_TEST_HOST", "TEST_DATABASE_URL", "TEST_REDIS_URL", "QDRANT_URL")
        if name in settings.shown()
    ]
    return ", ".join(given) + (" is set" if len(given) == 1 else " are set")


def _python() -> Check:
    seen = platform.python_version()
    return Check("Python", sys.version_info >= OLDEST_PYTHON, seen, "use Python 3.11 or newer")


def _packages(settings: Settings) -> Check:
    with_stack = settings.mode is not Mode.DEPLOYED
    wrong = packages.problems(with_stack=with_stack)
    seen = "; ".join(wrong) or f"{len(packages.pins(with_stack=with_stack))} as pinned"
    return Check("packages", not wrong, seen, packages.FIX)


def _writable(what: str, directory: Path) -> Check:
    try:
        directory.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=directory):
            pass
    except OSError as error:
        return Check(what, False, f"{directory}: {error.strerror}", "make it writable or free some space")
    return Check(what, True, str(directory))


def _database(settings: Settings) -> Check:
    what, url = "PostgreSQL", settings.database_url or ""
    fix = "start it or correct TEST_DATABASE_URL; unset it to let the suite start its own"
    direct = (
        "name the server itself in TEST_DATABASE_URL: a pooler hands the suite's settings to other clients"
    )
    try:
        connection = schema.connect(url)
    except psycopg2.Error as error:
        # What a pooler says that does not let such settings pass.
        pooled = "unsupported startup parameter" in str(error)
        return Check(what, False, f"{_place(url)}: {_described(error)}", direct if pooled else fix)
    try:
        refuse_pooler(connection, schema.STATEMENT_TIMEOUT_S * 1000)
        # A deployed platform has its tables; elsewhere the suite makes its own in a schema of its own.
        if settings.mode is Mode.DEPLOYED:
            with connection.cursor() as cursor:
                cursor.execute("SELECT to_regclass('vector_metadata') IS NOT NULL")
                if cursor.fetchone() != (True,):
                    raise NotAdmitted(
                        "no table vector_metadata in the search path",
                        "name the platform's schema in TEST_DATABASE_URL:"
                        " ...?options=-csearch_path%3D<schema>",
                    )
        else:
            admission.postgresql(connection)
        version = connection.server_version
    except Pooled as error:
        return Check(what, False, f"{_place(url)}: {_described(error)}", direct)
    except psycopg2.Error as error:
        return Check(what, False, f"{_place(url)}: {_described(error)}", fix)
    except NotAdmitted as refusal:
        return Check(what, False, f"{_place(url)}: {refusal}", refusal.fix)
    finally:
        connection.close()
    seen = f"{_place(url)}, version {version // 10000}"
    older = "name a PostgreSQL 14 or newer in TEST_DATABASE_URL"
    return Check(what, version >= OLDEST_POSTGRESQL, seen, older)


def _cache(settings: Settings) -> Check:
    what, url = "Redis", settings.redis_url or ""
    client = lease.connect(url)
    try:
        if settings.mode is not Mode.DEPLOYED:
            admission.cache(url)
        info = client.info("server")
    except NotAdmitted as refusal:
        return Check(what, False, f"{_place(url)}: {refusal}", refusal.fix)
    except (redis.RedisError, OSError, ValueError) as error:
        fix = "start it or correct TEST_REDIS_URL; unset it to let the suite start its own"
        return Check(what, False, f"{_place(url)}: {_described(error)}", fix)
    finally:
        client.close()
    if info.get("redis_mode") == "cluster":
        return Check(what, False, f"{_place(url)}: a cluster", "name a single server in TEST_REDIS_URL")
    version = str(info["redis_version"])
    recent = tuple(int(part) for part in version.split(".")[:2]) >= OLDEST_REDIS
    older = "name a Redis 6.2 or newer in TEST_REDIS_URL"
    return Check(what, recent, f"{_place(url)}, version {version}", older)


def _vectors(settings: Settings) -> Check:
    what, url, key = "Qdrant", settings.qdrant_url or "", settings.qdrant_api_key
    fix = "start it or correct QDRANT_URL and QDRANT_API_KEY; unset them to let the suite start its own node"
    found = _http(what, url, "/collections", {"api-key": key} if key else {}, fix)
    if settings.mode is Mode.DEPLOYED or not found.ok:
        return found
    try:
        admission.qdrant(url, key, WRITES_WITHIN_S)
    except NotAdmitted as refusal:
        return Check(what, False, f"{_place(url)}: {refusal}", refusal.fix)
    except httpx.HTTPError as error:
        return Check(what, False, f"{_place(url)}: {_described(error)}", fix)
    return found


def _links(settings: Settings) -> Check:
    fix = "start Toxiproxy or unset TOXIPROXY_URL to let the suite start its own links"
    for variable, url in (
        ("TEST_DATABASE_URL", settings.database_url),
        ("TEST_REDIS_URL", settings.redis_url),
    ):
        if settings.mode is Mode.ATTACHED and url and addresses.of(url).socket:
            seen = "Toxiproxy cannot put a link before a Unix socket"
            return Check("Toxiproxy", False, seen, f"name a host in {variable}, or unset TOXIPROXY_URL")
    return _http("Toxiproxy", settings.toxiproxy_url or "", "/version", {}, fix)


def _faults(settings: Settings) -> Check:
    what, fix = "faults", "correct CITADEL_FAULTS"
    wrong = [reason for entry in settings.faults if (reason := unknown(entry)) is not None]
    if wrong:
        return Check(what, False, "; ".join(wrong), fix)
    try:
        pairs = commands.load(settings.fault_commands)
    except CommandsError as error:
        return Check(what, False, str(error), "correct the file that CITADEL_FAULT_COMMANDS names")
    seen = f"{', '.join(settings.faults) or 'none'} allowed, {len(pairs)} by commands"
    return Check(what, True, seen)


def _gateway(settings: Settings) -> Check:
    what, url = "gateway", settings.gateway_url or ""
    if not settings.api_key:
        return Check(what, False, "no key", "set CITADEL_API_KEY to a key that may write")
    fix = "start the gateway or correct INTEGRATION_TEST_HOST; 401: CITADEL_API_KEY is unknown there"
    if settings.proxy:
        fix += "; or correct CITADEL_PROXY, through which it was asked"
    return _http(what, url, "/status", {"X-API-Key": settings.api_key}, fix, settings.proxy)


def _http(
    what: str, url: str, path: str, headers: dict[str, str], fix: str, proxy: str | None = None
) -> Check:
    """Whether a service answers with a JSON object and status 200."""
    try:
        with httpx.Client(
            headers=headers, timeout=PROBE_S, trust_env=False, verify=addresses.trusted(), proxy=proxy
        ) as client:
            answer = client.get(url + path)
        seen = f"{_place(url)} answers {answer.status_code}"
        if answer.status_code == 200 and not isinstance(answer.json(), dict):
            raise ValueError
    except httpx.HTTPError as error:
        return Check(what, False, f"{_place(url)}: {_described(error)}", fix)
    except ValueError:
        return Check(what, False, f"{_place(url)} does not answer as {what} does", fix)
    return Check(what, answer.status_code == 200, seen, fix)


def _described(error: Exception) -> str:
    """Why there was no answer, in a line; some time-outs have no words, and libpq's hints are none."""
    lines = [line for line in str(error).splitlines() if line and not line[0].isspace()]
    return lines[-1] if lines else type(error).__name__


def _place(url: str) -> str:
    return addresses.of(url).place
