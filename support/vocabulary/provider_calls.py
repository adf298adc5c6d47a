"""What reaches a provider, beside what its documentation says, and what becomes of its embeddings."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from support.drivers.gateway import Answer
from support.drivers.providers import SeenRequest
from support.vocabulary import providers
from support.vocabulary.texts import sentences
from support.world import World

# Embeddings of one text by one model, whichever texts came with it: float32 may be written shortened.
SAME_WITHIN = 1e-6
# Long enough that a handful of them are more than Mistral reads at a time.
LONG_TEXT_BYTES = 7000
QUESTIONS = ("document", "query")


@dataclass(frozen=True, slots=True)
class Order:
    """What a caller wanted of a provider's usual model; without a size, the platform's declared one."""

    texts: Sequence[str]
    kind: str = "document"
    size: int | None = None

    def sized(self, member: str) -> dict[str, Any]:
        """The member that asks for a size, where one was wanted."""
        return {} if self.size is None else {member: self.size}


@dataclass(frozen=True, slots=True)
class Documented:
    """A provider's documented request: the path after its address, how the key is shown, the body."""

    path: str
    body: Callable[[Order], dict[str, Any]]
    header: str = "authorization"
    query: tuple[tuple[str, str], ...] = ()


def _openai(order: Order) -> dict[str, Any]:
    return {
        "model": "text-embedding-3-small",
        "input": list(order.texts),
        "encoding_format": "float",
        **order.sized("dimensions"),
    }


def _cohere(order: Order) -> dict[str, Any]:
    return {
        "model": "embed-v4.0",
        "texts": list(order.texts),
        "input_type": {"document": "search_document", "query": "search_query"}[order.kind],
        "embedding_types": ["float"],
        # A text is never shortened in silence.
        "truncate": "NONE",
        **order.sized("output_dimension"),
    }


def _huggingface(order: Order) -> dict[str, Any]:
    return {"inputs": list(order.texts), "normalize": True, "truncate": False}


def _google(order: Order) -> dict[str, Any]:
    each = {
        "model": "models/gemini-embedding-001",
        "taskType": {"document": "RETRIEVAL_DOCUMENT", "query": "RETRIEVAL_QUERY"}[order.kind],
        # The model's own size is another one than the platform's.
        "outputDimensionality": order.size or 768,
    }
    return {"requests": [each | {"content": {"parts": [{"text": text}]}} for text in order.texts]}


def _voyage(order: Order) -> dict[str, Any]:
    return {
        "model": "voyage-4",
        "input": list(order.texts),
        "input_type": order.kind,
        "truncation": False,
        **order.sized("output_dimension"),
    }


def _jina(order: Order) -> dict[str, Any]:
    return {
        "model": "jina-embeddings-v5-text-nano",
        "task": {"document": "retrieval.passage", "query": "retrieval.query"}[order.kind],
        "input": list(order.texts),
        **order.sized("dimensions"),
    }


def _mistral(order: Order) -> dict[str, Any]:
    return {"model": "mistral-embed", "input": list(order.texts)}


_VOYAGE = Documented("/v1/embeddings", _voyage)
DOCUMENTED = {
    "anthropic": _VOYAGE,  # has no embeddings of its own and names Voyage
    "azure": Documented(
        "/openai/deployments/text-embedding-3-small/embeddings",
        _openai,
        "api-key",
        (("api-version", "2024-10-21"),),
    ),
    "cohere": Documented("/v2/embed", _cohere),
    "google": Documented("/v1/models/gemini-embedding-001:batchEmbedContents", _google, "x-goog-api-key"),
    "huggingface": Documented(
        "/hf-inference/models/BAAI/bge-base-en-v1.5/pipeline/feature-extraction", _huggingface
    ),
    "jina": Documented("/v1/embeddings", _jina),
    "mistral": Documented("/v1/embeddings", _mistral),
    "openai": Documented("/v1/embeddings", _openai),
    "voyage": _VOYAGE,
}


def documented(provider: str, order: Order) -> dict[str, Any]:
    """The request that a provider documents for an order, to be compared with what ``told`` of one."""
    form = DOCUMENTED[provider]
    return {
        "call": f"POST {form.path}",
        "query": dict(form.query),
        "key": f"its own in {form.header}",
        "content": "application/json",
        "body": form.body(order),
    }


def told(world: World, request: SeenRequest) -> dict[str, Any]:
    """A request that arrived, without the key itself."""
    own = providers.sent_key(request) == providers.own_key(world, request.provider)
    shown_in = [name for name in providers.KEY_HEADERS if name in request.headers]
    return {
        # The address of each provider at the emulators ends with the first part of the path.
        "call": f"{request.method} /{request.path.split('/', 2)[2]}",
        "query": dict(request.query),
        "key": f"{'its own' if own else 'another'} in {' and '.join(shown_in)}",
        "content": request.headers.get("content-type"),
        "body": request.body,
    }


def received(world: World, provider: str) -> list[dict[str, Any]]:
    """What of each request that arrived since the scenario began to ask is documented."""
    return [told(world, request) for request in providers.received(world, provider)]


def wanted(world: World, *kinds: str, size: int | None = None) -> list[Order]:
    """The scenario's last order, once for each kind."""
    texts = world.evidence["texts sent"]
    return [Order(texts, kind, size) for kind in kinds or ("document",)]


def ask_as_both(world: World, provider: str, text: str) -> list[Answer]:
    """The same text as a document and as a question."""
    return [providers.ask(world, provider, [text], input_kind=kind) for kind in QUESTIONS]


def ask_together(world: World, provider: str, count: int) -> Answer:
    """Different texts in one request."""
    return _ask_all(world, provider, sentences(count))


def ask_long_together(world: World, provider: str, count: int) -> Answer:
    """Texts that are too long to be embedded by one call of the provider."""
    long = [sentence + " And so on." * (LONG_TEXT_BYTES // 11) for sentence in sentences(count)]
    return _ask_all(world, provider, long)


def _ask_all(world: World, provider: str, texts: list[str]) -> Answer:
    world.evidence["asked"] = provider
    return providers.ask(world, provider, texts, use_cache=False)


def _alone(world: World) -> list[Answer]:
    """Each text of the last request once more, alone, from a provider that behaves."""
    provider, texts = world.evidence["asked"], list(world.evidence["texts sent"])
    providers.witness(world).recover(provider)
    return [providers.ask_exactly(world, provider, [text]) for text in texts]


def mixed_up(world: World) -> list[str]:
    """Texts whose embedding differs from the one that they get alone."""
    return _apart(world.last.body["embeddings"], [answer.body["embeddings"][0] for answer in _alone(world)])


def changed(before: Answer, after: Answer) -> list[str]:
    """Texts whose embedding differs between two answers to the same request."""
    return _apart(before.body["embeddings"], after.body["embeddings"])


def _apart(some: Sequence[Sequence[float]], others: Sequence[Sequence[float]]) -> list[str]:
    """Where the embeddings of the same texts are not the same."""
    sizes = [[len(vector) for vector in each] for each in (some, others)]
    if sizes[0] != sizes[1]:
        return [f"embeddings of {sizes[0]} and of {sizes[1]} numbers"]
    distances = np.abs(np.array(some) - np.array(others)).max(axis=1)
    return [
        f"text {place}: {distance:.3f} apart"
        for place, distance in enumerate(distances, 1)
        if not distance <= SAME_WITHIN
    ]


def tokens(answer: Answer) -> int | None:
    """What an answer says its texts cost."""
    cost = answer.body["usage"]["input_tokens"]
    return None if cost is None else int(cost)


def tokens_counted(world: World, provider: str) -> int:
    """What the provider has told for all requests since the scenario began to ask."""
    return sum(request.tokens or 0 for request in providers.received(world, provider))


def inputs(world: World, provider: str) -> list[list[str]]:
    """The texts of each request that a provider received and answered well."""
    return [
        list(request.body["input"])
        for request in providers.received(world, provider)
        if request.status == 200
    ]
