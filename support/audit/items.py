"""One item in both stores: agrees, is in flight, is absent, or breaks an invariant, and by whose fault."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

import numpy as np

from support.audit import content
from support.audit.parameters import Options
from support.audit.report import Breach, Finding
from support.drivers.postgres import CollectionRecord, OpenEvent, Row
from support.drivers.qdrant import Point

POSTGRESQL, QDRANT, GATEWAY = "postgresql", "qdrant", "gateway"
# Real embeddings of one text differ by rounding only; another text or model is far below.
SAME_EMBEDDING = 0.999
LONGEST_VALUE = 80
# So many members of metadata are told, the others counted.
MOST_MEMBERS = 3

Embed = Callable[[str, str], Sequence[float]]


class ItemState(Enum):
    """What an item without a finding is."""

    AGREES = "agrees"
    IN_FLIGHT = "in flight"
    ABSENT = "absent"


@dataclass(frozen=True, slots=True)
class Evidence:
    """What both stores said about one item; ``newest_event`` grows with every write to it.

    ``known_as`` is the client's id where somebody other than the stores knows it.
    """

    collection: CollectionRecord
    row: Row | None
    point: Point | None
    event: OpenEvent | None = None
    newest_event: int | None = None
    known_as: str | None = None

    @property
    def external_id(self) -> str | None:
        """The client's id, as far as anybody knows it."""
        if self.row is not None:
            return self.row.external_id
        noted = self.point.external_id if self.point is not None else None
        return noted if isinstance(noted, str) else self.known_as

    def signature(self) -> Hashable:
        """Changes with every write to the item, in whichever store; a fault that lasts keeps it."""
        row, point = self.row, self.point
        return (
            row and (row.status, row.version, row.content_hash, row.metadata_hash, row.vector_checksum,
                     row.model, row.created_at, row.updated_at),
            point and (content.canonical(dict(point.payload)),
                       None if point.vector is None else point.vector.tobytes()),
            self.newest_event,
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Fault:
    kind: Breach
    store: str
    text: str


@dataclass(slots=True)
class _Comparison:
    """Every disagreement between a stored row and its point, most telling first."""

    collection: CollectionRecord
    row: Row
    point: Point
    faults: list[_Fault] = field(default_factory=list)

    def run(self) -> list[_Fault]:
        self._vector()
        self._model()
        self._version()
        self._content()
        self._checksum()
        return self.faults

    def _add(self, kind: Breach, store: str, text: str) -> None:
        self.faults.append(_Fault(kind, store, text))

    def _vector(self) -> None:
        vector, size = self.point.vector, self.collection.vector_size
        if vector is None:
            self._add(Breach.BAD_VECTOR, QDRANT, "Qdrant's point has no unnamed vector")
            return
        if len(vector) != size:
            self._add(
                Breach.BAD_VECTOR, QDRANT, f"Qdrant's vector has {len(vector)} numbers, the collection {size}"
            )
        if self.row.dimensions != size:
            text = f"PostgreSQL says {self.row.dimensions} dimensions, the collection has {size}"
            self._add(Breach.BAD_VECTOR, POSTGRESQL, text)
        length = content.norm(vector)
        if not np.isfinite(length):
            self._add(Breach.BAD_VECTOR, QDRANT, "Qdrant's vector has numbers that are not finite")
        elif self.collection.distance == "cosine" and abs(length - 1.0) > content.UNIT_TOLERANCE:
            why = "no search can find it" if length < content.SMALLEST_NORM else "scores are wrong"
            text = f"Qdrant's vector has norm {length:.4g} in a cosine collection (expected 1): {why}"
            self._add(Breach.BAD_VECTOR, QDRANT, text)

    def _model(self) -> None:
        declared, of_row, of_point = self.collection.model, self.row.model, self.point.mark.get("model")
        # A collection without a model takes vectors of any origin; an item given as a vector names none.
        foreign_row = declared is not None and of_row != declared
        if foreign_row and (self.row.source == "text" or of_row is not None):
            text = f"PostgreSQL says model {of_row}, the collection is of {declared}"
            self._add(Breach.MIXED_MODEL, POSTGRESQL, text)
        if of_point != of_row:
            text = f"Qdrant's payload says model {of_point}, PostgreSQL says {of_row}"
            foreign_point = of_point is not None and of_point != declared
            self._add(Breach.MIXED_MODEL if foreign_point else Breach.MIRROR, QDRANT, text)

    def _version(self) -> None:
        ours, theirs = self.row.version, self.point.version
        if theirs == ours:
            return
        if not isinstance(theirs, int):
            text = f"Qdrant's payload has no version ({theirs!r}), PostgreSQL says {ours}"
            self._add(Breach.MIRROR, QDRANT, text)
        elif theirs < ours:
            text = (
                f"Qdrant holds version {theirs}, PostgreSQL says version {ours} is stored:"
                " the point of the newest write is missing"
            )
            self._add(Breach.STALE, QDRANT, text)
        else:
            text = (
                f"Qdrant holds version {theirs}, PostgreSQL only version {ours}:"
                " the row of the newest write is missing"
            )
            self._add(Breach.AHEAD, POSTGRESQL, text)

    def _content(self) -> None:
        row, point = self.row, self.point
        self._equal("id", point.external_id, row.external_id)
        self._equal("content_hash", point.mark.get("content_hash"), row.content_hash)
        if row.text is not None and content.sha256(row.text.encode()) != row.content_hash:
            text = f"PostgreSQL's text does not have its content_hash {_shown(row.content_hash)}"
            self._add(Breach.MIRROR, POSTGRESQL, text)
        if point.text != row.text:
            self._add(Breach.MIRROR, QDRANT, f"Qdrant's text ({_size(point.text)}) is not"
                      f" PostgreSQL's ({_size(row.text)})")  # fmt: skip
        ours = content.canonical(row.metadata)
        if content.canonical(point.metadata) != ours:
            self._add(Breach.MIRROR, QDRANT, _metadata_apart(point.metadata, row.metadata))
        if content.sha256(ours) != row.metadata_hash:
            text = f"PostgreSQL's metadata do not have their metadata_hash {_shown(row.metadata_hash)}"
            self._add(Breach.MIRROR, POSTGRESQL, text)

    def _checksum(self) -> None:
        """Three witnesses: the vector itself, the note beside it, and PostgreSQL; two against one."""
        if self.point.vector is None:
            return
        real, noted = content.checksum(self.point.vector), self.point.mark.get("vector_checksum")
        recorded = self.row.vector_checksum
        if real == noted == recorded:
            return
        checksums = (
            f"checksum {_shown(real)} of Qdrant's vector, {_shown(noted)} in its payload,"
            f" {_shown(recorded)} in PostgreSQL"
        )
        if noted == recorded:
            self._add(
                Breach.MIRROR, QDRANT, f"the vector in Qdrant is not the one that was written ({checksums})"
            )
        elif real == noted:
            self._add(
                Breach.MIRROR, POSTGRESQL, f"PostgreSQL recorded another vector than Qdrant's ({checksums})"
            )
        else:
            self._add(
                Breach.MIRROR, QDRANT, f"Qdrant's payload notes another vector than its own ({checksums})"
            )

    def _equal(self, name: str, of_point: object, of_row: object) -> None:
        if of_point != of_row:
            text = f"Qdrant's payload says {name} {_shown(of_point)}, PostgreSQL says {_shown(of_row)}"
            self._add(Breach.MIRROR, QDRANT, text)


def judge(seen: Evidence, options: Options, embed: Embed | None = None) -> Finding | ItemState:
    """The state of one item, or the one finding that names everything wrong with it."""
    fault = _in_transit(seen, options)
    if isinstance(fault, ItemState):
        return fault
    faults = [fault] if fault else _settled(seen, options, embed)
    if not faults:
        return ItemState.AGREES if seen.row is not None else ItemState.ABSENT
    return _finding(seen, faults, options)


def subject(seen: Evidence) -> str:
    """How a finding calls the item."""
    if seen.external_id is not None:
        return seen.external_id
    return str(seen.point.id) if seen.point is not None else "?"


def _in_transit(seen: Evidence, options: Options) -> _Fault | ItemState | None:
    """In flight, stuck on the way, or None for an item that should be at rest."""
    row, event = seen.row, seen.event
    going = row is not None and row.status == "deleting"
    if row is not None and going and options.visible and options.visible(row.collection, row.external_id):
        return _Fault(Breach.VISIBLE_TOMBSTONE, GATEWAY, "is being deleted, yet clients still see it")
    if event is not None and event.age_s <= options.t_max_s:
        return ItemState.IN_FLIGHT
    if row is None or row.status == "stored":
        return None
    if event is None:
        text = f"is {row.status} for {row.age_s:.1f} s and no event will ever end that"
        return _Fault(Breach.STUCK, POSTGRESQL, f"PostgreSQL's row {text}")
    text = (
        f"PostgreSQL's row is {row.status} and its event {event.event_id} ({event.operation}) is open for"
        f" {event.age_s:.1f} s (at most {options.t_max_s:g} s), {event.attempts} attempts,"
        f" last error: {event.last_error}"
    )
    return _Fault(Breach.STUCK, POSTGRESQL, text)


def _settled(seen: Evidence, options: Options, embed: Embed | None) -> list[_Fault]:
    row, point = seen.row, seen.point
    faults: list[_Fault] = []
    if row is None and point is not None:
        text = (
            f"Qdrant holds a point (version {point.version}, id {point.id}), PostgreSQL has no row:"
            " search offers what nobody can open"
        )
        faults.append(_Fault(Breach.ORPHAN, QDRANT, text))
    elif row is not None and point is None:
        text = (
            f"PostgreSQL has a stored row (version {row.version}, id {row.point_id}), Qdrant has no point:"
            " no search can find it"
        )
        faults.append(_Fault(Breach.MISSING, QDRANT, text))
    elif row is not None and point is not None:
        faults += _Comparison(seen.collection, row, point).run()
        if not faults and embed is not None and row.text is not None and row.model is not None:
            faults += _re_embedded(row.text, row.model, point, embed)
    return faults + _against_history(seen, options)


def _re_embedded(text: str, model: str, point: Point, embed: Embed) -> list[_Fault]:
    assert point.vector is not None
    similarity = content.cosine(embed(text, model), point.vector)
    if similarity >= SAME_EMBEDDING:
        return []
    wrong = (
        f"Qdrant's vector has cosine {similarity:.4f} (expected at least {SAME_EMBEDDING}) with the embedding"
        f" of PostgreSQL's text by {model}: it is the vector of something else"
    )
    return [_Fault(Breach.WRONG_VECTOR, QDRANT, wrong)]


def _against_history(seen: Evidence, options: Options) -> list[_Fault]:
    """Against what the client was told, and against what an earlier audit saw."""
    external_id = seen.external_id
    if external_id is None:
        return []
    faults = []
    row, key = seen.row, (seen.collection.name, external_id)
    if options.ledger is not None and key not in options.ledger.unknown:
        acknowledged = options.ledger.acknowledged.get(key)
        if acknowledged is not None and acknowledged > 0 and (row is None or row.version < acknowledged):
            has = "has no row" if row is None else f"has version {row.version}"
            text = f"version {acknowledged} was acknowledged to the client, PostgreSQL {has}"
            faults.append(_Fault(Breach.LOST, POSTGRESQL, text))
        if row is not None and acknowledged == 0:
            text = f"its deletion was acknowledged, PostgreSQL still has version {row.version}"
            faults.append(_Fault(Breach.PHANTOM, POSTGRESQL, text))
        if row is not None and acknowledged is None and key in options.ledger.refused:
            text = f"its write was refused, PostgreSQL has version {row.version} all the same"
            faults.append(_Fault(Breach.PHANTOM, POSTGRESQL, text))
    if options.previous is not None and row is not None:
        before = options.previous.items.get((row.collection_id, external_id))
        if before is not None and before[1] == row.created_at and row.version < before[0]:
            text = f"an earlier audit saw version {before[0]}, PostgreSQL now has version {row.version}"
            faults.append(_Fault(Breach.ROLLBACK, POSTGRESQL, text))
    return faults


def as_history_has_it(collection: CollectionRecord, external_id: str, version: int, options: Options) -> bool:
    """Whether a row of that version is surely what the client was told and an earlier audit saw."""
    key, ledger = (collection.name, external_id), options.ledger
    if ledger is not None and key not in ledger.unknown:
        acknowledged = ledger.acknowledged.get(key)
        if (key in ledger.refused) if acknowledged is None else not 0 < acknowledged <= version:
            return False
    if options.previous is None:
        return True
    before = options.previous.items.get((collection.collection_id, external_id))
    return before is None or version >= before[0]


_OF_ONE_STORE = frozenset({Breach.ORPHAN, Breach.MISSING, Breach.STALE, Breach.AHEAD, Breach.MIRROR})
# The history's word weighs more than the difference by which it shows.
_FIRST = (Breach.LOST, Breach.PHANTOM, Breach.ROLLBACK)


def _finding(seen: Evidence, faults: list[_Fault], options: Options) -> Finding:
    faults = sorted(faults, key=lambda fault: fault.kind not in _FIRST)
    main, kind = faults[0], faults[0].kind
    text = "; ".join(fault.text for fault in faults)
    key = (seen.collection.name, seen.external_id or "")
    if options.ledger is not None and key in options.ledger.unknown and kind in _OF_ONE_STORE:
        kind, text = Breach.SPLIT, f"the client does not know the outcome, and the stores are not one: {text}"
    return Finding(kind, seen.collection.name, subject(seen), main.store, text)


def _shown(value: Any) -> str:
    text = value if isinstance(value, str) else repr(value)
    if len(text) == 64 and not text.strip("0123456789abcdef"):
        return f"{text[:12]}…"
    return text if len(text) <= LONGEST_VALUE else f"{text[:LONGEST_VALUE]}…"


def _metadata_apart(of_point: Any, of_row: Mapping[str, Any]) -> str:
    """Which members differ, and how."""
    if not isinstance(of_point, Mapping):
        return f"Qdrant's metadata are {_shown(of_point)}, PostgreSQL's {_shown(of_row)}"
    apart = [
        f"{_shown(name)} is {_member(of_point, name)} in Qdrant, {_member(of_row, name)} in PostgreSQL"
        for name in sorted({*of_point, *of_row})
        if not (name in of_point and name in of_row)
        or content.canonical(of_point[name]) != content.canonical(of_row[name])
    ]
    more = f" and {len(apart) - MOST_MEMBERS} more" if len(apart) > MOST_MEMBERS else ""
    return f"the metadata differ: {'; '.join(apart[:MOST_MEMBERS])}{more}"


def _member(metadata: Mapping[str, Any], name: str) -> str:
    return _shown(repr(metadata[name])) if name in metadata else "absent"


def _size(text: object) -> str:
    return (
        f"{len(text)} characters, sha256 {content.sha256(text.encode())[:12]}…"
        if isinstance(text, str)
        else "none"
    )
