"""The Qdrant node as its callers see it: a process of its own, through the official client and raw HTTP."""

from __future__ import annotations

import asyncio
import itertools
import json
import math
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import numpy as np
import pytest
from qdrant_client import AsyncQdrantClient, QdrantClient, models
from qdrant_client.http.exceptions import ApiException, UnexpectedResponse

from support.stack.ports import free_ports
from support.waiting import eventually

ROOT = Path(__file__).resolve().parents[1]
KEY = "a-key-of-this-test"
SOME_UUID = "a57dd8d6-3575-495f-8fad-9849477962c7"
NUMBERS = itertools.count()


class RunningNode:
    """A node on a data directory, with its log; it keeps its port over restarts."""

    def __init__(self, directory: Path, *arguments: str) -> None:
        self.data = directory / "data"
        self.log = directory / "node.log"
        self.port = free_ports(1)[0]
        self.url = f"http://127.0.0.1:{self.port}"
        self._arguments = ["--data", str(self.data), "--port", str(self.port), *arguments]
        self._process: subprocess.Popen[bytes] | None = None
        self.http = httpx.Client(base_url=self.url, timeout=10, trust_env=False)
        self.client = QdrantClient(url=self.url, timeout=10, trust_env=False, check_compatibility=False)

    def spawn(self) -> subprocess.Popen[bytes]:
        """Start a process without waiting for it."""
        with self.log.open("ab") as log:
            return subprocess.Popen(
                [sys.executable, "-m", "support.stack.qdrant_node", *self._arguments],
                cwd=ROOT,
                stdout=log,
                stderr=subprocess.STDOUT,
            )

    def start(self) -> None:
        """Start, return when ready."""
        self._process = self.spawn()
        eventually(
            lambda: self.http.get("/readyz").text,
            lambda text: text == "all shards are ready",
            within=20,
            what="the node is ready",
            transient=(httpx.TransportError,),
        )

    def end(self, number: signal.Signals) -> int:
        """Send a signal and return the exit status."""
        assert self._process is not None
        self._process.send_signal(number)
        return self._process.wait(10)

    def restart(self, number: signal.Signals = signal.SIGKILL) -> None:
        """End with a signal, start again."""
        self.end(number)
        self.start()

    def close(self) -> None:
        """End the process whatever its state, close the connections."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(10)
        self.http.close()
        self.client.close()

    @property
    def events(self) -> list[dict[str, Any]]:
        """The log lines of all starts."""
        return [json.loads(line) for line in self.log.read_text().splitlines()]

    def state(self, collection: str) -> list[models.Record]:
        """Everything in a collection."""
        records, following = self.client.scroll(collection, limit=10_000, with_vectors=True)
        assert following is None
        return records


@contextmanager
def running_node(*arguments: str) -> Iterator[RunningNode]:
    """A node in a directory of its own; both are gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="qdrant-node-") as directory:
        running = RunningNode(Path(directory), *arguments)
        try:
            running.start()
            yield running
        finally:
            running.close()


@pytest.fixture(scope="module")
def node() -> Iterator[RunningNode]:
    with running_node() as running:
        yield running
        assert running.end(signal.SIGTERM) == 0, "SIGTERM is an orderly stop"
        assert [event["event"] for event in running.events] == ["started", "stopped"], running.events


@pytest.fixture
def own_node() -> Iterator[RunningNode]:
    """A node that a test may kill."""
    with running_node() as running:
        yield running


@pytest.fixture
def client(node: RunningNode) -> QdrantClient:
    return node.client


def make(client: QdrantClient, size: int = 4, distance: models.Distance = models.Distance.COSINE) -> str:
    """A new empty collection."""
    name = f"c{next(NUMBERS)}"
    assert client.create_collection(name, models.VectorParams(size=size, distance=distance))
    return name


def put(client: QdrantClient, name: str, *payloads: dict[str, Any]) -> None:
    """Points 0, 1, 2... with these payloads, each a little further from [1, 0, 0, 0]."""
    points = [
        models.PointStruct(id=number, vector=[1.0, number / 10, 0.0, 0.0], payload=payload)
        for number, payload in enumerate(payloads)
    ]
    assert client.upsert(name, points, wait=True).status == models.UpdateStatus.COMPLETED


def ids(records: list[models.Record] | list[models.ScoredPoint]) -> list[int | str | UUID]:
    return [record.id for record in records]


# -- the node itself


@pytest.mark.parametrize(
    ("path", "part"),
    [
        ("/", '"version":"1.20.0"'),
        ("/healthz", "healthz check passed"),
        ("/livez", "healthz check passed"),
        ("/readyz", "all shards are ready"),
        ("/telemetry", "qdrant-edge facade, qdrant-edge-py 0.9.0"),
        ("/metrics", 'rest_responses_total{method="GET",endpoint="/readyz",status="200"}'),
    ],
)
def test_it_tells_about_itself(node: RunningNode, path: str, part: str) -> None:
    answer = node.http.get(path)
    assert answer.status_code == 200
    assert part in answer.text


def test_the_client_finds_a_compatible_server(node: RunningNode, recwarn: pytest.WarningsRecorder) -> None:
    QdrantClient(url=node.url, trust_env=False).close()
    assert [str(warning.message) for warning in recwarn] == []


def test_a_connection_is_kept_open(node: RunningNode) -> None:
    with httpx.Client(base_url=node.url, timeout=10, trust_env=False) as http:
        peers = {
            http.get("/readyz").extensions["network_stream"].get_extra_info("client_addr") for _ in range(5)
        }
    assert len(peers) == 1


# -- collections


def test_a_collection_lives_and_dies(client: QdrantClient) -> None:
    name = make(client, size=3, distance=models.Distance.DOT)
    info = client.get_collection(name)
    assert isinstance(info.config.params.vectors, models.VectorParams)
    assert (info.config.params.vectors.size, info.config.params.vectors.distance) == (3, models.Distance.DOT)
    assert (info.status, info.points_count) == (models.CollectionStatus.GREEN, 0)
    assert client.collection_exists(name)
    assert name in [each.name for each in client.get_collections().collections]
    assert client.delete_collection(name)
    assert not client.collection_exists(name)
    assert client.delete_collection(name) is False


def test_tuning_is_shown(client: QdrantClient) -> None:
    name = f"c{next(NUMBERS)}"
    vectors = models.VectorParams(size=2, distance=models.Distance.EUCLID)
    client.create_collection(
        name, vectors, hnsw_config=models.HnswConfigDiff(m=8), metadata={"owner": "somebody"}
    )
    client.update_collection(name, optimizers_config=models.OptimizersConfigDiff(indexing_threshold=7))
    config = client.get_collection(name).config
    assert (config.hnsw_config.m, config.optimizer_config.indexing_threshold) == (8, 7)
    assert config.metadata == {"owner": "somebody"}


def test_a_re_created_collection_is_empty(client: QdrantClient) -> None:
    name = make(client)
    put(client, name, {})
    client.delete_collection(name)
    client.create_collection(name, models.VectorParams(size=2, distance=models.Distance.DOT))
    assert client.count(name).count == 0


# -- points


@pytest.mark.parametrize("distance", [models.Distance.COSINE, models.Distance.DOT, models.Distance.EUCLID])
def test_vectors_come_back_bit_for_bit(client: QdrantClient, distance: models.Distance) -> None:
    name = make(client, size=384, distance=distance)
    vectors = np.random.default_rng(7).standard_normal((20, 384))
    sent = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
    client.upsert(
        name, models.Batch(ids=list(range(20)), vectors=[vector.tolist() for vector in sent]), wait=True
    )
    found = {record.id: record.vector for record in client.scroll(name, limit=50, with_vectors=True)[0]}
    assert np.array_equal(np.asarray([found[number] for number in range(20)], np.float32), sent)


@pytest.mark.parametrize(
    ("distance", "threshold", "expected"),
    [
        (models.Distance.COSINE, 0.7, [(1, 1.0), (2, math.sqrt(0.5))]),
        (models.Distance.DOT, 0.49, [(1, 1.0), (2, 0.5)]),
        (models.Distance.EUCLID, 1.0, [(1, 0.0), (2, math.sqrt(0.5))]),
        (models.Distance.MANHATTAN, 1.01, [(1, 0.0), (2, 1.0)]),
    ],
)
def test_the_nearest_come_first(
    client: QdrantClient, distance: models.Distance, threshold: float, expected: list[tuple[int, float]]
) -> None:
    name = make(client, size=2, distance=distance)
    vectors = {1: [1.0, 0.0], 2: [0.5, 0.5], 3: [0.0, 1.0]}
    client.upsert(name, [models.PointStruct(id=key, vector=vector) for key, vector in vectors.items()])
    assert ids(client.query_points(name, [1.0, 0.0]).points) == [1, 2, 3]
    found = client.query_points(name, [1.0, 0.0], score_threshold=threshold).points
    assert [point.id for point in found] == [number for number, _ in expected]
    assert [point.score for point in found] == pytest.approx([score for _, score in expected], abs=1e-6)


def test_queries_by_point_page_batch_and_order(client: QdrantClient) -> None:
    name = make(client)
    put(client, name, *({"rank": 5 - number} for number in range(5)))
    assert ids(client.query_points(name, 2, limit=2).points) == [3, 1], "its own vector is left out"
    assert ids(client.query_points(name, [1.0, 0, 0, 0], limit=2, offset=2).points) == [2, 3]
    requests = [models.QueryRequest(query=[1.0, 0, 0, 0], limit=limit) for limit in (1, 3)]
    assert [ids(answer.points) for answer in client.query_batch_points(name, requests)] == [[0], [0, 1, 2]]
    assert len(client.query_points(name, limit=3).points) == 3
    client.create_payload_index(name, "rank", models.PayloadSchemaType.INTEGER)
    by_rank = models.OrderByQuery(order_by=models.OrderBy(key="rank", direction=models.Direction.DESC))
    assert ids(client.query_points(name, by_rank).points) == [0, 1, 2, 3, 4]


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        (True, {"a": 1, "b": {"c": 2, "d": 3}}),
        (False, None),
        (["a"], {"a": 1}),
        (models.PayloadSelectorInclude(include=["b.c"]), {"b": {"c": 2}}),
        (models.PayloadSelectorExclude(exclude=["a", "b.d"]), {"b": {"c": 2}}),
    ],
)
def test_the_payload_is_answered_as_asked(client: QdrantClient, asked: Any, expected: Any) -> None:
    name = make(client)
    put(client, name, {"a": 1, "b": {"c": 2, "d": 3}})
    assert client.retrieve(name, [0], with_payload=asked)[0].payload == expected
    assert client.scroll(name, with_payload=asked)[0][0].payload == expected
    assert client.query_points(name, [1.0, 0, 0, 0], with_payload=asked).points[0].payload == expected


def test_scrolling_visits_each_point_once(client: QdrantClient) -> None:
    name = make(client)
    put(client, name, *({"rank": -number} for number in range(25)))
    seen: list[Any] = []
    offset: Any = None
    for _ in range(10):
        records, offset = client.scroll(name, limit=7, offset=offset, with_payload=False)
        seen += ids(records)
        if offset is None:
            break
    assert seen == list(range(25))
    client.create_payload_index(name, "rank", models.PayloadSchemaType.INTEGER)
    assert ids(client.scroll(name, limit=2, order_by="rank")[0]) == [24, 23]


def test_ids_may_be_numbers_and_uuids(node: RunningNode, client: QdrantClient) -> None:
    name = make(client)
    points = [models.PointStruct(id=key, vector=[1.0, 0, 0, 0]) for key in (2**64 - 1, SOME_UUID, 0)]
    client.upsert(name, points)
    assert ids(client.scroll(name)[0]) == [0, 2**64 - 1, SOME_UUID]
    assert ids(client.retrieve(name, [SOME_UUID, 7, 0])) == [SOME_UUID, 0]
    answer = node.http.get(f"/collections/{name}/points/{SOME_UUID}").json()["result"]
    assert answer == {"id": SOME_UUID, "payload": {}, "vector": [1, 0, 0, 0]}


def test_upserts_replace_whole_points(client: QdrantClient) -> None:
    name = make(client)
    put(client, name, {"old": 1}, {"kept": 1})
    client.upsert(name, [models.PointStruct(id=0, vector=[0.0, 0, 0, 1], payload={"new": 2})])
    assert [record.payload for record in client.scroll(name)[0]] == [{"new": 2}, {"kept": 1}]
    only_new = models.UpdateMode.INSERT_ONLY
    client.upsert(name, [models.PointStruct(id=0, vector=[1.0, 0, 0, 0], payload={})], update_mode=only_new)
    assert client.retrieve(name, [0], with_vectors=True)[0].vector == [0, 0, 0, 1]


def test_points_are_deleted_by_id_and_by_filter(client: QdrantClient) -> None:
    name = make(client)
    put(client, name, {"k": "a"}, {"k": "b"}, {"k": "a"}, {"k": "b"})
    client.delete(name, [0, 77], wait=True)
    client.delete(name, models.Filter(must=[match("k", value="b")]), wait=True)
    assert ids(client.scroll(name)[0]) == [2]


def test_payloads_change(client: QdrantClient) -> None:
    name = make(client)
    put(client, name, {"a": 1, "n": {"x": 1}}, {"a": 1})
    client.set_payload(name, {"y": 2}, points=[0], key="n")
    client.set_payload(name, {"b": True}, points=models.Filter(must=[match("a", value=1)]))
    client.delete_payload(name, ["a"], points=[1])
    assert [record.payload for record in client.scroll(name)[0]] == [
        {"a": 1, "b": True, "n": {"x": 1, "y": 2}},
        {"b": True},
    ]
    client.overwrite_payload(name, {"z": 0}, points=[0])
    client.clear_payload(name, [1])
    assert [record.payload for record in client.scroll(name)[0]] == [{"z": 0}, {}]


def test_facets_count_the_values_of_an_indexed_key(client: QdrantClient) -> None:
    name = make(client)
    put(client, name, {"k": "a"}, {"k": "b"}, {"k": "a"})
    client.create_payload_index(name, "k", models.PayloadSchemaType.KEYWORD)
    assert client.get_collection(name).payload_schema["k"].points == 3
    assert [(hit.value, hit.count) for hit in client.facet(name, "k").hits] == [("a", 2), ("b", 1)]
    client.delete_payload_index(name, "k")
    assert client.get_collection(name).payload_schema == {}


# -- filters

VALUES: list[Any] = [True, False, 1, 1.0, 0, "1", "true", [True, 2], None, 5.5, ["x", "y"], 5.0, []]


def match(key: str, **kinds: Any) -> models.FieldCondition:
    """A condition on a payload key: value=, any=, except_= or text=."""
    kind = {"value": models.MatchValue, "any": models.MatchAny, "except_": models.MatchExcept}
    ((name, wanted),) = kinds.items()
    given = {"except": wanted} if name == "except_" else {name: wanted}
    return models.FieldCondition(key=key, match=kind[name](**given))


def field(**given: Any) -> models.FieldCondition:
    return models.FieldCondition(key="metadata.k", **given)


@pytest.fixture(scope="module")
def mixed(node: RunningNode) -> str:
    """A collection whose point n has VALUES[n] at metadata.k."""
    name = make(node.client)
    put(
        node.client,
        name,
        *({"metadata": {"k": value}, "parts": [{"n": n}]} for n, value in enumerate(VALUES)),
    )
    return name


@pytest.mark.parametrize("indexed", [None, "bool", "integer", "keyword"])
@pytest.mark.parametrize(
    ("value", "expected"),
    [(True, [0, 7]), (False, [1]), (1, [2, 3]), (0, [4]), (5, [11]), ("1", [5]), ("true", [6])],
)
def test_booleans_numbers_and_strings_are_kept_apart(
    client: QdrantClient, mixed: str, indexed: str | None, value: Any, expected: list[int]
) -> None:
    if indexed:
        client.create_payload_index(mixed, "metadata.k", models.PayloadSchemaType(indexed))
    try:
        chosen = models.Filter(must=[match("metadata.k", value=value)])
        assert ids(client.scroll(mixed, chosen, limit=50)[0]) == expected
        assert client.count(mixed, models.Filter(must_not=chosen.must)).count == len(VALUES) - len(expected)
        found = client.query_points(mixed, [1.0, 0, 0, 0], query_filter=chosen, limit=50).points
        assert sorted(point.id for point in found) == expected
    finally:
        client.delete_payload_index(mixed, "metadata.k")


@pytest.mark.parametrize(
    ("chosen", "expected"),
    [
        ({}, list(range(len(VALUES)))),
        ({"must": [match("metadata.k", any=["x", "true"])]}, [6, 10]),
        ({"must": [match("metadata.k", any=[1, 5])]}, [2, 3, 11]),
        ({"must": [match("metadata.k", any=[])]}, []),
        ({"must": [match("metadata.k", except_=["1", "true", "x"])]}, [0, 1, 2, 3, 4, 7, 9, 10, 11]),
        ({"must": [field(range=models.Range(gt=1, lte=5.5))]}, [7, 9, 11]),
        ({"should": [match("metadata.k", value="x"), field(range=models.Range(gte=5.5))]}, [9, 10]),
        ({"must": models.HasIdCondition(has_id=[3, 99])}, [3]),
        ({"must_not": [models.HasIdCondition(has_id=list(range(3, 99)))]}, [0, 1, 2]),
        ({"must": [models.IsEmptyCondition(is_empty=models.PayloadField(key="metadata.k"))]}, [8, 12]),
        ({"must": [models.IsNullCondition(is_null=models.PayloadField(key="metadata.k"))]}, [8]),
        ({"must": [field(is_null=True)]}, [8]),
        ({"must": [field(values_count=models.ValuesCount(gte=2))]}, [7, 10]),
        ({"must": [models.Filter(should=[match("metadata.k", value=True)])], "must_not": [
            models.HasIdCondition(has_id=[7])]}, [0]),
        ({"must": [models.NestedCondition(nested=models.Nested(
            key="parts", filter=models.Filter(must=[match("n", value=4)])))]}, [4]),
        ({"min_should": models.MinShould(
            conditions=[match("metadata.k", value="x"), match("metadata.k", value="y")], min_count=2)}, [10]),
    ],
)  # fmt: skip
def test_filters_choose(
    client: QdrantClient, mixed: str, chosen: dict[str, Any], expected: list[int]
) -> None:
    assert ids(client.scroll(mixed, models.Filter(**chosen), limit=50)[0]) == expected
    assert client.count(mixed, models.Filter(**chosen)).count == len(expected)


def test_dates_have_ranges(client: QdrantClient) -> None:
    name = make(client)
    put(client, name, {"at": "2024-01-01T00:00:00Z"}, {"at": "2025-06-01T12:00:00Z"})
    later = models.DatetimeRange(gt="2024-12-31T00:00:00Z")  # type: ignore[arg-type]  # pydantic reads the text
    condition = models.FieldCondition(key="at", range=later)
    assert ids(client.scroll(name, models.Filter(must=[condition]))[0]) == [1]


# -- errors


def point(**changes: Any) -> dict[str, Any]:
    return {"points": [{"id": 1, "vector": [1, 0, 0, 0], "payload": {}} | changes]}


def deep(levels: int, core: Any = 1) -> Any:
    for _ in range(levels):
        core = {"a": core}
    return core


NEW = {"vectors": {"size": 4, "distance": "Dot"}}
ONE = [1, 0, 0, 0]
QUERY, SCROLL, PAYLOAD = "{c}/points/query", "{c}/points/scroll", "{c}/points/payload"
DIMENSION = "Wrong input: Vector dimension error: expected dim: 4, got "
VECTOR_NAME = "Wrong input: Not existing vector name error: zz"
BAD_PATH = "Validation error in path parameters: ["
NO_POINT = "Not found: No point with id 777 found"
BAD_JSON = "Format error in JSON body: "
LIMITS = "Validation error in JSON body: ["
ERRORS: list[tuple[str, str, Any, int, str]] = [
    ("GET", "/collections/none", None, 404, "Not found: Collection `none` doesn't exist!"),
    ("POST", "/collections/none/points/scroll", {}, 404, "Not found: Collection `none` doesn't exist!"),
    ("POST", "/collections/none/points/scroll", {"limit": 0}, 422, LIMITS + "limit: value 0 invalid"),
    ("PUT", "{c}", NEW, 409, "Wrong input: Collection `{n}` already"),
    ("PUT", "{c}", {"vectors": {"size": 0, "distance": "Dot"}}, 422, LIMITS + "vectors.size: value 0"),
    ("PUT", "{c}x", {"vectors": {"size": 65537, "distance": "Dot"}}, 422, LIMITS + "vectors.size"),
    ("PUT", "{c}x", {"vectors": {"size": 4, "distance": "Far"}}, 400, BAD_JSON + "unknown variant `Far`"),
    ("PUT", "{c}x", {"vectors": {"a": {"size": 4, "distance": "Dot"}}}, 501, "Not implemented: "),
    ("PUT", "/collections/" + "x" * 256, NEW, 422, BAD_PATH),
    ("PUT", "/collections/a%2Fb", NEW, 422, BAD_PATH),
    ("PUT", "{c}x?timeout=0", NEW, 422, "Validation error in query"),
    ("GET", "{c}/points/77", None, 404, "Not found: Point with id 77 does not exists!"),
    ("GET", "{c}/points/abc", None, 400, 'Wrong input: Can not recognize "abc" as point id'),
    ("PUT", "{c}/points", point(vector=[1, 0, 0]), 400, DIMENSION + "3"),
    ("PUT", "{c}/points?wait=false", point(vector=[1]), 400, "Wrong input: Vector dimension error"),
    ("PUT", "{c}/points?wait=maybe", point(), 400, "Format error in query parameters"),
    ("PUT", "{c}/points", point(vector=[]), 422, LIMITS + "vector"),
    ("PUT", "{c}/points", point(vector={"zz": [1, 0, 0, 0]}), 400, VECTOR_NAME),
    ("PUT", "{c}/points", point(vector=[1, 0, 0, None]), 400, BAD_JSON),
    ("PUT", "{c}/points", point(vector=[1, 0, 0, "1"]), 400, BAD_JSON),
    ("PUT", "{c}/points", point(vector=[1, 0, 0, True]), 400, BAD_JSON),
    ("PUT", "{c}/points", point(vector=[1e39, 0, 0, 0]), 400, BAD_JSON),
    ("PUT", "{c}/points", b'{"points": [{"id": 1, "vector": [NaN, 0, 0, 0]}]}', 400, BAD_JSON),
    ("PUT", "{c}/points", b"{", 400, BAD_JSON),
    ("PUT", "{c}/points", {}, 400, BAD_JSON),
    ("PUT", "{c}/points", {"points": [{"id": 1}]}, 400, BAD_JSON + "missing field `vector`"),
    ("PUT", "{c}/points", point(id="abc"), 400, BAD_JSON + "value 'abc' is not a valid point ID"),
    ("PUT", "{c}/points", point(id=-1), 400, BAD_JSON),
    ("PUT", "{c}/points", point(id=True), 400, BAD_JSON),
    ("PUT", "{c}/points", point(id=1.0), 400, BAD_JSON),
    ("PUT", "{c}/points", point(payload=[1]), 400, BAD_JSON),
    ("PUT", "{c}/points", point(payload=deep(65)), 400, BAD_JSON + "payload: recursion limit exceeded"),
    ("POST", PAYLOAD, {"payload": {"a": 1}, "points": [777]}, 404, NO_POINT),
    ("POST", PAYLOAD, {"payload": {}}, 400, BAD_JSON + "Either list of point ids or filter"),
    ("POST", PAYLOAD, {"payload": {"a": 1}, "points": [], "key": "a[b"}, 400, BAD_JSON),
    ("POST", PAYLOAD, {"payload": {}, "points": [], "key": ".".join("a" * 40)}, 400, BAD_JSON),
    ("POST", QUERY, {"query": [1, 0]}, 400, DIMENSION + "2"),
    ("POST", QUERY, {"query": [1e39, 0, 0, 0]}, 400, BAD_JSON),
    ("POST", QUERY, {"query": 777}, 404, NO_POINT),
    ("POST", QUERY, {"query": ONE, "limit": 0}, 422, LIMITS + "internal.limit: value 0 invalid"),
    ("POST", QUERY, {"query": ONE, "using": "zz"}, 400, VECTOR_NAME),
    ("POST", QUERY, {"query": {"fusion": "rrf"}}, 501, "Not implemented: "),
    ("POST", QUERY, {"score_threshold": 0.5}, 400, "Bad request: A query is needed"),
    ("POST", QUERY, {"params": {"hnsw_ef": 0}}, 422, LIMITS),
    ("POST", SCROLL, {"order_by": "k"}, 400, "Wrong input: No range index for"),
    ("POST", SCROLL, {"order_by": "k", "offset": 3}, 400, "Wrong input: Cannot use an `offset`"),
    ("POST", SCROLL, {"with_vector": ["zz"]}, 400, VECTOR_NAME),
    ("POST", SCROLL, {"filter": {"any": []}}, 400, BAD_JSON + "unknown field `any`"),
    ("POST", SCROLL, {"filter": {"must": [{"key": "k"}]}}, 400, BAD_JSON),
    ("POST", SCROLL, {"filter": {"must": [{}]}}, 400, BAD_JSON),
    ("POST", SCROLL, {"filter": {"must": {"key": "k", "match": {"value": 1.5}}}}, 400, BAD_JSON),
    ("POST", SCROLL, {"filter": {"must": {"key": "k", "match": {"any": [True]}}}}, 400, BAD_JSON),
    ("POST", SCROLL, {"filter": {"must": {"key": "k[", "match": {"value": 1}}}}, 400, BAD_JSON),
    ("POST", SCROLL, {"filter": {"must": {"key": "k", "range": {"gt": "x"}}}}, 400, BAD_JSON),
    ("POST", SCROLL, {"filter": {"must": {"has_id": ["abc"]}}}, 400, BAD_JSON),
    ("POST", "{c}/facet", {"key": "k"}, 400, "Wrong input: No appropriate index for faceting"),
    ("PUT", "{c}/index", {"field_name": "k", "field_schema": "colour"}, 400, BAD_JSON + "unknown"),
]  # fmt: skip


@pytest.mark.parametrize(("method", "path", "body", "status", "message"), ERRORS)
def test_errors_are_those_of_qdrant(
    node: RunningNode, mixed: str, method: str, path: str, body: Any, status: int, message: str
) -> None:
    content = body if isinstance(body, bytes) else json.dumps(body)
    answer = node.http.request(method, path.replace("{c}", f"/collections/{mixed}"), content=content)
    assert answer.status_code == status, answer.text
    assert answer.json()["status"]["error"].startswith(message.replace("{n}", mixed))
    assert node.client.count(mixed).count == len(VALUES), "a refused request changes nothing"


@pytest.mark.parametrize(
    "path", ["/nothing", "/collections/x/snapshots", "/collections/x/points/payload/lose"]
)
def test_unknown_routes_are_404_without_a_body(node: RunningNode, path: str) -> None:
    answer = node.http.post(path, json={})
    assert (answer.status_code, answer.content) == (404, b"")


def test_bodies_have_a_limit(node: RunningNode, mixed: str) -> None:
    answer = node.http.put(f"/collections/{mixed}/points", content=b" " * (32 * 1024 * 1024 + 1))
    assert answer.status_code == 413


def test_the_asynchronous_client_works(node: RunningNode) -> None:
    async def journey() -> None:
        client = AsyncQdrantClient(url=node.url, timeout=10, trust_env=False)
        name = f"c{next(NUMBERS)}"
        await client.create_collection(name, models.VectorParams(size=2, distance=models.Distance.COSINE))
        points = [models.PointStruct(id=n, vector=[1.0, n], payload={"even": n % 2 == 0}) for n in range(50)]
        await asyncio.gather(*(client.upsert(name, [each], wait=True) for each in points))
        even = models.Filter(must=[match("even", value=True)])
        assert (await client.count(name, even)).count == 25
        found = await client.query_points(name, [1.0, 0.0], query_filter=even, limit=3)
        assert ids(found.points) == [0, 2, 4]
        await client.delete(name, even, wait=True)
        assert len((await client.scroll(name, limit=50))[0]) == 25
        await client.delete_collection(name)
        await client.close()

    asyncio.run(journey())


# -- the key


def test_a_key_is_required_when_there_is_one() -> None:
    with running_node("--api-key", KEY) as node:
        for headers, text in (
            ({}, "Must provide an API key or an Authorization bearer token"),
            ({"api-key": "wrong"}, "Invalid API key or JWT"),
            ({"Authorization": "Bearer wrong"}, "Invalid API key or JWT"),
        ):
            answer = node.http.get("/collections", headers=headers)
            assert (answer.status_code, answer.text) == (401, text)
        for headers in ({"api-key": KEY}, {"Authorization": f"Bearer {KEY}"}):
            assert node.http.get("/collections", headers=headers).status_code == 200
        assert [node.http.get(path).status_code for path in ("/", "/livez", "/metrics")] == [200, 200, 401]
        with pytest.raises(UnexpectedResponse, match="401"):
            node.client.get_collections()
        assert KEY not in node.log.read_text()


# -- crashes, restarts and broken files


def test_an_orderly_restart_keeps_everything(own_node: RunningNode) -> None:
    name = make(own_node.client)
    put(own_node.client, name, {"k": 1}, {"k": 2})
    own_node.client.create_payload_index(name, "k", models.PayloadSchemaType.INTEGER)
    leftover = own_node.data / "collections" / "left-over-of-a-crash"
    leftover.mkdir()
    before, shown = own_node.state(name), own_node.client.get_collection(name)
    own_node.restart(signal.SIGTERM)
    assert (own_node.state(name), own_node.client.get_collection(name)) == (before, shown)
    assert not leftover.exists()


def test_refused_operations_leave_no_trace_in_a_crash(own_node: RunningNode) -> None:
    client = own_node.client
    name = make(client)
    put(client, name, {"k": 0}, {"k": 1}, {"k": 2})
    mixed_sizes = [
        models.PointStruct(id=key, vector=[1.0] * size) for key, size in ((10, 4), (11, 3), (12, 4))
    ]
    elsewhere = [models.PointStruct(id=13, vector={"zz": [1.0, 0, 0, 0]})]
    nested = models.Filter(must=[match("k", value=1)])
    for _ in range(40):
        nested = models.Filter(must=[models.NestedCondition(nested=models.Nested(key="x", filter=nested))])
    refused: list[Callable[[], Any]] = [
        lambda: client.upsert(name, mixed_sizes, wait=True),
        lambda: client.upsert(name, elsewhere, wait=True),
        lambda: client.upsert(name, [models.PointStruct(id=14, vector=[1e39, 0, 0, 0])], wait=True),
        lambda: client.upsert(name, [models.PointStruct(id=15, vector=[1.0, 0, 0, 0], payload=deep(200))]),
        lambda: client.set_payload(name, {"x": 1}, points=[1, 777, 2]),
        lambda: client.overwrite_payload(name, {"x": 1}, points=[1, 777]),
        lambda: client.delete_payload(name, ["k"], points=[1, 777]),
        lambda: client.clear_payload(name, [1, 777]),
        lambda: client.delete(name, nested),
    ]
    before = own_node.state(name)
    for operation in refused:
        with pytest.raises(UnexpectedResponse):
            operation()
    assert own_node.state(name) == before
    own_node.restart()
    assert own_node.state(name) == before
    client.upsert(name, [models.PointStruct(id=3, vector=[1.0, 0, 0, 0], payload=deep(64))], wait=True)
    own_node.restart()
    assert own_node.client.count(name).count == 4, "the deepest payload allowed is read back"


def test_a_kill_loses_no_acknowledged_write(own_node: RunningNode) -> None:
    client = own_node.client
    name = make(client)
    acknowledged: list[int] = []
    timer = threading.Timer(0.4, own_node.end, [signal.SIGKILL])
    timer.start()
    with pytest.raises(ApiException):
        for number in range(100_000):
            vector = [1.0, number / 1000, 0.0, 0.0]
            client.upsert(name, [models.PointStruct(id=number, vector=vector, payload={"n": number})])
            acknowledged.append(number)
    timer.join()
    own_node.start()
    found = {record.id: record.payload for record in own_node.state(name)}
    assert len(acknowledged) > 20
    assert {number: found.get(number) for number in acknowledged} == {n: {"n": n} for n in acknowledged}
    assert set(found) - set(acknowledged) <= {len(acknowledged)}, "only the write in flight is open"


def test_a_broken_collection_is_set_aside(own_node: RunningNode) -> None:
    broken, sound = make(own_node.client), make(own_node.client)
    put(own_node.client, sound, {})
    own_node.end(signal.SIGTERM)
    listed = json.loads((own_node.data / "meta.json").read_bytes())["collections"]
    (own_node.data / "collections" / listed[broken]["directory"] / "edge_config.json").write_text("{")
    own_node.start()
    for path in ("points/count", "points/scroll"):
        answer = own_node.http.post(f"/collections/{broken}/{path}", json={})
        assert answer.status_code == 500
        assert answer.json()["status"]["error"].startswith("Service internal error: ")
    assert own_node.client.count(sound).count == 1
    assert own_node.http.get("/telemetry").json()["result"]["collections"]["unloadable"] == [broken]
    assert "collection cannot be loaded" in [event["event"] for event in own_node.events]
    assert own_node.client.delete_collection(broken)
    assert not own_node.client.collection_exists(broken)


def test_a_taken_port_stops_the_start(node: RunningNode, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "support.stack.qdrant_node", "--data", str(tmp_path), "--port"]
    ended = subprocess.run([*command, str(node.port)], cwd=ROOT, capture_output=True, timeout=10, check=False)
    event = json.loads(ended.stdout)
    assert (ended.returncode, event["event"]) == (1, "cannot start")
    assert f"127.0.0.1:{node.port}" in event["error"]


def test_a_second_node_is_refused(own_node: RunningNode) -> None:
    name = make(own_node.client)
    command = [sys.executable, "-m", "support.stack.qdrant_node", "--data", str(own_node.data), "--port"]
    second = [*command, str(free_ports(1)[0])]
    ended = subprocess.run(second, cwd=ROOT, capture_output=True, timeout=10, check=False)
    assert ended.returncode == 1
    assert "another process uses" in json.loads(ended.stdout)["error"]
    put(own_node.client, name, {})
    own_node.restart()
    assert own_node.client.count(name).count == 1


def test_an_unreadable_list_of_collections_stops_the_start(own_node: RunningNode) -> None:
    name = make(own_node.client)
    own_node.end(signal.SIGTERM)
    meta = own_node.data / "meta.json"
    kept = meta.read_bytes()
    meta.write_bytes(b"{")
    assert own_node.spawn().wait(10) == 1
    assert own_node.events[-1]["event"] == "cannot start"
    meta.write_bytes(kept)
    own_node.start()
    assert own_node.client.count(name).count == 0, "nothing was removed meanwhile"
