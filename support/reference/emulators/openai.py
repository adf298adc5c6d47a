"""OpenAI and Azure OpenAI."""

from __future__ import annotations

import re
from typing import Any

from support.reference.emulators.vectors import Model, by_name, embed, tokens
from support.reference.emulators.wire import (
    NOT_JSON,
    Answer,
    Call,
    Dialect,
    Refused,
    a_list_of_texts,
    is_whole,
    listing,
    new_id,
    retry_header,
)

MODELS = by_name(
    Model("text-embedding-3-small", 1536, 8192, range(1, 1537)),
    Model("text-embedding-3-large", 3072, 8192, range(1, 3073)),
    Model("text-embedding-ada-002", 1536, 8192),
)
MAX_INPUTS = 2048
MAX_TOKENS_A_REQUEST = 300_000
FIELDS = {"model", "input", "user", "dimensions", "encoding_format"}


def error(
    status: int, message: str, kind: str = "invalid_request_error", code: str | None = None,
    param: str | None = None, headers: dict[str, str] | None = None,
) -> Answer:  # fmt: skip
    """OpenAI's error shape."""
    body = {"error": {"message": message, "type": kind, "param": param, "code": code}}
    return Answer(status, body, {"x-request-id": f"req_{new_id().replace('-', '')}"} | (headers or {}))


def embeddings(call: Call, model: Model) -> tuple[dict[str, Any], int]:
    """The body of a good answer and its tokens; the limits are the same at OpenAI and Azure."""
    fields = call.fields
    for name in fields:
        if name not in FIELDS:
            raise Refused(error(400, f"Unrecognized request argument supplied: {name}"))
    encoding = fields.get("encoding_format") or "float"
    if encoding not in ("float", "base64"):
        raise Refused(
            error(400, f"Invalid value for 'encoding_format': {encoding!r}", param="encoding_format")
        )
    inputs = _inputs(fields.get("input"))
    if len(inputs) > MAX_INPUTS:
        # Reported as OpenAI's general complaint about the input, without a code.
        raise Refused(_invalid_input())
    counts = [count for _, count in inputs]
    if max(counts) > model.max_tokens:
        raise Refused(
            error(
                400,
                f"This model's maximum context length is {model.max_tokens} tokens, however you requested "
                f"{max(counts)} tokens ({max(counts)} in your prompt; 0 for the completion). Please reduce "
                "your prompt; or completion length.",
            )
        )
    if sum(counts) > MAX_TOKENS_A_REQUEST:
        limit = "max_tokens_per_request"
        message = f"Requested {sum(counts)} tokens, max {MAX_TOKENS_A_REQUEST} tokens per request"
        raise Refused(error(400, message, limit, limit))
    dimensions = _dimensions(fields.get("dimensions"), model)
    vectors = [embed(model, text, dimensions) for text, _ in inputs]
    body = {
        "object": "list",
        "data": listing(vectors, encoded=encoding == "base64"),
        "model": model.name,
        "usage": {"prompt_tokens": sum(counts), "total_tokens": sum(counts)},
    }
    return body, sum(counts)


def _invalid_input() -> Answer:
    reference = "https://platform.openai.com/docs/api-reference"
    return error(400, f"'$.input' is invalid. Please check the API reference: {reference}.")


def _inputs(value: object) -> list[tuple[str, int]]:
    """Each input with its tokens: a text, texts, a list of token numbers, or several of those."""
    texts = a_list_of_texts(value)
    if texts is not None:
        return [(text, tokens(text)) for text in texts]
    if not isinstance(value, list) or not value:
        raise Refused(_invalid_input())
    numbers = [value] if all(is_whole(item) for item in value) else value
    if not all(isinstance(item, list) and item and all(map(is_whole, item)) for item in numbers):
        raise Refused(_invalid_input())
    return [(" ".join(map(str, item)), len(item)) for item in numbers]


def _dimensions(value: object, model: Model) -> int:
    if value is None:
        return model.dimensions
    if not model.offered:
        raise Refused(error(400, "This model does not support specifying dimensions.", param="dimensions"))
    if not isinstance(value, int) or not model.offers(value):
        message = f"Invalid value for 'dimensions' = {value}. Must be from 1 to {model.dimensions}."
        raise Refused(error(400, message, param="dimensions"))
    return value


class OpenAI(Dialect):
    """``POST /v1/embeddings`` with ``Authorization: Bearer``."""

    def serve(self, call: Call) -> Answer:
        if (call.method, call.path) != ("POST", "/v1/embeddings"):
            raise Refused(error(404, f"Invalid URL ({call.method} {call.path})"))
        if call.bearer is None:
            raise Refused(
                error(
                    401,
                    "You didn't provide an API key. You need to provide your API key in an Authorization "
                    "header using Bearer auth (i.e. Authorization: Bearer YOUR_KEY).",
                )
            )
        if call.bearer != call.accepted_key:
            raise Refused(self.bad_key(call))
        if call.body is NOT_JSON or not isinstance(call.body, dict):
            raise Refused(error(400, "We could not parse the JSON body of your request."))
        if not call.model_name:
            raise Refused(error(400, "you must provide a model parameter"))
        if call.model_name not in MODELS:
            raise Refused(self.unknown_model(call))
        body, used = embeddings(call, MODELS[call.model_name])
        return Answer(200, body, _good_headers(call.model_name, used))

    def bad_key(self, call: Call) -> Answer:
        """The key is quoted with its middle hidden, as OpenAI does."""
        key = call.bearer or ""
        shown = f"{key[:4]}{'*' * max(len(key) - 8, 0)}{key[-4:]}" if len(key) > 8 else "*" * len(key)
        return error(
            401,
            f"Incorrect API key provided: {shown}. You can find your API key at "
            "https://platform.openai.com/account/api-keys.",
            code="invalid_api_key",
        )

    def unknown_model(self, call: Call) -> Answer:
        message = f"The model `{call.model_name}` does not exist or you do not have access to it."
        return error(404, message, code="model_not_found")

    def rate_limit(self, call: Call, retry_after: str | None) -> Answer:
        """A Retry-After on a live 429 is not documented (the SDK reads one): sent only when asked for."""
        return error(
            429,
            f"Rate limit reached for {call.model_name} in organization org-emulator on requests per min "
            "(RPM): Limit 3000, Used 3000, Requested 1. Please try again in 20ms. Visit "
            "https://platform.openai.com/account/rate-limits to learn more.",
            "requests",
            "rate_limit_exceeded",
            headers={"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "20ms"}
            | retry_header(retry_after),
        )

    def overload(self, _call: Call) -> Answer:
        message = "The server is currently overloaded. Please try again later."
        return error(503, message, "service_unavailable_error", "server_is_overloaded")

    def server_error(self, _call: Call) -> Answer:
        return error(500, "The server had an error while processing your request.", "server_error")


def _good_headers(model: str, used: int) -> dict[str, str]:
    return {
        "x-request-id": f"req_{new_id().replace('-', '')}",
        "openai-model": model,
        "openai-organization": "emulator",
        "openai-processing-ms": "1",
        "openai-project": "proj_emulator",
        "openai-version": "2020-10-01",
        "x-ratelimit-limit-requests": "3000",
        "x-ratelimit-limit-tokens": "1000000",
        "x-ratelimit-remaining-requests": "2999",
        "x-ratelimit-remaining-tokens": str(1_000_000 - used),
        "x-ratelimit-reset-requests": "20ms",
        "x-ratelimit-reset-tokens": "0s",
    }


class Azure(Dialect):
    """``/openai/deployments/{d}/embeddings?api-version=`` with ``api-key``, and the newer ``/openai/v1``.

    A deployment bears the name of its model.
    """

    CLASSIC = re.compile(r"/openai/deployments/([^/]+)/embeddings")
    V1 = "/openai/v1/embeddings"
    # As in quoted errors of the live service.
    DEFAULT_RETRY_AFTER_S = "2"

    def serve(self, call: Call) -> Answer:
        classic = self.CLASSIC.fullmatch(call.path)
        version = call.query.get("api-version", "")
        if call.method != "POST" or not (classic or call.path == self.V1):
            raise Refused(_azure_error(404, "404", "Resource not found"))
        if classic and not re.fullmatch(r"\d{4}-\d{2}-\d{2}(-preview)?", version):
            # What a missing version gives is not documented; an unknown one gives this.
            raise Refused(_azure_error(404, "404", "Resource not found"))
        key = call.headers.get("api-key")
        if key is None and not classic:
            key = call.bearer
        if key is None or key != call.accepted_key:
            raise Refused(self.bad_key(call))
        if not isinstance(call.body, dict):
            raise Refused(error(400, "We could not parse the JSON body of your request."))
        model = MODELS.get(self._deployment(call))
        if model is None:
            raise Refused(self.unknown_model(call))
        body, used = embeddings(call, model)
        headers = {
            "apim-request-id": new_id(),
            "x-ms-region": "Emulated",
            "x-ratelimit-remaining-requests": "719",
            "x-ratelimit-remaining-tokens": str(120_000 - used),
        }
        return Answer(200, body, headers)

    def _deployment(self, call: Call) -> str:
        classic = self.CLASSIC.fullmatch(call.path)
        return classic[1] if classic else call.model_name

    def bad_key(self, _call: Call) -> Answer:
        return _azure_error(
            401,
            "401",
            "Access denied due to invalid subscription key or wrong API endpoint. Make sure to provide a "
            "valid key for an active subscription and use a correct regional API endpoint for your resource.",
        )

    def unknown_model(self, _call: Call) -> Answer:
        return _azure_error(
            404,
            "DeploymentNotFound",
            "The API deployment for this resource does not exist. If you created the deployment within the "
            "last 5 minutes, please wait a moment and try again.",
        )

    def rate_limit(self, call: Call, retry_after: str | None) -> Answer:
        wait = retry_after or self.DEFAULT_RETRY_AFTER_S
        headers = {"retry-after": wait, "x-ratelimit-remaining-requests": "0"}
        if wait.isdecimal():
            headers |= {"retry-after-ms": f"{wait}000", "x-ratelimit-reset-requests": wait}
        message = (
            "Your requests to the deployment have exceeded the call rate limit for your current AIServices "
            "S0 pricing tier. This request was for Embeddings_Create under Azure OpenAI API version "
            f"{call.query.get('api-version', 'v1')}. Please retry after {wait} seconds."
        )
        return _azure_error(429, "RateLimitReached", message, headers)

    def overload(self, _call: Call) -> Answer:
        # Azure documents no overload body; its gateway answers so.
        return _azure_error(503, "ServiceUnavailable", "The service is temporarily unavailable.")

    def server_error(self, _call: Call) -> Answer:
        return _azure_error(500, "InternalServerError", "The server had an error processing your request.")


def _azure_error(status: int, code: str, message: str, headers: dict[str, str] | None = None) -> Answer:
    """Azure's own errors have neither type nor param."""
    body = {"error": {"code": code, "message": message}}
    return Answer(status, body, {"apim-request-id": new_id()} | (headers or {}))
