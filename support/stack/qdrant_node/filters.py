"""Qdrant's JSON filters in the engine's terms."""

from __future__ import annotations

from typing import Any, cast

import numpy as np
import qdrant_edge as edge

from support.stack.qdrant_node.errors import malformed, unsupported
from support.stack.qdrant_node.validation import (
    Json,
    as_list,
    as_object,
    check_depth,
    flag,
    natural,
    number,
    point_ids,
    strings,
)

# Whole numbers up to here are exact as floats.
EXACT_AS_FLOAT = 2**53
LARGEST_INTEGER = 2**63 - 1
CLAUSES = {"must", "should", "must_not", "min_should"}
BOUNDS = ("gte", "gt", "lte", "lt")


def read_filter(value: Any) -> edge.Filter | None:
    """The filter of a request; None for no filter."""
    if value is None:
        return None
    check_depth(value, "filter")
    return _filter(as_object(value, "filter"))


def _filter(clauses: Json) -> edge.Filter:
    unknown = set(clauses) - CLAUSES
    if unknown:
        raise malformed(
            f"unknown field `{min(unknown)}`, expected one of `should`, `min_should`, `must`, `must_not`"
        )
    at_least = clauses.get("min_should")
    return edge.Filter(
        must=_conditions(clauses.get("must")),
        should=_conditions(clauses.get("should")),
        must_not=_conditions(clauses.get("must_not")),
        min_should=None if at_least is None else _min_should(as_object(at_least, "min_should")),
    )


def _min_should(value: Json) -> edge.MinShould:
    return edge.MinShould(_conditions(value.get("conditions")) or [], natural(value, "min_count", 0, least=0))


def _conditions(value: Any) -> list[edge.ConditionType] | None:
    """The conditions of a clause, which may be a single one."""
    if value is None:
        return None
    listed = value if isinstance(value, list) else [value]
    return [_condition(as_object(each, "condition")) for each in listed]


def _condition(value: Json) -> edge.ConditionType:
    if "has_id" in value:
        return edge.HasIdCondition(set(point_ids(value["has_id"], "has_id")))
    if "nested" in value:
        nested = as_object(value["nested"], "nested")
        return edge.NestedCondition(_key(nested), _filter(as_object(nested.get("filter"), "nested.filter")))
    if "key" in value:
        return _field(value)
    if "is_empty" in value:
        return edge.IsEmptyCondition(_key(as_object(value["is_empty"], "is_empty")))
    if "is_null" in value:
        return edge.IsNullCondition(_key(as_object(value["is_null"], "is_null")))
    if value and set(value) <= CLAUSES:
        return _filter(value)
    raise malformed("data did not match any variant of untagged enum Condition")


def _key(value: Json) -> str:
    key = value.get("key")
    if not isinstance(key, str):
        raise malformed("key: invalid type, expected a string")
    return key


def _field(value: Json) -> edge.ConditionType:
    key = _key(value)
    for geo in ("geo_bounding_box", "geo_radius", "geo_polygon"):
        if value.get(geo) is not None:
            raise unsupported(f"the filter {geo}")
    if value.get("match") is not None:
        return _match(key, as_object(value["match"], "match"))
    if value.get("range") is not None:
        return edge.FieldCondition(key, range=_range(as_object(value["range"], "range")))
    if value.get("values_count") is not None:
        count = as_object(value["values_count"], "values_count")
        limits = {
            bound: natural(count, bound, 0, least=0) for bound in BOUNDS if count.get(bound) is not None
        }
        return edge.FieldCondition(key, values_count=edge.ValuesCount(**limits))
    if value.get("is_empty") is not None:
        return edge.FieldCondition(key, is_empty=flag(value, "is_empty", False))
    if value.get("is_null") is not None:
        return edge.FieldCondition(key, is_null=flag(value, "is_null", False))
    raise malformed("Condition: at least one field condition must be specified")


def _match(key: str, match: Json) -> edge.ConditionType:
    if "value" in match:
        return _equals(key, match["value"])
    if "any" in match:
        listed = _one_type(match["any"])
        if listed and isinstance(listed[0], int):
            return edge.Filter(should=[_equals(key, each) for each in listed])
        return edge.FieldCondition(key, match=edge.MatchAny(listed))
    if "except" in match:
        return edge.FieldCondition(key, match=edge.MatchExcept(_one_type(match["except"])))
    if "text" in match:
        return edge.FieldCondition(key, match=edge.MatchText(strings([match["text"]], "text")[0]))
    raise malformed("data did not match any variant of untagged enum Match")


def _equals(key: str, value: Any) -> edge.FieldCondition:
    """Equality that keeps booleans and numbers apart.

    The engine reads Python's True as the integer 1, because bool is an int; a numpy bool stays a boolean. A
    whole number also finds its float form (5 finds 5.0), as the engine does where the field has an integer
    index.
    """
    if isinstance(value, bool):
        return edge.FieldCondition(key, match=edge.MatchValue(cast(bool, np.bool_(value))))
    if isinstance(value, int):
        if abs(value) <= EXACT_AS_FLOAT:
            return edge.FieldCondition(key, range=edge.RangeFloat(gte=value, lte=value))
        if abs(value) <= LARGEST_INTEGER:
            return edge.FieldCondition(key, match=edge.MatchValue(value))
    if isinstance(value, str):
        return edge.FieldCondition(key, match=edge.MatchValue(value))
    raise malformed("data did not match any variant of untagged enum ValueVariants")


def _one_type(value: Any) -> list[Any]:
    """The values of ``any`` or ``except``: all strings or all 64-bit integers."""
    kinds = set(map(type, as_list(value, "match")))
    if kinds <= {str} or (kinds == {int} and all(abs(each) <= LARGEST_INTEGER for each in value)):
        return list(value)
    raise malformed("data did not match any variant of untagged enum AnyVariants")


def _range(value: Json) -> edge.RangeFloat | edge.RangeDateTime:
    given = {bound: value[bound] for bound in BOUNDS if value.get(bound) is not None}
    if any(isinstance(each, str) for each in given.values()):
        strings(list(given.values()), "range")
        return edge.RangeDateTime(**given)
    return edge.RangeFloat(**{bound: number(given, bound) for bound in given})
