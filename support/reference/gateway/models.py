"""Request bodies and parameters: strict, closed, and with every bad member named."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Any, Literal, TypeVar

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    model_validator,
)
from pydantic_core import PydanticCustomError

from support.reference.gateway.problems import MAX_ERRORS, Problem

COLLECTION_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_-]{0,254}")
EXTERNAL_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:-]{0,127}")
MODEL_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")
PROVIDER_MODEL_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/-]{0,127}")
PROVIDER_NAME = re.compile(r"[a-z][a-z0-9_-]{1,31}")
METADATA_KEY = re.compile(r"[A-Za-z_][A-Za-z0-9_-]{0,63}")
JOB_ID = re.compile(r"[A-Za-z0-9_-]{1,128}")
CURSOR = re.compile(r"[A-Za-z0-9_=-]{1,512}")

_SAFE_INTEGER = 2**53 - 1
"""Beyond this not every reader of JSON keeps an integer exactly."""

_Error = dict[str, str]


def _matching(pattern: re.Pattern[str]) -> AfterValidator:
    def check(value: str) -> str:
        if not pattern.fullmatch(value):
            raise PydanticCustomError("pattern", "must match {pattern}", {"pattern": pattern.pattern})
        return value

    return AfterValidator(check)


def _clean(value: str) -> str:
    """Refuse what PostgreSQL would refuse after Qdrant took it: NUL and lone surrogates."""
    if "\0" in value:
        raise PydanticCustomError("nul", "must not contain NUL")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise PydanticCustomError("surrogate", "must not contain a lone surrogate") from None
    return value


def _visible(value: str) -> str:
    if not value.strip():
        raise PydanticCustomError("blank", "needs one character that is not a space")
    return value


def _integral(value: object) -> object:
    """JSON has one number type: 5.0 is an integer."""
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value


def _unique(values: list[str]) -> list[str]:
    if len(set(values)) != len(values):
        raise PydanticCustomError("unique", "must not repeat an entry")
    return values


CollectionName = Annotated[str, _matching(COLLECTION_NAME)]
ExternalId = Annotated[str, _matching(EXTERNAL_ID)]
ModelName = Annotated[str, _matching(MODEL_NAME)]
Text = Annotated[str, Field(min_length=1, max_length=8192), AfterValidator(_clean), AfterValidator(_visible)]
Description = Annotated[str, Field(max_length=2000), AfterValidator(_clean)]
Number = Annotated[float, Field(ge=-1_000_000, le=1_000_000, allow_inf_nan=False)]
Numbers = Annotated[list[Number], Field(min_length=1, max_length=4096)]
Integer = BeforeValidator(_integral)
Dimensions = Annotated[int, Integer, Field(ge=1, le=4096)]
Metadata = dict[str, Any]
Distance = Literal["cosine", "dot", "euclidean"]


class Body(BaseModel):
    """A JSON object: no unknown member, no null (no member of this interface may be null)."""

    model_config = ConfigDict(extra="forbid", strict=True)

    @model_validator(mode="before")
    @classmethod
    def _no_null(cls, data: object) -> object:
        if isinstance(data, dict):
            nulls = sorted(name for name, value in data.items() if value is None)
            if nulls:
                raise PydanticCustomError("null", "must not be null: {names}", {"names": ", ".join(nulls)})
        return data

    def findings(self) -> Iterator[_Error]:
        """Errors that types cannot express, with pointers into this object."""
        yield from ()

    def given(self, name: str) -> bool:
        """Whether the client sent the member."""
        return name in self.model_fields_set


class WithMetadata(Body):
    """A body with a `metadata` member."""

    metadata: Metadata = Field(default_factory=dict)

    def findings(self) -> Iterator[_Error]:
        yield from metadata_findings(self.metadata)


class CollectionCreate(WithMetadata):
    name: CollectionName
    vector_size: Dimensions
    distance: Distance = "cosine"
    model: ModelName | None = None
    description: Description = ""


class CollectionUpdate(WithMetadata):
    description: Description | None = None

    def findings(self) -> Iterator[_Error]:
        yield from super().findings()
        if not self.model_fields_set:
            yield _error("", "empty", "needs description or metadata")


class ConsistencyRequest(Body):
    repair: bool = False
    max_listed: Annotated[int, Integer, Field(ge=1, le=1000)] = 100


class TextOnly(Body):
    text: Text
    use_cache: bool = True


class EmbeddingRequest(TextOnly):
    model: ModelName | None = None


class EmbeddingBatch(Body):
    texts: Annotated[list[Text], Field(min_length=1, max_length=32)]
    model: ModelName | None = None
    use_cache: bool = True


class TextOrVector(WithMetadata):
    """Exactly one of `text` and `vector`."""

    text: Text | None = None
    vector: Numbers | None = None

    def findings(self) -> Iterator[_Error]:
        yield from super().findings()
        if (self.text is None) == (self.vector is None):
            yield _error("", "one-of", "needs text or vector, and not both")


class Insert(TextOrVector):
    collection: CollectionName
    id: ExternalId | None = None
    model: ModelName | None = None

    def findings(self) -> Iterator[_Error]:
        yield from super().findings()
        if self.model is not None and self.vector is not None:
            yield _error("/model", "unexpected", "a model belongs to a text")


class Update(WithMetadata):
    text: Text | None = None
    vector: Numbers | None = None

    def findings(self) -> Iterator[_Error]:
        yield from super().findings()
        if not self.model_fields_set:
            yield _error("", "empty", "needs text, vector or metadata")
        if self.text is not None and self.vector is not None:
            yield _error("", "one-of", "takes text or vector, not both")


class BatchItem(TextOrVector):
    id: ExternalId


class Batch(Body):
    operation: Literal["upsert", "delete"]
    collection: CollectionName
    items: Annotated[list[BatchItem], Field(min_length=1, max_length=100)] | None = None
    ids: Annotated[list[ExternalId], Field(min_length=1, max_length=100)] | None = None

    def findings(self) -> Iterator[_Error]:
        wanted, other = ("items", "ids") if self.operation == "upsert" else ("ids", "items")
        if not self.given(wanted):
            yield _error(f"/{wanted}", "missing", f"{self.operation} needs {wanted}")
        if self.given(other):
            yield _error(f"/{other}", "unexpected", f"{self.operation} takes no {other}")
        for index, item in enumerate(self.items or []):
            for found in item.findings():
                yield found | {"pointer": f"/items/{index}{found['pointer']}"}


class JobItem(WithMetadata):
    """An item of a bulk operation; the operation decides whether it has a text or a vector."""

    id: ExternalId
    text: Text | None = None
    vector: Numbers | None = None


class JobOptions(Body):
    batch_size: Annotated[int, Integer, Field(ge=1, le=1000)] = 100
    priority: Literal["low", "normal", "high"] = "normal"


class JobRequest(Body):
    operation: Literal["bulk_embed", "bulk_insert", "bulk_delete"]
    collection: CollectionName
    data: Annotated[list[JobItem], Field(min_length=1, max_length=10_000)] | None = None
    ids: Annotated[list[ExternalId], Field(min_length=1, max_length=10_000)] | None = None
    options: JobOptions = Field(default_factory=JobOptions)

    def findings(self) -> Iterator[_Error]:
        wanted, other = ("ids", "data") if self.operation == "bulk_delete" else ("data", "ids")
        if not self.given(wanted):
            yield _error(f"/{wanted}", "missing", f"{self.operation} needs {wanted}")
        if self.given(other):
            yield _error(f"/{other}", "unexpected", f"{self.operation} takes no {other}")
        wanted, other = ("vector", "text") if self.operation == "bulk_insert" else ("text", "vector")
        for index, item in enumerate(self.data or []):
            if not item.given(wanted):
                yield _error(f"/data/{index}/{wanted}", "missing", f"{self.operation} needs a {wanted}")
            if item.given(other):
                yield _error(f"/data/{index}/{other}", "unexpected", f"{self.operation} takes no {other}")
            for found in item.findings():
                yield found | {"pointer": f"/data/{index}{found['pointer']}"}


class Search(Body):
    collection: CollectionName
    query_text: Text | None = None
    query_vector: Numbers | None = None
    limit: Annotated[int, Integer, Field(ge=1, le=1000)] = 10
    offset: Annotated[int, Integer, Field(ge=0, le=10_000)] = 0
    filter: dict[str, Any] | None = None
    score_threshold: Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)] | None = None
    include_vector: bool = False
    use_cache: bool = True

    def findings(self) -> Iterator[_Error]:
        if (self.query_text is None) == (self.query_vector is None):
            yield _error("", "one-of", "needs query_text or query_vector, and not both")
        if self.filter is not None:
            yield from filter_findings(self.filter)


class ProviderEmbed(Body):
    texts: Annotated[list[Text], Field(min_length=1, max_length=32)]
    model: Annotated[str, _matching(PROVIDER_MODEL_NAME)] | None = None
    input_kind: Literal["document", "query"] = "document"
    dimensions: Dimensions | None = None
    failover: Annotated[
        list[Annotated[str, _matching(PROVIDER_NAME)]], Field(max_length=8), AfterValidator(_unique)
    ] = Field(default_factory=list)
    required_dimensions: Dimensions | None = None
    attempt_timeout_ms: Annotated[int, Integer, Field(ge=100, le=30_000)] | None = None
    use_cache: bool = True


class CacheInvalidate(Body):
    kinds: Annotated[
        list[Literal["embedding", "search", "metadata", "external"]],
        Field(min_length=1, max_length=4),
        AfterValidator(_unique),
    ]
    collection: CollectionName | None = None

    def findings(self) -> Iterator[_Error]:
        if self.collection is not None and set(self.kinds) - {"search", "metadata"}:
            yield _error("/collection", "unexpected", "only kinds search and metadata belong to a collection")


B = TypeVar("B", bound=Body)


def parse(model: type[B], data: object) -> B:
    """The body as `model`, or the 422 that names every bad member."""
    try:
        body = model.model_validate(data)
    except ValidationError as refused:
        raise _refusal([_translated(each) for each in refused.errors(include_url=False)]) from None
    found = list(body.findings())
    if found:
        raise _refusal(found)
    return body


def check(kind: str, name: str, value: str, pattern: re.Pattern[str]) -> str:
    """A path or query parameter that must match a pattern."""
    if not pattern.fullmatch(value):
        raise _refusal([_error(f"{kind}/{name}", "pattern", f"must match {pattern.pattern}")])
    return value


def page_limit(query: Mapping[str, str]) -> int:
    """Query parameter `limit`: 1 to 100, 50 when absent."""
    text = query.get("limit", "50")
    if not re.fullmatch(r"[0-9]{1,3}", text, re.ASCII) or not 1 <= int(text) <= 100:
        raise _refusal([_error("query/limit", "range", "must be an integer from 1 to 100")])
    return int(text)


def choice(query: Mapping[str, str], name: str, choices: Sequence[str]) -> str:
    """A query parameter that takes one of a few words, the first when absent."""
    text = query.get(name, choices[0])
    if text not in choices:
        raise _refusal([_error(f"query/{name}", "enum", f"must be one of {', '.join(choices)}")])
    return text


def flag(query: Mapping[str, str], name: str) -> bool:
    """A boolean query parameter, false when absent."""
    text = query.get(name, "false")
    if text not in ("true", "false"):
        raise _refusal([_error(f"query/{name}", "boolean", "must be true or false")])
    return text == "true"


def metadata_findings(metadata: Metadata) -> Iterator[_Error]:
    """What is wrong with a metadata object: flat, at most 64 members, no null."""
    if len(metadata) > 64:
        yield _error("/metadata", "too-many", "at most 64 members")
    for key, value in metadata.items():
        pointer = f"/metadata/{_pointer_part(key)}"
        if not METADATA_KEY.fullmatch(key):
            yield _error(pointer, "pattern", f"a key must match {METADATA_KEY.pattern}")
        elif isinstance(value, list):
            if len(value) > 64:
                yield _error(pointer, "too-many", "at most 64 entries")
            for index, entry in enumerate(value):
                if reason := _bad_scalar(entry):
                    yield _error(f"{pointer}/{index}", "scalar", reason)
        elif reason := _bad_scalar(value):
            yield _error(pointer, "scalar", reason)


def filter_findings(conditions: Metadata) -> Iterator[_Error]:
    """What is wrong with a filter."""
    if not 1 <= len(conditions) <= 16:
        yield _error("/filter", "size", "1 to 16 conditions")
    for key, value in conditions.items():
        pointer = f"/filter/{_pointer_part(key)}"
        if not METADATA_KEY.fullmatch(key):
            yield _error(pointer, "pattern", f"a key must match {METADATA_KEY.pattern}")
        elif isinstance(value, dict):
            if reason := _bad_condition(value):
                yield _error(pointer, "condition", reason)
        elif reason := _bad_scalar(value):
            yield _error(pointer, "scalar", reason)
        elif isinstance(value, float) and not value.is_integer():
            yield _error(pointer, "scalar", "equality takes a string, an integer or a boolean")


def _bad_condition(condition: Metadata) -> str | None:
    if set(condition) == {"any"}:
        wanted = condition["any"]
        if not isinstance(wanted, list) or not 1 <= len(wanted) <= 64:
            return "any takes 1 to 64 entries"
        for entry in wanted:
            fraction = isinstance(entry, float) and not entry.is_integer()
            if isinstance(entry, bool) or fraction or _bad_scalar(entry):
                return "any takes strings and integers"
        return None
    if condition and set(condition) <= {"gt", "gte", "lt", "lte"}:
        for bound in condition.values():
            if isinstance(bound, bool | str) or _bad_scalar(bound):
                return "a bound is a number"
        return None
    return "a condition is any, or bounds gt, gte, lt, lte"


def _bad_scalar(value: object) -> str | None:
    if isinstance(value, bool):
        return None
    if isinstance(value, str):
        if len(value) > 4096:
            return "at most 4096 characters"
        try:
            _clean(value)
        except PydanticCustomError as refused:
            return refused.message()
        return None
    if isinstance(value, int | float):
        if not math.isfinite(value) or abs(value) > _SAFE_INTEGER:
            return "a number must be within ±(2^53-1)"
        return None
    return "must be a string, a number or a boolean"


def _error(pointer: str, code: str, message: str) -> _Error:
    return {"pointer": pointer, "code": code, "message": message}


def _pointer_part(part: object) -> str:
    text = str(part).replace("~", "~0").replace("/", "~1")[:200]
    return text.encode("utf-8", "backslashreplace").decode()


def _translated(found: Any) -> _Error:
    pointer = "".join(f"/{_pointer_part(part)}" for part in found["loc"])
    message = str(found["msg"]).encode("utf-8", "backslashreplace").decode()
    return _error(pointer, str(found["type"]).replace("_", "-"), message[:500])


def _refusal(errors: list[_Error]) -> Problem:
    return Problem("validation-failed", "The request is not acceptable.", errors=errors[:MAX_ERRORS])
