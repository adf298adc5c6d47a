"""The nine dialects.

No provider may shorten a text silently: where that is a setting, it is switched off, and a text that is too
long is refused by the provider.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from support.reference.gateway.providers.orders import Hint
from support.reference.gateway.providers.wire import (
    Adapter,
    Job,
    Model,
    Wire,
    bearer,
    by_index,
    header_hint,
)


def _listed(*models: Model) -> dict[str, Model]:
    return {model.name: model for model in models}


def _without_nones(**fields: object) -> dict[str, object]:
    return {name: value for name, value in fields.items() if value is not None}


class OpenAI(Adapter):
    """`POST /embeddings` below the versioned URL, `Authorization: Bearer`."""

    name = "openai"
    display_name = "OpenAI"
    models = _listed(
        Model("text-embedding-3-small", 1536, range(1, 1537)),
        Model("text-embedding-3-large", 3072, range(1, 3073)),
        Model("text-embedding-ada-002", 1536),
    )
    max_texts = 2048
    max_tokens = 300_000

    def request(self, job: Job, key: str) -> Wire:
        return Wire("/embeddings", bearer(key), self._body(job))

    def _body(self, job: Job) -> dict[str, object]:
        return _without_nones(
            model=job.model, input=list(job.texts), encoding_format="float", dimensions=job.dimensions
        )

    def vectors(self, answer: Any, count: int) -> list[Any]:
        return by_index(answer["data"], count)

    def tokens(self, answer: Any) -> object:
        return answer["usage"]["prompt_tokens"]

    def refuses_account(self, status: int, answer: Any) -> bool:
        # A used-up quota is a 429 too, but no waiting helps.
        return super().refuses_account(status, answer) or (
            status == 429 and _member(answer, "error", "code") == "insufficient_quota"
        )


class Azure(OpenAI):
    """The classic data plane: `/openai/deployments/{d}/embeddings?api-version=`, header `api-key`.

    A deployment bears the name of its model.
    """

    name = "azure"
    display_name = "Azure OpenAI"
    _API_VERSION = "2024-10-21"

    def request(self, job: Job, key: str) -> Wire:
        path = f"/openai/deployments/{quote(job.model, safe='')}/embeddings?api-version={self._API_VERSION}"
        return Wire(path, {"api-key": key}, self._body(job))


class Cohere(Adapter):
    """`POST /v2/embed`; vectors have no index, their order counts."""

    name = "cohere"
    display_name = "Cohere"
    models = _listed(
        Model("embed-v4.0", 1536, frozenset({256, 512, 1024})),
        Model("embed-v5.0-pro", 2048, frozenset({256, 512, 768, 1024, 1536})),
        Model("embed-v5.0-fast", 2048, frozenset({256, 512, 768, 1024, 1536})),
        Model("embed-english-v3.0", 1024),
        Model("embed-multilingual-v3.0", 1024),
        Model("embed-english-light-v3.0", 384),
        Model("embed-multilingual-light-v3.0", 384),
    )
    max_texts = 96
    _INPUT_TYPES = {"document": "search_document", "query": "search_query"}

    def request(self, job: Job, key: str) -> Wire:
        body = _without_nones(
            model=job.model,
            texts=list(job.texts),
            input_type=self._INPUT_TYPES[job.input_kind],
            embedding_types=["float"],
            truncate="NONE",
            output_dimension=job.dimensions,
        )
        return Wire("/v2/embed", bearer(key), body)

    def vectors(self, answer: Any, _count: int) -> list[Any]:
        return list(answer["embeddings"]["float"])

    def tokens(self, answer: Any) -> object:
        return answer["meta"]["billed_units"]["input_tokens"]


class HuggingFace(Adapter):
    """The inference router: `/hf-inference/models/{m}/pipeline/feature-extraction`, a bare array back."""

    name = "huggingface"
    display_name = "Hugging Face"
    models = _listed(
        Model("BAAI/bge-base-en-v1.5", 768),
        Model("sentence-transformers/all-mpnet-base-v2", 768),
        Model("thenlper/gte-base", 768),
        Model("intfloat/e5-base", 768),
        Model("thenlper/gte-large", 1024),
        Model("sentence-transformers/all-MiniLM-L6-v2", 384),
    )
    max_texts = 32
    takes_dimensions = False
    _WINDOW = re.compile(r"\bt=(\d{1,9})")

    def request(self, job: Job, key: str) -> Wire:
        path = f"/hf-inference/models/{quote(job.model, safe='/')}/pipeline/feature-extraction"
        body = {"inputs": list(job.texts), "normalize": True, "truncate": False}
        return Wire(path, bearer(key), body)

    def vectors(self, answer: Any, count: int) -> list[Any]:
        """Some models answer a list of one text with that text's bare vector."""
        if not isinstance(answer, list):
            raise TypeError("the answer is no array")
        bare = count == 1 and bool(answer) and not isinstance(answer[0], list)
        return [answer] if bare else answer

    def tokens(self, _answer: Any) -> object:
        return None

    def hint(self, headers: Mapping[str, str], _answer: Any) -> Hint | None:
        """`RateLimit: "api";r=0;t=55` says when the whole quota is back at the latest: a forecast."""
        window = self._WINDOW.search(headers.get("ratelimit", ""))
        forecast = Hint(float(window[1]), binding=False) if window and int(window[1]) else None
        return header_hint(headers) or forecast


class Google(Adapter):
    """The Gemini API: `/v1/models/{m}:batchEmbedContents`, header `x-goog-api-key`.

    The platform's size is 768; the models' own is 3072, so that the size is always sent.
    """

    name = "google"
    display_name = "Google"
    models = _listed(
        Model("gemini-embedding-001", 768, range(128, 3073)),
        Model("gemini-embedding-2", 768, range(128, 3073)),
    )
    max_texts = 100
    _TASKS = {"document": "RETRIEVAL_DOCUMENT", "query": "RETRIEVAL_QUERY"}
    _SECONDS = re.compile(r"(\d{1,9}(?:\.\d{1,9})?)s")

    def asked_dimensions(self, model: str, dimensions: int | None) -> int | None:
        return self.size_of(model, dimensions)

    def request(self, job: Job, key: str) -> Wire:
        requests = [
            _without_nones(
                model=f"models/{job.model}",
                content={"parts": [{"text": text}]},
                taskType=self._TASKS[job.input_kind],
                outputDimensionality=job.dimensions,
            )
            for text in job.texts
        ]
        path = f"/v1/models/{quote(job.model, safe='')}:batchEmbedContents"
        return Wire(path, {"x-goog-api-key": key}, {"requests": requests})

    def vectors(self, answer: Any, _count: int) -> list[Any]:
        return [each["values"] for each in answer["embeddings"]]

    def tokens(self, answer: Any) -> object:
        return answer["usageMetadata"]["promptTokenCount"]

    def refuses_account(self, status: int, answer: Any) -> bool:
        """A bad key is a 400 here, told apart by its reason."""
        reasons = {_member(detail, "reason") for detail in self._details(answer)}
        return super().refuses_account(status, answer) or (status == 400 and "API_KEY_INVALID" in reasons)

    def hint(self, headers: Mapping[str, str], answer: Any) -> Hint | None:
        """The wait is in the body: `RetryInfo` with `retryDelay: "20s"`."""
        for detail in self._details(answer):
            delay = self._SECONDS.fullmatch(str(_member(detail, "retryDelay")))
            if delay and float(delay[1]):
                return Hint(float(delay[1]))
        return header_hint(headers)

    @staticmethod
    def _details(answer: Any) -> list[Any]:
        details = _member(answer, "error", "details")
        return details if isinstance(details, list) else []


class Voyage(Adapter):
    """`POST /embeddings` below the versioned URL; unknown members are refused."""

    name = "voyage"
    display_name = "Voyage"
    _FLEXIBLE = frozenset({256, 512, 1024, 2048})
    models = _listed(
        Model("voyage-4", 1024, _FLEXIBLE),
        Model("voyage-4-large", 1024, _FLEXIBLE),
        Model("voyage-4-lite", 1024, _FLEXIBLE),
        Model("voyage-code-3", 1024, _FLEXIBLE),
        Model("voyage-3-large", 1024, _FLEXIBLE),
        Model("voyage-3.5", 1024, _FLEXIBLE),
        Model("voyage-3.5-lite", 1024, _FLEXIBLE),
        Model("voyage-finance-2", 1024),
        Model("voyage-law-2", 1024),
    )
    max_texts = 1000
    max_tokens = 120_000
    """The smallest limit of all models; some take more."""

    def request(self, job: Job, key: str) -> Wire:
        body = _without_nones(
            model=job.model,
            input=list(job.texts),
            input_type=job.input_kind,
            truncation=False,
            output_dimension=job.dimensions,
        )
        return Wire("/embeddings", bearer(key), body)

    def vectors(self, answer: Any, count: int) -> list[Any]:
        return by_index(answer["data"], count)

    def tokens(self, answer: Any) -> object:
        return answer["usage"]["total_tokens"]


class Anthropic(Voyage):
    """Anthropic has no embeddings of its own and names Voyage: Voyage's protocol, at a URL of its own."""

    name = "anthropic"
    display_name = "Anthropic"
    served_by = "voyage"


class Jina(Adapter):
    """`POST /v1/embeddings`; unknown members (`encoding_format`) are refused."""

    name = "jina"
    display_name = "Jina"
    _WITHOUT_TASK = tuple(
        f"jina-embeddings-v2-base-{language}" for language in ("en", "de", "es", "zh", "code")
    )
    models = _listed(
        Model("jina-embeddings-v5-text-nano", 768, frozenset({32, 64, 128, 256, 512})),
        Model("jina-embeddings-v5-text-small", 1024, frozenset({32, 64, 128, 256, 512, 768})),
        Model("jina-embeddings-v4", 2048, frozenset({128, 256, 512, 1024})),
        Model("jina-embeddings-v3", 1024, range(1, 1025)),
        *(Model(name, 768) for name in _WITHOUT_TASK),
    )
    max_texts = 512
    _TASKS = {"document": "retrieval.passage", "query": "retrieval.query"}

    def request(self, job: Job, key: str) -> Wire:
        body = _without_nones(
            model=job.model,
            task=None if job.model in self._WITHOUT_TASK else self._TASKS[job.input_kind],
            input=list(job.texts),
            dimensions=job.dimensions,
        )
        return Wire("/v1/embeddings", bearer(key), body)

    def vectors(self, answer: Any, count: int) -> list[Any]:
        return by_index(answer["data"], count)

    def tokens(self, answer: Any) -> object:
        return answer["usage"]["prompt_tokens"]


class Mistral(Adapter):
    """`POST /v1/embeddings`; the kind of input makes no difference."""

    name = "mistral"
    display_name = "Mistral"
    models = _listed(
        Model("mistral-embed", 1024),
        Model("mistral-embed-2312", 1024),
        Model("codestral-embed", 1536, range(1, 3073)),
        Model("codestral-embed-2505", 1536, range(1, 3073)),
    )
    max_texts = 256
    max_tokens = 16_384

    def request(self, job: Job, key: str) -> Wire:
        body = _without_nones(model=job.model, input=list(job.texts), output_dimension=job.dimensions)
        return Wire("/v1/embeddings", bearer(key), body)

    def vectors(self, answer: Any, count: int) -> list[Any]:
        return by_index(answer["data"], count)

    def tokens(self, answer: Any) -> object:
        return answer["usage"]["prompt_tokens"]


def _member(value: Any, *names: str) -> Any:
    """A nested member of a JSON value; None if it is not there."""
    for name in names:
        value = value.get(name) if isinstance(value, dict) else None
    return value


ADAPTERS: dict[str, Adapter] = {
    adapter.name: adapter
    for adapter in (
        Anthropic(),
        Azure(),
        Cohere(),
        Google(),
        HuggingFace(),
        Jina(),
        Mistral(),
        OpenAI(),
        Voyage(),
    )
}
"""By id, in the order of the ids."""
