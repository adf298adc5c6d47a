"""Every form of address works in each client of the suite and the platform, or is refused plainly.

With the real thing: a PostgreSQL with TLS and a Unix socket, a Valkey with a socket, users and TLS, the
Qdrant node with TLS; the platform's clients reach each through a fault link, as in a run.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import psycopg2
import pytest
import redis

from support import addresses, doctor
from support.addresses import AddressError
from support.audit.command import _stores as audit_stores
from support.faults.guard import Guard
from support.faults.store_faults import DatabaseServer
from support.faults.toxiproxy import Toxiproxy
from support.isolation import lease, schema
from support.isolation.names import Run
from support.lifecycle.sweep import _things
from support.reference.gateway import config as gateway_config
from support.reference.gateway.cache import Cache
from support.reference.gateway.metrics import Metrics
from support.reference.gateway.postgres import Pool
from support.reference.gateway.qdrant import Qdrant
from support.reference.gateway.timing import Call, begin
from support.settings import Settings, SettingsError
from support.stack import servers
from support.stack.ports import free_ports
from support.stack.stack import names_behind_links
from tests.own_stores import ODD_PASSWORD, ODD_PASSWORD_QUOTED, add_odd_users, free_port, node, workshop_of
from tests.qdrant_front import PREFIX, READ_ONLY_KEY, below_a_path
from tests.tls_front import Certificates, tls_in_front_of

ATTACHED = os.environ.get("ATTACHED_DATABASE_URL", "")
API_KEY = "a-key-of-the-vectors"


@dataclass(frozen=True)
class Places:
    """What the forms of the tables are filled with."""

    pg: int
    pg_tls: int
    pg_dir: str
    pg_user: str
    pg_password: str
    redis: int
    redis_tls: int
    redis_socket: str
    redis_password: str
    qdrant: int
    qdrant_tls: int
    qdrant_below: str
    ca: str
    other_ca: str
    cert: str
    key: str
    word: str = ODD_PASSWORD_QUOTED


@pytest.fixture(scope="module")
def places() -> Iterator[Places]:
    with workshop_of(Run.current()) as (workshop, closing):
        folder = workshop.data
        certificates = Certificates(str(folder))
        (folder / "other").mkdir()
        others = Certificates(str(folder / "other"))
        mine = certificates.authority.issue_cert("localhost")
        cert, key = folder / "server.pem", folder / "server.key"
        mine.cert_chain_pems[0].write_to_path(str(cert))
        mine.private_key_pem.write_to_path(str(key))
        sockets = folder / "sockets"
        sockets.mkdir()
        sockets.chmod(0o777)
        pg, valkey_port, node_port = free_ports(3)
        postgres = servers.postgres(workshop, pg)
        key.chmod(0o600)
        postgres.service.command = [
            *postgres.service.command,
            *("-k", str(sockets)),
        ]
        valkey = servers.valkey(workshop, valkey_port)
        valkey.service.command = [*valkey.service.command, "--unixsocket", str(sockets / "redis.sock")]
        vectors = node(workshop, node_port, API_KEY)
        for service in (postgres.service, valkey.service, vectors):
            closing.callback(service.stop)
            service.start()
        add_odd_users(postgres.suite_url, valkey.url)
        context = certificates.server("localhost")
        suite = addresses.of(postgres.suite_url)
        yield Places(
            pg=pg,
            pg_tls=closing.enter_context(tls_in_front_of(pg, context, postgresql=True)),
            pg_dir=str(sockets),
            pg_user=suite.user or "",
            pg_password=suite.password or "",
            redis=valkey_port,
            redis_tls=closing.enter_context(tls_in_front_of(valkey_port, context)),
            redis_socket=str(sockets / "redis.sock"),
            redis_password=addresses.of(valkey.url).password or "",
            qdrant=node_port,
            qdrant_tls=closing.enter_context(tls_in_front_of(node_port, context)),
            qdrant_below=f"127.0.0.1:{closing.enter_context(below_a_path(node_port, API_KEY))}{PREFIX}",
            ca=certificates.ca_file,
            other_ca=others.ca_file,
            cert=str(cert),
            key=str(key),
        )


@pytest.fixture(scope="module")
def links() -> Iterator[Toxiproxy]:
    with workshop_of(Run.current()) as (workshop, closing):
        (port,) = free_ports(1)
        url = f"http://127.0.0.1:{port}"
        service = servers.python_service(
            workshop,
            "links",
            "support.stack.links",
            ["--port", str(port)],
            port=port,
            ready=servers.answers(f"{url}/version", {"version": "acceptance-links"}),
        )
        closing.callback(service.stop)
        service.start()
        yield Toxiproxy(url)


POSTGRESQL_WORKS = [
    "postgresql://{pg_user}:{pg_password}@127.0.0.1:{pg}/postgres",
    "postgres://{pg_user}:{pg_password}@127.0.0.1:{pg}/postgres",
    "postgresql://odd:{word}@127.0.0.1:{pg}",
    "postgresql://127.0.0.1:{pg}/odd?user=odd&password={word}",
    "postgresql:///odd?host=127.0.0.1&port={pg}&user=odd&password={word}",
    "postgresql://odd:{word}@/odd?host=127.0.0.1&port={pg}",
    "host=127.0.0.1 port={pg} user={pg_user} password={pg_password} dbname=postgres",
    "host=127.0.0.1 port = {pg} user=odd password='p/a?s#s@w:o%r d\\'\"' connect_timeout=5",
    "postgresql://odd:{word}@localhost:{pg}/odd",
    "postgresql://odd:{word}@127.0.0.1:{pg}/odd?sslmode=disable",
    "postgresql://odd:{word}@127.0.0.1:{pg_tls}/odd?sslmode=allow",
    "postgresql://odd:{word}@127.0.0.1:{pg_tls}/odd?sslmode=prefer",
    "postgresql://odd:{word}@127.0.0.1:{pg_tls}/odd?sslmode=require",
    "postgresql://odd:{word}@127.0.0.1:{pg_tls}/odd?sslmode=require&sslrootcert={ca}",
    "postgresql://odd:{word}@127.0.0.1:{pg_tls}/odd?sslmode=verify-ca&sslrootcert={ca}",
    "postgresql://odd:{word}@localhost:{pg_tls}/odd?sslmode=verify-full&sslrootcert={ca}",
    "postgresql://odd:{word}@localhost:{pg_tls}/odd?sslmode=verify-full&sslrootcert={ca}"
    "&sslcert={cert}&sslkey={key}&ssl_min_protocol_version=TLSv1.2&ssl_max_protocol_version=TLSv1.3",
    "postgresql://odd:{word}@127.0.0.1:{pg}/odd?options=-csearch_path%3Dpublic%20-c%20work_mem%3D8MB",
    "postgresql://odd:{word}@127.0.0.1:{pg}/odd?application_name=mine&connect_timeout=1&keepalives=1"
    "&keepalives_idle=5&client_encoding=utf8&tcp_user_timeout=9&fallback_application_name=x",
    "postgresql://odd:{word}@127.0.0.1:{pg}/odd?target_session_attrs=read-write",
    "postgresql://odd:{word}@/odd?host={pg_dir}&port={pg}",
    "postgresql://odd:{word}@/odd?host={pg_dir}&port={pg}&sslmode=require",
    "host={pg_dir} port={pg} user=odd password='p/a?s#s@w:o%r d\\'\"' dbname=odd",
]

REDIS_WORKS = [
    "redis://:{redis_password}@127.0.0.1:{redis}",
    "redis://:{redis_password}@127.0.0.1:{redis}/",
    "redis://:{redis_password}@127.0.0.1:{redis}/3",
    "redis://:{redis_password}@127.0.0.1:{redis}?db=3",
    "redis://:{redis_password}@localhost:{redis}/2?db=4",
    "redis://default:{redis_password}@127.0.0.1:{redis}/0",
    "redis://odd:{word}@127.0.0.1:{redis}/1",
    "redis://127.0.0.1:{redis}?username=odd&password={word}&db=1",
    "redis://odd:{word}@127.0.0.1:{redis}/1?socket_timeout=9&decode_responses=true&protocol=3&client_name=x"
    "&max_connections=1&health_check_interval=3&retry_on_timeout=true&encoding=latin-1",
    "unix://{redis_socket}?db=2&username=odd&password={word}",
    "unix://odd:{word}@{redis_socket}",
    "unix://:{redis_password}@{redis_socket}?db=1",
    "rediss://odd:{word}@localhost:{redis_tls}/1?ssl_ca_certs={ca}",
    "rediss://odd:{word}@127.0.0.1:{redis_tls}/1?ssl_ca_certs={ca}&ssl_check_hostname=false",
    "rediss://odd:{word}@127.0.0.1:{redis_tls}/1?ssl_ca_certs={ca}&ssl_check_hostname=no&ssl_cert_reqs=required",
    "rediss://odd:{word}@127.0.0.1:{redis_tls}/1?ssl_cert_reqs=none",
    "rediss://odd:{word}@localhost:{redis_tls}/1?ssl_ca_certs={ca}&ssl_certfile={cert}&ssl_keyfile={key}",
]

QDRANT_WORKS = [
    "http://127.0.0.1:{qdrant}",
    "http://127.0.0.1:{qdrant}/",
    "http://localhost:{qdrant}",
    "https://localhost:{qdrant_tls}",
    "http://{qdrant_below}",
    "http://{qdrant_below}/",
]

# The clients could go along with these, but not all, or not with what is there: one line, before the run.
POSTGRESQL_REFUSED = {
    "postgresql://u:pw@one:5432,two:5433/db": "several hosts",
    "host=one,two user=u": "several hosts",
    "host=one port=1,2": "several ports",
    "postgresql:///db": "no host",
    "postgresql://": "no host",
    "postgresql://u@::1/db": "brackets",
    "postgresql://u@[::1/db": "host cannot be read",
    "postgresql://u@h:0/db": "no number from 1 to 65535",
    "postgresql://u@h:99999/db": "no number from 1 to 65535",
    "postgresql://u@h:x/db": "no number from 1 to 65535",
    "postgresql://u@h/db?sslmode=verify-full": "need sslrootcert",
    "postgresql://u@h/db?sslmode=sometimes": "sslmode is none of",
    "postgresql://u@h/db?sslmode=verify-ca&sslrootcert=/no/such/file": "sslrootcert names cannot be read",
    "postgresql://u@h/db?sslmode=verify-full&sslrootcert=system": "sslrootcert=system",
    "postgresql://u@h/db?hostaddr=127.0.0.1": "an option that not every client",
    "postgresql://u@h/db?service=mine": "an option that not every client",
    "postgresql://u@h/db?passfile=/tmp/x": "an option that not every client",
    "postgresql://u@h/db?no_such_option=1": "or an option in it",
    "postgresql:/u:pw@h/db": "does not start with postgresql://",
    "mysql://u:pw@h/db": "does not start with postgresql://",
    "db.example": "does not start with postgresql://",
}
REDIS_REFUSED = {
    "redis://": "no host",
    "redis:///1": "no host",
    "redis://h/abc": "not the number of a database",
    "redis://h/1/2": "not the number of a database",
    "redis://h/-1": "not the number of a database",
    "redis://h?db=-1": "the number of the database",
    "redis://h?db=x": "cannot be read",
    "redis://h?no_such_option=1": "an option that not every client",
    "redis://h?ssl_cert_reqs=none": "need rediss://",
    "rediss://h?ssl_cert_reqs=maybe": "ssl_cert_reqs is none of",
    "rediss://h?ssl_ca_certs=/no/such/file": "ssl_ca_certs names cannot be read",
    "redis://h?socket_timeout=soon": "cannot be read",
    "redis://a-token-of-mine@h": "a user without a password",
    "redis://a-token-of-mine:@h": "a user without a password",
    "redis://one:1,two:2/0": "several hosts",
    "redis://h:99999": "no number from 1 to 65535",
    "redis+sentinel://h:26379/mymaster": "does not start with redis://",
    "unix://": "names no socket",
}
WEB_REFUSED = {
    "https://a-token@h:6333": "must not hold a user, a password or a token",
    "https://user:pw@h:6333": "must not hold a user, a password or a token",
    "http://h:6333?api_key=x": "must not hold a ?",
    "http://h:6333#x": "must not hold a ?",
    "http:/h:6333": "does not start with http://",
    "http:///only-a-path": "no host",
    "http://h:99999": "no number from 1 to 65535",
    "http://[::1": "host cannot be read",
    "http://ho st": "a blank",
    "grpc://h:6334": "does not start with http://",
}


def filled(form: str, places: Places) -> str:
    return form.format(**vars(places))


def examined(what: str, settings: Settings, output: Path) -> doctor.Check:
    return next(each for each in doctor.examine(settings, output) if each.what == what)


@pytest.mark.parametrize("form", POSTGRESQL_WORKS)
def test_postgresql_in_all_clients(form: str, places: Places, links: Toxiproxy, tmp_path: Path) -> None:
    settings = Settings.load({"TEST_DATABASE_URL": filled(form, places)}, dotenv=None)
    assert examined("PostgreSQL", settings, tmp_path).ok, doctor.table(
        settings, doctor.examine(settings, tmp_path)
    )
    url = settings.database_url or ""
    _each_client_of_postgresql(settings, links)
    assert ODD_PASSWORD not in repr(settings) and ODD_PASSWORD_QUOTED not in repr(settings)
    assert addresses.of(url).url == url, "read again it is the same"


@pytest.mark.skipif(not ATTACHED, reason="ATTACHED_DATABASE_URL is not set")
def test_a_foreign_postgresql_in_all_clients(links: Toxiproxy, tmp_path: Path) -> None:
    settings = Settings.load({"TEST_DATABASE_URL": ATTACHED}, dotenv=None)
    assert examined("PostgreSQL", settings, tmp_path).ok
    _each_client_of_postgresql(settings, links)


def _each_client_of_postgresql(settings: Settings, links: Toxiproxy) -> None:
    url = settings.database_url or ""
    name, run = f"{Run.current().prefix}address", Run.current()
    schema.create(url, name, run)
    try:
        stores = audit_stores(settings, without_cache=True)
        stores.metadata.schema = name
        assert list(stores.metadata.collections()) == []
        stores.metadata.close()
        guard = Guard.of(settings)
        assert "CITADEL_ENVIRONMENT" in guard.refusal()
        guard.environment = "tests"
        assert "does not say which environment" in guard.refusal()
        assert DatabaseServer(url, url, name).name
        _things(settings)

        async def ask(config: gateway_config.Config) -> object:
            connection = await Pool(config, 1, "t").connect()
            try:
                return await connection.fetchval("SELECT count(*) FROM collections")
            finally:
                connection.terminate()

        config = behind_links(links, GATEWAY_DATABASE_URL=url, GATEWAY_DATABASE_SCHEMA=name)
        assert asyncio.run(ask(config)) == 0
    finally:
        assert schema.drop(url, name)


@pytest.mark.parametrize("form", REDIS_WORKS)
def test_redis_in_all_clients(form: str, places: Places, links: Toxiproxy, tmp_path: Path) -> None:
    settings = Settings.load({"TEST_REDIS_URL": filled(form, places)}, dotenv=None)
    assert examined("Redis", settings, tmp_path).ok, doctor.table(
        settings, doctor.examine(settings, tmp_path)
    )
    assert ODD_PASSWORD not in repr(settings) and ODD_PASSWORD_QUOTED not in repr(settings)
    leased = lease.take(settings.redis_url or "", Run.current())
    try:
        assert lease.index_of(leased.url) >= lease.index_of(settings.redis_url or "")
        stores = audit_stores(
            Settings(redis_url=leased.url, database_url="postgresql://h", qdrant_url="http://h"),
            without_cache=False,
        )
        assert stores.cache is not None
        key = "citadel:v1:address"
        stores.cache.set_raw(key, b"here", 60)

        async def ask(config: gateway_config.Config) -> object:
            cache = Cache(config, Metrics())
            try:
                return await cache._client.get(key)
            finally:
                await cache.shut_down()

        assert asyncio.run(ask(behind_links(links, GATEWAY_REDIS_URL=leased.url))) == b"here"
        stores.cache.close()
    finally:
        leased.release()


@pytest.mark.parametrize("form", QDRANT_WORKS)
def test_qdrant_in_all_clients(
    form: str, places: Places, links: Toxiproxy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", places.ca)
    addresses.trusted.cache_clear()
    try:
        environ = {"QDRANT_URL": filled(form, places), "QDRANT_API_KEY": API_KEY}
        settings = Settings.load(environ, dotenv=None)
        assert examined("Qdrant", settings, tmp_path).ok, doctor.table(
            settings, doctor.examine(settings, tmp_path)
        )
        stores = audit_stores(
            Settings(qdrant_url=settings.qdrant_url, qdrant_api_key=API_KEY, database_url="postgresql://h"),
            without_cache=True,
        )
        assert stores.vectors.collections("at_") == [], "the examination leaves nothing"
        stores.vectors.create_collection("address", 2)
        assert list(stores.vectors.points("address")) == []
        _things(settings)

        async def ask(config: gateway_config.Config) -> bool:
            begin(Call("test"))
            connector = aiohttp.TCPConnector(ssl=addresses.trusted())
            async with aiohttp.ClientSession(connector=connector) as session:
                return await Qdrant(config, session).exists("address")

        config = behind_links(
            links, GATEWAY_QDRANT_URL=settings.qdrant_url or "", GATEWAY_QDRANT_API_KEY=API_KEY
        )
        assert asyncio.run(ask(config))
        stores.vectors.delete_collection("address")
        stores.vectors.close()
    finally:
        addresses.trusted.cache_clear()


def behind_links(links: Toxiproxy, **given: str) -> gateway_config.Config:
    """The gateway's settings as the stack makes them: each store behind a link."""
    kinds = {
        "postgresql": ("GATEWAY_DATABASE_URL", "postgresql://nobody@127.0.0.1:1/none"),
        "redis": ("GATEWAY_REDIS_URL", "redis://127.0.0.1:1/0"),
        "qdrant": ("GATEWAY_QDRANT_URL", "http://127.0.0.1:1"),
    }
    behind = {kind: given.get(variable, nowhere) for kind, (variable, nowhere) in kinds.items()}
    linked = {}
    for kind, (variable, _nowhere) in kinds.items():
        address, port = addresses.of(behind[kind]), free_port()
        link = f"{kind}_{port}"
        links.create(link, f"127.0.0.1:{port}", address.upstream)
        linked[variable] = address.through("127.0.0.1", port).url
    return gateway_config.from_environment(
        {
            **given,
            **linked,
            **names_behind_links(behind),
            "GATEWAY_EMBEDDING_URL": "http://127.0.0.1:1",
            "GATEWAY_REDIS_TIMEOUT_S": "5",
        }
    )


@pytest.mark.parametrize(
    ("variable", "form", "words"),
    [
        *(("TEST_DATABASE_URL", form, words) for form, words in POSTGRESQL_REFUSED.items()),
        *(("TEST_REDIS_URL", form, words) for form, words in REDIS_REFUSED.items()),
        *(("QDRANT_URL", form, words) for form, words in WEB_REFUSED.items()),
        *(("TOXIPROXY_URL", form, words) for form, words in WEB_REFUSED.items()),
        *(("CITADEL_GATEWAY_URL", form, words) for form, words in WEB_REFUSED.items() if "://" in form),
        ("INTEGRATION_TEST_HOST", "http:/h:8000", "starts with http:// or https://"),
        ("INTEGRATION_TEST_HOST", "a-token@h", "must not hold a user"),
    ],
)
def test_what_not_all_clients_can_use_is_refused_in_a_line(variable: str, form: str, words: str) -> None:
    with pytest.raises(SettingsError) as refused:
        Settings.load({variable: form}, dotenv=None)
    message = str(refused.value)
    assert message.startswith(f"{variable} is not an address such as "), message
    assert words in message
    assert "\n" not in message


DO_NOT_WORK = {
    ("PostgreSQL", "TEST_DATABASE_URL"): [
        "postgresql://odd:{word}@localhost:{pg_tls}/odd?sslmode=verify-full&sslrootcert={other_ca}",
        "postgresql://odd:{word}@127.0.0.1:{pg_tls}/odd?sslmode=verify-full&sslrootcert={ca}",
        "postgresql://odd:not-{word}@127.0.0.1:{pg}/odd",
        "postgresql://odd@127.0.0.1:{pg}/odd",
        "postgresql://odd:{word}@127.0.0.1:{pg}/none",
        "postgresql://odd:{word}@127.0.0.1:{pg}/odd?options=-cno_such%3D1",
        "postgresql://odd:{word}@127.0.0.1:{pg_tls}/odd?sslmode=require&sslcert={cert}&sslkey={ca}",
        "postgresql://odd:{word}@/odd?host={pg_dir}&port=1",
        "postgresql://odd:{word}@127.0.0.1:{redis}/odd",
    ],
    ("Redis", "TEST_REDIS_URL"): [
        "redis://127.0.0.1:{redis}",
        "redis://odd:not-{word}@127.0.0.1:{redis}",
        "redis://:{redis_password}@127.0.0.1:{redis}/99",
        "rediss://odd:{word}@127.0.0.1:{redis_tls}?ssl_ca_certs={ca}",
        "rediss://odd:{word}@localhost:{redis_tls}?ssl_ca_certs={other_ca}",
        "rediss://odd:{word}@localhost:{redis_tls}?ssl_certfile={ca}&ssl_keyfile={ca}",
        "redis://odd:{word}@localhost:{redis_tls}",
        "rediss://odd:{word}@localhost:{redis}",
        "unix://odd:{word}@{pg_dir}/none.sock",
        "redis://odd:{word}@127.0.0.1:{qdrant}",
    ],
    ("Qdrant", "QDRANT_URL"): [
        "https://localhost:{qdrant_tls}",
        "http://localhost:{qdrant_tls}",
        "https://localhost:{qdrant}",
        "http://127.0.0.1:{qdrant}/prefix",
        "http://127.0.0.1:{redis}",
    ],
}


@pytest.mark.parametrize(
    ("what", "variable", "form"), [(*store, form) for store, forms in DO_NOT_WORK.items() for form in forms]
)
def test_what_does_not_work_is_told_by_the_examination(
    what: str, variable: str, form: str, places: Places, tmp_path: Path
) -> None:
    settings = Settings.load({variable: filled(form, places), "QDRANT_API_KEY": API_KEY}, dotenv=None)
    found = examined(what, settings, tmp_path)
    assert not found.ok
    assert variable in found.fix
    for line in (found.seen, found.fix):
        assert "\n" not in line
        assert not [
            word
            for word in (ODD_PASSWORD, ODD_PASSWORD_QUOTED, places.redis_password, API_KEY)
            if word in line
        ]
    assert found.seen.rpartition(": ")[2], "it says what was seen"


def test_a_unix_socket_goes_with_no_toxiproxy_of_others(
    places: Places, links: Toxiproxy, tmp_path: Path
) -> None:
    url = f"postgresql://odd:{ODD_PASSWORD_QUOTED}@/odd?host={places.pg_dir}&port={places.pg}"
    settings = Settings.load({"TEST_DATABASE_URL": url, "TOXIPROXY_URL": links.url}, dotenv=None)
    found = examined("Toxiproxy", settings, tmp_path)
    assert not found.ok and "TEST_DATABASE_URL" in found.fix


def test_what_is_not_written_in_the_variable_is_not_heeded() -> None:
    """libpq's own variables would let the suite in, and not the platform."""
    assert not [name for name in os.environ if name.startswith("PG") and name != "PGPASSFILE"]


def test_a_qdrant_whose_key_may_only_read_is_told(places: Places, tmp_path: Path) -> None:
    environ = {"QDRANT_URL": f"http://{places.qdrant_below}", "QDRANT_API_KEY": READ_ONLY_KEY}
    found = examined("Qdrant", Settings.load(environ, dotenv=None), tmp_path)
    assert not found.ok
    assert "may not make, write to and delete a collection" in found.seen
    assert "QDRANT_API_KEY" in found.fix and READ_ONLY_KEY not in found.seen + found.fix


def test_a_read_only_postgresql_is_told(places: Places, tmp_path: Path) -> None:
    url = f"postgresql://odd:{ODD_PASSWORD_QUOTED}@127.0.0.1:{places.pg}/odd"
    options = {
        f"{url}?options=-cdefault_transaction_read_only%3Don": "read-only",
        f"postgresql://small:small-word@127.0.0.1:{places.pg}/odd": "may not create a schema",
    }
    connection = schema.connect(url)
    with connection.cursor() as cursor:
        cursor.execute("CREATE ROLE small LOGIN PASSWORD 'small-word'")
    connection.close()
    for given, words in options.items():
        settings = Settings.load({"TEST_DATABASE_URL": given}, dotenv=None)
        found = examined("PostgreSQL", settings, tmp_path)
        assert not found.ok and words in found.seen and "TEST_DATABASE_URL" in found.fix


@pytest.mark.parametrize(
    ("before", "after", "words"),
    [
        (("CONFIG", "SET", "maxmemory", "1"), ("CONFIG", "SET", "maxmemory", "0"), "memory is full"),
        (("REPLICAOF", "127.0.0.1", "1"), ("REPLICAOF", "NO", "ONE"), "read-only replica"),
        (
            ("CONFIG", "SET", "min-replicas-to-write", "2"),
            ("CONFIG", "SET", "min-replicas-to-write", "0"),
            "lacks replicas",
        ),
    ],
)
def test_a_redis_that_refuses_writes_is_told(
    before: tuple[str, ...], after: tuple[str, ...], words: str, places: Places, tmp_path: Path
) -> None:
    url = f"redis://:{places.redis_password}@127.0.0.1:{places.redis}/0"
    client = redis.Redis.from_url(url, socket_timeout=2)
    client.execute_command(*before)  # type: ignore[no-untyped-call]
    try:
        found = examined("Redis", Settings.load({"TEST_REDIS_URL": url}, dotenv=None), tmp_path)
    finally:
        client.execute_command(*after)  # type: ignore[no-untyped-call]
        client.close()
    assert not found.ok and words in found.seen and "TEST_REDIS_URL" in found.fix


@pytest.mark.parametrize(
    ("rights", "lacking"),
    [
        ("~citadel:v1:* +@all", "~citadel-acceptance:lease"),
        ("~citadel-acceptance:* +@all", "~citadel:v1:*"),
        ("~* +@all -dbsize -scan -exec", "+dbsize +exec +scan"),
        ("~citadel:v1:* +get +set +select +info +multi +discard +exec", "+brpop +dbsize +del"),
        ("~* +@all -multi", "ACL SETUSER limited +brpop"),
        ("~* +@all -select", "+select"),
    ],
)
def test_each_missing_right_of_a_redis_user_is_named(
    rights: str, lacking: str, places: Places, tmp_path: Path
) -> None:
    client = lease.connect(f"redis://:{places.redis_password}@127.0.0.1:{places.redis}/0")
    keys_before = client.dbsize()
    client.execute_command("ACL", "SETUSER", "limited", "reset", "on", ">limited-word", *rights.split())  # type: ignore[no-untyped-call]
    url = f"redis://limited:limited-word@127.0.0.1:{places.redis}/1"
    settings = Settings.load({"TEST_REDIS_URL": url}, dotenv=None)
    found = examined("Redis", settings, tmp_path)
    assert not found.ok
    assert lacking in found.fix and "TEST_REDIS_URL" in found.fix
    grants = found.fix.partition("ACL SETUSER limited ")[2].split()
    client.execute_command("ACL", "SETUSER", "limited", *grants)  # type: ignore[no-untyped-call]
    assert examined("Redis", settings, tmp_path).ok, "the remedy is enough"
    assert client.dbsize() == keys_before, "nothing was written to find out"
    client.close()


def test_the_refusal_of_an_address_says_nothing_of_it() -> None:
    for read in (addresses.postgresql, addresses.redis, addresses.web):
        with pytest.raises(AddressError) as refused:
            read("scheme://geheim:geheim@geheim/geheim?geheim=geheim#geheim")
        assert "geheim" not in str(refused.value)


def test_psycopg2_reads_the_same_as_we_write() -> None:
    form = f"postgresql://odd:{ODD_PASSWORD_QUOTED}@[::1]:77/o%2Fdd?options=-c%20a%3Db&sslmode=require"
    read = psycopg2.extensions.parse_dsn(addresses.postgresql(form).url)
    assert read == psycopg2.extensions.parse_dsn(form)
