"""Cohere: ``POST /v2/embed``. Texts only: images and mixed inputs are not emulated."""

from __future__ import annotations

from typing import Any

from support.reference.emulators.vectors import Model, base64_of, by_name, embed, quantise, tokens
from support.reference.emulators.wire import Answer, Call, Dialect, Refused, new_id, retry_header

MODELS = by_name(
    Model("embed-v4.0", 1536, 128_000, frozenset({256, 512, 1024, 1536})),
    Model("embed-v5.0-pro", 2048, 128_000, frozenset({256, 512, 768, 1024, 1536, 2048})),
    Model("embed-v5.0-fast", 2048, 128_000, frozenset({256, 512, 768, 1024, 1536, 2048})),
    Model("embed-english-v3.0", 1024, 512),
    Model("embed-multilingual-v3.0", 1024, 512),
    Model("embed-english-light-v3.0", 384, 512),
    Model("embed-multilingual-light-v3.0", 384, 512),
)
MAX_TEXTS = 96
INPUT_TYPES = ("search_document", "search_query", "classification", "clustering")
EMBEDDING_TYPES = ("float", "int8", "uint8", "binary", "ubinary", "base64")


def _error(status: int, message: str, headers: dict[str, str] | None = None) -> Answer:
    return Answer(
        status, {"id": new_id(), "message": message}, {"x-debug-trace-id": new_id()} | (headers or {})
    )


class Cohere(Dialect):
    """Errors are ``{"id", "message"}``; vectors have no index, their order counts."""

    def serve(self, call: Call) -> Answer:
        if (call.method, call.path) != ("POST", "/v2/embed"):
            raise Refused(_error(404, "not found"))
        if call.bearer is None:
            raise Refused(_error(401, "no api key supplied"))
        if call.bearer != call.accepted_key:
            raise Refused(self.bad_key(call))
        if not isinstance(call.body, dict):
            raise Refused(_error(400, "invalid json syntax: the body must be an object"))
        if not call.model_name:
            raise Refused(_error(400, "a model parameter is required for this endpoint."))
        model = MODELS.get(call.model_name)
        if model is None:
            raise Refused(self.unknown_model(call))
        return self._embed(call.fields, model)

    def _embed(self, fields: Any, model: Model) -> Answer:
        if fields.get("input_type") not in INPUT_TYPES:
            message = "invalid request: valid input_type must be provided with the provided model"
            raise Refused(_error(400, message))
        texts = _texts(fields.get("texts"))
        wanted = fields.get("embedding_types") or ["float"]
        if not isinstance(wanted, list) or any(kind not in EMBEDDING_TYPES for kind in wanted):
            raise Refused(_error(400, "invalid request: embedding_types is not valid"))
        size = fields.get("output_dimension")
        if size is not None and not model.offers(size):
            raise Refused(_error(400, f"invalid request: output_dimension {size} is not supported"))
        truncate = fields.get("truncate", "END")
        if truncate not in ("NONE", "START", "END"):
            raise Refused(_error(400, "invalid request: truncate must be one of NONE, START, END"))
        longest = max(tokens(text) for text in texts)
        if truncate == "NONE" and longest > model.max_tokens:
            raise Refused(_error(400, f"too many tokens: {longest}, the maximum is {model.max_tokens}"))
        vectors = [embed(model, text, size) for text in texts]
        used = sum(min(tokens(text), model.max_tokens) for text in texts)
        body = {
            "id": new_id(),
            "embeddings": {
                kind: [base64_of(v) if kind == "base64" else quantise(v, kind) for v in vectors]
                for kind in wanted
            },
            "texts": texts,
            "meta": {
                "api_version": {"version": "2"},
                "billed_units": {"input_tokens": used, "image_tokens": 0},
            },
            "response_type": "embeddings_by_type",
        }
        headers = {
            "x-debug-trace-id": new_id(),
            "num_chars": str(sum(map(len, texts))),
            "num_tokens": str(used),
        }
        return Answer(200, body, headers)

    def bad_key(self, _call: Call) -> Answer:
        return _error(401, "invalid api token")

    def unknown_model(self, call: Call) -> Answer:
        return _error(
            404,
            f"model '{call.model_name}' not found, make sure the correct model ID was used and that you have "
            "access to the model.",
        )

    def rate_limit(self, _call: Call, retry_after: str | None) -> Answer:
        """Cohere documents no Retry-After: one is sent only when asked for, as a proxy in front might."""
        message = "You are past the per minute request limit, please wait and try again later."
        return _error(429, message, retry_header(retry_after))

    def overload(self, _call: Call) -> Answer:
        return _error(503, "service unavailable")

    def server_error(self, _call: Call) -> Answer:
        return _error(500, "internal server error")


def _texts(value: object) -> list[str]:
    """``texts`` has no scalar form."""
    if not isinstance(value, list) or not value or not all(isinstance(text, str) for text in value):
        raise Refused(_error(400, "invalid request: at least one text must be provided"))
    if len(value) > MAX_TEXTS:
        message = (
            f"invalid request: total number of texts must be at most {MAX_TEXTS} - received {len(value)}"
        )
        raise Refused(_error(400, message))
    if "" in value:
        where = value.index("")
        message = f"invalid request: inputs contains an element that is the empty string at index {where}"
        raise Refused(_error(400, message))
    return value
