"""The emulators asked by the providers' own official SDKs: what a live service would be taken for."""

from __future__ import annotations

import json
import math
import os
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

from support.reference.emulators import cohere, google, huggingface, jina, mistral, openai, voyage
from support.reference.emulators.vectors import Model, embed
from support.settings import ROOT
from tests.test_emulators import KEYS, TEXTS, behave, client, seen, shared

__all__ = ["client", "shared"]

PYTHON = ROOT / ".venv-sdks" / "bin" / "python"
PROGRAM = ROOT / "tests" / "sdk_client.py"
# An SDK is imported and has asked within this, also on a busy machine.
ANSWERS_WITHIN_S = 60

pytestmark = pytest.mark.skipif(
    not PYTHON.exists(), reason="the SDKs are not installed (requirements-sdks.txt): `make test` does that"
)


@dataclass(frozen=True)
class Sdk:
    """What an official SDK is expected to make of the emulators.

    ``raised``: the class of the exception for a bad key, an unknown model, a rate limit and a failure (left
    out where the SDK cannot be kept from repeating, which takes seconds), ``statuses`` what it tells.
    ``requests``: how many requests it makes by itself under a rate limit that does not end. ``encoding``:
    what it asks for by default. ``pause_s``: the longest pause that it makes without a hint, so that a longer
    one was made because of the hint; None if it does not heed hints.
    """

    provider: str
    model: Model
    raised: tuple[str, ...]
    statuses: tuple[int, ...] = (401, 404, 429, 500)
    requests: int = 1
    encoding: str | None = None
    pause_s: float | None = None
    smaller: int | None = None
    counts: bool = True


_OPENAI_RAISES = ("AuthenticationError", "NotFoundError", "RateLimitError", "InternalServerError")
SMALL = openai.MODELS["text-embedding-3-small"]
SDKS = {
    "openai": Sdk("openai", SMALL, _OPENAI_RAISES, requests=3, encoding="base64", pause_s=0.5, smaller=256),
    "azure": Sdk("azure", SMALL, _OPENAI_RAISES, requests=3, encoding="base64", pause_s=0.5, smaller=256),
    "azure_v1": Sdk("azure", SMALL, _OPENAI_RAISES, requests=3, encoding="base64", pause_s=0.5, smaller=256),
    "cohere": Sdk(
        "cohere", cohere.MODELS["embed-v4.0"],
        ("UnauthorizedError", "NotFoundError", "TooManyRequestsError", "InternalServerError"),
        requests=3, pause_s=1.1, smaller=512,
    ),
    "voyage": Sdk(
        "voyage", voyage.MODELS["voyage-4"],
        ("AuthenticationError", "InvalidRequestError", "RateLimitError", "ServerError"),
        (401, 400, 429, 500), encoding="base64", smaller=256,
    ),
    "mistral": Sdk(
        "mistral", mistral.MODELS["mistral-embed"], ("SDKError",) * 4, (401, 400, 429, 500), pause_s=0.5
    ),
    "google": Sdk(
        "google", google.MODELS["gemini-embedding-001"],
        ("ClientError", "ClientError", "ClientError", "ServerError"), (400, 404, 429, 500), smaller=768,
        counts=False,
    ),
    "huggingface": Sdk(
        "huggingface", huggingface.MODELS["BAAI/bge-base-en-v1.5"], ("HfHubHTTPError",) * 4, counts=False
    ),
    "jina": Sdk(
        "jina", jina.MODELS["jina-embeddings-v5-text-nano"], ("HTTPStatusError",) * 3, (401, 400, 429),
        requests=3, pause_s=1.0, smaller=256, counts=False,
    ),
}  # fmt: skip

# Clocks of two processes.
TOLERANCE_S = 0.1

all_sdks = pytest.mark.parametrize("sdk", SDKS)

Ask = Callable[..., dict[str, Any]]


class Program:
    """An SDK in a process of its own."""

    def __init__(self, sdk: str, url: str, home: Path, closing: ExitStack) -> None:
        environment = {
            "PATH": os.environ.get("PATH", ""),
            "HOME": str(home),
            "HF_HOME": str(home),
            # Else Hugging Face's SDK first asks the real hub about itself.
            "HF_ENDPOINT": f"{url}/hf/hub",
            "NO_PROXY": "127.0.0.1,localhost",
        }
        self._process = subprocess.Popen(
            [PYTHON, PROGRAM, sdk, url],
            cwd=home, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        closing.callback(self._stop)

    def ask(self, **order: Any) -> dict[str, Any]:
        """What became of one order."""
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.write(json.dumps(order) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        assert line, f"the SDK's process ended with {self._process.wait(ANSWERS_WITHIN_S)}"
        return dict(json.loads(line))

    def _stop(self) -> None:
        self._process.kill()
        self._process.communicate(timeout=ANSWERS_WITHIN_S)


@pytest.fixture(scope="module")
def programs(shared: httpx.Client, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Program]]:
    """All of them, started at the same time: most of their time goes into imports."""
    url = str(shared.base_url).rstrip("/")
    with ExitStack() as closing:
        home = tmp_path_factory.mktemp("home")
        yield {name: Program(name, url, home, closing) for name in (*SDKS, "anthropic")}


@pytest.fixture
def ask(client: httpx.Client, programs: dict[str, Program]) -> Ask:
    """Ask through an SDK with its provider's key and model unless told otherwise."""

    def asked(sdk: str, **order: Any) -> dict[str, Any]:
        known = SDKS[sdk]
        usual = {"texts": TEXTS, "key": KEYS[known.provider], "model": known.model.name}
        return programs[sdk].ask(**(usual | order))

    return asked


def calls(client: httpx.Client, provider: str) -> list[dict[str, Any]]:
    """The requests for vectors that arrived; Hugging Face's SDK also asks the hub about itself."""
    return [request for request in seen(client, provider=provider) if "/hub/" not in request["path"]]


@all_sdks
def test_an_sdk_gets_the_models_own_vectors(client: httpx.Client, ask: Ask, sdk: str) -> None:
    known = SDKS[sdk]
    answer = ask(sdk)
    assert "vectors" in answer, answer
    expected = [embed(known.model, text) for text in TEXTS]
    assert (np.array(answer["vectors"], dtype=np.float32) == np.array(expected)).all()
    assert bool(answer["tokens"]) is known.counts
    (request,) = calls(client, known.provider)
    assert request["status"] == 200
    assert request["body"].get("encoding_format") == known.encoding


@pytest.mark.parametrize("sdk", [name for name, known in SDKS.items() if known.smaller])
def test_an_sdk_gets_the_size_it_asks_for(ask: Ask, sdk: str) -> None:
    known = SDKS[sdk]
    answer = ask(sdk, size=known.smaller)
    assert "vectors" in answer, answer
    expected = [embed(known.model, text, known.smaller) for text in TEXTS]
    assert (np.array(answer["vectors"], dtype=np.float32) == np.array(expected)).all()


@all_sdks
def test_an_sdk_raises_its_own_exceptions(client: httpx.Client, ask: Ask, sdk: str) -> None:
    known = SDKS[sdk]
    refusals = [ask(sdk, key="another-key-0123456789"), ask(sdk, model="no-such")]
    for kind in ("rate_limit", "server_error")[: len(known.raised) - 2]:
        behave(client, known.provider, kind)
        refusals.append(ask(sdk, retries=0))
    for refusal, raised, status in zip(refusals, known.raised, known.statuses, strict=True):
        assert raised in refusal.get("kinds", ()), refusal
        assert refusal["status"] == status, refusal


@all_sdks
def test_an_sdk_repeats_as_its_documentation_says(client: httpx.Client, ask: Ask, sdk: str) -> None:
    known = SDKS[sdk]
    if known.pause_s is None:
        behave(client, known.provider, "rate_limit", times=1, retry_after="1")
        assert known.raised[2] in ask(sdk)["kinds"]
        assert len(calls(client, known.provider)) == 1
        return
    hint_s = math.floor(known.pause_s) + 1
    behave(client, known.provider, "rate_limit", times=1, retry_after=str(hint_s))
    answer = ask(sdk, retries=2)
    assert "vectors" in answer, answer
    refused, repeated = calls(client, known.provider)
    waited_s = repeated["at"] - refused["at"]
    assert known.pause_s < hint_s - TOLERANCE_S <= waited_s, f"{waited_s:.2f} s after the refusal"


@pytest.mark.parametrize("sdk", ["openai", "mistral", "voyage", "google", "huggingface"])
def test_an_sdk_that_is_not_told_otherwise_gives_up_in_time(client: httpx.Client, ask: Ask, sdk: str) -> None:
    behave(client, SDKS[sdk].provider, "overload")
    assert "error" in ask(sdk)
    assert len(calls(client, SDKS[sdk].provider)) == SDKS[sdk].requests


@pytest.mark.parametrize(
    "sdk",
    [
        pytest.param(name, marks=pytest.mark.skip(reason=why))
        for name, why in {
            "google, Vertex AI": "the emulators, like the platform, know the Gemini API only",
            "jina": "a framework for servers without a client for embeddings: jina-cli is the official one",
        }.items()
    ],
)
def test_an_sdk_is_left_out(sdk: str) -> None:
    """Never run: the reasons are shown."""


def test_anthropics_sdk_talks(client: httpx.Client, programs: dict[str, Program]) -> None:
    order = {"texts": ["hi"], "key": KEYS["anthropic"], "model": "claude-haiku-4-5"}
    told = programs["anthropic"].ask(**order)
    assert told.get("text") == "Hi!" and told["tokens"] > 0, told


def test_anthropics_sdk_raises_its_own_exceptions(client: httpx.Client, programs: dict[str, Program]) -> None:
    order = {"texts": ["hi"], "key": KEYS["anthropic"], "model": "claude-haiku-4-5", "retries": 0}
    ask = programs["anthropic"].ask
    assert "AuthenticationError" in ask(**(order | {"key": "another-key-0123456789"}))["kinds"]
    assert "NotFoundError" in ask(**(order | {"model": "no-such"}))["kinds"]
    behave(client, "anthropic", "rate_limit", times=1)
    assert "RateLimitError" in ask(**order)["kinds"]
    behave(client, "anthropic", "overload", times=1)
    assert "OverloadedError" in ask(**order)["kinds"]


def test_anthropics_sdk_waits_as_long_as_it_is_told(
    client: httpx.Client, programs: dict[str, Program]
) -> None:
    behave(client, "anthropic", "rate_limit", times=1, retry_after="1")
    told = programs["anthropic"].ask(texts=["hi"], key=KEYS["anthropic"], model="claude-haiku-4-5")
    assert told.get("text") == "Hi!", told
    refused, repeated = seen(client, provider="anthropic")
    assert repeated["at"] - refused["at"] >= 1 - TOLERANCE_S
