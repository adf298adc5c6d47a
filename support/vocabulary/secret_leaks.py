"""What logs, metrics, the cache and the stores may not show: secrets, and what a caller wrote there."""

from __future__ import annotations

import json
from collections.abc import Iterator

from support.vocabulary import caches
from support.vocabulary.requests.making import filled
from support.vocabulary.stores import rows, vectors
from support.world import World


def shown(world: World) -> list[str]:
    """Where a secret of this run can be seen, by label; the values are never told."""
    citadel = world.citadel
    found = [
        f"{label} in the {place}"
        for place, text in _places(world)
        for label in citadel.secrets.found_in_any_form(text)
    ]
    if citadel.rows is not None:
        found += citadel.secrets.found_by(rows(world).contains_text)
    return found


def _places(world: World) -> Iterator[tuple[str, str]]:
    """Everything that can be read of the platform, in text: its counts, its logs, what its stores hold."""
    citadel = world.citadel
    yield "metrics", citadel.gateway.call("getMetrics", key="").text
    yield "health", citadel.gateway.call("getHealth", key="").text
    for name, service in citadel.services.items():
        yield f"log of {name}", service.log_since(0)
    if citadel.cache is not None:
        for key in caches.cache(world).keys(f"{caches.PLATFORM}*"):
            yield "cache", caches.cache(world).contents(key)
    if citadel.vectors is not None:
        for name in vectors(world).collections(world.names.prefix):
            for point in vectors(world).points(name, with_vectors=False):
                yield "vector store", str(point)


def written_by_callers(world: World, event: str) -> list[str]:
    """Lines of logs, and metrics, that a caller has made who wrote ``event`` wherever a caller can."""
    mark = str(filled(world, event)).lower()
    assert mark == world.log_event, f"nobody has written log lines that say {mark!r} in this scenario"
    found = []
    for name, service in world.citadel.services.items():
        for line in service.log_since(world.log_sizes.get(name, 0)).split("\n"):
            if any(letter < " " for letter in line.rstrip("\r")) or _event(line) == mark:
                found.append(f"the log of {name}: {line!r}")
            elif mark in line.lower() and not line.startswith("{"):
                found.append(f"the log of {name}, not as a value of one line: {line!r}")
    metrics = world.citadel.gateway.call("getMetrics", key="").text.lower()
    return found + [f"the metrics: {line}" for line in metrics.splitlines() if mark in line]


def _event(line: str) -> object:
    try:
        told = json.loads(line)
    except ValueError:
        return None
    return str(told.get("event")).lower() if isinstance(told, dict) else None
