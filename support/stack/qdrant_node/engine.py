"""The collections of a data directory: one qdrant-edge shard each, and the list of them in ``meta.json``.

``meta.json`` is the truth: a collection is written there after its shard exists and removed before its shard
is deleted; a shard directory that it does not name is left over from a crash and removed at the next start.

Durability: every update is in the shard's write-ahead log when it is acknowledged and survives the death of
the process. ``flush`` also makes it survive a loss of power, and keeps the replay at the next start short.
"""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from uuid import uuid4

import orjson
import qdrant_edge as edge

from support.stack.qdrant_node.errors import ApiError, from_engine, internal, not_found
from support.stack.qdrant_node.validation import DISTANCES, Json, PointId

META_FORMAT = 1


class DataDirectoryUnusable(Exception):
    """The node cannot start on this directory; the message says why."""


@contextmanager
def engine_errors() -> Iterator[None]:
    """Turn what the engine raises, panics included, into an ``ApiError``."""
    try:
        yield
    except (ApiError, KeyboardInterrupt, SystemExit, GeneratorExit):
        raise
    except BaseException as error:
        raise from_engine(error) from error


@dataclass(slots=True)
class Collection:
    """One collection. ``shard`` is None when its files cannot be loaded; ``failure`` says why."""

    name: str
    directory: str
    config: Json
    shard: edge.EdgeShard | None
    failure: str = ""
    dirty: bool = False
    operations: int = 0

    @property
    def open_shard(self) -> edge.EdgeShard:
        """The shard, or an answer 500."""
        if self.shard is None:
            raise internal(f"collection {self.name} cannot be loaded: {self.failure}")
        return self.shard

    @property
    def size(self) -> int:
        """Components of its vectors."""
        return int(self.config["params"]["vectors"]["size"])

    def update(self, operation: edge.UpdateOperation) -> int:
        """Apply a checked operation; its number. Visible and in the write-ahead log on return."""
        self.open_shard.update(operation)
        self.dirty = True
        self.operations += 1
        return self.operations

    def require_points(self, ids: list[PointId]) -> None:
        """Answer 404 unless all the points exist."""
        found = {record.id for record in self.open_shard.retrieve(list(ids), False, False)}
        for each in ids:
            if each not in found:
                raise not_found(f"No point with id {each} found")

    def flush(self) -> None:
        """Write everything to disk."""
        if self.shard is not None and self.dirty:
            self.shard.flush()
            self.dirty = False


class Catalogue:
    """All collections of ``directory``, which it holds locked until ``close``."""

    def __init__(self, directory: Path, log: Callable[..., None]) -> None:
        self._directory = directory
        self._meta = directory / "meta.json"
        self._shards = directory / "collections"
        self._log = log
        try:
            self._shards.mkdir(parents=True, exist_ok=True)
            self._lock = os.open(directory / ".lock", os.O_RDWR | os.O_CREAT, 0o600)
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            listed = orjson.loads(self._meta.read_bytes())["collections"] if self._meta.exists() else {}
        except BlockingIOError as error:
            raise DataDirectoryUnusable(f"another process uses {directory}") from error
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise DataDirectoryUnusable(f"{directory}: {type(error).__name__}: {error}") from error
        self._collections = {name: self._load(name, **entry) for name, entry in listed.items()}
        for leftover in {path.name for path in self._shards.iterdir()} - {
            each.directory for each in self._collections.values()
        }:
            shutil.rmtree(self._shards / leftover)

    def _load(self, name: str, directory: str, config: Json) -> Collection:
        try:
            with engine_errors():
                return Collection(name, directory, config, edge.EdgeShard.load(str(self._shards / directory)))
        except ApiError as error:
            self._log("ERROR", "collection cannot be loaded", collection=name, error=error.message)
            return Collection(name, directory, config, None, error.message)

    def names(self) -> list[str]:
        """Names of all collections."""
        return list(self._collections)

    def all(self) -> list[Collection]:
        """All collections, unloadable ones included."""
        return list(self._collections.values())

    def exists(self, name: str) -> bool:
        """Whether there is such a collection, loadable or not."""
        return name in self._collections

    def get(self, name: str) -> Collection:
        """A collection that can be used; 404 or 500 otherwise."""
        if name not in self._collections:
            raise not_found(f"Collection `{name}` doesn't exist!")
        collection = self._collections[name]
        _ = collection.open_shard
        return collection

    def create(self, name: str, config: Json) -> None:
        """Create a collection of ``config["params"]["vectors"]`` (size and distance); 409 if there is one."""
        if name in self._collections:
            raise ApiError(409, f"Wrong input: Collection `{name}` already exists!")
        directory = uuid4().hex
        vectors = config["params"]["vectors"]
        with engine_errors():
            shard = edge.EdgeShard.create(
                str(self._shards / directory),
                edge.EdgeConfig(
                    vectors={"": edge.EdgeVectorParams(vectors["size"], DISTANCES[vectors["distance"]])},
                    # One thread is faster than several here, and each collection has its own.
                    max_search_threads=1,
                    wal_enabled=True,
                ),
            )
        self._save(self._collections | {name: Collection(name, directory, config, shard)})

    def change(self, name: str, changes: Json) -> None:
        """Merge ``changes`` into the configuration that is shown; the engine keeps its own."""
        collection = self.get(name)
        merged = {part: collection.config.get(part, {}) | values for part, values in changes.items()}
        self._save(self._collections | {name: replace(collection, config=collection.config | merged)})

    def delete(self, name: str) -> bool:
        """Remove a collection, also one that cannot be loaded; False if there is none."""
        collection = self._collections.get(name)
        if collection is None:
            return False
        self._save({key: other for key, other in self._collections.items() if key != name})
        if collection.shard is not None:
            with engine_errors():
                collection.shard.close()
        shutil.rmtree(self._shards / collection.directory, ignore_errors=True)
        return True

    def flush(self) -> None:
        """Write all collections to disk; a failure of one is logged."""
        for collection in self._collections.values():
            try:
                with engine_errors():
                    collection.flush()
            except ApiError as error:
                self._log("ERROR", "flush failed", collection=collection.name, error=error.message)

    def close(self) -> None:
        """Flush and close everything, free the directory."""
        self.flush()
        for collection in self._collections.values():
            if collection.shard is not None:
                collection.shard.close()
        os.close(self._lock)

    def _save(self, collections: dict[str, Collection]) -> None:
        """Make these the collections, in ``meta.json`` first: a crash leaves the old or the new ones."""
        content: dict[str, Any] = {
            "format": META_FORMAT,
            "collections": {
                each.name: {"directory": each.directory, "config": each.config}
                for each in collections.values()
            },
        }
        fresh = self._meta.with_suffix(".tmp")
        with fresh.open("wb") as file:
            file.write(orjson.dumps(content))
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(self._meta)
        directory = os.open(self._directory, os.O_RDONLY)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)
        self._collections = collections
