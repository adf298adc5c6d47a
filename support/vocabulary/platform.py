"""The platform as a whole: health, metrics, the doctor's view, and what this run has made."""

from __future__ import annotations

import re
import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from support import addresses, doctor
from support.doctor import Check
from support.drivers.gateway import Answer
from support.errors import Unavailable
from support.settings import Settings
from support.world import World

# The service as a feature names it: the setting that names it, and an address to fill in.
SERVICES = {
    "PostgreSQL": ("TEST_DATABASE_URL", "postgresql://nobody@127.0.0.1:{port}/none"),
    "Redis": ("TEST_REDIS_URL", "redis://127.0.0.1:{port}/0"),
    "Qdrant": ("QDRANT_URL", "http://127.0.0.1:{port}"),
    "gateway": ("INTEGRATION_TEST_HOST", "http://127.0.0.1:{port}"),
}
MADE_UP_KEY = "at_a_key_that_nobody_was_given"


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """What the doctor found, and of which settings."""

    settings: Settings
    findings: list[Check]


def health(world: World) -> Answer:
    """What the platform says about its services."""
    return world.citadel.gateway.call("getHealth", key="")


def counters(world: World) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    """Every figure of the gateway's metrics by its name and labels."""
    found = {}
    for line in world.citadel.gateway.call("getMetrics", key="").text.splitlines():
        match = re.fullmatch(r"(\w+)(?:\{(.*)\})?\s+(\S+)(?:\s+\d+)?", line)
        if match:
            labels = frozenset(re.findall(r'(\w+)="([^"]*)"', match[2] or ""))
            found[match[1], labels] = float(match[3])
    return found


def _pointed_at_nothing(service: str, _world: World) -> Settings:
    """Settings of a run whose ``service`` is at a port where nothing listens."""
    variable, address = SERVICES[service]
    environ = {variable: address.format(port=_silent_port())}
    if service == "gateway":
        environ["CITADEL_API_KEY"] = MADE_UP_KEY
    return Settings.load(environ, dotenv=None)


def pointed_at_wrong_password(world: World, password: str) -> Settings:
    """Settings of a run that knows the metadata store but not its password; ``Unavailable`` without one."""
    known = of_this_run(world).database_url
    if known is None:
        raise Unavailable("no PostgreSQL is known to this run (TEST_DATABASE_URL)")
    login = replace(addresses.of(known), user="at_nobody", password=password)
    return Settings.load({"TEST_DATABASE_URL": login.url}, dotenv=None)


def of_this_run(world: World) -> Settings:
    """Settings that name every service this run uses."""
    variables = world.citadel.variables()
    return Settings.load(variables, dotenv=None) if variables else world.citadel.settings


def examine(world: World, settings: Settings, output: Path) -> None:
    """Let the doctor look at the environment that the settings name."""
    world.diagnosis = Diagnosis(settings, doctor.examine(settings, output))


def failed(world: World) -> dict[str, str]:
    """Advice by name of the checks that failed."""
    return {finding.what: finding.fix for finding in _diagnosis(world).findings if not finding.ok}


def printed(world: World) -> str:
    """The diagnosis and the settings as they are printed."""
    found = _diagnosis(world)
    return doctor.table(found.settings, found.findings) + repr(found.settings)


def _diagnosis(world: World) -> Diagnosis:
    assert world.diagnosis is not None, "the doctor has examined nothing in this scenario yet"
    return world.diagnosis


def _silent_port() -> int:
    """A loopback port at which nothing listens: bound once and let go."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


# The settings of what the doctor can be shown.
EXAMINED: Mapping[str, Callable[[World], Settings]] = {
    "this run": of_this_run,
    **{f"a run whose {name} does not answer": partial(_pointed_at_nothing, name) for name in SERVICES},
}
