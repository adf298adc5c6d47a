"""Content as both stores must agree on it: canonical JSON, hashes, checksums, directions of vectors."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Numbers = Sequence[float] | NDArray[np.float32]

# Engines normalise cosine vectors to within about 1e-7; below 1e-6 a vector has no direction.
UNIT_TOLERANCE = 1e-3
SMALLEST_NORM = 1e-6


def canonical(value: Any) -> bytes:
    """Canonical JSON: sorted keys, no blanks, UTF-8, whole numbers without a fraction."""
    plain = json.dumps(_plain(value), sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return plain.encode(errors="surrogatepass")


def _plain(value: Any) -> Any:
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, dict):
        return {key: _plain(member) for key, member in value.items()}
    if isinstance(value, list):
        return [_plain(member) for member in value]
    return value


def sha256(data: bytes) -> str:
    """SHA-256 in hex."""
    return hashlib.sha256(data).hexdigest()


def checksum(vector: NDArray[np.float32]) -> str:
    """SHA-256 of the float32 little-endian bytes, in hex."""
    return sha256(vector.astype("<f4", copy=False).tobytes())


def norm(vector: Numbers) -> float:
    """Euclidean length, computed in float64."""
    exact = np.asarray(vector, np.float64)
    return math.sqrt(float(np.dot(exact, exact)))


def cosine(left: Numbers, right: Numbers) -> float:
    """Cosine of the angle between two vectors; 0 if one has no direction or their lengths differ."""
    if len(left) != len(right):
        return 0.0
    product = norm(left) * norm(right)
    if not math.isfinite(product) or product < SMALLEST_NORM:
        return 0.0
    return float(np.dot(np.asarray(left, np.float64), np.asarray(right, np.float64))) / product
