"""A link: a listening address, the server behind it, and the toxics in between."""

from __future__ import annotations

import asyncio
from typing import Any

from support.stack.links.relay import Connection, Traffic
from support.stack.links.toxics import Toxic


class Proxy:
    """One link. While it is disabled, connections are refused."""

    def __init__(self, name: str, listen: str, upstream: str) -> None:
        self.name = name
        self.listen = listen
        self.upstream = upstream
        self.toxics: list[Toxic] = []
        self._traffic = Traffic()
        self._server: asyncio.Server | None = None
        self._connections: set[Connection] = set()

    @property
    def enabled(self) -> bool:
        """Whether it listens."""
        return self._server is not None

    def shown(self) -> dict[str, Any]:
        """Its JSON form."""
        return {
            "name": self.name,
            "listen": self.listen,
            "upstream": self.upstream,
            "enabled": self.enabled,
            "toxics": [toxic.shown() for toxic in self.toxics],
            "traffic": {
                "connections": self._traffic.connections,
                "chunks": self._traffic.chunks,
                "cut": self._traffic.cut,
            },
        }

    async def start(self) -> None:
        """Listen; nothing happens if it does already. Raises ``OSError``, ``ValueError`` (no host:port)."""
        if self._server is not None:
            return
        host, port = _address(self.listen)
        upstream = _upstream(self.upstream)
        self._server = await asyncio.get_running_loop().create_server(
            lambda: Connection(upstream, self._of, self._traffic, self._connections).client_side(),
            # Not to the whole network unless somebody asks for that.
            host or "127.0.0.1",
            port,
            backlog=1024,
        )
        bound = self._server.sockets[0].getsockname()
        self.listen = f"[{bound[0]}]:{bound[1]}" if ":" in bound[0] else f"{bound[0]}:{bound[1]}"

    def stop(self) -> None:
        """Refuse new connections and close the open ones."""
        if self._server is None:
            return
        self._server.close()
        self._server = None
        self._traffic.cut += len(self._connections)
        for connection in list(self._connections):
            connection.cut()

    async def set_enabled(self, enabled: bool) -> None:
        """Start or stop."""
        if enabled:
            await self.start()
        else:
            self.stop()

    async def move(self, listen: str, upstream: str) -> None:
        """Listen elsewhere or lead elsewhere; open connections are closed by that."""
        enabled = self.enabled
        self.stop()
        self.listen, self.upstream = listen, upstream
        await self.set_enabled(enabled)

    def toxic(self, name: str) -> Toxic | None:
        """The toxic of that name."""
        return next((toxic for toxic in self.toxics if toxic.name == name), None)

    def add(self, toxic: Toxic) -> None:
        """Let a toxic act, on open connections too."""
        self.toxics.append(toxic)
        self.changed(toxic.stream)

    def remove(self, toxic: Toxic) -> None:
        """Take a toxic away."""
        self.toxics.remove(toxic)
        self.changed(toxic.stream)

    def clear(self) -> None:
        """Take all toxics away."""
        self.toxics.clear()
        self.changed("upstream")
        self.changed("downstream")

    def changed(self, stream: str) -> None:
        """Tell the open connections that the toxics of a direction are different now."""
        for connection in list(self._connections):
            connection.set_toxics(stream)

    def _of(self, stream: str) -> list[Toxic]:
        return [toxic for toxic in self.toxics if toxic.stream == stream]


def _upstream(text: str) -> tuple[str, int] | str:
    """A server's host and port, or the path of its Unix socket (``unix:/path``), which Toxiproxy cannot."""
    kind, _, path = text.partition(":/")
    return f"/{path}" if kind == "unix" else _address(text)


def _address(text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    return host.strip("[]"), int(port)
