"""The control API's HTTP server: HTTP/1.1 with keep-alive and Content-Length, as its clients speak it."""

from __future__ import annotations

import asyncio
import contextlib
import json
from http import HTTPStatus
from typing import Any
from urllib.parse import unquote, urlsplit

from support.stack.links.control import Control, Refusal

LARGEST_BODY = 1 << 20
# What is no HTTP ends the connection, and so does a client that leaves.
_UNREADABLE = (asyncio.IncompleteReadError, asyncio.LimitOverrunError, ConnectionError, ValueError)


async def listen(host: str, port: int) -> asyncio.Server:
    """Serve the control API over links of its own. Raises ``OSError`` where the port is taken."""
    control = Control()
    # One request at a time: a change is complete before the next one begins.
    turn = asyncio.Lock()

    async def converse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(*_UNREADABLE):
            while await _serve(reader, writer, control, turn):
                pass
        writer.close()

    return await asyncio.start_server(converse, host, port)


async def _serve(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, control: Control, turn: asyncio.Lock
) -> bool:
    """Answer one request; returns whether the connection stays open."""
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    method, target, protocol = head[0].split(" ")
    headers = {
        name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:])
    }
    length = int(headers.get("content-length", "0"))
    if length > LARGEST_BODY:
        writer.write(_response(*Refusal(413, "the body is too large").reply()))
        return False
    body = await reader.readexactly(length)
    if headers.get("user-agent", "").startswith("Mozilla/"):
        # No web page may control the links through somebody's browser.
        reply = Refusal(403, "User agent not allowed").reply()
    else:
        async with turn:
            reply = await control.answer(method, unquote(urlsplit(target).path), body)
    writer.write(_response(*reply))
    await writer.drain()
    return protocol == "HTTP/1.1" and headers.get("connection", "").lower() != "close"


def _response(status: int, value: Any) -> bytes:
    body = b"" if value is None else json.dumps(value).encode()
    lines = [f"HTTP/1.1 {status} {HTTPStatus(status).phrase}", "Content-Type: application/json"]
    if status != HTTPStatus.NO_CONTENT:
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join([*lines, "", ""]).encode() + body
