"""``python -m support audit``: verdicts as exit codes, reports for people and machines, no surprise."""

from __future__ import annotations

import io
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import islice
from pathlib import Path
from typing import Any

import psycopg2
import pytest

from support.__main__ import main
from support.audit import ScanProgress, Stores
from support.audit.command import Meter
from support.drivers.errors import StoreUnreachable
from support.drivers.journal import Journal
from support.drivers.postgres import MetadataStore
from support.drivers.qdrant import VectorStore, _likely_following, _sheet
from support.redaction import Secrets
from support.settings import PROVIDER_KEYS, VARIABLES
from tests.own_stores import Endpoints, Writer, close, open_stores, started

NAMES = {"TEST_DATABASE_URL", "QDRANT_URL", "TEST_REDIS_URL"}


@pytest.fixture(scope="module")
def at() -> Iterator[Endpoints]:
    with started() as endpoints:
        yield endpoints


@pytest.fixture
def stores(at: Endpoints) -> Iterator[Stores]:
    opened = open_stores(at)
    yield opened
    close(opened)


@pytest.fixture
def library(stores: Stores) -> Iterator[Writer]:
    writer = Writer(stores, "library").create()
    writer.put(["one", "two"])
    yield writer
    writer.remove()


@pytest.fixture(autouse=True)
def named(at: Endpoints, monkeypatch: pytest.MonkeyPatch) -> None:
    """The stores as ``python -m support up`` names them, and no other setting."""
    for variable in {*VARIABLES.values(), *PROVIDER_KEYS.values(), "CITADEL_GATEWAY_URL"}:
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("TEST_DATABASE_URL", _named(at))
    monkeypatch.setenv("QDRANT_URL", at.qdrant_url)
    monkeypatch.setenv("TEST_REDIS_URL", at.redis_url)


def _named(at: Endpoints) -> str:
    return f"{at.database_url}?options=-csearch_path%3D{at.schema}"


def test_agreeing_stores_are_clean_and_end_with_0(
    library: Writer, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["audit"]) == 0
    assert capsys.readouterr().out.startswith("CLEAN: 2 of 2 items agree")


def test_a_finding_is_told_to_people_and_machines_and_ends_with_1(
    library: Writer, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    library.upsert(["orphan"], 1)
    assert main(["audit", "--json", str(tmp_path / "report.json")]) == 1
    assert "ORPHAN (1)" in capsys.readouterr().out
    told = json.loads((tmp_path / "report.json").read_text())
    assert (told["verdict"], told["findings"][0]["subject"]) == ("FINDINGS", "orphan")
    assert main(["audit", "--json", "-"]) == 1
    assert json.loads(capsys.readouterr().out)["verdict"] == "FINDINGS"


def test_a_collection_is_that_one_alone_and_a_prefix_all_that_begin_so(
    stores: Stores, library: Writer
) -> None:
    other = Writer(stores, "library_annexe").create()
    try:
        other.upsert(["orphan"], 1)
        assert main(["audit", "--collection", "library"]) == 0
        assert main(["audit", "--prefix", "library"]) == 1
        assert main(["audit", "--prefix", "librarian"]) == 0
    finally:
        other.remove()


def test_a_collection_that_nobody_has_is_not_clean(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["audit", "--collection", "nowhere"]) == 2
    assert "neither PostgreSQL nor Qdrant has a collection nowhere" in capsys.readouterr().err


@pytest.mark.parametrize("variable", sorted(NAMES))
def test_a_store_that_is_not_named_is_asked_for(
    variable: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv(variable, "")
    assert main(["audit"]) == 2
    assert f"set {variable}" in capsys.readouterr().err


def test_redis_may_be_left_out_by_name(
    library: Writer, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TEST_REDIS_URL", "")
    assert main(["audit", "--no-cache"]) == 0
    assert "Redis was left out" in capsys.readouterr().out


def test_without_any_store_the_way_to_one_is_shown(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for variable in NAMES:
        monkeypatch.setenv(variable, "")
    assert main(["audit"]) == 2
    told = capsys.readouterr().err
    assert "nothing to audit" in told
    assert "python -m support up" in told
    assert all(variable in told for variable in NAMES)


def test_a_store_that_does_not_answer_ends_with_2_and_names_its_variable(
    library: Writer, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("QDRANT_URL", "http://127.0.0.1:9")
    assert main(["audit"]) == 2
    told = capsys.readouterr().out
    assert told.startswith("UNKNOWN")
    assert "qdrant is named by QDRANT_URL" in told


def test_a_connection_for_audits_cannot_write(at: Endpoints) -> None:
    store = MetadataStore(_named(at), None, Journal(Secrets()), read_only=True)
    try:
        with pytest.raises(StoreUnreachable, match="read-only transaction") as refused:
            store.execute("DELETE FROM collections")
        assert isinstance(refused.value.__cause__, psycopg2.errors.ReadOnlySqlTransaction)
    finally:
        store.close()


class _Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def _measured(out: io.StringIO, monkeypatch: pytest.MonkeyPatch) -> str:
    clock = iter(range(100, 200))
    monkeypatch.setattr("support.audit.command.time.monotonic", lambda: float(next(clock)))
    meter = Meter(out)
    for done in range(0, 65_000, 1000):
        meter(ScanProgress("library", done, 64_000))
    meter.end()
    return out.getvalue()


def test_a_log_hears_of_a_long_audit_now_and_then(monkeypatch: pytest.MonkeyPatch) -> None:
    assert _measured(io.StringIO(), monkeypatch).splitlines() == [
        "library: 30,000 of about 64,000 (47 %), 1,000 a second, about 34 s left",
        "library: 60,000 of about 64,000 (94 %), 1,000 a second, about 4 s left",
    ]


def test_a_terminal_shows_one_line_that_goes_away(monkeypatch: pytest.MonkeyPatch) -> None:
    told = _measured(_Terminal(), monkeypatch)
    assert "\n" not in told
    assert told.count("\rlibrary") == 64
    assert told.endswith(" \r")


# -- pages of a scan


ONE, TWO = "00000000-0000-0000-0000-000000000001", "00000000-0000-0000-0000-000000000002"


def _page(ids: list[Any], following: Any, payload: dict[str, Any] | None = None) -> bytes:
    points = [{"id": each, "payload": payload or {}} for each in ids]
    result = {"points": points, "next_page_offset": following}
    return json.dumps({"result": result, "status": "ok", "time": 0.1}).encode()


@pytest.mark.parametrize("following", [TWO, 7, None])
@pytest.mark.parametrize("payload", [{}, {"text": f'"next_page_offset": "{ONE}"'}, {"next_page_offset": ONE}])
def test_what_follows_a_page_is_told_from_its_end(following: Any, payload: dict[str, Any]) -> None:
    likely = _likely_following(_page([1, 2], following, payload))
    # A guess at most: a wrong one costs a request, and is noticed when the page is read.
    assert likely == following or (following is None and "next_page_offset" in payload)


@pytest.mark.parametrize(
    "content",
    [b"<html>", b'{"result": null}', b'{"result": {"points": [{}], "next_page_offset": null}}',
     _page([TWO, ONE], None), _page([ONE], ONE), _page([ONE, 3], None), _page([ONE, ONE], None)],
)  # fmt: skip
def test_a_page_that_may_have_missed_points_is_no_page(content: bytes) -> None:
    with pytest.raises(StoreUnreachable):
        _sheet("library", content, None)


class _Odd(BaseHTTPRequestHandler):
    """A server that tells what follows first, and whose payloads mislead at the end of the page."""

    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["content-length"])))
        first = asked["offset"] or 1
        point = {"id": first, "payload": {"next_page_offset": 1}}
        result = {"next_page_offset": first + 1 if first < 4 else None, "points": [point]}
        content = json.dumps({"result": result, "status": "ok"}).encode()
        self.send_response(200)
        self.send_header("content-length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


def test_a_wrong_guess_of_what_follows_costs_no_point() -> None:
    with ThreadingHTTPServer(("127.0.0.1", 0), _Odd) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        store = VectorStore(f"http://127.0.0.1:{server.server_port}", None, Journal(Secrets()))
        try:
            assert [point.id for point in islice(store.points("library", page=1), 9)] == [1, 2, 3, 4]
        finally:
            store.close()
            server.shutdown()
