"""Reading request bodies. Everything is checked here, before the engine writes it into its log.

An operation that the engine refuses is already in its write-ahead log, and replaying it after a crash gives
another state than clients saw before. Hence: dimension, finiteness, id syntax and vector names are checked
first, and nothing that fails reaches the engine.
"""

from __future__ import annotations

from typing import Any
from uuid import UUID

import numpy as np
import orjson
import qdrant_edge as edge

from support.stack.qdrant_node.errors import invalid, malformed, unsupported, wrong_input

Json = dict[str, Any]
PointId = int | UUID

LARGEST_ID = 2**64 - 1
LARGEST_VECTOR = 65_536
LONGEST_NAME = 255
# The engine writes deeper values into its log but cannot read them back (measured: payloads from 123 levels,
# filters from about 130): such an operation would make the collection unloadable after a crash.
DEEPEST = 64
LONGEST_PATH = 32
FORBIDDEN_IN_NAME = '<>:"/\\|?*\0\x1f'
DISTANCES = {
    "Cosine": edge.Distance.Cosine,
    "Euclid": edge.Distance.Euclid,
    "Dot": edge.Distance.Dot,
    "Manhattan": edge.Distance.Manhattan,
}
INDEX_TYPES = {
    "keyword": edge.PayloadSchemaType.Keyword,
    "integer": edge.PayloadSchemaType.Integer,
    "float": edge.PayloadSchemaType.Float,
    "bool": edge.PayloadSchemaType.Bool,
    "datetime": edge.PayloadSchemaType.Datetime,
    "uuid": edge.PayloadSchemaType.Uuid,
    "text": edge.PayloadSchemaType.Text,
    "geo": edge.PayloadSchemaType.Geo,
}


def json_object(body: bytes) -> Json:
    """The body as a JSON object."""
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise malformed(str(error)) from error
    return as_object(value, "request")


def as_object(value: Any, what: str) -> Json:
    """The value if it is a JSON object."""
    if not isinstance(value, dict):
        raise malformed(f"{what}: invalid type, expected a map")
    return value


def as_list(value: Any, what: str) -> list[Any]:
    """The value if it is a JSON array."""
    if not isinstance(value, list):
        raise malformed(f"{what}: invalid type, expected a sequence")
    return value


def strings(value: Any, what: str) -> list[str]:
    """The value if it is an array of strings."""
    if not all(isinstance(each, str) for each in as_list(value, what)):
        raise malformed(f"{what}: invalid type, expected a sequence of strings")
    return list(value)


def required(body: Json, key: str) -> Any:
    """The value of a key that must be there."""
    if key not in body:
        raise malformed(f"missing field `{key}`")
    return body[key]


def natural(body: Json, key: str, default: int, *, least: int, path: str = "") -> int:
    """A whole number of at least ``least``; ``path`` precedes the key in the complaint."""
    value = body.get(key)
    if value is None:
        return default
    if type(value) is not int or value < 0:
        raise malformed(f"{key}: invalid value: {value!r}, expected usize")
    if value < least:
        raise invalid(f"{path}{key}: value {value} invalid, must be {least} or larger")
    return value


def number(body: Json, key: str) -> float | None:
    """A finite number, or None when absent."""
    value = body.get(key)
    if value is None:
        return None
    if type(value) not in (int, float):
        raise malformed(f"{key}: invalid type, expected a number")
    return float(value)


def flag(body: Json, key: str, default: bool) -> bool:
    """A boolean."""
    value = body.get(key)
    if value is None:
        return default
    if not isinstance(value, bool):
        raise malformed(f"{key}: invalid type, expected a boolean")
    return value


def refuse(body: Json, *keys: str) -> None:
    """Refuse parts of Qdrant's interface that the node does not have, unless they are empty."""
    for key in keys:
        if body.get(key):
            raise unsupported(key)


def point_id(value: Any) -> PointId:
    """An unsigned 64-bit integer or a UUID."""
    if type(value) is int and 0 <= value <= LARGEST_ID:
        return value
    if isinstance(value, str):
        try:
            return UUID(value)
        except ValueError:
            pass
    raise malformed(
        f"value {value!r} is not a valid point ID, valid values are either an unsigned integer or a UUID"
    )


def point_ids(value: Any, what: str = "points") -> list[PointId]:
    """A list of point ids."""
    return [point_id(each) for each in as_list(value, what)]


def vector_shape(vector: Any) -> list[float]:
    """The numbers of one dense vector, whatever its length: a list, or the unnamed one of ``{"": list}``."""
    if isinstance(vector, dict):
        if set(vector) == {""}:
            vector = vector[""]
        elif set(vector) == {"indices", "values"}:
            raise unsupported("a sparse vector")
        elif vector:
            raise wrong_input(f"Not existing vector name error: {next(name for name in vector if name)}")
        else:
            raise unsupported("a point without a vector")
    if not isinstance(vector, list):
        raise malformed("vector: data did not match any variant of untagged enum VectorStruct")
    if not vector:
        raise invalid("vector: must not be empty")
    if isinstance(vector[0], list):
        raise unsupported("a multi vector")
    if not set(map(type, vector)) <= {int, float}:
        raise malformed("vector: data did not match any variant of untagged enum VectorStruct")
    return vector


def check_vectors(vectors: list[list[float]], size: int) -> None:
    """Length and, as float32, finiteness: 1e39 is JSON, but infinite once stored."""
    for vector in vectors:
        if len(vector) != size:
            raise wrong_input(f"Vector dimension error: expected dim: {size}, got {len(vector)}")
    with np.errstate(over="ignore"):
        if not np.isfinite(np.asarray(vectors, np.float32)).all():
            raise malformed("vector: a component is not a finite 32-bit float")


def check_depth(value: Any, what: str) -> None:
    """Refuse values nested more than ``DEEPEST`` levels."""
    level = [value]
    for _ in range(DEEPEST + 1):
        level = [each for each in level if isinstance(each, dict | list)]
        if not level:
            return
        level = [inner for each in level for inner in (each.values() if isinstance(each, dict) else each)]
    raise malformed(f"{what}: recursion limit exceeded")


def payload(value: Any) -> Json | None:
    """A payload: a map or null."""
    if value is None:
        return None
    check_depth(value, "payload")
    return as_object(value, "payload")


def payload_path(body: Json) -> str | None:
    """The key below which a payload is set."""
    key = body.get("key")
    if key is not None and (not isinstance(key, str) or key.count(".") + key.count("[") > LONGEST_PATH):
        raise malformed("key: invalid path")
    return key


def with_payload(body: Json, default: bool) -> bool | edge.PayloadSelector:
    """What of the payload to answer: all, nothing, only these keys, all but these keys."""
    asked = body.get("with_payload")
    if asked is None:
        return default
    if isinstance(asked, bool):
        return asked
    if isinstance(asked, list):
        return edge.PayloadSelector.Include(strings(asked, "with_payload"))
    if isinstance(asked, dict) and len(asked) == 1:
        if "include" in asked:
            return edge.PayloadSelector.Include(strings(asked["include"], "include"))
        if "exclude" in asked:
            return edge.PayloadSelector.Exclude(strings(asked["exclude"], "exclude"))
    raise malformed("data did not match any variant of untagged enum WithPayloadInterface")


def with_vector(body: Json) -> bool:
    """Whether to answer the vectors, of which each point has one."""
    asked = body.get("with_vector", body.get("with_vectors"))
    if isinstance(asked, list):
        for name in strings(asked, "with_vector"):
            if name:
                raise wrong_input(f"Not existing vector name error: {name}")
        return bool(asked)
    if asked is None or isinstance(asked, bool):
        return bool(asked)
    raise malformed("data did not match any variant of untagged enum WithVector")


def collection_name(name: str) -> str:
    """A name that a new collection may have."""
    if not 1 <= len(name) <= LONGEST_NAME:
        raise invalid(
            f"collection_name: value invalid, must be from 1 to {LONGEST_NAME} characters long",
            "path parameters",
        )
    for character in FORBIDDEN_IN_NAME:
        if character in name:
            raise invalid(f'collection name cannot contain "{character}" char', "path parameters")
    return name


def collection_vectors(body: Json) -> tuple[int, str]:
    """Size and distance of the one unnamed vector of a new collection."""
    refuse(body, "sparse_vectors", "quantization_config", "strict_mode_config", "sharding_method")
    vectors = as_object(body.get("vectors") or {}, "vectors")
    if "size" not in vectors:
        raise unsupported("a collection of named vectors, or of none,")
    refuse(vectors, "multivector_config", "quantization_config")
    if vectors.get("datatype") not in (None, "float32"):
        raise unsupported("a datatype other than float32")
    size = natural(vectors, "size", 0, least=1, path="vectors.")
    if size > LARGEST_VECTOR:
        raise invalid(f"vectors.size: value {size} invalid, must be from 1 to {LARGEST_VECTOR}")
    distance = required(vectors, "distance")
    if distance not in DISTANCES:
        expected = ", ".join(f"`{name}`" for name in DISTANCES)
        raise malformed(f"unknown variant `{distance}`, expected one of {expected}")
    return size, str(distance)


def index_type(body: Json) -> edge.PayloadSchemaType:
    """The type of a payload index, given as a word or as an object with tuning that the node ignores."""
    schema = body.get("field_schema")
    kind = schema.get("type") if isinstance(schema, dict) else schema
    if kind is None:
        raise malformed("missing field `field_schema`")
    if kind not in INDEX_TYPES:
        raise malformed(f"unknown variant `{kind}`, expected one of {', '.join(INDEX_TYPES)}")
    return INDEX_TYPES[kind]
