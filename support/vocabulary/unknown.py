"""Writes whose outcome nobody was told: the request or the answer was lost, or the vector store was late."""

from __future__ import annotations

from functools import partial

from support.drivers.gateway import Answer
from support.vocabulary import documents, outages, stores
from support.waiting import consistently, eventually
from support.world import World

# What is lost on the link to the vector store, by the fault that loses it.
LOSSES = {"the request": "hang", "the answer": "mute"}
ANNOUNCED_WITHIN_S = 3.0
# Rounds of the reconciler and the time a given-up call may still take.
STAYS_AWAY_S = 1.5


def write_and_lose(world: World, loss: str, new: str, changed: str, dropped: str) -> list[Answer]:
    """Store, rewrite and delete, all at the same moment, while ``loss`` never arrives; then all is well."""
    fault = outages.strike(world, "qdrant", LOSSES[loss])
    world.answers = documents.together(
        [
            partial(documents.store, world, new, documents.new_text(world, new)),
            documents.rewriting(world, changed),
            partial(documents.delete, world, dropped),
        ]
    )
    assert fault.hits() > 0, f"{fault} hit nothing"
    outages.lift(world)
    return world.answers


def attempts(world: World) -> list[outages.Attempt]:
    """The three writes as attempts under an outage."""
    return [outages.Attempt(answer.operation, answer) for answer in world.answers]


def settled(world: World) -> list[str]:
    """Wait until nothing is in flight; what the stores do not hold alike."""
    outages.nothing_in_flight(world)
    return stores.halves(world)


def rewrite_without_answer(world: World, title: str) -> None:
    """Rewrite a document; the vector store carries it out, but never says so."""
    fault = outages.strike(world, "qdrant", "mute")
    answer = documents.rewriting(world, title)()
    assert answer.code == "dependency-timeout", f"the outcome is known: {answer}"
    world.evidence["late point"] = stores.point_of(world, title)
    assert fault.hits() > 0, f"{fault} hit nothing"
    outages.lift(world)


def rewrite_then_be_late(world: World, title: str, text: str) -> Answer:
    """Rewrite the document again; then the vector store executes the call that was given up, once more."""
    world.answer = documents.rewrite(world, title, text=text)
    late = world.evidence["late point"]
    assert late is not None, "the rewriting without an answer has not reached the vector store"
    stores.vectors(world).upsert_raw(world.names.collection(world.collection), [late])
    return world.answer


def store_without_request(world: World, title: str) -> None:
    """Submit a document whose vector never arrives: the outcome is unknown, its event stays open."""
    fault = outages.strike(world, "qdrant", "hang")
    answer = documents.store(world, title, documents.new_text(world, title))
    assert answer.code == "dependency-timeout", f"the outcome is known: {answer}"
    assert fault.hits() > 0, f"{fault} hit nothing"


def delete_once_whole(world: World, title: str) -> Answer:
    """Delete the document as soon as the vector store is back, before anybody has finished its storing."""
    outages.lift(world)
    world.answer = eventually(
        partial(documents.delete, world, title),
        lambda answer: answer.status < 500,
        within=ANNOUNCED_WITHIN_S,
        what="the deletion is answered",
    )
    return world.answer


def stays_away(world: World, title: str) -> None:
    """Once nothing is in flight, and for a while after it, neither store holds the document."""
    outages.settled(world, title)
    consistently(
        partial(stores.sides, world, title),
        lambda sides: sides == stores.Sides(None, None),
        during=STAYS_AWAY_S,
        what=f'"{title}" stays away',
    )
