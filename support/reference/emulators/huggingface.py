"""Hugging Face's router: ``/hf-inference/models/{m}/pipeline/feature-extraction``."""

from __future__ import annotations

import re
from typing import Any

from support.reference.emulators.vectors import Model, by_name, embed, tokens
from support.reference.emulators.wire import Answer, Call, Dialect, Refused, a_list_of_texts

MODELS = by_name(
    Model("BAAI/bge-base-en-v1.5", 768, 512),
    Model("sentence-transformers/all-mpnet-base-v2", 768, 512),
    Model("thenlper/gte-base", 768, 512),
    Model("intfloat/e5-base", 768, 512),
    Model("thenlper/gte-large", 1024, 512),
    Model("sentence-transformers/all-MiniLM-L6-v2", 384, 256),
)
PATH = re.compile(r"/hf-inference/models/(.+)/pipeline/feature-extraction")
# Defaults of Text Embeddings Inference, the server behind the router.
MAX_BATCH = 32
# Its vectors have length 1 unless ``normalize`` is false; any other length will do then.
RAW_LENGTH = 10


def _error(status: int, message: str, headers: dict[str, str] | None = None) -> Answer:
    return Answer(status, {"error": message}, headers or {})


def _invalid(message: str) -> Refused:
    return Refused(Answer(422, {"error": message, "error_type": "Validation"}))


class HuggingFace(Dialect):
    """The answer is a bare array: two-dimensional for a list of texts, one-dimensional for one text."""

    def serve(self, call: Call) -> Answer:
        found = PATH.fullmatch(call.path)
        if call.method != "POST" or found is None:
            raise Refused(_error(404, "Not Found"))
        if call.bearer is None or call.bearer != call.accepted_key:
            raise Refused(self.bad_key(call))
        model = MODELS.get(found[1])
        if model is None:
            raise Refused(self.unknown_model(call))
        return self._embed(call.fields, model)

    def _embed(self, fields: Any, model: Model) -> Answer:
        inputs = fields.get("inputs")
        texts = a_list_of_texts(inputs)
        if texts is None:
            raise _invalid("`inputs` must be a text or a list of texts that are not empty")
        if len(texts) > MAX_BATCH:
            raise _invalid(f"batch size {len(texts)} > maximum allowed batch size {MAX_BATCH}")
        for text in texts:
            if fields.get("truncate") is False and tokens(text) > model.max_tokens:
                limit = f"`inputs` must have less than {model.max_tokens} tokens. Given: {tokens(text)}"
                raise _invalid(f"Input validation error: {limit}")
        length = RAW_LENGTH if fields.get("normalize") is False else 1
        vectors = [embed(model, text) * length for text in texts]
        return Answer(200, vectors[0] if isinstance(inputs, str) else vectors)

    def bad_key(self, _call: Call) -> Answer:
        return _error(401, "Invalid username or password.")

    def unknown_model(self, _call: Call) -> Answer:
        return _error(404, "Not Found")

    def rate_limit(self, _call: Call, retry_after: str | None) -> Answer:
        """The hint is the IETF draft's ``RateLimit`` header (``t``: seconds); there is no Retry-After."""
        headers = {
            "ratelimit": f'"api";r=0;t={retry_after or 55}',
            "ratelimit-policy": '"fixed window";"api";q=500;w=300',
        }
        # The body's text is not documented.
        return _error(429, "Too Many Requests", headers)

    def overload(self, call: Call) -> Answer:
        found = PATH.fullmatch(call.path)
        name = found[1] if found else "unknown"
        return Answer(503, {"error": f"Model {name} is currently loading", "estimated_time": 20.0})

    def server_error(self, _call: Call) -> Answer:
        return _error(500, "Internal Server Error")
