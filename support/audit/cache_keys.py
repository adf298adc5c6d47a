"""Cache keys and values: the forms a key may have, how long it may live, what its value must be.

Keys start with ``citadel:v1:``. A cached value is ``<sha256 of the body, 64 hex digits>\\n<body: a JSON
object>``. The body of an embedding has ``dimensions`` and ``vector`` (base64 of float32 little-endian), that
of a provider's answer ``dimensions`` and ``vectors``, that of a search ``results`` and that of an item
``item``, both as clients read them. Other members are free. A platform with another encoding is audited with
a decoder of its own, or with ``opaque``.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import numpy as np
import orjson
from numpy.typing import NDArray

from support.audit import content

PREFIX = "citadel:v1:"

_UUID = "[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
_SHA256 = "[0-9a-f]{64}"
# Longest time to live in seconds, and the form of the key after its prefix.
_FORMS: dict[str, tuple[int, str]] = {
    "emb": (3600, f"(?P<model>.+):[^:]+:(?P<digest>{_SHA256})"),
    "search": (1800, f"(?P<collection>{_UUID}):g(?P<generation>[0-9]+):{_SHA256}"),
    "meta": (7200, f"(?P<collection>{_UUID}):(?P<point>{_UUID}):g(?P<generation>[0-9]+)"),
    "ext": (1800, f"[a-z]+:.+:{_SHA256}"),
    "rl": (60, "[^:]+:[^:]+"),
    "brk": (120, "[a-z]+"),
    "jobs": (60, "wakeup"),
}
_PATTERNS = {kind: re.compile(form) for kind, (_ttl, form) in _FORMS.items()}


class Corrupt(ValueError):
    """A cached value that nobody may serve; the message says why."""


@dataclass(frozen=True, slots=True)
class CacheKey:
    """A key taken apart; what its kind does not have is None."""

    kind: str
    max_ttl_s: int
    collection_id: UUID | None = None
    point_id: UUID | None = None
    generation: int | None = None
    model: str | None = None
    digest: str | None = None


@dataclass(frozen=True, slots=True)
class CachedValue:
    """A decoded value, whose unused members are empty: the items it shows, or the vectors (float32)."""

    shown: tuple[Mapping[str, Any], ...] = ()
    vectors: tuple[NDArray[np.float32], ...] = ()


# Takes the kind of the key and the bytes of the value; raises ``Corrupt``.
Decode = Callable[[str, bytes], CachedValue]


def parse(key: str) -> CacheKey | None:
    """The parts of a key, or None if it has no known form."""
    kind, _, rest = key.removeprefix(PREFIX).partition(":")
    if not key.startswith(PREFIX) or kind not in _FORMS:
        return None
    match = _PATTERNS[kind].fullmatch(rest)
    if match is None:
        return None
    parts = match.groupdict()
    return CacheKey(
        kind,
        _FORMS[kind][0],
        collection_id=UUID(parts["collection"]) if "collection" in parts else None,
        point_id=UUID(parts["point"]) if "point" in parts else None,
        generation=int(parts["generation"]) if "generation" in parts else None,
        model=parts.get("model"),
        digest=parts.get("digest"),
    )


def decode(kind: str, value: bytes) -> CachedValue:
    """The value of a key of this kind. Raises ``Corrupt`` if it is damaged or not of its form."""
    checksum, separator, raw = value.partition(b"\n")
    if not separator:
        raise Corrupt(f"has no checksum ({len(value)} bytes)")
    found = content.sha256(raw)
    if checksum.decode(errors="replace") != found:
        raise Corrupt(f"says checksum {_short(checksum.decode(errors='replace'))} but has {_short(found)}")
    try:
        body = orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        raise Corrupt(f"is no JSON: {error}") from error
    if not isinstance(body, dict):
        raise Corrupt("is no JSON object")
    return _READERS[kind](body)


def opaque(_kind: str, _value: bytes) -> CachedValue:
    """A decoder for a platform whose encoding is not known: its keys can be judged, its values cannot."""
    return CachedValue()


def encode(body: Mapping[str, Any]) -> bytes:
    """The value of a body, for what the suite's own proofs plant."""
    raw = orjson.dumps(dict(body))
    return content.sha256(raw).encode() + b"\n" + raw


def encode_vector(vector: NDArray[np.float32], **members: Any) -> bytes:
    """The value of an embedding."""
    packed = base64.b64encode(vector.astype("<f4").tobytes()).decode()
    return encode({"dimensions": len(vector), "vector": packed, **members})


def _searched(body: Mapping[str, Any]) -> CachedValue:
    results = body.get("results")
    if not isinstance(results, list) or not all(isinstance(result, dict) for result in results):
        raise Corrupt("has no list of results")
    return CachedValue(shown=tuple(results))


def _item(body: Mapping[str, Any]) -> CachedValue:
    if not isinstance(body.get("item"), dict):
        raise Corrupt("has no item")
    return CachedValue(shown=(body["item"],))


def _embedding(body: Mapping[str, Any]) -> CachedValue:
    return CachedValue(vectors=(_vector(body.get("vector"), body),))


def _embeddings(body: Mapping[str, Any]) -> CachedValue:
    packed = body.get("vectors")
    if not isinstance(packed, list) or not packed:
        raise Corrupt("has no list of vectors")
    return CachedValue(vectors=tuple(_vector(each, body) for each in packed))


_READERS: dict[str, Callable[[Mapping[str, Any]], CachedValue]] = {
    "emb": _embedding,
    "search": _searched,
    "meta": _item,
    "ext": _embeddings,
}
WITH_VALUES = frozenset(_READERS)


def _vector(packed: Any, body: Mapping[str, Any]) -> NDArray[np.float32]:
    try:
        vector = np.frombuffer(base64.b64decode(packed, validate=True), "<f4").astype(np.float32)
        size = int(body["dimensions"])
    except (KeyError, TypeError, ValueError) as error:
        raise Corrupt(f"has no readable vector: {error}") from error
    if len(vector) != size:
        raise Corrupt(f"says {size} dimensions but has {len(vector)} numbers")
    length = content.norm(vector)
    if not np.isfinite(length) or length < content.SMALLEST_NORM:
        raise Corrupt(f"has a vector of norm {length:g}")
    return vector


def _short(digest: str) -> str:
    return f"{digest[:12]}…"
