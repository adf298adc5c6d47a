"""What a run writes for people and machines, also of its failures, holds no key and no password."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urlsplit

from support.redaction import Secrets
from tests.running import behave, stack_up

# The scenario fails on purpose: what is red shows most, calls, logs and what the stores hold.
FAILING = "@key.reader-cannot-write"


def test_neither_report_nor_junit_nor_terminal_nor_logs_of_a_red_run_show_a_secret(tmp_path: Path) -> None:
    with stack_up() as variables:
        keys = ("CITADEL_API_KEY", "CITADEL_READONLY_KEY", "CITADEL_ADMIN_KEY", "QDRANT_API_KEY")
        urls = [variables[name] for name in ("TEST_DATABASE_URL", "TEST_REDIS_URL")]
        given = [*(variables[name] for name in keys), *(urlsplit(url).password for url in urls)]
        # A reader with an editor's key can change things: the scenario complains.
        environ = {**variables, "CITADEL_READONLY_KEY": variables["CITADEL_API_KEY"]}
        done = behave(tmp_path, "features/security/access.feature", "-t", FAILING, environ=environ)
    assert done.code == 1, done.printed
    secrets = Secrets()
    for number, value in enumerate(given):
        assert value, "a secret that is not known cannot be looked for"
        secrets.add(value, f"secret {number}")
    written = {str(path): path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    assert any("allure-results" in name for name in written) and any("junit" in name for name in written)
    written["terminal"] = done.printed.encode()
    shown = {
        name: secrets.found_in_any_form(text.decode("utf-8", "replace")) for name, text in written.items()
    }
    assert {name: labels for name, labels in shown.items() if labels} == {}
