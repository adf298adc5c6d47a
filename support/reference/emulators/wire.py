"""What all dialects share: a call, an answer, and how to refuse."""

from __future__ import annotations

import uuid
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson

from support.reference.emulators.vectors import base64_of, quantise

NOT_JSON = object()
"""The body of a call that is no JSON."""


@dataclass(frozen=True, slots=True)
class Call:
    """A request to a provider; ``path`` starts after the provider's prefix, header names are lower case.

    ``accepted_key`` is the key that the provider takes at present (None: no key is good).
    """

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: Any
    accepted_key: str | None

    @property
    def bearer(self) -> str | None:
        """The token of ``Authorization: Bearer``; None without one."""
        scheme, _, token = self.headers.get("authorization", "").partition(" ")
        return token if scheme.lower() == "bearer" and token else None

    @property
    def fields(self) -> Mapping[str, Any]:
        """The body if it is a JSON object, else no field at all."""
        return self.body if isinstance(self.body, dict) else {}

    @property
    def model_name(self) -> str:
        """The model that the body names, as text; empty without one."""
        return str(self.fields.get("model") or "")


@dataclass(frozen=True, slots=True)
class Answer:
    """A provider's answer; ``body`` may hold numpy arrays. A ``payload`` is sent in its place as it is."""

    status: int
    body: Any
    headers: Mapping[str, str] = field(default_factory=dict)
    payload: bytes | None = None
    media_type: str = "application/json"

    @property
    def tokens(self) -> int | None:
        """Tokens that the answer says its texts have cost; None where it says nothing."""
        body = self.body if isinstance(self.body, dict) else {}
        usage = body.get("usage") or body.get("meta", {}).get("billed_units") or {}
        return usage.get("input_tokens", usage.get("total_tokens"))

    def written(self) -> bytes:
        """What goes over the wire. A float32 is written with the fewest digits that read back the same."""
        if self.payload is not None:
            return self.payload
        return orjson.dumps(self.body, option=orjson.OPT_SERIALIZE_NUMPY)


class Refused(Exception):
    """The call is answered with an error of the dialect."""

    def __init__(self, answer: Answer) -> None:
        super().__init__(answer.status)
        self.answer = answer


class Dialect(ABC):
    """One provider's way to answer and to refuse."""

    @abstractmethod
    def serve(self, call: Call) -> Answer:
        """The honest answer. Raises ``Refused``."""

    @abstractmethod
    def bad_key(self, call: Call) -> Answer:
        """The key is not accepted."""

    @abstractmethod
    def unknown_model(self, call: Call) -> Answer:
        """The model of the call does not exist."""

    @abstractmethod
    def rate_limit(self, call: Call, retry_after: str | None) -> Answer:
        """Too many requests; ``retry_after`` None means the hint that the provider usually gives, if any."""

    @abstractmethod
    def overload(self, call: Call) -> Answer:
        """The provider is too busy."""

    @abstractmethod
    def server_error(self, call: Call) -> Answer:
        """The provider failed."""


def retry_header(retry_after: str | None) -> dict[str, str]:
    """``Retry-After`` if there is one to give (a number of seconds or a date)."""
    return {} if retry_after is None else {"retry-after": retry_after}


def a_list_of_texts(value: object) -> list[str] | None:
    """The texts of ``"text"`` or ``["text", ...]``; None if it is neither, empty, or holds an empty text."""
    texts = [value] if isinstance(value, str) else value
    if not isinstance(texts, list) or not texts:
        return None
    return texts if all(isinstance(text, str) and text for text in texts) else None


def is_whole(value: object) -> bool:
    """A JSON integer (true and false are none)."""
    return type(value) is int


def listing(vectors: Sequence[Any], *, encoded: bool = False, dtype: str = "float") -> list[dict[str, Any]]:
    """The ``data`` list that OpenAI started and others took over."""
    arrays = [quantise(vector, dtype) for vector in vectors]
    return [
        {"object": "embedding", "index": index, "embedding": base64_of(array) if encoded else array}
        for index, array in enumerate(arrays)
    ]


def new_id() -> str:
    """A UUID for request ids."""
    return str(uuid.uuid4())
