"""Counters, gauges and histograms on a page in Prometheus' text format."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from math import isnan, nan

from prometheus_client import (
    CONTENT_TYPE_PLAIN_0_0_4,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    Metric,
    disable_created_metrics,
    generate_latest,
)

CONTENT_TYPE = CONTENT_TYPE_PLAIN_0_0_4
_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)

disable_created_metrics()  # type: ignore[no-untyped-call]


class _Measured(Gauge):
    """A gauge that is not on the page before it was first measured."""

    def collect(self) -> Iterable[Metric]:
        return [found for found in super().collect() if not isnan(found.samples[0].value)]


class Metrics:
    """All series of the gateway, under the names of the contract."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        counter = partial(Counter, registry=self._registry)
        gauge = partial(Gauge, registry=self._registry)
        measured = partial(_Measured, registry=self._registry)
        histogram = partial(Histogram, registry=self._registry, buckets=_SECONDS)

        self.requests = counter("gateway_requests_total", "Answers", ("method", "endpoint", "status"))
        self.request_seconds = histogram(
            "gateway_request_duration_seconds", "Time to answer", ("method", "endpoint")
        )
        self.cache_requests = counter("cache_requests_total", "Cache calls", ("operation", "result"))
        self.cache_hit_rate = gauge("cache_hit_rate", "Percent of hits among hits and misses")
        self.cache_lookup_seconds = histogram("cache_lookup_duration_seconds", "Time of a cache look-up")
        self.cache_memory = measured("cache_memory_usage_bytes", "Memory in use by the cache server")
        self.vector_operations = counter(
            "vector_operations_total", "Operations on vectors", ("operation", "collection", "status")
        )
        self.vector_seconds = histogram(
            "vector_operation_duration_seconds", "Time of an operation on vectors", ("operation",)
        )
        self.external_requests = counter(
            "external_model_requests_total", "Provider attempts", ("model", "status")
        )
        self.external_seconds = histogram(
            "external_model_latency_seconds", "Time of a provider attempt", ("model",)
        )
        self.dependency_up = gauge("dependency_up", "1 when usable", ("service",))
        self.breaker_state = gauge("circuit_breaker_state", "0 closed, 1 half-open, 2 open", ("provider",))
        self.open_events = measured("outbox_open_events", "Open events of the outbox")
        self.jobs = gauge("jobs", "Batch jobs by state", ("status",))
        self.cache_memory.set(nan)
        self.open_events.set(nan)

    def exposition(self) -> str:
        """The whole page."""
        return generate_latest(self._registry).decode()
