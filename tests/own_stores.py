"""Real stores for the tests of drivers and auditor, a writer that keeps the protocol, a breakable link."""

from __future__ import annotations

import hashlib
import json
import select
import socket
import threading
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit
from uuid import UUID, uuid4, uuid5

import numpy as np
from numpy.typing import NDArray

from support.audit import Stores
from support.audit.content import canonical, checksum
from support.drivers.journal import Journal
from support.drivers.postgres import MetadataStore
from support.drivers.qdrant import Point, VectorStore
from support.drivers.redis import CacheStore
from support.isolation import lease, run_directories, schema
from support.isolation.names import Run
from support.lifecycle.deadman import DeadMan
from support.redaction import Secrets
from support.stack import servers
from support.stack.ports import free_ports
from support.stack.process import ServiceProcess
from support.stack.servers import Workshop

# Every character that ends or changes something in an address; and the same as an address quotes it.
ODD_PASSWORD = "p/a?s#s@w:o%r d'\""
ODD_PASSWORD_QUOTED = "p%2Fa%3Fs%23s%40w%3Ao%25r%20d%27%22"
SIZE = 8
MODEL = "all-MiniLM-L6-v2"
SCHEMA = "platform"
DISTANCES = {"cosine": "Cosine", "dot": "Dot", "euclidean": "Euclid"}


@dataclass(frozen=True, slots=True)
class Endpoints:
    """Where the stores of the tests are."""

    database_url: str
    schema: str
    redis_url: str
    qdrant_url: str


def directory_of(run: Run, closing: ExitStack) -> Path:
    """A directory of the run's, gone when ``closing`` ends.

    Not pytest's temp directory: PostgreSQL may run as another account, which must pass through.
    """
    directory = run_directories.new_name(run, "tests")
    closing.callback(run_directories.remove, directory)
    run_directories.make(directory)
    return directory


@contextmanager
def workshop_of(run: Run) -> Iterator[tuple[Workshop, ExitStack]]:
    """A place to start servers in, and what ends them; both are gone afterwards, also after a crash."""
    with ExitStack() as closing:
        directory = directory_of(run, closing)
        deadman = DeadMan.start(directory / "deadman.log")
        closing.callback(deadman.disarm)
        deadman.remove_directory(directory)
        yield Workshop(directory, directory / "logs", deadman), closing


@contextmanager
def started() -> Iterator[Endpoints]:
    """PostgreSQL with the platform's tables, Valkey and a Qdrant node, for one test module."""
    run = Run.current()
    with workshop_of(run) as (workshop, closing):
        postgres_port, valkey_port, node_port = free_ports(3)

        def start_postgres() -> str:
            made = servers.postgres(workshop, postgres_port)
            start(made.service)
            schema.create(made.suite_url, SCHEMA, run)
            return made.suite_url

        def start(service: ServiceProcess) -> None:
            closing.callback(service.stop)
            service.start()

        valkey = servers.valkey(workshop, valkey_port)
        with ThreadPoolExecutor(3) as pool:
            database_url = pool.submit(start_postgres)
            others = [pool.submit(start, each) for each in (valkey.service, node(workshop, node_port))]
            for other in others:
                other.result()
        yield Endpoints(database_url.result(), SCHEMA, valkey.url, f"http://{servers.LOOPBACK}:{node_port}")


def node(workshop: Workshop, port: int, key: str = "") -> ServiceProcess:
    """The suite's Qdrant node, not yet started; open to everybody without a ``key``."""
    return servers.python_service(
        workshop,
        "qdrant",
        "support.stack.qdrant_node",
        ["--data", str(workshop.directory("qdrant")), "--port", str(port)],
        port=port,
        ready=servers.answers(f"http://{servers.LOOPBACK}:{port}/", {}),
        environment={"QDRANT_NODE_API_KEY": key},
    )


def add_odd_users(database_url: str, redis_url: str) -> None:
    """A user ``odd`` with ``ODD_PASSWORD`` in both, a database of that name, and the rights a run needs."""
    connection = schema.connect(database_url)
    with connection.cursor() as cursor:
        cursor.execute("CREATE ROLE odd LOGIN SUPERUSER PASSWORD %s", (ODD_PASSWORD,))
        cursor.execute("CREATE DATABASE odd OWNER odd")
    connection.close()
    client = lease.connect(redis_url)
    rights = f"~{lease.PLATFORM_KEYS} ~{lease.LEASE_KEY} +@all -@admin -@dangerous +info".split()
    client.execute_command("ACL", "SETUSER", "odd", "on", f">{ODD_PASSWORD}", *rights)  # type: ignore[no-untyped-call]
    client.close()


def free_port() -> int:
    """A loopback port that was free a moment ago."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def open_stores(at: Endpoints, journal: Journal | None = None) -> Stores:
    """Drivers of their own connections."""
    journal = journal or Journal(Secrets())
    return Stores(
        MetadataStore(at.database_url, at.schema, journal),
        VectorStore(at.qdrant_url, None, journal),
        CacheStore(at.redis_url, journal),
    )


def close(stores: Stores) -> None:
    """Close what ``open_stores`` opened."""
    stores.metadata.close()
    stores.vectors.close()
    if stores.cache is not None:
        stores.cache.close()


def embedded(text: str, model: str = MODEL, size: int = SIZE) -> NDArray[np.float32]:
    """A unit vector that stands for the embedding of ``text``: the same for the same text and model."""
    seed = int.from_bytes(hashlib.sha256(f"{model}\0{text}".encode()).digest()[:8], "big")
    vector = np.random.default_rng(seed).normal(size=size)
    return (vector / np.linalg.norm(vector)).astype(np.float32)


@dataclass(slots=True)
class Writer:
    """A client of both stores that keeps the platform's order: PostgreSQL, Qdrant, PostgreSQL."""

    stores: Stores
    collection: str
    model: str | None = MODEL
    distance: str = "cosine"
    collection_id: UUID = field(default_factory=uuid4)
    made: list[str] = field(default_factory=list)

    def create(self) -> Writer:
        """Make the collection in both stores."""
        self.stores.metadata.execute(
            "INSERT INTO collections (collection_id, name, vector_size, distance, model, status)"
            " VALUES (%s, %s, %s, %s, %s, 'active')",
            (self.collection_id, self.collection, SIZE, self.distance, self.model),
        )
        self.stores.vectors.create_collection(self.collection, SIZE, DISTANCES[self.distance])
        return self

    def remove(self) -> None:
        """Remove every trace."""
        metadata = self.stores.metadata
        metadata.execute("DELETE FROM outbox WHERE collection_id = %s", (self.collection_id,))
        metadata.execute("DELETE FROM collections WHERE collection_id = %s", (self.collection_id,))
        self.stores.vectors.delete_collection(self.collection)

    def point_id(self, item: str) -> UUID:
        """The point id of a client's id."""
        return uuid5(self.collection_id, item)

    def put(self, items: Sequence[str], version: int = 1, metadata: Mapping[str, Any] | None = None) -> None:
        """Write items of a version, as one request would."""
        self.begin(items, version, metadata)
        self.upsert(items, version, metadata)
        self.finish(items, version, metadata)

    def text(self, item: str, version: int) -> str:
        """The text that a version of an item has."""
        return f"{item} in version {version}"

    def begin(self, items: Sequence[str], version: int, metadata: Mapping[str, Any] | None = None) -> None:
        """Phase A: pending rows for new items, and events."""
        self._rows(items, version, metadata, "pending", "ON CONFLICT DO NOTHING")
        self.events(items, version)

    def events(self, items: Sequence[str], version: int, operation: str = "point_upsert") -> None:
        """Open one event for each item."""
        self.stores.metadata.execute(
            "INSERT INTO outbox (collection_id, point_id, operation, version)"
            " SELECT %s, p, %s, %s FROM unnest(%s::uuid[]) p",
            (self.collection_id, operation, version, [self.point_id(item) for item in items]),
        )

    def upsert(self, items: Sequence[str], version: int, metadata: Mapping[str, Any] | None = None) -> None:
        """Qdrant's part of a write."""
        self.stores.vectors.upsert_raw(
            self.collection, [self.point(item, version, metadata) for item in items]
        )

    def finish(self, items: Sequence[str], version: int, metadata: Mapping[str, Any] | None = None) -> None:
        """Phase B in PostgreSQL: rows, generation and events, in one statement."""
        self._rows(items, version, metadata, "stored", _STORED)

    def delete(self, item: str, version: int) -> None:
        """Delete an item, as one request would."""
        metadata, place = self.stores.metadata, (self.collection_id, self.point_id(item))
        metadata.execute(
            "WITH event AS (INSERT INTO outbox (collection_id, point_id, operation, version)"
            " VALUES (%s, %s, 'point_delete', %s))"
            " UPDATE vector_metadata SET status = 'deleting' WHERE collection_id = %s AND point_id = %s",
            (*place, version, *place),
        )
        self.stores.vectors.delete_points(self.collection, [self.point_id(item)])
        metadata.execute(
            "WITH gone AS (DELETE FROM vector_metadata WHERE collection_id = %s AND point_id = %s),"
            " fence AS (UPDATE collections SET generation = generation + 1 WHERE collection_id = %s)"
            " UPDATE outbox SET done_at = now() WHERE collection_id = %s AND point_id = %s",
            (*place, self.collection_id, *place),
        )

    def point(
        self,
        item: str,
        version: int,
        metadata: Mapping[str, Any] | None = None,
        *,
        vector: NDArray[np.float32] | None = None,
        model: str | None = None,
    ) -> Point:
        """The point of an item's version, perhaps with another vector or model."""
        text = self.text(item, version)
        vector = embedded(text, self.model or "") if vector is None else vector
        mark = {
            "id": item,
            "version": version,
            "content_hash": hashlib.sha256(text.encode()).hexdigest(),
            "vector_checksum": checksum(vector),
            "model": model or self.model,
        }
        payload = {"text": text, "metadata": dict(metadata or {}), "citadel": mark}
        return Point(self.collection, self.point_id(item), vector, payload)

    def _rows(
        self,
        items: Sequence[str],
        version: int,
        metadata: Mapping[str, Any] | None,
        status: str,
        conflict: str,
    ) -> None:
        told = dict(metadata or {})
        texts = [self.text(item, version) for item in items]
        self.stores.metadata.execute(
            "WITH fence AS (UPDATE collections SET generation = generation + %s WHERE collection_id = %s"
            " RETURNING generation), done AS (UPDATE outbox SET done_at = now() WHERE %s = 'stored'"
            " AND collection_id = %s AND point_id = ANY(%s::uuid[]) AND version <= %s AND done_at IS NULL)"
            " INSERT INTO vector_metadata AS v (collection_id, point_id, external_id, source, text_content,"
            " metadata, model, dimensions, content_hash, metadata_hash, vector_checksum, status, version,"
            " stored_generation)"
            " SELECT %s, p, e, 'text', t, %s::jsonb, %s, %s, sha256(convert_to(t, 'UTF8')), %s, c, %s, %s,"
            " generation FROM fence, unnest(%s::uuid[], %s::text[], %s::text[], %s::bytea[]) AS w(p, e, t, c)"
            f" {conflict}",
            (
                int(status == "stored"), self.collection_id, status, self.collection_id,
                [self.point_id(item) for item in items], version, self.collection_id, json.dumps(told),
                self.model, SIZE, hashlib.sha256(canonical(told)).digest(), status, version,
                [self.point_id(item) for item in items], list(items), texts,
                [bytes.fromhex(checksum(embedded(text, self.model or ""))) for text in texts],
            ),
        )  # fmt: skip


_STORED = """ON CONFLICT (collection_id, point_id) DO UPDATE SET text_content = excluded.text_content,
 metadata = excluded.metadata, content_hash = excluded.content_hash, metadata_hash = excluded.metadata_hash,
 vector_checksum = excluded.vector_checksum, status = 'stored', version = excluded.version,
 stored_generation = excluded.stored_generation, updated_at = now()"""


class Link:
    """A loopback TCP link to a server that can freeze (nothing passes any more) or be cut."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._target = (parts.hostname or "127.0.0.1", parts.port or 0)
        self._listener = socket.create_server(("127.0.0.1", 0))
        port = self._listener.getsockname()[1]
        login = f"{parts.netloc.rpartition('@')[0]}@" if "@" in parts.netloc else ""
        self.url = urlunsplit(parts._replace(netloc=f"{login}127.0.0.1:{port}"))
        self._passing = threading.Event()
        self._passing.set()
        self._open = True
        self._sockets: list[socket.socket] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def freeze(self) -> None:
        """Let nothing pass; connections stay open."""
        self._passing.clear()

    def cut(self) -> None:
        """End all connections and refuse new ones."""
        self._open = False
        for each in [self._listener, *self._sockets]:
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()

    def _accept(self) -> None:
        while self._open:
            try:
                near, _address = self._listener.accept()
                far = socket.create_connection(self._target, timeout=2)
            except OSError:
                return
            self._sockets += [near, far]
            threading.Thread(target=self._carry, args=(near, far), daemon=True).start()

    def _carry(self, near: socket.socket, far: socket.socket) -> None:
        with suppress(OSError, ValueError):
            while self._open:
                ready, _, _ = select.select([near, far], [], [], 0.2)
                for source in ready if self._passing.is_set() else []:
                    data = source.recv(65536)
                    if not data:
                        near.close()
                        far.close()
                        return
                    (far if source is near else near).sendall(data)
