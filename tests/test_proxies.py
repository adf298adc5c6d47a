"""No request of the suite takes a proxy that other programs were told of; through its own one it goes."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from support import fuzz
from support.drivers import wire
from support.waiting import eventually
from tests.running import behave, stack_up, support

LISTENS_WITHIN_S = 20.0
# "somebody", "else"
LOGIN = "Basic c29tZWJvZHk6ZWxzZQ=="
NAMES = ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY")


@dataclass(frozen=True, slots=True)
class Proxy:
    """A proxy at ``url`` that writes down each connection when it ends."""

    url: str
    log: Path

    def asked(self) -> int:
        """How often somebody has used it."""
        return self.log.read_text().count("access_log")

    def asked_at_last(self) -> int:
        """The same where somebody must have used it: it writes a moment later."""
        return eventually(self.asked, bool, within=5.0, what="the proxy was used")

    @property
    def variables(self) -> dict[str, str]:
        """What tells other programs of it, without an exception."""
        return dict.fromkeys(NAMES, self.url) | {"no_proxy": "", "NO_PROXY": ""}


@pytest.fixture
def proxy(tmp_path: Path) -> Iterator[Proxy]:
    port, log = tmp_path / "port", tmp_path / "proxy.log"
    command = [
        sys.executable, "-m", "proxy", "--hostname", "127.0.0.1", "--port", "0", "--port-file", str(port),
        "--log-file", str(log), "--num-workers", "1", "--num-acceptors", "1",
    ]  # fmt: skip
    process = subprocess.Popen(command, cwd=tmp_path, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    try:

        def listening() -> str:
            return port.read_text().strip() if port.exists() else ""

        number = eventually(listening, bool, within=LISTENS_WITHIN_S, what="the proxy listens")
        yield Proxy(f"http://127.0.0.1:{number}", log)
    finally:
        process.terminate()
        process.wait(10)


class Told(BaseHTTPRequestHandler):
    """Refuses everything, and remembers who logged in by a header that nobody asked for."""

    logins: list[str]

    def answer(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.logins += self.headers.get_all("Authorization") or []
        self.send_response(404)
        self.send_header("Content-Length", "0")
        self.end_headers()

    do_GET = do_POST = do_PATCH = do_DELETE = do_PUT = answer

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[tuple[str, list[str]]]:
    """A server's URL, and the logins it has been sent."""
    logins: list[str] = []
    http = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (Told,), {"logins": logins}))
    threading.Thread(target=http.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{http.server_port}", logins
    http.shutdown()
    http.server_close()


def test_random_requests_take_no_proxy_and_no_login_of_others(
    proxy: Proxy, server: tuple[str, list[str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login somebody password else\n")
    netrc.chmod(0o600)
    for name, value in {**proxy.variables, "NETRC": str(netrc)}.items():
        monkeypatch.setenv(name, value)
    url, logins = server
    # What schemathesis asks with.
    requests = pytest.importorskip("requests")
    assert requests.get(url, timeout=5).status_code == 404
    assert proxy.asked_at_last() == 1, "a client that is not ours does take it, and it counts"
    assert logins == [LOGIN], "and the login as well"
    report, _printed = fuzz._ask(url, "a-key-that-nobody-else-may-see", 3, 1, tmp_path)
    assert report["test_cases"]["generated"] > 0
    assert proxy.asked() == 1
    assert logins.count(LOGIN) == 1, "the random requests hold none, or logins made up at random"
    assert "a-key-that-nobody" not in proxy.log.read_text()


@pytest.mark.proof
def test_a_run_takes_the_proxy_of_its_own_variable_and_no_other(proxy: Proxy, tmp_path: Path) -> None:
    """The stack, the examination, and a run against it as a deployed platform."""
    scenarios = ("features/security/access.feature", "-n", "A reader cannot change anything")
    with stack_up(proxy.variables) as deployed:
        done = behave(tmp_path / "without", *scenarios, environ={**deployed, **proxy.variables})
        assert done.code == 0, done.printed
        assert proxy.asked() == 0
        given = {**deployed, "CITADEL_PROXY": proxy.url}
        done = behave(tmp_path / "with", *scenarios, environ=given)
        assert done.code == 0, done.printed
        assert proxy.asked_at_last() > 0
        examined = support(
            "doctor", environ={**deployed, "CITADEL_PROXY": "http://somebody:else@127.0.0.1:1"}
        )
    assert examined.returncode == 2
    assert "CITADEL_PROXY" in examined.stdout and "else" not in examined.stdout.replace("somebody else", "")


def test_bytes_go_through_a_tunnel_as_they_are(proxy: Proxy, server: tuple[str, list[str]]) -> None:
    url, _logins = server
    answer = wire.exchange(url, [b"GET /x HTTP/1.1", b"X-Odd:  two  blanks"], within_s=5.0, proxy=proxy.url)
    assert answer.status_code == 404
    proxy.asked_at_last()
    assert "CONNECT" in proxy.log.read_text()
    with pytest.raises(OSError):
        wire.exchange("http://127.0.0.1:1", [b"GET / HTTP/1.1"], within_s=5.0, proxy=proxy.url)
