"""Guard rails for faults on a platform that others run: it says what it is, and one run at a time injects.

A deployed platform names its environment in its own PostgreSQL:
``ALTER DATABASE citadel SET citadel.environment = 'staging'``.
"""

from __future__ import annotations

import re
import socket
from dataclasses import dataclass, field
from typing import Any

import psycopg2
import psycopg2.extensions

from support import addresses
from support.errors import Unavailable
from support.faults import rollbacks
from support.settings import Settings

PRODUCTION = re.compile(r"prod|live", re.IGNORECASE)
# "citadel" in numbers: one key of a lock that lies in the platform's database, so all runs ask for the same.
LEASE = 0x636974616465


@dataclass(slots=True)
class Guard:
    """Lets faults through only where ``database_url`` belongs to the environment called ``environment``.

    ``watched`` are the URLs with which the suite itself looks at the platform.
    """

    environment: str | None
    database_url: str | None
    watched: tuple[str, ...] = ()
    _lease: psycopg2.extensions.connection | None = field(default=None, repr=False)

    @classmethod
    def of(cls, settings: Settings) -> Guard:
        """The guard of the platform that the settings name."""
        urls = (settings.gateway_url, settings.database_url, settings.redis_url, settings.qdrant_url)
        return cls(settings.environment, settings.database_url, tuple(url for url in urls if url))

    def enter(self, link: dict[str, Any] | None = None) -> None:
        """Raise ``Unavailable`` if no fault may be injected; else hold the lease, until ``leave``.

        ``link`` is the link to be changed, as Toxiproxy describes it.
        """
        refusal = self.refusal()
        if refusal:
            raise Unavailable(refusal)
        if link is not None:
            self._keep_out_of_the_way(link)
        if self._lease is None or self._lease.closed or not self._holds():
            self._take()

    def refusal(self) -> str:
        """Why no fault may be injected in this environment; empty if one may. The lease is not looked at."""
        wanted = self.environment
        if not wanted:
            return "CITADEL_ENVIRONMENT does not say in which environment faults are allowed"
        if PRODUCTION.search(wanted):
            return f"CITADEL_ENVIRONMENT={wanted}: no fault is ever injected in production"
        if not self.database_url:
            return "TEST_DATABASE_URL is not set: the platform cannot say which environment it is"
        environment = self._environment()
        if not environment:
            return (
                "the platform does not say which environment it is"
                f" (ALTER DATABASE ... SET citadel.environment = '{wanted}')"
            )
        if environment != wanted or PRODUCTION.search(environment):
            return f"the platform says that it is {environment!r}, CITADEL_ENVIRONMENT says {wanted!r}"
        return ""

    def leave(self) -> None:
        """Give the lease back."""
        if self._lease is not None:
            self._lease.close()
            self._lease = None

    def _environment(self) -> str:
        try:
            connection = rollbacks.connect(self.database_url or "")
        except psycopg2.Error as error:
            raise Unavailable(f"the platform's PostgreSQL cannot be asked: {_first_line(error)}") from None
        try:
            with connection.cursor() as cursor:
                cursor.execute("SELECT current_setting('citadel.environment', true)")
                row = cursor.fetchone()
                return str(row[0] or "") if row else ""
        finally:
            connection.close()

    def _take(self) -> None:
        lease = rollbacks.connect(self.database_url or "")
        with lease.cursor() as cursor:
            cursor.execute("SELECT pg_try_advisory_lock(%s)", (LEASE,))
            if cursor.fetchone() != (True,):
                lease.close()
                raise Unavailable(
                    "another run injects faults into this platform at the moment: it holds the lease"
                )
        # Ends with this process, whatever ends it.
        self._lease = lease

    def _holds(self) -> bool:
        try:
            assert self._lease is not None
            with self._lease.cursor() as cursor:
                cursor.execute("SELECT 1")
            return True
        except psycopg2.Error:
            return False

    def _keep_out_of_the_way(self, link: dict[str, Any]) -> None:
        """The suite must not use the link that it breaks, or it would break itself."""
        host, _, port = str(link["listen"]).rpartition(":")
        for url in self.watched:
            address = addresses.of(url)
            if address.socket is None and str(address.tcp_port) == port and _same_host(host, address.host):
                raise Unavailable(
                    f'the suite itself looks through the link "{link["name"]}" at {address.host}:{port}:'
                    " name the server behind it"
                )


def _same_host(listens: str, asked: str) -> bool:
    """Whether a listener at one address takes connections to the other; an address of all takes any."""
    anywhere = {"", "0.0.0.0", "::", "[::]"}
    return listens in anywhere or listens == asked or bool(_addresses(listens) & _addresses(asked))


def _addresses(host: str) -> set[str]:
    try:
        return {str(found[4][0]) for found in socket.getaddrinfo(host.strip("[]"), None)}
    except OSError:
        return {host}


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
