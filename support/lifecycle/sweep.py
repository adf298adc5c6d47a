"""Removes what dead runs left behind; live runs are left alone."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import httpx
import psycopg2
import redis

from support.faults import orphaned_faults
from support.isolation import beacon, heartbeat, lease, processes, run_directories, schema
from support.isolation.heartbeat import Sign
from support.isolation.names import Run
from support.settings import Mode, Settings
from support.waiting import NotYet

STORE_ERRORS = (psycopg2.Error, redis.RedisError, httpx.HTTPError)


@dataclass(frozen=True, slots=True)
class Thing:
    """Something of a run in a store that others use too."""

    kind: str
    name: str
    run: Run
    sign: Sign
    kept: bool


def leftovers(settings: Settings, *, also_kept: bool) -> list[tuple[str, str]]:
    """``(kind, name)`` of everything of dead runs; what was kept on purpose only if ``also_kept``.

    What was kept on another machine is never among it: only there one knows whether it is still wanted.
    """
    directories = list(run_directories.directories())
    abandoned = [(path, run) for path, run in directories if run_directories.abandoned(path)]
    kept_here = {run.id for path, run in directories if run_directories.is_kept(path)}
    spared = set() if also_kept else run_directories.marks(kept_only=True)
    found = [
        ("process", f"{each.pid} ({each.name()})")
        for each, mark in processes.left_by_the_dead(run_directories.marks())
        if mark not in spared
    ]
    found += [("run directory", str(path)) for path, run in abandoned if also_kept or run.id not in kept_here]
    found += [("fault", str(file)) for file in orphaned_faults.of_the_dead(orphaned_faults.FOLDER)]
    if settings.mode is Mode.DEPLOYED:
        return found
    things = _things(settings)
    # The lock on its directory says of a run of this machine at once what its heartbeat says later.
    alive = {run.id for path, run in directories} - {run.id for path, run in abandoned}
    dead = {run.id for path, run in abandoned if run_directories.proves_death(path)}
    unknown = {thing.run.id for thing in things} - alive - dead
    if unknown:
        dead |= heartbeat.stopped(_signs(things, unknown), lambda: _signs(_things(settings), unknown))
    return found + [
        (thing.kind, thing.name)
        for thing in things
        if thing.run.id in dead and (also_kept if thing.run.id in kept_here else not thing.kept)
    ]


def end_processes(*, also_kept: bool = False, owner: processes.Identity | None = None) -> list[str]:
    """End what dead runs have left running on this machine, or one process of them; a line about it."""
    spared = set() if also_kept else run_directories.marks(kept_only=True)
    try:
        ended = processes.end_what_dead_runs_left(run_directories.marks(), spared, owner)
    except NotYet as error:
        return [f"processes of dead runs do not end: {error}"]
    return [f"ended {len(ended)} processes of dead runs"] if ended else []


def sweep(settings: Settings, *, also_kept: bool = False) -> list[str]:
    """Remove the leftovers of dead runs; returns a line for each thing removed, or why it could not be."""
    # First of all, so that nobody writes into what is removed next; what cleans up may do so.
    lines = end_processes(also_kept=also_kept)
    for kind, name in leftovers(settings, also_kept=also_kept):
        try:
            lines += _remove(settings, kind, name)
        except STORE_ERRORS as error:
            reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
            lines.append(
                settings.secrets().redact(f"{kind} {name} of a dead run could not be removed: {reason}")
            )
    return lines


def _remove(settings: Settings, kind: str, name: str) -> list[str]:
    if kind == "process":
        return []  # it has just come or does not end, which was told
    if kind == "run directory":
        with run_directories.seized(Path(name)) as ours:
            if not ours:
                return []  # another sweep was faster
            run_directories.remove(Path(name))
        return [f"removed the run directory {name}"]
    if kind == "fault":
        return orphaned_faults.end(Path(name))
    if kind == "schema":
        dropped = schema.drop(settings.database_url or "", name)
        return [f"dropped the schema {name} of a dead run"] if dropped else []
    if kind == "Redis database":
        index, _, run = name.partition(" of run ")
        given = lease.give_back(lease.with_index(settings.redis_url or "", int(index)), Run(run))
        return [f"gave back Redis database {index} of a dead run ({run})"] if given else []
    deleted = beacon.remove(settings.qdrant_url or "", settings.qdrant_api_key, Run(name))
    return [f"deleted the collection {each} of a dead run" for each in deleted]


def _things(settings: Settings) -> list[Thing]:
    """Everything of the suite in the stores that the settings name."""
    found = []
    if settings.database_url:
        found += [
            Thing("schema", each.name, each.run, each.sign, each.kept)
            for each in schema.ours(settings.database_url)
        ]
    if settings.redis_url:
        found += [
            Thing("Redis database", f"{each.index} of run {each.run.id}", each.run, each.sign, each.kept)
            for each in lease.leases(settings.redis_url)
        ]
    if settings.qdrant_url:
        found += [
            Thing("collections of run", each.run.id, each.run, each.sign, each.kept)
            for each in beacon.lit(settings.qdrant_url, settings.qdrant_api_key)
        ]
    return found


def _signs(things: Iterable[Thing], runs: set[str]) -> dict[str, list[Sign]]:
    signs = defaultdict(list)
    for thing in things:
        if thing.run.id in runs:
            signs[thing.run.id].append(thing.sign)
    return signs
