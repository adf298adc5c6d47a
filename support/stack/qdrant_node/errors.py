"""What Qdrant answers when a request cannot be served: status code and message."""

from __future__ import annotations

# Beginnings of the engine's messages that blame the request; everything else blames the node.
_BLAMES_THE_REQUEST = (
    "Vector dimension error",
    "Not existing vector name error",
    "No range index",
    "No appropriate index",
    "Payload type",
    "Conversion between",
    "Validation failed",
    "Wrong",
)


class ApiError(Exception):
    """A request answered with ``status`` and ``{"status": {"error": message}}``."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message


def malformed(text: str, where: str = "JSON body") -> ApiError:
    """The request cannot be read: 400."""
    return ApiError(400, f"Format error in {where}: {text}")


def invalid(text: str, where: str = "JSON body") -> ApiError:
    """A value is read but outside its limits: 422."""
    return ApiError(422, f"Validation error in {where}: [{text}]")


def wrong_input(text: str) -> ApiError:
    """The request does not fit the collection: 400."""
    return ApiError(400, f"Wrong input: {text}")


def not_found(text: str) -> ApiError:
    """Something named in the request does not exist: 404."""
    return ApiError(404, f"Not found: {text}")


def internal(text: str) -> ApiError:
    """The node failed: 500."""
    return ApiError(500, f"Service internal error: {text}")


def unsupported(what: str) -> ApiError:
    """Qdrant can do this, the node cannot: 501."""
    return ApiError(501, f"Not implemented: {what} is not part of this dense-only node")


def from_engine(error: BaseException) -> ApiError:
    """Translate what qdrant-edge raised.

    The engine knows no error classes of its own: conversions raise TypeError, ValueError or OverflowError,
    everything else is a bare Exception with the text of its operation error, or a panic (BaseException).
    """
    text = (str(error) or type(error).__name__).splitlines()[0]
    if isinstance(error, TypeError | ValueError | OverflowError):
        return malformed(text)
    if text.startswith("No point with id"):
        return not_found(text)
    if text.startswith(_BLAMES_THE_REQUEST):
        return wrong_input(text)
    return internal(text)
