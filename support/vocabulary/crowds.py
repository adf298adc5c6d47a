"""Crowds: many callers at once, and how often a service behind the gateway is called for them."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from functools import partial

from support.drivers.gateway import Answer
from support.faults import Fault
from support.vocabulary import documents, embeddings, outages, searches
from support.world import World

# The embedding takes so long that the whole crowd has come before the first one has his answer. No more can
# come at once than the client has connections: whoever came later would ask a cache that may be too busy.
GATHERS_MS = 1000


def ask_the_same(world: World, count: int, question: str) -> list[Answer]:
    """``count`` callers with one question at the same moment, while its embedding takes its time."""
    slow = outages.strike(world, "embedding", "slow", ms=GATHERS_MS)
    before = embeddings.service(world).work().requests
    world.answers = documents.together([partial(searches.ask, world, question)] * count)
    world.evidence["calls"] = embeddings.service(world).work().requests - before
    assert slow.hits() > 0, f"{slow} hit nothing"
    outages.lift(world)
    return world.answers


def not_offering(world: World, title: str) -> list[str]:
    """Answers of the crowd that do not offer the document first."""
    assert world.answers, "nobody has asked"
    wrong = []
    for number, answer in enumerate(world.answers, 1):
        titles = [hit.title for hit in searches.ranking(world, answer)] if answer.ok else [str(answer)]
        if titles[:1] != [title]:
            wrong.append(f"caller {number}: {titles}")
    return wrong


def search_in_an_outage(world: World, users: int, times: int) -> list[outages.Attempt]:
    """``users`` at once search ``times`` each for something new; the calls that the present fault saw."""
    fault: Fault = world.faults[-1]
    before = fault.hits()
    answers = _search(world, users, times)
    world.evidence["calls"], world.evidence["searches"] = fault.hits() - before, len(answers)
    return [outages.Attempt("searching", answer) for answer in answers]


def search_after_an_outage(world: World, users: int, times: int) -> list[Answer]:
    """The same when all is well again: calls by the service's own count."""
    outages.recovered(world, "searching")
    before = embeddings.service(world).work().requests
    answers = _search(world, users, times)
    world.evidence["calls"] = embeddings.service(world).work().requests - before
    world.evidence["searches"] = len(answers)
    return answers


def calls(world: World) -> int:
    """How often the service was called for the crowd; it must have been."""
    assert world.evidence["calls"] > 0, "the service was not called at all"
    return int(world.evidence["calls"])


def _search(world: World, users: int, times: int) -> list[Answer]:
    crowd = world.evidence["crowds"] = world.evidence.get("crowds", 0) + 1

    def one(user: int) -> list[Answer]:
        question = f"What does employee {user} of crowd {crowd} of {world.names.prefix} want"
        return [searches.ask(world, f"{question}, asking for number {n}?") for n in range(times)]

    with ThreadPoolExecutor(users) as pool:
        return [answer for answers in pool.map(one, range(users)) for answer in answers]
