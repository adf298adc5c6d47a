"""The embedding service seen directly: what it is asked, and a second opinion on any vector."""

from __future__ import annotations

from dataclasses import dataclass

from support.drivers.http import JsonClient
from support.drivers.journal import Journal

DEFAULT_MODEL = "all-MiniLM-L6-v2"
LARGEST_BATCH = 32


@dataclass(frozen=True, slots=True)
class Work:
    """What the service has done since it started."""

    requests: int
    texts: int


class Embedding:
    """A client that goes around the gateway and the links."""

    def __init__(self, url: str, journal: Journal) -> None:
        self._http = JsonClient("embedding", url, journal)

    def embed(self, texts: list[str], model: str = DEFAULT_MODEL) -> list[list[float]]:
        """One vector per text, in order."""
        vectors: list[list[float]] = []
        for start in range(0, len(texts), LARGEST_BATCH):
            batch = texts[start : start + LARGEST_BATCH]
            vectors += self._http.call("POST", "/embed", {"model": model, "texts": batch})["embeddings"]
        return vectors

    def work(self) -> Work:
        """Requests answered and texts embedded since the service started."""
        stats = self._http.call("GET", "/stats")
        return Work(requests=int(stats["requests"]), texts=int(stats["texts"]))

    def close(self) -> None:
        """Close the connections."""
        self._http.close()
