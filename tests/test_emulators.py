"""The provider emulators as an adapter meets them: a process of its own, asked with raw HTTP."""

from __future__ import annotations

import base64
import json
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from support.reference.emulators.app import PREFIXES
from support.reference.emulators.wire import Call, Refused
from support.vocabulary.providers.embeddings import OWN_WORDS
from support.waiting import eventually

ROOT = Path(__file__).resolve().parents[1]
PROVIDERS = ("anthropic", "azure", "cohere", "google", "huggingface", "jina", "mistral", "openai", "voyage")
KEYS = {name: f"key-of-{name}-0123456789" for name in PROVIDERS}
TEXTS = ["annual holidays", "price list", "naïve café 価格"]
GOOGLE_URL = "/google/v1/models/{}:batchEmbedContents"
HF_URL = "/hf/hf-inference/models/{}/pipeline/feature-extraction"
AZURE_URL = "/azure/openai/deployments/{}/embeddings?api-version=2024-10-21"


@dataclass(frozen=True)
class Adapter:
    """The smallest client of one provider: what the gateway's adapters do, in a few lines."""

    url: str
    model: str
    dimensions: int
    body: Callable[[str, list[str]], dict[str, Any]]
    vectors: Callable[[Any], list[list[float]]]
    tokens: Callable[[Any], int | None]
    header: Callable[[str], dict[str, str]] = field(default=lambda key: {"Authorization": f"Bearer {key}"})
    length: float = 1.0

    def ask(
        self,
        client: httpx.Client,
        key: str,
        texts: list[str] = TEXTS,
        served_model: str | None = None,
        **fields: Any,
    ) -> httpx.Response:
        name = served_model or self.model
        return client.post(
            self.url.format(name), json=self.body(name, texts) | fields, headers=self.header(key)
        )


def _data(answer: Any) -> list[list[float]]:
    assert [item["index"] for item in answer["data"]] == list(range(len(answer["data"])))
    return [item["embedding"] for item in answer["data"]]


def _inputs(model: str, texts: list[str]) -> dict[str, Any]:
    return {"model": model, "input": texts}


def _prompt_tokens(answer: Any) -> int:
    return int(answer["usage"]["prompt_tokens"])


def _api_key(key: str) -> dict[str, str]:
    return {"api-key": key}


VOYAGE = Adapter(
    "/voyage/v1/embeddings", "voyage-4", 1024, _inputs, _data, lambda answer: answer["usage"]["total_tokens"]
)
ADAPTERS = {
    "openai": Adapter(
        "/openai/v1/embeddings", "text-embedding-3-small", 1536, _inputs, _data, _prompt_tokens
    ),
    "azure": Adapter(
        AZURE_URL, "text-embedding-3-small", 1536, lambda model, texts: {"input": texts}, _data,
        _prompt_tokens, _api_key,
    ),
    "cohere": Adapter(
        "/cohere/v2/embed", "embed-v4.0", 1536,
        lambda model, texts: {"model": model, "texts": texts, "input_type": "search_document"},
        lambda answer: answer["embeddings"]["float"],
        lambda answer: answer["meta"]["billed_units"]["input_tokens"],
    ),
    "voyage": VOYAGE,
    "anthropic": Adapter(
        "/anthropic-voyage/v1/embeddings", "voyage-4", 1024, _inputs, _data, VOYAGE.tokens
    ),
    "mistral": Adapter("/mistral/v1/embeddings", "mistral-embed", 1024, _inputs, _data, _prompt_tokens),
    "google": Adapter(
        GOOGLE_URL, "gemini-embedding-001", 768,
        lambda model, texts: {
            "requests": [
                {
                    "model": f"models/{model}",
                    "content": {"parts": [{"text": text}]},
                    "outputDimensionality": 768,
                }
                for text in texts
            ]
        },
        lambda answer: [item["values"] for item in answer["embeddings"]],
        lambda answer: None,
        lambda key: {"x-goog-api-key": key},
        # Reduced gemini-embedding-001 vectors are not of length 1.
        0.574,
    ),
    "huggingface": Adapter(
        HF_URL, "BAAI/bge-base-en-v1.5", 768, lambda model, texts: {"inputs": texts}, list,
        lambda answer: None,
    ),
    "jina": Adapter(
        "/jina/v1/embeddings", "jina-embeddings-v5-text-nano", 768, _inputs, _data, _prompt_tokens
    ),
}  # fmt: skip

all_providers = pytest.mark.parametrize("provider", PROVIDERS)


@contextmanager
def emulators() -> Iterator[tuple[httpx.Client, subprocess.Popen[bytes], Path]]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with tempfile.TemporaryDirectory() as directory:
        log_file = Path(directory, "emulators.log")
        with log_file.open("wb") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "support.reference.emulators", "--port", str(port)],
                cwd=ROOT, stdout=log, stderr=subprocess.STDOUT, env={"EMULATOR_KEYS": json.dumps(KEYS)},
            )  # fmt: skip
        try:
            with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=10, trust_env=False) as client:
                eventually(
                    lambda: client.get("/_emulator/health").json(),
                    lambda health: health == {"service": "provider-emulators"},
                    within=20,
                    what="the emulators answer",
                    transient=(httpx.TransportError,),
                )
                yield client, process, log_file
        finally:
            process.kill()
            process.wait(10)


@pytest.fixture(scope="module")
def shared() -> Iterator[httpx.Client]:
    with emulators() as (client, _, _):
        yield client


@pytest.fixture
def client(shared: httpx.Client) -> Iterator[httpx.Client]:
    """The emulators in their first state."""
    shared.delete("/_emulator/behaviour").raise_for_status()
    shared.delete("/_emulator/requests").raise_for_status()
    for name, key in KEYS.items():
        shared.put(f"/_emulator/keys/{name}", json={"key": key}).raise_for_status()
    yield shared
    shared.delete("/_emulator/behaviour").raise_for_status()


def ask(client: httpx.Client, provider: str, **options: Any) -> httpx.Response:
    return ADAPTERS[provider].ask(client, options.pop("key", KEYS[provider]), **options)


def behave(client: httpx.Client, provider: str, kind: str, **details: Any) -> None:
    client.put(f"/_emulator/behaviour/{provider}", json={"kind": kind, **details}).raise_for_status()


def seen(client: httpx.Client, **query: Any) -> list[dict[str, Any]]:
    return list(client.get("/_emulator/requests", params=query).raise_for_status().json()["requests"])


@all_providers
def test_a_good_call_gives_the_models_vectors_in_order(client: httpx.Client, provider: str) -> None:
    adapter = ADAPTERS[provider]
    answer = ask(client, provider)
    assert answer.status_code == 200, answer.text
    vectors = np.array(adapter.vectors(answer.json()))
    assert vectors.shape == (len(TEXTS), adapter.dimensions)
    assert np.linalg.norm(vectors, axis=1) == pytest.approx(adapter.length, abs=1e-3)
    used = adapter.tokens(answer.json())
    assert used is None or used > 0
    assert seen(client)[-1]["tokens"] == used
    # The same texts, one by one and backwards: the same vectors.
    again = np.array(adapter.vectors(ask(client, provider, texts=TEXTS[::-1]).json()))
    assert (again[::-1] == vectors).all()
    alone = np.array(adapter.vectors(ask(client, provider, texts=TEXTS[:1]).json()))
    assert (alone[0] == vectors[0]).all()
    assert np.abs(vectors[0] @ vectors[1]) < 0.2, "different texts have different vectors"


def test_anthropics_vectors_are_voyages(client: httpx.Client) -> None:
    assert ask(client, "anthropic").json()["data"] == ask(client, "voyage").json()["data"]


BAD_KEY: dict[str, tuple[int, Callable[[Any], bool]]] = {
    "openai": (401, lambda body: body["error"]["code"] == "invalid_api_key"),
    "azure": (
        401,
        lambda body: body["error"].keys() == {"code", "message"} and body["error"]["code"] == "401",
    ),
    "cohere": (401, lambda body: body["message"] == "invalid api token" and body.keys() == {"id", "message"}),
    "voyage": (401, lambda body: body == {"detail": "Provided API key is invalid."}),
    "anthropic": (401, lambda body: body == {"detail": "Provided API key is invalid."}),
    "mistral": (401, lambda body: body == {"detail": "Invalid API Key"}),
    "google": (400, lambda body: body["error"]["details"][0]["reason"] == "API_KEY_INVALID"),
    "huggingface": (401, lambda body: body == {"error": "Invalid username or password."}),
    "jina": (401, lambda body: body["code"] == "AUTH_INVALID_API_KEY" and "request_id" in body),
}
UNKNOWN_MODEL: dict[str, tuple[int, Callable[[Any], bool]]] = {
    "openai": (404, lambda body: body["error"]["code"] == "model_not_found"),
    "azure": (404, lambda body: body["error"]["code"] == "DeploymentNotFound"),
    "cohere": (404, lambda body: body["message"].startswith("model 'no-such' not found")),
    "voyage": (
        400,
        lambda body: body["detail"].startswith("Model no-such is not supported. Supported models"),
    ),
    "anthropic": (400, lambda body: body["detail"].startswith("Model no-such is not supported.")),
    "mistral": (400, lambda body: body["type"] == "invalid_model" and body["code"] == "1500"),
    "google": (404, lambda body: body["error"]["status"] == "NOT_FOUND"),
    "huggingface": (404, lambda body: body == {"error": "Not Found"}),
    "jina": (400, lambda body: body["code"] == "INPUT_MODEL_NOT_FOUND"),
}
RATE_LIMIT: dict[str, Callable[[httpx.Response], bool]] = {
    "openai": lambda answer: answer.json()["error"]["code"] == "rate_limit_exceeded",
    "azure": lambda answer: (
        answer.headers["retry-after-ms"] == "2000" and answer.headers["retry-after"] == "2"
    ),
    "cohere": lambda answer: "retry-after" not in answer.headers and "message" in answer.json(),
    "voyage": lambda answer: "retry-after" not in answer.headers and "detail" in answer.json(),
    "anthropic": lambda answer: "retry-after" not in answer.headers and "detail" in answer.json(),
    "mistral": lambda answer: answer.json()["code"] == "1300",
    "google": lambda answer: (
        answer.json()["error"]["details"][-1]["retryDelay"] == "20s" and "retry-after" not in answer.headers
    ),
    "huggingface": lambda answer: answer.headers["ratelimit"] == '"api";r=0;t=55',
    "jina": lambda answer: answer.json()["code"] == "RATE_REQUEST_LIMIT_EXCEEDED",
}


@all_providers
def test_a_bad_key_is_refused_in_the_dialect(client: httpx.Client, provider: str) -> None:
    status, right = BAD_KEY[provider]
    honest = ask(client, provider, key="another-key-0123456789")
    assert honest.status_code == status and right(honest.json()), honest.text
    assert "another-key-0123456789" not in honest.text, "a key is never sent back whole"
    behave(client, provider, "bad_key")
    feigned = ask(client, provider)
    assert feigned.status_code == status and right(feigned.json()), feigned.text
    words = OWN_WORDS[provider]
    assert any(each in feigned.text.lower() for each in words), "what may not be repeated is not what is said"


@all_providers
def test_an_unknown_model_is_refused_in_the_dialect(client: httpx.Client, provider: str) -> None:
    status, right = UNKNOWN_MODEL[provider]
    honest = ask(client, provider, served_model="no-such")
    assert honest.status_code == status and right(honest.json()), honest.text
    behave(client, provider, "unknown_model")
    assert ask(client, provider).status_code == status


@all_providers
def test_a_rate_limit_is_told_in_the_dialect(client: httpx.Client, provider: str) -> None:
    behave(client, provider, "rate_limit")
    answer = ask(client, provider)
    assert answer.status_code == 429
    assert RATE_LIMIT[provider](answer), answer.text


@all_providers
def test_the_hint_of_a_rate_limit_can_be_chosen(client: httpx.Client, provider: str) -> None:
    behave(client, provider, "rate_limit", retry_after="7")
    answer = ask(client, provider)
    hints = {"google": '"retryDelay":"7s"', "huggingface": "t=7"}
    if provider in hints:
        assert hints[provider] in answer.text + answer.headers.get("ratelimit", "")
    else:
        assert answer.headers["retry-after"] == "7"


@all_providers
def test_overload_and_failure_are_server_errors(client: httpx.Client, provider: str) -> None:
    behave(client, provider, "overload", times=1)
    assert ask(client, provider).status_code == 503
    behave(client, provider, "server_error", times=1)
    assert ask(client, provider).status_code == 500
    assert ask(client, provider).status_code == 200


def test_a_behaviour_ends_after_its_times_and_touches_no_other_provider(client: httpx.Client) -> None:
    behave(client, "voyage", "rate_limit", times=2)
    assert [ask(client, "voyage").status_code for _ in range(3)] == [429, 429, 200]
    behave(client, "voyage", "overload")
    assert ask(client, "anthropic").status_code == 200, "Anthropic's vectors have their own switch"
    client.delete("/_emulator/behaviour/voyage").raise_for_status()
    assert ask(client, "voyage").status_code == 200


@all_providers
def test_a_hanging_provider_answers_once_reset(client: httpx.Client, provider: str) -> None:
    behave(client, provider, "hang")
    with ThreadPoolExecutor(1) as pool:
        pending = pool.submit(ask, client, provider)
        (arrived,) = eventually(
            lambda: seen(client, provider=provider), bool, within=5, what="the request is recorded on arrival"
        )
        assert arrived["status"] is None and arrived["finished_at"] is None
        assert not pending.done()
        client.delete("/_emulator/behaviour").raise_for_status()
        assert pending.result(5).status_code == 200
    (finished,) = seen(client, provider=provider)
    assert finished["status"] == 200 and finished["behaviour"] == "hang"
    assert finished["finished_at"] > finished["at"]


def test_a_caller_that_goes_away_ends_the_hanging(client: httpx.Client) -> None:
    behave(client, "openai", "hang", times=1)
    with (
        httpx.Client(base_url=client.base_url, timeout=0.2, trust_env=False) as impatient,
        pytest.raises(httpx.ReadTimeout),
    ):
        ask(impatient, "openai")
    (request,) = eventually(
        lambda: seen(client), lambda found: found[0]["finished_at"] is not None, within=5, what="it is let go"
    )
    assert request["status"] is None
    assert request["body"]["input"] == TEXTS
    assert ask(client, "openai").status_code == 200


def test_a_delay_is_kept(client: httpx.Client) -> None:
    behave(client, "jina", "ok", delay_ms=150, times=1)
    started = time.monotonic()
    assert ask(client, "jina").status_code == 200
    assert 0.15 <= time.monotonic() - started < 2
    (request,) = seen(client)
    assert request["finished_at"] - request["at"] >= 0.15


def test_the_record_tells_what_arrived_in_order(client: httpx.Client) -> None:
    before = time.time()
    client.post("/openai/v1/embeddings", content=b"not json", headers={"Authorization": "Bearer x"})
    ask(client, "azure")
    ask(client, "anthropic")
    requests = seen(client)
    assert [request["provider"] for request in requests] == ["openai", "azure", "anthropic"]
    assert [request["status"] for request in requests] == [401, 200, 200]
    assert [request["path"] for request in requests] == [
        "/openai/v1/embeddings",
        "/azure/openai/deployments/text-embedding-3-small/embeddings",
        "/anthropic-voyage/v1/embeddings",
    ]
    assert requests[0]["body"] == "not json"
    assert requests[1]["body"] == {"input": TEXTS}
    assert requests[1]["query"] == {"api-version": "2024-10-21"}
    assert requests[1]["headers"]["api-key"] == KEYS["azure"]
    assert all(request["method"] == "POST" and request["behaviour"] == "ok" for request in requests)
    moments = [moment for request in requests for moment in (request["at"], request["finished_at"])]
    assert moments == sorted(moments) and before <= moments[0] and moments[-1] <= time.time()
    numbers = [request["seq"] for request in requests]
    assert numbers == list(range(numbers[0], numbers[0] + 3))
    assert seen(client, provider="azure") == [requests[1]]
    assert seen(client, after=numbers[0]) == requests[1:]
    client.delete("/_emulator/requests").raise_for_status()
    assert seen(client) == []
    ask(client, "azure")
    assert seen(client)[0]["seq"] == numbers[2] + 1, "a mark read earlier stays valid"


@all_providers
def test_a_rotated_key_replaces_the_old_one(client: httpx.Client, provider: str) -> None:
    client.put(f"/_emulator/keys/{provider}", json={"key": "rotated-0123456789"}).raise_for_status()
    assert ask(client, provider).status_code == BAD_KEY[provider][0]
    assert ask(client, provider, key="rotated-0123456789").status_code == 200


@pytest.mark.parametrize(
    ("provider", "limit", "status", "words"),
    [
        ("openai", 2048, 400, "'$.input' is invalid"),
        ("azure", 2048, 400, "'$.input' is invalid"),
        ("cohere", 96, 400, "total number of texts must be at most 96 - received 97"),
        ("voyage", 1000, 400, "max batch size is 1000"),
        ("anthropic", 1000, 400, "max batch size is 1000"),
        ("mistral", 256, 400, "Too many inputs in request, split into more batches."),
        ("google", 100, 400, "at most 100 requests can be in one batch"),
        ("huggingface", 32, 422, "batch size 33 > maximum allowed batch size 32"),
        ("jina", 512, 422, "at most 512 items"),
    ],
)
def test_a_batch_has_a_ceiling(
    client: httpx.Client, provider: str, limit: int, status: int, words: str
) -> None:
    if limit <= 256:
        assert ask(client, provider, texts=["a"] * limit).status_code == 200
    answer = ask(client, provider, texts=["a"] * (limit + 1))
    assert answer.status_code == status
    assert words in answer.text


@pytest.mark.parametrize(
    ("provider", "texts", "words"),
    [
        ("openai", ["word " * 7000], "maximum context length is 8192 tokens"),
        ("openai", ["word " * 6000] * 41, "max 300000 tokens per request"),
        ("mistral", ["a", "word " * 7000], "Input id 1 has 8750 tokens, exceeding max 8192 tokens."),
        ("mistral", ["word " * 4000] * 4, "Too many tokens overall, split into more batches."),
        ("voyage", ["word " * 24000] * 11, "The max allowed tokens per submitted batch is 320000."),
    ],
)
def test_tokens_have_a_ceiling(client: httpx.Client, provider: str, texts: list[str], words: str) -> None:
    answer = ask(client, provider, texts=texts)
    assert answer.status_code == 400
    assert words in answer.text


@pytest.mark.parametrize(
    ("provider", "fields", "status", "words"),
    [
        ("openai", {"input_type": "query"}, 400, "Unrecognized request argument supplied: input_type"),
        ("openai", {"input": [""]}, 400, "'$.input' is invalid"),
        ("openai", {"dimensions": 1537}, 400, "dimensions"),
        ("openai", {"encoding_format": "hex"}, 400, "encoding_format"),
        ("cohere", {"input_type": None}, 400, "valid input_type must be provided"),
        ("cohere", {"texts": ["a", ""]}, 400, "empty string at index 1"),
        ("cohere", {"output_dimension": 1000}, 400, "output_dimension"),
        ("voyage", {"dimensions": 512}, 400, "Argument 'dimensions' is not supported"),
        ("voyage", {"encoding_format": "float"}, 400, "encoding_format"),
        ("mistral", {"dimensions": 512}, 422, "extra_forbidden"),
        ("mistral", {"output_dimension": 512}, 400, "output_dimension"),
        ("google", {"model": "models/gemini-embedding-001"}, 400, "requests"),
        ("huggingface", {"inputs": []}, 422, "inputs"),
        ("jina", {"encoding_format": "float"}, 422, "extra_forbidden"),
        ("jina", {"task": "separation"}, 422, "task"),
        ("jina", {"dimensions": 100}, 422, "dimensions"),
    ],
)
def test_what_the_provider_does_not_take_is_refused(
    client: httpx.Client, provider: str, fields: dict[str, Any], status: int, words: str
) -> None:
    answer = ask(client, provider, **fields)
    assert answer.status_code == status, answer.text
    assert words in answer.text


@pytest.mark.parametrize(
    ("provider", "fields", "dimensions"),
    [
        ("openai", {"dimensions": 256}, 256),
        ("azure", {"dimensions": 512, "model": "ignored"}, 512),
        ("cohere", {"output_dimension": 1024, "embedding_types": ["float"]}, 1024),
        ("voyage", {"output_dimension": 256, "input_type": None, "encoding_format": None}, 256),
        ("jina", {"dimensions": 32, "task": "retrieval.passage"}, 32),
        ("huggingface", {"normalize": True}, 768),
    ],
)
def test_documented_options_are_taken(
    client: httpx.Client, provider: str, fields: dict[str, Any], dimensions: int
) -> None:
    answer = ask(client, provider, **fields)
    assert answer.status_code == 200, answer.text
    vectors = np.array(ADAPTERS[provider].vectors(answer.json()))
    assert vectors.shape == (len(TEXTS), dimensions)
    assert np.linalg.norm(vectors, axis=1) == pytest.approx(1, abs=1e-6)


@pytest.mark.parametrize("provider", ["openai", "azure", "voyage", "anthropic", "mistral"])
def test_base64_holds_the_same_float32(client: httpx.Client, provider: str) -> None:
    plain = np.array(ADAPTERS[provider].vectors(ask(client, provider).json()), dtype="<f4")
    encoded = ADAPTERS[provider].vectors(ask(client, provider, encoding_format="base64").json())
    decoded = [np.frombuffer(base64.b64decode(str(item)), dtype="<f4") for item in encoded]
    assert (np.array(decoded) == plain).all()


def test_reduced_vectors_of_some_models_are_not_unit(client: httpx.Client) -> None:
    whole = ask(client, "google", texts=["a"]).json()
    assert np.linalg.norm(whole["embeddings"][0]["values"]) < 0.7
    codestral = ask(client, "mistral", served_model="codestral-embed", output_dimension=64).json()
    assert 0.65 < np.linalg.norm(codestral["data"][0]["embedding"]) < 0.74
    body = ADAPTERS["google"].body("gemini-embedding-001", ["a"])
    del body["requests"][0]["outputDimensionality"]
    full = client.post(
        GOOGLE_URL.format("gemini-embedding-001"), json=body, headers={"x-goog-api-key": KEYS["google"]}
    ).json()["embeddings"][0]["values"]
    assert len(full) == 3072 and np.linalg.norm(full) == pytest.approx(1, abs=1e-6)


def test_google_takes_single_calls_both_versions_and_the_key_as_a_query(client: httpx.Client) -> None:
    body = {
        "model": "models/gemini-embedding-2",
        "content": {"parts": [{"text": "a"}]},
        "task_type": "RETRIEVAL_QUERY",
        "output_dimensionality": 768,
    }
    url = "/google/v1beta/models/gemini-embedding-2:embedContent"
    answer = client.post(url, params={"key": KEYS["google"]}, json=body)
    assert answer.status_code == 200, answer.text
    values = answer.json()["embedding"]["values"]
    assert len(values) == 768 and np.linalg.norm(values) == pytest.approx(1, abs=1e-6)
    assert client.post(url, json=body).status_code == 403, "no key at all"


def test_azure_needs_a_version_and_its_own_header(client: httpx.Client) -> None:
    path = "/azure/openai/deployments/text-embedding-3-small/embeddings"
    headers = {"api-key": KEYS["azure"]}
    assert client.post(path, json={"input": "a"}, headers=headers).status_code == 404
    bearer = {"Authorization": f"Bearer {KEYS['azure']}"}
    body = {"model": "text-embedding-3-small", "input": "a"}
    assert client.post(f"{path}?api-version=2024-10-21", json=body, headers=bearer).status_code == 401
    answer = client.post("/azure/openai/v1/embeddings", json=body, headers=bearer)
    assert answer.status_code == 200 and answer.headers["apim-request-id"]


def test_good_answers_carry_the_providers_headers(client: httpx.Client) -> None:
    assert ask(client, "openai").headers["x-request-id"].startswith("req_")
    assert ask(client, "openai").headers["openai-version"] == "2020-10-01"
    assert ask(client, "cohere").headers["num_tokens"]
    assert ask(client, "mistral").headers["mistral-correlation-id"]
    assert ask(client, "jina").headers["x-ratelimit-remaining-requests"]


def test_one_text_at_hugging_face_gives_one_dimension(client: httpx.Client) -> None:
    assert np.array(ask(client, "huggingface", inputs="a").json()).shape == (768,)


@pytest.mark.parametrize(
    "headers",
    [
        {"Authorization": f"Bearer {KEYS['anthropic']}", "anthropic-version": "2026-10-21"},
        {"x-api-key": KEYS["anthropic"], "anthropic-version": "2023-06-01"},
    ],
)
def test_anthropic_has_messages_with_both_ways_to_authenticate(
    client: httpx.Client, headers: dict[str, str]
) -> None:
    body = {"model": "claude-haiku-4-5", "max_tokens": 16, "messages": [{"role": "user", "content": "hi"}]}
    answer = client.post("/anthropic/v1/messages", json=body, headers=headers)
    assert answer.status_code == 200, answer.text
    assert answer.json()["content"][0]["type"] == "text"
    behave(client, "anthropic", "overload", times=1)
    assert client.post("/anthropic/v1/messages", json=body, headers=headers).status_code == 529


def test_anthropic_has_no_embeddings(client: httpx.Client) -> None:
    answer = client.post("/anthropic/v1/embeddings", json={}, headers={"x-api-key": KEYS["anthropic"]})
    assert answer.status_code == 404
    assert answer.json()["error"]["type"] == "not_found_error"


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("PUT", "/_emulator/behaviour/nobody", {"kind": "ok"}, 404),
        ("PUT", "/_emulator/behaviour/openai", {"kind": "sulk"}, 422),
        ("PUT", "/_emulator/behaviour/openai", {"kind": "ok", "delay": 5}, 422),
        ("PUT", "/_emulator/behaviour/openai", {"kind": "overload", "times": 0}, 422),
        ("PUT", "/_emulator/behaviour/openai", {"kind": "ok", "delay_ms": -1}, 422),
        ("PUT", "/_emulator/behaviour/openai", {"kind": "rate_limit", "retry_after": 7}, 422),
        ("PUT", "/_emulator/keys/openai", {}, 422),
        ("GET", "/_emulator/requests?provider=nobody", None, 404),
        ("GET", "/_emulator/requests?after=x", None, 422),
        ("POST", "/nobody/v1/embeddings", {}, 404),
    ],
)
def test_mistakes_in_the_control_are_told(
    client: httpx.Client, method: str, path: str, body: Any, status: int
) -> None:
    answer = client.request(method, path, json=body)
    assert answer.status_code == status
    assert answer.json()["error"]
    assert seen(client) == []


def test_many_at_once_are_all_recorded(client: httpx.Client) -> None:
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda number: ask(client, PROVIDERS[number % 9]), range(45)))
    assert {answer.status_code for answer in answers} == {200}
    requests = seen(client)
    assert len(requests) == 45
    assert [request["at"] for request in requests] == sorted(request["at"] for request in requests)


def test_a_stop_does_not_wait_for_what_hangs() -> None:
    with emulators() as (client, process, log_file):
        behave(client, "openai", "hang")
        waiting = threading.Thread(target=_ask_in_vain, args=(client,))
        waiting.start()
        eventually(lambda: seen(client), bool, within=5, what="the request hangs")
        started = time.monotonic()
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0
        assert time.monotonic() - started < 5
        waiting.join(5)
        log = log_file.read_text()
    assert not waiting.is_alive()
    assert "Traceback" not in log
    assert KEYS["openai"] not in log


def _ask_in_vain(client: httpx.Client) -> None:
    with httpx.Client(base_url=client.base_url, timeout=10, trust_env=False) as own:
        try:
            ask(own, "openai")
        except httpx.TransportError:
            return


# Any JSON, in the fields that dialects read: no body may break an emulator, it can only be refused.
NAMES = st.sampled_from(
    [
        "model", "input", "texts", "inputs", "requests", "input_type", "dimensions", "output_dimension",
        "encoding_format", "embedding_types", "output_dtype", "embedding_type", "task", "truncate",
        "normalize", "truncation", "messages", "max_tokens", "content", "parts", "text", "taskType",
        "outputDimensionality",
    ]
)  # fmt: skip
MODELS = st.sampled_from([adapter.model for adapter in ADAPTERS.values()])
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-9, 2000)
    | st.floats(allow_nan=False)
    | st.text(max_size=5)
    | MODELS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=4),
    max_leaves=8,
)
PATHS = {
    "openai": "/v1/embeddings",
    "azure": "/openai/deployments/text-embedding-3-small/embeddings",
    "cohere": "/v2/embed",
    "voyage": "/v1/embeddings",
    "anthropic-voyage": "/v1/embeddings",
    "anthropic": "/v1/messages",
    "mistral": "/v1/embeddings",
    "google": "/v1/models/gemini-embedding-001:batchEmbedContents",
    "hf": "/hf-inference/models/BAAI/bge-base-en-v1.5/pipeline/feature-extraction",
    "jina": "/v1/embeddings",
}


@pytest.mark.parametrize("prefix", sorted(PREFIXES))
@settings(max_examples=60, deadline=None, derandomize=True, database=None)
@given(model=MODELS, body=st.dictionaries(NAMES, JSON, max_size=5) | JSON)
def test_no_body_breaks_an_emulator(prefix: str, model: str, body: Any) -> None:
    if isinstance(body, dict):
        # Without a known model no dialect would look any further.
        body = {**body, "model": model}
        if prefix == "google":
            body["requests"] = [{**body, "model": "models/gemini-embedding-001"}]
            body = {"requests": body["requests"]}
    headers = {
        "authorization": "Bearer k",
        "api-key": "k",
        "x-goog-api-key": "k",
        "anthropic-version": "2023-06-01",
    }
    call = Call("POST", PATHS[prefix], {"api-version": "2024-10-21"}, headers, body, "k")
    try:
        status = PREFIXES[prefix][1].serve(call).status
    except Refused as refused:
        status = refused.answer.status
    assert status in (200, 400, 404, 422)


# --- malformed answers


SPOILS: dict[str, Callable[[bytes], bool]] = {
    "one_vector_less": lambda text: len(json.loads(text)["data"]) == len(TEXTS) - 1,
    "one_vector_more": lambda text: len(json.loads(text)["data"]) == len(TEXTS) + 1,
    "shorter_vectors": lambda text: {len(each) for each in _data(json.loads(text))} == {1535},
    "vectors_of_nothing": lambda text: not any(any(each) for each in _data(json.loads(text))),
    "null_vectors": lambda text: all(each is None for each in _data(json.loads(text))),
    "null_number": lambda text: all(each[0] is None for each in _data(json.loads(text))),
    "text_number": lambda text: text.count(b'["0.5",') == len(TEXTS),
    "endless_number": lambda text: text.count(b"[1e999,") == len(TEXTS),
    "no_number": lambda text: text.count(b"[NaN,") == len(TEXTS),
    "empty": lambda text: text == b"",
    "web_page": lambda text: text.startswith(b"<!doctype html>"),
    "not_json": lambda text: text.startswith(b"embeddings:"),
    "cut_short": lambda text: text.startswith(b'{"object":"list"') and not text.endswith(b"}"),
    "error_as_success": lambda text: b"server_error" in text,
    "one_place_for_all": lambda text: text.count(b'"index":0') == len(TEXTS),
    "shuffled": lambda text: [item["index"] for item in json.loads(text)["data"]] == [2, 1, 0],
}


@pytest.mark.parametrize("kind", SPOILS)
def test_an_answer_is_malformed(client: httpx.Client, kind: str) -> None:
    behave(client, "openai", kind, times=1)
    answer = ask(client, "openai")
    assert answer.status_code == 200
    assert SPOILS[kind](answer.content), answer.text[:300]
    assert ask(client, "openai").json()["usage"], "once means once"


@all_providers
def test_a_malformed_answer_lacks_a_vector_in_every_dialect(client: httpx.Client, provider: str) -> None:
    behave(client, provider, "one_vector_less")
    assert len(ADAPTERS[provider].vectors(ask(client, provider).json())) == len(TEXTS) - 1


def test_a_refusal_has_the_status_asked_for(client: httpx.Client) -> None:
    behave(client, "jina", "refusal", status=413)
    assert ask(client, "jina").status_code == 413
