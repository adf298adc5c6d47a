"""What happens between the services: ids that travel, time that is spent, counters that grow."""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import TypeVar

from hamcrest import assert_that

from support.drivers.gateway import Answer
from support.lifecycle import diagnosis
from support.matchers.answers import succeeded
from support.vocabulary import collections, documents, outages, platform, searches
from support.vocabulary.providers import witness
from support.waiting import NotYet, eventually
from support.world import World

STORES = ("qdrant", "postgresql")
# The log is written a moment after the answer.
LOGGED_WITHIN_S = 3.0
COUNTED_WITHIN_S = 3.0
# Each of a handful of figures is rounded to a thousandth.
ROUNDING_MS = 0.1
METRICS = "getMetrics"
# What the contract promises to measure; a histogram is known by the number of its observations.
MEASURES = (
    "gateway_requests_total",
    "gateway_request_duration_seconds_count",
    "cache_requests_total",
    "cache_hit_rate",
    "cache_lookup_duration_seconds_count",
    "cache_memory_usage_bytes",
    "vector_operations_total",
    "vector_operation_duration_seconds_count",
    "external_model_requests_total",
    "external_model_latency_seconds_count",
    "dependency_up",
    "circuit_breaker_state",
    "outbox_open_events",
    "jobs",
)

T = TypeVar("T")
Figures = dict[tuple[str, frozenset[tuple[str, str]]], float]


def services_naming(
    world: World, request_id: str, services: Sequence[str], since: diagnosis.Marks
) -> list[str]:
    """Which of these services have logged the request id, once all have or the wait is over."""

    def look() -> list[str]:
        logs = {name: world.citadel.services[name].log_since(since.logs.get(name, 0)) for name in services}
        return [name for name, log in logs.items() if request_id in log]

    return eventually(
        look,
        lambda named: len(named) == len(services),
        within=LOGGED_WITHIN_S,
        what=f"{', '.join(services)} have logged {request_id}",
    )


def work_without_cache(world: World, title: str, times: int) -> None:
    """Search and read a document so often without the cache; the answers are kept."""
    world.answers = []
    for _ in range(times):
        world.answers.append(searches.ask(world, "what was said at the meeting", use_cache=False))
        world.answers.append(documents.read(world, title, with_vector=True))


def typical_ms(answers: Sequence[Answer]) -> dict[str, float]:
    """Median milliseconds spent in each store, over the answers that used it."""
    spent = {name: [answer.hops_ms[name] for answer in answers if name in answer.hops_ms] for name in STORES}
    return {name: statistics.median(values) if values else float("inf") for name, values in spent.items()}


def work_counted(world: World) -> dict[str, float]:
    """The gateway's own counters of stored documents and of searches in the scenario's collection."""
    name = world.names.collection(world.collection)
    return {
        operation: platform.counter(world, "vector_operations_total", operation=operation, collection=name)
        for operation in ("insert", "search")
    }


def store_and_search(world: World, stored: int, searched: int) -> None:
    """Store documents one by one and make different searches."""
    for number in range(stored):
        documents.have(world, f"counted {number}", f"Counted document number {number}.")
    for number in range(searched):
        searches.ask(world, f"counted search number {number}")


def counters_grown_to(world: World, expected: dict[str, float]) -> dict[str, float]:
    """The counters once they show ``expected``, or what they show in the end."""
    return eventually(
        lambda: work_counted(world),
        lambda counted: counted == expected,
        within=COUNTED_WITHIN_S,
        what="the gateway's counters tell what was done",
    )


def search_with_delay(world: World, question: str, service: str, ms: int) -> None:
    """One search, computed, while each answer of ``service`` comes ``ms`` later."""
    world.evidence["delay"] = ms
    outages.strike(world, service, "slow", ms=ms)
    world.answer = searches.ask(world, question, use_cache=False)
    outages.lift(world)


def spent_ms(answer: Answer) -> dict[str, float]:
    """Milliseconds of an answer by hop, the gateway's own included, without the total."""
    assert_that(answer, succeeded())
    return {name: ms for name, ms in answer.hops_ms.items() if name != "total"}


def unaccounted_ms(answer: Answer) -> float:
    """Milliseconds of the total that are neither the gateway's own nor spent in a service."""
    return answer.hops_ms["total"] - sum(spent_ms(answer).values())


def search_by_text_and_by_vector(world: World) -> list[Answer]:
    """By a text that nobody has embedded, and by a vector."""
    return [
        searches.ask(world, f"What was said in {world.names.prefix}?"),
        searches.ask_by_vector(world, [1.0] * collections.DEFAULT_SIZE),
    ]


def search_twice(world: World) -> list[Answer]:
    """Ask one new question twice."""
    question = f"What has nobody asked in {world.names.prefix}?"
    return [searches.ask(world, question) for _ in range(2)]


def read_counters(world: World) -> None:
    """Remember the gateway's counters and the suite's own count of the gateway's answers."""
    world.provider_mark = witness.witness(world).mark()
    world.evidence["counters"] = platform.counters(world)
    world.evidence["answers seen"] = Counter(world.citadel.coverage.seen)


def answers_not_counted(world: World) -> dict[str, str]:
    """Answers by operation and status of which the gateway counted another number than it gave."""
    contract = world.citadel.contract
    given = Counter(world.citadel.coverage.seen) - world.evidence["answers seen"]
    # The page that shows the counters is counted after it was written.
    expected = {pair: times for pair, times in given.items() if pair[0] != METRICS}

    def counted() -> dict[tuple[str, int], float]:
        return {
            (operation.id, status): _grown(
                world,
                "gateway_requests_total",
                method=operation.method,
                endpoint=operation.path,
                status=str(status),
            )
            for operation in contract.operations()
            if operation.id != METRICS
            for status in operation.statuses
        }

    def differing() -> dict[str, str]:
        found = counted()
        return {
            f"{pair[0]} {pair[1]}": f"given {expected.get(pair, 0)}, counted {found.get(pair, 0):g}"
            for pair in found.keys() | expected.keys()
            if found.get(pair, 0) != expected.get(pair, 0)
        }

    assert expected, "no answers were given"
    return _until(lambda: _fresh(world, differing), lambda wrong: not wrong)


def measures_without_value(world: World) -> list[str]:
    """Promised measures of which the gateway tells no figure."""
    told = {name for name, _labels in platform.counters(world)}
    return [name for name in MEASURES if name not in told]


def received_by(world: World, provider: str) -> int:
    """Requests that the provider has received since the counters were read."""
    return len(witness.received(world, provider))


def provider_calls_counted(world: World, provider: str, expected: int) -> int:
    """Calls of the provider that the gateway has counted since, once they are as many as expected."""
    return _until(
        lambda: _fresh(world, lambda: int(_grown(world, "external_model_requests_total", model=provider))),
        lambda counted: counted == expected,
    )


def cache_calls_counted(world: World, misses: int, hits: int) -> tuple[int, int]:
    """Misses and hits of the cache that the gateway has counted since, once they are as expected."""

    def counted() -> tuple[int, int]:
        miss, hit = (
            int(_grown(world, "cache_requests_total", operation="get", result=result))
            for result in ("miss", "hit")
        )
        return miss, hit

    return _until(lambda: _fresh(world, counted), lambda told: told == (misses, hits))


def _fresh(world: World, look: Callable[[], T]) -> T:
    world.evidence["counters now"] = platform.counters(world)
    return look()


def _grown(world: World, name: str, **labels: str) -> float:
    """By how much the series with these labels have grown together."""
    now: Figures = world.evidence["counters now"]
    before: Figures = world.evidence["counters"]
    wanted = labels.items()
    return sum(
        value - before.get((series, given), 0.0)
        for (series, given), value in now.items()
        if series == name and wanted <= dict(given).items()
    )


def _until(look: Callable[[], T], accept: Callable[[T], bool]) -> T:
    """The first look that is acceptable, else the last: an answer is counted a moment after it was given."""
    seen: list[T] = []

    def remembered() -> T:
        seen.append(look())
        return seen[-1]

    with suppress(NotYet):
        eventually(remembered, accept, within=COUNTED_WITHIN_S, what="the counters tell what was done")
    return seen[-1]
