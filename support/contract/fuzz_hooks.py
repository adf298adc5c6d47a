"""Hooks of the property-based runs: part of the random requests are about collections that exist.

Only what is valid already is replaced, by something as valid: a request that is to be refused stays so.
Fractions in metadata are cut down to those that Qdrant's engine gives back exactly (docs/reference.md).
"""

from __future__ import annotations

import math
import re
from typing import Any

import schemathesis

# Made by the run before the first request.
VECTORS, TEXTS = "fuzz_vectors", "fuzz_texts"
SIZE = 4
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_-]{0,254}")
_VECTORS = ("vector", "query_vector")
_LONGEST, _LARGEST = 4096, 1_000_000
_LARGEST_IN_METADATA = 2**53 - 1
_DECIMALS = 6


@schemathesis.hook
def map_body(context: Any, body: Any) -> Any:  # noqa: ARG001  # schemathesis looks at the names
    """Two of three requests about a collection are about one that exists, with vectors of its size."""
    return _of_a_collection_that_exists(_with_exact_metadata(body))


def _with_exact_metadata(value: Any, *, inside: bool = False) -> Any:
    """Every fraction in metadata, wherever these stand, below a million and of six decimals at most."""
    if isinstance(value, dict):
        return {
            name: _with_exact_metadata(each, inside=inside or name == "metadata")
            for name, each in value.items()
        }
    if isinstance(value, list):
        return [_with_exact_metadata(each, inside=inside) for each in value]
    if inside and isinstance(value, float) and abs(value) <= _LARGEST_IN_METADATA:
        return round(math.fmod(value, _LARGEST), _DECIMALS)
    return value


def _of_a_collection_that_exists(body: Any) -> Any:
    if not isinstance(body, dict) or not _is_name(body.get("collection")):
        return body
    found = dict(body)
    kind = len(body["collection"]) % 3
    if kind == 0:
        return body
    found["collection"] = VECTORS if kind == 1 else TEXTS
    if kind == 1:
        for name in _VECTORS:
            if _is_vector(found.get(name)):
                found[name] = (found[name] * SIZE)[:SIZE]
    return found


@schemathesis.hook
def map_path_parameters(context: Any, path_parameters: Any) -> Any:
    """The same for collections in an address."""
    if not isinstance(path_parameters, dict) or not _is_name(path_parameters.get("collection")):
        return path_parameters
    name = path_parameters["collection"]
    # A collection that is to be deleted must not be one that the others need.
    if len(name) % 3 == 0 or (context.operation is not None and context.operation.method.lower() == "delete"):
        return path_parameters
    return {**path_parameters, "collection": VECTORS if len(name) % 3 == 1 else TEXTS}


def _is_name(value: Any) -> bool:
    return isinstance(value, str) and _NAME.fullmatch(value) is not None


def _is_vector(value: Any) -> bool:
    return (
        isinstance(value, list)
        and 1 <= len(value) <= _LONGEST
        and all(type(each) in (int, float) and abs(each) <= _LARGEST for each in value)
    )
