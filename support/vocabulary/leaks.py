"""Secrets: looked for in everything the platform shows, logs, counts and stores."""

from __future__ import annotations

from support.vocabulary import access, caches, documents, platform, searches
from support.vocabulary.stores import rows
from support.world import World


def provoke(world: World) -> None:
    """Make requests that succeed, that are refused and that fail; each answer is searched as it arrives."""
    documents.read(world, "letter")
    searches.ask(world, "a normal letter")
    access.try_all(world, access.MADE_UP_KEY)
    access.with_two_keys(world)
    documents.read(world, "no such letter")


def shown(world: World) -> list[str]:
    """Where a secret of this run can be seen, by label; the values are never told."""
    citadel = world.citadel
    places = {
        "metrics": world.citadel.gateway.call("getMetrics", key="").text,
        "health": platform.health(world).text,
        **{f"log of {name}": service.log_since(0) for name, service in citadel.services.items()},
    }
    if citadel.cache is not None:
        places["cache"] = " ".join(f"{entry.key} {entry.value!r}" for entry in caches.entries(world))
    found = [
        f"{label} in the {place}"
        for place, text in places.items()
        for label in citadel.secrets.found_in(text)
    ]
    if citadel.rows is not None:
        found += citadel.secrets.found_by(rows(world).contains_text)
    return found
