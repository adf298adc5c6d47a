"""Requests byte by byte, for what no client would send: odd framing, odd bytes, odd addresses."""

from __future__ import annotations

import contextlib
import socket
import ssl
from collections.abc import Iterable, Sequence
from http.client import HTTPException, HTTPResponse
from urllib.parse import SplitResult, urlsplit

import httpx

CRLF = b"\r\n"


class NoAnswer(ConnectionError):
    """The connection was closed, or time was up, before there was an answer that can be read."""


def exchange(
    url: str, lines: Sequence[bytes], body: Iterable[bytes] = (), *, within_s: float
) -> httpx.Response:
    """Send the request line and the headers as given, then the parts of ``body``; the first answer.

    Host and ``Connection: close`` come first. A server may answer, and close, before it has read everything.
    Raises ``NoAnswer`` without an answer within ``within_s`` of silence.
    """
    parts = urlsplit(url)
    head = [lines[0], f"Host: {parts.netloc}".encode(), b"Connection: close", *lines[1:]]
    with _connected(parts, within_s) as connection:
        # It need not read what it has refused already; its answer may be here all the same.
        with contextlib.suppress(ConnectionError):
            connection.sendall(CRLF.join(head) + CRLF * 2)
            for part in body:
                connection.sendall(part)
        return _read(connection, lines[0].partition(b" ")[0].decode("latin-1"))


def _connected(parts: SplitResult, within_s: float) -> socket.socket:
    secure = parts.scheme == "https"
    address = parts.hostname or "", parts.port or (443 if secure else 80)
    plain = socket.create_connection(address, timeout=within_s)
    return (
        ssl.create_default_context().wrap_socket(plain, server_hostname=parts.hostname) if secure else plain
    )


def _read(connection: socket.socket, method: str) -> httpx.Response:
    answer = HTTPResponse(connection, method=method)
    try:
        answer.begin()
        content = answer.read()
    except (OSError, HTTPException) as error:
        raise NoAnswer(f"no answer ({type(error).__name__}: {error})") from error
    finally:
        answer.close()
    return httpx.Response(answer.status, headers=answer.getheaders(), content=content)
