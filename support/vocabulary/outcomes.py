"""What came of the requests of a scenario, held against tables of the features."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from support.drivers.gateway import Answer, GatewayUnreachable
from support.matchers.requests import told
from support.vocabulary import actors, expectations, tables, time_limits, words
from support.vocabulary.requests import Request, making
from support.vocabulary.time_limits import Limit
from support.waiting import NotYet, eventually
from support.world import PARTLY, Attempt, World

# Of what is otherwise in many answers.
MOST_TOLD = 12
# With this column the order of the outcomes does not matter.
NUMBER = "number"
# In a bound: what the outcome before had in this column.
BEFORE = "the one before"


def limit(world: World, wording: str) -> Limit:
    """A duration or a named limit, in the mode of this run."""
    return time_limits.parse(wording, world.citadel.promises)


def otherwise_than(world: World, outcome: str, version: int | None = None) -> list[str]:
    """Requests, and items of a batch, that did not come out so; a batch tells them in the order sent."""
    assert world.attempts, "no request has been made in this scenario yet"
    return _miscounts(world.attempts) + [
        f"{item['told']}: expected {outcome}{'' if version is None else f' in version {version}'},"
        f" was {item['outcome']} in version {item['version']}"
        for item in _items(world.attempts)
        if item["outcome"] != outcome or version not in (None, item["version"])
    ]


def share_of_success(attempts: Sequence[Attempt]) -> float:
    """The share of the requests that succeeded. Raises ``AssertionError`` if there was none."""
    assert attempts, "no request has been made in this scenario yet"
    return sum(each.ok for each in attempts) / len(attempts)


def deviations(world: World, rows: Sequence[Mapping[str, str]]) -> list[str]:
    """What came out otherwise than the rows say, in their order.

    The columns are ``outcome`` and any of ``request``, ``id``, ``version``; any other is a field of the
    answer, or of the item: items of one batch count each for itself. With ``number`` the order does not
    matter, and so many come out as the row says.
    """
    found = _items(world.attempts)
    if any(NUMBER in row for row in rows):
        return _miscounts(world.attempts) + _counted_otherwise(found, rows)
    wrong = _miscounts(world.attempts)
    wrong += [] if len(found) == len(rows) else [f"expected {len(rows)} outcomes, got {len(found)}"]
    before: list[Mapping[str, Any] | None] = [None, *found]
    for place, (row, item, last) in enumerate(zip(rows, found, before, strict=False), 1):
        wrong += [f"{place}. {item['told']}: {each}" for each in _differences(_bounds(row, item, last), item)]
    return wrong


def _counted_otherwise(found: Sequence[Mapping[str, Any]], rows: Sequence[Mapping[str, str]]) -> list[str]:
    """Rows of which another number came out, and outcomes of which no row tells."""
    wrong = [
        f"expected {row[NUMBER].strip()} of {_told(row)}, were {count}"
        for row in rows
        for count in [sum(not _differences(row, item) for item in found)]
        if not expectations.fits(row[NUMBER], count)
    ]
    others = [item["told"] for item in found if all(_differences(row, item) for row in rows)]
    return wrong + [f"expected by no row: {each}" for each in others]


def _told(row: Mapping[str, str]) -> str:
    return ", ".join(
        f"{column} {text.strip()}" for column, text in row.items() if column != NUMBER and text.strip()
    )


def _bounds(
    row: Mapping[str, str], item: Mapping[str, Any], before: Mapping[str, Any] | None
) -> Mapping[str, str]:
    """A row with numbers in the place of the outcome before, and of fields of the answer, that bound it."""
    found = dict(row)
    for column, text in row.items():
        if BEFORE in text:
            if before is None:
                raise tables.TableError(f"{text.strip()!r}: there is no outcome before the first one")
            found[column] = text.replace(BEFORE, str(_value(column, before)))
        elif isinstance(item.get("answer"), Answer) and column not in item:
            found[column] = expectations.bounded(item["answer"], text)
    return found


def _differences(row: Mapping[str, str], item: Mapping[str, Any]) -> list[str]:
    """What of one outcome is otherwise than its row says."""
    wrong = []
    for column, text in row.items():
        if column == NUMBER or not text.strip():
            continue
        value = _value(column, item)
        if not _equal(column, text, value, item):
            value = value if isinstance(value, str) else expectations.shown(value)
            wrong.append(f"expected {column} {text.strip()}, was {value}")
    return wrong


def _value(column: str, item: Mapping[str, Any]) -> Any:
    if column == "request":
        return item["told"]
    if column in item or not isinstance(item.get("answer"), Answer):
        return item.get(column)
    return expectations.member(item["answer"], column)


def _equal(column: str, text: str, value: Any, item: Mapping[str, Any]) -> bool:
    if column == "request":
        return text.strip() in str(value)
    if column == "id":
        return str(value) == str(tables.words(text))
    if column != "outcome":
        return expectations.fits(text, value)
    wanted = text.strip().split(" or ")
    return value in wanted or ("succeeded" in wanted and bool(item["ok"]))


def _items(attempts: Sequence[Attempt]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    for each in attempts:
        results = _results(each)
        found += [_of_attempt(each)] if results is None else map(_of_batch, results)
    return found


def _results(attempt: Attempt) -> Sequence[Mapping[str, Any]] | None:
    """The results of a batch of documents, None where the request was none."""
    body = {} if isinstance(attempt.outcome, GatewayUnreachable) else attempt.outcome.body
    found: Sequence[Mapping[str, Any]] | None = None
    if isinstance(body, dict) and "failed_count" in body:
        found = body.get("results")
    return found


def _miscounts(attempts: Sequence[Attempt]) -> list[str]:
    """Batches whose results are not in the order sent, or whose counts and status say something else."""
    wrong = []
    for each in attempts:
        results = _results(each)
        if results is None:
            continue
        failed = sum(result["status"] >= 300 for result in results)
        body = each.answer.body
        expected = (failed, len(results) - failed, failed > 0)
        counted = (body["failed_count"], body["success_count"], each.answer.status == PARTLY)
        if counted != expected:
            wrong.append(
                f"{each.what}: it counts {counted[0]} failed and {counted[1]} successful items and"
                f" {'says' if counted[2] else 'does not say'} that some failed; {failed} of them failed"
            )
        told_ids = [str(result.get("id")) for result in results]
        if each.about and told_ids != list(each.about):
            wrong.append(f"{each.what}: it sent {list(each.about)}, and the results are of {told_ids}")
    return wrong


def _of_batch(result: Mapping[str, Any]) -> dict[str, Any]:
    outcome = result.get("outcome") or result.get("problem", {}).get("code")
    good = result["status"] < 300
    version = result.get("version")
    return {
        **result,
        "outcome": outcome,
        "version": version,
        "ok": good,
        "told": f'"{result.get("id")}" of the batch',
    }


def _of_attempt(attempt: Attempt) -> dict[str, Any]:
    body = attempt.answer.body if attempt.ok and isinstance(attempt.answer.body, dict) else {}
    outcome = body.get("outcome", attempt.code)
    return {
        "id": body.get("id"),
        "version": body.get("version"),
        "outcome": outcome,
        "ok": attempt.ok,
        "told": told(attempt),
        "answer": attempt.outcome,
    }


def shown_otherwise(world: World, rows: Sequence[Mapping[str, str]]) -> list[str]:
    """Fields of the answers that are otherwise than the table says.

    A row with ``answer`` is of the answer of that number alone; one with ``if``, such as ``in flight = 0``,
    of those answers that meet the condition, and one of them must.
    """
    assert world.attempts, "no request has been made in this scenario yet"
    many = len(world.attempts) > 1
    wrong = []
    for row in rows:
        pair = [{name: text for name, text in row.items() if name not in ("answer", "if")}]
        for each in _meant(world.attempts, row):
            found = expectations.deviations(each.answer, pair)
            wrong += [f"{each.what}: {one}" if many else one for one in found]
    return wrong


def _meant(attempts: Sequence[Attempt], row: Mapping[str, str]) -> Sequence[Attempt]:
    number, condition = row.get("answer", "").strip(), row.get("if", "").strip()
    if number:
        assert int(number) <= len(attempts), f"there are {len(attempts)} answers, not {number}"
        attempts = [attempts[int(number) - 1]]
    if condition:
        name, _, value = condition.partition(" = ")
        attempts = [
            each for each in attempts if expectations.fits(value, expectations.member(each.answer, name))
        ]
        assert attempts, f"no answer shows {condition}"
    return attempts


def differing(world: World, fields: Sequence[str]) -> list[str]:
    """What tells the answers of the last requests apart from the first of them, those fields aside."""
    assert len(world.attempts) > 1, "there is nothing to compare: fewer than two requests have been made"
    contents = [
        {"status": each.answer.status, **each.answer.body, **dict.fromkeys(map(_member, fields))}
        for each in world.attempts
    ]
    return [
        f"{field}: {content.get(field)!r} in {told(each)}; {contents[0].get(field)!r} in the first answer"
        for each, content in zip(world.attempts, contents, strict=True)
        for field in contents[0].keys() | content.keys()
        if content.get(field) != contents[0].get(field)
    ]


def _member(field: str) -> str:
    return field.replace(" ", "_")


def containing(world: World, texts: Sequence[str]) -> list[str]:
    """Answers that contain one of the texts, in whatever case. There must be answers."""
    answers = [each for each in world.attempts if isinstance(each.outcome, Answer)]
    assert answers, "no request of this scenario has been answered yet"
    return [
        f"{text!r} stands in the {place} of the answer: {told(each)}"
        for each in answers
        for place, content in (
            ("content", each.answer.text),
            ("headers", str(dict(each.answer.headers))),
        )
        for text in texts
        if text.lower() in content.lower()
    ]


def showing(world: World, rows: Sequence[Mapping[str, str]]) -> tuple[float, str]:
    """The share of the answers that are as the table says, and what is otherwise in the rest."""
    wrong = [expectations.deviations(each.answer, rows) for each in world.attempts]
    assert wrong, "no request has been made in this scenario yet"
    share = sum(not each for each in wrong) / len(wrong)
    others = Counter(field for each in wrong for field in each)
    told_of = "; ".join(field for field, _count in others.most_common(MOST_TOLD))
    return share, f"the share of {len(wrong)} answers that show this; the others: {told_of or 'none'}"


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


def read(world: World, item: str, *, actor: str = actors.EDITOR) -> Attempt:
    """Read a document by its id, vector included; the scenario's last requests stay what they were."""
    return making.aside(world, actor, f"reads {words.quoted(item)}", {"vector": "on"})


def read_otherwise(world: World) -> list[str]:
    """Acknowledged documents that are not read with their last text and metadata."""
    collection = world.names.collection(world.collection)
    acknowledged = [
        item for (name, item), version in world.ledger.acknowledged.items() if name == collection and version
    ]
    assert acknowledged, "no document has been acknowledged in this scenario"
    return [
        f'"{item}": expected {field} {expectations.exactly(wanted)}, was {expectations.exactly(held)}'
        for item in acknowledged
        for found in [read(world, item)]
        for field, sent in {"text": world.texts, "metadata": world.metadata}.items()
        for wanted in [sent.get(item)]
        for held in [found.answer.body.get(field) if found.ok else found.code]
        if expectations.exactly(held) != expectations.exactly(wanted)
    ]


def read_document(world: World, item: str) -> Mapping[str, Any]:
    """A document as readers see it. Raises ``AssertionError`` where it cannot be read."""
    found = read(world, item)
    assert found.ok, told(found)
    body: Mapping[str, Any] = found.answer.body
    return body
