"""Runs of other machines on shared stores, played by this process."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest

from support.isolation import beacon, heartbeat, lease, schema
from support.isolation.beacon import Beacon
from support.isolation.names import Run
from support.settings import Settings

# Of the figures of a real run only the relations matter here.
BEAT_EVERY_S, DEAD_AFTER_S, WATCHED_S = 0.2, 3.0, 1.5


def quick_heartbeats(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    """Runs beat quickly and are soon missed, on a machine where no other run has left anything."""
    monkeypatch.setattr(heartbeat, "BEAT_EVERY_S", BEAT_EVERY_S)
    monkeypatch.setattr(heartbeat, "DEAD_AFTER_S", DEAD_AFTER_S)
    monkeypatch.setattr(heartbeat, "WATCHED_S", WATCHED_S)
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    monkeypatch.setattr("support.faults.orphaned_faults.FOLDER", folder / "faults")
    monkeypatch.setattr("support.isolation.processes.left_by_the_dead", lambda *_: ())
    monkeypatch.setattr("support.isolation.processes.end_what_dead_runs_left", lambda *_: [])


@dataclass(slots=True)
class AnotherRun:
    """A run of another machine: all that one sees of it here lies in the stores."""

    settings: Settings
    run: Run = field(default_factory=Run.current)
    with_cache: bool = True
    cache_url: str = ""
    _ends: list[Callable[[], None]] = field(default_factory=list)

    def start(self) -> AnotherRun:
        """Make what a run makes, and beat."""
        url, qdrant = self.settings.database_url or "", self.settings.qdrant_url or ""
        schema.create(url, self.schema, self.run)
        beats = schema.Beats(url, self.schema)
        beats.start()
        if self.with_cache:
            self._ends.append(self._lease())
        light = Beacon(qdrant, None, self.run)
        light.light()
        self._ends += [beats.stop, light._heart.stop]
        made = httpx.put(
            f"{qdrant}/collections/{self.run.prefix}s001_handbook",
            json={"vectors": {"size": 4, "distance": "Dot"}},
            trust_env=False,
        )
        made.raise_for_status()
        return self

    def _lease(self) -> Callable[[], None]:
        taken = lease.take(self.settings.redis_url or "", self.run)
        taken.keep_alive()
        self.cache_url = taken.url
        with closing(lease.connect(taken.url)) as client:
            client.set("citadel:v1:key", "value")
        return taken._heart.stop

    def foreign_key(self, key: str) -> None:
        """Somebody else writes into the leased database."""
        with closing(lease.connect(self.cache_url)) as client:
            client.set(key, "not yours")

    def forget_foreign_key(self, key: str) -> None:
        """Somebody else removes it."""
        with closing(lease.connect(self.cache_url)) as client:
            client.delete(key)

    def keys(self) -> set[bytes]:
        """What is in the database that it had leased."""
        with closing(lease.connect(self.cache_url)) as client:
            return set(client.scan_iter())

    def die(self) -> None:
        """End without any clean-up."""
        for end in self._ends:
            end()

    @property
    def schema(self) -> str:
        return f"{self.run.prefix}w0"

    def left(self) -> set[str]:
        """What of it is in the stores."""
        url, key = self.settings.qdrant_url or "", None
        found = {"schema" for each in schema.ours(self.settings.database_url or "") if each.run == self.run}
        found |= {"lease" for each in lease.leases(self.settings.redis_url or "") if each.run == self.run}
        found |= {"beacon" for each in beacon.lit(url, key) if each.run == self.run}
        listed = httpx.get(f"{url}/collections", trust_env=False).json()["result"]["collections"]
        return found | {"collection" for each in listed if each["name"] == f"{self.run.prefix}s001_handbook"}

    def signs(self) -> dict[str, str]:
        """Its last beat in each store."""
        found: list[schema.OwnSchema | lease.OwnLease | beacon.Lit] = [
            *schema.ours(self.settings.database_url or ""),
            *lease.leases(self.settings.redis_url or ""),
            *beacon.lit(self.settings.qdrant_url or "", None),
        ]
        return {each.sign.beat.split()[0]: each.sign.beat for each in found if each.run == self.run}


def remove(run: AnotherRun) -> None:
    """Everything of the run, alive or not."""
    settings = run.settings
    schema.drop(settings.database_url or "", run.schema)
    for found in lease.leases(settings.redis_url or ""):
        if found.run == run.run:
            lease.give_back(lease.with_index(settings.redis_url or "", found.index), run.run)
    beacon.remove(settings.qdrant_url or "", None, run.run)
    assert run.left() == set()
