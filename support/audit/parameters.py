"""What is audited and by which rules."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence, Set
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from support.audit.cache_keys import Decode, decode
from support.audit.report import Versions
from support.drivers.postgres import MetadataStore
from support.drivers.qdrant import VectorStore
from support.drivers.redis import CacheStore
from support.waiting import consistently


class Ledger(Protocol):
    """The client's own history, by collection name and client id.

    ``acknowledged``: version of the last acknowledged write (0: an acknowledged delete); ``refused`` and
    ``unknown``: the last write was refused, or its outcome is not known.
    """

    @property
    def acknowledged(self) -> Mapping[tuple[str, str], int]: ...

    @property
    def refused(self) -> Set[tuple[str, str]]: ...

    @property
    def unknown(self) -> Set[tuple[str, str]]: ...


class Counts(NamedTuple):
    """What the platform says a collection holds."""

    points: int
    rows: int


def pause(seconds: float) -> None:
    """Let the time pass between two looks at a candidate."""
    consistently(lambda: True, bool, during=seconds, what="the pause between two looks")


class ScanProgress(NamedTuple):
    """How far a scan is: ``done`` of about ``expected`` things (None: not known) of ``what``."""

    what: str
    done: int
    expected: int | None


@dataclass(frozen=True, slots=True)
class Stores:
    """The stores of one platform; without a cache its invariants are not checked."""

    metadata: MetadataStore
    vectors: VectorStore
    cache: CacheStore | None


@dataclass(frozen=True, slots=True)
class Scope:
    """Collections whose name starts with one of ``prefixes``; an empty prefix means all.

    ``exactly``: names that only start with a prefix and go on are out of scope.

    In a vector store or cache that others use as well, audit by prefix: what the metadata store does not
    know is a finding. Cache keys that belong to no collection (embeddings, provider answers, counters) are
    always in scope.
    """

    prefixes: tuple[str, ...] = ("",)
    exactly: bool = False

    def covers(self, collection: str) -> bool:
        """Whether the collection is in scope."""
        return collection in self.prefixes if self.exactly else collection.startswith(self.prefixes)

    @property
    def everything(self) -> bool:
        """Whether all collections are in scope."""
        return "" in self.prefixes and not self.exactly


EVERYTHING = Scope()


@dataclass(frozen=True, slots=True)
class Options:
    """The rules of an audit.

    A difference is reported only if it is seen with the same signature in ``rounds`` looks, ``grace_s``
    apart: a live item changes, a fault does not. ``t_max_s`` is how long an event may be open,
    ``max_attempts`` how often it may be tried. ``limit_s`` bounds the whole audit.

    ``embed(text, model)`` re-embeds up to ``sample`` texts of each collection; 299 without a fault show with
    95 % confidence that less than 1 % are faulty. ``items`` has about so many items of each collection
    looked at, in ranges of ids spread evenly, in place of all; ``vectors`` False leaves the vectors
    themselves unread. Each collection is read by ``workers`` processes (by this one alone where any of
    ``embed``, ``ledger``, ``previous`` and ``remember`` is given, which other processes cannot share). Of
    each collection at most ``most`` differences are kept and looked at again; more are only counted.
    ``progress`` hears how far the scan is.

    ``visible(collection, id)`` asks the platform whether
    clients see an item, ``counts(collection)`` what it reports. ``ledger`` and ``previous`` add the client's
    history and an earlier audit's versions; ``remember`` puts this one's into the report. ``own_cache``: the
    cache is the platform's alone, so that any other key is a finding. ``expect_empty``: nothing may be left.
    """

    rounds: int = 3
    grace_s: float = 0.25
    t_max_s: float = 30.0
    max_attempts: int = 100
    limit_s: float = 60.0
    page: int = 500
    sample: int = 299
    items: int | None = None
    vectors: bool = True
    workers: int = 1
    most: int = 10_000
    progress: Callable[[ScanProgress], None] | None = None
    pause: Callable[[float], None] = pause
    decode: Decode = decode
    embed: Callable[[str, str], Sequence[float]] | None = None
    visible: Callable[[str, str], bool] | None = None
    counts: Callable[[str], Counts] | None = None
    ledger: Ledger | None = None
    previous: Versions | None = None
    remember: bool = False
    own_cache: bool = False
    expect_empty: bool = False
