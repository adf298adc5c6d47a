"""Secrets: looked for in everything the platform shows, logs, counts and stores."""

from __future__ import annotations

from collections.abc import Iterator

from support.vocabulary import access, caches, documents, embeddings, jobs, platform, rights, searches
from support.vocabulary.stores import rows, vectors
from support.world import World


def provoke(world: World) -> None:
    """Make requests that succeed, that are refused and that fail; each answer is searched as it arrives."""
    documents.read(world, "letter")
    searches.ask(world, "a normal letter")
    embeddings.embed(world, "A normal text.")
    access.try_all(world, access.MADE_UP_KEY)
    rights.turned_away(world, "two different keys")
    documents.read(world, "no such letter")
    jobs.hand_over(world, 2)
    jobs.accepted(world)
    jobs.ended(world)
    for provider in ("openai", "google"):
        world.citadel.gateway.call(
            "embedWithProvider",
            provider=provider,
            json_body={"texts": [f"A text {world.names.prefix}"]},
            key=world.key,
        )


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
    yield "health", platform.health(world).text
    for name, service in citadel.services.items():
        yield f"log of {name}", service.log_since(0)
    if citadel.cache is not None:
        for key in caches.cache(world).keys(f"{caches.PLATFORM}*"):
            yield "cache", caches.cache(world).contents(key)
    if citadel.vectors is not None:
        for name in vectors(world).collections(world.names.prefix):
            for point in vectors(world).points(name, with_vectors=False):
                yield "vector store", str(point)
