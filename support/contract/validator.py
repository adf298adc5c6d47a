"""The contract as code: which operations exist, and whether an answer of the gateway keeps it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from jsonschema import Draft202012Validator, FormatChecker, ValidationError, validators
from jsonschema.exceptions import best_match
from referencing import Registry
from referencing.jsonschema import DRAFT202012

FILE = Path(__file__).with_name("openapi.yaml")
METHODS = ("get", "post", "put", "patch", "delete")
JSON = "application/json"
PROBLEM = "application/problem+json"
PROBLEM_URN = "urn:citadel:problem:"
DOCUMENT = "urn:citadel:openapi"
# Answers that are valid on any path though no operation documents them.
UNDOCUMENTED = {(405, "method-not-allowed"), (404, "route-not-found")}
RETRYABLE = {429, 503, 504}
MAY_BE_RETRYABLE = RETRYABLE | {502}
EXCERPT = 120


@dataclass(frozen=True, slots=True)
class Parameter:
    """A parameter of an operation; ``place`` is path or query, ``schema`` has its references resolved."""

    name: str
    place: str
    schema: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation. ``path`` is the template; ``role`` None: any key will do; ``timeout_s`` is its limit.

    ``body`` is the schema of its content, None where it takes none; ``examples`` are the contract's own
    contents. ``down`` tells what it answers while a dependency is away: a status, or a sentence with one.
    """

    id: str
    method: str
    path: str
    open: bool
    role: str | None
    capability: str | None
    timeout_s: float
    statuses: frozenset[int]
    pattern: re.Pattern[str] = field(repr=False)
    parameters: tuple[Parameter, ...] = ()
    body: Mapping[str, Any] | None = field(default=None, repr=False)
    examples: tuple[Any, ...] = field(default=(), repr=False)
    down: Mapping[str, int | str] = field(default_factory=dict)


class Contract:
    """The OpenAPI document, ready to judge answers."""

    def __init__(self, document: dict[str, Any]) -> None:
        self._document = document
        self._registry: Registry[Any] = Registry().with_resource(
            DOCUMENT, DRAFT202012.create_resource(document)
        )
        self._operations = list(_operations(document))
        self._by_id = {operation.id: operation for operation in self._operations}
        self._validators: dict[str, Draft202012Validator] = {}

    @classmethod
    @cache
    def load(cls) -> Contract:
        """The contract shipped beside this module; read once a process (about half a second)."""
        loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
        return cls(yaml.load(FILE.read_text(), loader))

    def operations(self) -> list[Operation]:
        """All operations in the order of the document."""
        return list(self._operations)

    def by_id(self, operation_id: str) -> Operation:
        """An operation by its operationId. Raises ``KeyError`` for an unknown one."""
        return self._by_id[operation_id]

    def operation(self, method: str, path: str) -> Operation | None:
        """The operation behind a request; a literal path wins over a template."""
        fitting = [
            operation
            for operation in self._operations
            if operation.method == method.upper() and operation.pattern.fullmatch(path)
        ]
        return min(fitting, key=lambda operation: operation.path.count("{"), default=None)

    def documented_pairs(self) -> set[tuple[str, int]]:
        """Every (operation, status) the contract documents; 500 is left out, because it is a defect."""
        return {
            (operation.id, status)
            for operation in self._operations
            for status in operation.statuses
            if status != 500
        }

    def check(
        self, method: str, path: str, status: int, headers: Mapping[str, str], body: bytes
    ) -> list[str]:
        """What an answer breaks, as sentences; empty when it keeps the contract."""
        given = {name.lower(): value for name, value in headers.items()}
        complaints = [] if given.get("x-request-id") else ["the header X-Request-ID is missing"]
        media = given.get("content-type", "").partition(";")[0].strip().lower()
        parsed: Any = None
        if media in (JSON, PROBLEM):
            try:
                parsed = json.loads(body, parse_constant=_refuse_constant)
            except ValueError as error:
                return [*complaints, f"the body is not JSON: {error}"]
        if status >= 400:
            complaints += _problem_rules(status, given, media, parsed)
        operation = self.operation(method, path)
        code = parsed.get("code") if isinstance(parsed, dict) else None
        if operation is None or status not in operation.statuses:
            if (status, code) not in UNDOCUMENTED:
                complaints.append(f"{operation.id if operation else path} does not document status {status}")
            if status >= 400:
                complaints += self._misfits(f"{DOCUMENT}#/components/schemas/Problem", parsed)
            return complaints
        where, response = self._response(operation, status)
        complaints += self._header_rules(response, given)
        content = response.get("content", {})
        if content and media not in content:
            complaints.append(f"the content type is {media or 'missing'}, not {' or '.join(content)}")
        elif media in (JSON, PROBLEM) and content:
            complaints += self._misfits(f"{where}/content/{media.replace('/', '~1')}/schema", parsed)
        if isinstance(parsed, dict) and "cache_info" in parsed and "x-cache" in given:
            cache_status = (
                parsed["cache_info"].get("status") if isinstance(parsed["cache_info"], dict) else None
            )
            if given["x-cache"] != str(cache_status).upper():
                complaints.append(f"X-Cache is {given['x-cache']}, but cache_info says {cache_status}")
        return complaints

    def _response(self, operation: Operation, status: int) -> tuple[str, dict[str, Any]]:
        """Where a response is described, and the description."""
        path = operation.path.replace("~", "~0").replace("/", "~1")
        described = self._document["paths"][operation.path][operation.method.lower()]["responses"]
        response = described[str(status)]
        if "$ref" in response:
            return DOCUMENT + response["$ref"], self._look_up(response["$ref"])
        return f"{DOCUMENT}#/paths/{path}/{operation.method.lower()}/responses/{status}", response

    def _header_rules(self, response: dict[str, Any], given: Mapping[str, str]) -> Iterator[str]:
        for name, described in response.get("headers", {}).items():
            header = self._look_up(described["$ref"]) if "$ref" in described else described
            value: Any = given.get(name.lower())
            if value is None:
                if header.get("required"):
                    yield f"the header {name} is missing"
                continue
            schema = header["schema"]
            if schema.get("type") == "integer" and re.fullmatch(r"-?\d+", value):
                value = int(value)
            for error in Draft202012Validator(schema).iter_errors(value):
                yield f"the header {name}: {error.message}"

    def _misfits(self, reference: str, parsed: Any) -> list[str]:
        if reference not in self._validators:
            self._validators[reference] = _Validator(
                {"$ref": reference}, registry=self._registry, format_checker=_FORMATS
            )
        error = best_match(self._validators[reference].iter_errors(parsed))
        if error is None:
            return []
        pointer = "/" + "/".join(str(part) for part in error.absolute_path)
        return [f"the body at {pointer}: {_short(error.message)} (got {_short(json.dumps(error.instance))})"]

    def _look_up(self, reference: str) -> dict[str, Any]:
        return _resolved(self._document, {"$ref": reference})


def _problem_rules(status: int, given: Mapping[str, str], media: str, parsed: Any) -> Iterator[str]:
    """The rules between members, status and headers of a problem that a schema cannot state."""
    if media != PROBLEM or not isinstance(parsed, dict):
        yield f"an error with content type {media or 'missing'} instead of {PROBLEM}"
        return
    if parsed.get("status") != status:
        yield f"the problem says status {parsed.get('status')}, the answer has {status}"
    if parsed.get("type") != f"{PROBLEM_URN}{parsed.get('code')}":
        yield f"the problem's type {parsed.get('type')} does not belong to its code {parsed.get('code')}"
    if parsed.get("request_id") != given.get("x-request-id"):
        yield "the problem's request_id is not the header's"
    retryable = parsed.get("retryable")
    if retryable and status not in MAY_BE_RETRYABLE:
        yield f"status {status} is said to be retryable"
    if status in RETRYABLE and retryable is not True:
        yield f"status {status} is not said to be retryable"
    if status in (429, 503) and "retry-after" not in given:
        yield f"status {status} without Retry-After"


def _operations(document: Mapping[str, Any]) -> Iterator[Operation]:
    for path, item in document["paths"].items():
        for method in METHODS:
            if method not in item:
                continue
            described = item[method]
            extra = described.get("x-citadel", {})
            content = described.get("requestBody", {}).get("content", {}).get(JSON)
            yield Operation(
                id=described["operationId"],
                method=method.upper(),
                path=path,
                open=described.get("security") == [],
                role=extra.get("role"),
                capability=extra.get("capability"),
                timeout_s=float(extra.get("timeout_s", 30)),
                statuses=frozenset(int(status) for status in described["responses"]),
                pattern=re.compile(re.sub(r"\\\{[^}]+\\\}", "[^/]+", re.escape(path))),
                parameters=tuple(
                    _parameter(document, each)
                    for each in [*item.get("parameters", []), *described.get("parameters", [])]
                ),
                body=None if content is None else _resolved(document, content["schema"]),
                examples=() if content is None else tuple(_examples(content)),
                down=extra.get("down", {}),
            )


def _parameter(document: Mapping[str, Any], described: Mapping[str, Any]) -> Parameter:
    found = _resolved(document, described)
    return Parameter(found["name"], found["in"], _resolved(document, found["schema"]))


def _examples(content: Mapping[str, Any]) -> Iterator[Any]:
    if "example" in content:
        yield content["example"]
    yield from (each["value"] for each in content.get("examples", {}).values())


def _resolved(document: Mapping[str, Any], described: Mapping[str, Any]) -> dict[str, Any]:
    """What a description says, or what the reference that it is leads to."""
    while "$ref" in described:
        found: Any = document
        for part in described["$ref"].removeprefix("#/").split("/"):
            found = found[part]
        described = found
    return dict(described)


def _refuse_constant(name: str) -> Any:
    """Python reads NaN and Infinity; JSON does not know them."""
    raise ValueError(f"it holds {name}")


def _short(text: str) -> str:
    return text if len(text) <= EXCERPT else f"{text[:EXCERPT]}..."


def _items(validator: Any, items: Any, instance: Any, schema: Any) -> Iterator[ValidationError]:
    """``items``, with a short cut for vectors: hundreds of plain numbers within bounds need no look each."""
    if isinstance(items, dict) and items.get("type") == "number" and isinstance(instance, list) and instance:
        low, high = items.get("minimum", float("-inf")), items.get("maximum", float("inf"))
        plain = all(type(number) in (int, float) for number in instance)
        if (
            items.keys() <= {"type", "minimum", "maximum"}
            and plain
            and low <= min(instance) <= max(instance) <= high
        ):
            return
    yield from Draft202012Validator.VALIDATORS["items"](validator, items, instance, schema)


# jsonschema's own check of date-time needs one more package; the contract's form is checked below.
_FORMATS = FormatChecker(formats=("uuid",))
_Validator: Any = validators.extend(  # type: ignore[no-untyped-call]  # the stub leaves it untyped
    Draft202012Validator, {"items": _items}
)


@_FORMATS.checks("date-time")
def _is_timestamp(value: object) -> bool:
    """RFC 3339 as the contract uses it: date, time and offset."""
    pattern = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)"
    return not isinstance(value, str) or re.fullmatch(pattern, value) is not None
