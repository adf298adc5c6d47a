"""Voyage AI, which also makes the vectors for Anthropic's customers: ``POST /v1/embeddings``."""

from __future__ import annotations

from typing import Any

from support.reference.emulators.vectors import Model, by_name, embed, tokens
from support.reference.emulators.wire import (
    Answer,
    Call,
    Dialect,
    Refused,
    a_list_of_texts,
    listing,
    retry_header,
)

FLEXIBLE = frozenset({256, 512, 1024, 2048})
MODELS = by_name(
    Model("voyage-4-large", 1024, 32_000, FLEXIBLE),
    Model("voyage-4", 1024, 32_000, FLEXIBLE),
    Model("voyage-4-lite", 1024, 32_000, FLEXIBLE),
    Model("voyage-code-3", 1024, 32_000, FLEXIBLE),
    Model("voyage-3-large", 1024, 32_000, FLEXIBLE),
    Model("voyage-3.5", 1024, 32_000, FLEXIBLE),
    Model("voyage-3.5-lite", 1024, 32_000, FLEXIBLE),
    Model("voyage-finance-2", 1024, 32_000),
    Model("voyage-law-2", 1024, 16_000),
)
MAX_TEXTS = 1000
MAX_TOKENS_A_REQUEST = {
    "voyage-4-lite": 1_000_000, "voyage-3.5-lite": 1_000_000, "voyage-4": 320_000, "voyage-3.5": 320_000,
}  # fmt: skip
MAX_TOKENS_OF_THE_OTHERS = 120_000
FIELDS = {
    "input", "model", "input_type", "truncation", "output_dtype", "output_dimension", "encoding_format",
}  # fmt: skip
DTYPES = ("float", "int8", "uint8", "binary", "ubinary")


def _error(status: int, detail: str, headers: dict[str, str] | None = None) -> Answer:
    return Answer(status, {"detail": detail}, headers or {})


class Voyage(Dialect):
    """Errors are ``{"detail"}``; every optional field may be null; other fields are refused."""

    def serve(self, call: Call) -> Answer:
        if (call.method, call.path) != ("POST", "/v1/embeddings"):
            raise Refused(_error(404, "Not Found"))
        if call.bearer is None or call.bearer != call.accepted_key:
            raise Refused(self.bad_key(call))
        if not isinstance(call.body, dict):
            raise Refused(_error(422, "The request body is not a JSON object."))
        for name in call.body:
            if name not in FIELDS:
                raise Refused(_error(400, f"Argument '{name}' is not supported by our API"))
        if not call.model_name:
            raise Refused(_error(422, "Field required: model"))
        model = MODELS.get(call.model_name)
        if model is None:
            raise Refused(self.unknown_model(call))
        return self._embed({key: value for key, value in call.fields.items() if value is not None}, model)

    def _embed(self, fields: dict[str, Any], model: Model) -> Answer:
        texts = a_list_of_texts(fields.get("input"))
        if texts is None:
            raise Refused(_error(400, "The input must be a string or a list of strings that are not empty."))
        if len(texts) > MAX_TEXTS:
            # The exact text is not documented.
            raise Refused(
                _error(
                    400,
                    f"Request to model '{model.name}' failed. The max batch size is {MAX_TEXTS}. Your batch "
                    f"has {len(texts)} texts.",
                )
            )
        dtype, size = fields.get("output_dtype", "float"), fields.get("output_dimension")
        encoding = fields.get("encoding_format")
        if fields.get("input_type") not in (None, "query", "document"):
            raise Refused(_error(400, "The input_type must be null, 'query' or 'document'."))
        if dtype not in DTYPES or encoding not in (None, "base64"):
            raise Refused(_error(400, "The output_dtype or encoding_format is not supported."))
        if size is not None and not model.offers(size):
            raise Refused(_error(400, f"Output dimension {size} is not supported by model {model.name}."))
        counts = [min(tokens(text), model.max_tokens) for text in texts]
        if fields.get("truncation") is False and any(tokens(text) > model.max_tokens for text in texts):
            message = (
                f"Request to model '{model.name}' failed. A text has more than {model.max_tokens} tokens."
            )
            raise Refused(_error(400, message))
        limit = MAX_TOKENS_A_REQUEST.get(model.name, MAX_TOKENS_OF_THE_OTHERS)
        if sum(counts) > limit:
            raise Refused(
                _error(
                    400,
                    f"Request to model '{model.name}' failed. The max allowed tokens per submitted batch is "
                    f"{limit}. Your batch has {sum(counts)} tokens after truncation. Please lower the number "
                    "of tokens in the batch.",
                )
            )
        vectors = [embed(model, text, size) for text in texts]
        body = {
            "object": "list",
            "data": listing(vectors, encoded=encoding == "base64", dtype=dtype),
            "model": model.name,
            "usage": {"total_tokens": sum(counts)},
        }
        return Answer(200, body)

    def bad_key(self, _call: Call) -> Answer:
        # The status is documented, the text is not.
        return _error(401, "Provided API key is invalid.")

    def unknown_model(self, call: Call) -> Answer:
        return _error(
            400, f"Model {call.model_name} is not supported. Supported models are {sorted(MODELS)}."
        )

    def rate_limit(self, _call: Call, retry_after: str | None) -> Answer:
        """Voyage documents no Retry-After: one is sent only when asked for, as a proxy in front might."""
        message = (
            "You have not yet added your payment method in the billing page and will have reduced rate "
            "limits of 3 RPM and 10K TPM."
        )
        return _error(429, message, retry_header(retry_after))

    def overload(self, _call: Call) -> Answer:
        return _error(503, "The service is overloaded. Please try again later.")

    def server_error(self, _call: Call) -> Answer:
        return _error(500, "An unexpected error occurred on our side.")
