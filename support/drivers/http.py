"""Plain JSON calls to the suite's own witnesses (emulators, embedding service), timed and journaled."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import httpx

from support.drivers.journal import Journal

TIMEOUT_S = 5.0


class WitnessUnreachable(ConnectionError):
    """A witness gave no usable answer."""


@dataclass(slots=True)
class JsonClient:
    """One long-lived client of a service of the suite's own; ``driver`` is its name in the journal."""

    driver: str
    url: str
    journal: Journal
    _client: httpx.Client = field(init=False)

    def __post_init__(self) -> None:
        self._client = httpx.Client(base_url=self.url, timeout=TIMEOUT_S, trust_env=False)

    def call(
        self, method: str, path: str, body: Any = None, query: Mapping[str, Any] | None = None
    ) -> dict[str, Any]:
        """The JSON object of a 2xx answer ({} for an empty one). Raises ``WitnessUnreachable`` otherwise."""
        with self.journal.call(self.driver, f"{method} {path}"):
            try:
                answer = self._client.request(method, path, json=body, params=query)
                answer.raise_for_status()
            except httpx.HTTPError as error:
                raise WitnessUnreachable(f"{self.driver}: {method} {path}: {error}") from error
            return dict(answer.json()) if answer.content else {}

    def close(self) -> None:
        """Close the connections."""
        self._client.close()
