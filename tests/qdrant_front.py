"""Qdrant as it stands behind others: below a path, and with a key that may only read."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx

PREFIX = "/vectors/v1"
READ_ONLY_KEY = "a-key-that-may-only-read"


@contextmanager
def below_a_path(port: int, key: str) -> Iterator[int]:
    """The port at which the Qdrant at ``port`` is found below ``PREFIX``, until the end.

    Who comes with ``READ_ONLY_KEY`` may read, and is refused everything else as Qdrant refuses it.
    """

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _answer(self) -> None:
            content = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            headers = {"Content-Type": self.headers.get("Content-Type", "application/json")}
            given = self.headers.get("api-key", "")
            path = self.path.removeprefix(PREFIX)
            if path == self.path:
                return self._say(404, b"no such page")
            reads = self.command == "GET" or path.endswith(("/scroll", "/search", "/count", "/query"))
            if given == READ_ONLY_KEY and not reads:
                return self._say(403, b'{"status":{"error":"Forbidden: Global manage access is required"}}')
            headers["api-key"] = key if given == READ_ONLY_KEY else given
            url = f"http://127.0.0.1:{port}{path}"
            told = httpx.request(
                self.command, url, content=content, headers=headers, timeout=5, trust_env=False
            )
            return self._say(told.status_code, told.content, told.headers.get("Content-Type", ""))

        do_GET = do_PUT = do_POST = do_DELETE = do_PATCH = _answer

        def _say(self, status: int, content: bytes, kind: str = "application/json") -> None:
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, format: str, *arguments: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
