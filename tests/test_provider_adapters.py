"""The gateway's client side of the nine providers: against the emulators, and against scripted answers."""

from __future__ import annotations

import asyncio
import itertools
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import aiohttp
import httpx
import numpy as np
import orjson
import pytest
from aiohttp import web

from support.contract.validator import Contract
from support.reference.emulators import cohere, google, huggingface, mistral
from support.reference.emulators.vectors import embed
from support.reference.gateway.providers import Delivery, EmbedOrder, ProviderConfig, ProviderProblem
from support.reference.gateway.providers.adapters import ADAPTERS
from support.reference.gateway.providers.breaker import THRESHOLD, Breaker
from support.reference.gateway.providers.limiter import Limiter, LimitReached, take_tokens
from support.reference.gateway.providers.orders import Hint
from support.reference.gateway.providers.router import ProviderRouter
from support.reference.gateway.providers.wire import estimated_tokens, header_hint
from tests.test_emulators import KEYS, PROVIDERS, emulators

TEXTS = ["annual holidays", "price list"]
SIZES = {
    "anthropic": 1024, "azure": 1536, "cohere": 1536, "google": 768, "huggingface": 768, "jina": 768,
    "mistral": 1024, "openai": 1536, "voyage": 1024,
}  # fmt: skip
# What the gateway's environment names as each provider's address, at the emulators.
PATHS = {
    "anthropic": "/anthropic-voyage/v1", "azure": "/azure", "cohere": "/cohere", "google": "/google",
    "huggingface": "/hf", "jina": "/jina", "mistral": "/mistral", "openai": "/openai/v1",
    "voyage": "/voyage/v1",
}  # fmt: skip
ATTEMPT_S = 0.4
all_providers = pytest.mark.parametrize("provider", PROVIDERS)


# --- a server that answers as the test says


@dataclass(frozen=True)
class Seen:
    """One request that arrived; ``at`` on the monotonic clock."""

    at: float
    method: str
    path: str
    headers: dict[str, str]
    body: Any

    @property
    def provider(self) -> str:
        return self.path.split("/")[1]


Reply = Callable[[web.Request, Any], Awaitable[web.StreamResponse]]


@dataclass
class Stand:
    """The stand-in: the replies still to give (the last one stays), and what it was asked."""

    url: str
    replies: list[Reply]
    requests: list[Seen] = field(default_factory=list)

    async def handle(self, request: web.Request) -> web.StreamResponse:
        body = orjson.loads(await request.read())
        headers = {name.lower(): value for name, value in request.headers.items()}
        self.requests.append(Seen(time.monotonic(), request.method, request.raw_path, headers, body))
        reply = self.replies.pop(0) if len(self.replies) > 1 else self.replies[0]
        return await reply(request, body)


def _named(headers: dict[str, str]) -> dict[str, str]:
    return {name.replace("_", "-"): value for name, value in headers.items()}


def status(code: int, body: Any = None, **headers: str) -> Reply:
    async def reply(request: web.Request, asked: Any) -> web.Response:
        return web.Response(status=code, body=orjson.dumps(body), headers=_named(headers))

    return reply


def raw(content: bytes, code: int = 200, **headers: str) -> Reply:
    async def reply(request: web.Request, asked: Any) -> web.Response:
        return web.Response(status=code, body=content, headers=_named(headers))

    return reply


async def hang(request: web.Request, asked: Any) -> web.Response:
    await asyncio.sleep(30)
    return web.Response()


async def reset(request: web.Request, asked: Any) -> web.Response:
    assert request.transport is not None
    request.transport.abort()
    return web.Response()


async def cut_in_the_middle(request: web.Request, asked: Any) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Length": "1000"})
    await response.prepare(request)
    await response.write(b'{"data": [')
    assert request.transport is not None
    request.transport.close()
    return response


def vector(number: int, size: int = 1536) -> list[float]:
    """A vector that points into a direction of its own; its length is not 1."""
    return [3.0 if position == number else 0.0 for position in range(size)]


def listing(*vectors: Any, order: Sequence[int] | None = None) -> dict[str, Any]:
    """The answer form of OpenAI, Azure, Voyage, Jina and Mistral."""
    data = [{"object": "embedding", "index": index, "embedding": each} for index, each in enumerate(vectors)]
    usage = {"prompt_tokens": 7, "total_tokens": 7}
    return {"data": [data[index] for index in order or range(len(data))], "usage": usage}


async def good(request: web.Request, asked: Any) -> web.Response:
    """What a healthy provider answers, in its own form."""
    provider = request.path.split("/")[1]
    texts = next(asked[name] for name in ("input", "texts", "inputs", "requests") if name in asked)
    vectors = [vector(index, SIZES[provider]) for index in range(len(texts))]
    body: Any = listing(*vectors)
    if provider == "cohere":
        body = {"embeddings": {"float": vectors}, "meta": {"billed_units": {"input_tokens": 7}}}
    elif provider == "google":
        body = {"embeddings": [{"values": each} for each in vectors]}
    elif provider == "huggingface":
        body = vectors
    return web.Response(body=orjson.dumps(body), content_type="application/json")


@asynccontextmanager
async def stand_in(*replies: Reply) -> AsyncIterator[Stand]:
    stand = Stand("", list(replies) or [good])
    application = web.Application()
    application.router.add_route("*", "/{rest:.*}", stand.handle)
    runner = web.AppRunner(application, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    host, port = runner.addresses[0]
    stand.url = f"http://{host}:{port}"
    try:
        yield stand
    finally:
        await runner.cleanup()


# --- the client side


@dataclass
class Client:
    """A router with its session, and what it told about its calls."""

    router: ProviderRouter
    called: list[tuple[str, str]]
    waited: list[tuple[float, float]]

    async def embed(self, provider: str = "openai", budget_s: float = 10.0, **order: Any) -> Delivery:
        return await self.router.embed(
            EmbedOrder(**({"texts": TEXTS, "provider": provider} | order)),
            request_id="the-request-id",
            deadline=time.monotonic() + budget_s,
            timing=lambda start, end: self.waited.append((start, end)),
        )

    async def refusal(self, provider: str = "openai", **order: Any) -> ProviderProblem:
        with pytest.raises(ProviderProblem) as refused:
            await self.embed(provider, **order)
        return refused.value

    def breaker(self, provider: str = "openai") -> dict[str, Any]:
        told: Any = self.router.describe(provider)["circuit_breaker"]
        return dict(told)


@asynccontextmanager
async def gateway(
    configs: dict[str, ProviderConfig], *, attempt_s: float = ATTEMPT_S, breaker_open_s: float = 60.0
) -> AsyncIterator[Client]:
    called: list[tuple[str, str]] = []
    async with aiohttp.ClientSession(trust_env=False) as session:
        router = ProviderRouter(
            configs,
            session,
            attempt_s=attempt_s,
            breaker_open_s=breaker_open_s,
            on_call=lambda provider, outcome, seconds: called.append((provider, outcome)),
        )
        yield Client(router, called, [])


def at(url: str, *names: str, rpm: int = 1000) -> dict[str, ProviderConfig]:
    """Each of these providers at the stand-in, below its own name."""
    return {name: ProviderConfig(f"{url}/{name}", KEYS[name], rpm) for name in names or PROVIDERS}


def scripted(*replies: Reply, **options: Any) -> Callable[[Callable[[Stand, Client], Awaitable[None]]], None]:
    """Run a coroutine against a stand-in with these replies."""

    async def run(test: Callable[[Stand, Client], Awaitable[None]]) -> None:
        async with stand_in(*replies) as stand, gateway(at(stand.url), **options) as client:
            await test(stand, client)

    return lambda test: asyncio.run(run(test))


def unused_url() -> str:
    """An address where nobody listens."""
    return "http://127.0.0.1:9"


# --- wire formats

GOLDEN: dict[str, tuple[str, dict[str, str], dict[str, Any]]] = {
    "openai": (
        "/embeddings",
        {"authorization": f"Bearer {KEYS['openai']}"},
        {"model": "text-embedding-3-small", "input": TEXTS, "encoding_format": "float"},
    ),
    "azure": (
        "/openai/deployments/text-embedding-3-small/embeddings?api-version=2024-10-21",
        {"api-key": KEYS["azure"]},
        {"model": "text-embedding-3-small", "input": TEXTS, "encoding_format": "float"},
    ),
    "cohere": (
        "/v2/embed",
        {"authorization": f"Bearer {KEYS['cohere']}"},
        {
            "model": "embed-v4.0", "texts": TEXTS, "input_type": "search_document",
            "embedding_types": ["float"], "truncate": "NONE",
        },
    ),
    "huggingface": (
        "/hf-inference/models/BAAI/bge-base-en-v1.5/pipeline/feature-extraction",
        {"authorization": f"Bearer {KEYS['huggingface']}"},
        {"inputs": TEXTS, "normalize": True, "truncate": False},
    ),
    "google": (
        "/v1/models/gemini-embedding-001:batchEmbedContents",
        {"x-goog-api-key": KEYS["google"]},
        {
            "requests": [
                {
                    "model": "models/gemini-embedding-001", "content": {"parts": [{"text": text}]},
                    "taskType": "RETRIEVAL_DOCUMENT", "outputDimensionality": 768,
                }
                for text in TEXTS
            ]
        },
    ),
    "voyage": (
        "/embeddings",
        {"authorization": f"Bearer {KEYS['voyage']}"},
        {"model": "voyage-4", "input": TEXTS, "input_type": "document", "truncation": False},
    ),
    "anthropic": (
        "/embeddings",
        {"authorization": f"Bearer {KEYS['anthropic']}"},
        {"model": "voyage-4", "input": TEXTS, "input_type": "document", "truncation": False},
    ),
    "jina": (
        "/v1/embeddings",
        {"authorization": f"Bearer {KEYS['jina']}"},
        {"model": "jina-embeddings-v5-text-nano", "task": "retrieval.passage", "input": TEXTS},
    ),
    "mistral": (
        "/v1/embeddings",
        {"authorization": f"Bearer {KEYS['mistral']}"},
        {"model": "mistral-embed", "input": TEXTS},
    ),
}  # fmt: skip
CREDENTIALS = {"authorization", "api-key", "x-goog-api-key", "x-api-key", "cookie"}


@all_providers
def test_a_request_is_the_golden_one(provider: str) -> None:
    path, key, body = GOLDEN[provider]

    @scripted()
    async def check(stand: Stand, client: Client) -> None:
        await client.embed(provider)
        [request] = stand.requests
        assert (request.method, request.path) == ("POST", f"/{provider}{path}")
        assert request.body == body
        assert {name: request.headers[name] for name in CREDENTIALS & request.headers.keys()} == key
        assert request.headers["x-request-id"] == "the-request-id"
        assert request.headers["content-type"] == "application/json"


@pytest.mark.parametrize(
    ("provider", "member", "value"),
    [
        ("cohere", "input_type", "search_query"),
        ("voyage", "input_type", "query"),
        ("anthropic", "input_type", "query"),
        ("jina", "task", "retrieval.query"),
    ],
)
def test_the_kind_of_input_is_translated(provider: str, member: str, value: str) -> None:
    @scripted()
    async def check(stand: Stand, client: Client) -> None:
        await client.embed(provider, input_kind="query")
        assert stand.requests[0].body[member] == value


def test_google_learns_the_kind_of_each_text() -> None:
    @scripted()
    async def check(stand: Stand, client: Client) -> None:
        await client.embed("google", input_kind="query")
        assert [each["taskType"] for each in stand.requests[0].body["requests"]] == ["RETRIEVAL_QUERY"] * 2


@pytest.mark.parametrize(
    ("provider", "model", "dimensions", "sent"),
    [
        ("openai", None, 512, {"dimensions": 512}),
        ("openai", None, 1536, {}),
        ("azure", "text-embedding-3-large", 1024, {"dimensions": 1024}),
        ("cohere", None, 256, {"output_dimension": 256}),
        ("voyage", None, 2048, {"output_dimension": 2048}),
        ("anthropic", None, 512, {"output_dimension": 512}),
        ("jina", None, 128, {"dimensions": 128}),
        ("mistral", "codestral-embed", 64, {"output_dimension": 64}),
        ("google", None, 3072, {"outputDimensionality": 3072}),
    ],
)
def test_another_size_is_asked_for_in_the_providers_words(
    provider: str, model: str | None, dimensions: int, sent: dict[str, int]
) -> None:
    async def sized(request: web.Request, asked: Any) -> web.Response:
        one = vector(0, dimensions)
        answers = {"cohere": {"embeddings": {"float": [one]}}, "google": {"embeddings": [{"values": one}]}}
        return web.Response(body=orjson.dumps(answers.get(provider, listing(one))))

    @scripted(sized)
    async def check(stand: Stand, client: Client) -> None:
        delivery = await client.embed(provider, texts=["one"], model=model, dimensions=dimensions)
        body = stand.requests[0].body
        body = body["requests"][0] if provider == "google" else body
        names = {"dimensions", "output_dimension", "outputDimensionality"}
        assert {name: body[name] for name in names & body.keys()} == sent
        assert delivery.dimensions == len(delivery.embeddings[0]) == dimensions


def test_a_models_name_stays_one_piece_of_the_path() -> None:
    @scripted(status(404))
    async def check(stand: Stand, client: Client) -> None:
        await client.refusal("azure", model="a/b:c")
        await client.refusal("google", model="a/b")
        assert "/deployments/a%2Fb%3Ac/embeddings?" in stand.requests[0].path
        assert stand.requests[1].path.endswith("/models/a%2Fb:batchEmbedContents")
        refused = await client.refusal("huggingface", model="a/../../b")
        assert (refused.code, len(stand.requests)) == ("validation-failed", 2)


# --- against the emulators


@pytest.fixture(scope="module")
def shared() -> Iterator[httpx.Client]:
    with emulators() as (client, _, _):
        yield client


@pytest.fixture
def control(shared: httpx.Client) -> Iterator[httpx.Client]:
    """The emulators in their first state."""
    shared.delete("/_emulator/behaviour").raise_for_status()
    shared.delete("/_emulator/requests").raise_for_status()
    yield shared
    shared.delete("/_emulator/behaviour").raise_for_status()


def emulated(control: httpx.Client) -> dict[str, ProviderConfig]:
    url = str(control.base_url).rstrip("/")
    return {name: ProviderConfig(url + PATHS[name], KEYS[name], 10_000) for name in PROVIDERS}


def seen(control: httpx.Client, provider: str) -> list[dict[str, Any]]:
    return list(control.get("/_emulator/requests", params={"provider": provider}).json()["requests"])


def ask_emulators(control: httpx.Client, provider: str, **order: Any) -> Delivery:
    async def ask() -> Delivery:
        async with gateway(emulated(control), attempt_s=5.0) as client:
            return await client.embed(provider, budget_s=30.0, **order)

    return asyncio.run(ask())


@all_providers
def test_a_provider_delivers_unit_vectors_of_its_declared_size(control: httpx.Client, provider: str) -> None:
    delivery = ask_emulators(control, provider)
    assert [each.shape for each in delivery.embeddings] == [(SIZES[provider],)] * 2
    assert all(each.dtype == np.float32 for each in delivery.embeddings)
    assert [float(np.linalg.norm(each)) for each in delivery.embeddings] == pytest.approx([1, 1], abs=1e-6)
    assert (delivery.provider, delivery.dimensions) == (provider, SIZES[provider])
    assert delivery.served_by == ("voyage" if provider == "anthropic" else provider)
    assert (delivery.input_tokens is None) == (provider in ("google", "huggingface"))
    assert [(each["provider"], each["outcome"]) for each in delivery.attempts] == [(provider, "success")]
    assert delivery.failover_time_ms is None
    [request] = seen(control, provider)
    assert request["headers"]["x-request-id"] == "the-request-id"


@all_providers
@pytest.mark.parametrize(
    ("kind", "code", "times"),
    [("bad_key", "provider-error", 1), ("unknown_model", "provider-error", 1),
     ("server_error", "provider-error", 3), ("overload", "provider-error", 3)],
)  # fmt: skip
def test_a_providers_own_error_is_understood(
    control: httpx.Client, provider: str, kind: str, code: str, times: int
) -> None:
    control.put(f"/_emulator/behaviour/{provider}", json={"kind": kind}).raise_for_status()
    with pytest.raises(ProviderProblem) as refused:
        ask_emulators(control, provider)
    assert (refused.value.code, refused.value.provider) == (code, provider)
    assert refused.value.retryable == (times > 1)
    assert len(seen(control, provider)) == times


@all_providers
def test_a_bad_key_is_told_apart_from_a_bad_request(control: httpx.Client, provider: str) -> None:
    """Only a bad key lets the next provider take over: Google says it with a 400."""
    other = "mistral" if provider == "openai" else "openai"
    control.put(f"/_emulator/behaviour/{provider}", json={"kind": "bad_key"}).raise_for_status()
    delivery = ask_emulators(control, provider, failover=[other])
    assert [each["outcome"] for each in delivery.attempts] == ["auth_error", "success"]
    assert delivery.provider == other


@all_providers
def test_a_providers_hint_is_obeyed(control: httpx.Client, provider: str) -> None:
    behaviour = {"kind": "rate_limit", "times": 1, "retry_after": "1"}
    control.put(f"/_emulator/behaviour/{provider}", json=behaviour).raise_for_status()
    delivery = ask_emulators(control, provider)
    assert [each["outcome"] for each in delivery.attempts] == ["rate_limited", "success"]
    first, second = (request["at"] for request in seen(control, provider))
    assert 1.0 <= second - first <= 3


@pytest.mark.parametrize(
    ("provider", "ceiling", "expected"),
    [
        ("cohere", 96, lambda text: embed(cohere.MODELS["embed-v4.0"], text)),
        ("huggingface", 32, lambda text: embed(huggingface.MODELS["BAAI/bge-base-en-v1.5"], text)),
        ("google", 100, lambda text: embed(google.MODELS["gemini-embedding-001"], text, 768)),
        ("mistral", 256, lambda text: embed(mistral.MODELS["mistral-embed"], text)),
    ],
)
def test_one_text_too_many_makes_a_second_call(
    control: httpx.Client, provider: str, ceiling: int, expected: Callable[[str], Any]
) -> None:
    texts = [f"text number {number}" for number in range(ceiling + 1)]
    delivery = ask_emulators(control, provider, texts=texts)
    assert len(seen(control, provider)) == 2
    assert len(delivery.embeddings) == len(texts)
    for text, found in zip(texts, delivery.embeddings, strict=True):
        wanted = expected(text)
        assert float(found @ (wanted / np.linalg.norm(wanted))) == pytest.approx(1.0, abs=1e-5)


def test_mistral_is_never_sent_more_tokens_than_it_takes(control: httpx.Client) -> None:
    texts = [f"{number} " + "long text " * 700 for number in range(20)]
    delivery = ask_emulators(control, "mistral", texts=texts)
    requests = seen(control, "mistral")
    assert len(requests) > 1
    assert [text for request in requests for text in request["body"]["input"]] == texts
    for text, found in zip(texts, delivery.embeddings, strict=True):
        wanted = embed(mistral.MODELS["mistral-embed"], text)
        assert float(found @ wanted) == pytest.approx(1.0, abs=1e-5)
    assert [each["outcome"] for each in delivery.attempts] == ["success"]


# --- splitting


@pytest.mark.parametrize(
    ("provider", "ceiling"),
    [("openai", 2048), ("azure", 2048), ("voyage", 1000), ("anthropic", 1000), ("jina", 512),
     ("mistral", 256), ("google", 100), ("cohere", 96), ("huggingface", 32)],
)  # fmt: skip
def test_texts_are_split_by_their_number(provider: str, ceiling: int) -> None:
    texts = [str(number) for number in range(2 * ceiling + 1)]
    parts = list(ADAPTERS[provider].parts(texts))
    assert [len(part) for part in parts] == [ceiling, ceiling, 1]
    assert list(itertools.chain(*parts)) == texts
    assert [len(part) for part in ADAPTERS[provider].parts(texts[:ceiling])] == [ceiling]


def test_texts_are_split_by_their_tokens_and_never_cut() -> None:
    texts = ["x" * length for length in (3000, 48_000, 60_000, 100, 100)]
    parts = list(ADAPTERS["mistral"].parts(texts))
    assert parts == [texts[:1], texts[1:2], texts[2:3], texts[3:]]
    assert sum(map(estimated_tokens, texts[:2])) > 16_384
    assert sum(map(estimated_tokens, texts[3:])) <= 16_384


def test_tokens_are_counted_over_all_parts() -> None:
    @scripted()
    async def check(stand: Stand, client: Client) -> None:
        delivery = await client.embed("cohere", texts=[str(number) for number in range(100)])
        assert (len(stand.requests), delivery.input_tokens) == (2, 14)


def test_parts_of_different_sizes_are_not_put_together() -> None:
    @scripted(status(200, [vector(0, 16)] * 32), status(200, [vector(0, 8)]))
    async def check(stand: Stand, client: Client) -> None:
        refused = await client.refusal("huggingface", texts=["x"] * 33, model="somebody/unlisted")
        assert (refused.code, client.called[-1][1]) == ("provider-error", "invalid_response")


# --- answers

OPENAI_MALFORMED: dict[str, Any] = {
    "no data": {"object": "list"},
    "an error with status 200": {"error": {"message": "no", "type": "server_error"}},
    "no object": [1, 2],
    "empty": listing(),
    "a vector too few": listing(vector(0)),
    "a vector too many": listing(vector(0), vector(1), vector(2)),
    "an index twice": {"data": [{"index": 0, "embedding": vector(0)}] * 2},
    "an index beyond": {"data": [{"index": at, "embedding": vector(0)} for at in (1, 2)]},
    "no index": {"data": [{"embedding": vector(0)}] * 2},
    "another size": listing(vector(0, 1024), vector(1, 1024)),
    "two sizes": listing(vector(0), vector(1, 1024)),
    "a null": listing(vector(0), [None, *vector(1)[1:]]),
    "numbers as text": listing(vector(0), [str(number) for number in vector(1)]),
    "base64": listing("AAAAAA==", "AAAAAA=="),
    "truths": listing(*([[True] * 1536] * 2)),
    "nothing but zeros": listing(vector(0), [0.0] * 1536),
    "too large to have a length": listing(vector(0), [1e308] * 1536),
    "a level too deep": listing([vector(0)], [vector(1)]),
}


@pytest.mark.parametrize("body", OPENAI_MALFORMED.values(), ids=OPENAI_MALFORMED.keys())
def test_a_malformed_answer_is_an_invalid_response(body: Any) -> None:
    @scripted(status(200, body))
    async def check(stand: Stand, client: Client) -> None:
        refused = await client.refusal()
        assert (refused.code, refused.status, refused.retryable) == ("provider-error", 502, True)
        assert client.called == [("openai", "invalid_response")]
        assert len(stand.requests) == 1


@pytest.mark.parametrize(
    "reply",
    [
        raw(b""),
        raw(b"<html>busy</html>"),
        raw(json.dumps(listing([float("nan")] * 1536, vector(1))).encode()),
        raw(b'{"data": [{"index": 0, "embedding": [1e999]}]}'),
        raw(b"no gzip", Content_Encoding="gzip"),
        raw(b"{}", 204),
        raw(b"", 301, Location="/elsewhere"),
        cut_in_the_middle,
    ],
    ids=["empty", "html", "nan", "infinite", "bad gzip", "204", "redirection", "cut"],
)
def test_an_unreadable_answer_is_an_invalid_response(reply: Reply) -> None:
    @scripted(reply)
    async def check(stand: Stand, client: Client) -> None:
        assert (await client.refusal()).code == "provider-error"
        assert client.called == [("openai", "invalid_response")]
        assert len(stand.requests) == 1


@pytest.mark.parametrize(
    ("provider", "body"),
    [
        ("cohere", {"embeddings": [vector(0), vector(1)]}),
        ("cohere", {"embeddings": {"float": [vector(0)]}}),
        ("google", {}),
        ("google", {"embeddings": [{"values": vector(0, 3072)}] * 2}),
        ("huggingface", {"error": "loading"}),
        ("huggingface", vector(0, 768)),
        ("huggingface", [[vector(0, 768)], [vector(0, 768)]]),
    ],
)
def test_a_malformed_answer_of_another_form(provider: str, body: Any) -> None:
    @scripted(status(200, body))
    async def check(stand: Stand, client: Client) -> None:
        await client.refusal(provider)
        assert client.called == [(provider, "invalid_response")]


def test_the_order_is_that_of_the_index_and_not_of_the_arrival() -> None:
    @scripted(status(200, listing(vector(0), vector(1), vector(2), order=(2, 0, 1))))
    async def check(stand: Stand, client: Client) -> None:
        delivery = await client.embed(texts=["a", "b", "c"])
        assert [int(each.argmax()) for each in delivery.embeddings] == [0, 1, 2]
        assert delivery.embeddings[1].tolist() == [float(number == 1) for number in range(1536)]
        assert delivery.input_tokens == 7


def test_one_text_may_come_back_as_a_bare_vector() -> None:
    @scripted(status(200, vector(5, 768)))
    async def check(stand: Stand, client: Client) -> None:
        delivery = await client.embed("huggingface", texts=["one"])
        assert [int(each.argmax()) for each in delivery.embeddings] == [5]


def test_a_missing_count_of_tokens_does_no_harm() -> None:
    @scripted(status(200, listing(vector(0), vector(1)) | {"usage": None}))
    async def check(stand: Stand, client: Client) -> None:
        assert (await client.embed()).input_tokens is None


def test_a_redirection_does_not_take_the_key_elsewhere() -> None:
    async def check() -> None:
        async with stand_in() as thief, stand_in(raw(b"", 307, Location=f"{thief.url}/openai")) as stand:
            async with gateway(at(stand.url)) as client:
                await client.refusal()
            assert (len(stand.requests), thief.requests) == (1, [])

    asyncio.run(check())


# --- repetition


@pytest.mark.parametrize(
    ("reply", "outcome", "code", "calls"),
    [
        (status(400), "rejected", "provider-error", 1),
        (status(404), "rejected", "provider-error", 1),
        (status(413), "rejected", "provider-error", 1),
        (status(422), "rejected", "provider-error", 1),
        (status(401), "auth_error", "provider-error", 1),
        (status(402), "auth_error", "provider-error", 1),
        (status(403), "auth_error", "provider-error", 1),
        (status(429, {"error": {"code": "insufficient_quota"}}), "auth_error", "provider-error", 1),
        (status(429), "rate_limited", "provider-rate-limited", 3),
        (status(500), "server_error", "provider-error", 3),
        (status(503), "server_error", "provider-error", 3),
        (status(529), "server_error", "provider-error", 3),
        (reset, "connection_error", "provider-unavailable", 3),
        (hang, "timeout", "provider-timeout", 3),
    ],
)
def test_only_what_may_pass_is_repeated(reply: Reply, outcome: str, code: str, calls: int) -> None:
    # Short only where it is waited for: a prompt answer is none of its business.
    @scripted(reply, attempt_s=0.2 if reply is hang else 2.0)
    async def check(stand: Stand, client: Client) -> None:
        refused = await client.refusal()
        assert (refused.code, refused.provider) == (code, "openai")
        assert client.called == [("openai", outcome)] * calls
        assert len(stand.requests) == calls
        assert "quota" not in str(refused)


def test_a_provider_that_is_not_there_is_unavailable() -> None:
    async def check() -> None:
        async with gateway({"openai": ProviderConfig(unused_url(), "key")}) as client:
            started = time.monotonic()
            refused = await client.refusal()
            assert time.monotonic() - started < 1.0
            assert (refused.code, refused.status, refused.retryable) == ("provider-unavailable", 503, True)
            assert client.called == [("openai", "connection_error")] * 3

    asyncio.run(check())


def test_the_first_success_is_delivered_once() -> None:
    @scripted(status(500), status(503), good)
    async def check(stand: Stand, client: Client) -> None:
        delivery = await client.embed()
        assert [each["outcome"] for each in delivery.attempts] == ["server_error", "server_error", "success"]
        assert [each["http_status"] for each in delivery.attempts] == [500, 503, 200]
        assert len(stand.requests) == 3
        gaps = [after.at - before.at for before, after in itertools.pairwise(stand.requests)]
        assert 0.05 <= gaps[0] < 0.6
        assert 0.1 <= gaps[1] < 0.7
        waited = sum(end - start for start, end in client.waited)
        assert waited == pytest.approx(client.waited[-1][1] - client.waited[0][0], abs=0.2)


def test_all_parts_of_an_order_share_its_repetitions() -> None:
    @scripted(status(500), good, status(500), good, status(500))
    async def check(stand: Stand, client: Client) -> None:
        await client.refusal("huggingface", texts=["x"] * 96)
        outcomes = [outcome for _, outcome in client.called]
        assert outcomes == ["server_error", "success", "server_error", "success", "server_error"]


@pytest.mark.parametrize(
    ("headers", "least_s", "most_s"),
    [
        ({"retry_after_ms": "300", "retry_after": "9"}, 0.3, 1.0),
        ({"retry_after": "0.3"}, 0.3, 1.0),
        ({"retry_after": "soon"}, 0.05, 1.0),
        ({"retry_after": "-5"}, 0.05, 1.0),
        ({"retry_after": "0"}, 0.05, 1.0),
    ],
)
def test_a_hint_says_how_long_to_wait(headers: dict[str, str], least_s: float, most_s: float) -> None:
    @scripted(status(429, **headers), good)
    async def check(stand: Stand, client: Client) -> None:
        await client.embed()
        first, second = stand.requests
        assert least_s <= second.at - first.at <= most_s


def test_a_hint_that_leaves_no_time_ends_the_order_and_is_passed_on() -> None:
    @scripted(status(429, retry_after="86400"))
    async def check(stand: Stand, client: Client) -> None:
        refused = await client.refusal()
        assert (refused.code, refused.retry_after_s) == ("provider-rate-limited", 86400)
        assert len(stand.requests) == 1


def test_a_mere_forecast_does_not_end_the_order() -> None:
    @scripted(status(429, ratelimit='"api";r=0;t=55'), good)
    async def check(stand: Stand, client: Client) -> None:
        await client.embed("huggingface")
        assert len(stand.requests) == 2


def test_repetitions_of_many_callers_are_spread() -> None:
    @scripted(*[status(429, retry_after_ms="1000")] * 20, good)
    async def check(stand: Stand, client: Client) -> None:
        await asyncio.gather(*(client.embed() for _ in range(20)))
        again = sorted(request.at for request in stand.requests)[20:]
        assert len(again) == 20
        assert again[-1] - again[0] > 0.02


def test_hints_are_read_as_the_providers_write_them() -> None:
    assert header_hint({}) is None
    assert header_hint({"retry-after": "2"}) == Hint(2.0)
    soon = header_hint(
        {"retry-after": format_datetime(datetime.now(UTC) + timedelta(seconds=30), usegmt=True)}
    )
    assert soon is not None
    assert 28 <= soon.seconds <= 30
    past = format_datetime(datetime.now(UTC) - timedelta(seconds=30), usegmt=True)
    assert header_hint({"retry-after": past}) is None
    details = [{"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "20s"}]
    assert ADAPTERS["google"].hint({}, {"error": {"details": details}}) == Hint(20.0)
    assert ADAPTERS["google"].hint({}, {"error": "none"}) is None
    limit = {"ratelimit": '"api";r=0;t=55'}
    assert ADAPTERS["huggingface"].hint(limit, None) == Hint(55.0, binding=False)
    assert ADAPTERS["openai"].hint(limit, None) is None


# --- the chain


def outcomes_of(delivery: Delivery) -> list[tuple[object, object]]:
    return [(each["provider"], each["outcome"]) for each in delivery.attempts]


def test_the_next_ones_are_asked_once_each_in_order() -> None:
    @scripted(status(500), status(401), status(200, {}), status(429, retry_after="60"), reset, good)
    async def check(stand: Stand, client: Client) -> None:
        chain = ["voyage", "azure", "mistral", "jina", "cohere", "google"]
        delivery = await client.embed("openai", failover=chain)
        assert [request.provider for request in stand.requests] == ["openai", *chain[:-1]]
        assert outcomes_of(delivery) == [
            ("openai", "server_error"),
            ("voyage", "auth_error"),
            ("azure", "invalid_response"),
            ("mistral", "rate_limited"),
            ("jina", "connection_error"),
            ("cohere", "success"),
        ]
        assert (delivery.provider, delivery.model, delivery.dimensions) == ("cohere", "embed-v4.0", 1536)


def test_a_silent_provider_costs_its_time_out_and_no_more() -> None:
    @scripted(hang, good, attempt_s=0.3)
    async def check(stand: Stand, client: Client) -> None:
        delivery = await client.embed("openai", failover=["voyage"])
        assert outcomes_of(delivery) == [("openai", "timeout"), ("voyage", "success")]
        assert delivery.failover_time_ms is not None
        assert 300 <= delivery.failover_time_ms <= 1000


def test_the_caller_may_set_the_time_out() -> None:
    @scripted(hang, attempt_s=5.0)
    async def check(stand: Stand, client: Client) -> None:
        started = time.monotonic()
        refused = await client.refusal(failover=["voyage"], attempt_timeout_s=0.1)
        assert refused.code == "provider-timeout"
        assert time.monotonic() - started < 1.5


def test_the_order_ends_with_its_deadline() -> None:
    @scripted(hang, attempt_s=5.0)
    async def check(stand: Stand, client: Client) -> None:
        started = time.monotonic()
        refused = await client.refusal(failover=["voyage", "jina"], budget_s=0.3)
        assert refused.code == "provider-timeout"
        assert time.monotonic() - started < 1.5
        assert len(stand.requests) == 1


def test_a_request_that_one_refuses_is_not_shown_to_the_next() -> None:
    @scripted(status(400), good)
    async def check(stand: Stand, client: Client) -> None:
        assert (await client.refusal(failover=["voyage"])).code == "provider-error"
        assert len(stand.requests) == 1


def test_unknown_and_unconfigured_names_are_skipped() -> None:
    async def check() -> None:
        async with stand_in() as stand, gateway(at(stand.url, "voyage")) as client:
            delivery = await client.embed("nobody", failover=["openai", "voyage"])
            assert outcomes_of(delivery) == [
                ("nobody", "not_configured"), ("openai", "not_configured"), ("voyage", "success"),
            ]  # fmt: skip
            assert delivery.failover_time_ms is not None
            assert (await client.refusal("nobody", failover=["nobody-else"])).code == "provider-not-found"
            assert (await client.refusal("openai", failover=["jina"])).code == "provider-unavailable"
            assert len(stand.requests) == 1

    asyncio.run(check())


def test_a_model_is_for_the_requested_provider_only() -> None:
    @scripted(status(500), good)
    async def check(stand: Stand, client: Client) -> None:
        await client.embed("openai", model="text-embedding-3-large", failover=["voyage"])
        assert [each.body["model"] for each in stand.requests] == ["text-embedding-3-large", "voyage-4"]


def test_providers_of_another_size_are_passed_over() -> None:
    @scripted()
    async def check(stand: Stand, client: Client) -> None:
        delivery = await client.embed("openai", failover=["google", "voyage"], required_dimensions=1024)
        assert outcomes_of(delivery) == [
            ("openai", "dimension_mismatch"), ("google", "dimension_mismatch"), ("voyage", "success"),
        ]  # fmt: skip
        assert len(stand.requests) == 1


@pytest.mark.parametrize(
    ("order", "pointer"),
    [
        ({"required_dimensions": 4096, "failover": ["voyage"]}, "/required_dimensions"),
        ({"dimensions": 512, "required_dimensions": 1536}, "/required_dimensions"),
        ({"dimensions": 1537}, "/dimensions"),
        ({"provider": "mistral", "dimensions": 512}, "/dimensions"),
        ({"provider": "huggingface", "model": "some/other", "dimensions": 512}, "/dimensions"),
    ],
)
def test_a_size_that_nobody_has_is_a_mistake_of_the_caller(order: dict[str, Any], pointer: str) -> None:
    @scripted()
    async def check(stand: Stand, client: Client) -> None:
        refused = await client.refusal(**order)
        assert (refused.code, refused.status) == ("dimension-mismatch", 422)
        assert refused.errors[0]["pointer"] == pointer
        assert stand.requests == []


def test_the_size_of_an_unlisted_model_is_judged_by_its_answer() -> None:
    @scripted(status(200, listing(vector(0, 99), vector(1, 99))))
    async def check(stand: Stand, client: Client) -> None:
        assert (await client.embed(model="new-model")).dimensions == 99
        assert (await client.embed(model="new-model", required_dimensions=99)).dimensions == 99
        refused = await client.refusal(model="new-model", required_dimensions=100)
        assert refused.code == "dimension-mismatch"
        assert client.breaker()["failure_count"] == 0


# --- the breaker


def test_a_breaker_opens_after_five_failures_and_lets_one_probe_through() -> None:
    async def check() -> None:
        breaker = Breaker(0.2)

        def state() -> object:
            return breaker.summary()["state"]

        for _ in range(THRESHOLD - 1):
            breaker.failed(_admitted(breaker))
        late = _admitted(breaker)
        assert state() == "closed"
        breaker.failed(_admitted(breaker))
        assert (state(), breaker.admit()) == ("open", None)
        assert 0 < breaker.rest_s() <= 0.2
        breaker.answered(late, success=True)
        assert state() == "open", "a late answer of before does not close it"
        await asyncio.sleep(0.21)
        assert state() == "half_open"
        probe = _admitted(breaker)
        assert breaker.admit() is None, "one probe at a time"
        breaker.failed(probe)
        assert state() == "open"
        await asyncio.sleep(0.21)
        breaker.abandoned(_admitted(breaker))
        breaker.answered(_admitted(breaker), success=True)
        assert (state(), breaker.summary()["failure_count"]) == ("closed", 0)

    asyncio.run(check())


def _admitted(breaker: Breaker) -> int:
    ticket = breaker.admit()
    assert ticket is not None
    return ticket


def test_a_success_ends_the_row_of_failures_and_a_refusal_does_not() -> None:
    breaker = Breaker(60)
    for _ in range(THRESHOLD - 1):
        breaker.failed(_admitted(breaker))
    breaker.answered(_admitted(breaker), success=False)
    assert breaker.summary()["failure_count"] == THRESHOLD - 1
    breaker.answered(_admitted(breaker), success=True)
    assert breaker.summary()["failure_count"] == 0


def test_an_open_breaker_costs_no_call_and_closes_by_itself() -> None:
    @scripted(*[status(500)] * 5, good, breaker_open_s=1.0)
    async def check(stand: Stand, client: Client) -> None:
        await client.refusal()
        refused = await client.refusal()
        assert (refused.code, len(stand.requests)) == ("provider-error", 5), "the sixth call was not made"
        refused = await client.refusal()
        assert (refused.code, refused.status, refused.retry_after_s) == ("circuit-open", 503, 1)
        assert (len(stand.requests), client.breaker()["state"]) == (5, "open")
        assert client.router.breaker_states()["openai"] == 2
        assert client.router.describe("openai")["status"] == "unavailable"
        delivery = await client.embed("openai", failover=["voyage"])
        assert outcomes_of(delivery) == [("openai", "circuit_open"), ("voyage", "success")]
        await asyncio.sleep(1.01)
        assert client.breaker()["state"] == "half_open"
        await client.embed()
        assert client.breaker() == {
            "state": "closed", "failure_count": 0, "failure_threshold": 5, "reset_timeout_s": 1.0,
            "opened_at": None, "retry_after_s": None,
        }  # fmt: skip


@pytest.mark.parametrize("reply", [status(401), status(400), status(429)])
def test_a_refusal_does_not_open_the_breaker(reply: Reply) -> None:
    @scripted(reply)
    async def check(stand: Stand, client: Client) -> None:
        for _ in range(6):
            await client.refusal(failover=["nobody"])
        assert (len(stand.requests), client.breaker()["state"]) == (6, "closed")


def test_many_callers_make_one_probe() -> None:
    @scripted(*[status(500)] * 6, good, breaker_open_s=0.3)
    async def check(stand: Stand, client: Client) -> None:
        for _ in range(5):
            await client.refusal(failover=["nobody"])
        await asyncio.sleep(0.31)
        codes = [each.code for each in await asyncio.gather(*(client.refusal() for _ in range(20)))]
        assert sorted(codes) == ["circuit-open"] * 19 + ["provider-error"]
        assert len(stand.requests) == 6
        assert client.breaker()["state"] == "open", "the probe failed"


def test_a_caller_that_goes_away_does_not_block_the_probe() -> None:
    @scripted(*[status(500)] * 5, hang, good, breaker_open_s=0.2, attempt_s=5.0)
    async def check(stand: Stand, client: Client) -> None:
        for _ in range(5):
            await client.refusal(failover=["nobody"])
        await asyncio.sleep(0.21)
        probe = asyncio.create_task(client.embed())
        await asyncio.sleep(0.1)
        probe.cancel()
        with pytest.raises(asyncio.CancelledError):
            await probe
        await client.embed()
        assert client.breaker()["state"] == "closed"


def test_each_provider_has_a_breaker_of_its_own() -> None:
    @scripted(*[status(500)] * 5, good)
    async def check(stand: Stand, client: Client) -> None:
        for _ in range(5):
            await client.refusal("anthropic", failover=["nobody"])
        states = client.router.breaker_states()
        assert [name for name, state in states.items() if state] == ["anthropic"]
        await client.embed("voyage")


# --- the limit


def test_no_window_ever_sees_more_than_the_limit() -> None:
    async def check() -> None:
        limiter, window_s, used = Limiter(5, 0.2), 0.2, list[float]()

        async def work(number: int) -> None:
            await asyncio.sleep(0.01 * (number % 7))
            await take_tokens([limiter], 5.0)
            used.append(time.monotonic())
            limiter.give_back(used=True)

        await asyncio.gather(*(work(number) for number in range(23)))
        assert len(used) == 23
        for before, after in zip(used, used[5:], strict=False):
            assert after - before >= window_s
        assert used[-1] - used[0] < 2.0

    asyncio.run(check())


def test_a_token_in_use_does_not_come_back_and_an_unused_one_does_at_once() -> None:
    limiter = Limiter(2)
    limiter.take()
    limiter.take()
    assert (limiter.remaining, limiter.rest_s()) == (0, 60.0)
    limiter.give_back(used=False)
    assert (limiter.remaining, limiter.rest_s()) == (1, 0.0)
    limiter.take()
    limiter.give_back(used=True)
    assert limiter.remaining == 0
    assert 59 < limiter.rest_s() <= 60


def test_a_wait_beyond_the_budget_is_refused_at_once() -> None:
    async def check() -> None:
        limiter = Limiter(1)
        await take_tokens([limiter], 0.1)
        started = time.monotonic()
        with pytest.raises(LimitReached) as reached:
            await take_tokens([limiter, Limiter(5)], 0.5)
        assert time.monotonic() - started < 0.1
        assert reached.value.rest_s > 50

    asyncio.run(check())


def test_the_limit_holds_at_the_provider() -> None:
    async def check() -> None:
        async with stand_in() as stand, gateway(at(stand.url, "openai", "voyage", rpm=3)) as client:
            answers = await asyncio.gather(*(client.embed() for _ in range(5)), return_exceptions=True)
            refused = [each for each in answers if isinstance(each, ProviderProblem)]
            assert [each.code for each in refused] == ["provider-rate-limited"] * 2
            assert all((each.retry_after_s or 0) > 50 for each in refused)
            assert len(stand.requests) == len(client.called) == 3
            assert client.breaker()["failure_count"] == 0
            delivery = await client.embed("openai", failover=["voyage"])
            assert outcomes_of(delivery) == [("openai", "rate_limited"), ("voyage", "success")]

    asyncio.run(check())


def test_anthropics_calls_count_against_voyages_limit_too() -> None:
    def left(client: Client, provider: str) -> Any:
        told: Any = client.router.describe(provider)["rate_limit"]
        return told["remaining"]

    async def check() -> None:
        async with stand_in() as stand:
            configs = at(stand.url, "anthropic", "voyage", rpm=3)
            configs["anthropic"] = ProviderConfig(f"{stand.url}/anthropic", "key", 10)
            async with gateway(configs) as client:
                await client.embed("anthropic")
                await client.embed("voyage")
                await client.embed("anthropic")
                assert (left(client, "anthropic"), left(client, "voyage")) == (0, 0)
                assert (await client.refusal("anthropic")).code == "provider-rate-limited"
                assert len(stand.requests) == 3

    asyncio.run(check())


# --- what is told


def test_the_state_of_all_nine_keeps_the_contract() -> None:
    @scripted(status(500))
    async def check(stand: Stand, client: Client) -> None:
        for _ in range(5):
            await client.refusal(failover=["nobody"])
        listed = client.router.describe_all()
        assert [each["provider"] for each in listed] == sorted(PROVIDERS)
        assert {each["provider"]: each["dimensions"] for each in listed} == SIZES
        body = json.dumps({"providers": listed, "count": len(listed)}).encode()
        headers = {"Content-Type": "application/json", "X-Request-ID": "r-1", "Server-Timing": "total;dur=1"}
        contract = Contract.load()
        assert contract.check("GET", "/api/v1/external/providers", 200, headers, body) == []
        one = json.dumps(client.router.describe("openai")).encode()
        assert contract.check("GET", "/api/v1/external/openai/status", 200, headers, one) == []

    async def nothing_configured() -> None:
        async with gateway({}) as client:
            assert {each["status"] for each in client.router.describe_all()} == {"not_configured"}

    asyncio.run(nothing_configured())


def test_a_key_is_not_shown_with_its_configuration() -> None:
    assert "secret-key" not in repr(ProviderConfig("http://127.0.0.1", "secret-key"))
