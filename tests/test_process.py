"""One server process: ready only when it has shown who it is, told with its log when it is not."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from support.isolation.processes import lives
from support.lifecycle.deadman import DeadMan
from support.settings import ROOT
from support.stack import process as process_module
from support.stack.ports import FIRST, LAST, claim, free_ports
from support.stack.process import ServiceFailed, ServiceProcess
from support.stack.servers import LOOPBACK, Workshop, answers, get_json, python_service
from support.waiting import eventually

Make = Callable[..., ServiceProcess]


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Make]:
    """Makes a tiny server, not yet started; every one is ended after the test."""
    deadman = DeadMan.start(tmp_path / "deadman.log")
    made: list[ServiceProcess] = []

    def new(*modes: str, name: str = "tiny", port: int | None = None) -> ServiceProcess:
        at = port or free_ports(1)[0]
        service = python_service(
            Workshop(tmp_path, tmp_path, deadman),
            name,
            "tests.tiny_server",
            [str(at), name, *modes],
            port=at,
            ready=answers(f"http://{LOOPBACK}:{at}/", {"name": name}),
        )
        made.append(service)
        return service

    yield new
    for service in made:
        service.kill()
    deadman.disarm()


def told(service: ServiceProcess) -> dict[str, object]:
    """What the server says of itself."""
    return get_json(f"http://{LOOPBACK}:{service.port}/")


def test_a_started_server_answers_and_stops_in_good_order(make: Make) -> None:
    service = make()
    assert not service.running() and service.pid == 0
    service.start()
    assert service.running() and service.owns_port()
    assert told(service)["pid"] == service.pid
    assert 0 < service.ready_s < 10 and len(service.starts) == 1
    assert "listening" in service.log_since(0)
    service.stop()
    assert not service.running() and service.exit_code == 0
    service.stop()


def test_a_restarted_server_keeps_its_port_and_its_log(make: Make) -> None:
    service = make()
    service.start()
    first, size = service.pid, service.log_size()
    service.kill()
    assert service.exit_code == -9
    service.start()
    assert told(service)["pid"] == service.pid != first
    assert service.log_since(size) == "listening\n"
    assert len(service.starts) == 2


def test_a_stranger_on_the_port_is_not_taken_for_the_server(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It even answers with the right name: only the owner of the listening socket tells them apart."""
    stranger = make()
    stranger.start()
    monkeypatch.setattr(process_module, "READY_WITHIN_S", 0.6)
    sleeper = make(port=stranger.port)
    sleeper.command = [sys.executable, "-c", "import time; time.sleep(30)"]
    with pytest.raises(ServiceFailed, match="held by another process"):
        sleeper.start()
    assert not sleeper.running()
    assert stranger.running()


def test_another_server_on_the_port_is_not_taken_for_the_server(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    stranger = make(name="stranger")
    stranger.start()
    monkeypatch.setattr(process_module, "READY_WITHIN_S", 0.6)
    service = make(port=stranger.port)
    # Alive while the stranger answers in its place: not just a failure to bind.
    service.command = [sys.executable, "-c", "import time; time.sleep(30)"]
    with pytest.raises(ServiceFailed, match="stranger"):
        service.start()


def test_a_server_that_ends_is_told_at_once_with_its_log(make: Make) -> None:
    service = make("end")
    began = time.monotonic()
    with pytest.raises(ServiceFailed, match=r"tiny ended with exit code 3(.|\n)*cannot find my config"):
        service.start()
    assert time.monotonic() - began < 5, "a dead server is not waited for"


def test_a_server_that_never_gets_ready_is_ended_and_told_with_its_log(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(process_module, "READY_WITHIN_S", 0.8)
    service = make()

    def never() -> None:
        raise RuntimeError("still loading")

    service.ready = never
    with pytest.raises(ServiceFailed, match=r"tiny ready: not within 0\.8 s.*still loading(.|\n)*listening"):
        service.start()
    assert not service.running()


def test_a_paused_server_is_silent_and_goes_on(make: Make) -> None:
    service = make()
    service.start()
    service.pause()
    assert service.running()
    with socket.create_connection((LOOPBACK, service.port), timeout=0.3) as client:
        client.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        with pytest.raises(TimeoutError):
            client.recv(1)
        service.resume()
        client.settimeout(3)
        assert client.recv(8) == b"HTTP/1.1"


def test_a_paused_server_can_be_stopped_and_killed(make: Make) -> None:
    for end in (ServiceProcess.stop, ServiceProcess.kill):
        service = make()
        service.start()
        service.pause()
        end(service)
        assert not service.running()


def test_a_server_that_does_not_obey_is_ended_by_force(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process_module, "STOPPED_WITHIN_S", 0.4)
    service = make("deaf")
    service.start()
    service.stop()
    assert service.exit_code == -9


def test_descendants_end_with_their_server(make: Make) -> None:
    """Also those that lead a session of their own, as PostgreSQL's backends do."""
    service = make()
    nap = "[sys.executable, '-c', 'import time; time.sleep(60)']"
    script = f"import subprocess, sys; subprocess.Popen({nap}, start_new_session=True); "
    service.command = [
        sys.executable, "-c", script + "from tests.tiny_server import main; sys.argv[0:1] = ['x']; main()",
        str(service.port), "tiny",
    ]  # fmt: skip
    service.start()
    (child,) = service._tree()[1:]
    service.kill()
    assert not lives(child)


def test_a_port_that_was_handed_out_is_nobody_elses() -> None:
    (port,) = free_ports(1)
    assert not claim(port)


def test_free_ports_lie_below_the_ephemeral_range() -> None:
    ports = free_ports(5)
    assert len(set(ports)) == 5
    assert all(FIRST <= port < LAST for port in ports)


def test_a_killed_suite_takes_its_servers_with_it(tmp_path: Path) -> None:
    """The server is registered with the dead-man process by its start."""
    (port,) = free_ports(1)
    script = (
        "import sys, time\n"
        "from pathlib import Path\n"
        "from support.lifecycle.deadman import DeadMan\n"
        "from support.stack.servers import Workshop, answers, python_service\n"
        "directory, port = Path(sys.argv[1]), int(sys.argv[2])\n"
        "workshop = Workshop(directory, directory, DeadMan.start(directory / 'deadman.log'))\n"
        "python_service(workshop, 'tiny', 'tests.tiny_server', [str(port), 'tiny'], port=port,\n"
        "    ready=answers(f'http://127.0.0.1:{port}/', {'name': 'tiny'})).start()\n"
        "print('started', flush=True)\n"
        "time.sleep(60)\n"
    )
    command = [sys.executable, "-c", script, str(tmp_path), str(port)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE) as suite:
        assert suite.stdout is not None
        assert suite.stdout.readline() == b"started\n"
        suite.kill()

    def refused() -> bool:
        try:
            socket.create_connection((LOOPBACK, port), timeout=1).close()
        except ConnectionRefusedError:
            return True
        return False

    eventually(refused, bool, within=5, what="the server has ended with the suite")
