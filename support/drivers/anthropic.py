"""Anthropic's own interface, asked directly: it has no embeddings, so the gateway never asks it."""

from __future__ import annotations

from typing import Any

import httpx

from support import addresses
from support.drivers.journal import Journal
from support.settings import Live

TIMEOUT_S = 30.0
VERSION = "2023-06-01"
MODEL = "claude-haiku-4-5"
# The shortest answer is the cheapest.
LONGEST_ANSWER_TOKENS = 8


class AnthropicApi:
    """A client of the live service, or of its emulator."""

    def __init__(self, service: Live, journal: Journal) -> None:
        self._journal = journal
        self._client = httpx.Client(
            base_url=service.url,
            headers={"x-api-key": service.key, "anthropic-version": VERSION},
            timeout=TIMEOUT_S,
            trust_env=False,
            verify=addresses.trusted(),
        )

    def say(self, text: str) -> str:
        """What it answers to a text. Raises ``AssertionError`` if it refuses."""
        body = {
            "model": MODEL,
            "max_tokens": LONGEST_ANSWER_TOKENS,
            "messages": [{"role": "user", "content": text}],
        }
        answer = self._post("/v1/messages", body)
        assert answer.status_code == 200, f"refused with {answer.status_code}: {answer.text[:500]}"
        return "".join(part["text"] for part in answer.json()["content"] if part["type"] == "text")

    def embeddings_status(self, text: str) -> int:
        """The status with which it answers who asks it for embeddings."""
        return self._post("/v1/embeddings", {"model": "voyage-4", "input": [text]}).status_code

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def _post(self, path: str, body: dict[str, Any]) -> httpx.Response:
        with self._journal.call("anthropic", f"POST {path}") as call:
            answer = self._client.post(path, json=body)
            call.outcome = str(answer.status_code)
            return answer
