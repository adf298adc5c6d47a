"""Requests are made: one after another, at the same moment, while something else happens."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

from support.drivers.gateway import GatewayUnreachable
from support.vocabulary import actors, tables
from support.vocabulary.requests.grammar import Asking, Call, Outcome, Request, parse
from support.waiting import back_off, eventually
from support.world import Attempt, Made, World

MOST_AT_ONCE = 64
START_WITHIN_S = 10.0
# How many clients make requests while something happens.
CLIENTS = 4
# The share of the requests that is over when it happens.
BEFORE_IT_HAPPENS = 0.2
BEGINS_WITHIN_S = 15.0
_ESCAPED = re.compile(r"\\u([0-9a-f]{4})")


def prepare(
    world: World,
    actor: str,
    request: Request,
    *,
    times: int = 1,
    table: Sequence[Mapping[str, str]] = (),
    collection: str | None = None,
) -> list[Call]:
    """The calls that a request means, ``times`` over; ``{n}`` in its words is the number of the repetition.

    Raises ``TableError`` for an option or a column that the request does not have.
    """
    world.last_request = made = Made(actor, request, tuple(table), collection)
    return [call for number in range(1, times + 1) for call in repetition(world, made, number)]


def repetition(world: World, made: Made, number: int) -> list[Call]:
    """The calls that a request means at its repetition of that number."""
    kind = made.request.kind
    options = made.request.options if kind.rows else (*made.request.options, *made.table)
    asking = Asking(
        world,
        made.actor,
        actors.key_of(world, made.actor),
        options=tables.options([filled(world, row, number) for row in options], kind.options),
        rows=[filled(world, row, number) for row in made.table] if kind.rows else (),
        number=number,
        alias=made.collection,
    )
    arguments = (unescaped(filled(world, each, number)) for each in made.request.arguments)
    return [replace(call, actor=made.actor) for call in kind.prepare(asking, *arguments)]


def with_each(world: World, actor: str, request: Request, table: Sequence[Mapping[str, str]]) -> list[Call]:
    """The calls of a request, once for each option of a table; each says which option it has."""
    calls: list[Call] = []
    for row in table:
        name, value = tables.pairs([row], ("option",))[0]
        calls += [
            replace(call, what=f"{call.what} with {name} {value.strip()[:60]}")
            for call in prepare(world, actor, request, table=[row])
        ]
    return calls


def again(world: World, options: Mapping[str, str], text: str | None = None) -> list[Attempt]:
    """Make the scenario's last request once more with other options, or with the words ``text``."""
    last = world.last_request
    assert last is not None, "no request has been made in this scenario yet"
    rows = [row for row in last.table if tables.pairs([row], ("option", "field"))[0][0] not in options]
    added = [{"option": name, "value": value} for name, value in options.items()]
    request = parse(text) if text else last.request
    return in_turn(
        world, prepare(world, last.actor, request, table=[*rows, *added], collection=last.collection)
    )


def repeat(world: World) -> list[Attempt]:
    """Make the scenario's last requests once more, one after another, exactly as they were."""
    assert world.calls, "no request has been made in this scenario yet"
    return in_turn(world, world.calls)


def aside(
    world: World,
    actor: str,
    text: str,
    options: Mapping[str, str] | None = None,
    *,
    collection: str | None = None,
) -> Attempt:
    """Make one request that is none of the scenario's own: its last ones, and what they led to, are kept."""
    kept = world.attempts, world.answer, world.last_request, world.pages, world.collection, world.calls
    try:
        rows = [{"option": name, "value": value} for name, value in (options or {}).items()]
        return in_turn(world, prepare(world, actor, parse(text), table=rows, collection=collection))[0]
    finally:
        (
            world.attempts,
            world.answer,
            world.last_request,
            world.pages,
            world.collection,
            world.calls,
        ) = kept


def of_table(world: World, rows: Sequence[Mapping[str, str]]) -> list[Call]:
    """The calls of a table with the columns ``actor``, ``request``, perhaps ``times`` and ``collection``.

    Raises ``TableError`` for another column, and for an actor or a request that does not exist.
    """
    calls = []
    for made, times in worded(rows, "times"):
        calls += prepare(world, made.actor, made.request, times=times, collection=made.collection)
    return calls


def worded(rows: Sequence[Mapping[str, str]], number: str) -> list[tuple[Made, int]]:
    """The requests of a table, each with the figure in the column ``number``, or 1.

    Raises ``TableError`` for a column, an actor or a request that does not exist.
    """
    known = ("actor", "request", number, "collection")
    found = []
    for row in rows:
        for column in row.keys() - {*known, "outcome"}:
            raise tables.unknown("column", column, known)
        actor = row["actor"].strip()
        if actor not in actors.ACTORS:
            raise tables.unknown("actor", actor, actors.ACTORS)
        collection = row.get("collection", "").strip().strip('"') or None
        made = Made(actor, parse(row["request"].strip()), (), collection)
        found.append((made, int(row.get(number, "").strip() or 1)))
    return found


def filled(world: World, value: Any, number: int = 1) -> Any:
    """``{n}`` is the number of the repetition, ``{unique}`` a word that no other scenario has."""
    if isinstance(value, list):
        return [filled(world, each, number) for each in value]
    if isinstance(value, Mapping):
        return {name: filled(world, each, number) for name, each in value.items()}
    if isinstance(value, str):
        return value.replace("{n}", str(number)).replace("{unique}", world.names.prefix)
    return value


def unescaped(value: Any) -> Any:
    r"""``\u0301`` in the words of a request is the character of that number."""
    if isinstance(value, list):
        return [unescaped(each) for each in value]
    return _ESCAPED.sub(lambda found: chr(int(found[1], 16)), value) if isinstance(value, str) else value


def make(call: Call, client: int = 0) -> Attempt:
    """Make one request, by the client of that number; silence is an outcome too."""
    began = time.monotonic()
    outcome: Outcome
    try:
        outcome = call.make()
    except GatewayUnreachable as silence:
        outcome = silence
    return Attempt(
        call.what,
        outcome,
        call.operation,
        call.about,
        call.order,
        call.uncached,
        call.actor,
        call.view,
        began=began,
        client=client,
    )


def in_turn(world: World, calls: Sequence[Call]) -> list[Attempt]:
    """Make the requests one after another; they are the scenario's last ones."""
    world.calls = calls
    return keep(world, [make(call) for call in calls])


def at_once(world: World, calls: Sequence[Call]) -> list[Attempt]:
    """Make all requests at the same moment, each by a client of its own."""
    world.calls = calls
    assert len(calls) <= MOST_AT_ONCE, f"{len(calls)} requests at the same moment, at most {MOST_AT_ONCE}"
    start = threading.Barrier(len(calls))

    def at_the_signal(call: Call) -> Attempt:
        start.wait(START_WITHIN_S)
        return make(call)

    with ThreadPoolExecutor(len(calls)) as pool:
        return keep(world, list(pool.map(at_the_signal, calls)))


def during(
    world: World, calls: Sequence[Call], event: Callable[[], None], *, clients: int = CLIENTS
) -> list[Attempt]:
    """Make the requests by a few clients; when some are over, let ``event`` happen; go on to the last one.

    A client that is told to come back later does so before its next request, as clients should.
    """
    world.calls = calls
    over: list[Attempt] = []
    longest = world.citadel.promises.recovers_s

    def one(call: Call) -> Attempt:
        over.append(made := make(call))
        back_off(min(_told_to_wait_s(made), longest))
        return made

    with ThreadPoolExecutor(min(clients, len(calls))) as pool:
        made = [pool.submit(one, call) for call in calls]
        eventually(
            lambda: len(over),
            lambda count: count >= max(1, int(len(calls) * BEFORE_IT_HAPPENS)),
            within=BEGINS_WITHIN_S,
            what="the first of the requests are over",
        )
        event()
        return keep(world, [each.result() for each in made])


def _told_to_wait_s(attempt: Attempt) -> float:
    answer = attempt.outcome
    if isinstance(answer, GatewayUnreachable) or answer.ok:
        return 0.0
    return float(answer.headers.get("Retry-After", 0.0))


def keep(world: World, attempts: list[Attempt]) -> list[Attempt]:
    """Remember what came of the scenario's last requests."""
    world.attempts = attempts
    answered = [each.outcome for each in attempts if not isinstance(each.outcome, GatewayUnreachable)]
    world.answer = answered[-1] if answered else None
    return attempts
