"""Anthropic: ``POST /v1/messages``, not streamed. There is no embedding endpoint: such a path is 404."""

from __future__ import annotations

from datetime import UTC, datetime

from support.reference.emulators.vectors import tokens
from support.reference.emulators.wire import Answer, Call, Dialect, Refused, new_id

MODELS = {"claude-haiku-4-5", "claude-sonnet-4-5", "claude-opus-4-5"}
VERSIONS = {"2023-06-01", "2026-10-21"}
SAMPLING = {"temperature", "top_p", "top_k"}
FIELDS = SAMPLING | {
    "model", "max_tokens", "messages", "system", "metadata", "stop_sequences", "stream", "service_tier",
    "thinking", "tool_choice", "tools",
}  # fmt: skip
REPLY = "Hi!"


def _error(status: int, kind: str, message: str, *, headers: dict[str, str] | None = None) -> Answer:
    request_id = _id("req")
    body = {"type": "error", "error": {"type": kind, "message": message}, "request_id": request_id}
    return Answer(status, body, {"request-id": request_id} | (headers or {}))


def _invalid(message: str) -> Refused:
    return Refused(_error(400, "invalid_request_error", message))


def _id(prefix: str) -> str:
    return f"{prefix}_{new_id().replace('-', '')}"


class Anthropic(Dialect):
    """Errors are ``{"type": "error", "error": {"type", "message"}, "request_id"}``."""

    def serve(self, call: Call) -> Answer:
        if (call.method, call.path) != ("POST", "/v1/messages"):
            raise Refused(_error(404, "not_found_error", "Not Found"))
        # SDKs from 2.0 on send the key as a bearer token, older ones as x-api-key.
        key = call.headers.get("x-api-key") or call.bearer
        if key is None or key != call.accepted_key:
            raise Refused(self.bad_key(call))
        version = call.headers.get("anthropic-version")
        if version not in VERSIONS:
            raise _invalid("anthropic-version: a valid version header is required")
        if not isinstance(call.body, dict):
            raise _invalid("The request body is not valid JSON")
        for name in call.body:
            if name not in FIELDS:
                raise _invalid(f"{name}: Extra inputs are not permitted")
            if name in SAMPLING and version == "2026-10-21":
                raise _invalid(f"{name}: not supported in API version {version}")
        for name in ("model", "max_tokens", "messages"):
            if not call.body.get(name):
                raise _invalid(f"{name}: Field required")
        if call.model_name not in MODELS:
            raise Refused(self.unknown_model(call))
        if call.body.get("stream"):
            raise _invalid("stream: not emulated")
        return self._reply(call)

    def _reply(self, call: Call) -> Answer:
        body = {
            "id": _id("msg"),
            "type": "message",
            "role": "assistant",
            "content": [{"type": "text", "text": REPLY}],
            "model": call.model_name,
            "stop_reason": "end_turn",
            "stop_sequence": None,
            "usage": {"input_tokens": tokens(str(call.fields["messages"])), "output_tokens": tokens(REPLY)},
        }
        headers = {
            "request-id": _id("req"),
            "anthropic-organization-id": "00000000-0000-4000-8000-000000000000",
            "anthropic-ratelimit-requests-limit": "1000",
            "anthropic-ratelimit-requests-remaining": "999",
            "anthropic-ratelimit-requests-reset": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        }
        return Answer(200, body, headers)

    def bad_key(self, _call: Call) -> Answer:
        error = {"type": "authentication_error", "message": "API key is invalid."}
        return Answer(401, {"type": "error", "error": error, "request_id": None})

    def unknown_model(self, call: Call) -> Answer:
        return _error(404, "not_found_error", f"model: {call.model_name}")

    def rate_limit(self, _call: Call, retry_after: str | None) -> Answer:
        # The exact text is not documented.
        message = "This request would exceed your organization's rate limit."
        return _error(429, "rate_limit_error", message, headers={"retry-after": retry_after or "1"})

    def overload(self, _call: Call) -> Answer:
        return _error(529, "overloaded_error", "Overloaded")

    def server_error(self, _call: Call) -> Answer:
        return _error(500, "api_error", "Internal server error")
