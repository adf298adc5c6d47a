"""What a run writes for people and machines, also of its failures, holds no key and no password."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from urllib.parse import urlsplit

from support.isolation.names import Run
from support.redaction import Secrets
from support.stack import servers
from support.stack.ports import free_ports
from tests.defects.catalogue import DEFECTS
from tests.defects.proof import seeded
from tests.own_stores import ODD_PASSWORD, ODD_PASSWORD_QUOTED, add_odd_users, node, workshop_of
from tests.running import SuiteRun, behave, stack_up

# The scenario fails on purpose: what is red shows most, calls, logs and what the stores hold.
FAILING = "@key.reader-cannot-write"
ODD_API_KEY = "k\"e'y/of?the#vectors@%41"


def test_a_red_run_against_a_deployed_platform_shows_no_secret(tmp_path: Path) -> None:
    with stack_up() as variables:
        keys = ("CITADEL_API_KEY", "CITADEL_READONLY_KEY", "CITADEL_ADMIN_KEY", "QDRANT_API_KEY")
        urls = [variables[name] for name in ("TEST_DATABASE_URL", "TEST_REDIS_URL")]
        given = [*(variables[name] for name in keys), *(urlsplit(url).password for url in urls)]
        # A reader with an editor's key can change things: the scenario complains.
        environ = {**variables, "CITADEL_READONLY_KEY": variables["CITADEL_API_KEY"]}
        done = behave(tmp_path, "features/security", "-t", FAILING, environ=environ)
    shows_none_of(given, done)


def test_a_red_run_on_stores_with_odd_passwords_shows_none_of_them(tmp_path: Path) -> None:
    with workshop_of(Run.current()) as (workshop, closing):
        ports = free_ports(3)
        postgres, valkey = servers.postgres(workshop, ports[0]), servers.valkey(workshop, ports[1])
        for service in (postgres.service, valkey.service, node(workshop, ports[2], ODD_API_KEY)):
            closing.callback(service.stop)
            service.start()
        add_odd_users(postgres.suite_url, valkey.url)
        environ = {
            "TEST_DATABASE_URL": f"postgresql://odd:{ODD_PASSWORD_QUOTED}@127.0.0.1:{ports[0]}/odd",
            "TEST_REDIS_URL": f"redis://127.0.0.1:{ports[1]}?username=odd&password={ODD_PASSWORD_QUOTED}&db=1",
            "QDRANT_URL": f"http://127.0.0.1:{ports[2]}",
            "QDRANT_API_KEY": ODD_API_KEY,
            **seeded("readers-may-write", DEFECTS["readers-may-write"]),
        }
        done = behave(tmp_path, "features/security", "-t", FAILING, environ=environ)
    shows_none_of([ODD_PASSWORD, ODD_API_KEY], done)


def shows_none_of(given: Iterable[str | None], done: SuiteRun) -> None:
    """Complain if one of the secrets stands anywhere in what a red run has written, in whatever form."""
    assert done.code == 1, done.printed
    secrets = Secrets()
    for number, value in enumerate(given):
        assert value, "a secret that is not known cannot be looked for"
        secrets.add(value, f"secret {number}")
    written = {str(path): path.read_bytes() for path in done.output.rglob("*") if path.is_file()}
    assert any("allure-results" in name for name in written) and any("junit" in name for name in written)
    written["terminal"] = done.printed.encode()
    shown = {
        name: secrets.found_in_any_form(text.decode("utf-8", "replace")) for name, text in written.items()
    }
    assert {name: labels for name, labels in shown.items() if labels} == {}
