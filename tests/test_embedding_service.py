"""The embedding service as its callers see it: a process of its own, asked over HTTP."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from numpy.typing import NDArray

from support.waiting import eventually

MODEL = "all-MiniLM-L6-v2"
ROOT = Path(__file__).resolve().parents[1]
# Words of one token each, so that the number of tokens is known.
LONG = " ".join(["word"] * 300)
MIXED = ["hi", "annual holidays and sick days", "price list " * 20, "a", "word " * 120, "naïve café 価格"]


@pytest.fixture(scope="module")
def log_file() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as directory:
        yield Path(directory, "embedding.log")


@pytest.fixture(scope="module")
def service(log_file: Path) -> Iterator[httpx.Client]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with log_file.open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "support.reference.embedding", "--port", str(port)],
            cwd=ROOT, stdout=log, stderr=subprocess.STDOUT,
        )  # fmt: skip
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=10, trust_env=False) as client:
            eventually(
                lambda: client.get("/health").json(),
                lambda health: health == {"status": "healthy", "service": "embedding"},
                within=20,
                what="the embedding service answers",
                transient=(httpx.TransportError,),
            )
            yield client
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0, "SIGTERM is an orderly stop"
    finally:
        process.kill()
        process.wait(10)


def embed(service: httpx.Client, texts: list[str], **headers: str) -> dict[str, Any]:
    answer = service.post("/embed", json={"model": MODEL, "texts": texts}, headers=headers)
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def vectors(service: httpx.Client, texts: list[str]) -> NDArray[np.float64]:
    return np.array(embed(service, texts)["embeddings"])


def test_a_vector_has_384_dimensions_and_length_one(service: httpx.Client) -> None:
    found = vectors(service, MIXED)
    assert found.shape == (len(MIXED), 384)
    assert np.abs(np.linalg.norm(found, axis=1) - 1).max() < 1e-6


def test_alone_and_in_any_company_a_text_has_the_same_bits(service: httpx.Client) -> None:
    alone = np.vstack([vectors(service, [text]) for text in MIXED])
    assert (vectors(service, MIXED) == alone).all()
    assert (vectors(service, MIXED[::-1])[::-1] == alone).all()


def test_a_vector_is_that_of_the_published_model(service: httpx.Client) -> None:
    # all-MiniLM-L6-v2 in float32 gives "hello world" these first components (sentence-transformers);
    # int8 weights shift each by less than 0.01.
    expected = [-0.0345, 0.0310, 0.0067, 0.0261, -0.0394, -0.1603, 0.0669, -0.0064]
    assert vectors(service, ["hello world"])[0][:8] == pytest.approx(expected, abs=0.01)


def test_a_paraphrase_is_closer_than_an_unrelated_text(service: httpx.Client) -> None:
    question, paraphrase, unrelated = vectors(
        service,
        [
            "How many days off do I get?",
            "Employees have thirty days of holiday.",
            "The router lost its power supply.",
        ],
    )
    assert question @ paraphrase > question @ unrelated + 0.2


def test_tokens_are_counted_and_longer_texts_are_marked(service: httpx.Client) -> None:
    fitting = " ".join(["word"] * 254)
    answer = embed(service, ["hello world", fitting, fitting + " word", LONG])
    # [CLS] and [SEP] count.
    assert answer["token_counts"] == [4, 256, 256, 256]
    assert answer["truncated"] == [False, False, True, True]
    assert answer["embeddings"][2] == answer["embeddings"][1]


def test_an_unknown_model_is_not_found(service: httpx.Client) -> None:
    answer = service.post("/embed", json={"model": "all-MiniLM-L12-v2", "texts": ["a"]})
    assert answer.status_code == 404
    assert "all-MiniLM-L12-v2" in answer.json()["error"]


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[]",
        b'{"model":"all-MiniLM-L6-v2"}',
        b'{"model":"all-MiniLM-L6-v2","texts":[]}',
        b'{"model":"all-MiniLM-L6-v2","texts":"hi"}',
        b'{"model":"all-MiniLM-L6-v2","texts":["hi",""]}',
        b'{"model":"all-MiniLM-L6-v2","texts":["hi",7]}',
        b'{"model":"all-MiniLM-L6-v2","texts":["\\ud800"]}',
        b'{"model":"all-MiniLM-L6-v2","texts":["hi"],"dimensions":8}',
        b'{"model":7,"texts":["hi"]}',
        json.dumps({"model": MODEL, "texts": ["a"] * 101}).encode(),
    ],
)
def test_an_unusable_body_is_refused(service: httpx.Client, content: bytes) -> None:
    answer = service.post("/embed", content=content)
    assert answer.status_code == 422
    assert answer.json()["error"]


def test_unknown_paths_and_methods_are_refused_as_json(service: httpx.Client) -> None:
    assert service.get("/nowhere").status_code == 404
    assert service.get("/embed").status_code == 405
    assert service.get("/nowhere").json()["error"]


def test_too_late_is_not_computed(service: httpx.Client) -> None:
    before = service.get("/stats").json()["texts"]
    body = {"model": MODEL, "texts": ["hi"]}
    assert service.post("/embed", json=body, headers={"X-Deadline-Ms": "0"}).status_code == 504
    assert service.get("/stats").json()["texts"] == before
    assert service.post("/embed", json=body, headers={"X-Deadline-Ms": "soon"}).status_code == 422
    embed(service, ["hi"], **{"X-Deadline-Ms": "5000"})


def test_a_batch_ends_when_its_deadline_passes(service: httpx.Client) -> None:
    started = time.monotonic()
    answer = service.post(
        "/embed", json={"model": MODEL, "texts": [LONG] * 100}, headers={"X-Deadline-Ms": "300"}
    )
    assert answer.status_code == 504
    assert time.monotonic() - started < 2, "a hundred such texts take several seconds"


def test_health_answers_while_texts_are_read(service: httpx.Client) -> None:
    body = {"model": MODEL, "texts": [LONG] * 100}

    def busy() -> None:
        httpx.post(
            service.base_url.join("/embed"), json=body, headers={"X-Deadline-Ms": "1000"}, trust_env=False
        )

    threads = [threading.Thread(target=busy) for _ in range(3)]
    for thread in threads:
        thread.start()
    try:
        eventually(
            lambda: service.get("/stats").json()["in_flight"],
            lambda number: number == 3,
            within=5,
            what="three requests are in work",
        )
        slowest = 0.0
        for _ in range(10):
            started = time.monotonic()
            assert service.get("/health").status_code == 200
            slowest = max(slowest, time.monotonic() - started)
        assert service.get("/stats").json()["in_flight"] == 3
        assert slowest < 0.5
    finally:
        for thread in threads:
            thread.join(10)


def test_work_is_counted(service: httpx.Client) -> None:
    before = service.get("/stats").json()
    embed(service, ["a", "b", "c"])
    after = service.get("/stats").json()
    assert after["requests"] == before["requests"] + 1
    assert after["texts"] == before["texts"] + 3
    assert after["in_flight"] == 0


def test_the_model_is_listed(service: httpx.Client) -> None:
    (model,) = service.get("/models").json()["models"]
    assert model == {
        "name": MODEL, "dimensions": 384, "max_sequence_length": 256, "status": "loaded", "default": True,
    }  # fmt: skip


def test_the_log_names_requests_and_never_texts(service: httpx.Client, log_file: Path) -> None:
    answer = service.post(
        "/embed",
        json={"model": MODEL, "texts": ["canary-7f31 and more"]},
        headers={"X-Request-ID": "request-4711"},
    )
    assert answer.headers["X-Request-ID"] == "request-4711"

    def lines() -> list[dict[str, Any]]:
        return [json.loads(line) for line in log_file.read_text().splitlines()]

    (line,) = eventually(
        lambda: [line for line in lines() if line.get("request_id") == "request-4711"],
        bool,
        within=5,
        what="the request is logged",
    )
    assert (line["status"], line["texts"], line["truncated"], line["level"]) == (200, 1, 0, "INFO")
    assert line["tokens"] > 2 and line["duration_ms"] > 0
    assert "canary" not in log_file.read_text()
