"""Nothing that the suite did not make is touched, however like the suite's own it looks."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
import pytest

from support.isolation import beacon, lease, run_directories, schema
from support.isolation.names import Run
from support.isolation.processes import own_mark
from support.lifecycle.sweep import leftovers, sweep
from support.settings import Settings
from support.waiting import eventually
from tests.own_stores import Endpoints, started
from tests.shared_stores import AnotherRun, quick_heartbeats, remove

SWEPT_WITHIN_S = 30.0
# Two are for the runs of this test; every other one holds something of somebody else.
FREE = (3, 9)
LIKE_OURS = "at_0123456789abcdef"


@pytest.fixture(scope="module")
def stores() -> Iterator[Endpoints]:
    with started() as endpoints:
        yield endpoints


@pytest.fixture
def settings(stores: Endpoints, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Runs that are soon missed, in a temp directory of their own."""
    quick_heartbeats(monkeypatch, tmp_path)
    given = {
        "TEST_DATABASE_URL": stores.database_url,
        "TEST_REDIS_URL": stores.redis_url,
        "QDRANT_URL": stores.qdrant_url,
    }
    return Settings.load(given, dotenv=None)


def test_whatever_looks_like_the_suites_own_is_left_as_it_is(settings: Settings, tmp_path: Path) -> None:
    living = AnotherRun(settings)
    plants: list[Callable[[], Callable[[], Any]]] = [
        lambda: _schemas(settings, living.run),
        lambda: _keys(settings),
        lambda: _collections(settings, living.run),
        lambda: _files(tmp_path),
    ]
    looks = [plant() for plant in plants]
    before = [look() for look in looks]
    living.start()
    dead = AnotherRun(settings).start()
    dead.foreign_key("somebody:else")
    dead.die()
    cut_short = AnotherRun(settings, with_cache=False).start()
    cut_short.die()

    def swept() -> set[str]:
        for also_kept in (False, True):
            sweep(settings, also_kept=also_kept)
            leftovers(settings, also_kept=also_kept)
        return dead.left() | cut_short.left()

    eventually(swept, lambda left: not left, within=SWEPT_WITHIN_S, what="the dead runs are swept")
    assert dead.keys() == {b"somebody:else"}, "in the database that the dead run had leased"
    assert living.left() == {"schema", "lease", "beacon", "collection"}
    living.die()
    remove(living)
    dead.forget_foreign_key("somebody:else")
    assert [look() for look in looks] == before


def _schemas(settings: Settings, living: Run) -> Callable[[], Any]:
    """Schemas by names like ours: unmarked, wrongly marked, marked without a heartbeat; and others."""
    mark = schema.MARK
    another = Run("f" * 16)
    comments: dict[str, str | None] = {
        "of_others": None,
        "at_home": None,
        f"{LIKE_OURS}_w0": None,
        f"{LIKE_OURS}_words": "our acceptance tests, do not touch",
        f"{LIKE_OURS}_json": json.dumps({"owner": "me"}),
        f"{LIKE_OURS}_list": json.dumps([mark]),
        f"{LIKE_OURS}_odd": json.dumps({mark: {"run": 1}}),
        f"{LIKE_OURS}_another": json.dumps({mark: another.id}),
        f"{another.prefix}silent": json.dumps({mark: another.id}),
        f"{living.prefix}of_others": None,
    }
    with closing(schema.connect(settings.database_url or "")) as connection, connection.cursor() as cursor:
        for name, comment in comments.items():
            cursor.execute(f'CREATE SCHEMA "{name}"')
            cursor.execute(f'COMMENT ON SCHEMA "{name}" IS %s', (comment,))
            cursor.execute(f'CREATE TABLE "{name}".vector_metadata AS SELECT %s::text AS note', (name,))
            cursor.execute(
                f'CREATE TABLE "{name}".old_heartbeat AS SELECT %s::text AS run, 1::bigint AS beat,'
                " timestamptz '2000-01-01' AS at",
                (LIKE_OURS.removeprefix("at_"),),
            )
            if not name.startswith(another.prefix):
                # Nothing but the mark says that it is none of ours.
                cursor.execute(f'ALTER TABLE "{name}".old_heartbeat RENAME TO {schema.HEARTBEAT}')
        cursor.execute("CREATE TABLE public.vector_metadata AS SELECT 'not yours'::text AS note")

    def look() -> Any:
        url = settings.database_url or ""
        with closing(schema.connect(url)) as connection, connection.cursor() as cursor:
            cursor.execute(
                "SELECT n.nspname, obj_description(n.oid, 'pg_namespace'), array_agg(c.relname ORDER BY 1)"
                " FROM pg_namespace n LEFT JOIN pg_class c ON c.relnamespace = n.oid AND c.relkind = 'r'"
                " WHERE n.nspname <> 'information_schema' AND n.nspname NOT LIKE 'pg\\_%%'"
                " GROUP BY n.oid, n.nspname ORDER BY 1",
            )
            names = cursor.fetchall()
            notes = []
            for name in [*comments, "public"]:
                cursor.execute(f'SELECT note FROM "{name}".vector_metadata')
                notes.append(cursor.fetchall())
            return names, notes

    return look


def _keys(settings: Settings) -> Callable[[], Any]:
    """Keys of all kinds in every database but two, by the platform's names as well as others."""
    url = settings.redis_url or ""
    another = Run("f" * 16)
    for index in range(16):
        if index in FREE:
            continue
        with closing(lease.connect(lease.with_index(url, index))) as client:
            if index % 5 == 0:
                client.set("citadel:v1:search:of-somebody-else", "not yours", ex=3600)
            elif index % 5 == 1:
                client.rpush(lease.LEASE_KEY, "a list")
            elif index % 5 == 2:
                client.set(lease.LEASE_KEY, "words")
            elif index % 5 == 3:
                client.set(lease.LEASE_KEY, json.dumps({"run": another.id, "prefix": "mine", "beat": 1}))
            else:
                client.hset("somebody:else", "field", "not yours")

    def look() -> Any:
        found: dict[int, dict[bytes, Any]] = {}
        for index in range(16):
            with closing(lease.connect(lease.with_index(url, index))) as client:
                found[index] = {key: client.dump(key) for key in client.scan_iter()}
        return found

    return look


def _collections(settings: Settings, living: Run) -> Callable[[], Any]:
    """Collections by names like ours, with no beacon or one that is none."""
    url, another = settings.qdrant_url or "", Run("f" * 16)
    points: dict[str, dict[str, object] | None] = {
        "of_others": None,
        "at_home": None,
        f"{LIKE_OURS}_s001_handbook": None,
        f"{LIKE_OURS}_alive": None,
        f"{another.prefix}alive": {"note": "not yours"},
        f"{another.prefix}s001_handbook": None,
        beacon.name_of(Run("e" * 16)): {beacon.MARK: another.id, "beat": 1, "at": 1.0, "kept": False},
        f"x{living.prefix}s001_handbook": None,
    }
    with httpx.Client(base_url=url, trust_env=False, timeout=10) as client:
        for name, payload in points.items():
            body = {"vectors": {"size": 1, "distance": "Dot"}}
            client.put(f"/collections/{name}", json=body).raise_for_status()
            if payload is not None:
                point = {"id": beacon.POINT, "vector": [1.0], "payload": payload}
                put = client.put(
                    f"/collections/{name}/points", params={"wait": "true"}, json={"points": [point]}
                )
                put.raise_for_status()

    def look() -> Any:
        with httpx.Client(base_url=url, trust_env=False, timeout=10) as client:
            listed = client.get("/collections").raise_for_status().json()["result"]["collections"]
            counts = {}
            for name in sorted(each["name"] for each in listed):
                counted = client.post(f"/collections/{name}/points/count", json={}).raise_for_status()
                counts[name] = counted.json()["result"]["count"]
            return counts

    return look


def _files(folder: Path) -> Callable[[], Any]:
    """Files and directories by names like ours: without a mark, with a strange one, of others, links."""
    assert tempfile.gettempdir() == str(folder)
    (folder / f"{LIKE_OURS}_a_file").write_text("not yours")
    (folder / f"{LIKE_OURS}_empty").mkdir()
    dead = str(own_mark()).replace(f"/{os.getpid()}.", "/999999999.")
    for name, mark in (("unmarked", None), ("strange", "words"), ("open", dead), ("foreign", dead)):
        directory = folder / f"{LIKE_OURS}_{name}_0123"
        directory.mkdir()
        (directory / "data").write_text("not yours")
        if mark is not None:
            (directory / run_directories.MARK).write_text(mark)
            (directory / run_directories.MARK).chmod(0o600)
    (folder / f"{LIKE_OURS}_open_0123").chmod(0o777)
    if os.geteuid() == 0:
        shutil.chown(folder / f"{LIKE_OURS}_foreign_0123", "nobody")
    else:
        shutil.rmtree(folder / f"{LIKE_OURS}_foreign_0123")
    elsewhere = folder / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / run_directories.MARK).write_text(dead)
    (elsewhere / "data").write_text("not yours")
    (folder / f"{LIKE_OURS}_link_0123").symlink_to(elsewhere)

    def look() -> Any:
        return {
            str(path.relative_to(folder)): (path.lstat().st_mode, path.lstat().st_uid, _text(path))
            for path in sorted(folder.rglob("*"))
        }

    return look


def _text(path: Path) -> str:
    return path.read_text() if path.is_file() else ""
