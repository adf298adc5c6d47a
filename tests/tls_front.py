"""Real TLS in front of a server that has none: certificates of a CA of the tests' own, bytes passed on."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import trustme


class Certificates:
    """A CA and what it has certified, as files in ``folder``."""

    def __init__(self, folder: str) -> None:
        self.authority = trustme.CA()
        self.ca_file = f"{folder}/ca.pem"
        self.authority.cert_pem.write_to_path(self.ca_file)

    def server(self, name: str) -> ssl.SSLContext:
        """The server side's context, with a certificate for ``name``."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.authority.issue_cert(name).configure_cert(context)
        return context


# What a client of PostgreSQL asks for before anything else: its length, and a number in place of a version.
SSL_REQUEST = struct.pack("!ii", 8, 80877103)


@contextmanager
def tls_in_front_of(port: int, context: ssl.SSLContext, *, postgresql: bool = False) -> Iterator[int]:
    """The port at which TLS is spoken, until the end; what arrives goes on to ``port`` of this machine.

    ``postgresql``: TLS begins when the client has asked for it, as PostgreSQL does it; else at once.
    """
    loop = asyncio.new_event_loop()
    open_ones: set[asyncio.Task[None]] = set()

    async def passed_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        # Whoever closes first, or breaks off, ends both.
        with contextlib.suppress(OSError):
            while data := await reader.read(65536):
                writer.write(data)
                await writer.drain()
        writer.close()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection("127.0.0.1", port)
        if postgresql:
            first = await reader.readexactly(len(SSL_REQUEST))
            if first == SSL_REQUEST:
                writer.write(b"S")
                await writer.start_tls(context)
            else:
                back.write(first)
        for pair in ((reader, back), (there, writer)):
            task = loop.create_task(passed_on(*pair))
            open_ones.add(task)
            task.add_done_callback(open_ones.discard)

    server = loop.run_until_complete(
        asyncio.start_server(serve, "127.0.0.1", 0, ssl=None if postgresql else context)
    )
    loop.set_exception_handler(lambda *_: None)  # a client that refuses the certificate is no error here
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    try:
        yield int(server.sockets[0].getsockname()[1])
    finally:
        loop.call_soon_threadsafe(server.close)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(5)
