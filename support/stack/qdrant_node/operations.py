"""The operations on collections and points, each from a request to the ``result`` of its answer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any, cast
from urllib.parse import parse_qs

import numpy as np
import qdrant_edge as edge

from support.stack.qdrant_node import validation
from support.stack.qdrant_node.engine import Catalogue, Collection
from support.stack.qdrant_node.errors import ApiError, invalid, malformed, not_found, unsupported, wrong_input
from support.stack.qdrant_node.filters import read_filter
from support.stack.qdrant_node.validation import Json, PointId, natural

# What Qdrant 1.20 shows for a collection created without tuning.
DEFAULT_CONFIG: Json = {
    "params": {
        "shard_number": 1,
        "replication_factor": 1,
        "write_consistency_factor": 1,
        "on_disk_payload": True,
    },
    "hnsw_config": {
        "m": 16,
        "ef_construct": 100,
        "full_scan_threshold": 10_000,
        "max_indexing_threads": 0,
        "on_disk": False,
    },
    "optimizer_config": {
        "deleted_threshold": 0.2,
        "vacuum_min_vector_number": 1000,
        "default_segment_number": 0,
        "max_segment_size": None,
        "memmap_threshold": None,
        "indexing_threshold": 10_000,
        "flush_interval_sec": 5,
        "max_optimization_threads": None,
    },
    "wal_config": {"wal_capacity_mb": 32, "wal_segments_ahead": 0, "wal_retain_closed": 1},
}
# Names in requests -> parts of the configuration shown.
TUNING = {
    "params": "params",
    "hnsw_config": "hnsw_config",
    "optimizers_config": "optimizer_config",
    "wal_config": "wal_config",
    "metadata": "metadata",
}
UPDATE_MODES = {
    "upsert": edge.UpdateMode.Upsert,
    "insert_only": edge.UpdateMode.InsertOnly,
    "update_only": edge.UpdateMode.UpdateOnly,
}
DIRECTIONS = {"asc": edge.Direction.Asc, "desc": edge.Direction.Desc}
DEFAULT_LIMIT = 10


@dataclass(frozen=True)
class RestCall:
    """One HTTP request: decoded variable segments of the path, raw query string and body."""

    method: str
    path: tuple[str, ...]
    query: str
    body: bytes

    @cached_property
    def json(self) -> Json:
        """The body as a JSON object."""
        return validation.json_object(self.body)

    @property
    def waits(self) -> bool:
        """``wait``; also checks ``timeout``, which the node never needs: it answers when the work is done."""
        given = parse_qs(self.query, keep_blank_values=True)
        timeout = given.get("timeout", ["1"])[-1]
        if not timeout.isdecimal():
            raise malformed(f"timeout: invalid digit found in {timeout!r}", "query parameters")
        if int(timeout) == 0:
            raise invalid("timeout: value 0 invalid, must be 1 or larger", "query parameters")
        wait = given.get("wait", ["false"])[-1]
        if wait not in ("true", "false"):
            raise malformed(f"wait: provided string was not `true` or `false`: {wait!r}", "query parameters")
        return wait == "true"


Operation = Callable[[Catalogue, RestCall], Any]


# -- collections


def list_collections(catalogue: Catalogue, _request: RestCall) -> Json:
    """GET /collections."""
    return {"collections": [{"name": name} for name in catalogue.names()]}


def collection_exists(catalogue: Catalogue, request: RestCall) -> Json:
    """GET /collections/{c}/exists."""
    return {"exists": catalogue.exists(request.path[0])}


def collection_info(catalogue: Catalogue, request: RestCall) -> Json:
    """GET /collections/{c}."""
    collection = catalogue.get(request.path[0])
    info = collection.open_shard.info()
    kinds = {str(kind): name for name, kind in validation.INDEX_TYPES.items()}
    return {
        "status": "green",
        "optimizer_status": "ok",
        "indexed_vectors_count": info.indexed_vectors_count,
        "points_count": info.points_count,
        "segments_count": info.segments_count,
        "config": collection.config,
        "payload_schema": {
            field: {"data_type": kinds[str(index.data_type)], "points": index.points}
            for field, index in info.payload_schema.items()
        },
    }


def _tuning(body: Json) -> Json:
    """The parts of the configuration that a request sets, without nulls."""
    given = {part: body[key] for key, part in TUNING.items() if body.get(key) is not None}
    return {
        part: {key: value for key, value in validation.as_object(values, part).items() if value is not None}
        for part, values in given.items()
    }


def create_collection(catalogue: Catalogue, request: RestCall) -> bool:
    """PUT /collections/{c}."""
    _ = request.waits
    body = request.json
    size, distance = validation.collection_vectors(body)
    name = validation.collection_name(request.path[0])
    tuning = _tuning(body)
    config = {part: {**values, **tuning.pop(part, {})} for part, values in DEFAULT_CONFIG.items()} | tuning
    config["params"]["vectors"] = {"size": size, "distance": distance}
    catalogue.create(name, config)
    return True


def change_collection(catalogue: Catalogue, request: RestCall) -> bool:
    """PATCH /collections/{c}: changes what is shown; searches are exact whatever the tuning."""
    body = request.json
    validation.refuse(body, "vectors", "sparse_vectors", "quantization_config", "strict_mode_config")
    catalogue.change(request.path[0], _tuning(body))
    return True


def delete_collection(catalogue: Catalogue, request: RestCall) -> bool:
    """DELETE /collections/{c}: false if there is none."""
    return catalogue.delete(request.path[0])


def _updated(collection: Collection, operation: edge.UpdateOperation, waits: bool) -> Json:
    """Apply an update; it is complete on return also for those who do not wait."""
    number = collection.update(operation)
    return {"operation_id": number, "status": "completed" if waits else "acknowledged"}


def create_index(catalogue: Catalogue, request: RestCall) -> Json:
    """PUT /collections/{c}/index."""
    waits, body = request.waits, request.json
    field = validation.strings([validation.required(body, "field_name")], "field_name")[0]
    operation = edge.UpdateOperation.create_field_index(field, validation.index_type(body))
    return _updated(catalogue.get(request.path[0]), operation, waits)


def delete_index(catalogue: Catalogue, request: RestCall) -> Json:
    """DELETE /collections/{c}/index/{field}."""
    waits = request.waits
    operation = edge.UpdateOperation.delete_field_index(request.path[1])
    return _updated(catalogue.get(request.path[0]), operation, waits)


# -- writing points


def _points_of(body: Json) -> list[Json]:
    """The points of an upsert, given one by one or by columns."""
    if "points" in body:
        return [validation.as_object(each, "point") for each in validation.as_list(body["points"], "points")]
    columns = validation.as_object(body.get("batch"), "batch")
    ids = validation.as_list(columns.get("ids"), "ids")
    vectors = validation.as_list(columns.get("vectors"), "vectors")
    payloads = columns.get("payloads") or [None] * len(ids)
    if not len(ids) == len(vectors) == len(validation.as_list(payloads, "payloads")):
        raise malformed("batch: number of ids, vectors and payloads must be equal")
    return [
        {"id": each, "vector": vector, "payload": payload}
        for each, vector, payload in zip(ids, vectors, payloads, strict=True)
    ]


def upsert(catalogue: Catalogue, request: RestCall) -> Json:
    """PUT /collections/{c}/points: all or none."""
    waits, body = request.waits, request.json
    points = _points_of(body)
    ids = [validation.point_id(validation.required(point, "id")) for point in points]
    vectors = [validation.vector_shape(validation.required(point, "vector")) for point in points]
    payloads = [validation.payload(point.get("payload")) for point in points]
    condition = read_filter(body.get("update_filter"))
    mode = body.get("update_mode") or "upsert"
    if mode not in UPDATE_MODES:
        raise malformed(f"unknown variant `{mode}`, expected one of {', '.join(UPDATE_MODES)}")
    collection = catalogue.get(request.path[0])
    validation.check_vectors(vectors, collection.size)
    built = [edge.Point(*point) for point in zip(ids, vectors, payloads, strict=True)]
    return _updated(
        collection, edge.UpdateOperation.upsert_points(built, condition, UPDATE_MODES[mode]), waits
    )


def _selected(body: Json) -> tuple[list[PointId] | None, edge.Filter]:
    """The points that a request names by ids (then the filter is empty) or by a filter."""
    if body.get("points") is not None:
        return validation.point_ids(body["points"]), edge.Filter()
    if body.get("filter") is not None:
        return None, read_filter(body["filter"]) or edge.Filter()
    raise malformed("Either list of point ids or filter must be provided")


def delete_points(catalogue: Catalogue, request: RestCall) -> Json:
    """POST /collections/{c}/points/delete; ids that do not exist are no error."""
    waits = request.waits
    ids, chosen = _selected(request.json)
    operation = (
        edge.UpdateOperation.delete_points_by_filter(chosen)
        if ids is None
        else edge.UpdateOperation.delete_points(list(ids))
    )
    return _updated(catalogue.get(request.path[0]), operation, waits)


def _change_payload(
    catalogue: Catalogue,
    request: RestCall,
    by_ids: Callable[..., edge.UpdateOperation],
    by_filter: Callable[..., edge.UpdateOperation],
    *arguments: Any,
) -> Json:
    """Build the operation for the points named by ids, which must exist, or by a filter, and apply it."""
    waits = request.waits
    ids, chosen = _selected(request.json)
    operation = by_filter(chosen, *arguments) if ids is None else by_ids(ids, *arguments)
    collection = catalogue.get(request.path[0])
    collection.require_points(ids or [])
    return _updated(collection, operation, waits)


def _payload_and_key(body: Json) -> tuple[Json, str | None]:
    values = validation.payload(validation.required(body, "payload"))
    return values or {}, validation.payload_path(body)


def set_payload(catalogue: Catalogue, request: RestCall) -> Json:
    """POST /collections/{c}/points/payload: merge, at ``key`` if given."""
    op = edge.UpdateOperation
    values = _payload_and_key(request.json)
    return _change_payload(catalogue, request, op.set_payload, op.set_payload_by_filter, *values)


def overwrite_payload(catalogue: Catalogue, request: RestCall) -> Json:
    """PUT /collections/{c}/points/payload: replace."""
    op = edge.UpdateOperation
    values = _payload_and_key(request.json)
    return _change_payload(catalogue, request, op.overwrite_payload, op.overwrite_payload_by_filter, *values)


def delete_payload(catalogue: Catalogue, request: RestCall) -> Json:
    """POST /collections/{c}/points/payload/delete: remove keys."""
    op = edge.UpdateOperation
    keys = validation.strings(validation.required(request.json, "keys"), "keys")
    return _change_payload(catalogue, request, op.delete_payload, op.delete_payload_by_filter, keys)


def clear_payload(catalogue: Catalogue, request: RestCall) -> Json:
    """POST /collections/{c}/points/payload/clear."""
    op = edge.UpdateOperation
    return _change_payload(catalogue, request, op.clear_payload, op.clear_payload_by_filter)


# -- reading points


def _vector(vector: Any) -> Any:
    """A vector or score of the engine as the 32-bit floats they are: printed shortest, as Qdrant does."""
    return np.asarray(vector, np.float32)


def _shown(point: edge.Record | edge.ScoredPoint) -> Json:
    """A point in an answer; payload and vector only if they were asked for."""
    shown: Json = {"id": point.id}
    if isinstance(point, edge.ScoredPoint):
        shown |= {"version": point.version, "score": np.float32(point.score)}
    if point.payload is not None:
        shown["payload"] = point.payload
    if point.vector is not None:
        shown["vector"] = _vector(point.vector)
    if point.order_value is not None:
        shown["order_value"] = point.order_value
    return shown


def get_point(catalogue: Catalogue, request: RestCall) -> Json:
    """GET /collections/{c}/points/{id}."""
    text = request.path[1]
    try:
        wanted = validation.point_id(int(text) if text.isdecimal() else text)
    except ApiError as error:
        raise wrong_input(f'Can not recognize "{text}" as point id') from error
    found = catalogue.get(request.path[0]).open_shard.retrieve([wanted], True, True)
    if not found:
        raise not_found(f"Point with id {wanted} does not exists!")
    return _shown(found[0])


def retrieve(catalogue: Catalogue, request: RestCall) -> list[Json]:
    """POST /collections/{c}/points: those of the ids that exist, in the order asked for."""
    body = request.json
    ids = validation.point_ids(validation.required(body, "ids"), "ids")
    payload, vector = validation.with_payload(body, True), validation.with_vector(body)
    found = catalogue.get(request.path[0]).open_shard.retrieve(list(ids), payload, vector)
    shown = {point.id: _shown(point) for point in found}
    return [shown[each] for each in dict.fromkeys(ids) if each in shown]


def _order(value: Any) -> edge.OrderBy | None:
    """``order_by``: a key, or an object with key, direction and start_from."""
    if value is None:
        return None
    if isinstance(value, str):
        return edge.OrderBy(value)
    order = validation.as_object(value, "order_by")
    direction = order.get("direction") or "asc"
    if direction not in DIRECTIONS:
        raise malformed(f"unknown variant `{direction}`, expected `asc` or `desc`")
    return edge.OrderBy(validation.required(order, "key"), DIRECTIONS[direction], order.get("start_from"))


def scroll(catalogue: Catalogue, request: RestCall) -> Json:
    """POST /collections/{c}/points/scroll: in id order, or by a payload key with a range index."""
    body = request.json
    offset = None if body.get("offset") is None else validation.point_id(body["offset"])
    order = _order(body.get("order_by"))
    if order is not None and offset is not None:
        raise wrong_input("Cannot use an `offset` when using `order_by`. Use `order_by.start_from` instead.")
    asked = edge.ScrollRequest(
        offset,
        natural(body, "limit", DEFAULT_LIMIT, least=1),
        read_filter(body.get("filter")),
        validation.with_payload(body, True),
        validation.with_vector(body),
        order,
    )
    points, following = catalogue.get(request.path[0]).open_shard.scroll(asked)
    return {"points": [_shown(point) for point in points], "next_page_offset": following}


def count(catalogue: Catalogue, request: RestCall) -> Json:
    """POST /collections/{c}/points/count: always exact."""
    chosen = read_filter(request.json.get("filter"))
    return {"count": catalogue.get(request.path[0]).open_shard.count(edge.CountRequest(True, chosen))}


def facet(catalogue: Catalogue, request: RestCall) -> Json:
    """POST /collections/{c}/facet: values of an indexed key with their exact counts."""
    body = request.json
    asked = edge.FacetRequest(
        validation.required(body, "key"),
        natural(body, "limit", DEFAULT_LIMIT, least=1),
        True,
        read_filter(body.get("filter")),
    )
    hits = catalogue.get(request.path[0]).open_shard.facet(asked).hits
    return {"hits": [{"value": hit.value, "count": hit.count} for hit in hits]}


def _search_params(body: Json) -> edge.SearchParams:
    params = validation.as_object(body.get("params") or {}, "params")
    ef = natural(params, "hnsw_ef", 0, least=1, path="internal.params.")
    return edge.SearchParams(hnsw_ef=ef or None, exact=validation.flag(params, "exact", False))


def _searched(collection: Collection, body: Json) -> Json:
    """One query: nearest to a vector or a point, ordered by a key, a random sample, or all by id."""
    validation.refuse(body, "prefetch", "lookup_from")
    if body.get("using"):
        raise wrong_input(f"Not existing vector name error: {body['using']}")
    query, excluded = _query(collection, body.get("query"))
    threshold = validation.number(body, "score_threshold")
    if threshold is not None and query is None:
        raise ApiError(400, "Bad request: A query is needed to use the score_threshold")
    chosen = read_filter(body.get("filter"))
    if excluded is not None:
        others = edge.HasIdCondition({excluded})
        chosen = edge.Filter(must=None if chosen is None else [chosen], must_not=[others])
    asked = edge.QueryRequest(
        limit=natural(body, "limit", DEFAULT_LIMIT, least=1, path="internal."),
        offset=natural(body, "offset", 0, least=0),
        query=query,
        filter=chosen,
        with_payload=validation.with_payload(body, False),
        with_vector=validation.with_vector(body),
        score_threshold=threshold,
        params=_search_params(body),
    )
    return {"points": [_shown(point) for point in collection.open_shard.query(asked)]}


def _query(collection: Collection, value: Any) -> tuple[edge.ScoringQueryType | None, PointId | None]:
    """What to search for, and the point to leave out because its own vector is the example."""
    if value is None:
        return None, None
    if isinstance(value, dict):
        if len(value) != 1:
            raise unsupported(f"a query of {sorted(value)}")
        kind, value = next(iter(value.items()))
        if kind == "order_by":
            return _order(value), None
        if kind == "sample" and value == "random":
            return edge.Sample.Random, None
        if kind != "nearest":
            raise unsupported(f"the query {kind}")
    if isinstance(value, list):
        vector = validation.vector_shape(value)
        validation.check_vectors([vector], collection.size)
        return edge.Query.Nearest(vector), None
    example = validation.point_id(value)
    found = collection.open_shard.retrieve([example], False, True)
    if not found:
        raise not_found(f"No point with id {example} found")
    return edge.Query.Nearest(cast(list[float], found[0].vector)), example


def query_points(catalogue: Catalogue, request: RestCall) -> Json:
    """POST /collections/{c}/points/query."""
    body = request.json
    return _searched(catalogue.get(request.path[0]), body)


def query_batch(catalogue: Catalogue, request: RestCall) -> list[Json]:
    """POST /collections/{c}/points/query/batch."""
    searches = validation.as_list(validation.required(request.json, "searches"), "searches")
    bodies = [validation.as_object(each, "search") for each in searches]
    collection = catalogue.get(request.path[0])
    return [_searched(collection, body) for body in bodies]


# Method and path; {} is a variable segment. The first match wins.
ROUTES: tuple[tuple[str, str, Operation], ...] = (
    ("GET", "collections", list_collections),
    ("GET", "collections/{}", collection_info),
    ("PUT", "collections/{}", create_collection),
    ("PATCH", "collections/{}", change_collection),
    ("DELETE", "collections/{}", delete_collection),
    ("GET", "collections/{}/exists", collection_exists),
    ("PUT", "collections/{}/index", create_index),
    ("DELETE", "collections/{}/index/{}", delete_index),
    ("POST", "collections/{}/facet", facet),
    ("PUT", "collections/{}/points", upsert),
    ("POST", "collections/{}/points", retrieve),
    ("GET", "collections/{}/points/{}", get_point),
    ("POST", "collections/{}/points/delete", delete_points),
    ("POST", "collections/{}/points/scroll", scroll),
    ("POST", "collections/{}/points/count", count),
    ("POST", "collections/{}/points/query", query_points),
    ("POST", "collections/{}/points/query/batch", query_batch),
    ("POST", "collections/{}/points/payload", set_payload),
    ("PUT", "collections/{}/points/payload", overwrite_payload),
    ("POST", "collections/{}/points/payload/delete", delete_payload),
    ("POST", "collections/{}/points/payload/clear", clear_payload),
)
