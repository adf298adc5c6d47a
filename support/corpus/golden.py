"""Golden embeddings: texts with the vector that the platform's default model must give them."""

from __future__ import annotations

import base64
from pathlib import Path

import numpy as np
import yaml

FILE = Path(__file__).resolve().parents[2] / "features" / "data" / "golden_embeddings.yaml"


def golden() -> dict[str, list[float]]:
    """Vector by text, in the order of the file."""
    entries = yaml.safe_load(FILE.read_text(encoding="utf-8"))
    return {
        str(entry["text"]): [
            float(number) for number in np.frombuffer(base64.b64decode(entry["vector"]), dtype="<f4")
        ]
        for entry in entries
    }
