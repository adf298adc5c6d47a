"""A listener behind a link: it keeps the HTTP requests for judging, and passes or holds them."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from support.faults.toxiproxy import Toxiproxy

CHUNK = 1 << 16
# Longer than any service waits for another.
HELD_AT_MOST_S = 60.0


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
class Hold:
    """Holds back requests that ``fits`` admits, on their way to the server, or the responses to them.

    After ``close`` no more are held, after ``let_go`` those that are held go on; what nobody waits for any
    more is dropped, or, if ``late``, reaches the server all the same.
    """

    fits: Callable[[Heard], bool]
    responses: bool
    late: bool = False
    # One entry each: appending needs no lock.
    _held: list[None] = field(default_factory=list)
    # Late requests to which the server has responded.
    executed: list[None] = field(default_factory=list)
    _closed: bool = False
    _gone: threading.Event = field(default_factory=threading.Event)

    @property
    def held(self) -> int:
        """How many have been held back so far."""
        return len(self._held)

    def close(self) -> None:
        """Hold nothing that comes from now on."""
        self._closed = True

    def let_go(self) -> None:
        """Let what is held go on, and hold nothing any more."""
        self._closed = True
        self._gone.set()

    def takes(self, request: Heard) -> bool:
        """Whether this request is to be held."""
        return not self._closed and self.fits(request)

    def wait(self) -> None:
        """Return when what is held may go on."""
        self._held.append(None)
        self._gone.wait(HELD_AT_MOST_S)


@dataclass(slots=True)
class _Line:
    """One connection through the listener: what was sent, and what holds the next response back."""

    sent: bytearray = field(default_factory=bytearray)
    hold: Hold | None = None
    # What counts the response to a request that was held until nobody waited for it.
    late: Hold | None = None


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
    _lines: list[_Line] = field(default_factory=list)
    _open: list[socket.socket] = field(default_factory=list)
    _hold: Hold | None = None

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
        if self._hold is not None:
            self._hold.let_go()
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
        for line in self._lines:
            line.sent.clear()

    def heard(self) -> list[Heard]:
        """Requests heard so far, those of one connection in their order."""
        return [request for line in self._lines for request in _requests(bytes(line.sent))]

    def hold(self, fits: Callable[[Heard], bool], *, responses: bool, late: bool = False) -> Hold:
        """Hold back requests, or the responses to them, from now on; there is one hold at a time."""
        self._hold = Hold(fits, responses, late)
        return self._hold

    def _accept(self, server: socket.socket) -> None:
        host, _, port = self._upstream.rpartition(":")
        with contextlib.suppress(OSError):
            while True:
                client, _ = server.accept()
                upstream = socket.create_connection((host, int(port)))
                line = _Line()
                self._lines.append(line)
                self._open += [client, upstream]
                for pump, source, sink in (
                    (self._pass_on, client, upstream),
                    (self._pass_back, upstream, client),
                ):
                    source.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                    threading.Thread(target=pump, args=(source, sink, line), daemon=True).start()

    def _pass_on(self, client: socket.socket, server: socket.socket, line: _Line) -> None:
        with contextlib.suppress(OSError):
            while chunk := client.recv(CHUNK):
                hold = self._hold_of(line, chunk)
                if self.deadly and self.deadly in line.sent:
                    self.broken += 1
                    break
                if hold is not None and hold.responses:
                    line.hold = hold
                elif hold is not None:
                    hold.wait()
                    if _has_left(client) and hold.late:
                        line.late = hold
                        server.sendall(chunk)
                        # The response ends the connection.
                        return
                    if _has_left(client):
                        break
                server.sendall(chunk)
        _end(client, server)

    def _pass_back(self, server: socket.socket, client: socket.socket, line: _Line) -> None:
        with contextlib.suppress(OSError):
            while chunk := server.recv(CHUNK):
                if line.late is not None:
                    line.late.executed.append(None)
                if line.hold is not None:
                    hold, line.hold = line.hold, None
                    hold.wait()
                client.sendall(chunk)
        _end(server, client)

    def _hold_of(self, line: _Line, chunk: bytes) -> Hold | None:
        """Keep what was sent; the hold that takes the request which this completes."""
        hold = self._hold
        before = len(_requests(bytes(line.sent))) if hold else 0
        line.sent += chunk
        if hold is None or not any(map(hold.takes, _requests(bytes(line.sent))[before:])):
            return None
        return hold


def _has_left(client: socket.socket) -> bool:
    """Whether the sender of the request no longer waits for a response."""
    try:
        return client.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT) == b""
    except BlockingIOError:
        return False


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
        if len(rest) < length:
            return found
        found.append(Heard(method, path, headers, rest[:length]))
        stream = rest[length:]
