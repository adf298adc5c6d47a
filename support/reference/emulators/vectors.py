"""Models, and their vectors: invented, but the same every time for the same model, text and dimension."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Container
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Float32s = NDArray[np.float32]

# No tokenizer is public for all of them; four bytes of UTF-8 a token is the providers' own rule of thumb.
BYTES_A_TOKEN = 4


@dataclass(frozen=True, slots=True)
class Model:
    """A model: its dimensions (default, and others on offer) and the tokens it reads of a text.

    ``shrink`` is above 0 where reduced vectors are not of length 1: the length is (reduced / default) to the
    power of ``shrink``.
    """

    name: str
    dimensions: int
    max_tokens: int
    offered: Container[int] = frozenset()
    shrink: float = 0.0

    def offers(self, size: object) -> bool:
        """Whether a request may ask for this dimension."""
        return type(size) is int and size in self.offered


def by_name(*models: Model) -> dict[str, Model]:
    """A table of models."""
    return {model.name: model for model in models}


def embed(model: Model, text: str, dimensions: int | None = None) -> Float32s:
    """The model's vector of a text."""
    size = dimensions or model.dimensions
    seed = hashlib.sha256(f"{model.name}\0{size}\0{text}".encode()).digest()
    raw = np.random.default_rng(int.from_bytes(seed)).standard_normal(size)
    length = min(1.0, (size / model.dimensions) ** model.shrink)
    vector: Float32s = (raw * (length / np.linalg.norm(raw))).astype(np.float32)
    return vector


def tokens(text: str) -> int:
    """Tokens of a text, estimated."""
    return -(-len(text.encode()) // BYTES_A_TOKEN)


def quantise(vector: Float32s, dtype: str) -> NDArray[Any]:
    """The vector as float, int8, uint8, binary or ubinary (one bit a dimension, packed as int8 or uint8)."""
    if dtype == "float":
        return vector
    if dtype in ("binary", "ubinary"):
        bits = np.packbits(vector > 0)
        return bits if dtype == "ubinary" else (bits.astype(np.int16) - 128).astype(np.int8)
    scaled: Float32s = np.rint(vector * (127 / np.abs(vector).max()))
    return scaled.astype(np.int8) if dtype == "int8" else (scaled + 128).astype(np.uint8)


def base64_of(array: NDArray[Any]) -> str:
    """Standard base64 of the little-endian bytes: what ``encoding_format: base64`` means."""
    return base64.b64encode(array.astype(array.dtype.newbyteorder("<")).tobytes()).decode()
