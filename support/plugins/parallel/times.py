"""How long each feature file took in earlier runs, so that the longest can begin first."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path


def recall(memory: Path) -> dict[str, float]:
    """Seconds by feature file; empty where nothing is remembered."""
    with contextlib.suppress(OSError, ValueError):
        times = json.loads(memory.read_text(encoding="utf-8"))
        if isinstance(times, dict):
            return {str(file): float(seconds) for file, seconds in times.items()}
    return {}


def remember(memory: Path, measured: Mapping[str, float]) -> None:
    """Add what was measured to what is remembered."""
    if measured:
        seconds = {**recall(memory), **{file: round(took, 2) for file, took in measured.items()}}
        with contextlib.suppress(OSError):
            memory.parent.mkdir(parents=True, exist_ok=True)
            memory.write_text(json.dumps(seconds, indent=1, sort_keys=True), encoding="utf-8")


def expected(files: Sequence[str], known: Mapping[str, float]) -> dict[str, float]:
    """Expected seconds of each file; an unknown one is guessed from its size and the others' speed."""
    sizes = {file: _size(file) for file in files}
    measured = sum(sizes[file] for file in files if file in known)
    speed = sum(known[file] for file in files if file in known) / measured if measured else 1.0
    return {file: known.get(file, sizes[file] * speed) for file in files}


def _size(file: str) -> int:
    with contextlib.suppress(OSError):
        return Path(file).stat().st_size
    return 0
