"""What ends a fault, as plain data: the suite carries it out, and the dead-man process if the suite is dead.

A rollback works whether the harm was done whole, half or not, and as often as it is carried out.
"""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import psycopg2
import psycopg2.extensions
import redis

from support.faults.toxiproxy import Toxiproxy, ToxiproxyError
from support.isolation import lease
from support.isolation.processes import Mark, environment_of_program
from support.isolation.sessions import connected, options_of, refuse_pooler

STATEMENT_TIMEOUT_MS = 5000
# Options of the session win over what was set for its role, so a rollback may write in a read-only database.
WRITING = (
    f"-c statement_timeout={STATEMENT_TIMEOUT_MS} -c lock_timeout=3000 -c default_transaction_read_only=off"
)
SESSION = "citadel-suite-faults"
CONNECTED_WITHIN_S = 3.0

Rollback = Mapping[str, Any]


class RollbackFailed(Exception):
    """A rollback could not be carried out; the message says why."""


def by_statements(url: str, statements: Sequence[str]) -> Rollback:
    """Statements for a PostgreSQL, each in a transaction of its own."""
    return {"by": "statements", "url": url, "statements": list(statements)}


def by_cache_commands(url: str, commands: Sequence[Sequence[str]]) -> Rollback:
    """Commands for a Redis."""
    return {"by": "cache_commands", "url": url, "commands": [list(command) for command in commands]}


def by_removing_toxic(url: str, link: str, toxic: str) -> Rollback:
    """One toxic of ours at the link of a Toxiproxy."""
    return {"by": "removing_toxic", "url": url, "link": link, "toxic": toxic}


def by_enabling_link(url: str, link: str) -> Rollback:
    """A link that refuses connections."""
    return {"by": "enabling_link", "url": url, "link": link}


def by_deleting_link(url: str, link: str) -> Rollback:
    """A link of ours at a Toxiproxy that the suite did not start."""
    return {"by": "deleting_link", "url": url, "link": link}


def by_program(arguments: Sequence[str], within_s: float) -> Rollback:
    """A program with its arguments, never a shell's line."""
    return {"by": "program", "arguments": list(arguments), "within_s": within_s}


def is_rollback(value: object) -> bool:
    """Whether this is a rollback, with everything that belongs to one."""
    if not isinstance(value, dict) or not isinstance(value.get("by"), str) or value["by"] not in _PARTS:
        return False
    parts = {"by": _is_text, **_PARTS[value["by"]]}
    return value.keys() == parts.keys() and all(is_one(value[name]) for name, is_one in parts.items())


def _is_text(value: object) -> bool:
    return isinstance(value, str)


def _is_texts(value: object) -> bool:
    return isinstance(value, list) and bool(value) and all(map(_is_text, value))


def _is_commands(value: object) -> bool:
    return isinstance(value, list) and all(map(_is_texts, value))


def _is_seconds(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 < value < 1000


def carry_out(rollback: Rollback) -> None:
    """End the fault. Raises what the server, the proxy or the program complains about."""
    _MEANS[rollback["by"]](rollback)


def described(rollback: Rollback) -> str:
    """What a person would have to do; URLs without passwords, for a log."""
    by = rollback["by"]
    if by == "statements":
        return "; ".join(rollback["statements"])
    if by == "cache_commands":
        return "; ".join(" ".join(command) for command in rollback["commands"])
    if by == "program":
        return " ".join(rollback["arguments"])
    what = {"removing_toxic": "remove its toxic", "enabling_link": "enable it", "deleting_link": "delete it"}
    toxic = f" {rollback['toxic']}" if "toxic" in rollback else ""
    return f"link {rollback['link']} of the Toxiproxy at {rollback['url']}: {what[by]}{toxic}"


def connect(url: str) -> psycopg2.extensions.connection:
    """A connection in autocommit mode that writes whatever the role's defaults are; to no pooler."""
    connection = connected(
        url, CONNECTED_WITHIN_S, application_name=SESSION, options=options_of(url, WRITING)
    )
    connection.autocommit = True
    refuse_pooler(connection, STATEMENT_TIMEOUT_MS)
    return connection


def run(arguments: Sequence[str], within_s: float, mark: Mark | None = None) -> str:
    """Run a program of the user to its end; its output. By ``mark`` it can be found while it runs.

    Raises ``RollbackFailed`` if it fails, is missing or too slow.
    """
    shown = " ".join(arguments)
    try:
        done = subprocess.run(
            list(arguments),
            env=environment_of_program(mark),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            timeout=within_s,
        )
    except subprocess.TimeoutExpired:
        raise RollbackFailed(f"{shown!r} did not end within {within_s:g} s") from None
    except OSError as error:
        raise RollbackFailed(f"{shown!r} cannot be run: {error.strerror}") from None
    if done.returncode:
        said = (done.stdout.strip().splitlines() or ["(no output)"])[-1]
        raise RollbackFailed(f"{shown!r} ended with exit code {done.returncode}: {said[:300]}")
    return done.stdout


def _statements(rollback: Rollback) -> None:
    connection = connect(rollback["url"])
    try:
        with connection.cursor() as cursor:
            for statement in rollback["statements"]:
                cursor.execute(statement)
    finally:
        connection.close()


def _cache_commands(rollback: Rollback) -> None:
    client: redis.Redis = lease.connect(rollback["url"])
    try:
        for command in rollback["commands"]:
            client.execute_command(*command)  # type: ignore[no-untyped-call]
    finally:
        client.close()


def _removing_toxic(rollback: Rollback) -> None:
    _unless_absent(lambda: Toxiproxy(rollback["url"]).remove_toxic(rollback["link"], rollback["toxic"]))


def _enabling_link(rollback: Rollback) -> None:
    Toxiproxy(rollback["url"]).enable(rollback["link"])


def _deleting_link(rollback: Rollback) -> None:
    _unless_absent(lambda: Toxiproxy(rollback["url"]).delete(rollback["link"]))


def _program(rollback: Rollback) -> None:
    run(rollback["arguments"], float(rollback["within_s"]))


def _unless_absent(work: Callable[[], None]) -> None:
    try:
        work()
    except ToxiproxyError as error:
        if not error.absent:
            raise


_MEANS: Mapping[str, Callable[[Rollback], None]] = {
    "statements": _statements,
    "cache_commands": _cache_commands,
    "removing_toxic": _removing_toxic,
    "enabling_link": _enabling_link,
    "deleting_link": _deleting_link,
    "program": _program,
}
_LINK = {"url": _is_text, "link": _is_text}
_PARTS: Mapping[str, Mapping[str, Callable[[object], bool]]] = {
    "statements": {"url": _is_text, "statements": _is_texts},
    "cache_commands": {"url": _is_text, "commands": _is_commands},
    "removing_toxic": {**_LINK, "toxic": _is_text},
    "enabling_link": _LINK,
    "deleting_link": _LINK,
    "program": {"arguments": _is_texts, "within_s": _is_seconds},
}
