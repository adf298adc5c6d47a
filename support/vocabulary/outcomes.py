"""What came of the requests of a scenario, held against tables of the features."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from support.drivers.gateway import GatewayUnreachable
from support.matchers.requests import told
from support.vocabulary import expectations, requests, tables, time_limits
from support.vocabulary.requests import Request, making
from support.vocabulary.time_limits import Limit
from support.waiting import NotYet, eventually
from support.world import Attempt, World

READER = "an editor"


def limit(world: World, wording: str) -> Limit:
    """A duration or a named limit, in the mode of this run."""
    return time_limits.parse(wording, world.citadel.promises)


def share_of_success(attempts: Sequence[Attempt]) -> float:
    """The share of the requests that succeeded. Raises ``AssertionError`` if there was none."""
    assert attempts, "no request has been made in this scenario yet"
    return sum(each.ok for each in attempts) / len(attempts)


def deviations(world: World, rows: Sequence[Mapping[str, str]]) -> list[str]:
    """What came out otherwise than the rows say, in their order.

    The columns are ``outcome`` and any of ``id``, ``version``. Items of one batch count each for itself.
    """
    found = _items(world.attempts)
    wrong = [] if len(found) == len(rows) else [f"expected {len(rows)} outcomes, got {len(found)}"]
    for place, (row, item) in enumerate(zip(rows, found, strict=False), 1):
        for column, text in row.items():
            if column not in ("id", "outcome", "version", "request"):
                raise tables.unknown("column", column, ("id", "outcome", "version", "request"))
            value = item.get(column)
            if column != "request" and text.strip() and not _equal(column, text, value, item):
                wrong.append(f"{place}. {item['told']}: expected {column} {text.strip()}, was {value}")
    return wrong


def _equal(column: str, text: str, value: Any, item: Mapping[str, Any]) -> bool:
    if column == "outcome" and text.strip() == "succeeded":
        return bool(item["ok"])
    return str(value) == str(tables.words(text))


def _items(attempts: Sequence[Attempt]) -> list[dict[str, Any]]:
    if len(attempts) == 1 and not isinstance(attempts[0].outcome, GatewayUnreachable):
        body = attempts[0].answer.body
        if isinstance(body, dict) and "failed_count" in body:
            return [_of_batch(result) for result in body["results"]]
    return [_of_attempt(each) for each in attempts]


def _of_batch(result: Mapping[str, Any]) -> dict[str, Any]:
    outcome = result.get("outcome") or result.get("problem", {}).get("code")
    good = result["status"] < 300
    return {**result, "outcome": outcome, "ok": good, "told": f'"{result.get("id")}" of the batch'}


def _of_attempt(attempt: Attempt) -> dict[str, Any]:
    body = attempt.answer.body if attempt.ok and isinstance(attempt.answer.body, dict) else {}
    outcome = body.get("outcome", attempt.code)
    return {
        "id": body.get("id"),
        "version": body.get("version"),
        "outcome": outcome,
        "ok": attempt.ok,
        "told": told(attempt),
    }


def shown_otherwise(world: World, rows: Sequence[Mapping[str, str]]) -> list[str]:
    """Fields of the answers that are otherwise than the table says."""
    assert world.attempts, "no request has been made in this scenario yet"
    many = len(world.attempts) > 1
    return [
        f"{each.what}: {wrong}" if many else wrong
        for each in world.attempts
        for wrong in expectations.deviations(each.answer, rows)
    ]


def until_all_succeed(world: World, rows: Sequence[Mapping[str, str]], wording: str) -> list[Attempt]:
    """Make the requests of a table until all succeed at once, or the limit is over; the last attempts."""
    within = limit(world, wording)

    def ask() -> list[Attempt]:
        return making.in_turn(world, making.of_table(world, rows))

    try:
        return eventually(
            ask,
            lambda made: all(each.ok for each in made),
            within=within.seconds,
            what="all requests succeed",
        )
    except NotYet:
        # What did not succeed to the last is told request by request.
        return world.attempts


def until_shown(
    world: World, actor: str, request: Request, rows: Sequence[Mapping[str, str]], wording: str
) -> list[str]:
    """Ask until the answer is as the table says, or the limit is over; what differs at last."""

    def ask() -> list[str]:
        making.in_turn(world, making.prepare(world, actor, request))
        return shown_otherwise(world, rows)

    try:
        return eventually(
            ask, lambda wrong: not wrong, within=limit(world, wording).seconds, what=f"{actor} {request}"
        )
    except NotYet:
        return shown_otherwise(world, rows)


def read(world: World, item: str, *, actor: str = READER) -> Attempt:
    """Read a document by its id, vector included; the scenario's last requests stay what they were."""
    kept, answer = world.attempts, world.answer
    try:
        table = [{"option": "vector", "value": "on"}]
        request = requests.parse(f'reads "{item.replace(chr(34), chr(92) + chr(34))}"')
        return making.in_turn(world, making.prepare(world, actor, request, table=table))[0]
    finally:
        world.attempts, world.answer = kept, answer


def read_document(world: World, item: str) -> Mapping[str, Any]:
    """A document as readers see it. Raises ``AssertionError`` where it cannot be read."""
    found = read(world, item)
    assert found.ok, told(found)
    body: Mapping[str, Any] = found.answer.body
    return body
