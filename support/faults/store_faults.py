"""Faults inside a running store: read-only, full, locked, out of connections. Done live, undone live.

Nothing is restarted and nobody's data is touched: roles and settings are changed and put back as they were,
triggers affect only what is written in the suite's own schema.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import psycopg2
import psycopg2.extensions
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from support import addresses
from support.errors import Unavailable
from support.faults import rollbacks
from support.faults.fault_types import LONGEST_S
from support.faults.injectors import Injector, Link, Service
from support.faults.rollbacks import Rollback
from support.isolation import lease
from support.waiting import eventually

# How long the last slot, which was just given up, may be taken by somebody else.
SLOT_WITHIN_S = 3.0


@dataclass(frozen=True, slots=True)
class DatabaseServer:
    """A PostgreSQL whose inner state may be changed: the suite's own URL, and what the gateway is there.

    The schema is the suite's own, so every document in it is this run's. ``service`` is the server where the
    suite started it, whose log tells what a fault has hit.
    """

    url: str
    gateway_url: str
    schema: str
    service: Service | None = None

    @property
    def role(self) -> str:
        """The role that the gateway works as."""
        return addresses.of(self.gateway_url).user or ""

    @property
    def name(self) -> str:
        """The database."""
        return addresses.of(self.url).path

    @property
    def documents(self) -> str:
        """The table of the documents, quoted."""
        return f"{_name(self.schema)}.vector_metadata"

    @property
    def collections(self) -> str:
        """The table of the collections, quoted."""
        return f"{_name(self.schema)}.collections"

    def ask(self, question: str, *values: object) -> tuple[Any, ...]:
        """The first row of an answer; empty where there is none."""
        connection = rollbacks.connect(self.url)
        try:
            with connection.cursor() as cursor:
                # Without values a % in the statement is one.
                cursor.execute(question, values or None)
                return cursor.fetchone() or ()
        finally:
            connection.close()

    def run(self, statements: Sequence[str]) -> None:
        """Run statements, one after another."""
        rollbacks.carry_out(rollbacks.by_statements(self.url, statements))

    def sessions_dropped(self) -> str:
        """The statement that ends the gateway's sessions in this database; the suite's own stay."""
        return (
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            f" WHERE usename = {_text(self.role)} AND datname = {_text(self.name)}"
            " AND pid <> pg_backend_pid() AND application_name NOT LIKE 'citadel-suite%'"
        )


@dataclass(frozen=True, slots=True)
class CacheServer:
    """A Redis whose settings may be changed."""

    url: str
    service: Service | None = None


Store = DatabaseServer | CacheServer


def _name(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _text(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


class _DatabaseHarm:
    """What the faults of a PostgreSQL have in common: statements to do and to undo it, a trace in the log."""

    # What the server logs for each statement or connection that the fault has hit.
    trace: ClassVar[str]

    def __init__(self, database: DatabaseServer) -> None:
        self.database = database
        self._logged_before = 0

    def check(self) -> None:
        service = self.database.service
        self._logged_before = service.log_size() if service else 0

    def do(self) -> None:
        self.database.run(self._done_by())

    def undo(self) -> None:
        rollback = self.rollback()
        if rollback is not None:
            rollbacks.carry_out(rollback)

    def rollback(self) -> Rollback | None:
        return rollbacks.by_statements(self.database.url, self._undone_by())

    def hits(self) -> int:
        """What the server's log shows; where nobody sees it, 1 while the fault is in force."""
        if self.database.service is None:
            return int(self._in_force())
        return len(re.findall(self.trace, self.database.service.log_since(self._logged_before)))

    def _done_by(self) -> Sequence[str]:
        raise NotImplementedError

    def _undone_by(self) -> Sequence[str]:
        raise NotImplementedError

    def _in_force(self) -> bool:
        raise NotImplementedError


class ReadOnly(_DatabaseHarm):
    """The gateway's role can read and not write, as after a failover to a replica.

    The setting holds for new sessions, so the gateway's are ended at both ends.
    """

    trace = r"ERROR: +cannot execute [A-Z ]+ in a read-only transaction"

    def check(self) -> None:
        super().check()
        if self._in_force():
            raise Unavailable(f"the role {self.database.role} is read-only already, and not by this run")

    def _done_by(self) -> Sequence[str]:
        return [self._altered("SET default_transaction_read_only = on"), self.database.sessions_dropped()]

    def _undone_by(self) -> Sequence[str]:
        return [self._altered("RESET default_transaction_read_only"), self.database.sessions_dropped()]

    def _in_force(self) -> bool:
        found = self.database.ask(
            "SELECT 1 FROM pg_db_role_setting s JOIN pg_roles r ON r.oid = s.setrole"
            " JOIN pg_database d ON d.oid = s.setdatabase WHERE r.rolname = %s AND d.datname = %s"
            " AND array_to_string(s.setconfig, ' ') LIKE '%%default_transaction_read_only=on%%'",
            self.database.role,
            self.database.name,
        )
        return bool(found)

    def _altered(self, how: str) -> str:
        return f"ALTER ROLE {_name(self.database.role)} IN DATABASE {_name(self.database.name)} {how}"


class NoConnections(_DatabaseHarm):
    """No session is left for the gateway's role: its own are ended, new ones are refused."""

    trace = r"FATAL: +too many connections for role"

    def __init__(self, database: DatabaseServer) -> None:
        super().__init__(database)
        self._limit = -1

    def check(self) -> None:
        super().check()
        exempt, limit, same, mighty = self.database.ask(
            "SELECT rolsuper, rolconnlimit, rolname = current_user,"
            " (SELECT rolsuper FROM pg_roles WHERE rolname = current_user) FROM pg_roles WHERE rolname = %s",
            self.database.role,
        )
        self._limit = int(limit)
        if exempt:
            raise Unavailable(f"the role {self.database.role} is a superuser, for whom no limit holds")
        if same or not mighty:
            raise Unavailable("the suite's own role could not take the limit back")

    def _done_by(self) -> Sequence[str]:
        return [self._limited(0), self.database.sessions_dropped()]

    def _undone_by(self) -> Sequence[str]:
        return [self._limited(self._limit)]

    def _in_force(self) -> bool:
        return self.database.ask(
            "SELECT rolconnlimit FROM pg_roles WHERE rolname = %s", self.database.role
        ) == (0,)

    def _limited(self, connections: int) -> str:
        return f"ALTER ROLE {_name(self.database.role)} CONNECTION LIMIT {connections}"


class Disconnected(_DatabaseHarm):
    """The server has ended every session of the gateway, once; those are the hits."""

    def __init__(self, database: DatabaseServer) -> None:
        super().__init__(database)
        self._ended = 0

    def do(self) -> None:
        (self._ended,) = self.database.ask(f"SELECT count(*) FROM ({self.database.sessions_dropped()}) ended")

    def rollback(self) -> Rollback | None:
        """None: it is over as soon as it is done."""
        return None

    def hits(self) -> int:
        return self._ended


class Locked(_DatabaseHarm):
    """Somebody holds a lock on all documents: they can be read, and who writes waits.

    The lock ends with its session: with the suite, and after the longest time that a fault may last.
    """

    trace = r"ERROR: +canceling statement due to (?:lock timeout|user request|statement timeout)"

    def __init__(self, database: DatabaseServer) -> None:
        super().__init__(database)
        self._holder: psycopg2.extensions.connection | None = None

    def do(self) -> None:
        self._holder = holder = rollbacks.connect(self.database.url)
        holder.autocommit = False
        with holder.cursor() as cursor:
            cursor.execute(f"SET LOCAL idle_in_transaction_session_timeout = {int(LONGEST_S * 1000)}")
            cursor.execute(f"LOCK TABLE {self.database.documents} IN EXCLUSIVE MODE")

    def undo(self) -> None:
        holder, self._holder = self._holder, None
        if holder is not None:
            holder.close()

    def rollback(self) -> Rollback | None:
        """None: the server takes the lock away when its session has ended."""
        return None

    def _in_force(self) -> bool:
        return self._holder is not None and not self._holder.closed


class _Failing(_DatabaseHarm):
    """A trigger that lets writes of documents fail.

    A sequence counts the hits, because it is not rolled back with what failed.
    """

    code: ClassVar[str]
    says: ClassVar[str]
    trigger: ClassVar[str] = "CREATE TRIGGER {name} BEFORE INSERT OR UPDATE ON {table}"
    only: ClassVar[str] = "true"
    # How many of the writes fail; 0: all.
    times: ClassVar[int] = 0

    def check(self) -> None:
        super().check()
        if self._there():
            raise Unavailable(f"{self._place} is there already: the work of another run in this schema")

    def hits(self) -> int:
        if not self._there():
            return 0
        (count,) = self.database.ask(
            f"SELECT CASE WHEN is_called THEN last_value ELSE 0 END FROM {self._place}"
        )
        return int(count)

    def _there(self) -> bool:
        return self.database.ask("SELECT to_regclass(%s) IS NOT NULL", self._place) == (True,)

    @property
    def _called(self) -> str:
        return f"at_fault_{self.code}"

    @property
    def _place(self) -> str:
        return f"{_name(self.database.schema)}.{self._called}"

    def _done_by(self) -> Sequence[str]:
        fails = f"RAISE EXCEPTION USING ERRCODE = {_text(self.code)}, MESSAGE = {_text(self.says)};"
        if self.times:
            fails = f"IF hit <= {self.times} THEN {fails} END IF;"
        body = f"DECLARE hit bigint := nextval({_text(self._place)}); BEGIN {fails} RETURN NEW; END"
        made = self.trigger.format(name=self._called, table=self.database.documents)
        return [
            f"CREATE SEQUENCE {self._place}",
            # Run as its maker, not as the writer: the gateway owes nothing to the counter.
            f"CREATE FUNCTION {self._place}() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER"
            f" AS {_text(body)}",
            f"{made} FOR EACH ROW WHEN ({self.only}) EXECUTE FUNCTION {self._place}()",
        ]

    def _undone_by(self) -> Sequence[str]:
        return [
            f"DROP FUNCTION IF EXISTS {self._place}() CASCADE",
            f"DROP SEQUENCE IF EXISTS {self._place}",
        ]


class Full(_Failing):
    """The disk is full for what is to be written."""

    code = "53100"
    says = "could not extend file: No space left on device"


class Conflicting(_Failing):
    """One write loses against another one that nobody sees: it may be tried again."""

    code = "40001"
    says = "could not serialize access due to concurrent update"
    times = 1


class Uncommittable(_Failing):
    """The last commit of a write fails, after the vector store has done its part."""

    code = "58030"
    says = "could not fsync file: Input/output error"
    trigger = (
        "CREATE CONSTRAINT TRIGGER {name} AFTER INSERT OR UPDATE ON {table} DEFERRABLE INITIALLY DEFERRED"
    )
    only = "NEW.status = 'stored'"

    def _done_by(self) -> Sequence[str]:
        removed = (
            f"CREATE CONSTRAINT TRIGGER {self._called}_removed AFTER DELETE ON {self.database.documents}"
            f" DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION {self._place}()"
        )
        made = (
            f"CREATE CONSTRAINT TRIGGER {self._called}_made AFTER UPDATE ON {self.database.collections}"
            " DEFERRABLE INITIALLY DEFERRED FOR EACH ROW"
            " WHEN (NEW.status = 'active' AND OLD.status <> 'active')"
            f" EXECUTE FUNCTION {self._place}()"
        )
        return [*super()._done_by(), removed, made]


class _Settings:
    """Settings of a Redis, put back as they were; the errors that the server has counted are the hits."""

    wanted: ClassVar[Mapping[str, str]]
    counted: ClassVar[str]

    def __init__(self, cache: CacheServer, _link: Link | None) -> None:
        self._cache = cache
        self._before: dict[str, str] = {}
        self._errors_before = 0

    def check(self) -> None:
        client = lease.connect(self._cache.url)
        try:
            for name in self.wanted:
                found: Any = client.config_get(name)
                self._before[name] = str(found[name])
            self._errors_before = self._errors(client)
        except (redis.ResponseError, KeyError) as error:
            raise Unavailable(f"the settings of Redis may not be changed: {error}") from None
        finally:
            client.close()

    def do(self) -> None:
        self._set(self.wanted)

    def undo(self) -> None:
        self._set(self._before)

    def rollback(self) -> Rollback | None:
        return rollbacks.by_cache_commands(self._cache.url, _configured(self._before))

    def hits(self) -> int:
        client = lease.connect(self._cache.url)
        try:
            return self._errors(client) - self._errors_before
        finally:
            client.close()

    def _set(self, settings: Mapping[str, str]) -> None:
        rollbacks.carry_out(rollbacks.by_cache_commands(self._cache.url, _configured(settings)))

    def _errors(self, client: redis.Redis) -> int:
        info: Any = client.info("errorstats")
        return int(info.get(f"errorstat_{self.counted}", {}).get("count", 0))


def _configured(settings: Mapping[str, str]) -> list[list[str]]:
    return [["CONFIG", "SET", name, value] for name, value in settings.items()]


class CacheFull(_Settings):
    """There is no memory for anything more, and nothing is evicted for it; what is there can be read."""

    wanted = {"maxmemory-policy": "noeviction", "maxmemory": "1"}
    counted = "OOM"


class RefusesWrites(_Settings):
    """Too few replicas for a write, as in a cluster that has lost some; what is there can be read."""

    wanted = {"min-replicas-to-write": "1"}
    counted = "NOREPLICAS"


class Paused:
    """Writes are held back and reads answered, as while a failover is prepared.

    To hold back reads too would lock the healer out. The pause ends by itself after the longest time that a
    fault may last; what the link sees arriving are the hits.
    """

    def __init__(self, cache: CacheServer, link: Link | None) -> None:
        self._cache = cache
        self._link = link
        self._before: int | None = None
        self._done_unseen = ""

    def check(self) -> None:
        if self._in_force():
            raise Unavailable("Redis is paused already, and not by this run")

    def do(self) -> None:
        self._before = self._arrivals()
        pause = ["CLIENT", "PAUSE", str(int(LONGEST_S * 1000)), "WRITE"]
        rollbacks.carry_out(rollbacks.by_cache_commands(self._cache.url, [pause]))
        self._done_unseen = "write"

    def undo(self) -> None:
        rollbacks.carry_out(self.rollback())
        self._done_unseen = ""

    def rollback(self) -> Rollback:
        return rollbacks.by_cache_commands(self._cache.url, [["CLIENT", "UNPAUSE"]])

    def hits(self) -> int:
        """What has come for it since; 1 while it pauses and nothing counts."""
        if not self._in_force():
            return 0
        now = self._arrivals()
        return 1 if now is None or self._before is None else now - self._before

    def _arrivals(self) -> int | None:
        return self._link.arrivals() if self._link else None

    def _in_force(self) -> bool:
        client = lease.connect(self._cache.url)
        try:
            info: Any = client.info("clients")
            # An older server does not tell: then the injection itself counts.
            return bool(info.get("paused_actions", self._done_unseen) not in ("none", ""))
        finally:
            client.close()


class NoClients:
    """Every connection is closed and no new one is let in but the healer's, which is held open.

    Only for a server that the suite started: all its clients are hit, and a second healer could not get in.
    """

    def __init__(self, cache: CacheServer, _link: Link | None) -> None:
        self._cache = cache
        self._healer: redis.Redis | None = None
        self._limit = ""
        self._rejected_before = 0

    def check(self) -> None:
        self._healer = healer = self._connected()
        found: Any = healer.config_get("maxclients")
        self._limit = str(found["maxclients"])
        self._rejected_before = self._rejected(healer)

    def do(self) -> None:
        assert self._healer is not None
        self._healer.config_set("maxclients", 1)
        self._healer.execute_command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")  # type: ignore[no-untyped-call]

    def undo(self) -> None:
        eventually(
            self._ended,
            bool,
            within=SLOT_WITHIN_S,
            what="Redis lets the healer in",
            transient=(redis.RedisError,),
        )
        if self._healer is not None:
            self._healer.close()
            self._healer = None

    def rollback(self) -> Rollback:
        return rollbacks.by_cache_commands(self._cache.url, _configured({"maxclients": self._limit}))

    def hits(self) -> int:
        if self._healer is None:
            return 0
        return self._rejected(self._healer) - self._rejected_before

    def _ended(self) -> bool:
        if self._healer is None:
            self._healer = self._connected()
        return bool(self._healer.config_set("maxclients", self._limit))

    def _connected(self) -> redis.Redis:
        """A client that keeps one and the same connection."""
        return redis.Redis.from_url(
            self._cache.url,
            single_connection_client=True,
            socket_timeout=2,
            socket_connect_timeout=2,
            retry=Retry(NoBackoff(), 0),
            protocol=2,
        )

    @staticmethod
    def _rejected(client: redis.Redis) -> int:
        info: Any = client.info("stats")
        return int(info["rejected_connections"])


_OF_DATABASE: Mapping[str, Callable[[DatabaseServer], Injector]] = {
    "read_only": ReadOnly,
    "no_connections": NoConnections,
    "disconnected": Disconnected,
    "locked": Locked,
    "full": Full,
    "conflicting": Conflicting,
    "uncommittable": Uncommittable,
}
_OF_CACHE: Mapping[str, Callable[[CacheServer, Link | None], Injector]] = {
    "full": CacheFull,
    "refuses_writes": RefusesWrites,
    "paused": Paused,
    "no_connections": NoClients,
}


def meaning(target: str, kind: str) -> str:
    """The fault in one sentence."""
    if target == "postgresql":
        return _first_sentence(_OF_DATABASE[kind])
    return _first_sentence(_OF_CACHE[kind])


def _first_sentence(made_by: object) -> str:
    return " ".join((made_by.__doc__ or "").split("\n\n")[0].split())


def injector(store: Store, kind: str, link: Link | None) -> Injector:
    """The fault of this kind inside that store."""
    if isinstance(store, DatabaseServer):
        return _OF_DATABASE[kind](store)
    return _OF_CACHE[kind](store, link)
