"""The other two modes as a user meets them: attached to foreign servers, and against a deployed platform."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

import psycopg2
import pytest
import redis

from support.isolation import lease
from tests.running import behave, stack_up

DATABASE = os.environ.get("ATTACHED_DATABASE_URL", "")
CACHE = os.environ.get("ATTACHED_REDIS_URL", "")
SCHEMA = "somebody_elses_schema"
FOREIGN_KEYS = ("somebody:else", "citadel:v1:search:of-somebody-else")


@pytest.mark.skipif(
    not (DATABASE and CACHE), reason="ATTACHED_DATABASE_URL and ATTACHED_REDIS_URL are not set"
)
def test_attached_smoke_passes_and_leaves_foreign_data_alone(tmp_path: Path) -> None:
    database = psycopg2.connect(DATABASE, connect_timeout=3)
    database.autocommit = True
    cache = redis.Redis.from_url(CACHE, socket_timeout=2)
    with database.cursor() as cursor:
        # The names belong to the holder of the lock; what is there by then, a killed test left.
        cursor.execute("SET lock_timeout = '2min'")
        cursor.execute("SELECT pg_advisory_lock(hashtext(%s))", (SCHEMA,))
    try:
        with database.cursor() as cursor:
            cursor.execute(f"DROP SCHEMA IF EXISTS {SCHEMA} CASCADE")
            cursor.execute(f"CREATE SCHEMA {SCHEMA}")
            cursor.execute(f"CREATE TABLE {SCHEMA}.vector_metadata (note text)")
            cursor.execute(f"INSERT INTO {SCHEMA}.vector_metadata VALUES ('not yours')")
        for key in FOREIGN_KEYS:
            cache.set(key, "not yours", ex=600)
        done = behave(
            tmp_path, "-t", "@smoke", environ={"TEST_DATABASE_URL": DATABASE, "TEST_REDIS_URL": CACHE}
        )
        assert done.code == 0, done.printed
        assert done.summary["mode"] == "attached"
        assert done.summary["scenarios"]["passed"] >= 8, done.printed
        with database.cursor() as cursor:
            cursor.execute(f"SELECT note FROM {SCHEMA}.vector_metadata")
            assert cursor.fetchall() == [("not yours",)]
            cursor.execute("SELECT nspname FROM pg_namespace WHERE nspname LIKE 'at\\_%'")
            names = [str(name) for (name,) in cursor.fetchall()]
        # Other runs may be at work on the same server.
        told = re.search(r"attached mode, run (\w+)", done.printed)
        assert told, done.printed
        assert [name for name in names if told[1] in name] == [], "schemas of the run are left"
        assert [cache.get(key) for key in FOREIGN_KEYS] == [b"not yours"] * len(FOREIGN_KEYS)
        assert [found.index for found in lease.leases(CACHE) if found.run.id == told[1]] == []
    finally:
        cache.delete(*FOREIGN_KEYS)
        cache.close()
        with database.cursor() as cursor:
            cursor.execute(f"DROP SCHEMA IF EXISTS {SCHEMA} CASCADE")
        database.close()


@pytest.fixture(scope="module")
def deployed() -> Iterator[dict[str, str]]:
    """The variables of a platform that the suite knows by nothing else."""
    with stack_up() as variables:
        yield variables


def test_deployed_smoke_passes_against_a_stack_known_by_its_variables_only(
    deployed: dict[str, str], tmp_path: Path
) -> None:
    done = behave(tmp_path, "-t", "@smoke", environ=deployed)
    assert done.code == 0, done.printed
    assert done.summary["mode"] == "deployed"
    shown = (tmp_path / "allure-results" / "environment.properties").read_text()
    assert "faults.redis = nothing; not crashed" in shown, (
        "the report tells which faults are possible, and why others are not"
    )
    assert done.summary["scenarios"]["passed"] >= 5, done.printed


def test_a_deployed_platform_is_struck_by_programs_where_that_is_allowed(
    deployed: dict[str, str], tmp_path: Path
) -> None:
    """Its cache is frozen and let go on by commands; then by none, because it is another environment."""
    database = psycopg2.connect(deployed["TEST_DATABASE_URL"], connect_timeout=3)
    database.autocommit = True
    with database.cursor() as cursor:
        cursor.execute("ALTER DATABASE postgres SET citadel.environment = 'staging'")
    database.close()
    cache = redis.Redis.from_url(deployed["TEST_REDIS_URL"], socket_timeout=2)
    pid = cache.info("server")["process_id"]
    commands = tmp_path / "commands.toml"
    commands.write_text(
        f'[redis.frozen]\ndo = "kill -STOP {pid}"\nundo = "kill -CONT {pid}"\n'
        f'check = "grep -q ^State:.T /proc/{pid}/status"\n'
    )
    given = {**deployed, "CITADEL_FAULTS": "redis:frozen", "CITADEL_FAULT_COMMANDS": str(commands)}
    arguments = ("features/failure_scenarios", "-t", "@key.frozen-redis-delays-nobody")
    struck = behave(tmp_path / "struck", *arguments, environ={**given, "CITADEL_ENVIRONMENT": "staging"})
    assert struck.summary["scenarios"] == {"passed": 1, "failed": 0, "skipped": 0, "total": 1}, struck.printed
    [outage] = struck.summary["outages"]
    assert (outage["faults"], outage["during"]["operations"]) == (["redis frozen"], 4)
    assert cache.ping()
    cache.close()
    spared = behave(tmp_path / "spared", *arguments, environ={**given, "CITADEL_ENVIRONMENT": "testing"})
    assert spared.summary["scenarios"]["skipped"] == 1, spared.printed
    assert "the platform says that it is 'staging'" in spared.printed
