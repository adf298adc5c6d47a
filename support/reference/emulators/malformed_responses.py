"""Good answers malformed on their way: what no provider documents, and each of them may send one day."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import orjson

from support.reference.emulators.wire import Answer, Call, Dialect

Spoil = Callable[[Answer], Answer]

# Stand for what JSON cannot hold until the answer has been written.
_ENDLESS, _NO_NUMBER = "number without end", "not a number"


def _vectors(change: Callable[[Any], Any]) -> Spoil:
    """Change each vector of an answer."""

    def changed(value: Any) -> Any:
        if isinstance(value, np.ndarray):
            return change(value)
        if isinstance(value, dict):
            return {name: changed(member) for name, member in value.items()}
        return [changed(item) for item in value] if isinstance(value, list) else value

    return lambda answer: replace(answer, body=changed(answer.body))


def _list(change: Callable[[list[Any]], list[Any]]) -> Spoil:
    """Change the list in which the vectors are."""

    def changed(value: Any) -> Any:
        if isinstance(value, dict):
            return {name: changed(member) for name, member in value.items()}
        is_the_list = isinstance(value, list) and any(_holds_a_vector(item) for item in value)
        return change(value) if is_the_list else value

    return lambda answer: replace(answer, body=changed(answer.body))


def _holds_a_vector(item: Any) -> bool:
    return isinstance(item, np.ndarray) or (
        isinstance(item, dict) and any(isinstance(member, np.ndarray) for member in item.values())
    )


def _payload(change: Callable[[bytes], bytes]) -> Spoil:
    """Change the written answer."""
    return lambda answer: replace(answer, payload=change(answer.written()))


def _instead(payload: bytes, media_type: str = "application/json") -> Spoil:
    return lambda _: Answer(200, None, payload=payload, media_type=media_type)


def _first_number(value: Any) -> Callable[[Any], Any]:
    return lambda vector: [value, *vector.tolist()[1:]]


def _same_place(items: list[Any]) -> list[Any]:
    return [item | {"index": 0} if isinstance(item, dict) and "index" in item else item for item in items]


def _literally(word: str, number: bytes) -> Spoil:
    quoted = orjson.dumps(word)
    spelt = _vectors(_first_number(word))
    return lambda answer: _payload(lambda payload: payload.replace(quoted, number))(spelt(answer))


MALFORMED: dict[str, Spoil] = {
    "shuffled": _list(lambda items: items[::-1]),
    "one_place_for_all": _list(_same_place),
    "one_vector_less": _list(lambda items: items[:-1]),
    "one_vector_more": _list(lambda items: [*items, items[-1]]),
    "shorter_vectors": _vectors(lambda vector: vector[:-1]),
    "vectors_of_nothing": _vectors(np.zeros_like),
    "null_vectors": _vectors(lambda _: None),
    "null_number": _vectors(_first_number(None)),
    "text_number": _vectors(_first_number("0.5")),
    "endless_number": _literally(_ENDLESS, b"1e999"),
    "no_number": _literally(_NO_NUMBER, b"NaN"),
    "empty": _instead(b""),
    "web_page": _instead(b"<!doctype html><title>Please sign in</title>", "text/html"),
    "not_json": _instead(b"embeddings: none today"),
    "cut_short": _payload(lambda payload: payload[: len(payload) // 2]),
}
"""How an answer is malformed, by name. ``shuffled`` is no mistake where each vector tells its place."""


def malformed(name: str) -> Callable[[Dialect, Call, Any], Answer]:
    """The behaviour that spoils every good answer so."""
    return lambda dialect, call, _: MALFORMED[name](dialect.serve(call))
