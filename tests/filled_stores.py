"""Many consistent items at once, written into both stores by their bulk ways: what audits are measured on."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.client import HTTPConnection
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID, uuid4, uuid5

import asyncpg
import numpy as np
import orjson
from numpy.typing import NDArray

from support.audit.content import canonical, sha256
from tests.own_stores import MODEL, Endpoints

BATCH = 1000
COLUMNS = (
    "collection_id", "point_id", "external_id", "source", "text_content", "metadata", "model", "dimensions",
    "content_hash", "metadata_hash", "vector_checksum", "status", "version", "stored_generation",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Filled:
    """A collection of ``points`` items with vectors of ``size`` numbers, the same in both stores."""

    at: Endpoints
    name: str
    points: int
    size: int
    collection_id: UUID = field(default_factory=uuid4)

    def create(self) -> Filled:
        """Write it all."""
        _ask(
            self.at,
            "PUT",
            f"/collections/{self.name}",
            {"vectors": {"size": self.size, "distance": "Cosine"}},
        )
        asyncio.run(self._write())
        return self

    def remove(self) -> None:
        """Remove it from both stores."""
        _ask(self.at, "DELETE", f"/collections/{self.name}", None)
        asyncio.run(self._execute("DELETE FROM collections WHERE collection_id = $1", self.collection_id))

    async def _execute(self, statement: str, *values: object) -> None:
        connection = await self._connect()
        try:
            await connection.execute(statement, *values)
        finally:
            await connection.close()

    async def _connect(self) -> Any:
        return await asyncpg.connect(self.at.database_url, server_settings={"search_path": self.at.schema})

    async def _write(self) -> None:
        connection = await self._connect()
        try:
            await connection.execute(
                "INSERT INTO collections (collection_id, name, vector_size, distance, model, status)"
                " VALUES ($1, $2, $3, 'cosine', $4, 'active')",
                self.collection_id, self.name, self.size, MODEL,
            )  # fmt: skip
            for records, points in self._batches():
                _ask(self.at, "PUT", f"/collections/{self.name}/points?wait=true", {"points": points})
                await connection.copy_records_to_table("vector_metadata", records=records, columns=COLUMNS)
            await connection.execute("ANALYZE vector_metadata")
        finally:
            await connection.close()

    def _batches(self) -> Iterator[tuple[list[tuple[Any, ...]], list[dict[str, Any]]]]:
        generator = np.random.default_rng(self.points)
        for start in range(0, self.points, BATCH):
            numbers = range(start, min(start + BATCH, self.points))
            vectors = _unit(generator.normal(size=(len(numbers), self.size)))
            pairs = [self._item(number, vector) for number, vector in zip(numbers, vectors, strict=True)]
            yield [record for record, _point in pairs], [point for _record, point in pairs]

    def _item(self, number: int, vector: NDArray[np.float32]) -> tuple[tuple[Any, ...], dict[str, Any]]:
        item, text = (
            f"doc-{number}",
            f"What the handbook says in its passage {number}, in about sixty letters",
        )
        metadata = {"page": number % 400, "section": f"chapter {number % 12}"}
        point_id, packed = uuid5(self.collection_id, item), canonical(metadata)
        of_text, of_vector = sha256(text.encode()), sha256(vector.tobytes())
        record = (
            self.collection_id, point_id, item, "text", text, json.dumps(metadata), MODEL, self.size,
            bytes.fromhex(of_text), hashlib.sha256(packed).digest(), bytes.fromhex(of_vector), "stored", 1, 1,
        )  # fmt: skip
        mark = {
            "id": item, "version": 1, "content_hash": of_text, "vector_checksum": of_vector, "model": MODEL,
        }  # fmt: skip
        payload = {"text": text, "metadata": metadata, "citadel": mark}
        return record, {"id": str(point_id), "vector": vector, "payload": payload}


def _unit(rows: NDArray[np.float64]) -> NDArray[np.float32]:
    return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True), np.float32)


def _ask(at: Endpoints, method: str, path: str, body: object) -> None:
    place = urlsplit(at.qdrant_url)
    connection = HTTPConnection(place.hostname or "", place.port, timeout=30)
    try:
        sent = orjson.dumps(body, option=orjson.OPT_SERIALIZE_NUMPY) if body is not None else None
        connection.request(method, path, sent, {"content-type": "application/json"})
        answer = connection.getresponse()
        told = answer.read()
        assert answer.status == 200, f"{method} {path}: {answer.status} {told[:200]!r}"
    finally:
        connection.close()
