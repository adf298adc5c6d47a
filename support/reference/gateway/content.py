"""What identifies content: hashes, checksums, point ids and canonical JSON."""

from __future__ import annotations

import base64
import hashlib
import json
import math
import uuid
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from support.reference.gateway.problems import invalid

Vector = NDArray[np.float32]

SMALLEST_NORM = 1e-6
"""Below this a cosine vector has no direction."""


def point_id(collection_id: uuid.UUID, external_id: str) -> uuid.UUID:
    """The Qdrant id of a client's id: UUIDv5 in the namespace of the collection."""
    return uuid.uuid5(collection_id, external_id)


def stored_vector(values: Sequence[float], *, size: int, distance: str, pointer: str) -> Vector:
    """The float32 numbers as both stores keep them, or the 422 that says why not.

    Cosine vectors are normalised here (float64 norm, then float32), because the engine would otherwise
    normalise them itself and the stored bytes would differ from the checksummed ones.
    """
    if len(values) != size:
        message = f"expected {size} numbers but got {len(values)}"
        raise invalid(pointer, "dimension", message, problem="dimension-mismatch")
    exact = np.asarray(values, dtype=np.float64)
    if distance == "cosine":
        norm = math.sqrt(float(np.dot(exact, exact)))
        if norm < SMALLEST_NORM:
            raise invalid(pointer, "zero-vector", "the norm must be at least 1e-6", problem="zero-vector")
        exact = exact / norm
    return exact.astype(np.float32)


def vector_checksum(vector: Vector) -> bytes:
    """SHA-256 of the float32 little-endian bytes."""
    return hashlib.sha256(vector.astype("<f4").tobytes()).digest()


def content_hash(text: str) -> bytes:
    """SHA-256 of the text as received, in UTF-8."""
    return hashlib.sha256(text.encode()).digest()


def canonical(value: object) -> bytes:
    """Canonical JSON: sorted keys, no blanks, UTF-8, whole numbers without a fraction."""
    return json.dumps(_shortest(value), sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def _shortest(value: object) -> object:
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, dict):
        return {key: _shortest(member) for key, member in value.items()}
    if isinstance(value, list):
        return [_shortest(member) for member in value]
    return value


def metadata_hash(metadata: dict[str, object]) -> bytes:
    """SHA-256 of the canonical JSON of the metadata."""
    return hashlib.sha256(canonical(metadata)).digest()


def digest(value: object) -> str:
    """SHA-256 of canonical JSON, for cache keys."""
    return hashlib.sha256(canonical(value)).hexdigest()


def lock_key(*parts: object) -> int:
    """A PostgreSQL advisory lock number (signed 64 bits) for a name."""
    hashed = hashlib.sha256("\0".join(map(str, parts)).encode()).digest()
    return int.from_bytes(hashed[:8], "big", signed=True)


def packed(vector: Vector) -> str:
    """Base64 of the float32 little-endian bytes: exact, and a quarter of the size of JSON numbers."""
    return base64.b64encode(vector.astype("<f4").tobytes()).decode()


def unpacked(text: str) -> Vector:
    """The vector that `packed` wrote."""
    return np.frombuffer(base64.b64decode(text), dtype="<f4").astype(np.float32)
