"""What passes between the interface and the operations."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TypeVar

import orjson

from support.reference.gateway.access import Principal, Window
from support.reference.gateway.models import Body

B = TypeVar("B", bound=Body)


@dataclass(slots=True)
class Request:
    """A request; everything after the headers is filled in as the checks pass."""

    method: str
    path: str
    headers: dict[str, str]
    params: dict[str, str] = field(default_factory=dict)
    query: dict[str, str] = field(default_factory=dict)
    body: Body | None = None
    user: Principal | None = None
    window: Window | None = None

    def given(self, model: type[B]) -> B:
        """The body as the model of the operation."""
        if not isinstance(self.body, model):
            raise TypeError(f"the operation does not take {model.__name__}")
        return self.body

    def caller(self) -> Principal:
        """The owner of the key."""
        if self.user is None:
            raise TypeError("the operation is open")
        return self.user


@dataclass(slots=True)
class Reply:
    """An answer; `body` is JSON data, or text for any other content type."""

    status: int = 200
    body: object = None
    headers: dict[str, str] = field(default_factory=dict)
    content_type: str = "application/json"

    def raw(self) -> bytes:
        """The bytes to send. float32 arrays become JSON numbers."""
        if isinstance(self.body, str):
            return self.body.encode()
        return orjson.dumps(self.body, option=orjson.OPT_SERIALIZE_NUMPY)
