"""Mistral: ``POST /v1/embeddings``."""

from __future__ import annotations

from typing import Any

from support.reference.emulators.vectors import Model, by_name, embed, tokens
from support.reference.emulators.wire import (
    NOT_JSON,
    Answer,
    Call,
    Dialect,
    Refused,
    a_list_of_texts,
    listing,
    new_id,
    retry_header,
)

# Reduced codestral vectors were seen with a length of 0.65 to 0.74 at 64 dimensions.
MODELS = by_name(
    Model("mistral-embed", 1024, 8192),
    Model("mistral-embed-2312", 1024, 8192),
    Model("codestral-embed", 1536, 8192, range(1, 3073), shrink=0.11),
    Model("codestral-embed-2505", 1536, 8192, range(1, 3073), shrink=0.11),
)
MAX_INPUTS = 256
MAX_TOKENS_A_REQUEST = 16_384
FIELDS = {"model", "input", "output_dimension", "output_dtype", "encoding_format", "metadata"}
DTYPES = ("float", "int8", "uint8", "binary", "ubinary")


def _error(
    status: int, message: str, kind: str, code: str | None, headers: dict[str, str] | None = None
) -> Answer:
    body = {
        "object": "error",
        "message": message,
        "type": kind,
        "param": None,
        "code": code,
        "raw_status_code": status,
    }
    return Answer(status, body, _headers() | (headers or {}))


def _invalid(kind: str, field: str, message: str, value: object) -> Refused:
    detail = {"type": kind, "loc": ["body", field], "msg": message, "input": value}
    return Refused(Answer(422, {"detail": [detail]}, _headers()))


def _headers() -> dict[str, str]:
    return {"mistral-correlation-id": new_id(), "x-kong-request-id": new_id().replace("-", "")}


class Mistral(Dialect):
    """Two error shapes: ``{"detail"}`` for the key and the fields, ``{"object": "error", ...}`` otherwise."""

    def serve(self, call: Call) -> Answer:
        if (call.method, call.path) != ("POST", "/v1/embeddings"):
            raise Refused(Answer(404, {"detail": "Not Found"}, _headers()))
        if call.bearer is None or call.bearer != call.accepted_key:
            raise Refused(self.bad_key(call))
        if call.body is NOT_JSON:
            raise _invalid("json_invalid", "0", "JSON decode error", {})
        if not isinstance(call.body, dict):
            raise _invalid("model_attributes_type", "0", "Input should be a valid dictionary", None)
        for name, value in call.body.items():
            if name not in FIELDS:
                raise _invalid("extra_forbidden", name, "Extra inputs are not permitted", value)
        for name in ("model", "input"):
            if name not in call.body:
                raise _invalid("missing", name, "Field required", call.body)
        model = MODELS.get(call.model_name)
        if model is None:
            raise Refused(self.unknown_model(call))
        return self._embed({key: value for key, value in call.fields.items() if value is not None}, model)

    def _embed(self, fields: dict[str, Any], model: Model) -> Answer:
        texts = a_list_of_texts(fields.get("input"))
        if texts is None:
            raise _invalid("string_type", "input", "Input should be a valid string", fields.get("input"))
        dtype, encoding = fields.get("output_dtype", "float"), fields.get("encoding_format", "float")
        if dtype not in DTYPES:
            raise _invalid("enum", "output_dtype", f"Input should be one of {DTYPES}", dtype)
        if encoding not in ("float", "base64"):
            raise _invalid("enum", "encoding_format", "Input should be 'float' or 'base64'", encoding)
        size = fields.get("output_dimension")
        if size is not None and not model.offers(size):
            # mistral-embed has one size; the exact text is not documented.
            message = f"output_dimension {size} is not supported by {model.name}."
            raise Refused(_error(400, message, "invalid_request_prompt", None))
        if len(texts) > MAX_INPUTS:
            message = "Too many inputs in request, split into more batches."
            raise Refused(_error(400, message, "invalid_request_prompt", "3210"))
        counts = [tokens(text) for text in texts]
        for index, count in enumerate(counts):
            if count > model.max_tokens:
                message = f"Input id {index} has {count} tokens, exceeding max {model.max_tokens} tokens."
                raise Refused(_error(400, message, "invalid_request_prompt", "3210"))
        used = sum(counts)
        if used > MAX_TOKENS_A_REQUEST:
            message = "Too many tokens overall, split into more batches."
            raise Refused(_error(400, message, "invalid_request_prompt", "3210"))
        vectors = [embed(model, text, size) for text in texts]
        body = {
            "id": new_id().replace("-", ""),
            "object": "list",
            "data": listing(vectors, encoded=encoding == "base64", dtype=dtype),
            "model": model.name,
            "usage": {
                "prompt_tokens": used,
                "total_tokens": used,
                "completion_tokens": 0,
                "prompt_audio_seconds": None,
                "request_count": None,
                "prompt_token_details": None,
            },
        }
        headers = {
            "x-ratelimit-limit-tokens-minute": "20000000",
            "x-ratelimit-remaining-tokens-minute": str(20_000_000 - used),
            "x-ratelimit-tokens-query-cost": str(used),
            "x-ratelimit-limit-req-10-second": "60",
            "x-ratelimit-remaining-req-10-second": "59",
        }
        return Answer(200, body, _headers() | headers)

    def bad_key(self, _call: Call) -> Answer:
        return Answer(401, {"detail": "Invalid API Key"}, _headers())

    def unknown_model(self, call: Call) -> Answer:
        return _error(400, f"Invalid model: {call.model_name}", "invalid_model", "1500")

    def rate_limit(self, _call: Call, retry_after: str | None) -> Answer:
        """Retry-After "may be present": sent when asked for."""
        return _error(429, "Rate limit exceeded", "rate_limited", "1300", retry_header(retry_after))

    def overload(self, _call: Call) -> Answer:
        message = "Service tier capacity exceeded for this model."
        return _error(503, message, "service_tier_capacity_exceeded", "3505")

    def server_error(self, _call: Call) -> Answer:
        return _error(500, "Internal server error", "internal_server_error", "1000")
