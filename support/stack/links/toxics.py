"""What toxics do to the bytes of one direction of one connection: pure schedules, no waiting.

A piece of data carries the moment when it is due. A stage takes a piece and gives back pieces, later,
smaller, or none: the relay does the waiting. So several toxics of a direction act one after the other, and
delays overlap as they do on a real line.
"""

from __future__ import annotations

import enum
import random
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

# A slow line is written to in portions of this many milliseconds.
PORTION_MS = 100
NEVER = float("inf")


class End(enum.Enum):
    """How a connection ends."""

    CLOSE = "close"
    RESET = "reset"


class Piece(NamedTuple):
    """Bytes, or an end, due at a moment of the loop's clock (seconds)."""

    due: float
    content: bytes | End


@dataclass(slots=True, eq=False)
class Toxic:
    """A configured toxic. ``toxicity`` is the share of connections it touches, ``hits`` how often it did."""

    name: str
    kind: str
    stream: str
    toxicity: float
    attributes: dict[str, int]
    hits: int = 0

    def shown(self) -> dict[str, Any]:
        """Its JSON form."""
        return {
            "name": self.name,
            "type": self.kind,
            "stream": self.stream,
            "toxicity": self.toxicity,
            "attributes": self.attributes,
            "hits": self.hits,
        }


@dataclass(slots=True, eq=False)
class Stage:
    """A toxic at work on one direction of one connection; holds what it must remember between pieces."""

    toxic: Toxic
    touches: bool = False
    drawn_for: float = -1.0
    # The moment until which earlier pieces occupy the line.
    busy_until: float = 0.0
    passed: int = 0
    attributes: ClassVar[tuple[str, ...]] = ()
    closes_when_removed: ClassVar[bool] = False

    def act(self, piece: Piece) -> Iterator[Piece]:
        """What becomes of ``piece``."""
        if isinstance(piece.content, End):
            yield from self.ending(piece)
        else:
            yield from self.data(piece.due, piece.content)

    def ending(self, piece: Piece) -> Iterator[Piece]:
        """What becomes of the end of the stream."""
        yield piece

    def data(self, due: float, content: bytes) -> Iterator[Piece]:
        """What becomes of bytes."""
        raise NotImplementedError

    def settle(self) -> None:
        """Draw whether this connection is touched, if the toxicity is new; the line is free again."""
        if self.drawn_for != self.toxic.toxicity:
            self.drawn_for = self.toxic.toxicity
            self.touches = random.random() < self.toxic.toxicity
        self.busy_until = 0.0

    @property
    def idle_s(self) -> float:
        """Seconds without data after which the connection is closed; 0 for never."""
        return 0.0

    def _value(self, name: str) -> int:
        return self.toxic.attributes[name]


class Latency(Stage):
    """Everything arrives later; a close does not."""

    attributes = ("latency", "jitter")

    def data(self, due: float, content: bytes) -> Iterator[Piece]:
        self.toxic.hits += 1
        jitter = self._value("jitter")
        delay_ms = self._value("latency") + (random.uniform(-jitter, jitter) if jitter > 0 else 0)
        yield Piece(due + max(0.0, delay_ms) / 1000, content)


class Bandwidth(Stage):
    """At most ``rate`` kilobytes (of 1000 bytes) a second; nothing at all at 0."""

    attributes = ("rate",)

    def data(self, due: float, content: bytes) -> Iterator[Piece]:
        self.toxic.hits += 1
        rate = self._value("rate")
        if rate <= 0:
            yield Piece(NEVER, content)
            return
        portion = rate * PORTION_MS
        for start in range(0, len(content), portion):
            part = content[start : start + portion]
            self.busy_until = max(due, self.busy_until) + len(part) / (rate * 1000)
            yield Piece(self.busy_until, part)


class SlowClose(Stage):
    """The close arrives later."""

    attributes = ("delay",)

    def data(self, due: float, content: bytes) -> Iterator[Piece]:
        self.busy_until = max(due, self.busy_until)
        yield Piece(due, content)

    def ending(self, piece: Piece) -> Iterator[Piece]:
        self.toxic.hits += 1
        yield Piece(max(piece.due, self.busy_until) + self._value("delay") / 1000, piece.content)


class Timeout(Stage):
    """Nothing arrives; after ``timeout`` ms without data the connection is closed (0: never)."""

    attributes = ("timeout",)
    closes_when_removed = True

    def data(self, _due: float, _content: bytes) -> Iterator[Piece]:
        self.toxic.hits += 1
        return iter(())

    @property
    def idle_s(self) -> float:
        return max(0, self._value("timeout")) / 1000


class ResetPeer(Stage):
    """The first data is answered by a reset, ``timeout`` ms later."""

    attributes = ("timeout",)

    def data(self, due: float, content: bytes) -> Iterator[Piece]:
        if not self.passed:
            self.toxic.hits += 1
            yield Piece(due + self._value("timeout") / 1000, End.RESET)
        self.passed += len(content)

    def ending(self, piece: Piece) -> Iterator[Piece]:
        if not self.passed:
            self.toxic.hits += 1
            yield Piece(piece.due, End.RESET)


class Slicer(Stage):
    """Data arrives in slices of ``average_size`` bytes (plus or minus), ``delay`` microseconds apart."""

    attributes = ("average_size", "size_variation", "delay")

    def data(self, due: float, content: bytes) -> Iterator[Piece]:
        self.toxic.hits += 1
        average, variation = self._value("average_size"), self._value("size_variation")
        due = max(due, self.busy_until)
        start = 0
        while start < len(content):
            size = max(1, average + (random.randint(-variation, variation) if variation > 0 else 0))
            yield Piece(due, content[start : start + size])
            start += size
            due += self._value("delay") / 1_000_000
        self.busy_until = due


class LimitData(Stage):
    """The connection is closed once ``bytes`` bytes have passed."""

    attributes = ("bytes",)

    def data(self, due: float, content: bytes) -> Iterator[Piece]:
        left = max(0, self._value("bytes") - self.passed)
        if part := content[:left]:
            self.passed += len(part)
            yield Piece(due, part)
        if len(content) >= left:
            self.toxic.hits += 1
            yield Piece(due, End.CLOSE)


STAGES: dict[str, type[Stage]] = {
    "latency": Latency,
    "bandwidth": Bandwidth,
    "slow_close": SlowClose,
    "timeout": Timeout,
    "reset_peer": ResetPeer,
    "slicer": Slicer,
    "limit_data": LimitData,
}
STREAMS = ("upstream", "downstream")


class Chain:
    """The stages of one direction of one connection, in the order in which their toxics were added."""

    def __init__(self) -> None:
        self._stages: list[Stage] = []
        self.active: list[Stage] = []

    def set(self, toxics: list[Toxic]) -> bool:
        """Take over the present toxics; what a stage remembers survives its toxic's update.

        Returns whether the removal of a toxic closes the connection.
        """
        before, acting = {id(stage.toxic): stage for stage in self._stages}, self.active
        self._stages = [before.get(id(toxic)) or STAGES[toxic.kind](toxic) for toxic in toxics]
        for stage in self._stages:
            stage.settle()
        self.active = [stage for stage in self._stages if stage.touches]
        return any(stage.closes_when_removed and stage not in self._stages for stage in acting)

    def act(self, piece: Piece) -> list[Piece]:
        """What becomes of ``piece`` after all stages."""
        pieces = [piece]
        for stage in self.active:
            pieces = [later for each in pieces for later in stage.act(each)]
        return pieces

    @property
    def idle_stage(self) -> Stage | None:
        """The stage that closes the connection first when nothing arrives."""
        waiting = [stage for stage in self.active if stage.idle_s]
        return min(waiting, key=lambda stage: stage.idle_s, default=None)
