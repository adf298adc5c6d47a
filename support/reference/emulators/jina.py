"""Jina: ``POST /v1/embeddings``."""

from __future__ import annotations

from typing import Any

from support.reference.emulators.vectors import Model, base64_of, by_name, embed, quantise, tokens
from support.reference.emulators.wire import (
    NOT_JSON,
    Answer,
    Call,
    Dialect,
    Refused,
    a_list_of_texts,
    new_id,
    retry_header,
)

RETRIEVAL = ("retrieval.query", "retrieval.passage", "text-matching", "classification")
V3_TASKS, V5_TASKS = (*RETRIEVAL, "separation"), (*RETRIEVAL, "clustering")
V2 = [f"jina-embeddings-v2-base-{language}" for language in ("en", "de", "es", "zh", "code")]
MODELS = by_name(
    Model("jina-embeddings-v5-text-nano", 768, 8192, frozenset({32, 64, 128, 256, 512, 768})),
    Model("jina-embeddings-v5-text-small", 1024, 32_768, frozenset({32, 64, 128, 256, 512, 768, 1024})),
    Model("jina-embeddings-v4", 2048, 32_768, frozenset({128, 256, 512, 1024, 2048})),
    Model("jina-embeddings-v3", 1024, 8192, range(1, 1025)),
    *(Model(name, 768, 8192) for name in V2),
)
TASKS = {
    "jina-embeddings-v5-text-nano": V5_TASKS,
    "jina-embeddings-v5-text-small": V5_TASKS,
    "jina-embeddings-v4": RETRIEVAL,
    "jina-embeddings-v3": V3_TASKS,
}
LATE_CHUNKING = {"jina-embeddings-v3", "jina-embeddings-v4"}
MAX_INPUTS = 512
EMBEDDING_TYPES = ("float", "base64", "binary", "ubinary")


def _error(status: int, code: str, detail: str, headers: dict[str, str] | None = None) -> Answer:
    return Answer(status, {"detail": detail, "code": code, "request_id": new_id()}, headers or {})


def _invalid(model: str, field: str, message: str, kind: str, value: object) -> Refused:
    """A field that the model does not take."""
    where = f"body -> {model} -> {field}"
    body = {
        "detail": f"Validation error: '{where}' {message}",
        "code": "VALIDATION_ERROR",
        "request_id": new_id(),
        "errors": [{"field": where, "message": message, "type": kind, "input": value}],
    }
    return Refused(Answer(422, body))


class Jina(Dialect):
    """Errors are ``{"detail", "code", "request_id"}``; fields of others (``encoding_format``) are refused."""

    def serve(self, call: Call) -> Answer:
        if (call.method, call.path) != ("POST", "/v1/embeddings"):
            raise Refused(_error(404, "NOT_FOUND", "Not Found"))
        if call.bearer is None:
            raise Refused(_error(401, "AUTH_MISSING_API_KEY", "API key is missing."))
        if call.bearer != call.accepted_key:
            raise Refused(self.bad_key(call))
        if call.body is NOT_JSON or not isinstance(call.body, dict):
            raise Refused(_error(422, "VALIDATION_ERROR", "The body must be a JSON object."))
        model = MODELS.get(call.model_name)
        if model is None:
            raise Refused(self.unknown_model(call))
        return self._embed(call.body, model)

    def _embed(self, fields: dict[str, Any], model: Model) -> Answer:
        name = model.name
        allowed = {"model", "input", "embedding_type", "normalized", "truncate"}
        allowed |= {"task", "dimensions"} if name in TASKS else set()
        allowed |= {"late_chunking"} if name in LATE_CHUNKING else set()
        for field in fields:
            if field not in allowed:
                value = fields[field]
                raise _invalid(name, field, "Extra inputs are not permitted", "extra_forbidden", value)
        task, size = fields.get("task"), fields.get("dimensions")
        if task is not None and task not in TASKS[name]:
            raise _invalid(name, "task", f"Input should be one of {list(TASKS[name])}", "enum", task)
        if size is not None and not model.offers(size):
            raise _invalid(name, "dimensions", "Input is not a supported size", "value_error", size)
        kind = fields.get("embedding_type", "float")
        kinds = kind if isinstance(kind, list) else [kind]
        # One kind is what a text client asks for; several at once are not emulated.
        if len(kinds) != 1 or kinds[0] not in EMBEDDING_TYPES:
            raise _invalid(name, "embedding_type", f"Input should be one of {EMBEDDING_TYPES}", "enum", kind)
        texts = _texts(name, fields.get("input"))
        counts = [min(tokens(text), model.max_tokens) for text in texts]
        if not fields.get("truncate", False) and any(tokens(text) > model.max_tokens for text in texts):
            message = f"Input text exceeds maximum length of {model.max_tokens} tokens"
            raise _invalid(name, "input", message, "value_error", None)
        used = sum(counts)
        # Vectors have length 1 unless ``normalized`` is false; any other length will do then.
        length = 10 if fields.get("normalized") is False else 1
        data = [
            {
                "object": "embedding",
                "index": index,
                "embedding": _encoded(embed(model, text, size) * length, kinds[0]),
            }
            for index, text in enumerate(texts)
        ]
        body = {
            "model": name,
            "object": "list",
            "usage": {"total_tokens": used, "prompt_tokens": used},
            "data": data,
        }
        headers = {
            "x-ratelimit-remaining-requests": "499",
            "x-ratelimit-remaining-tokens": str(1_000_000 - used),
        }
        return Answer(200, body, headers)

    def bad_key(self, _call: Call) -> Answer:
        detail = (
            "Invalid API key. Verify your API key at https://jina.ai/api-dashboard/key-manager or generate "
            "a new one."
        )
        return _error(401, "AUTH_INVALID_API_KEY", detail)

    def unknown_model(self, call: Call) -> Answer:
        detail = f"Model '{call.model_name}' not found. Available models: {', '.join(sorted(MODELS))}"
        return _error(400, "INPUT_MODEL_NOT_FOUND", detail)

    def rate_limit(self, _call: Call, retry_after: str | None) -> Answer:
        """Jina documents no Retry-After: one is sent only when asked for, as a proxy in front might."""
        headers = {"x-ratelimit-remaining-requests": "0"} | retry_header(retry_after)
        detail = "Request rate limit exceeded: 501/500 requests per minute."
        return _error(429, "RATE_REQUEST_LIMIT_EXCEEDED", detail, headers)

    def overload(self, _call: Call) -> Answer:
        return _error(503, "SERVICE_UNAVAILABLE", "The service is temporarily unavailable.")

    def server_error(self, _call: Call) -> Answer:
        return _error(500, "INTERNAL_ERROR", "An internal error occurred.")


def _texts(model: str, value: object) -> list[str]:
    """Each input is a text or ``{"text": ...}``; pictures are not emulated."""
    items = [value] if isinstance(value, str) else value
    if not isinstance(items, list) or not items:
        raise _invalid(model, "input", "Input should be a valid list", "list_type", value)
    if len(items) > MAX_INPUTS:
        # The text is quoted from the live service, its status is not documented.
        message = f"Each input list can contain at most {MAX_INPUTS} items."
        raise _invalid(model, "input", message, "too_long", None)
    texts = a_list_of_texts([item.get("text") if isinstance(item, dict) else item for item in items])
    if texts is None:
        raise _invalid(model, "input", "Input should be texts that are not empty", "string_type", value)
    return texts


def _encoded(vector: Any, kind: str) -> Any:
    return base64_of(vector) if kind == "base64" else quantise(vector, kind)
