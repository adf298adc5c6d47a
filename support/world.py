"""The state of one scenario: its names, its clean-up, its last answers, and the words its steps use."""

from __future__ import annotations

import itertools
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, Literal

from support.drivers.gateway import Answer, GatewayUnreachable
from support.isolation.names import Names

if TYPE_CHECKING:
    from support.citadel import Citadel
    from support.faults import Fault
    from support.faults.wiretap import Wiretap
    from support.properties import Trial
    from support.vocabulary.backups import Backup
    from support.vocabulary.in_flight import InFlight
    from support.vocabulary.jobs import Job
    from support.vocabulary.loads import Load
    from support.vocabulary.neighbours import Neighbour
    from support.vocabulary.platform import Diagnosis
    from support.vocabulary.requests.grammar import Call, Request
    from support.vocabulary.requests.operations import Prepared
    from support.vocabulary.requests.repeating import Repetition
    from support.vocabulary.stores import Foreign


# The status of a batch of which some items have failed.
PARTLY = 207


Key = tuple[str, str]
"""Collection and client id of a document."""


@dataclass(slots=True)
class Ledger:
    """What became of every write of a scenario, by collection and client id: the client's own history.

    ``acknowledged`` holds the version of the last 2xx (0: acknowledged as deleted), ``refused`` and
    ``unknown`` the ids whose last write was refused or left open. Of writes to one id at the same time nobody
    knows the order: the highest version counts, and where one of them deletes, nothing is known of the id.
    ``journal`` holds every acknowledgement with its time, in their order.
    """

    acknowledged: dict[Key, int] = field(default_factory=dict)
    refused: set[Key] = field(default_factory=set)
    unknown: set[Key] = field(default_factory=set)
    journal: list[tuple[float, Key, int]] = field(default_factory=list)
    # The writes that are under way, True for those that delete; and keys of which several are, or were.
    _open: dict[Key, list[bool]] = field(default_factory=dict)
    _raced: set[Key] = field(default_factory=set)
    _contested: set[Key] = field(default_factory=set)
    _in_doubt: set[Key] = field(default_factory=set)
    _lock: threading.RLock = field(default_factory=threading.RLock, repr=False)

    @contextmanager
    def writing(self, key: Key, *, deletes: bool = False) -> Iterator[None]:
        """While one write is under way; its outcome is unknown until it is entered."""
        with self._lock:
            under_way = self._open.setdefault(key, [])
            if not under_way:
                self._in_doubt.discard(key)
            under_way.append(deletes)
            if len(under_way) > 1:
                self._raced.add(key)
                if any(under_way):
                    self._contested.add(key)
            self.unknown.add(key)
        try:
            yield
        finally:
            with self._lock:
                under_way.remove(deletes)
                if not under_way:
                    self._settle(key)

    def _settle(self, key: Key) -> None:
        """The last of the writes to one id is over."""
        del self._open[key]
        if key in self._raced and key not in self._in_doubt:
            self.unknown.discard(key)
        if key in self._contested:
            self.acknowledged.pop(key, None)
            self.refused.discard(key)
        for keys in (self._raced, self._contested, self._in_doubt):
            keys.discard(key)

    def note(self, collection: str, item: str, answer: Answer, *, deletes: bool = False) -> None:
        """Enter the answer to one write; a 504 means: unknown."""
        key = (collection, item)
        if answer.status == 504:
            self.doubt(key)
        elif answer.ok:
            self.acknowledge(key, 0 if deletes else int(answer.body["version"]))
        else:
            self.refuse(collection, item)

    def acknowledge(self, key: Key, version: int) -> None:
        """Enter a write that was carried out: the version it was told, 0 for a deletion."""
        with self._lock:
            if key in self._raced:
                version = max(version, self.acknowledged.get(key, 0))
            self.acknowledged[key] = version
            self.refused.discard(key)
            if key not in self._contested:
                self.journal.append((time.monotonic(), key, version))
            if key not in self._raced:
                self.unknown.discard(key)

    def doubt(self, key: Key) -> None:
        """Enter a write of which nobody was told whether it was carried out."""
        with self._lock:
            self.unknown.add(key)
            self._in_doubt.add(key)

    def refuse(self, collection: str, item: str) -> None:
        """Enter a write that was definitely not carried out: what was acknowledged before still holds."""
        key = (collection, item)
        with self._lock:
            if key not in self._raced:
                self.unknown.discard(key)
            if key not in self.acknowledged:
                self.refused.add(key)

    def absent(self, collection: str, item: str) -> None:
        """Enter that a document whose fate was unknown has been found not to be there."""
        self.acknowledge((collection, item), 0)
        self.unknown.discard((collection, item))

    def forget(self, collection: str) -> None:
        """A collection was dropped, and the history of its documents with it."""
        for key in [key for key in self.acknowledged if key[0] == collection]:
            del self.acknowledged[key]
        for keys in (self.refused, self.unknown):
            keys -= {key for key in keys if key[0] == collection}
        # Whether what is still under way came before or after, nobody knows.
        self._contested |= {key for key in self._open if key[0] == collection}


@dataclass(frozen=True, slots=True)
class Order:
    """What a request asked of an external provider; ``again`` asks it for other texts, without the cache."""

    provider: str
    texts: Sequence[str]
    again: Callable[[Sequence[str]], Answer]


@dataclass(frozen=True, slots=True)
class View:
    """What a request lets its caller see: one document, or all of a collection that there is room for."""

    collection: str
    item: str = ""
    room: int = 0


@dataclass(frozen=True, slots=True)
class Attempt:
    """One request that the scenario made, in words, and what came of it: an answer, or silence."""

    what: str
    outcome: Answer | GatewayUnreachable
    # The operation in words, where every one was called.
    operation: str = ""
    # The ids of the documents that were sent, the texts that were embedded, or the answers that are right.
    about: tuple[str, ...] = ()
    order: Order | None = None
    # The same request with the cache off, where there is such a thing.
    uncached: Callable[[], Answer] | None = None
    actor: str = ""
    view: View | None = None
    # When it was made, in seconds of ``time.monotonic()``, and by which of several clients.
    began: float = 0.0
    client: int = 0

    @property
    def answer(self) -> Answer:
        """The answer. Raises ``AssertionError`` where there was none."""
        assert isinstance(self.outcome, Answer), f"{self.what}: {self.outcome}"
        return self.outcome

    @property
    def ok(self) -> bool:
        """Whether the request was carried out, of a batch every item."""
        return isinstance(self.outcome, Answer) and self.outcome.ok and self.outcome.status != PARTLY

    @property
    def code(self) -> str:
        """A refusal's problem code, or a report's status; ``succeeded``, ``partly failed``, ``no answer``."""
        if isinstance(self.outcome, Answer):
            if self.outcome.ok:
                return "succeeded" if self.ok else "partly failed"
            body = self.outcome.body
            status = body.get("status") if isinstance(body, dict) else None
            return self.outcome.code or str(status or self.outcome.status).replace("_", " ")
        return "no answer"


@dataclass(frozen=True, slots=True)
class Made:
    """A request as it was worded, so that it can be made again."""

    actor: str
    request: Request
    table: tuple[Mapping[str, str], ...] = ()
    collection: str | None = None


@dataclass(frozen=True, slots=True)
class Exhibit:
    """Something the report shows with a scenario, however it ends: text, plain values, an SVG drawing."""

    name: str
    kind: Literal["text", "json", "svg"]
    content: Any


@dataclass(slots=True)
class World:
    """New for each scenario. ``undo(action)`` registers a clean-up and is called before anything is made."""

    citadel: Citadel
    names: Names
    undo: Callable[[Callable[[], None]], None]
    begun: float = field(default_factory=time.monotonic)
    ledger: Ledger = field(default_factory=Ledger)
    wrote: bool = False
    disagreement_expected: bool = False
    collection: str = ""
    answer: Answer | None = None
    # What came of the requests of the last When, in their order.
    attempts: list[Attempt] = field(default_factory=list)
    # Those requests themselves, so that they can be made again.
    calls: Sequence[Call] = ()
    # The last request as it was worded, so that it can be made again with other words.
    last_request: Made | None = None
    # One request for every operation, where the scenario has prepared them.
    prepared: list[Prepared] = field(default_factory=list)
    # The key of every actor that has acted.
    keys: dict[str, str] = field(default_factory=dict)
    # The names of users that the scenario has made, by their keys.
    users: dict[str, str] = field(default_factory=dict)
    # The texts last sent for each document id.
    texts: dict[str, str] = field(default_factory=dict)
    # What somebody tried to write into logs, and how long the log of each service was before.
    log_event: str = ""
    log_sizes: dict[str, int] = field(default_factory=dict)
    # The metadata last sent for each document id.
    metadata: dict[str, Any] = field(default_factory=dict)
    # The load that was run last.
    load: Load | None = None
    # The jobs that the platform has accepted, in their order.
    jobs: list[Job] = field(default_factory=list)
    # The pages of the last list or ranking that was read to its end.
    pages: list[list[dict[str, Any]]] = field(default_factory=list)
    # Where the list goes on after the page that was read last.
    cursor: str | None = None
    # What came of the last random examples.
    trial: Trial | None = None
    # Where the providers' record of requests stood before the last requests to providers.
    provider_mark: int = 0
    # The keys that providers were given in this scenario.
    provider_keys: dict[str, str] = field(default_factory=dict)
    # Another scenario that is played beside this one.
    neighbour: Neighbour | None = None
    # The names of collections whose removal is registered.
    to_remove: set[str] = field(default_factory=set)
    # Collections that are not the suite's.
    foreign: dict[str, Foreign] = field(default_factory=dict)
    # What the doctor has found, and of which settings.
    diagnosis: Diagnosis | None = None
    # The start of a gateway that cannot become ready yet, and how many there had been before.
    starting: Future[None] | None = None
    starts: int = 0
    # The listeners on the wires to services.
    taps: dict[str, Wiretap] = field(default_factory=dict)
    # How many connections had been opened to each service when its requests began to be recorded.
    connections: dict[str, int] = field(default_factory=dict)
    # The gateway's metrics, and the answers it had given, when its requests began to be recorded.
    figures: Mapping[tuple[str, frozenset[tuple[str, str]]], float] = field(default_factory=dict)
    answered: Counter[tuple[str, int]] = field(default_factory=Counter)
    # Copies of stores, by server.
    backups: dict[str, Backup] = field(default_factory=dict)
    # Requests that are held somewhere on their way.
    in_flight: InFlight | None = None
    # Requests that are being repeated in the background.
    repetition: Repetition | None = None
    # The faults in force.
    faults: list[Fault] = field(default_factory=list)
    numbers: Iterator[int] = field(default_factory=partial(itertools.count, 1))
    exhibits: list[Exhibit] = field(default_factory=list)

    @property
    def key(self) -> str:
        """An editor's key."""
        return self.citadel.keys["editor"]

    @property
    def last(self) -> Answer:
        """The answer of the scenario's last request. Raises ``AssertionError`` before the first."""
        assert self.answer is not None, "no request has been made in this scenario yet"
        return self.answer
