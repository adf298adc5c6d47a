"""The fault links: every toxic, errors as Toxiproxy tells them, no byte lost while toxics come and go."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import os
import select
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from unittest.mock import Mock

import httpx
import pytest

from support.faults.toxiproxy import Toxiproxy, ToxiproxyError
from support.lifecycle.deadman import DeadMan
from support.stack.links.relay import Pipe
from support.stack.ports import free_ports
from support.stack.servers import LOOPBACK, Workshop, answers, python_service
from support.waiting import eventually

LINK = "echo"
MEGABYTE = 1 << 20


class Echo:
    """A server that sends back what it receives, and counts it."""

    def __init__(self) -> None:
        self._listener = socket.create_server((LOOPBACK, 0))
        self.address = f"{LOOPBACK}:{self._listener.getsockname()[1]}"
        self.received = 0
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with connection, contextlib.suppress(OSError):
            while data := connection.recv(65536):
                self.received += len(data)
                connection.sendall(data)

    def close(self) -> None:
        """Accept no more."""
        # A thread in accept() keeps a listener alive that is only closed.
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()


@pytest.fixture(scope="module")
def control(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Toxiproxy]:
    """The link process and its control API."""
    directory: Path = tmp_path_factory.mktemp("links")
    deadman = DeadMan.start(directory / "deadman.log")
    (port,) = free_ports(1)
    url = f"http://{LOOPBACK}:{port}"
    service = python_service(
        Workshop(directory, directory, deadman),
        "links",
        "support.stack.links",
        ["--port", str(port)],
        port=port,
        ready=answers(f"{url}/version", {"version": "acceptance-links"}),
    )
    service.start()
    yield Toxiproxy(url)
    service.stop()
    deadman.disarm()
    assert service.exit_code == 0


@pytest.fixture
def echo() -> Iterator[Echo]:
    """A fresh server."""
    server = Echo()
    yield server
    server.close()


@pytest.fixture
def link(control: Toxiproxy, echo: Echo) -> Iterator[tuple[str, int]]:
    """A fresh link in front of ``echo``; its address."""
    control.create(LINK, f"{LOOPBACK}:0", echo.address)
    host, _, port = str(control.link(LINK)["listen"]).rpartition(":")
    yield host, int(port)
    control.delete(LINK)


@contextlib.contextmanager
def connected(address: tuple[str, int]) -> Iterator[socket.socket]:
    """A connection through the link on which one byte has already come back."""
    with socket.create_connection(address, timeout=3) as client:
        client.sendall(b"?")
        assert client.recv(1) == b"?"
        yield client


def exactly(client: socket.socket, size: int) -> bytes:
    """The next ``size`` bytes."""
    parts: list[bytes] = []
    while size:
        part = client.recv(min(size, 65536))
        assert part, f"closed with {size} bytes missing"
        parts.append(part)
        size -= len(part)
    return b"".join(parts)


def until_closed(client: socket.socket) -> bytes:
    """Everything up to the end of the connection."""
    return b"".join(iter(lambda: client.recv(65536), b""))


def silent(client: socket.socket, seconds: float) -> bool:
    """Whether nothing arrives, not even an end."""
    return not select.select([client], [], [], seconds)[0]


def traffic(control: Toxiproxy) -> dict[str, int]:
    """What the link has counted."""
    return dict(control.link(LINK)["traffic"])


def hits(control: Toxiproxy) -> int:
    """How often the test's toxic has acted."""
    return int(control.toxic(LINK, "t")["hits"])


def test_a_link_passes_bytes_on_and_counts(control: Toxiproxy, link: tuple[str, int]) -> None:
    with connected(link) as client:
        client.sendall(b"hello")
        assert exactly(client, 5) == b"hello"
    assert traffic(control) == {"connections": 1, "chunks": 2, "cut": 0}


def test_what_comes_before_the_server_is_there_is_not_lost() -> None:
    async def scene() -> Mock:
        pipe, source, sink = Pipe(Mock()), Mock(asyncio.Transport), Mock(asyncio.Transport)
        pipe.receive(b"early ")
        pipe.receive(b"bird")
        pipe.open(source, sink, [])
        pipe.receive(b", late")
        return sink

    sink = asyncio.run(scene())
    assert b"".join(call.args[0] for call in sink.write.call_args_list) == b"early bird, late"


def test_a_close_comes_through(link: tuple[str, int]) -> None:
    with connected(link) as client:
        client.shutdown(socket.SHUT_WR)
        assert until_closed(client) == b""


def test_latency_delays_each_round_trip_but_overlaps(control: Toxiproxy, link: tuple[str, int]) -> None:
    with connected(link) as client:
        control.add_toxic(LINK, "t", "latency", latency=200)
        began = time.monotonic()
        for _ in range(5):
            client.sendall(b"x")
            time.sleep(0.02)
        exactly(client, 5)
        assert 0.2 <= time.monotonic() - began < 0.9
        assert 1 <= hits(control) <= 5


def test_an_ended_latency_lets_go_what_it_held(control: Toxiproxy, link: tuple[str, int]) -> None:
    with connected(link) as client:
        control.add_toxic(LINK, "t", "latency", latency=60_000)
        client.sendall(b"held")
        assert silent(client, 0.1)
        control.remove_toxic(LINK, "t")
        assert exactly(client, 4) == b"held"


def test_bandwidth_limits_the_rate(control: Toxiproxy, link: tuple[str, int]) -> None:
    with connected(link) as client:
        control.add_toxic(LINK, "t", "bandwidth", rate=500)
        began = time.monotonic()
        client.sendall(bytes(200_000))
        exactly(client, 200_000)
        assert 0.38 <= time.monotonic() - began < 2


def test_slow_close_delays_only_the_end(control: Toxiproxy, link: tuple[str, int]) -> None:
    control.add_toxic(LINK, "t", "slow_close", delay=300)
    with connected(link) as client:
        client.shutdown(socket.SHUT_WR)
        began = time.monotonic()
        assert until_closed(client) == b""
        assert 0.28 <= time.monotonic() - began < 2
        assert hits(control) == 1


def test_timeout_swallows_what_is_sent(control: Toxiproxy, echo: Echo, link: tuple[str, int]) -> None:
    with connected(link) as client:
        control.add_toxic(LINK, "t", "timeout", stream="upstream", timeout=0)
        before = echo.received
        client.sendall(b"lost")
        assert silent(client, 0.15)
        assert echo.received == before
        assert hits(control) == 1
        control.remove_toxic(LINK, "t")
        assert until_closed(client) == b"", "its end closes the connections it has robbed"


def test_timeout_downstream_lets_the_request_arrive(
    control: Toxiproxy, echo: Echo, link: tuple[str, int]
) -> None:
    with connected(link) as client:
        control.add_toxic(LINK, "t", "timeout", timeout=0)
        before = echo.received
        client.sendall(b"done")
        assert silent(client, 0.15)
        assert echo.received == before + 4


def test_timeout_closes_an_idle_connection(control: Toxiproxy, link: tuple[str, int]) -> None:
    with connected(link) as client:
        control.add_toxic(LINK, "t", "timeout", timeout=200)
        began = time.monotonic()
        assert until_closed(client) == b""
        assert 0.18 <= time.monotonic() - began < 2


@pytest.mark.parametrize("stream", ["upstream", "downstream"])
def test_reset_peer_resets_at_the_first_data(control: Toxiproxy, link: tuple[str, int], stream: str) -> None:
    with connected(link) as client:
        control.add_toxic(LINK, "t", "reset_peer", stream=stream, timeout=0)
        assert silent(client, 0.05), "an idle connection is left alone"
        client.sendall(b"x")
        with pytest.raises(ConnectionResetError):
            client.recv(1)
        assert hits(control) == 1


def test_slicer_sends_slices(control: Toxiproxy, link: tuple[str, int]) -> None:
    with connected(link) as client:
        control.add_toxic(LINK, "t", "slicer", average_size=10, size_variation=5, delay=5_000)
        data = os.urandom(100)
        client.sendall(data)
        slices: list[bytes] = []
        while sum(map(len, slices)) < len(data):
            slices.append(client.recv(100))
        assert b"".join(slices) == data
        assert len(slices) >= 5


def test_limit_data_closes_after_exactly_so_many_bytes(control: Toxiproxy, link: tuple[str, int]) -> None:
    control.add_toxic(LINK, "t", "limit_data", bytes=101)
    with connected(link) as client:
        client.sendall(bytes(500))
        assert len(until_closed(client)) == 100
        assert hits(control) == 1


def test_toxics_act_one_after_the_other(control: Toxiproxy, link: tuple[str, int]) -> None:
    with connected(link) as client:
        control.add_toxic(LINK, "late", "latency", latency=200)
        control.add_toxic(LINK, "t", "bandwidth", rate=100)
        began = time.monotonic()
        client.sendall(bytes(20_000))
        exactly(client, 20_000)
        assert 0.38 <= time.monotonic() - began < 2


def test_toxicity_spares_connections(control: Toxiproxy, link: tuple[str, int]) -> None:
    url = f"{control.url}/proxies/{LINK}/toxics"
    httpx.post(url, json={"type": "timeout", "name": "t", "toxicity": 0})
    with connected(link) as client:
        httpx.post(f"{url}/t", json={"toxicity": 1.0})
        client.sendall(b"x")
        assert silent(client, 0.1)


def test_a_disabled_link_closes_and_refuses(control: Toxiproxy, link: tuple[str, int]) -> None:
    with connected(link) as client:
        control.disable(LINK)
        with contextlib.suppress(ConnectionResetError):
            assert client.recv(1) == b""
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(link, timeout=1)
    assert traffic(control)["cut"] == 1
    control.enable(LINK)
    with connected(link):
        assert control.link(LINK)["enabled"] is True


def test_a_dead_server_is_seen_as_a_close(control: Toxiproxy, echo: Echo, link: tuple[str, int]) -> None:
    echo.close()
    with socket.create_connection(link, timeout=3) as client, contextlib.suppress(ConnectionResetError):
        assert client.recv(1) == b""
    assert traffic(control)["connections"] == 1


def test_nothing_is_lost_or_reordered_while_toxics_come_and_go(
    control: Toxiproxy, link: tuple[str, int]
) -> None:
    size = 8 * MEGABYTE
    data = os.urandom(size)
    stopped = threading.Event()

    def meddle() -> None:
        kinds = [("latency", {"latency": 15, "jitter": 10}), ("slicer", {"average_size": 3000, "delay": 50})]
        while not stopped.is_set():
            for stream in ("upstream", "downstream"):
                for kind, attributes in kinds:
                    control.add_toxic(LINK, f"{kind}_{stream}", kind, stream=stream, **attributes)
            stopped.wait(0.04)
            for stream in ("upstream", "downstream"):
                for kind, _ in kinds:
                    control.remove_toxic(LINK, f"{kind}_{stream}")
            stopped.wait(0.02)

    with connected(link) as client:
        meddler = threading.Thread(target=meddle)
        meddler.start()
        sender = threading.Thread(target=client.sendall, args=(data,))
        sender.start()
        try:
            back = exactly(client, size)
        finally:
            stopped.set()
            meddler.join()
        sender.join()
    assert hashlib.sha256(back).digest() == hashlib.sha256(data).digest()


def test_a_reader_that_stops_holds_the_sender_back(link: tuple[str, int]) -> None:
    with socket.create_connection(link, timeout=3) as client:
        client.setblocking(False)
        sent, chunk = 0, bytes(MEGABYTE)
        deadline = time.monotonic() + 1.0
        while time.monotonic() < deadline and sent < 256 * MEGABYTE:
            with contextlib.suppress(BlockingIOError):
                sent += client.send(chunk)
        assert sent < 64 * MEGABYTE, "the link buffers without limit"


def test_errors_are_told_as_toxiproxy_tells_them(control: Toxiproxy, link: tuple[str, int]) -> None:
    url = f"{control.url}/proxies"
    latency = {"type": "latency", "name": "t"}
    control.add_toxic(LINK, "t", "latency", latency=0)
    expected = [
        ("GET", f"{url}/none", None, 404, "proxy not found"),
        ("POST", url, b"{", 400, "bad request body"),
        ("POST", url, b"[]", 400, "bad request body"),
        ("POST", url, {"upstream": "127.0.0.1:1"}, 400, "missing required field: name"),
        ("POST", url, {"name": "x"}, 400, "missing required field: upstream"),
        ("POST", url, {"name": LINK, "upstream": "127.0.0.1:1"}, 409, "proxy already exists"),
        ("POST", url, {"name": "x", "upstream": "h:1", "listen": f"{link[0]}:{link[1]}"}, 500, "in use"),
        ("POST", f"{url}/{LINK}/toxics", latency, 409, "toxic already exists"),
        ("POST", f"{url}/{LINK}/toxics", {"type": "x"}, 400, "invalid toxic type"),
        ("POST", f"{url}/{LINK}/toxics", {**latency, "stream": "x"}, 400, "stream was invalid"),
        ("POST", f"{url}/{LINK}/toxics/t", {"attributes": {"latency": "1"}}, 400, "bad request body"),
        ("GET", f"{url}/{LINK}/toxics/none", None, 404, "toxic not found"),
        ("DELETE", f"{url}/{LINK}/toxics/none", None, 404, "toxic not found"),
        ("GET", f"{control.url}/other", None, 404, "not found"),
    ]
    for method, address, body, status, message in expected:
        content = {"content": body} if isinstance(body, bytes) else {"json": body}
        answer = httpx.request(method, address, **content)
        told = answer.json()
        assert (answer.status_code, told["status"]) == (status, status), f"{method} {address} {body!r}"
        assert message in told["error"]
    browser = httpx.get(url, headers={"User-Agent": "Mozilla/5.0"})
    assert browser.status_code == 403
    with pytest.raises(ToxiproxyError, match="404 proxy not found") as raised:
        control.link("none")
    assert raised.value.absent


def test_populate_and_reset(control: Toxiproxy, echo: Echo, link: tuple[str, int]) -> None:
    listen = f"{link[0]}:{link[1]}"
    control.add_toxic(LINK, "t", "latency", latency=10)
    wanted = [
        {"name": LINK, "listen": listen, "upstream": echo.address},
        {"name": "other", "listen": f"{LOOPBACK}:0", "upstream": echo.address, "enabled": False},
    ]
    answer = httpx.post(f"{control.url}/populate", json=wanted)
    assert answer.status_code == 201
    same, other = answer.json()["proxies"]
    assert [toxic["name"] for toxic in same["toxics"]] == ["t"], "an equal link is left as it is"
    assert other["enabled"] is False
    assert httpx.post(f"{control.url}/reset").status_code == 204
    links = httpx.get(f"{control.url}/proxies").json()
    assert all(each["enabled"] and not each["toxics"] for each in links.values())
    control.delete("other")


def test_connections_that_have_ended_are_forgotten(control: Toxiproxy, link: tuple[str, int]) -> None:
    for _ in range(20):
        with connected(link):
            pass

    def cut_now() -> int:
        before = traffic(control)["cut"]
        control.disable(LINK)
        control.enable(LINK)
        return traffic(control)["cut"] - before

    eventually(cut_now, lambda count: count == 0, within=2, what="no connection is left to cut")


def test_a_taken_port_is_told(control: Toxiproxy, tmp_path: Path) -> None:
    """The process ends with a message instead of a traceback."""
    port = int(control.url.rpartition(":")[2])
    deadman = DeadMan.start(tmp_path / "deadman.log")
    service = python_service(
        Workshop(tmp_path, tmp_path, deadman),
        "links",
        "support.stack.links",
        ["--port", str(port)],
        port=port,
        ready=answers(f"{control.url}/version", {}),
    )
    try:
        with pytest.raises(Exception, match=r"cannot start: .*address already in use"):
            service.start()
    finally:
        deadman.disarm()
