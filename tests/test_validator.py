"""The contract as code: it finds operations, takes what keeps the contract and names what breaks it."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

import pytest

from support.contract.coverage import Coverage
from support.contract.validator import Contract

CONTRACT = Contract.load()
REQUEST_ID = "req-1"
GENERATE = "/api/v1/embeddings/generate"
COLLECTION = "/api/v1/collections/handbook"
PROBLEM = "application/problem+json; charset=utf-8"
CACHE_INFO = {"cache_hit": False, "status": "miss", "cache_key": "citadel:v1:emb:abc", "ttl_set": 3600}


def embedding(**members: Any) -> dict[str, Any]:
    return {
        "embedding": [0.6, 0.8],
        "model": "all-MiniLM-L6-v2",
        "dimensions": 2,
        "normalized": True,
        "truncated": False,
        "processing_time_ms": 1.5,
        "gateway_latency_ms": 2,
        "cache_info": CACHE_INFO,
        **members,
    }


def answered(body: Any, status: int = 200, path: str = GENERATE, **headers: str | None) -> list[str]:
    """What the contract says to an answer; headers are named with underscores, None leaves one out."""
    given = {
        "X-Request-ID": REQUEST_ID,
        "Content-Type": "application/json",
        "Server-Timing": "gateway;dur=1.0, total;dur=2.0",
        "X-Cache": "MISS",
        **{name.replace("_", "-"): value for name, value in headers.items()},
    }
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    kept = {name: value for name, value in given.items() if value is not None}
    return CONTRACT.check("POST" if path == GENERATE else "GET", path, status, kept, content)


def problem(status: int, code: str) -> dict[str, Any]:
    return {
        "type": f"urn:citadel:problem:{code}",
        "title": "Told to the caller",
        "status": status,
        "code": code,
        "request_id": REQUEST_ID,
        "retryable": status in (429, 503, 504),
    }


def refused(status: int, code: str, path: str = COLLECTION, **members: Any) -> list[str]:
    body = problem(status, code) | members
    return answered(body, status, path, Content_Type=PROBLEM)


# --- operations


@pytest.mark.parametrize(
    ("method", "path", "operation"),
    [
        ("GET", "/api/v1/collections", "listCollections"),
        ("get", "/api/v1/collections/handbook", "getCollection"),
        ("GET", "/api/v1/vectors/handbook/a.b:c-1", "getVector"),
        ("POST", "/api/v1/vectors/search", "searchVectors"),
        ("DELETE", "/api/v1/collections", None),
        ("GET", "/api/v1/collections/handbook/", None),
        ("GET", "/api/v2/collections", None),
    ],
)
def test_a_request_finds_its_operation(method: str, path: str, operation: str | None) -> None:
    found = CONTRACT.operation(method, path)
    assert (found.id if found else None) == operation


def test_operations_know_what_they_need() -> None:
    assert CONTRACT.by_id("getHealth").open
    assert CONTRACT.by_id("createCollection").role == "user"
    assert CONTRACT.by_id("invalidateCache").role == "admin"
    assert CONTRACT.by_id("getReadiness").timeout_s == 5.0
    assert len({operation.id for operation in CONTRACT.operations()}) == len(CONTRACT.operations())
    with pytest.raises(KeyError):
        CONTRACT.by_id("makeCoffee")


# --- answers


def test_an_answer_that_keeps_the_contract_is_not_complained_about() -> None:
    assert answered(embedding()) == []
    assert answered({"status": "alive"}, path="/health/live", X_Cache=None, Server_Timing=None) == []


@pytest.mark.parametrize(
    ("complaint", "told"),
    [
        (lambda: answered(embedding(dimensions="2")), "the body at /dimensions"),
        (lambda: answered(embedding(embedding=[])), "the body at /embedding"),
        (lambda: answered(embedding(embedding=[0.1, "x"])), "the body at /embedding/1"),
        (lambda: answered(embedding(embedding=[0.1, True])), "the body at /embedding/1"),
        (lambda: answered(embedding(embedding=[0.1, 1e7])), "the body at /embedding/1"),
        (lambda: answered({"model": "x"}), "the body at /: 'embedding' is a required property"),
        (lambda: answered(embedding(embedding=[float("nan")])), "the body is not JSON: it holds NaN"),
        (lambda: answered(b"{"), "the body is not JSON"),
        (lambda: answered(embedding(), X_Request_ID=None), "the header X-Request-ID is missing"),
        (lambda: answered(embedding(), Server_Timing=None), "the header Server-Timing is missing"),
        (lambda: answered(embedding(), Server_Timing="none"), "the header Server-Timing"),
        (lambda: answered(embedding(), X_Cache="HIT"), "X-Cache is HIT, but cache_info says miss"),
        (lambda: answered(embedding(), Content_Type="text/html"), "the content type is text/html"),
        (lambda: answered(embedding(), status=202), "generateEmbedding does not document status 202"),
        (lambda: answered({}, path="/no/such/path"), "/no/such/path does not document status 200"),
    ],
)
def test_what_breaks_the_contract_is_named(complaint: Callable[[], list[str]], told: str) -> None:
    assert any(each.startswith(told) for each in complaint()), complaint()


def test_a_timestamp_has_a_date_a_time_and_an_offset() -> None:
    for moment, right in (("2026-01-02T03:04:05.678Z", True), ("2026-01-02 03:04", False)):
        info = {**CACHE_INFO, "cached_at": moment}
        assert (answered(embedding(cache_info=info)) == []) is right


def test_headers_are_read_whatever_their_case() -> None:
    given = {"x-request-id": REQUEST_ID, "CONTENT-TYPE": "application/json"}
    assert CONTRACT.check("GET", "/health/live", 200, given, b'{"status": "alive"}') == []


def test_a_long_vector_is_judged_quickly() -> None:
    body = embedding(embedding=[0.001] * 4096, dimensions=4096)
    answered(body)
    started = time.perf_counter()
    assert answered(body) == []
    assert time.perf_counter() - started < 0.2


# --- problems


def test_a_well_made_problem_is_not_complained_about() -> None:
    assert refused(404, "collection-not-found") == []


@pytest.mark.parametrize(("status", "code"), [(405, "method-not-allowed"), (404, "route-not-found")])
def test_an_unknown_door_may_be_refused_anywhere(status: int, code: str) -> None:
    assert refused(status, code, path="/no/such/path") == []


@pytest.mark.parametrize(
    ("complaint", "told"),
    [
        (lambda: refused(404, "no-such-code"), "the body at /code"),
        (
            lambda: answered(problem(410, "x"), 404, COLLECTION, Content_Type=PROBLEM),
            "the problem says status 410",
        ),
        (lambda: refused(404, "collection-not-found", type="about:blank"), "the problem's type about:blank"),
        (lambda: refused(404, "collection-not-found", request_id="x"), "the problem's request_id"),
        (lambda: refused(404, "collection-not-found", retryable=True), "status 404 is said to be retryable"),
        (
            lambda: refused(504, "dependency-timeout", retryable=False),
            "status 504 is not said to be retryable",
        ),
        (lambda: refused(503, "dependency-unavailable"), "status 503 without Retry-After"),
        (lambda: refused(409, "job-finished"), "getCollection does not document status 409"),
        (lambda: answered({}, 404, COLLECTION), "an error with content type application/json"),
    ],
)
def test_a_badly_made_problem_is_named(complaint: Callable[[], list[str]], told: str) -> None:
    assert any(each.startswith(told) for each in complaint()), complaint()


# --- coverage


def test_documented_are_all_pairs_but_500() -> None:
    documented = Coverage(CONTRACT).documented
    assert ("getHealth", 200) in documented
    assert not [pair for pair in documented if pair[1] == 500]
    assert len(documented) == sum(len(each.statuses - {500}) for each in CONTRACT.operations())


def test_coverage_counts_documented_pairs_once() -> None:
    coverage = Coverage(CONTRACT)
    assert (coverage.percent(), coverage.observed) == (0.0, set())
    for operation, status in (
        ("getHealth", 200),
        ("getHealth", 200),
        ("getHealth", 418),
        ("getStatus", 500),
        ("getReadiness", 503),
    ):
        coverage.observe(operation, status)
    assert coverage.observed == {("getHealth", 200), ("getReadiness", 503)}
    assert coverage.seen["getHealth", 200] == 2
    assert coverage.percent() == pytest.approx(100.0 * 2 / len(coverage.documented))
    assert ("getHealth", 200) not in coverage.missing()
    assert len(coverage.missing()) == len(coverage.documented) - 2
    assert coverage.missing() == sorted(coverage.missing())


def test_what_workers_have_seen_adds_up() -> None:
    one, other = Coverage(CONTRACT), Coverage(CONTRACT)
    one.observe("getHealth", 200)
    other.observe("getHealth", 200)
    other.observe("getReadiness", 503)
    one.merge(other)
    assert one.seen == {("getHealth", 200): 2, ("getReadiness", 503): 1}
