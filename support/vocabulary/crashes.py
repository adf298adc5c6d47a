"""Crash points: the gateway is killed at an exact moment between the writes to both stores.

No failpoint in the product is needed. A write is held where it is to die by what lies around the gateway: a
lock in the metadata store, or the link in front of the vector store; the trace of the step before tells that
the moment has come.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import partial

from hamcrest import assert_that

from support.drivers.gateway import Answer, GatewayUnreachable
from support.drivers.postgres import OpenEvent
from support.matchers.answers import succeeded
from support.vocabulary import collections, documents, embeddings, outages, stores
from support.waiting import eventually
from support.world import World

# Longer than a few looks into the stores, shorter than the gateway's patience with the vector store. A
# collection's making takes two calls, so each of them is held back for less.
HELD_BACK_MS = 1700
HELD_BACK_OF_COLLECTION_MS = 900
REACHED_WITHIN_S = 4.0
# What a second attempt is told when the first one has been carried out after all.
DONE_ALREADY = ("vector-not-found", "collection-not-found", "collection-exists")


@dataclass(frozen=True, slots=True)
class Write:
    """One write that is under way when the gateway dies, and how its effect on the vector store shows."""

    what: str
    run: Callable[[], Answer]
    applied: Callable[[], bool]
    of_collection: bool = False


# Arranges that every write gets as far as the moment and no further; gives the look that tells it has.
Hold = Callable[[World, Sequence[Write]], AbstractContextManager[Callable[[], bool]]]


def kill_during_document_writes(world: World, moment: str, new: str, changed: str, dropped: str) -> None:
    """Kill the gateway at ``moment`` of storing, rewriting and deleting, all under way; start it again."""
    before = stores.sides(world, changed).point
    texts = {title: documents.new_text(world, title) for title in (new, changed)}
    # Embedded beforehand, so that all three come to the moment together.
    assert_that(embeddings.embed_batch(world, list(texts.values())), succeeded())
    _kill_at(
        world,
        moment,
        [
            Write(
                f'storing "{new}"',
                partial(documents.store, world, new, texts[new]),
                lambda: stores.point_of(world, new) is not None,
            ),
            Write(
                f'rewriting "{changed}"',
                partial(documents.rewrite, world, changed, text=texts[changed]),
                lambda: stores.sides(world, changed).point != before,
            ),
            Write(
                f'deleting "{dropped}"',
                partial(documents.delete, world, dropped),
                lambda: stores.point_of(world, dropped) is None,
            ),
        ],
    )


def kill_during_making(world: World, moment: str, alias: str) -> None:
    """Kill the gateway at ``moment`` of making a collection; start it again."""
    make = partial(collections.create, world, alias)
    _kill_at(world, moment, [Write(f'making "{alias}"', make, partial(_held, world, alias), True)])


def kill_during_dropping(world: World, moment: str, alias: str) -> None:
    """Kill the gateway at ``moment`` of dropping a collection; start it again."""
    drop = partial(collections.drop, world, alias)
    _kill_at(world, moment, [Write(f'dropping "{alias}"', drop, lambda: not _held(world, alias), True)])


def _held(world: World, alias: str) -> bool:
    return stores.vectors(world).exists(world.names.collection(alias))


def unsettled(world: World) -> list[str]:
    """Wait until nothing is in flight; then what is in one store only, or in both but not alike."""
    eventually(
        partial(_in_flight, world),
        lambda left: left == [],
        within=world.citadel.promises.converges_s,
        what="nothing is in flight any more",
    )
    return stores.halves(world)


def again(world: World) -> list[str]:
    """Do every write of the crash a second time; those that are refused other than as done already."""
    answers = [(write.what, write.run()) for write in world.evidence["writes"]]
    return [
        f"{what}: {answer}" for what, answer in answers if not answer.ok and answer.code not in DONE_ALREADY
    ]


def _in_flight(world: World) -> list[str]:
    return [f"{event.operation} {event.last_error or ''}" for event in _events(world)]


def _events(world: World) -> list[OpenEvent]:
    return stores.rows(world).open_events(world.names.prefix)


def _kill_at(world: World, moment: str, writes: Sequence[Write]) -> None:
    world.wrote = True
    world.evidence["writes"] = writes
    with ThreadPoolExecutor(len(writes)) as pool:
        with MOMENTS[moment](world, writes) as reached:
            running = [pool.submit(_until_silence, write.run) for write in writes]
            eventually(reached, bool, within=REACHED_WITHIN_S, what=f"every write has come to {moment!r}")
            outages.strike(world, "gateway", "crashed")
        outcomes = [one.result() for one in running]
    answered = [str(outcome) for outcome in outcomes if isinstance(outcome, Answer)]
    assert not answered, f"the gateway answered before it was killed: {answered}"
    outages.lift(world)


def _until_silence(run: Callable[[], Answer]) -> Answer | GatewayUnreachable:
    try:
        return run()
    except GatewayUnreachable as silence:
        return silence


@contextmanager
def _before_the_first_commit(world: World, writes: Sequence[Write]) -> Iterator[Callable[[], bool]]:
    """No event can be entered, so that no write can commit anything."""
    with stores.rows(world).open_transaction() as session:
        session.execute("LOCK TABLE outbox IN SHARE MODE")
        yield lambda: stores.rows(world).sessions_waiting("into outbox") >= len(writes)


@contextmanager
def _before_the_vector_store(world: World, writes: Sequence[Write]) -> Iterator[Callable[[], bool]]:
    """Every write is announced, and what is sent to the vector store does not arrive."""
    link = outages.strike(world, "qdrant", "hang")
    yield lambda: len(_events(world)) >= len(writes) and link.hits() > 0


@contextmanager
def _before_its_answer(world: World, writes: Sequence[Write]) -> Iterator[Callable[[], bool]]:
    """The vector store has carried every write out; its answers are on the way."""
    link = outages.strike(world, "qdrant", "slow", ms=_held_back_ms(writes))
    yield lambda: all(write.applied() for write in writes) and link.hits() > 0


@contextmanager
def _before_the_last_commit(world: World, writes: Sequence[Write]) -> Iterator[Callable[[], bool]]:
    """The vector store has answered, but nobody can change the row of the collection."""
    collection_changes = any(write.of_collection for write in writes)
    with stores.rows(world).open_transaction() as session:

        def lock() -> None:
            session.execute(
                "SELECT FROM collections WHERE starts_with(name, %s) FOR NO KEY UPDATE", (world.names.prefix,)
            )

        def reached() -> bool:
            if collection_changes:
                if len(_events(world)) < len(writes):
                    return False
                lock()
            return stores.rows(world).sessions_waiting("collections") >= len(writes)

        if collection_changes:
            # Its first commit changes that row as well: the row is locked while the vector store is slow.
            outages.strike(world, "qdrant", "slow", ms=_held_back_ms(writes))
        else:
            lock()
        yield reached


def _held_back_ms(writes: Sequence[Write]) -> int:
    return HELD_BACK_OF_COLLECTION_MS if any(write.of_collection for write in writes) else HELD_BACK_MS


MOMENTS: dict[str, Hold] = {
    "before anything is committed": _before_the_first_commit,
    "between the row and the vector": _before_the_vector_store,
    "while the vector store's answer is on its way": _before_its_answer,
    "right before the last commit": _before_the_last_commit,
}
