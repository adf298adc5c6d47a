"""What happens between the services: ids that travel, time that is spent, counters that grow."""

from __future__ import annotations

import statistics
from collections.abc import Sequence

from support.drivers.gateway import Answer
from support.reporting import diagnosis
from support.vocabulary import documents, platform, searches
from support.waiting import eventually
from support.world import World

STORES = ("qdrant", "postgresql")
# The log is written a moment after the answer.
LOGGED_WITHIN_S = 3.0
COUNTED_WITHIN_S = 3.0


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
