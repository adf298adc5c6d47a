"""The vector store as the suite sees it: collections and points, read around the gateway."""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import numpy as np
from numpy.typing import NDArray
from qdrant_client import QdrantClient, models
from qdrant_client.common.client_exceptions import QdrantException
from qdrant_client.http.exceptions import ApiException, UnexpectedResponse

from support.drivers.errors import NoSuchCollection, StoreUnreachable
from support.reporting.journal import Journal

STORE = "qdrant"
PAGE = 500

PointId = UUID | int


@dataclass(frozen=True, slots=True)
class Point:
    """One point of Qdrant. ``vector`` is float32 as stored, None if not asked for or not the unnamed one."""

    collection: str
    id: PointId
    vector: NDArray[np.float32] | None = field(repr=False)
    payload: Mapping[str, Any]

    @property
    def mark(self) -> Mapping[str, Any]:
        """What the platform notes about the point: id, version, content_hash, vector_checksum, model."""
        noted = self.payload.get("citadel")
        return noted if isinstance(noted, Mapping) else {}

    @property
    def external_id(self) -> str | None:
        """The client's id."""
        return self.mark.get("id")

    @property
    def version(self) -> int | None:
        """The version of the item that was written."""
        return self.mark.get("version")

    @property
    def text(self) -> str | None:
        """The text as received, None for an item given as a vector."""
        return self.payload.get("text")

    @property
    def metadata(self) -> Any:
        """The metadata that filters run on."""
        return self.payload.get("metadata")


@dataclass(frozen=True, slots=True)
class VectorCollection:
    """How Qdrant keeps a collection: ``size`` and ``distance`` (Cosine, Dot, Euclid) of its unnamed vector.

    Both are None when the collection has named vectors instead.
    """

    name: str
    size: int | None
    distance: str | None


class VectorStore:
    """Qdrant through its official client over REST.

    A call waits at most ``timeout_s`` (whole seconds) for each answer and raises ``StoreUnreachable`` when
    there is no usable one, ``NoSuchCollection`` when the collection is unknown. Nothing is retried.
    """

    def __init__(self, url: str, api_key: str | None, journal: Journal, timeout_s: int = 3) -> None:
        self._journal = journal
        journal.secrets.add(api_key, "the vector store's key")
        with warnings.catch_warnings():
            # The client warns of a key on plain HTTP; that is for the owner of the URL to judge.
            warnings.filterwarnings("ignore", "Api key is used with an insecure connection")
            self._client = QdrantClient(
                url=url,
                api_key=api_key,
                timeout=timeout_s,
                prefer_grpc=False,
                check_compatibility=False,
                trust_env=False,
            )

    @contextmanager
    def _call(self, what: str) -> Iterator[QdrantClient]:
        with self._journal.call(STORE, what):
            try:
                yield self._client
            except UnexpectedResponse as error:
                reason = f"{what}: status {error.status_code}: {error.content.decode(errors='replace')[:200]}"
                kind = NoSuchCollection if error.status_code == 404 else StoreUnreachable
                raise kind(STORE, self._journal.secrets.redact(reason)) from error
            except (ApiException, QdrantException, json.JSONDecodeError) as error:
                reason = f"{what}: {type(error).__name__}: {error}"
                raise StoreUnreachable(STORE, self._journal.secrets.redact(reason)) from error

    def collections(self, *prefixes: str) -> list[str]:
        """Names that start with one of ``prefixes`` (all without any), sorted."""
        with self._call("collections") as client:
            names = [item.name for item in client.get_collections().collections]
        return sorted(name for name in names if name.startswith(prefixes or ("",)))

    def exists(self, collection: str) -> bool:
        """Whether Qdrant knows the collection."""
        with self._call(f"exists {collection}") as client:
            return client.collection_exists(collection)

    def info(self, collection: str) -> VectorCollection:
        """Size and distance of the collection's unnamed vector."""
        with self._call(f"info {collection}") as client:
            vectors = client.get_collection(collection).config.params.vectors
        if not isinstance(vectors, models.VectorParams):
            return VectorCollection(collection, None, None)
        return VectorCollection(collection, vectors.size, vectors.distance.value)

    def count(self, collection: str) -> int:
        """The exact number of points."""
        with self._call(f"count {collection}") as client:
            return client.count(collection, exact=True).count

    def points(self, collection: str, *, with_vectors: bool = True, page: int = PAGE) -> Iterator[Point]:
        """All points in Qdrant's order: numbers first, then UUIDs by their bytes."""
        offset: Any = None
        while True:
            with self._call(f"scroll {collection}") as client:
                records, offset = client.scroll(
                    collection, limit=page, offset=offset, with_payload=True, with_vectors=with_vectors
                )
            yield from (_point(collection, record) for record in records)
            if offset is None:
                return

    def points_by_id(
        self, collection: str, ids: Sequence[PointId], *, with_vectors: bool = True
    ) -> dict[PointId, Point]:
        """Points by id; unknown ids are left out."""
        with self._call(f"{len(ids)} points of {collection} by id") as client:
            records = client.retrieve(
                collection, [_wire(each) for each in ids], with_payload=True, with_vectors=with_vectors
            )
        found = [_point(collection, record) for record in records]
        return {point.id: point for point in found}

    def point(self, collection: str, point_id: PointId) -> Point | None:
        """One point with its vector, or None."""
        return self.points_by_id(collection, [point_id]).get(point_id)

    def version(self) -> str:
        """Such as ``1.20.0``."""
        with self._call("version") as client:
            return str(client.info().version)

    # -- writes: clean-up, and what the suite's own proofs plant

    def create_collection(self, collection: str, size: int, distance: str = "Cosine") -> None:
        """Make a collection with one unnamed vector; ``distance`` is Cosine, Dot or Euclid."""
        with self._call(f"create {collection}") as client:
            client.create_collection(
                collection, models.VectorParams(size=size, distance=models.Distance(distance))
            )

    def delete_collection(self, collection: str) -> bool:
        """Remove a collection; False if there was none."""
        with self._call(f"delete {collection}") as client:
            return client.delete_collection(collection)

    def upsert_raw(self, collection: str, points: Sequence[Point]) -> None:
        """Write points as they are, around the platform; applied when this returns."""
        structs = [
            models.PointStruct(
                id=_wire(point.id),
                vector=[] if point.vector is None else point.vector.tolist(),
                payload=dict(point.payload),
            )
            for point in points
        ]
        with self._call(f"upsert {len(points)} points into {collection}") as client:
            client.upsert(collection, structs, wait=True)

    def delete_points(self, collection: str, ids: Sequence[PointId]) -> None:
        """Remove points around the platform; applied when this returns."""
        selector = models.PointIdsList(points=[_wire(each) for each in ids])
        with self._call(f"delete {len(ids)} points of {collection}") as client:
            client.delete(collection, selector, wait=True)

    def close(self) -> None:
        """Close the connections."""
        self._client.close()


def _wire(point_id: PointId) -> int | str:
    return point_id if isinstance(point_id, int) else str(point_id)


def _point(collection: str, record: models.Record) -> Point:
    vector = np.asarray(record.vector, np.float32) if isinstance(record.vector, list) else None
    point_id = record.id if isinstance(record.id, int) else UUID(str(record.id))
    return Point(collection, point_id, vector, record.payload or {})
