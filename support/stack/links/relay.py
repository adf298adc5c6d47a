"""One connection through a link: two pipes that pass bytes on at once, or when the toxics let them."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import cast

from support.stack.links.toxics import NEVER, Chain, End, Piece, Toxic

# Beyond this many bytes held back by toxics, the sender is no longer read from.
HELD_AT_MOST = 1 << 20
# SO_LINGER on, with no time: closing the socket resets the connection.
_RESET_ON_CLOSE = struct.pack("ii", 1, 0)


@dataclass(slots=True)
class Traffic:
    """What a link has seen since it was made: connections and chunks from clients, connections it cut."""

    connections: int = 0
    chunks: int = 0
    cut: int = 0


class Pipe:
    """One direction of a connection. Without toxics bytes go straight from one socket to the other.

    ``end`` is called once, when the end of the stream has come through; ``traffic`` counts the chunks.
    """

    def __init__(self, end: Callable[[Pipe, End], None], traffic: Traffic | None = None) -> None:
        self._loop = asyncio.get_running_loop()
        self._end = end
        self._traffic = traffic
        self._chain = Chain()
        self._held: deque[Piece] = deque()
        self._held_bytes = 0
        self._timer: asyncio.TimerHandle | None = None
        self._idle_timer: asyncio.TimerHandle | None = None
        self._source_ended = False
        self._ended = False
        self._sink_full = False
        self._early: list[bytes] = []
        self._source: asyncio.Transport | None = None
        self.sink: asyncio.Transport | None = None

    def open(self, source: asyncio.Transport, sink: asyncio.Transport, toxics: list[Toxic]) -> None:
        """Start to pass on what ``source`` sends."""
        self._source, self.sink = source, sink
        self._chain.set(toxics)
        early, self._early = self._early, []
        for data in early:
            self._pass_on(data)
        self._watch_idleness()
        self._throttle()

    def set_toxics(self, toxics: list[Toxic]) -> None:
        """Take over the present toxics; what the former ones held back goes on at once."""
        if self.sink is None or self._ended:
            return
        closes = self._chain.set(toxics)
        self._release(all_of_it=True)
        if closes:
            self._finish(End.CLOSE)
        self._watch_idleness()

    def receive(self, data: bytes) -> None:
        """Pass on bytes of the source."""
        if self._traffic is not None:
            self._traffic.chunks += 1
        if self.sink is None:
            # Python 3.11.2 reads on although connection_made has paused the reading.
            self._early.append(data)
        else:
            self._pass_on(data)

    def _pass_on(self, data: bytes) -> None:
        # Whatever is still held back goes first, so that nothing is overtaken.
        if not self._chain.active and not self._held and not self._ended and self.sink is not None:
            self.sink.write(data)
            return
        self._hold(data)
        self._watch_idleness()

    def source_ended(self) -> None:
        """The source sends no more: the end follows what is held back; again does nothing."""
        if not self._source_ended:
            self._source_ended = True
            self._hold(End.CLOSE)

    def sink_is_full(self, full: bool) -> None:
        """Read from the source only while the sink takes bytes."""
        self._sink_full = full
        self._throttle()

    def stop(self) -> None:
        """Forget what is held back; nothing is written any more."""
        self._ended = True
        self._held.clear()
        for timer in (self._timer, self._idle_timer):
            if timer is not None:
                timer.cancel()

    def _hold(self, content: bytes | End) -> None:
        if self._ended:
            return
        for piece in self._chain.act(Piece(self._loop.time(), content)):
            self._held.append(piece)
            if isinstance(piece.content, bytes):
                self._held_bytes += len(piece.content)
        self._release()

    def _release(self, *, all_of_it: bool = False) -> None:
        """Write what is due, then set the timer for the next piece."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        now = self._loop.time()
        while self._held and (all_of_it or self._held[0].due <= now):
            content = self._held.popleft().content
            if isinstance(content, End):
                self._finish(content)
                return
            self._held_bytes -= len(content)
            if self.sink is not None:
                self.sink.write(content)
        if self._held and self._held[0].due != NEVER:
            self._timer = self._loop.call_at(self._held[0].due, self._release)
        self._throttle()

    def _finish(self, end: End) -> None:
        if not self._ended:
            self.stop()
            self._end(self, end)

    def _throttle(self) -> None:
        if self._source is None or self._source.is_closing():
            return
        if self._sink_full or self._held_bytes > HELD_AT_MOST:
            self._source.pause_reading()
        else:
            self._source.resume_reading()

    def _watch_idleness(self) -> None:
        if self._idle_timer is not None:
            self._idle_timer.cancel()
            self._idle_timer = None
        stage = self._chain.idle_stage
        if stage is not None and not self._ended:
            self._idle_timer = self._loop.call_later(stage.idle_s, self._too_idle)

    def _too_idle(self) -> None:
        stage = self._chain.idle_stage
        if stage is not None:
            stage.toxic.hits += 1
        self._finish(End.CLOSE)


class Connection:
    """A client's connection and the one to the server behind the link, in ``open_ones`` while it lasts."""

    def __init__(
        self,
        upstream: tuple[str, int] | str,
        toxics: Callable[[str], list[Toxic]],
        traffic: Traffic,
        open_ones: set[Connection],
    ) -> None:
        self._upstream = upstream
        self._toxics = toxics
        self._traffic = traffic
        self._open_ones = open_ones
        self._up, self._down = Pipe(self._end, traffic), Pipe(self._end)
        self._client: asyncio.Transport | None = None
        self._server: asyncio.Transport | None = None
        self._dialling: asyncio.Task[None] | None = None

    def client_side(self) -> asyncio.Protocol:
        """The protocol of the client's socket."""
        return _Side(self._up, self._down, self._client_came, self._client_lost)

    def set_toxics(self, stream: str) -> None:
        """Take over the present toxics of one direction."""
        (self._up if stream == "upstream" else self._down).set_toxics(self._toxics(stream))

    def cut(self) -> None:
        """Close both sides at once; what is on the way is lost."""
        self._up.stop()
        self._down.stop()
        if self._dialling is not None:
            self._dialling.cancel()
        for side in (self._client, self._server):
            if side is not None:
                side.abort()

    def _client_came(self, client: asyncio.Transport) -> None:
        self._client = client
        # Nothing is read before there is somebody to give it to.
        client.pause_reading()
        self._traffic.connections += 1
        self._open_ones.add(self)
        self._dialling = asyncio.get_running_loop().create_task(self._dial())

    async def _dial(self) -> None:
        loop, upstream = asyncio.get_running_loop(), self._upstream
        try:
            if isinstance(upstream, str):
                await loop.create_unix_connection(self._server_side, upstream)
            else:
                await loop.create_connection(self._server_side, *upstream)
        except OSError:
            # As with the original, the client of a dead server is accepted, then sees its connection close.
            self.cut()

    def _server_side(self) -> asyncio.Protocol:
        return _Side(self._down, self._up, self._server_came, self._server_lost)

    def _server_came(self, server: asyncio.Transport) -> None:
        self._server = server
        if self._client is None or self._client.is_closing():
            server.abort()
            return
        self._down.open(server, self._client, self._toxics("downstream"))
        self._up.open(self._client, server, self._toxics("upstream"))

    def _client_lost(self) -> None:
        self._client = None
        self._leave()

    def _server_lost(self) -> None:
        self._server = None
        self._leave()

    def _leave(self) -> None:
        if self._client is None and self._server is None:
            self._open_ones.discard(self)

    def _end(self, pipe: Pipe, end: End) -> None:
        if end is End.RESET:
            for side in (self._client, self._server):
                if side is not None:
                    _reset_on_close(side)
            self.cut()
        elif pipe.sink is not None:
            # The other direction ends when this socket is gone: half-open connections are not kept.
            pipe.sink.close()


class _Side(asyncio.Protocol):
    """One of a connection's two sockets: what it sends goes into one pipe, the other one leads to it."""

    def __init__(
        self,
        sends: Pipe,
        is_sent: Pipe,
        came: Callable[[asyncio.Transport], None],
        lost: Callable[[], None],
    ) -> None:
        self._sends = sends
        self._is_sent = is_sent
        self._came = came
        self._lost = lost

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._came(cast(asyncio.Transport, transport))

    def data_received(self, data: bytes) -> None:
        self._sends.receive(data)

    def eof_received(self) -> bool:
        self._sends.source_ended()
        return True

    def connection_lost(self, _exc: Exception | None) -> None:
        self._is_sent.stop()
        # What is still held back for the other side reaches it before its socket is closed.
        self._sends.source_ended()
        self._lost()

    def pause_writing(self) -> None:
        self._is_sent.sink_is_full(True)

    def resume_writing(self) -> None:
        self._is_sent.sink_is_full(False)


def _reset_on_close(transport: asyncio.Transport) -> None:
    with contextlib.suppress(OSError):
        transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
