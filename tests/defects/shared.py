"""Changes that defects of several areas make."""

from __future__ import annotations

import asyncio
import importlib
from collections.abc import Callable
from typing import Any


class _Every(list[int]):
    """A list of versions that contains every one: whatever asks for its own finds it."""

    def __contains__(self, version: object) -> bool:
        return True


def phase_b_believes_its_own_version(delay: Callable[[], float] = lambda: 0.0) -> None:
    """Let writes, each after a delay in seconds, be finished as if no other had come in between."""
    from support.reference.gateway.writes import Writer

    reopen = Writer._reopen

    async def unguarded(self: Writer, lease: Any, target: Any, ids: Any) -> Any:
        await asyncio.sleep(delay())
        rows = await reopen(self, lease, target, ids)
        return rows and {point: {**row, "versions": _Every([0])} for point, row in rows.items()}

    Writer._reopen = unguarded  # type: ignore[method-assign]


def providers_module(name: str) -> Any:
    """A module of the gateway's client side, with all its names."""
    return importlib.import_module(f"support.reference.gateway.providers.{name}")
