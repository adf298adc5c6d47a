"""Clocks that are an hour wrong, and right again."""

from __future__ import annotations

from functools import partial

from support.vocabulary import caches, outages, platform
from support.waiting import eventually
from support.world import World

# In the words of the features.
DEVIATIONS = {"ahead": "clock_ahead", "behind": "clock_behind"}


def set_wrong(world: World, target: str, kind: str) -> None:
    """Start ``target`` anew with a wrong clock; returns when nothing of the start is felt any more."""
    if target == "redis":
        # Also when the scenario ends here.
        world.undo(partial(_empty, world))
    outages.strike(world, target, kind)
    get_over(world, target)


def set_right(world: World, target: str) -> None:
    """Start it anew with the right clock; the wrong one must have been told, or nothing was proved."""
    outages.lift(world)
    get_over(world, target)


def get_over(world: World, target: str) -> None:
    if target == "redis":
        _empty(world)
    outages.recovered(world, "storing", "searching", "reading", "asking OpenAI")
    eventually(
        partial(platform.readiness, world),
        lambda answer: answer.ok and not answer.body["degraded"],
        within=world.citadel.promises.recovers_s,
        what=f"the platform has got over a new start of {target}",
    )
    # Readiness is looked at too seldom to show that the cache is passed by for a moment.
    outages.cache_is_used_again(world)


def _empty(world: World) -> None:
    """Hold nothing in Redis: it keeps ends as times of its own clock, so what it held would end wrongly now.

    No platform can help that. Only in a cache that the suite has started.
    """
    if "redis" in world.citadel.services:
        caches.cache(world).unlink(f"{caches.PLATFORM}*")
