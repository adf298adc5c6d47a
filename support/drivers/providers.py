"""The nine provider emulators as witnesses: what reached them, and how they are told to behave."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from support.drivers.http import JsonClient
from support.drivers.journal import Journal

# A number that no request reaches: the record is asked for its position only.
NOTHING = 2**53
# Contract ids of the nine providers, with the names people use.
DISPLAY_NAMES = {
    "anthropic": "Anthropic",
    "azure": "Azure OpenAI",
    "cohere": "Cohere",
    "google": "Google",
    "huggingface": "Hugging Face",
    "jina": "Jina",
    "mistral": "Mistral",
    "openai": "OpenAI",
    "voyage": "Voyage",
}


@dataclass(frozen=True, slots=True)
class SeenRequest:
    """A request that arrived at a provider; ``at`` is seconds since the epoch by the emulator's clock.

    ``retry_after`` is the hint that a refusal gave. ``tokens`` is what the provider answered that its texts
    have cost, None where it says nothing. Shown in a report, a request tells no header: one of them is a key.
    """

    number: int
    provider: str
    at: float
    method: str
    path: str
    query: Mapping[str, str] = field(repr=False)
    headers: Mapping[str, str] = field(repr=False)
    body: Any = field(repr=False)
    status: int | None
    tokens: int | None
    behaviour: str
    retry_after: str | None


class Providers:
    """Control and evidence of the emulators."""

    def __init__(self, url: str, journal: Journal) -> None:
        self._http = JsonClient("providers", url, journal)

    def behave(self, provider: str, kind: str, **details: Any) -> None:
        """From now on (or for ``times`` requests) the provider behaves as ``kind`` says."""
        self._http.call("PUT", f"/_emulator/behaviour/{provider}", {"kind": kind, **details})

    def recover(self, provider: str | None = None) -> None:
        """One provider, or all, answer normally again."""
        self._http.call("DELETE", f"/_emulator/behaviour/{provider}" if provider else "/_emulator/behaviour")

    def accept_key(self, provider: str, key: str) -> None:
        """The provider takes only this key from now on."""
        self._http.call("PUT", f"/_emulator/keys/{provider}", {"key": key})

    def mark(self) -> int:
        """A position in the request log to read from later."""
        return int(self._http.call("GET", "/_emulator/requests", query={"after": NOTHING})["last"])

    def seen(self, provider: str | None = None, after: int = 0) -> list[SeenRequest]:
        """Requests in order of arrival, those of one provider and after a mark if given."""
        query: dict[str, Any] = {"after": after}
        if provider:
            query["provider"] = provider
        listed = self._http.call("GET", "/_emulator/requests", query=query)["requests"]
        return [
            SeenRequest(
                number=int(item["seq"]),
                provider=item["provider"],
                at=float(item["at"]),
                method=item["method"],
                path=item["path"],
                query=item["query"],
                headers={name.lower(): value for name, value in item["headers"].items()},
                body=item["body"],
                status=item["status"],
                tokens=item["tokens"],
                behaviour=item["behaviour"],
                retry_after=item["retry_after"],
            )
            for item in listed
        ]

    def close(self) -> None:
        """Close the connections."""
        self._http.close()
