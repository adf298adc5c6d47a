"""A wiretap: everything passes as before, requests are kept, and the link leads back afterwards."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, cast

import httpx
import pytest

from support.faults.toxiproxy import Toxiproxy
from support.faults.wiretap import Wiretap


class Shouting(BaseHTTPRequestHandler):
    """Answers each request with its content in capitals, on a connection that stays open."""

    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        content = self.rfile.read(int(self.headers["Content-Length"])).upper()
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *arguments: object) -> None:
        """Say nothing."""


class OneLink:
    """A control API with one link, which only remembers where it leads."""

    def __init__(self, upstream: str) -> None:
        self.upstream = upstream

    def link(self, name: str) -> dict[str, Any]:
        return {"upstream": self.upstream}

    def lead(self, name: str, upstream: str) -> None:
        self.upstream = upstream


@pytest.fixture
def control() -> Iterator[OneLink]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Shouting)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield OneLink(f"127.0.0.1:{server.server_port}")
    server.shutdown()
    server.server_close()


def test_requests_pass_and_are_kept_in_their_order(control: OneLink) -> None:
    server = control.upstream
    tap = Wiretap(cast(Toxiproxy, control), "any")
    tap.start()
    assert control.upstream != server
    with httpx.Client(base_url=f"http://{control.upstream}", trust_env=False, timeout=3) as client:
        for content in (b"one", b"", b"three\r\n\r\nPOST /not-a-request HTTP/1.1\r\n\r\n"):
            headers = {"X-Request-ID": "at-1", "X-Secret": "canary"}
            assert client.post("/shout", content=content, headers=headers).content == content.upper()
    heard = tap.heard()
    assert [(each.method, each.path) for each in heard] == [("POST", "/shout")] * 3
    assert [each.body[:5] for each in heard] == [b"one", b"", b"three"]
    assert heard[0].headers["x-request-id"] == "at-1"
    assert "canary" not in repr(heard)
    tap.forget()
    assert tap.heard() == []
    tap.stop()
    assert control.upstream == server
    tap.stop()


def test_after_its_end_nobody_listens(control: OneLink) -> None:
    tap = Wiretap(cast(Toxiproxy, control), "any")
    tap.start()
    url = f"http://{control.upstream}/shout"
    tap.stop()
    with pytest.raises(httpx.ConnectError):
        httpx.post(url, content=b"x", trust_env=False, timeout=3)
