"""A listener behind a link: the HTTP requests are kept for judging, and all but the deadly ones pass."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field

from support.faults.toxiproxy import Toxiproxy

CHUNK = 1 << 16


@dataclass(frozen=True, slots=True, repr=False)
class Heard:
    """One request that a service received; header names in lower case.

    Its text form holds neither headers nor content, which may be secret.
    """

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes

    def __str__(self) -> str:
        return f"{self.method} {self.path} [{self.headers.get('x-request-id', 'no request id')}]"

    __repr__ = __str__


@dataclass(slots=True)
class Wiretap:
    """Stands between ``link`` and the server it leads to, from ``start`` to ``stop``.

    To turn to the listener the link closes its connections; callers have to open new ones. A request that
    contains ``deadly`` never arrives: its connection is closed, as by a server that dies of it, and counted
    in ``broken``.
    """

    control: Toxiproxy
    link: str
    deadly: bytes = b""
    broken: int = 0
    _upstream: str = ""
    _server: socket.socket | None = None
    _streams: list[bytearray] = field(default_factory=list)
    _open: list[socket.socket] = field(default_factory=list)

    def start(self) -> None:
        """Listen, and let the link lead here."""
        self._upstream = str(self.control.link(self.link)["upstream"])
        server = self._server = socket.create_server(("127.0.0.1", 0))
        threading.Thread(target=self._accept, args=(server,), daemon=True).start()
        self.control.lead(self.link, "{}:{}".format(*server.getsockname()[:2]))

    def stop(self) -> None:
        """Let the link lead to the server again; a second call does nothing."""
        if self._server is None:
            return
        self.control.lead(self.link, self._upstream)
        # A thread in accept() keeps a listener alive that is only closed.
        with contextlib.suppress(OSError):
            self._server.shutdown(socket.SHUT_RDWR)
        self._server.close()
        self._server = None
        for connection in self._open:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def forget(self) -> None:
        """Forget what was heard; only between requests, of which none may be under way."""
        for stream in self._streams:
            stream.clear()

    def heard(self) -> list[Heard]:
        """Requests heard so far, those of one connection in their order."""
        return [request for stream in self._streams for request in _requests(bytes(stream))]

    def _accept(self, server: socket.socket) -> None:
        host, _, port = self._upstream.rpartition(":")
        with contextlib.suppress(OSError):
            while True:
                client, _ = server.accept()
                upstream = socket.create_connection((host, int(port)))
                stream = bytearray()
                self._streams.append(stream)
                self._open += [client, upstream]
                for one, other, kept in ((client, upstream, stream), (upstream, client, None)):
                    one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                    threading.Thread(target=self._pass_on, args=(one, other, kept), daemon=True).start()

    def _pass_on(self, source: socket.socket, sink: socket.socket, kept: bytearray | None) -> None:
        with contextlib.suppress(OSError):
            while chunk := source.recv(CHUNK):
                if kept is not None:
                    kept += chunk
                    if self.deadly and self.deadly in kept:
                        self.broken += 1
                        break
                sink.sendall(chunk)
        _end(source, sink)


def _end(source: socket.socket, sink: socket.socket) -> None:
    # Either side's end is the end of both: HTTP clients do not close one direction only.
    for end in (source, sink):
        with contextlib.suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)


def _requests(stream: bytes) -> list[Heard]:
    """The complete requests of a connection, which follow each other without a gap."""
    found: list[Heard] = []
    while True:
        head, separator, rest = stream.partition(b"\r\n\r\n")
        if not separator:
            return found
        first, *lines = head.decode("latin-1").split("\r\n")
        method, path, _version = first.split(" ", 2)
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        length = int(headers.get("content-length", "0"))
        found.append(Heard(method, path, headers, rest[:length]))
        stream = rest[length:]
