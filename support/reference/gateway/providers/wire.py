"""What the dialects share: a call's form, the checks of an answer, and the hints to wait."""

from __future__ import annotations

import re
import time
from abc import ABC, abstractmethod
from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Any, ClassVar

import numpy as np

from support.reference.gateway.content import SMALLEST_NORM, Vector
from support.reference.gateway.providers.orders import Hint, InputKind

_BYTES_A_TOKEN = 3
"""Four is the providers' rule of thumb; a token too many costs one more call, one too few a refusal."""


@dataclass(frozen=True, slots=True)
class Model:
    """A model: the dimensions it has by default, and the others on offer."""

    name: str
    dimensions: int
    offered: Container[int] = frozenset()


@dataclass(frozen=True, slots=True)
class Job:
    """The texts of one call. `dimensions` is None where the model's own are wanted."""

    texts: Sequence[str]
    model: str
    input_kind: InputKind
    dimensions: int | None


@dataclass(frozen=True, slots=True)
class Wire:
    """An HTTP call: the path after the provider's URL, headers of its own, and the JSON body."""

    path: str
    headers: Mapping[str, str]
    body: Mapping[str, object]


class InvalidAnswer(Exception):
    """The answer is not what the provider documents."""


class Adapter(ABC):
    """One provider's dialect.

    `models` starts with the default one. `max_texts` and `max_tokens` are the most that one call may carry.
    """

    name: ClassVar[str]
    display_name: ClassVar[str]
    served_by: ClassVar[str | None] = None
    models: ClassVar[Mapping[str, Model]]
    max_texts: ClassVar[int]
    max_tokens: ClassVar[int | None] = None
    takes_dimensions: ClassVar[bool] = True

    @property
    def default(self) -> Model:
        """The model that is used unless another one is named."""
        return next(iter(self.models.values()))

    def offers(self, model: str, dimensions: int) -> bool:
        """Whether such vectors may be asked for; of a model that is not listed only the provider knows."""
        known = self.models.get(model)
        if known is None:
            return self.takes_dimensions
        return dimensions == known.dimensions or dimensions in known.offered

    def size_of(self, model: str, dimensions: int | None) -> int | None:
        """Dimensions that an answer must have; None if nothing is known about the model."""
        known = self.models.get(model)
        return dimensions or (None if known is None else known.dimensions)

    def asked_dimensions(self, model: str, dimensions: int | None) -> int | None:
        """What to send as the wanted size: nothing where it is the model's own."""
        known = self.models.get(model)
        return None if known is not None and dimensions == known.dimensions else dimensions

    def parts(self, texts: Sequence[str]) -> Iterator[list[str]]:
        """The texts, in order, in as few calls as the ceilings allow. A text is never cut."""
        part: list[str] = []
        tokens = 0
        for text in texts:
            more = estimated_tokens(text)
            too_long = self.max_tokens is not None and tokens + more > self.max_tokens
            if part and (too_long or len(part) == self.max_texts):
                yield part
                part, tokens = [], 0
            part.append(text)
            tokens += more
        if part:
            yield part

    @abstractmethod
    def request(self, job: Job, key: str) -> Wire:
        """The call for a job."""

    @abstractmethod
    def vectors(self, answer: Any, count: int) -> list[Any]:
        """The vectors of a good answer in the order of the texts; any lookup error if it has none."""

    @abstractmethod
    def tokens(self, answer: Any) -> object:
        """Tokens as the provider counted them; any lookup error if it does not."""

    def refuses_account(self, status: int, _answer: Any) -> bool:
        """Whether an error means that the key, or who pays for it, is not accepted."""
        return status in (401, 402, 403)

    def hint(self, headers: Mapping[str, str], _answer: Any) -> Hint | None:
        """How long an error answer asks to wait."""
        return header_hint(headers)


def estimated_tokens(text: str) -> int:
    """Tokens of a text, rather too many than too few for common text."""
    return -(-len(text.encode()) // _BYTES_A_TOKEN)


def bearer(key: str) -> dict[str, str]:
    """The usual way to show a key."""
    return {"Authorization": f"Bearer {key}"}


def by_index(data: Any, count: int) -> list[Any]:
    """The vectors of a `data` list, by their `index`: each of 0 to count - 1 exactly once."""
    found = {item["index"]: item["embedding"] for item in data}
    if len(data) != count:
        raise InvalidAnswer(f"{len(data)} vectors for {count} texts")
    return [found[index] for index in range(count)]


def checked_vectors(adapter: Adapter, answer: Any, count: int, size: int | None) -> list[Vector]:
    """The vectors of an answer with length 1; `InvalidAnswer` if anything about them is wrong."""
    try:
        vectors = np.asarray(adapter.vectors(answer, count))
    except (LookupError, TypeError, ValueError, AttributeError) as missing:
        raise InvalidAnswer("no vectors") from missing
    # Only JSON numbers: numpy would also read texts and nulls as numbers if told to.
    if vectors.ndim != 2 or vectors.dtype.kind not in "iuf":
        raise InvalidAnswer("not a list of equally long lists of numbers")
    if len(vectors) != count or size not in (None, vectors.shape[1]):
        raise InvalidAnswer(f"shape {vectors.shape}, expected {count} of {size}")
    exact = vectors.astype(np.float64)
    with np.errstate(over="ignore"):
        norms = np.sqrt((exact * exact).sum(axis=1))
    if not np.isfinite(norms).all() or (norms < SMALLEST_NORM).any():
        raise InvalidAnswer("not finite, or without a direction")
    return list((exact / norms[:, np.newaxis]).astype(np.float32))


def counted_tokens(adapter: Adapter, answer: Any) -> int | None:
    """Tokens of an answer; None where the provider does not say."""
    try:
        tokens = adapter.tokens(answer)
    except (LookupError, TypeError, AttributeError):
        return None
    return tokens if isinstance(tokens, int) and tokens >= 0 else None


def header_hint(headers: Mapping[str, str]) -> Hint | None:
    """`retry-after-ms`, else `Retry-After` in seconds or as a date; None without a usable one."""
    milliseconds = _positive(headers.get("retry-after-ms", ""))
    if milliseconds is not None:
        return Hint(milliseconds / 1000)
    given = headers.get("retry-after", "")
    seconds = _positive(given)
    if seconds is None:
        try:
            seconds = parsedate_to_datetime(given).timestamp() - time.time()
        except (ValueError, OverflowError):
            return None
    return Hint(seconds) if seconds > 0 else None


def _positive(text: str) -> float | None:
    return float(text) if re.fullmatch(r"\d{1,12}(\.\d{1,6})?", text.strip()) else None
