"""Random examples held against a model; the first that deviates is cut down to the least that shows it."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from support.properties import Trial
from support.vocabulary import filters, random_journeys, random_requests, values
from support.world import World

SAMPLES: Mapping[str, tuple[str, Callable[[World], int]]] = {
    "random journeys": (
        "clients store, change, delete, read, search and list, each journey in a collection of its own;"
        " every answer and every store is compared with a plain model",
        random_journeys.travel,
    ),
    "random filters": (
        "searches of documents with random metadata; what is found is compared with a plain reading of the"
        " filter",
        filters.compare,
    ),
    "random texts and metadata": (
        "stored under one id; what the gateway, its cache and both stores give back is compared with what"
        " was sent",
        values.keep,
    ),
    "random requests to a platform of their own": (
        "valid and invalid ones to every operation, made from the contract's description of them; every"
        " answer is compared with the contract, and the stores and logs are audited at the end",
        random_requests.make,
    ),
}


def hold(world: World, samples: str) -> None:
    """Try random examples by the seed of the run, for a few seconds."""
    try:
        world.trial = Trial(SAMPLES[samples][1](world))
    except AssertionError as error:
        world.trial = Trial(0, tuple(str(each) for each in error.args))
