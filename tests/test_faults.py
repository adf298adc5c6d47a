"""Faults at a link and on a process: injected, counted, ended, never forgotten, only where allowed."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from support.errors import Unavailable
from support.faults import FaultError, Faults
from support.faults.clocks import SHARED_MEMORY
from support.faults.fault_types import SKEW_S
from support.faults.guard import Guard
from support.faults.injectors import CLOCK_TOLERANCE_S
from support.faults.toxiproxy import Toxiproxy
from support.lifecycle.deadman import DeadMan
from support.stack.ports import free_ports
from support.stack.process import ServiceFailed, ServiceProcess
from support.stack.servers import LOOPBACK, Workshop, answers, get_json, python_service


@dataclass(frozen=True, slots=True)
class Platform:
    """A server behind a link, and one without a link that stands for the gateway."""

    control: Toxiproxy
    links: dict[str, str]
    services: dict[str, ServiceProcess]
    linked: str
    faults: Faults

    def ask(self) -> int:
        """Ask the server through the link; its process id."""
        answer = httpx.get(self.linked, timeout=0.4, trust_env=False)
        return int(answer.json()["pid"])

    def asked(self) -> int:
        """How often the server was asked, by its own count."""
        return int(str(get_json(f"http://{LOOPBACK}:{self.services['redis'].port}/")["asked"]))


@pytest.fixture(scope="module")
def parts(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    """The processes, for all tests of the module."""
    directory: Path = tmp_path_factory.mktemp("faults")
    deadman = DeadMan.start(directory / "deadman.log")
    workshop = Workshop(directory, directory, deadman)
    links_port, redis_port, gateway_port, link_port = free_ports(4)
    links_url = f"http://{LOOPBACK}:{links_port}"

    def tiny(name: str, port: int) -> ServiceProcess:
        ready = answers(f"http://{LOOPBACK}:{port}/", {"name": name})
        return python_service(workshop, name, "tests.tiny_server", [str(port), name], port=port, ready=ready)

    links = python_service(
        workshop,
        "links",
        "support.stack.links",
        ["--port", str(links_port)],
        port=links_port,
        ready=answers(f"{links_url}/version", {}),
    )
    services = {"redis": tiny("redis", redis_port), "gateway": tiny("gateway", gateway_port)}
    try:
        for service in (links, *services.values()):
            service.start()
        control = Toxiproxy(links_url)
        control.create("run_redis", f"{LOOPBACK}:{link_port}", f"{LOOPBACK}:{redis_port}")
        named = {"redis": "run_redis"}
        faults = Faults(links_url, named, services)
        yield Platform(control, named, services, f"http://{LOOPBACK}:{link_port}/", faults)
    finally:
        for service in (*services.values(), links):
            service.kill()
        deadman.disarm()


@pytest.fixture
def platform(parts: Platform) -> Iterator[Platform]:
    """The platform, whole before and after each test."""
    yield parts
    parts.faults.end_all()
    assert parts.ask() == parts.services["redis"].pid
    assert parts.control.link("run_redis")["toxics"] == []


@pytest.mark.parametrize("kind", ["crashed", "stopped"])
def test_a_server_that_is_down_comes_back_on_its_port(platform: Platform, kind: str) -> None:
    before = platform.ask()
    fault = platform.faults.inject("redis", kind)
    with pytest.raises(httpx.ConnectError):
        platform.ask()
    assert fault.hits() >= 1
    fault.end()
    assert platform.ask() not in (0, before)
    assert fault.hits() == 0, "it is no longer in force"


def test_requests_during_a_restart_fail_but_its_end_returns_when_it_is_ready(platform: Platform) -> None:
    stopped = threading.Event()
    failures: list[str] = []

    def go_on_asking() -> None:
        while not stopped.is_set():
            try:
                platform.ask()
            except httpx.TransportError as error:
                failures.append(type(error).__name__)
            time.sleep(0.005)

    client = threading.Thread(target=go_on_asking)
    client.start()
    try:
        fault = platform.faults.inject("redis", "crashed")
        stopped.wait(0.1)
        fault.end()
        assert platform.ask() == platform.services["redis"].pid
    finally:
        stopped.set()
        client.join()
    assert failures


def test_a_frozen_server_keeps_its_connections_and_goes_on(platform: Platform) -> None:
    fault = platform.faults.inject("redis", "frozen")
    assert fault.hits() == 0, "nothing has been asked yet"
    with pytest.raises(httpx.ReadTimeout):
        platform.ask()
    assert fault.hits() >= 1
    before = platform.services["redis"].pid
    fault.end()
    assert platform.ask() == before


def test_the_gateway_has_no_link_so_its_fall_is_the_hit(platform: Platform) -> None:
    for kind in ("crashed", "stopped", "frozen"):
        fault = platform.faults.inject("gateway", kind)
        assert fault.hits() == 1
        fault.end()
        assert fault.hits() == 0
    assert platform.services["gateway"].running()


@pytest.mark.parametrize(("kind", "off_s"), [("clock_ahead", SKEW_S), ("clock_behind", -SKEW_S)])
def test_a_wrong_clock_is_told_and_leaves_nothing(platform: Platform, kind: str, off_s: int) -> None:
    server = platform.services["gateway"]
    environment = dict(server.environment)
    fault = platform.faults.inject("gateway", kind)
    assert fault.hits() == 1
    assert server.clock.tell() == pytest.approx(time.time() + off_s, abs=CLOCK_TOLERANCE_S)
    assert not list(SHARED_MEMORY.glob(f"*faketime*{server.pid}"))
    fault.end()
    assert fault.hits() == 0
    assert server.clock.tell() == pytest.approx(time.time(), abs=CLOCK_TOLERANCE_S)
    assert server.environment == environment


def test_no_clock_is_wrong_where_the_library_does_not_fit(
    platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("platform.machine", lambda: "riscv64")
    with pytest.raises(
        Unavailable, match="libfaketime is built for Linux on x86_64, this is Linux on riscv64"
    ):
        platform.faults.inject("gateway", "clock_ahead")


def test_a_cut_link_refuses_and_is_whole_again(platform: Platform) -> None:
    with httpx.Client(base_url=platform.linked, timeout=0.4, trust_env=False) as pooled:
        pooled.get("/")
        fault = platform.faults.inject("redis", "cut")
        assert fault.hits() == 2, "the open connection was cut, and the link refuses"
        with pytest.raises(httpx.TransportError):
            pooled.get("/")
        with pytest.raises(httpx.ConnectError):
            platform.ask()
        fault.end()
        assert pooled.get("/").status_code == 200


def test_a_hanging_link_swallows_the_request(platform: Platform) -> None:
    before = platform.asked()
    fault = platform.faults.inject("redis", "hang")
    assert fault.hits() == 0
    with pytest.raises(httpx.ReadTimeout):
        platform.ask()
    assert fault.hits() >= 1
    fault.end()
    assert platform.asked() == before + 1, "only the question of this line has arrived"


def test_a_mute_link_delivers_the_request_and_swallows_the_answer(platform: Platform) -> None:
    before = platform.asked()
    fault = platform.faults.inject("redis", "mute")
    with pytest.raises(httpx.ReadTimeout):
        platform.ask()
    assert fault.hits() >= 1
    fault.end()
    assert platform.asked() == before + 2, "the question that was not answered has arrived as well"


def test_a_dripping_link_always_gives_something_and_never_the_whole(platform: Platform) -> None:
    fault = platform.faults.inject("redis", "drip", ms=50)
    address = urlsplit(platform.linked)
    received, until = 0, time.monotonic() + 0.5
    with socket.create_connection((address.hostname, address.port), timeout=0.4) as client:
        client.sendall(b"GET / HTTP/1.0\r\n\r\n")
        while time.monotonic() < until:
            received += len(client.recv(100))
    assert 3 <= received <= 15
    assert fault.hits() >= 1
    fault.end()
    assert platform.ask() == platform.services["redis"].pid


def test_a_torn_link_breaks_every_answer_off(platform: Platform) -> None:
    fault = platform.faults.inject("redis", "torn", after=3)
    with pytest.raises(httpx.RemoteProtocolError):
        platform.ask()
    assert fault.hits() == 1
    fault.end()
    assert platform.ask() == platform.services["redis"].pid


def test_a_server_chokes_on_what_is_deadly_and_answers_all_else(platform: Platform) -> None:
    fault = platform.faults.inject("redis", "choke", on="deadly")
    assert platform.ask() == platform.services["redis"].pid
    assert fault.hits() == 0
    before = platform.asked()
    with pytest.raises(httpx.TransportError):
        httpx.get(f"{platform.linked}/deadly", timeout=0.4, trust_env=False)
    assert fault.hits() == 1
    assert platform.asked() == before + 1, "only the question of this line has arrived"
    fault.end()
    assert platform.ask() == platform.services["redis"].pid


def test_a_slow_link_takes_its_time(platform: Platform) -> None:
    fault = platform.faults.inject("redis", "slow", ms=150)
    assert str(fault) == "redis slow (ms=150)"
    began = time.monotonic()
    platform.ask()
    assert 0.15 <= time.monotonic() - began < 0.4
    assert fault.hits() >= 1


def test_a_reset_link_resets(platform: Platform) -> None:
    before = platform.asked()
    fault = platform.faults.inject("redis", "reset")
    with pytest.raises(httpx.ReadError):
        platform.ask()
    assert fault.hits() == 1
    fault.end()
    assert platform.asked() == before + 1


def test_ending_twice_is_ending_once(platform: Platform) -> None:
    fault = platform.faults.inject("redis", "crashed")
    fault.end()
    pid = platform.services["redis"].pid
    fault.end()
    assert platform.services["redis"].pid == pid
    assert platform.faults.end_all() == []


def test_end_all_ends_everything_the_gateway_last(platform: Platform) -> None:
    for target, kind in (("redis", "hang"), ("redis", "frozen"), ("gateway", "crashed")):
        platform.faults.inject(target, kind)
    assert platform.faults.end_all() == ["redis frozen", "redis hang", "gateway crashed"]
    assert platform.faults.end_all() == []
    assert platform.ask()


def test_an_end_that_fails_is_reported_and_tried_again(
    platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    fault = platform.faults.inject("redis", "crashed")

    def broken(self: ServiceProcess) -> None:
        raise ServiceFailed("no disk")

    with monkeypatch.context() as patch:
        patch.setattr(ServiceProcess, "start", broken)
        with pytest.raises(FaultError, match="redis crashed could not be removed: no disk"):
            fault.end()
        assert platform.faults.end_all() == ["redis crashed could not be removed: no disk"]
    assert platform.faults.end_all() == ["redis crashed"]


def test_a_fault_that_strikes_but_complains_is_undone(
    platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    kill = ServiceProcess.kill

    def kills_and_complains(self: ServiceProcess) -> None:
        kill(self)
        raise TimeoutError("no news of the process")

    with monkeypatch.context() as patch:
        patch.setattr(ServiceProcess, "kill", kills_and_complains)
        with pytest.raises(FaultError, match="redis crashed could not be injected: no news"):
            platform.faults.inject("redis", "crashed")
    assert platform.ask() == platform.services["redis"].pid
    assert platform.faults.end_all() == []


def test_an_interrupted_fault_is_known(platform: Platform, monkeypatch: pytest.MonkeyPatch) -> None:
    """The deadline of a step passes anywhere; what was half done is ended at the scenario's end."""
    kill = ServiceProcess.kill

    def interrupted(self: ServiceProcess) -> None:
        kill(self)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(ServiceProcess, "kill", interrupted)
        with pytest.raises(KeyboardInterrupt):
            platform.faults.inject("redis", "crashed")
    assert platform.faults.end_all() == ["redis crashed"]


def test_what_a_mode_cannot_do_is_said(platform: Platform) -> None:
    attached = Faults(platform.control.url, platform.links, {})
    with pytest.raises(Unavailable, match="redis was not started by the suite, so it cannot be crashed"):
        attached.inject("redis", "crashed")
    with pytest.raises(Unavailable, match="no link in front of gateway"):
        platform.faults.inject("gateway", "cut")
    with pytest.raises(ValueError, match="no such fault of redis: 'lame'"):
        platform.faults.inject("redis", "lame")
    with pytest.raises(ValueError, match="no such target: 'printer'"):
        platform.faults.inject("printer", "crashed")


class OpenGuard(Guard):
    """Lets everything through: what the real one asks is tested elsewhere."""

    def __init__(self) -> None:
        super().__init__("test", None)

    def enter(self, link: dict[str, Any] | None = None) -> None:
        pass


def deployed(url: str | None, *listed: str) -> Faults:
    return Faults.deployed(url, listed, OpenGuard())


def test_a_deployed_platform_is_struck_only_where_it_is_listed(platform: Platform) -> None:
    url = platform.control.url
    with pytest.raises(Unavailable, match="CITADEL_FAULTS does not list it"):
        deployed(url).inject("redis", "cut")
    with pytest.raises(Unavailable, match="redis:hang is not allowed"):
        deployed(url, "redis:cut", "qdrant").inject("redis", "hang")
    with pytest.raises(Unavailable, match='no link "redis"'):
        deployed(url, "redis").inject("redis", "cut")
    with pytest.raises(Unavailable, match="set TOXIPROXY_URL"):
        deployed(None, "redis").inject("redis", "cut")
    with pytest.raises(FaultError, match="does not answer"):
        deployed(f"http://{LOOPBACK}:1", "redis").inject("redis", "cut")
    platform.control.create("redis", f"{LOOPBACK}:0", f"{LOOPBACK}:{platform.services['redis'].port}")
    try:
        allowed = deployed(url, "redis:cut")
        fault = allowed.inject("redis", "cut")
        assert fault.hits() == 1
        fault.end()
        assert platform.control.link("redis")["enabled"] is True
    finally:
        platform.control.delete("redis")


def test_what_others_do_at_a_link_is_respected(platform: Platform) -> None:
    platform.control.add_toxic("run_redis", "of_others", "latency", latency=1)
    with pytest.raises(Unavailable, match="of_others"):
        platform.faults.inject("redis", "hang")
    assert [toxic["name"] for toxic in platform.control.link("run_redis")["toxics"]] == ["of_others"]
    platform.control.remove_toxic("run_redis", "of_others")
    platform.control.disable("run_redis")
    with pytest.raises(Unavailable, match="disabled already"):
        platform.faults.inject("redis", "cut")
    assert platform.control.link("run_redis")["enabled"] is False
    platform.control.enable("run_redis")


def test_a_real_toxiproxy_counts_nothing_so_presence_is_the_hit(
    platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its answers lack ``hits`` and ``traffic``."""
    link, toxic = Toxiproxy.link, Toxiproxy.toxic

    def without(answer: dict[str, object]) -> dict[str, object]:
        return {name: value for name, value in answer.items() if name not in ("hits", "traffic")}

    with monkeypatch.context() as patch:
        patch.setattr(Toxiproxy, "link", lambda self, name: without(link(self, name)))
        patch.setattr(Toxiproxy, "toxic", lambda self, name, its: without(toxic(self, name, its)))
        for kind in ("cut", "hang", "crashed", "frozen"):
            fault = platform.faults.inject("redis", kind)
            assert fault.hits() == 1
            fault.end()
            with contextlib.suppress(httpx.TransportError):
                platform.ask()
            assert fault.hits() == 0
