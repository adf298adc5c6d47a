"""Google's Gemini API: ``models/{m}:batchEmbedContents`` and ``:embedContent``, v1 and v1beta."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from support.reference.emulators.vectors import Float32s, Model, by_name, embed
from support.reference.emulators.wire import (
    NOT_JSON,
    Answer,
    Call,
    Dialect,
    Refused,
    a_list_of_texts,
)

# gemini-embedding-001 is of length 1 only at full size: 256 dimensions were seen with 0.36 to 0.39.
MODELS = by_name(
    Model("gemini-embedding-001", 3072, 2048, range(128, 3073), shrink=0.4),
    Model("gemini-embedding-2", 3072, 8192, range(128, 3073)),
)
PATH = re.compile(r"/(v1|v1beta)/models/([^/:]+):(batchEmbedContents|embedContent)")
MAX_REQUESTS = 100
FIELDS = {"model", "content", "taskType", "title", "outputDimensionality"}
TASK_TYPES = (
    "TASK_TYPE_UNSPECIFIED", "RETRIEVAL_QUERY", "RETRIEVAL_DOCUMENT", "SEMANTIC_SIMILARITY", "CLASSIFICATION",
    "CLUSTERING", "QUESTION_ANSWERING", "FACT_VERIFICATION", "CODE_RETRIEVAL_QUERY",
)  # fmt: skip
TYPES = "type.googleapis.com/google.rpc."


def _error(code: int, status: str, message: str, details: list[dict[str, Any]] | None = None) -> Answer:
    error: dict[str, Any] = {"code": code, "message": message, "status": status}
    return Answer(code, {"error": error | ({"details": details} if details else {})})


def _invalid(message: str) -> Refused:
    return Refused(_error(400, "INVALID_ARGUMENT", message))


class Google(Dialect):
    """Errors are ``{"error": {"code", "message", "status", "details"?}}``; no usage is told."""

    def serve(self, call: Call) -> Answer:
        found = PATH.fullmatch(call.path)
        if call.method != "POST" or found is None:
            raise Refused(_error(404, "NOT_FOUND", "Requested entity was not found."))
        key = call.headers.get("x-goog-api-key", call.query.get("key"))
        if key is None:
            # The status is documented, the text is not.
            message = "Method doesn't allow unregistered callers (callers without established identity)."
            raise Refused(_error(403, "PERMISSION_DENIED", message))
        if key != call.accepted_key:
            raise Refused(self.bad_key(call))
        model = MODELS.get(found[2])
        if model is None:
            raise Refused(self.unknown_model(call))
        if call.body is NOT_JSON or not isinstance(call.body, dict):
            raise _invalid("Invalid JSON payload received. Expected an object.")
        if found[3] == "embedContent":
            return Answer(200, {"embedding": {"values": _vector(call.body, model, "EmbedContentRequest")}})
        return Answer(200, {"embeddings": _batch(call.body, model)})

    def bad_key(self, _call: Call) -> Answer:
        info = {
            "@type": f"{TYPES}ErrorInfo",
            "reason": "API_KEY_INVALID",
            "domain": "googleapis.com",
            "metadata": {"service": "generativelanguage.googleapis.com"},
        }
        message = "API key not valid. Please pass a valid API key."
        return _error(400, "INVALID_ARGUMENT", message, [info])

    def unknown_model(self, call: Call) -> Answer:
        found = PATH.fullmatch(call.path)
        version, name, method = found.groups() if found else ("v1beta", "", "embedContent")
        return _error(
            404,
            "NOT_FOUND",
            f"models/{name} is not found for API version {version}, or is not supported for {method}. Call "
            "ModelService.ListModels to see the list of available models and their supported methods.",
        )

    def rate_limit(self, _call: Call, retry_after: str | None) -> Answer:
        """The hint is in the body (seconds); there is no Retry-After."""
        metric = "generativelanguage.googleapis.com/embed_content_free_tier_requests"
        quota = "EmbedContentRequestsPerMinutePerUserPerProjectPerModel-FreeTier"
        details: list[dict[str, Any]] = [
            {
                "@type": f"{TYPES}QuotaFailure",
                "violations": [{"quotaMetric": metric, "quotaId": quota}],
            },
            {
                "@type": f"{TYPES}Help",
                "links": [{"url": "https://ai.google.dev/gemini-api/docs/rate-limits"}],
            },
            {"@type": f"{TYPES}RetryInfo", "retryDelay": f"{retry_after or 20}s"},
        ]
        message = "You exceeded your current quota, please check your plan and billing details."
        return _error(429, "RESOURCE_EXHAUSTED", message, details)

    def overload(self, _call: Call) -> Answer:
        return _error(503, "UNAVAILABLE", "The model is overloaded. Please try again later.")

    def server_error(self, _call: Call) -> Answer:
        return _error(500, "INTERNAL", "An internal error has occurred. Please retry.")


def _batch(body: Mapping[str, Any], model: Model) -> list[dict[str, Float32s]]:
    requests = body.get("requests")
    if set(body) - {"requests"} or not isinstance(requests, list) or not requests:
        raise _invalid("* BatchEmbedContentsRequest.requests: requests is not specified or not alone\n")
    if len(requests) > MAX_REQUESTS:
        limit = f"at most {MAX_REQUESTS} requests can be in one batch"
        raise _invalid(f"* BatchEmbedContentsRequest.requests: {limit}\n")
    vectors = []
    for index, item in enumerate(requests):
        where = f"BatchEmbedContentsRequest.requests[{index}]"
        if not isinstance(item, dict) or item.get("model") != f"models/{model.name}":
            # That the model must be repeated is documented, the text is not.
            raise _invalid(f"* {where}.model: the model must match the one in the URL\n")
        vectors.append({"values": _vector(item, model, where)})
    return vectors


def _vector(item: Mapping[str, Any], model: Model, where: str) -> Float32s:
    """The vector of one request; names in snake_case are accepted too, and texts of any length."""
    fields = {re.sub(r"_(.)", lambda found: found[1].upper(), name): value for name, value in item.items()}
    for name in fields.keys() - FIELDS:
        raise _invalid(f'Invalid JSON payload received. Unknown name "{name}": Cannot find field.')
    if fields.get("taskType", "TASK_TYPE_UNSPECIFIED") not in TASK_TYPES:
        raise _invalid(f"Invalid value at '{where}.task_type' (TYPE_ENUM), \"{fields['taskType']}\"")
    content = fields.get("content")
    parts = content.get("parts") if isinstance(content, dict) else None
    parts = parts if isinstance(parts, list) else []
    texts = a_list_of_texts([part.get("text") if isinstance(part, dict) else None for part in parts])
    if texts is None:
        raise _invalid(f"* {where}.content: contents is not specified\n")
    size = fields.get("outputDimensionality")
    if size is not None and not model.offers(size):
        raise _invalid(f"* {where}.output_dimensionality: must be between 128 and {model.dimensions}\n")
    return embed(model, "".join(texts), size)
