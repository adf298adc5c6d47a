"""The auditor against real stores: every planted fault is found and named, and nothing else ever is."""

from __future__ import annotations

import base64
import threading
import time
import tracemalloc
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast
from uuid import uuid4

import numpy as np
import psycopg2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.audit import (
    Breach,
    Conclusion,
    Counts,
    Finding,
    Options,
    Report,
    ScanProgress,
    Scope,
    Stores,
    audit,
    opaque,
    scan,
)
from support.audit.cache_keys import encode, encode_vector
from support.audit.content import canonical, checksum, sha256
from support.drivers.gateway import GatewayUnreachable
from support.drivers.journal import Journal
from support.drivers.postgres import MetadataStore
from support.drivers.qdrant import Point, PointPage, VectorStore
from support.drivers.redis import CacheStore
from support.isolation.lease import LEASE_KEY
from support.lifecycle import invariants
from support.redaction import Secrets
from support.world import Ledger, World
from tests.filled_stores import Filled
from tests.own_stores import MODEL, Endpoints, Link, Writer, close, embedded, open_stores, started

if TYPE_CHECKING:
    from support.citadel import Citadel

PREFIX = "at_audit_"
OURS = Scope((PREFIX,))
QUICK: dict[str, Any] = {"grace_s": 0.02, "own_cache": True}
PACKED = base64.b64encode(embedded("text").tobytes()).decode()
LONG_AGO = "now() - interval '60 s'"


@pytest.fixture(scope="module")
def at() -> Iterator[Endpoints]:
    with started() as endpoints:
        yield endpoints


@pytest.fixture(scope="module")
def stores(at: Endpoints) -> Iterator[Stores]:
    opened = open_stores(at)
    yield opened
    close(opened)


@pytest.fixture
def cache(stores: Stores) -> Iterator[CacheStore]:
    assert stores.cache is not None
    yield stores.cache
    stores.cache.unlink("*")


@pytest.fixture
def library(stores: Stores) -> Iterator[Writer]:
    writer = Writer(stores, f"{PREFIX}library").create()
    yield writer
    writer.remove()


@pytest.fixture
def journal() -> Journal:
    return Journal(Secrets())


def audited(stores: Stores, **rules: Any) -> Report:
    return audit(stores, OURS, Options(**(QUICK | rules)))


def found(report: Report) -> list[tuple[Breach, str]]:
    """Kind and subject of every finding, of an audit that could read everything."""
    assert not report.doubts
    return sorted((finding.kind, finding.subject) for finding in report.findings)


def only(report: Report) -> Finding:
    assert not report.doubts
    (finding,) = report.findings
    return finding


def ids(name: str, count: int) -> list[str]:
    return [f"{name}-{number}" for number in range(count)]


def age(writer: Writer, table: str, column: str) -> None:
    """Let what the collection has in a table look a minute old."""
    writer.stores.metadata.execute(
        f"UPDATE {table} SET {column} = {LONG_AGO} WHERE collection_id = %s", (writer.collection_id,)
    )


def generation(writer: Writer) -> int:
    record = writer.stores.metadata.collection(writer.collection)
    assert record is not None
    return record.generation


def search_key(writer: Writer, at_generation: int | None = None) -> str:
    number = generation(writer) if at_generation is None else at_generation
    return f"citadel:v1:search:{writer.collection_id}:g{number}:{sha256(b'a question')}"


def emb_key(text: str) -> str:
    return f"citadel:v1:emb:{MODEL}:r1:{sha256(text.encode())}"


def shown(writer: Writer, item: str, version: int = 1) -> dict[str, Any]:
    return {"id": item, "score": 0.5, "version": version, "text": writer.text(item, version), "metadata": {}}


def not_expected(_seconds: float) -> None:
    raise AssertionError("a clean audit looks once")


# -- what is right is found right


def test_consistent_stores_are_clean_after_one_look(
    stores: Stores, library: Writer, cache: CacheStore
) -> None:
    archive = Writer(stores, f"{PREFIX}archive", distance="dot").create()
    try:
        library.put(ids("doc", 40), metadata={"page": 3, "ratio": 0.1, "tags": ["a", "ü"]})
        library.put(ids("doc", 10), version=2)
        library.delete("doc-39", version=2)
        archive.put(ids("old", 5))
        item_generation = generation(library)
        library.put(["last"])
        cache.set_raw(search_key(library), encode({"results": [shown(library, "last")]}), 1800)
        cache.set_raw(search_key(library, 1), encode({"results": [shown(library, "gone")]}), 1800)
        item = f"citadel:v1:meta:{library.collection_id}:{library.point_id('doc-1')}:g{item_generation}"
        cache.set_raw(item, encode({"item": shown(library, "doc-1", 2)}), 7200)
        text = library.text("last", 1)
        cache.set_raw(emb_key(text), encode_vector(embedded(text)), 3600)
        cache.set_raw(f"citadel:v1:rl:{uuid4()}:60", b"7", 60)
        cache.set_raw(LEASE_KEY, b"{}", None)
        ledger = Ledger(acknowledged={(library.collection, "doc-1"): 2, (library.collection, "doc-39"): 0})

        report = audited(
            stores,
            pause=not_expected,
            embed=embedded,
            visible=lambda _collection, _item: True,
            counts=lambda name: Counts(40, 40) if name == library.collection else Counts(5, 5),
            ledger=ledger,
        )

        assert report.verdict is Conclusion.CLEAN, report.text()
        assert (report.agreeing, report.union, report.in_flight, report.percent) == (45, 45, 0, 100.0)
        assert report.checked > 45
        assert report.text().startswith("CLEAN: 45 of 45 items agree (100.00 %)")
    finally:
        archive.remove()


def test_nothing_stored_is_clean(stores: Stores) -> None:
    report = audited(stores, pause=not_expected)
    assert (report.verdict, report.union, report.percent) == (Conclusion.CLEAN, 0, 100.0)


def test_other_collections_are_out_of_scope(stores: Stores, library: Writer) -> None:
    library.upsert(["orphan"], 1)
    assert audit(stores, Scope(("at_other_",)), Options(**QUICK)).clean
    assert not audit(stores, Scope(("at_other_", PREFIX)), Options(**QUICK)).clean


# -- the proof: fifty planted faults


@dataclass
class Planted:
    """Faults of every common kind, with the findings they must give."""

    writer: Writer
    cache: CacheStore
    expected: list[tuple[Breach, str]] = field(default_factory=list)

    def plant(self) -> Planted:
        stores, writer = self.writer.stores, self.writer
        writer.put(
            [*ids("sound", 30), *ids("missing", 10), *ids("stale", 10), *ids("mixed", 5), *ids("zero", 5)]
        )
        writer.upsert(self._expect(Breach.ORPHAN, ids("orphan", 10)), 1)
        missing = [writer.point_id(item) for item in self._expect(Breach.MISSING, ids("missing", 10))]
        stores.vectors.delete_points(writer.collection, missing)
        stale = self._expect(Breach.STALE, ids("stale", 10))
        writer.begin(stale, 2)
        writer.finish(stale, 2)
        mixed = self._expect(Breach.MIXED_MODEL, ids("mixed", 5))
        other = [writer.point(item, 1, model="another-model") for item in mixed]
        stores.vectors.upsert_raw(writer.collection, other)
        zeros = np.zeros(8, np.float32)
        nothing = [
            writer.point(item, 1, vector=zeros) for item in self._expect(Breach.BAD_VECTOR, ids("zero", 5))
        ]
        stores.vectors.upsert_raw(writer.collection, nothing)
        for key in self._expect(Breach.CACHE_IMMORTAL, [emb_key(f"immortal {n}") for n in range(5)]):
            self.cache.set_raw(key, encode_vector(embedded(key)), None)
        for key in self._expect(Breach.CACHE_CORRUPT, [emb_key(f"corrupt {n}") for n in range(5)]):
            self.cache.set_raw(key, encode_vector(embedded(key))[:-4] + b'xx"}', 3600)
        return self

    def _expect(self, kind: Breach, subjects: list[str]) -> list[str]:
        self.expected += [(kind, subject) for subject in subjects]
        return subjects


def test_fifty_of_fifty_planted_faults_are_found_and_nothing_else(
    stores: Stores, library: Writer, cache: CacheStore
) -> None:
    planted = Planted(library, cache).plant()
    report = audited(stores)
    assert report.verdict is Conclusion.FINDINGS
    assert len(planted.expected) == 50
    assert found(report) == sorted(planted.expected)
    assert (report.agreeing, report.union, report.in_flight) == (30, 70, 0)
    assert report.counts() == {
        Breach.ORPHAN: 10,
        Breach.MISSING: 10,
        Breach.STALE: 10,
        Breach.MIXED_MODEL: 5,
        Breach.BAD_VECTOR: 5,
        Breach.CACHE_CORRUPT: 5,
        Breach.CACHE_IMMORTAL: 5,
    }
    told = report.text()
    assert all(subject in told for _kind, subject in planted.expected)
    assert report.to_dict()["findings"][0] == {
        "kind": "ORPHAN",
        "collection": library.collection,
        "subject": "orphan-0",
        "store": "qdrant",
        "text": report.findings[0].text,
    }


# -- items


def test_a_point_newer_than_its_row_is_ahead(stores: Stores, library: Writer) -> None:
    library.put(ids("doc", 3))
    library.upsert(["doc-1"], 2)
    finding = only(audited(stores))
    assert (finding.kind, finding.subject, finding.store) == (Breach.AHEAD, "doc-1", "postgresql")
    assert "version 2" in finding.text


def _other_text(point: Point) -> Point:
    return replace(point, payload={**point.payload, "text": "another text"})


def _other_metadata(point: Point) -> Point:
    return replace(point, payload={**point.payload, "metadata": {"page": 4}})


def _other_vector(point: Point) -> Point:
    return replace(point, vector=embedded("another text"))


def _no_version(point: Point) -> Point:
    mark = {name: value for name, value in point.mark.items() if name != "version"}
    return replace(point, payload={**point.payload, "citadel": mark})


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (_other_text, "Qdrant's text"),
        (_other_metadata, "the metadata differ: page is 4 in Qdrant, 3 in PostgreSQL"),
        (_other_vector, "not the one that was written"),
        (_no_version, "has no version"),
    ],
)
def test_a_point_that_is_no_mirror_of_its_row(
    stores: Stores, library: Writer, change: Callable[[Point], Point], named: str
) -> None:
    library.put(ids("doc", 3), metadata={"page": 3})
    stores.vectors.upsert_raw(library.collection, [change(library.point("doc-1", 1, {"page": 3}))])
    finding = only(audited(stores))
    assert (finding.kind, finding.subject, finding.store) == (Breach.MIRROR, "doc-1", "qdrant")
    assert named in finding.text


def test_equal_numbers_of_different_types_are_equal_metadata(stores: Stores, library: Writer) -> None:
    library.put(["doc"], metadata={"page": 3})
    stores.vectors.upsert_raw(library.collection, [library.point("doc", 1, {"page": 3.0})])
    assert audited(stores).clean


@pytest.mark.parametrize(
    ("column", "named"),
    [
        ("metadata_hash", "metadata do not have their metadata_hash"),
        ("vector_checksum", "PostgreSQL recorded another vector"),
        ("content_hash", "PostgreSQL's text does not have its content_hash"),
    ],
)
def test_a_row_whose_own_hash_is_wrong(stores: Stores, library: Writer, column: str, named: str) -> None:
    library.put(ids("doc", 3))
    stores.metadata.execute(
        f"UPDATE vector_metadata SET {column} = sha256('x') WHERE external_id = 'doc-1'",
    )
    finding = only(audited(stores))
    assert (finding.kind, finding.subject) == (Breach.MIRROR, "doc-1")
    assert named in finding.text


def test_a_row_of_another_model_is_mixed(stores: Stores, library: Writer) -> None:
    library.put(ids("doc", 3))
    stores.metadata.execute("UPDATE vector_metadata SET model = 'another' WHERE external_id = 'doc-1'")
    stores.vectors.upsert_raw(library.collection, [library.point("doc-1", 1, model="another")])
    finding = only(audited(stores))
    assert (finding.kind, finding.subject, finding.store) == (Breach.MIXED_MODEL, "doc-1", "postgresql")


def test_a_vector_that_is_not_its_texts_shows_only_by_embedding_again(
    stores: Stores, library: Writer
) -> None:
    library.put(ids("doc", 3))
    wrong = embedded("another text")
    stores.vectors.upsert_raw(library.collection, [library.point("doc-1", 1, vector=wrong)])
    stores.metadata.execute(
        "UPDATE vector_metadata SET vector_checksum = decode(%s, 'hex') WHERE external_id = 'doc-1'",
        (checksum(wrong),),
    )
    assert audited(stores).clean
    finding = only(audited(stores, embed=embedded))
    assert (finding.kind, finding.subject) == (Breach.WRONG_VECTOR, "doc-1")


def test_a_point_under_a_number_is_an_orphan_by_its_number(stores: Stores, library: Writer) -> None:
    stores.vectors.upsert_raw(library.collection, [Point(library.collection, 7, embedded("x"), {})])
    assert found(audited(stores)) == [(Breach.ORPHAN, "7")]


# -- on the way


def test_an_item_in_flight_is_no_finding(stores: Stores, library: Writer) -> None:
    library.put(["settled", "changing"])
    library.begin(["begun"], 1)
    library.begin(["half"], 1)
    library.upsert(["half"], 1)
    library.events(["changing"], 2)
    library.upsert(["changing"], 2)
    report = audited(stores, pause=not_expected)
    assert report.verdict is Conclusion.CLEAN, report.text()
    assert (report.agreeing, report.union, report.in_flight) == (1, 1, 3)


def test_an_item_that_agrees_while_its_next_write_is_open_is_in_flight(
    stores: Stores, library: Writer
) -> None:
    library.put(["settled", "awaited"])
    library.events(["awaited"], 2)
    report = audited(stores, pause=not_expected)
    assert (report.verdict, report.agreeing, report.union, report.in_flight) == (Conclusion.CLEAN, 1, 1, 1)


def test_an_item_whose_event_stays_open_is_stuck(stores: Stores, library: Writer) -> None:
    library.put(["settled"])
    library.begin(["begun"], 1)
    age(library, "outbox", "created_at")
    finding = only(audited(stores))
    assert (finding.kind, finding.subject) == (Breach.STUCK, "begun")
    assert "0 attempts" in finding.text


def test_an_item_that_no_event_will_end_is_stuck(stores: Stores, library: Writer) -> None:
    library.begin(["begun"], 1)
    stores.metadata.execute("UPDATE outbox SET done_at = now()")
    assert found(audited(stores)) == [(Breach.STUCK, "begun")]


def test_a_deleted_item_that_clients_still_see(stores: Stores, library: Writer) -> None:
    library.put(["kept", "going"])
    library.events(["going"], 2, "point_delete")
    stores.metadata.execute("UPDATE vector_metadata SET status = 'deleting' WHERE external_id = 'going'")
    assert audited(stores, visible=lambda _collection, item: item == "kept").clean
    finding = only(audited(stores, visible=lambda _collection, _item: True))
    assert (finding.kind, finding.subject, finding.store) == (Breach.VISIBLE_TOMBSTONE, "going", "gateway")


@pytest.mark.parametrize(("age_it", "attempts"), [(True, 0), (False, 101)])
def test_an_event_open_too_long_or_tried_too_often(
    stores: Stores, library: Writer, age_it: bool, attempts: int
) -> None:
    library.put(["doc"])
    library.events(["doc"], 2)
    if age_it:
        age(library, "outbox", "created_at")
    stores.metadata.execute("UPDATE outbox SET attempts = %s", (attempts,))
    (event,) = stores.metadata.open_events(PREFIX)
    finding = only(audited(stores))
    assert (finding.kind, finding.subject) == (Breach.OUTBOX_LAG, str(event.event_id))


def test_a_difference_that_passes_is_no_finding(stores: Stores, library: Writer) -> None:
    library.put(["doc"])
    library.upsert(["late"], 1)
    pauses: list[float] = []

    def catch_up(seconds: float) -> None:
        pauses.append(seconds)
        library.finish(["late"], 1)

    report = audited(stores, pause=catch_up)
    assert report.verdict is Conclusion.CLEAN, report.text()
    assert (report.agreeing, report.union) == (2, 2)
    assert pauses == [QUICK["grace_s"]]


def test_an_item_that_changes_at_every_look_is_in_flight(stores: Stores, library: Writer) -> None:
    library.put(["doc"])
    library.upsert(["doc"], 2)
    versions = iter(range(3, 10))

    def write_on(_seconds: float) -> None:
        library.upsert(["doc"], next(versions))

    report = audited(stores, pause=write_on)
    assert (report.verdict, report.in_flight) == (Conclusion.CLEAN, 1)


# -- collections


def test_a_collection_that_only_the_vector_store_has(stores: Stores) -> None:
    name = f"{PREFIX}stray"
    stores.vectors.create_collection(name, 8)
    try:
        stores.vectors.upsert_raw(name, [Point(name, 1, embedded("x"), {})])
        report = audited(stores)
        finding = only(report)
        assert (finding.kind, finding.subject, finding.store) == (Breach.CATALOGUE, name, "qdrant")
        assert (report.agreeing, report.union) == (0, 1)
    finally:
        stores.vectors.delete_collection(name)


def test_a_collection_that_the_vector_store_has_lost(stores: Stores, library: Writer) -> None:
    library.put(ids("doc", 3))
    stores.vectors.delete_collection(library.collection)
    report = audited(stores)
    assert found(report) == [(Breach.CATALOGUE, library.collection)]
    assert (report.agreeing, report.union) == (0, 3)


@pytest.mark.parametrize(("size", "distance"), [(9, "Cosine"), (8, "Dot")])
def test_a_collection_of_another_shape(stores: Stores, library: Writer, size: int, distance: str) -> None:
    stores.vectors.delete_collection(library.collection)
    stores.vectors.create_collection(library.collection, size, distance)
    finding = only(audited(stores))
    assert finding.kind is Breach.CATALOGUE
    assert f"vectors of {size} by {distance}" in finding.text


def test_a_collection_that_never_becomes_active_is_stuck(stores: Stores, library: Writer) -> None:
    stores.metadata.execute("UPDATE collections SET status = 'creating'")
    assert found(audited(stores)) == [(Breach.STUCK, library.collection)]
    stores.metadata.execute(
        "INSERT INTO outbox (collection_id, operation, version) VALUES (%s, 'collection_create', 1)",
        (library.collection_id,),
    )
    assert audited(stores).clean
    age(library, "outbox", "created_at")
    assert found(audited(stores)) == [(Breach.STUCK, library.collection)]


def test_counts_that_are_not_the_stores(stores: Stores, library: Writer) -> None:
    library.put(ids("doc", 3))
    finding = only(audited(stores, counts=lambda _collection: Counts(points=3, rows=4)))
    assert (finding.kind, finding.subject, finding.store) == (Breach.COUNT, library.collection, "gateway")


def test_what_is_left_where_nothing_should_be(stores: Stores, library: Writer) -> None:
    library.events(["doc"], 1)
    (event,) = stores.metadata.open_events(PREFIX)
    report = audited(stores, expect_empty=True)
    left = (library.collection, str(event.event_id))
    assert found(report) == sorted((Breach.RESIDUE, each) for each in left)
    library.remove()
    assert audited(stores, expect_empty=True).clean


# -- the cache


def test_a_cached_search_that_shows_an_old_version(
    stores: Stores, library: Writer, cache: CacheStore
) -> None:
    library.put(["doc"])
    library.put(["doc"], version=2)
    key = search_key(library)
    cache.set_raw(key, encode({"results": [shown(library, "doc", 1)]}), 1800)
    finding = only(audited(stores))
    assert (finding.kind, finding.subject, finding.collection) == (
        Breach.CACHE_STALE, key, library.collection,
    )  # fmt: skip
    # The next write moves the generation, so that nobody reads this entry any more.
    library.put(["other"])
    assert audited(stores).clean


def test_a_cached_search_that_shows_a_deleted_item(
    stores: Stores, library: Writer, cache: CacheStore
) -> None:
    library.put(["doc"])
    library.delete("doc", version=2)
    cache.set_raw(search_key(library), encode({"results": [shown(library, "doc")]}), 1800)
    assert found(audited(stores)) == [(Breach.CACHE_STALE, search_key(library))]


def test_a_cached_search_of_a_generation_to_come(stores: Stores, library: Writer, cache: CacheStore) -> None:
    key = search_key(library, generation(library) + 5)
    cache.set_raw(key, encode({"results": []}), 1800)
    assert found(audited(stores)) == [(Breach.CACHE_STALE, key)]


def test_a_cached_item_that_is_not_its_row(stores: Stores, library: Writer, cache: CacheStore) -> None:
    library.put(["doc"])
    key = f"citadel:v1:meta:{library.collection_id}:{library.point_id('doc')}:g{generation(library)}"
    cache.set_raw(key, encode({"item": {**shown(library, "doc"), "metadata": {"page": 9}}}), 7200)
    assert found(audited(stores)) == [(Breach.CACHE_STALE, key)]


def test_values_of_an_unknown_encoding_are_not_judged(
    stores: Stores, library: Writer, cache: CacheStore
) -> None:
    library.put(["doc"])
    here = generation(library)
    point_id = library.point_id("doc")
    for key in (
        search_key(library),
        f"citadel:v1:meta:{library.collection_id}:{point_id}:g{here}",
        emb_key(library.text("doc", 1)),
    ):
        cache.set_raw(key, b"whatever it is", 60)
    cache.set_raw(search_key(library, here + 5), b"whatever it is", 60)
    assert found(audited(stores, decode=opaque)) == [(Breach.CACHE_STALE, search_key(library, here + 5))]


def test_a_key_of_no_known_form(stores: Stores, cache: CacheStore) -> None:
    cache.set_raw("citadel:v1:nonsense:1", b"x", 60)
    cache.set_raw("somebody:else", b"x", 60)
    both = [(Breach.CACHE_UNKNOWN, "citadel:v1:nonsense:1"), (Breach.CACHE_UNKNOWN, "somebody:else")]
    assert found(audited(stores)) == both
    assert found(audited(stores, own_cache=False)) == both[:1]


def test_a_key_that_lives_longer_than_its_kind_may(stores: Stores, cache: CacheStore) -> None:
    cache.set_raw(emb_key("text"), encode_vector(embedded("text")), 3700)
    assert found(audited(stores)) == [(Breach.CACHE_IMMORTAL, emb_key("text"))]


def test_a_cached_embedding_of_another_text(stores: Stores, library: Writer, cache: CacheStore) -> None:
    library.put(["doc"])
    key = emb_key(library.text("doc", 1))
    cache.set_raw(key, encode_vector(embedded("another text")), 3600)
    assert found(audited(stores)) == [(Breach.CACHE_COLLISION, key)]


@pytest.mark.parametrize(
    ("body", "named"),
    [
        ({"dimensions": 9, "vector": PACKED}, "says 9 dimensions but has 8 numbers"),
        ({"vector": "AAAA"}, "no readable vector"),
        ({"dimensions": 8, "vector": "A" * 43 + "="}, "norm 0"),
    ],
)
def test_a_sealed_value_that_nobody_may_serve(
    stores: Stores, cache: CacheStore, body: Mapping[str, Any], named: str
) -> None:
    cache.set_raw(emb_key("text"), encode(body), 3600)
    finding = only(audited(stores))
    assert (finding.kind, finding.subject) == (Breach.CACHE_CORRUPT, emb_key("text"))
    assert named in finding.text


# -- against the client's history and an earlier audit


def test_acknowledged_writes_that_are_not_there_are_lost(stores: Stores, library: Writer) -> None:
    library.put(["kept", "old"])
    name = library.collection
    ledger = Ledger(acknowledged={(name, "kept"): 1, (name, "old"): 2, (name, "gone"): 1})
    assert found(audited(stores, ledger=ledger)) == [(Breach.LOST, "gone"), (Breach.LOST, "old")]
    ledger.unknown |= {(name, "old"), (name, "gone")}
    assert audited(stores, ledger=ledger).clean


def test_refused_writes_and_acknowledged_deletions_that_are_there(stores: Stores, library: Writer) -> None:
    library.put(["refused", "deleted"])
    name = library.collection
    ledger = Ledger(acknowledged={(name, "deleted"): 0}, refused={(name, "refused")})
    assert found(audited(stores, ledger=ledger)) == [(Breach.PHANTOM, "deleted"), (Breach.PHANTOM, "refused")]


def test_an_unknown_write_that_happened_in_one_store_only(stores: Stores, library: Writer) -> None:
    library.upsert(["half", "orphan"], 1)
    ledger = Ledger(unknown={(library.collection, "half")})
    assert found(audited(stores, ledger=ledger)) == [(Breach.ORPHAN, "orphan"), (Breach.SPLIT, "half")]


def test_versions_that_go_back_between_two_audits(stores: Stores, library: Writer) -> None:
    library.put(["doc", "re-created"], version=2)
    before = audited(stores, remember=True).versions
    assert before is not None
    assert audited(stores, previous=before).clean
    library.put(["doc"])
    library.delete("re-created", version=3)
    library.put(["re-created"])
    assert found(audited(stores, previous=before)) == [(Breach.ROLLBACK, "doc")]


def test_a_generation_that_goes_back_between_two_audits(stores: Stores, library: Writer) -> None:
    library.put(["doc"])
    before = audited(stores, remember=True).versions
    stores.metadata.execute("UPDATE collections SET generation = 1")
    assert found(audited(stores, previous=before)) == [(Breach.ROLLBACK, library.collection)]


# -- what cannot be read is not judged


def _through(at: Endpoints, cut: str, journal: Journal) -> tuple[Stores, Link]:
    """Drivers with short limits, one of them through a link that can be cut."""
    urls = {"postgresql": at.database_url, "qdrant": at.qdrant_url, "redis": at.redis_url}
    link = Link(urls[cut])
    urls[cut] = link.url
    return Stores(
        MetadataStore(urls["postgresql"], at.schema, journal, timeout_s=0.5),
        VectorStore(urls["qdrant"], None, journal, timeout_s=1),
        CacheStore(urls["redis"], journal, timeout_s=0.5),
    ), link


@pytest.mark.parametrize("store", ["postgresql", "qdrant", "redis"])
@pytest.mark.parametrize("fault", ["cut", "frozen", "cut between two looks"])
def test_a_store_that_does_not_answer_leaves_the_verdict_open(
    at: Endpoints, journal: Journal, library: Writer, cache: CacheStore, store: str, fault: str
) -> None:
    library.put(["doc"])
    library.upsert(["orphan"], 1)
    cache.set_raw("citadel:v1:nonsense:1", b"x", 60)
    stores, link = _through(at, store, journal)
    unknown = (Breach.CACHE_UNKNOWN, "citadel:v1:nonsense:1")
    assert found(audited(stores)) == [unknown, (Breach.ORPHAN, "orphan")]
    pause: Callable[[float], None] = time.sleep
    if fault == "cut":
        link.cut()
    elif fault == "frozen":
        link.freeze()
    else:

        def pause(_seconds: float) -> None:
            link.cut()

    report = audited(stores, pause=pause)
    assert (report.verdict, report.findings, report.clean) == (Conclusion.UNKNOWN, (), False)
    (doubt,) = report.doubts
    assert doubt.startswith(f"{store}: ")
    assert doubt in report.text()
    link.cut()
    close(stores)


class _Forgetful(VectorStore):
    """A vector store whose scans end early."""

    def pages(self, collection: str, **bounds: Any) -> Iterator[PointPage]:
        for page in super().pages(collection, **bounds):
            yield PointPage(page.records[:3], None)
            return


def test_a_scan_that_ends_early_leaves_the_verdict_open(
    at: Endpoints, stores: Stores, journal: Journal, library: Writer
) -> None:
    library.put(ids("doc", 5))
    report = audited(replace(stores, vectors=_Forgetful(at.qdrant_url, None, journal)))
    assert (report.verdict, report.findings) == (Conclusion.UNKNOWN, ())
    assert "gave 3 points, the exact count is 5" in report.doubts[0]


def test_a_role_that_may_not_see_all_rows_leaves_the_verdict_open(
    at: Endpoints, stores: Stores, journal: Journal, library: Writer
) -> None:
    library.put(["doc"])
    for statement in (
        "CREATE ROLE short_sighted LOGIN PASSWORD 'short-sighted'",
        f"GRANT USAGE ON SCHEMA {at.schema} TO short_sighted",
        f"GRANT SELECT ON ALL TABLES IN SCHEMA {at.schema} TO short_sighted",
        "ALTER TABLE vector_metadata ENABLE ROW LEVEL SECURITY",
    ):
        stores.metadata.execute(statement)
    login = psycopg2.extensions.parse_dsn(at.database_url) | {
        "user": "short_sighted",
        "password": "short-sighted",
    }
    blind = MetadataStore(psycopg2.extensions.make_dsn(**login), at.schema, journal)
    try:
        report = audited(replace(stores, metadata=blind))
        assert report.verdict is Conclusion.UNKNOWN
        assert "row-level security" in report.doubts[0]
    finally:
        blind.close()
        stores.metadata.execute("ALTER TABLE vector_metadata DISABLE ROW LEVEL SECURITY")


def test_an_audit_that_takes_too_long_leaves_the_verdict_open(stores: Stores, library: Writer) -> None:
    library.put(["doc"])
    report = audited(stores, limit_s=0.0)
    assert (report.verdict, report.doubts) == (Conclusion.UNKNOWN, ("the audit did not end within 0 s",))


# -- while clients write


@dataclass
class Busy:
    """Clients that write, rewrite and delete without a break, each its own items through its own drivers."""

    at: Endpoints
    writer: Writer
    clients: int = 4
    batch: int = 12
    stopped: threading.Event = field(default_factory=threading.Event)
    items: list[int] = field(default_factory=list)
    failures: list[BaseException] = field(default_factory=list)
    _threads: list[threading.Thread] = field(default_factory=list)

    @property
    def written(self) -> int:
        """Writes of one item so far, deletions among them."""
        return sum(self.items)

    def __enter__(self) -> Busy:
        self.items = [0] * self.clients
        self._threads = [
            threading.Thread(target=self._run, args=(number,), daemon=True) for number in range(self.clients)
        ]
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self.stopped.set()
        for thread in self._threads:
            thread.join(10)
        assert not self.failures, self.failures

    def _run(self, number: int) -> None:
        own = open_stores(self.at)
        try:
            writer = Writer(own, self.writer.collection, collection_id=self.writer.collection_id)
            version = 1
            while not self.stopped.is_set():
                version += 2
                batch = [f"busy-{number}-{item % 60}" for item in range(version, version + self.batch)]
                writer.put(batch, version=version)
                writer.delete(batch[0], version=version + 1)
                self.items[number] += len(batch) + 1
        except BaseException as error:
            self.failures.append(error)
        finally:
            close(own)


def _prove(at: Endpoints, library: Writer, cache: CacheStore, passes: int) -> float:
    """Plant the fifty faults, audit at rest and ``passes`` times under load; returns writes a second."""
    stores, expected = library.stores, sorted(Planted(library, cache).plant().expected)
    assert found(audited(stores)) == expected
    with Busy(at, library) as clients:
        began, before = time.monotonic(), clients.written
        for number in range(passes):
            report = audited(stores, grace_s=0.25)
            assert found(report) == expected, f"pass {number + 1}: {report.text()}"
        rate = (clients.written - before) / (time.monotonic() - began)
    after = audited(stores)
    assert (found(after), after.in_flight) == (expected, 0)
    return rate


def test_fifty_of_fifty_and_nothing_else_while_clients_write(
    at: Endpoints, library: Writer, cache: CacheStore
) -> None:
    assert _prove(at, library, cache, passes=2) > 30


@pytest.mark.proof
def test_fifty_of_fifty_and_nothing_else_in_ten_of_ten_passes_at_300_writes_a_second(
    at: Endpoints, library: Writer, cache: CacheStore
) -> None:
    rate = _prove(at, library, cache, passes=10)
    print(f"\n10 of 10 passes: 50 of 50 planted faults and nothing else, at {rate:,.0f} writes a second")
    assert rate >= 300, f"only {rate:.0f} writes a second: the machine is too busy for the proof"


# -- at scale


def _peak(stores: Stores, filled: Filled) -> int:
    """Bytes that Python held at most during an audit of one collection, beyond those before it."""
    tracemalloc.start()
    try:
        report = audit(stores, Scope((filled.name,), exactly=True), Options(page=100))
        assert (report.verdict, report.agreeing) == (Conclusion.CLEAN, filled.points)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_memory_does_not_grow_with_the_number_of_points(at: Endpoints) -> None:
    few, many = (Filled(at, f"{PREFIX}filled_{points}", points, 16).create() for points in (1000, 5000))
    stores = open_stores(at, Journal(Secrets(), recording=False))
    try:
        _peak(stores, few)
        assert _peak(stores, many) < 1.2 * _peak(stores, few)
    finally:
        close(stores)
        few.remove()
        many.remove()


def test_several_processes_find_what_one_finds(stores: Stores, library: Writer, cache: CacheStore) -> None:
    planted = Planted(library, cache).plant()
    report = audited(stores, page=1, workers=2)
    assert found(report) == sorted(planted.expected)
    assert (report.agreeing, report.union, report.in_flight) == (30, 70, 0)


def test_a_process_of_the_audit_that_cannot_read_leaves_the_verdict_open(
    at: Endpoints, journal: Journal, library: Writer
) -> None:
    library.put(ids("doc", 60))
    stores, link = _through(at, "qdrant", journal)

    def cut(progress: ScanProgress) -> None:
        link.cut()

    report = audited(stores, page=1, workers=2, progress=cut)
    assert (report.verdict, report.findings) == (Conclusion.UNKNOWN, ())
    close(stores)


def test_a_sample_looks_at_a_part_and_says_what_it_shows(at: Endpoints, stores: Stores) -> None:
    filled = Filled(at, f"{PREFIX}filled", 2000, 8).create()
    try:
        report = audited(stores, items=400)
        assert report.verdict is Conclusion.CLEAN
        (sample,) = report.samples
        assert (sample.collection, sample.points) == (filled.name, 2000)
        assert 200 < sample.items == report.union < 600
        assert sample.bound_percent == pytest.approx(299.6 / sample.items, rel=0.01)
        assert "only a sample was read" in report.text()
        assert audited(stores, items=5000).samples == ()
    finally:
        filled.remove()


def test_ids_and_payloads_alone_show_all_but_a_vector_changed_in_silence(
    stores: Stores, library: Writer
) -> None:
    library.put(ids("doc", 3))
    library.upsert(["orphan"], 1)
    stores.vectors.upsert_raw(library.collection, [_other_vector(library.point("doc-1", 1))])
    assert found(audited(stores, vectors=False)) == [(Breach.ORPHAN, "orphan")]
    assert found(audited(stores)) == [(Breach.MIRROR, "doc-1"), (Breach.ORPHAN, "orphan")]


def test_differences_beyond_the_most_are_only_counted(stores: Stores, library: Writer) -> None:
    library.put(ids("sound", 5))
    library.upsert(ids("orphan", 10), 1)
    report = audited(stores, most=3)
    assert (report.verdict, len(report.findings), report.further) == (Conclusion.FINDINGS, 3, 7)
    assert (report.agreeing, report.union) == (5, 15)
    assert "7 further differences" in report.text()


def test_differences_that_nobody_looked_at_again_leave_the_verdict_open(
    stores: Stores, library: Writer
) -> None:
    library.upsert(ids("orphan", 2), 1)
    assert audited(stores, most=0).verdict is Conclusion.UNKNOWN


def test_numbers_and_uuids_over_many_pages(stores: Stores, library: Writer) -> None:
    library.put(ids("doc", 5))
    numbers = [Point(library.collection, number, embedded("x"), {}) for number in (3, 20)]
    stores.vectors.upsert_raw(library.collection, numbers)
    report = audited(stores, page=1)
    assert found(report) == [(Breach.ORPHAN, "20"), (Breach.ORPHAN, "3")]
    assert report.agreeing == 5


_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=6,
)


@given(st.dictionaries(st.text(max_size=3), _values, max_size=4))
def test_the_scan_packs_metadata_as_the_judge_does(metadata: dict[str, Any]) -> None:
    packed = scan._packed(metadata)
    assert packed == canonical(metadata)


# -- after every scenario


@dataclass
class Gateway:
    """A gateway that answers for the stores, or not at all."""

    stores: Stores
    silent: bool = False

    def call(self, operation: str, *, collection: str) -> Any:
        if self.silent:
            raise GatewayUnreachable(f"{operation}: no answer", sent=False)
        body = {
            "points_count": self.stores.vectors.count(collection),
            "rows_count": self.stores.metadata.count_stored(collection),
        }
        return SimpleNamespace(ok=True, status=200, body=body)


@dataclass
class After:
    """What the check after a scenario needs of the platform and the scenario."""

    stores: Stores
    gateway: Gateway
    converges_s: float = 0.4
    ledger: Ledger = field(default_factory=Ledger)
    reports: list[Report] = field(default_factory=list)

    def problems(self) -> list[str]:
        citadel = SimpleNamespace(
            rows=self.stores.metadata,
            vectors=self.stores.vectors,
            cache=self.stores.cache,
            gateway=self.gateway,
            embedding=None,
            stack=object(),
            promises=SimpleNamespace(converges_s=self.converges_s),
            audits=SimpleNamespace(add=self.reports.append),
        )
        world = SimpleNamespace(names=SimpleNamespace(prefix=PREFIX), ledger=self.ledger)
        return invariants._disagreements(cast("Citadel", citadel), cast(World, world))


@pytest.fixture
def after(stores: Stores) -> After:
    return After(stores, Gateway(stores))


def test_after_a_scenario_consistent_stores_cost_one_look(library: Writer, after: After) -> None:
    library.put(ids("doc", 3))
    assert after.problems() == []
    assert [report.union for report in after.reports] == [3]


def test_after_a_scenario_a_write_under_way_is_waited_for(
    at: Endpoints, library: Writer, after: After
) -> None:
    after.converges_s = 5.0
    library.begin(["late"], 1)
    own = open_stores(at)

    def finish() -> None:
        writer = Writer(own, library.collection, collection_id=library.collection_id)
        writer.upsert(["late"], 1)
        writer.finish(["late"], 1)

    timer = threading.Timer(0.3, finish)
    timer.start()
    started_at = time.monotonic()
    assert after.problems() == []
    assert 0.3 <= time.monotonic() - started_at < 1.0
    assert [report.union for report in after.reports] == [1]
    timer.join()
    close(own)


def test_after_a_scenario_a_fault_that_lasts_is_told(library: Writer, after: After) -> None:
    library.upsert(["orphan"], 1)
    (problem,) = after.problems()
    assert problem.startswith("the stores disagree after the scenario:\nFINDINGS")
    assert "ORPHAN" in problem


def test_after_a_scenario_a_lost_write_is_told(library: Writer, after: After) -> None:
    after.ledger.acknowledged[library.collection, "lost"] = 1
    (problem,) = after.problems()
    assert "LOST" in problem


def test_after_a_scenario_a_write_that_does_not_end_is_told(library: Writer, after: After) -> None:
    library.begin(["begun"], 1)
    (problem,) = after.problems()
    assert "STUCK" in problem
    assert "begun" in problem


def test_after_a_scenario_writes_that_never_rest_are_told(
    stores: Stores, library: Writer, after: After
) -> None:
    library.begin(["begun"], 1)
    # Always young: as if it were replaced again and again.
    stores.metadata.execute("UPDATE outbox SET created_at = now() + interval '1 hour'")
    (problem,) = after.problems()
    assert problem.startswith("writes were still under way 0.4 s after the scenario:\nCLEAN")


def test_after_a_scenario_a_silent_platform_is_not_taken_for_a_consistent_one(
    library: Writer, after: After
) -> None:
    library.put(["doc"])
    after.gateway.silent = True
    (problem,) = after.problems()
    assert problem.startswith("the stores could not be audited after the scenario")
    assert "could not be decided: gateway: getCollectionStatus: no answer" in problem
