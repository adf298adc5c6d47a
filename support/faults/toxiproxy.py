"""A client of Toxiproxy's control API: drives the suite's own links and a real Toxiproxy alike.

It touches one link at a time by name and never resets or populates: a shared Toxiproxy belongs to others
too.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

import httpx

from support import addresses

TIMEOUT_S = 3.0


class ToxiproxyError(Exception):
    """Toxiproxy did not do what it was asked to; ``status`` is its HTTP status, None if it is unreachable."""

    def __init__(self, message: str, status: int | None = None) -> None:
        super().__init__(message)
        self.status = status

    @property
    def absent(self) -> bool:
        """Whether the link or toxic does not exist."""
        return self.status == httpx.codes.NOT_FOUND


class Toxiproxy:
    """The links behind one control address. Every call raises ``ToxiproxyError`` when it fails."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._client = httpx.Client(
            base_url=url, timeout=TIMEOUT_S, trust_env=False, verify=addresses.trusted()
        )

    def create(self, name: str, listen: str, upstream: str) -> None:
        """Make a link that listens on ``listen`` and leads to ``upstream`` (both ``host:port``)."""
        self._call(
            "POST", "/proxies", {"name": name, "listen": listen, "upstream": upstream, "enabled": True}
        )

    def delete(self, name: str) -> None:
        """Remove a link; its connections are closed."""
        self._call("DELETE", _path(name))

    def names(self) -> list[str]:
        """All links."""
        return list(self._call("GET", "/proxies"))

    def link(self, name: str) -> dict[str, Any]:
        """A link as Toxiproxy describes it."""
        return dict(self._call("GET", _path(name)))

    def enable(self, name: str) -> None:
        """Let a link accept connections again."""
        self._call("POST", _path(name), {"enabled": True})

    def disable(self, name: str) -> None:
        """Close a link's connections and refuse new ones."""
        self._call("POST", _path(name), {"enabled": False})

    def lead(self, name: str, upstream: str) -> None:
        """Let a link lead to another server (``host:port``); its connections are closed."""
        self._call("POST", _path(name), {"upstream": upstream})

    def add_toxic(
        self, link: str, name: str, kind: str, *, stream: str = "downstream", **attributes: int
    ) -> None:
        """Add a toxic called ``name``; ``downstream`` is what the server sends to the client."""
        toxic = {"name": name, "type": kind, "stream": stream, "attributes": attributes}
        self._call("POST", f"{_path(link)}/toxics", toxic)

    def toxic(self, link: str, name: str) -> dict[str, Any]:
        """A toxic as Toxiproxy describes it."""
        return dict(self._call("GET", f"{_path(link)}/toxics/{quote(name, safe='')}"))

    def remove_toxic(self, link: str, name: str) -> None:
        """Take a toxic away."""
        self._call("DELETE", f"{_path(link)}/toxics/{quote(name, safe='')}")

    def _call(self, method: str, path: str, body: Mapping[str, object] | None = None) -> Any:
        try:
            answer = self._client.request(method, path, json=body)
        except httpx.HTTPError as error:
            reason = str(error) or type(error).__name__
            raise ToxiproxyError(f"Toxiproxy does not answer {method} {path}: {reason}") from error
        if answer.is_error:
            raise ToxiproxyError(f"Toxiproxy refused {method} {path}: {_reason(answer)}", answer.status_code)
        return answer.json() if answer.content else None


def _path(link: str) -> str:
    return f"/proxies/{quote(link, safe='')}"


def _reason(answer: httpx.Response) -> str:
    try:
        return f"{answer.status_code} {answer.json()['error']}"
    except (ValueError, KeyError, TypeError):
        return f"{answer.status_code} {answer.text[:200]}"
