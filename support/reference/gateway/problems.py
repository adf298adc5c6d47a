"""The only error shape: RFC 9457 problem details."""

from __future__ import annotations

_TITLES: dict[str, tuple[int, str]] = {
    "malformed-request": (400, "Malformed request"),
    "unauthenticated": (401, "Authentication required"),
    "forbidden": (403, "Forbidden"),
    "route-not-found": (404, "Route not found"),
    "collection-not-found": (404, "Collection not found"),
    "vector-not-found": (404, "Vector not found"),
    "model-not-found": (404, "Model not found"),
    "provider-not-found": (404, "Provider not found"),
    "job-not-found": (404, "Job not found"),
    "method-not-allowed": (405, "Method not allowed"),
    "collection-exists": (409, "Collection exists"),
    "collection-busy": (409, "Collection is being created or deleted"),
    "job-not-cancellable": (409, "Job cannot be cancelled any more"),
    "content-too-large": (413, "Content too large"),
    "unsupported-media-type": (415, "Unsupported media type"),
    "validation-failed": (422, "Validation failed"),
    "dimension-mismatch": (422, "Dimension mismatch"),
    "model-mismatch": (422, "Model mismatch"),
    "text-not-supported": (422, "Text not supported"),
    "zero-vector": (422, "Zero vector"),
    "duplicate-id": (422, "Duplicate id"),
    "reserved-name": (422, "Reserved name"),
    "rate-limited": (429, "Too many requests"),
    "provider-rate-limited": (429, "Provider rate limit reached"),
    "internal-error": (500, "Internal error"),
    "provider-error": (502, "Provider error"),
    "dependency-unavailable": (503, "Dependency unavailable"),
    "provider-unavailable": (503, "Provider unavailable"),
    "circuit-open": (503, "Circuit open"),
    "shutting-down": (503, "Shutting down"),
    "dependency-timeout": (504, "Dependency timeout"),
    "provider-timeout": (504, "Provider timeout"),
}

RETRY_AFTER_S = 2
"""What a client is told to wait when a dependency is down: outages are noticed and left within seconds."""

MAX_ERRORS = 100


class Problem(Exception):
    """A request that ends in an error answer.

    `code` decides status and title. `errors` are `{"pointer", "code", "message"}` objects.
    """

    def __init__(
        self,
        code: str,
        detail: str | None = None,
        *,
        dependency: str | None = None,
        provider: str | None = None,
        retry_after_s: int | None = None,
        retryable: bool | None = None,
        errors: list[dict[str, str]] | None = None,
        headers: dict[str, str] | None = None,
    ) -> None:
        super().__init__(f"{code}: {detail}" if detail else code)
        self.code = code
        self.status, self.title = _TITLES[code]
        self.detail = detail
        self.dependency = dependency
        self.provider = provider
        self.retry_after_s = retry_after_s
        if retry_after_s is None and self.status in (429, 503):
            self.retry_after_s = RETRY_AFTER_S
        self.retryable = self.status in (429, 503, 504) if retryable is None else retryable
        self.errors = errors or []
        self.headers = headers or {}

    def body(self, request_id: str) -> dict[str, object]:
        """The JSON object of the answer."""
        found: dict[str, object] = {
            "type": f"urn:citadel:problem:{self.code}",
            "title": self.title,
            "status": self.status,
            "code": self.code,
            "request_id": request_id,
            "retryable": self.retryable,
        }
        if self.detail:
            found["detail"] = self.detail[:2000]
        if self.dependency:
            found["dependency"] = self.dependency
        if self.provider:
            found["provider"] = self.provider
        if self.retry_after_s is not None:
            found["retry_after_s"] = min(max(self.retry_after_s, 1), 120)
        if self.errors:
            found["errors"] = self.errors[:MAX_ERRORS]
        return found


class DependencyDown(Problem):
    """A backend refused or could not be reached: it certainly did not do what it was asked."""

    def __init__(self, dependency: str, reason: str) -> None:
        super().__init__("dependency-unavailable", dependency=dependency)
        self.reason = reason


class DependencyTimeout(Problem):
    """A backend did not answer in time, or was lost after the first byte: it may have done its work."""

    def __init__(self, dependency: str, reason: str) -> None:
        super().__init__("dependency-timeout", dependency=dependency)
        self.reason = reason


def invalid(pointer: str, code: str, message: str, *, problem: str = "validation-failed") -> Problem:
    """A 422 about one member."""
    return Problem(problem, message, errors=[{"pointer": pointer, "code": code, "message": message}])
