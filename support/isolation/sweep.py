"""Removes what dead runs left behind; live runs are left alone."""

from __future__ import annotations

from pathlib import Path

import httpx

from support import addresses
from support.faults import unlifted
from support.isolation import kept, lease, processes, schema
from support.isolation.names import Run
from support.settings import Mode, Settings
from support.waiting import NotYet

TIMEOUT_S = 5.0


def leftovers(settings: Settings, *, also_kept: bool) -> list[tuple[str, str]]:
    """``(kind, name)`` of everything of dead runs; what was kept on purpose only if ``also_kept``."""
    spared = set() if also_kept else kept.marks(kept_only=True)
    found = [
        ("process", f"{each.pid} ({each.name()})")
        for each, mark in processes.left_by_the_dead(kept.marks())
        if mark not in spared
    ]
    found += [
        ("run directory", str(path))
        for path, run in kept.directories()
        if not run.alive() and (also_kept or not kept.is_kept(path))
    ]
    found += [("fault", str(file)) for file in unlifted.of_the_dead(unlifted.FOLDER)]
    if settings.mode is Mode.DEPLOYED:
        return found
    held: set[str] = (
        set() if also_kept else {run.id for path, run in kept.directories() if kept.is_kept(path)}
    )
    if settings.database_url:
        found += [
            ("schema", name)
            for name, run in schema.ours(settings.database_url)
            if not run.alive() and run.id not in held
        ]
    if settings.redis_url:
        found += [
            ("Redis database", str(index))
            for index, run_id in lease.abandoned(settings.redis_url)
            if run_id not in held
        ]
    if settings.qdrant_url:
        found += [
            ("collection", name)
            for name in _collections(settings)
            if (owner := Run.of(name)) is not None and not owner.alive() and owner.id not in held
        ]
    return found


def sweep(settings: Settings, *, also_kept: bool = False) -> list[str]:
    """Remove the leftovers of dead runs; returns a line for each thing removed."""
    # First of all, so that nobody writes into what is removed next; what cleans up may do so.
    lines = _end_processes(set() if also_kept else kept.marks(kept_only=True))
    for kind, name in leftovers(settings, also_kept=also_kept):
        if kind == "run directory":
            kept.remove(Path(name))
            lines.append(f"removed the run directory {name}")
        elif kind == "fault":
            lines += unlifted.lift(Path(name))
        elif kind == "schema" and schema.drop(settings.database_url or "", name):
            lines.append(f"dropped the schema {name} of a dead run")
        elif kind == "Redis database":
            client = lease.connect(lease.with_index(settings.redis_url or "", int(name)))
            lease.empty(client)
            client.close()
            lines.append(f"gave back Redis database {name} of a dead run")
        elif kind == "collection":
            _delete_collection(settings, name)
            lines.append(f"deleted the collection {name} of a dead run")
    return lines


def _end_processes(spared: set[processes.Mark]) -> list[str]:
    try:
        ended = processes.end_what_dead_runs_left(kept.marks(), spared)
    except NotYet as error:
        return [f"processes of dead runs do not end: {error}"]
    return [f"ended {len(ended)} processes of dead runs"] if ended else []


def _collections(settings: Settings) -> list[str]:
    answer = httpx.get(
        f"{settings.qdrant_url}/collections",
        headers=_key(settings),
        timeout=TIMEOUT_S,
        trust_env=False,
        verify=addresses.trusted(),
    )
    answer.raise_for_status()
    return [str(item["name"]) for item in answer.json()["result"]["collections"]]


def _delete_collection(settings: Settings, name: str) -> None:
    answer = httpx.delete(
        f"{settings.qdrant_url}/collections/{name}",
        headers=_key(settings),
        timeout=TIMEOUT_S,
        trust_env=False,
        verify=addresses.trusted(),
    )
    answer.raise_for_status()


def _key(settings: Settings) -> dict[str, str]:
    return {"api-key": settings.qdrant_api_key} if settings.qdrant_api_key else {}
