"""Counters, gauges and histograms in Prometheus' text format (exposition format 0.0.4)."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)

Labels = tuple[str, ...]


def _text(labels: Labels, values: Labels, extra: str = "") -> str:
    pairs = [f'{name}="{_escaped(value)}"' for name, value in zip(labels, values, strict=True)]
    if extra:
        pairs.append(extra)
    return "{" + ",".join(pairs) + "}" if pairs else ""


def _escaped(value: str) -> str:
    return value.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")


class Series:
    """A counter (`add`) or a gauge (`put`) with labels."""

    def __init__(self, kind: str, name: str, meaning: str, labels: Labels = ()) -> None:
        self.kind, self.name, self.meaning, self.labels = kind, name, meaning, labels
        self.values: dict[Labels, float] = {}

    def add(self, *labels: str, by: float = 1) -> None:
        """Count upwards."""
        self.values[labels] = self.values.get(labels, 0) + by

    def put(self, *labels: str, value: float) -> None:
        """Set a gauge."""
        self.values[labels] = value

    def lines(self) -> Iterator[str]:
        """The samples."""
        for labels, value in sorted(self.values.items()):
            yield f"{self.name}{_text(self.labels, labels)} {value:g}"


class Histogram:
    """Observed seconds in fixed buckets."""

    kind = "histogram"

    def __init__(self, name: str, meaning: str, labels: Labels = ()) -> None:
        self.name, self.meaning, self.labels = name, meaning, labels
        self.values: dict[Labels, tuple[list[int], float]] = {}

    def observe(self, *labels: str, seconds: float) -> None:
        """Note one duration."""
        counts, total = self.values.get(labels, ([0] * (len(_SECONDS) + 1), 0.0))
        counts[bisect_left(_SECONDS, seconds)] += 1
        self.values[labels] = (counts, total + seconds)

    def lines(self) -> Iterator[str]:
        """Cumulative buckets, sum and count."""
        for labels, (counts, total) in sorted(self.values.items()):
            reached = 0
            for bound, count in zip((*map(str, _SECONDS), "+Inf"), counts, strict=True):
                reached += count
                bucket = _text(self.labels, labels, f'le="{bound}"')
                yield f"{self.name}_bucket{bucket} {reached}"
            yield f"{self.name}_sum{_text(self.labels, labels)} {total:.6f}"
            yield f"{self.name}_count{_text(self.labels, labels)} {reached}"


class Metrics:
    """All series of the gateway, under the names of the contract."""

    def __init__(self) -> None:
        self.requests = Series(
            "counter", "gateway_requests_total", "Answers", ("method", "endpoint", "status")
        )
        self.request_seconds = Histogram(
            "gateway_request_duration_seconds", "Time to answer", ("method", "endpoint")
        )
        self.cache_requests = Series(
            "counter", "cache_requests_total", "Cache calls", ("operation", "result")
        )
        self.cache_hit_rate = Series("gauge", "cache_hit_rate", "Percent of hits among hits and misses")
        self.cache_lookup_seconds = Histogram("cache_lookup_duration_seconds", "Time of a cache look-up")
        self.cache_memory = Series("gauge", "cache_memory_usage_bytes", "Memory in use by the cache server")
        self.vector_operations = Series(
            "counter",
            "vector_operations_total",
            "Operations on vectors",
            ("operation", "collection", "status"),
        )
        self.vector_seconds = Histogram(
            "vector_operation_duration_seconds", "Time of an operation on vectors", ("operation",)
        )
        self.external_requests = Series(
            "counter", "external_model_requests_total", "Provider attempts", ("model", "status")
        )
        self.external_seconds = Histogram(
            "external_model_latency_seconds", "Time of a provider attempt", ("model",)
        )
        self.dependency_up = Series("gauge", "dependency_up", "1 when usable", ("service",))
        self.breaker_state = Series(
            "gauge", "circuit_breaker_state", "0 closed, 1 half-open, 2 open", ("provider",)
        )
        self.open_events = Series("gauge", "outbox_open_events", "Open events of the outbox")
        self.jobs = Series("gauge", "jobs", "Batch jobs by state", ("status",))

    def exposition(self) -> str:
        """The whole page."""
        lines: list[str] = []
        for series in vars(self).values():
            lines += [f"# HELP {series.name} {series.meaning}.", f"# TYPE {series.name} {series.kind}"]
            lines += series.lines()
        return "\n".join(lines) + "\n"
