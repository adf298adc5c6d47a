"""Defects that show only when many requests are under way at the same time."""

from __future__ import annotations

import asyncio
from typing import Any

from tests.defects.defect import defect


@defect(
    "texts embedded at the same time get each other's vectors",
    service="embedding",
    key="concurrent-embeddings-correct",
    message=r"text \d+ \(.*\): [\d.]+ apart",
)
def embeddings_mixed_up() -> None:
    from support.reference.embedding.model import MiniLM

    embed, last = MiniLM.embed, list[Any]()

    def shared(self: MiniLM, text: str) -> Any:
        """An unguarded buffer: under way at the same time, texts get each other's vector."""
        last[:] = [embed(self, text)]
        return last[0]

    async def compute(self: Any, text: str, deadline: float | None) -> Any:
        await asyncio.get_running_loop().run_in_executor(self._threads, shared, self._model, text)
        await asyncio.sleep(0.005)
        return last[0]

    from support.reference.embedding.app import EmbeddingService

    EmbeddingService._compute = compute  # type: ignore[method-assign]
