"""Clocks that are an hour wrong, and right again."""

from __future__ import annotations

from functools import partial

from support.faults.wording import NAMES
from support.vocabulary import caches, requests, service_use
from support.waiting import eventually
from support.world import World

RECOVERY = "the recovery limit"
KINDS = ("clock_ahead", "clock_behind")


def before(world: World, target: str) -> None:
    """Prepare for a wrong clock, also when the scenario ends with it."""
    if target == "redis":
        world.undo(partial(_empty, world))


def get_over(world: World, target: str) -> None:
    """Return when nothing is felt any more of a start of ``target`` with another clock."""
    if target == "redis":
        _empty(world)
    service_use.not_used(world, RECOVERY)
    eventually(
        partial(requests.aside, world, "an anonymous caller", "reads the readiness report"),
        lambda made: made.ok and not made.answer.body["degraded"],
        within=world.citadel.promises.recovers_s,
        what=f"nothing is degraded after a start of {NAMES[target]}",
    )


def _empty(world: World) -> None:
    """Hold nothing in Redis: it keeps ends as times of its own clock, so what it held would end wrongly now.

    No platform can help that. Only in a cache that the suite has started.
    """
    if "redis" in world.citadel.services:
        caches.cache(world).unlink(f"{caches.PLATFORM}*")
