"""What came of calling every operation of the contract, held against a table of the feature."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from support.contract.validator import Contract, Operation
from support.drivers.gateway import Answer
from support.matchers.requests import told
from support.vocabulary import expectations, outcomes, tables
from support.vocabulary.requests.operations import in_words
from support.world import Attempt, World

COLUMNS = ("operation", "outcome")
EITHER = " or "
# The callers of the access rules: each may do all that the one before may.
RANKS = {"an anonymous caller": 0, "a reader": 1, "an editor": 2, "an administrator": 3}
LEAST = {None: 1, "readonly": 1, "user": 2, "admin": 3}


def names() -> dict[str, Operation]:
    """Every operation of the contract, by its name in words."""
    return {in_words(each.id): each for each in Contract.load().operations()}


def deviations(world: World, expected: str, exceptions: Sequence[Mapping[str, str]]) -> list[str]:
    """Operations that came out otherwise than ``expected``, or than their row of the exceptions says.

    An outcome is ``succeeded`` or a problem code; ``a or b`` admits both. Further columns are fields of the
    answer; a blank outcome is the expected one. Raises ``TableError`` for an unknown operation or an outcome
    that no operation has.
    """
    rows = _by_operation(exceptions)
    return [
        complaint
        for attempt in _called(world)
        for complaint in _differences(attempt, expected, rows.get(attempt.operation, {}))
    ]


def granted_otherwise(world: World, rows: Sequence[Mapping[str, str]]) -> list[str]:
    """Operations that came out for a caller otherwise than the table of the access rules says.

    Every operation of the contract must have a row, and the contract's document must grant it to the same
    callers. Raises ``TableError`` for an unknown operation or caller.
    """
    rules = _by_operation(rows)
    wrong = [f"{name}: no row says who may call it" for name in names() if name not in rules]
    for name, row in rules.items():
        for caller, wanted in _by_caller(row):
            wrong += _not_documented(names()[name], caller, wanted)
    called = _called(world)
    actors = {attempt.actor for attempt in called}
    wrong += [f"{each} has called no operation" for each in {*rows[0]} - {"operation"} - actors]
    for attempt in called:
        expected = rules.get(attempt.operation, {}).get(attempt.actor, "").strip()
        if expected and attempt.code not in expected.split(EITHER):
            wrong.append(f"{attempt.actor}: {attempt.operation}: expected {expected} - {told(attempt)}")
    return wrong


def _by_caller(row: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    for caller, wanted in row.items():
        if caller != "operation":
            if caller not in RANKS:
                raise tables.unknown("caller", caller, RANKS)
            yield caller, wanted.strip()


def _not_documented(operation: Operation, caller: str, wanted: str) -> list[str]:
    """What of a rule the contract's document says otherwise."""
    least = 0 if operation.open else LEAST[operation.role]
    documented = None if RANKS[caller] >= least else "forbidden" if RANKS[caller] else "unauthenticated"
    written = wanted if wanted in ("forbidden", "unauthenticated") else None
    if written == documented:
        return []
    name = in_words(operation.id)
    return [f"{name}: {caller}: the table says {wanted}, the contract {documented or 'that it is granted'}"]


def _called(world: World) -> list[Attempt]:
    called = [each for each in world.attempts if each.operation]
    assert called, "no actor has called every operation in this scenario yet"
    return called


def _by_operation(rows: Sequence[Mapping[str, str]]) -> dict[str, Mapping[str, str]]:
    known = names()
    for row in rows:
        if "operation" not in row:
            raise tables.unknown("column", next(iter(row)), (*COLUMNS, "<field of the answer>"))
        if row["operation"].strip() not in known:
            raise tables.unknown("operation", row["operation"].strip(), known)
    return {row["operation"].strip(): row for row in rows}


def _differences(attempt: Attempt, expected: str, row: Mapping[str, str]) -> list[str]:
    wanted = row.get("outcome", "").strip() or expected
    if attempt.code not in wanted.split(EITHER):
        return [f"{attempt.operation}: expected {wanted}, was {attempt.code} - {told(attempt)}"]
    fields = {name: text for name, text in row.items() if name not in COLUMNS and text.strip()}
    if not isinstance(attempt.outcome, Answer):
        return []
    found = [(name, text, expectations.member(attempt.outcome, name)) for name, text in fields.items()]
    return [
        f"{attempt.operation}: expected {name} {text.strip()}, was {value} - {told(attempt)}"
        for name, text, value in found
        if not expectations.fits(text, value)
    ]


def late(world: World, wording: str) -> list[str]:
    """Operations that answered later than a limit, or than the contract allows each, or not at all."""
    limit = outcomes.limit(world, wording)
    known = names()
    return [
        f"{attempt.operation}: later than {within:g} s - {told(attempt)}"
        for attempt in _called(world)
        for within in [min(limit.seconds, known[attempt.operation].timeout_s)]
        if not isinstance(attempt.outcome, Answer) or attempt.outcome.elapsed_ms > 1000.0 * within
    ]
