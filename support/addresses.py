"""Addresses of services: read once, held to what every client of the suite can use, written the same for all.

What libpq, redis-py and httpx document is read by their own parsers. What one client would understand and
another not is either put into a form that all of them take, or refused. No message quotes any of the text: a
part of a password may stand anywhere in an address that could not be read.
"""

from __future__ import annotations

import functools
import ipaddress
import os
import pwd
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING
from urllib.parse import quote, urlencode, urlsplit

# The parsers and TLS are imported by those who need them: a dead-man process starts without.
if TYPE_CHECKING:
    import ssl

MASK = "[redacted]"
LONGEST = 8192
POSTGRESQL_PORT, REDIS_PORT, QDRANT_PORT = 5432, 6379, 6333
ESCAPES = "in a user or password write %2F for /, %3F for ?, %23 for #, %40 for @, %25 for %"
# Options that hold a secret.
SECRET_OPTIONS = frozenset({"password", "sslpassword", "ssl_password"})

_SSL_MODES = ("disable", "allow", "prefer", "require", "verify-ca", "verify-full")
_TLS_VERSIONS = ("TLSv1.2", "TLSv1.3")
# Of libpq's options those that mean the same to the suite's client and to the platform's ...
_POSTGRESQL_PASSED_ON = {
    "options": (),
    "sslmode": _SSL_MODES,
    "sslrootcert": (),
    "sslcert": (),
    "sslkey": (),
    "sslpassword": (),
    "ssl_min_protocol_version": _TLS_VERSIONS,
    "ssl_max_protocol_version": _TLS_VERSIONS,
}
# ... and those that each client sets for itself, whatever the address says.
_POSTGRESQL_OWN = re.compile(
    r"(fallback_)?application_name|client_encoding|connect_timeout|keepalives(_count|_idle|_interval)?"
    r"|target_session_attrs|tcp_user_timeout"
)
_REDIS_PASSED_ON: Mapping[str, tuple[str, ...]] = {
    "ssl_cert_reqs": ("none", "optional", "required"),
    "ssl_check_hostname": (),
    "ssl_ca_certs": (),
    "ssl_ca_path": (),
    "ssl_certfile": (),
    "ssl_keyfile": (),
    "ssl_password": (),
}
_REDIS_OWN = re.compile(
    r"client_name|decode_responses|encoding|health_check_interval|legacy_responses|lib_(name|version)"
    r"|max_connections|protocol|retry_on_timeout|socket_(connect_timeout|keepalive|read_size|timeout)|timeout"
)
_FILES = ("sslrootcert", "sslcert", "sslkey", "ssl_ca_certs", "ssl_ca_path", "ssl_certfile", "ssl_keyfile")
_LABEL = r"[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?"
_NAME = re.compile(rf"(?=.{{1,253}}$){_LABEL}(?:\.{_LABEL})*\.?")
_HIGHEST_INDEX = 2**31 - 1


class AddressError(ValueError):
    """An address that cannot be used: what is wrong and how to fix it, and nothing of the text itself."""


@dataclass(frozen=True, slots=True)
class Address:
    """Where a service is and how to log in there.

    ``host`` is a name, an IP address, or the path of a Unix socket (of its directory for PostgreSQL);
    ``path`` the name of the database, the number of the Redis database, or the prefix of all paths.
    """

    scheme: str
    host: str
    port: int | None
    path: str = ""
    user: str | None = None
    password: str | None = field(default=None, repr=False)
    options: Mapping[str, str] = field(default_factory=dict, repr=False)

    @property
    def url(self) -> str:
        """The address in the form that all clients take."""
        return self._written(self.user, self.password, self.options)

    @property
    def shown(self) -> str:
        """The address for a person to read: secrets masked, however short they are."""
        options = {name: MASK if name in SECRET_OPTIONS else value for name, value in self.options.items()}
        password = None if self.password is None else MASK
        return self._written(self.user, password, options).replace(quote(MASK, safe=""), MASK)

    @property
    def place(self) -> str:
        """Host and port, with the database where it has a name: for messages."""
        server = f"{self.host} (a Unix socket)" if self.socket else self._server()
        return f"{server}/{self.path}" if self.scheme == "postgresql" else server

    @property
    def socket(self) -> str | None:
        """The path of the Unix socket, None for a service that is reached over the network."""
        if not self.host.startswith("/"):
            return None
        return f"{self.host}/.s.PGSQL.{self.port}" if self.scheme == "postgresql" else self.host

    @property
    def upstream(self) -> str:
        """Where a fault link leads to: ``host:port``, or ``unix:`` and a path for the suite's own links."""
        return f"unix:{self.socket}" if self.socket else f"{self._bracketed()}:{self.tcp_port}"

    @property
    def tcp_port(self) -> int:
        """The port, also where the scheme alone tells it."""
        return self.port or {"http": 80, "https": 443}[self.scheme]

    @property
    def certified_name(self) -> str | None:
        """The name that the server's certificate has to be for, None where nobody looks at it."""
        said = self.options
        checked = {
            "https": True,
            "postgresql": said.get("sslmode") == "verify-full",
            "rediss": said.get("ssl_cert_reqs") != "none" and said.get("ssl_check_hostname") != "false",
        }
        return self.host if checked.get(self.scheme) else None

    def through(self, host: str, port: int) -> Address:
        """The same service, reached through a TCP link that listens there."""
        scheme = "redis" if self.scheme == "unix" else self.scheme
        return replace(self, scheme=scheme, host=host, port=port)

    def secrets(self) -> Iterator[str]:
        """What nobody may see."""
        yield from (self.password,) if self.password else ()
        yield from (value for name, value in self.options.items() if name in SECRET_OPTIONS and value)

    def _written(self, user: str | None, password: str | None, options: Mapping[str, str]) -> str:
        login = quote(user or "", safe="") + (f":{quote(password, safe='')}" if password is not None else "")
        login = f"{login}@" if login else ""
        path = f"/{quote(self.path, safe='')}" if self.path else ""
        if self.scheme == "unix":
            options = {"db": self.path or "0", **options}
            server, path = "", quote(self.host)
        elif self.socket:
            options = {"host": self.host, "port": str(self.port), **options}
            server = ""
        else:
            server = self._server()
        if self.scheme.startswith("http"):
            path = self.path
        query = f"?{urlencode(options, quote_via=quote, safe='/')}" if options else ""
        return f"{self.scheme}://{login}{server}{path}{query}"

    def _server(self) -> str:
        return self._bracketed() + (f":{self.port}" if self.port else "")

    def _bracketed(self) -> str:
        return f"[{self.host}]" if ":" in self.host else self.host


@functools.cache
def trusted() -> ssl.SSLContext:
    """Whom every client believes: what OpenSSL does on this machine, or what SSL_CERT_FILE names."""
    import ssl

    return ssl.create_default_context()


def of(url: str) -> Address:
    """The address that a URL of any kind names. Raises ``AddressError``."""
    scheme = url.partition("://")[0]
    if scheme in ("http", "https"):
        return web(url, login=True)
    return postgresql(url) if scheme in ("postgresql", "postgres") else redis(url)


def postgresql(text: str) -> Address:
    """What libpq takes, a URL or ``key=value`` pairs, as far as all clients can go along."""
    from psycopg2 import Error
    from psycopg2.extensions import parse_dsn

    _check_text(text)
    if "://" in text:
        _check_url(text, "postgresql", "postgres")
    elif "=" not in text.partition("/")[0]:
        raise AddressError("it does not start with postgresql://")
    try:
        parameters = {name: str(value) for name, value in parse_dsn(text).items()}
    except Error:
        raise AddressError(f"PostgreSQL's client cannot read it, or an option in it; {ESCAPES}") from None
    host, port = parameters.pop("host", ""), _port(parameters.pop("port", "") or str(POSTGRESQL_PORT))
    if not host:
        raise AddressError("it names no host (for a Unix socket: ?host=/the/directory)")
    if not host.startswith("/"):
        host = _host(host)
    user = parameters.pop("user", "") or pwd.getpwuid(os.geteuid()).pw_name
    database = parameters.pop("dbname", "") or user
    password = parameters.pop("password", None)
    _check_decoded(user, database, password or "")
    if host.startswith("/"):
        # No client asks for TLS on a Unix socket, whatever is demanded.
        parameters = {name: value for name, value in parameters.items() if not name.startswith("ssl")}
    options = _options(parameters, _POSTGRESQL_PASSED_ON, _POSTGRESQL_OWN)
    if options.get("sslrootcert") == "system":
        raise AddressError("sslrootcert=system is not possible here: name the file of the certificates")
    if options.get("sslmode", "").startswith("verify-") and "sslrootcert" not in options:
        usual = os.path.expanduser("~/.postgresql/root.crt")
        if not os.path.exists(usual):
            raise AddressError("sslmode=verify-ca and verify-full need sslrootcert=FILE beside them")
        options["sslrootcert"] = usual
    return Address("postgresql", host, port, database, user, password, options)


def redis(text: str) -> Address:
    """What redis-py takes, as far as all clients can go along; always with the number of a database."""
    from redis.connection import parse_url

    _check_text(text)
    _check_url(text, "redis", "rediss", "unix")
    try:
        read: dict[str, object] = parse_url(text)  # type: ignore[no-untyped-call]
        parameters = {name: str(value) for name, value in read.items() if name != "connection_class"}
    except ValueError:
        raise AddressError(f"an option in it cannot be read; {ESCAPES}") from None
    parts = urlsplit(text)
    if parts.scheme != "unix" and not re.fullmatch(r"/?|/[0-9]+", parts.path):
        raise AddressError("what follows the host is not the number of a database, such as /1")
    if parts.scheme == "unix":
        host, port = parameters.pop("path", ""), None
        if not host or parts.hostname:
            raise AddressError("it names no socket, such as unix:///run/redis.sock")
    else:
        host, port = _host(parameters.pop("host", "")), _port(parameters.pop("port", str(REDIS_PORT)))
    index = parameters.pop("db", "0")
    if not index.isdecimal() or int(index) > _HIGHEST_INDEX:
        raise AddressError("the number of the database is not a number")
    user, password = parameters.pop("username", None), parameters.pop("password", None)
    if user and not password:
        raise AddressError(
            "it names a user without a password; a password alone is written redis://:PASSWORD@host"
        )
    _check_decoded(host, user or "", password or "")
    tls = _REDIS_PASSED_ON if parts.scheme == "rediss" else {}
    if not tls and any(name.startswith("ssl_") for name in parameters):
        raise AddressError("options that start with ssl_ need rediss:// in place of redis://")
    if "ssl_check_hostname" in parameters:
        parameters["ssl_check_hostname"] = parameters["ssl_check_hostname"].lower()
    options = _options(parameters, tls, _REDIS_OWN)
    return Address(parts.scheme, host, port, str(int(index)), user, password, options)


def web(text: str, port: int | None = None, *, login: bool = False) -> Address:
    """The base URL of an HTTP service; ``port`` where it names none (else the scheme's own).

    ``login``: it may hold a user and a password, as a proxy's does.
    """
    import httpx

    _check_text(text)
    _check_url(text, "http", "https")
    try:
        url = httpx.URL(text)
    except (httpx.InvalidURL, ValueError):
        raise AddressError("its host cannot be read, or its port is no number from 1 to 65535") from None
    if url.userinfo and not login:
        raise AddressError("it must not hold a user, a password or a token")
    _check_decoded(url.username, url.password)
    if "?" in text or "#" in text:
        raise AddressError("it must not hold a ? or a #: it is what all paths begin with")
    path = url.raw_path.decode("ascii").rstrip("/")
    # httpx leaves the port out where it is the scheme's own; another client may have another default.
    host, named = _host(url.raw_host.decode("ascii")), urlsplit(text).port or port
    return Address(url.scheme, host, named, path, url.username or None, url.password or None)


def _check_text(text: str) -> None:
    if len(text) > LONGEST:
        raise AddressError("it is too long")
    if not text.isprintable():
        raise AddressError("it holds a control character, or bytes that are no text")


def _check_url(text: str, *schemes: str) -> None:
    """The scheme is one of these, and no / ? # @ of a password stands where it means something else."""
    scheme, separator, rest = text.partition("://")
    if not separator or scheme not in schemes:
        raise AddressError(f"it does not start with {' or '.join(f'{each}://' for each in schemes)}")
    if " " in text:
        raise AddressError("it holds a blank; write %20")
    authority = re.split(r"[/?#]", rest, maxsplit=1)[0]
    if authority.count("@") > 1 or "@" in rest[len(authority) :]:
        raise AddressError(f"it holds an @ that does not separate the login from the host; {ESCAPES}")
    if re.search(r"%(?![0-9A-Fa-f]{2})", rest):
        raise AddressError(f"it holds a % that escapes nothing; {ESCAPES}")
    server = authority.rpartition("@")[2]
    if "," in server:
        raise AddressError("it names several hosts; name the one that may be written to")
    if server.count(":") > 1 and "[" not in server:
        raise AddressError("an IPv6 address stands in brackets, such as [::1]:5432")
    try:
        if urlsplit(text).port == 0:
            raise ValueError
    except ValueError:
        raise AddressError(
            f"its host cannot be read, or its port is no number from 1 to 65535; {ESCAPES}"
        ) from None


def _check_decoded(*parts: str) -> None:
    if not all(part.isprintable() for part in parts):
        raise AddressError("a user, a password or a name in it holds a control character")


def _host(text: str) -> str:
    """A name or an IP address that every client understands."""
    if not text:
        raise AddressError("it names no host")
    if "," in text:
        raise AddressError("it names several hosts; name the one that may be written to")
    host = text.strip("[]")
    try:
        return str(ipaddress.ip_address(host)) if "%" not in host else _refuse_host()
    except ValueError:
        return host if _NAME.fullmatch(host) else _refuse_host()


def _refuse_host() -> str:
    raise AddressError(f"its host is neither a name nor an IP address; {ESCAPES}")


def _port(text: str) -> int:
    if "," in text:
        raise AddressError("it names several ports; name the server that may be written to")
    if not re.fullmatch(r"[0-9]{1,5}", text) or not 1 <= int(text) <= 65535:
        raise AddressError(f"its port is not a number from 1 to 65535; {ESCAPES}")
    return int(text)


def _options(
    parameters: Mapping[str, str], passed_on: Mapping[str, tuple[str, ...]], own: re.Pattern[str]
) -> dict[str, str]:
    """The options that are passed on, with full paths; those that the clients set themselves are left out."""
    if not all(name in passed_on or own.fullmatch(name) for name in parameters):
        known = ", ".join(passed_on) or "db"
        raise AddressError(f"it has an option that not every client here has; possible are: {known}")
    found = {}
    for name, values in passed_on.items():
        if name not in parameters:
            continue
        value = parameters[name]
        if values and value not in values:
            raise AddressError(f"{name} is none of {', '.join(values)}")
        _check_decoded(value)
        if name in _FILES and value != "system":
            value = os.path.abspath(value)
            if not os.access(value, os.R_OK):
                raise AddressError(f"what {name} names cannot be read")
        found[name] = value
    return found
