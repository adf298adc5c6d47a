"""The request that each provider documents, beside the requests that it received."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from support.drivers.providers import SeenRequest
from support.vocabulary import tables, words
from support.vocabulary.providers.settings import own_key
from support.vocabulary.providers.witness import KEY_HEADERS, received, sent_key
from support.vocabulary.requests.making import filled
from support.world import World

COLUMNS = ("texts", "input kind", "dimensions", "request id")


@dataclass(frozen=True, slots=True)
class Order:
    """What was wanted of a provider's usual model; without a size, the one that the platform declares."""

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


def expected(world: World, provider: str, rows: Sequence[Mapping[str, str]]) -> list[dict[str, Any]]:
    """The requests that a provider documents for the orders of a table, one a row.

    Raises ``TableError`` for a column that an order does not have.
    """
    return [_documented(world, provider, row) for row in rows]


def _documented(world: World, provider: str, row: Mapping[str, str]) -> dict[str, Any]:
    for column in row.keys() - set(COLUMNS):
        raise tables.unknown("column", column, COLUMNS)
    form = DOCUMENTED[provider]
    size = tables.cell(row.get("dimensions", ""))
    order = Order(
        words.listed(filled(world, row["texts"])),
        row.get("input kind", "").strip() or "document",
        None if size is tables.MISSING else size,
    )
    return {
        "call": f"POST {form.path}",
        "query": dict(form.query),
        "key": f"its own in {form.header}",
        "content": "application/json",
        "body": form.body(order),
        **({"request id": row["request id"].strip()} if "request id" in row else {}),
    }


def found(world: World, provider: str, rows: Sequence[Mapping[str, str]]) -> list[dict[str, Any]]:
    """The same of the requests that it received, without the key itself."""
    with_id = any("request id" in row for row in rows)
    return [_told(world, request, with_id=with_id) for request in received(world, provider)]


def _told(world: World, request: SeenRequest, *, with_id: bool) -> dict[str, Any]:
    own = sent_key(request) == own_key(world, request.provider)
    shown_in = [name for name in KEY_HEADERS if name in request.headers]
    return {
        # The address of each provider at the emulators ends with the first part of the path.
        "call": f"{request.method} /{request.path.split('/', 2)[2]}",
        "query": dict(request.query),
        "key": f"{'its own' if own else 'another'} in {' and '.join(shown_in)}",
        "content": request.headers.get("content-type"),
        "body": request.body,
        **({"request id": request.headers.get("x-request-id")} if with_id else {}),
    }
