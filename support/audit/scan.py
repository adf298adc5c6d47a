"""One reading of a range of ids in both stores, in constant memory: which items agree, which may not.

Qdrant is read a page ahead; each page is compared with PostgreSQL's rows of the same range, read after it, as
a point seen in Qdrant must by then have its row. What surely agrees is counted; everything else is a
candidate for ``items.judge``, which alone decides. So what is here may only err towards candidates.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Set
from dataclasses import dataclass, field
from typing import Any, NamedTuple
from uuid import UUID

import numpy as np
import orjson
from numpy.typing import NDArray

from support.audit import content
from support.drivers.errors import NoSuchCollection
from support.drivers.postgres import Brief, CollectionRecord, MetadataStore
from support.drivers.qdrant import PointId, PointPage, VectorStore

# Of a page more rows than points are read at once, so that a few missing points cost no further query.
SLACK = 100
ALL_IDS = 1 << 128
# Within content.UNIT_TOLERANCE, with room for the rounding of float32.
SURE_TOLERANCE = 0.9 * content.UNIT_TOLERANCE
# Floats of a page: a page of about a megabyte is parsed twice as fast as one of five, which no cache holds.
NUMBERS_OF_A_PAGE = 80_000
LEAST_PAGE = 32
# Values that orjson and the canonical form write alike.
PLAIN = frozenset({str, int, bool, type(None)})


class Range(NamedTuple):
    """``start`` <= point id < ``stop``; None is no bound. Without a start Qdrant's numbers belong to it."""

    start: UUID | None
    stop: UUID | None


WHOLE = Range(None, None)


@dataclass(slots=True)
class ScanResult:
    """What a scan saw. ``further`` counts the differences beyond those that were to be kept."""

    points: int = 0
    agreeing: int = 0
    candidates: list[PointId] = field(default_factory=list)
    further: int = 0

    def add(self, other: ScanResult, most: int) -> None:
        """Count another range of the same collection, keeping at most ``most`` candidates of all."""
        self.points += other.points
        self.agreeing += other.agreeing
        room = max(0, most - len(self.candidates))
        self.candidates += other.candidates[:room]
        self.further += other.further + len(other.candidates[room:])


@dataclass(slots=True)
class RangeScan:
    """How to read ranges of one collection.

    ``busy`` holds the ids (as text) of items with an open event, which are never taken as agreeing.
    ``each_row`` hears of every row. ``agrees_too`` is asked about each item that agrees, with its vector
    where that was read, and may object. ``before_page`` is called before each page with the number of points
    so far, and may raise.
    """

    metadata: MetadataStore
    vectors: VectorStore
    record: CollectionRecord
    busy: Set[str]
    page: int
    most: int
    with_vectors: bool = True
    each_row: Callable[[Brief], None] | None = None
    agrees_too: Callable[[Brief, NDArray[np.float32] | None], bool] | None = None
    before_page: Callable[[int], None] | None = None

    def run(self, bounds: Range = WHOLE) -> ScanResult:
        """Read one range. Raises ``StoreUnreachable`` when it cannot be read to its end."""
        outcome, lower = ScanResult(), bounds.start
        for sheet in self._pages(bounds):
            if self.before_page is not None:
                self.before_page(outcome.points)
            outcome.points += len(sheet.records)
            if isinstance(sheet.following, int):
                # Numbers only so far, and PostgreSQL has none.
                self._keep([record["id"] for record in sheet.records], outcome)
                continue
            upper = bounds.stop if sheet.following is None else UUID(sheet.following)
            self._compare(sheet.records, Range(lower, upper), outcome)
            lower = upper
        return outcome

    def _pages(self, bounds: Range) -> Iterator[PointPage]:
        try:
            yield from self.vectors.pages(
                self.record.name, **bounds._asdict(), with_vectors=self.with_vectors, page=self._length()
            )
        except NoSuchCollection:
            # Dropped while it was read: the looks at the candidates show whether it should have been.
            yield PointPage([], None)

    def _length(self) -> int:
        """Points of a page."""
        if not self.with_vectors:
            return self.page
        return min(self.page, max(LEAST_PAGE, NUMBERS_OF_A_PAGE // self.record.vector_size))

    def _compare(self, records: list[dict[str, Any]], bounds: Range, outcome: ScanResult) -> None:
        points = {record["id"]: place for place, record in enumerate(records)}
        floats = self._floats(records)
        rows = self.metadata.briefs(self.record.collection_id, *bounds, page=self._length() + SLACK)
        for page in rows:
            for row in page:
                if self.each_row is not None:
                    self.each_row(row)
                place = points.pop(row[0], None)
                if (
                    place is not None
                    and row[0] not in self.busy
                    and self._agree(row, records[place], floats, place)
                ):
                    outcome.agreeing += 1
                else:
                    self._keep([row[0]], outcome)
        self._keep(points, outcome)

    def _keep(self, ids: Iterable[str | int], outcome: ScanResult) -> None:
        for each in ids:
            if len(outcome.candidates) < self.most:
                outcome.candidates.append(each if isinstance(each, int) else UUID(each))
            else:
                outcome.further += 1

    def _floats(self, records: list[dict[str, Any]]) -> _Floats | None:
        """The page's vectors; None if they are not read."""
        if not self.with_vectors:
            return None
        return _Floats.of(
            [record.get("vector") for record in records],
            self.record.vector_size,
            unit=self.record.distance == "cosine",
        )

    def _agree(self, row: Brief, record: dict[str, Any], floats: _Floats | None, place: int) -> bool:
        """Whether row and point surely agree: a part of what ``items.judge`` takes for agreeing."""
        (
            _id, external_id, source, text, metadata, model, dimensions,
            content_hash, metadata_hash, vector_checksum, status, version, _created_at,
        ) = row  # fmt: skip
        payload = record.get("payload") or {}
        mark = payload.get("citadel")
        declared = self.record.model
        agree = (
            status == "stored"
            and type(mark) is dict
            and mark.get("version") == version
            and mark.get("id") == external_id
            and mark.get("model") == model
            and mark.get("content_hash") == content_hash
            and mark.get("vector_checksum") == vector_checksum
            and payload.get("text") == text
            and (declared is None or model == declared or (source != "text" and model is None))
            and dimensions == self.record.vector_size
            and (text is None or hashlib.sha256(text.encode()).hexdigest() == content_hash)
            and _same_metadata(metadata, payload.get("metadata"), metadata_hash)
        )
        if not agree:
            return False
        if floats is None:
            return self.agrees_too is None or self.agrees_too(row, None)
        if not floats.sound[place] or floats.checksum(place) != vector_checksum:
            return False
        return self.agrees_too is None or self.agrees_too(row, floats.rows[place])


@dataclass(frozen=True, slots=True)
class _Floats:
    """The vectors of a page; ``sound`` tells which have the right length and norm."""

    rows: NDArray[np.float32]
    sound: list[bool]
    bytes_: memoryview

    @classmethod
    def of(cls, values: list[Any], size: int, *, unit: bool) -> _Floats:
        fit = [type(vector) is list and len(vector) == size for vector in values]
        blank = [0.0] * size
        try:
            shaped = [vector if fits else blank for vector, fits in zip(values, fit, strict=True)]
            rows = np.array(shaped, np.float32).reshape(len(values), size)
        except (TypeError, ValueError):
            rows, fit = np.zeros((len(values), size), np.float32), [False] * len(values)
        with np.errstate(over="ignore", invalid="ignore"):
            squares = np.einsum("ij,ij->i", rows, rows)
            good = np.abs(np.sqrt(squares) - 1.0) <= SURE_TOLERANCE if unit else np.isfinite(squares)
        sound = (good & np.array(fit, bool)).tolist()
        return cls(rows, sound, memoryview(rows.astype("<f4", copy=False).tobytes()))

    def checksum(self, place: int) -> str:
        """As ``content.checksum``."""
        width = self.rows.shape[1] * 4
        return hashlib.sha256(self.bytes_[place * width : (place + 1) * width]).hexdigest()


def _same_metadata(of_row: str, of_point: Any, recorded: str) -> bool:
    """Whether both stores have the metadata of the recorded hash; ``of_row`` is JSON text."""
    try:
        ours = orjson.loads(of_row)
    except orjson.JSONDecodeError:
        return False
    packed = _packed(ours)
    return _packed(of_point) == packed and hashlib.sha256(packed).hexdigest() == recorded


def _packed(value: Any) -> bytes:
    """``content.canonical``, faster for the usual values."""
    if type(value) is dict and PLAIN.issuperset(map(type, value.values())):
        return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)
    return content.canonical(value)


def parts(count: int) -> list[Range]:
    """The whole range of ids in ``count`` equal ones; hashes as ids fill them evenly."""
    cuts = [UUID(int=number * ALL_IDS // count) for number in range(1, count)]
    return [Range(start, stop) for start, stop in zip([None, *cuts], [*cuts, None], strict=True)]


def spread(count: int, share: float, chance: Callable[[], float]) -> list[Range]:
    """``count`` ranges that hold ``share`` of all ids together, one at a random place of each equal part."""
    width = int(ALL_IDS / count * share)
    found = []
    for number in range(count):
        low = number * ALL_IDS // count
        start = low + int((ALL_IDS // count - width) * chance())
        found.append(Range(UUID(int=start), UUID(int=min(start + width, ALL_IDS - 1))))
    return found
