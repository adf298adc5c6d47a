"""Asks the stores whether a run may do what it will do there, before it begins; leaves nothing behind."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import httpx
import psycopg2
import psycopg2.extensions
import redis
from psycopg2 import sql

from support import addresses
from support.isolation import beacon, lease
from support.isolation.names import Run

# What clients and platform do with the keys of the platform and of the lease, and beside them.
_KEY_COMMANDS: Mapping[str, tuple[object, ...]] = {
    "get": (),
    "set": ("x", "NX", "PX", 1),
    "setex": (1, "x"),
    "ttl": (),
    "pttl": (),
    "expire": (1,),
    "type": (),
    "del": (),
    "unlink": (),
    "incr": (),
    "lpush": ("x",),
    "rpush": ("x",),
    "ltrim": (0, 0),
    "lrange": (0, 0),
    "brpop": (1,),
    "watch": (),
}
_OTHER_COMMANDS: Mapping[str, tuple[object, ...]] = {
    "ping": (),
    "echo": ("x",),
    "dbsize": (),
    "info": ("server",),
    "scan": (0,),
    "select": (0,),
    "unwatch": (),
    "time": (),
}
_TRANSACTION = ("multi", "exec", "discard")


class NotAdmitted(Exception):
    """A run could not do its work in a store; ``fix`` says what to change."""

    def __init__(self, seen: str, fix: str) -> None:
        super().__init__(seen)
        self.fix = fix


def postgresql(connection: psycopg2.extensions.connection) -> None:
    """A schema can be made. Raises ``NotAdmitted``; what is made is never committed."""
    name = f"{Run.current().prefix}admission"
    connection.autocommit = False
    try:
        with connection.cursor() as cursor:
            cursor.execute(sql.SQL("CREATE SCHEMA {}").format(sql.Identifier(name)))
            cursor.execute(sql.SQL("CREATE TABLE {}.admission (note text)").format(sql.Identifier(name)))
    except psycopg2.errors.ReadOnlySqlTransaction:
        raise NotAdmitted(
            "it is read-only: a standby, or default_transaction_read_only is on",
            "name a primary that may be written to in TEST_DATABASE_URL,"
            " or switch default_transaction_read_only off for its role and database",
        ) from None
    except psycopg2.errors.InsufficientPrivilege:
        raise NotAdmitted(
            "the role may not create a schema",
            "GRANT CREATE ON DATABASE to the role in TEST_DATABASE_URL:"
            " the suite works in a schema of its own",
        ) from None
    finally:
        connection.rollback()
        connection.autocommit = True


def cache(url: str) -> None:
    """Every command of a run would be accepted. Raises ``NotAdmitted``.

    Each is put into a transaction that is discarded: the server refuses there what it would refuse, and
    carries out nothing.
    """
    keys = {
        f"~{lease.PLATFORM_KEYS}": lease.PLATFORM_KEYS.replace("*", f"{Run.current().prefix}admission"),
        f"~{lease.LEASE_KEY}": lease.LEASE_KEY,
    }
    user = addresses.of(url).user or "default"
    commands: set[str] = set()
    patterns: set[str] = set()
    # SELECT may be forbidden as well; a new connection is in the first database.
    with _connection(lease.with_index(url, 0)) as ask:
        if ask("MULTI").startswith("NOPERM"):
            commands = {*_TRANSACTION, *_KEY_COMMANDS, *_OTHER_COMMANDS}
            patterns = {pattern for pattern, key in keys.items() if ask("GET", key).startswith("NOPERM")}
            raise NotAdmitted(
                "its user may not use MULTI, so what else is forbidden cannot be seen",
                f"for the user in TEST_REDIS_URL: ACL SETUSER {user} {_rights(commands, patterns)}",
            )
        ask("DISCARD")
        if "NOPERM" in ask("EXEC"):
            commands.add("exec")
        # Not inside a transaction, where nobody may.
        if "'watch'" in ask("WATCH", lease.LEASE_KEY).lower():
            commands.add("watch")
        ask("UNWATCH")
        for command, arguments in _OTHER_COMMANDS.items():
            if _asked(ask, command, *arguments):
                commands.add(command)
        for command, arguments in _KEY_COMMANDS.items():
            for pattern, key in keys.items():
                answer = _asked(ask, command, key, *arguments)
                if answer and f"'{command}'" not in answer.lower():
                    patterns.add(pattern)
                elif answer:
                    commands.add(command)
    if commands or patterns:
        lacking = _rights(commands, patterns)
        raise NotAdmitted(
            f"its user lacks {lacking}",
            f"for the user in TEST_REDIS_URL: ACL SETUSER {user} {lacking}",
        )


def _rights(commands: Iterable[str], patterns: Iterable[str]) -> str:
    """As ACL SETUSER takes them."""
    return " ".join([*(f"+{each}" for each in sorted(commands)), *sorted(patterns)])


def _asked(ask: Any, *command: object) -> str:
    """Why the user may not do this, empty if allowed. Raises ``NotAdmitted`` where nobody may."""
    ask("MULTI")
    answer = str(ask(*command))
    ask("DISCARD")
    kind = answer.partition(" ")[0]
    if kind in _REFUSALS:
        raise NotAdmitted(*_REFUSALS[kind])
    return answer if kind == "NOPERM" else ""


_REFUSALS = {
    "READONLY": (
        "it is a read-only replica",
        "name the primary in TEST_REDIS_URL",
    ),
    "OOM": (
        "its memory is full (maxmemory), it refuses to write",
        "raise its maxmemory, or name another server in TEST_REDIS_URL",
    ),
    "MISCONF": (
        "it refuses to write because it cannot save (MISCONF)",
        "repair its disk, or name another server in TEST_REDIS_URL",
    ),
    "NOREPLICAS": (
        "it refuses to write because it lacks replicas (NOREPLICAS)",
        "start its replicas, or name another server in TEST_REDIS_URL",
    ),
}


@contextmanager
def _connection(url: str) -> Iterator[Any]:
    """A way to send a command on one connection and get what the server says, errors as text."""
    client = lease.connect(url)
    connection: Any = client.connection_pool.get_connection()

    def ask(*command: object) -> str:
        connection.send_command(*command)
        try:
            answer = connection.read_response()
        except redis.ResponseError as error:
            return _in_full(error)
        return answer.decode(errors="replace") if isinstance(answer, bytes) else str(answer)

    try:
        yield ask
    finally:
        connection.disconnect()
        client.close()


def _in_full(error: redis.ResponseError) -> str:
    """The server's words with the code in front, which redis-py takes away from the errors that it knows."""
    names = {
        redis.exceptions.NoPermissionError: "NOPERM",
        redis.exceptions.ReadOnlyError: "READONLY",
        redis.exceptions.OutOfMemoryError: "OOM",
    }
    code = names.get(type(error))
    return f"{code} {error}" if code and not str(error).startswith(code) else str(error)


def qdrant(url: str, api_key: str | None, timeout_s: float) -> None:
    """A collection can be made, written to and deleted. Raises ``NotAdmitted``, ``httpx.HTTPError``.

    It is a beacon, so that another run removes it should this one be killed meanwhile.
    """
    run = Run.current()
    path = f"/collections/{beacon.name_of(run)}"
    with httpx.Client(
        base_url=url,
        headers={"api-key": api_key} if api_key else {},
        timeout=timeout_s,
        trust_env=False,
        verify=addresses.trusted(),
    ) as client:
        try:
            made = client.put(path, json={"vectors": {"size": 1, "distance": "Dot"}})
            _done(made)
            points = {"points": [beacon.point(run, 1, beacon.time_of(made))]}
            _done(client.put(f"{path}/points", params={"wait": "true"}, json=points))
            deletion = {"points": [beacon.POINT]}
            _done(client.post(f"{path}/points/delete", params={"wait": "true"}, json=deletion))
        finally:
            removed = client.delete(path)
        _done(removed)


def _done(answer: httpx.Response) -> None:
    if answer.is_success:
        return
    if answer.status_code in (401, 403):
        raise NotAdmitted(
            f"its key may not make, write to and delete a collection (status {answer.status_code})",
            "set QDRANT_API_KEY to a key that may write and manage collections",
        )
    raise NotAdmitted(
        f"a collection could not be made, written to and deleted (status {answer.status_code})",
        "repair the server, or name another one in QDRANT_URL",
    )
