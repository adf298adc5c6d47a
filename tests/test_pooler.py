"""A real PgBouncer before PostgreSQL: nothing of the suite reaches a foreign client, and the user is told."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import closing as closed
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import psycopg2
import psycopg2.extensions
import pytest

from support import doctor
from support.drivers.errors import StoreUnreachable
from support.drivers.journal import Journal
from support.drivers.postgres import MetadataStore
from support.faults import rollbacks
from support.isolation import schema
from support.isolation.names import Run
from support.isolation.sessions import Pooled
from support.redaction import Secrets
from support.settings import Settings
from support.stack import servers
from support.stack.ports import free_ports
from support.waiting import eventually
from tests.own_stores import workshop_of
from tests.running import behave, support

PGBOUNCER = shutil.which("pgbouncer", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")
READY_WITHIN_S = 15.0

pytestmark = pytest.mark.skipif(PGBOUNCER is None, reason="there is no pgbouncer on PATH (Debian: pgbouncer)")


@dataclass(frozen=True, slots=True)
class Pool:
    """A pooler with one session of the server for all clients: whatever one leaves in it the next one has.

    ``silent`` drops the options of a session, as ``ignore_startup_parameters = options`` says; ``strict``
    refuses them.
    """

    server_url: str
    silent: str
    strict: str

    def session(self) -> tuple[object, ...]:
        """What a client of somebody else sees of the session that it gets."""
        with closed(psycopg2.connect(self.silent, connect_timeout=3)) as connection:
            connection.autocommit = True
            with connection.cursor() as cursor:
                cursor.execute(
                    "SELECT pg_backend_pid(), (SELECT array_agg(name || '=' || setting ORDER BY name)"
                    " FROM pg_settings WHERE source = 'session' AND name !~ %s),"
                    " current_user, current_schemas(true),"
                    " (SELECT count(*) FROM pg_locks WHERE locktype = 'advisory')",
                    # Those of a transaction begin again with each; PgBouncer sets the name for each client.
                    ("^(transaction_|application_name$)",),
                )
                return cursor.fetchone() or ()

    def tables(self) -> list[tuple[str, str]]:
        """All tables that are no schema's of the suite."""
        connection = psycopg2.connect(self.server_url, connect_timeout=3)
        with closed(connection), connection.cursor() as cursor:
            cursor.execute(
                "SELECT schemaname, tablename FROM pg_tables WHERE schemaname NOT LIKE 'at\\_%'"
                " AND schemaname NOT IN ('pg_catalog', 'information_schema') ORDER BY 1, 2"
            )
            return cursor.fetchall()


@pytest.fixture(scope="module")
def pool() -> Iterator[Pool]:
    with workshop_of(Run.current()) as (workshop, closing):
        server_port, silent_port, strict_port = free_ports(3)
        postgres = servers.postgres(workshop, server_port)
        closing.callback(postgres.service.stop)
        postgres.service.start()
        server = urlsplit(postgres.suite_url)
        urls = {}
        for name, port in (("silent", silent_port), ("strict", strict_port)):
            ignored = "extra_float_digits" + (", options" if name == "silent" else "")
            place = workshop.directory(name)
            place.chmod(0o755)
            (place / "users").write_text(f'"{server.username}" ""\n')
            (place / "pgbouncer.ini").write_text(
                f"[databases]\npostgres = host={server.hostname} port={server.port} dbname=postgres"
                f" user={server.username} password={server.password}\n"
                f"[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\nunix_socket_dir =\n"
                f"auth_type = trust\nauth_file = {place / 'users'}\npool_mode = transaction\n"
                f"default_pool_size = 1\nignore_startup_parameters = {ignored}\n"
            )
            process = subprocess.Popen(
                [str(PGBOUNCER), str(place / "pgbouncer.ini")],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                # It refuses to run as root.
                user="nobody" if os.geteuid() == 0 else None,
                cwd="/",
            )
            closing.callback(process.wait, 10)
            closing.callback(process.kill)
            workshop.deadman.end_process(process.pid)
            urls[name] = f"postgresql://{server.username}@127.0.0.1:{port}/postgres"
        made = Pool(postgres.suite_url, urls["silent"], urls["strict"])
        eventually(made.session, bool, within=READY_WITHIN_S, what="ready", transient=(psycopg2.Error,))
        with closed(schema.connect(postgres.suite_url)) as connection, connection.cursor() as cursor:
            cursor.execute("CREATE TABLE public.of_somebody_else (note text)")
        yield made


def test_a_schema_that_is_made_and_dropped_through_a_pooler_leaves_no_trace(pool: Pool) -> None:
    run = Run.current()
    name, before, tables = f"{run.prefix}w0", pool.session(), pool.tables()
    with closed(psycopg2.connect(pool.server_url, connect_timeout=3)) as connection:
        with connection.cursor() as cursor:
            cursor.execute("CREATE ROLE gateway_of_the_suite")
        connection.commit()
    for role in (None, "gateway_of_the_suite"):
        schema.create(pool.silent, name, run, role)
        assert pool.session() == before
        assert pool.tables() == tables
        (found,) = schema.ours(pool.silent)
        assert (found.name, found.run) == (name, run)
        beats = schema.Beats(pool.silent, name)
        beats._beat()
        beats.stop()
        (later,) = schema.ours(pool.silent)
        assert later.sign.beat != found.sign.beat
        schema.keep(pool.silent, name, run)
        assert [each.kept for each in schema.ours(pool.silent)] == [True]
        assert schema.drop(pool.silent, name)
        assert schema.ours(pool.silent) == []
        assert pool.session() == before
        assert pool.tables() == tables


def test_drivers_and_remedies_refuse_a_pooler_and_change_nothing_in_its_session(pool: Pool) -> None:
    before = pool.session()
    store = MetadataStore(pool.silent, "public", Journal(Secrets()))
    with pytest.raises(StoreUnreachable, match="a connection pooler answers"):
        store.execute("SELECT 1")
    with pytest.raises(Pooled):
        rollbacks.connect(pool.silent)
    with pytest.raises(Pooled):
        rollbacks.carry_out(rollbacks.by_statements(pool.silent, ["CREATE TABLE public.mine (note text)"]))
    assert pool.session() == before
    assert ("public", "mine") not in pool.tables()
    store = MetadataStore(pool.server_url, "public", Journal(Secrets()))
    assert store.select("SELECT 1") == [(1,)]
    store.close()


@pytest.mark.parametrize("mode", ["attached", "deployed"])
@pytest.mark.parametrize("kind", ["silent", "strict"])
def test_the_examination_names_the_pooler_in_one_line_and_the_remedy(
    pool: Pool, kind: str, mode: str
) -> None:
    given = {"TEST_DATABASE_URL": getattr(pool, kind)}
    if mode == "deployed":
        given |= {"INTEGRATION_TEST_HOST": "127.0.0.1:1", "CITADEL_API_KEY": "ck_" + 20 * "x"}
    finding = doctor._database(Settings.load(given, dotenv=None))
    assert not finding.ok
    assert "name the server itself in TEST_DATABASE_URL" in finding.fix
    assert "\n" not in finding.seen + finding.fix
    assert doctor._database(Settings.load({"TEST_DATABASE_URL": pool.server_url}, dotenv=None)).ok


def test_a_run_behind_a_pooler_is_refused_before_it_makes_anything(pool: Pool, tmp_path: Path) -> None:
    before, tables = pool.session(), pool.tables()
    done = behave(tmp_path, "-t", "@smoke", environ={"TEST_DATABASE_URL": pool.silent})
    assert done.code == 2, done.printed
    assert "name the server itself in TEST_DATABASE_URL" in done.printed
    assert support("doctor", environ={"TEST_DATABASE_URL": pool.silent}).returncode == 2
    assert pool.session() == before
    assert pool.tables() == tables
