"""Requests byte by byte, for what no client would send: odd framing, odd bytes, odd addresses."""

from __future__ import annotations

import contextlib
import socket
from base64 import b64encode
from collections.abc import Iterable, Sequence
from http.client import HTTPConnection, HTTPException, HTTPResponse

import httpx

from support import addresses
from support.addresses import Address

CRLF = b"\r\n"


class NoAnswer(ConnectionError):
    """The connection was closed, or time was up, before there was an answer that can be read."""


def exchange(
    url: str,
    lines: Sequence[bytes],
    body: Iterable[bytes] = (),
    *,
    within_s: float,
    proxy: str | None = None,
) -> httpx.Response:
    """Send the request line and the headers as given, then the parts of ``body``; the first answer.

    Host and ``Connection: close`` come first. A server may answer, and close, before it has read everything.
    Raises ``NoAnswer`` without an answer within ``within_s`` of silence. A ``proxy`` (its URL) is asked for a
    tunnel, in which it changes nothing.
    """
    at = addresses.of(url)
    head = [lines[0], f"Host: {at.place}".encode(), b"Connection: close", *lines[1:]]
    with _connected(at, within_s, proxy) as connection:
        # It need not read what it has refused already; its answer may be here all the same.
        with contextlib.suppress(ConnectionError):
            connection.sendall(CRLF.join(head) + CRLF * 2)
            for part in body:
                connection.sendall(part)
        return _read(connection, lines[0].partition(b" ")[0].decode("latin-1"))


def _connected(at: Address, within_s: float, proxy: str | None) -> socket.socket:
    if proxy is None:
        plain = socket.create_connection((at.host, at.tcp_port), timeout=within_s)
    else:
        plain = _tunnel(at, addresses.of(proxy), within_s)
    if at.scheme != "https":
        return plain
    return addresses.trusted().wrap_socket(plain, server_hostname=at.host)


def _tunnel(at: Address, proxy: Address, within_s: float) -> socket.socket:
    """A connection that a proxy has made (RFC 9110, 9.3.6)."""
    asked = HTTPConnection(proxy.host, proxy.tcp_port, timeout=within_s)
    login = f"{proxy.user or ''}:{proxy.password or ''}"
    basic = {"Proxy-Authorization": f"Basic {b64encode(login.encode()).decode()}"} if proxy.user else {}
    asked.set_tunnel(at.host, at.tcp_port, basic)
    try:
        asked.connect()
    except HTTPException as error:
        raise NoAnswer(f"no tunnel through the proxy ({type(error).__name__})") from error
    connection: socket.socket = asked.sock
    return connection


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
