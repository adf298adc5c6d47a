"""Ranges of ids read by several processes: one process can compare about as fast as one core parses JSON."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from multiprocessing import connection
from typing import Any

from support.audit.scan import Range, RangeScan, ScanResult
from support.drivers.errors import StoreUnreachable
from support.drivers.journal import Journal
from support.drivers.postgres import MetadataStore
from support.drivers.qdrant import VectorStore
from support.redaction import Secrets


@dataclass(frozen=True, slots=True)
class _Recipe:
    """A scan and how to open its stores, for another process."""

    database: tuple[str, str | None, float, bool]
    vectors: tuple[str, str | None, int]
    terms: dict[str, Any]

    def scan(self) -> RangeScan:
        url, schema, timeout_s, read_only = self.database
        journal = Journal(Secrets(), recording=False)
        journal.secrets.add_password_of(url, "password of PostgreSQL")
        return RangeScan(
            metadata=MetadataStore(url, schema, journal, timeout_s, read_only),
            vectors=VectorStore(*self.vectors[:2], journal, self.vectors[2]),
            **self.terms,
        )


_scan: RangeScan | None = None


def in_processes(scan: RangeScan, ranges: Sequence[Range], workers: int) -> Iterator[ScanResult]:
    """The outcomes of all ranges, in their order, each as soon as it is known.

    Raises ``StoreUnreachable`` as the scan would, and when a process dies.
    """
    metadata = scan.metadata
    recipe = _Recipe(
        (metadata.url, metadata.schema, metadata.timeout_s, metadata.read_only),
        scan.vectors.place,
        {name: getattr(scan, name) for name in ("record", "busy", "page", "most", "with_vectors")},
    )
    # Not by fork, which would copy open connections and locks; what all need is imported once.
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["__main__", __name__])
    pool = ProcessPoolExecutor(min(workers, len(ranges)), context, _prepare, (recipe,))
    try:
        yield from pool.map(_run, ranges)
    except BrokenProcessPool as error:
        raise StoreUnreachable("audit", "a process of the audit died") from error
    finally:
        pool.shutdown(cancel_futures=True)


def _prepare(recipe: _Recipe) -> None:
    global _scan
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    _scan = recipe.scan()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        connection.wait([parent.sentinel])
        os._exit(1)


def _run(bounds: Range) -> ScanResult:
    assert _scan is not None
    return _scan.run(bounds)
