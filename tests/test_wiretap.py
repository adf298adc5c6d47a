"""A wiretap: everything passes as before, requests are kept, and the link leads back afterwards."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar, cast

import httpx
import pytest

from support.faults.toxiproxy import Toxiproxy
from support.faults.wiretap import Wiretap
from support.waiting import eventually


class Shouting(BaseHTTPRequestHandler):
    """Answers each request with its content in capitals, on a connection that stays open."""

    protocol_version = "HTTP/1.1"
    seen: ClassVar[list[str]] = []

    def do_POST(self) -> None:
        self.seen.append(self.path)
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


@pytest.mark.parametrize("responses", [False, True])
def test_what_is_held_goes_on_when_it_is_let_go(control: OneLink, responses: bool) -> None:
    tap = Wiretap(cast(Toxiproxy, control), "any")
    tap.start()
    hold = tap.hold(lambda request: request.path == "/held", responses=responses)
    url = f"http://{control.upstream}"
    with httpx.Client(base_url=url, trust_env=False, timeout=3) as client, ThreadPoolExecutor(1) as pool:
        held = pool.submit(client.post, "/held", content=b"held")
        eventually(lambda: hold.held, bool, within=2, what="the request is held")
        assert client.post("/other", content=b"other").content == b"OTHER"
        hold.close()
        assert client.post("/held", content=b"late").content == b"LATE"
        assert not held.done()
        hold.let_go()
        assert held.result().content == b"HELD"
    assert hold.held == 1
    tap.stop()


def test_a_held_request_for_which_nobody_waits_is_dropped(control: OneLink) -> None:
    tap = Wiretap(cast(Toxiproxy, control), "any")
    tap.start()
    hold = tap.hold(lambda request: request.path == "/held", responses=False)
    with pytest.raises(httpx.ReadTimeout):
        httpx.post(f"http://{control.upstream}/held", content=b"x", trust_env=False, timeout=0.3)
    arrived = len(Shouting.seen)
    hold.let_go()
    with httpx.Client(base_url=f"http://{control.upstream}", trust_env=False, timeout=3) as client:
        assert client.post("/other", content=b"other").content == b"OTHER"
    assert Shouting.seen[arrived:] == ["/other"]
    tap.stop()
