"""The vector store as the suite sees it: collections and points, read around the gateway."""

from __future__ import annotations

import json
import re
import warnings
from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from itertools import pairwise
from typing import Any, NamedTuple
from urllib.parse import quote
from uuid import UUID

import numpy as np
import orjson
from numpy.typing import NDArray
from qdrant_client import QdrantClient, models
from qdrant_client.common.client_exceptions import QdrantException
from qdrant_client.http.exceptions import ApiException, UnexpectedResponse

from support import addresses
from support.drivers.errors import NoSuchCollection, StoreUnreachable
from support.drivers.journal import Journal

STORE = "qdrant"
PAGE = 500
# So many last bytes of a page of a scroll tell which point follows.
TAIL = 300

PointId = UUID | int


@dataclass(frozen=True, slots=True)
class Point:
    """One point of Qdrant. ``vector`` is float32 as stored, None if not asked for or not the unnamed one."""

    collection: str
    id: PointId
    vector: NDArray[np.float32] | None = field(repr=False)
    payload: Mapping[str, Any]

    @property
    def mark(self) -> Mapping[str, Any]:
        """What the platform notes about the point: id, version, content_hash, vector_checksum, model."""
        noted = self.payload.get("citadel")
        return noted if isinstance(noted, Mapping) else {}

    @property
    def external_id(self) -> str | None:
        """The client's id."""
        return self.mark.get("id")

    @property
    def version(self) -> int | None:
        """The version of the item that was written."""
        return self.mark.get("version")

    @property
    def text(self) -> str | None:
        """The text as received, None for an item given as a vector."""
        return self.payload.get("text")

    @property
    def metadata(self) -> Any:
        """The metadata that filters run on."""
        return self.payload.get("metadata")


class PointPage(NamedTuple):
    """Points in id order as Qdrant sent them (id, payload, vector), and the id that follows within bounds."""

    records: list[dict[str, Any]]
    following: int | str | None


@dataclass(frozen=True, slots=True)
class VectorCollection:
    """How Qdrant keeps a collection: ``size`` and ``distance`` (Cosine, Dot, Euclid) of its unnamed vector.

    Both are None when the collection has named vectors instead.
    """

    name: str
    size: int | None
    distance: str | None


class VectorStore:
    """Qdrant over REST: through its official client, scans by plain requests.

    A call waits at most ``timeout_s`` (whole seconds) for each answer and raises ``StoreUnreachable`` when
    there is no usable one, ``NoSuchCollection`` when the collection is unknown. Nothing is retried.
    """

    def __init__(self, url: str, api_key: str | None, journal: Journal, timeout_s: int = 3) -> None:
        self._journal = journal
        self._place = (url, api_key, timeout_s)
        journal.secrets.add(api_key, "the vector store's key")
        with warnings.catch_warnings():
            # The client warns of a key on plain HTTP; that is for the owner of the URL to judge.
            warnings.filterwarnings("ignore", "Api key is used with an insecure connection")
            self._client = QdrantClient(
                url=url,
                api_key=api_key,
                timeout=timeout_s,
                prefer_grpc=False,
                check_compatibility=False,
                trust_env=False,
                verify=addresses.trusted(),
            )

    @property
    def place(self) -> tuple[str, str | None, int]:
        """URL, key and seconds to wait."""
        return self._place

    @contextmanager
    def _call(self, what: str) -> Iterator[QdrantClient]:
        with self._journal.call(STORE, what):
            try:
                yield self._client
            except UnexpectedResponse as error:
                reason = f"{what}: status {error.status_code}: {error.content.decode(errors='replace')[:200]}"
                kind = NoSuchCollection if error.status_code == 404 else StoreUnreachable
                raise kind(STORE, self._journal.secrets.redact(reason)) from error
            except (ApiException, QdrantException, json.JSONDecodeError) as error:
                reason = f"{what}: {type(error).__name__}: {error}"
                raise StoreUnreachable(STORE, self._journal.secrets.redact(reason)) from error

    def collections(self, *prefixes: str) -> list[str]:
        """Names that start with one of ``prefixes`` (all without any), sorted."""
        with self._call("collections") as client:
            names = [item.name for item in client.get_collections().collections]
        return sorted(name for name in names if name.startswith(prefixes or ("",)))

    def exists(self, collection: str) -> bool:
        """Whether Qdrant knows the collection."""
        with self._call(f"exists {collection}") as client:
            return client.collection_exists(collection)

    def info(self, collection: str) -> VectorCollection:
        """Size and distance of the collection's unnamed vector."""
        with self._call(f"info {collection}") as client:
            vectors = client.get_collection(collection).config.params.vectors
        if not isinstance(vectors, models.VectorParams):
            return VectorCollection(collection, None, None)
        return VectorCollection(collection, vectors.size, vectors.distance.value)

    def count(self, collection: str) -> int:
        """The exact number of points."""
        with self._call(f"count {collection}") as client:
            return client.count(collection, exact=True).count

    def points(self, collection: str, *, with_vectors: bool = True, page: int = PAGE) -> Iterator[Point]:
        """All points in Qdrant's order: numbers first, then UUIDs by their bytes."""
        for sheet in self.pages(collection, with_vectors=with_vectors, page=page):
            for record in sheet.records:
                yield _read(collection, record)

    def pages(
        self,
        collection: str,
        *,
        start: UUID | None = None,
        stop: UUID | None = None,
        with_vectors: bool = True,
        page: int = PAGE,
    ) -> Iterator[PointPage]:
        """Points with ``start`` <= id < ``stop`` (None: no bound) as Qdrant sends them, in its order.

        Each page is asked for while the one before is worked on. Not by the official client, whose validation
        of every number takes most of a scan's time. Raises ``StoreUnreachable`` also when ids do not ascend:
        a scan may then have missed some.
        """
        asked = {"limit": page, "with_payload": True, "with_vector": with_vectors}
        offset: int | str | None = None if start is None else str(start)
        with closing(_Scroll(self._place, collection, asked)) as scroll:
            scroll.ask(offset)
            while True:
                with self._call(f"scroll {collection}"):
                    content = scroll.answer()
                likely = _likely_following(content)
                ahead = likely is not None and not _reaches(likely, stop)
                if ahead:
                    scroll.ask(likely)
                sheet = _sheet(collection, content, stop)
                yield sheet
                if sheet.following is None:
                    return
                if not ahead or likely != sheet.following:
                    scroll.start_again()
                    scroll.ask(sheet.following)

    def points_by_id(
        self, collection: str, ids: Sequence[PointId], *, with_vectors: bool = True
    ) -> dict[PointId, Point]:
        """Points by id; unknown ids are left out."""
        with self._call(f"{len(ids)} points of {collection} by id") as client:
            records = client.retrieve(
                collection, [_wire(each) for each in ids], with_payload=True, with_vectors=with_vectors
            )
        found = [_point(collection, record) for record in records]
        return {point.id: point for point in found}

    def point(self, collection: str, point_id: PointId) -> Point | None:
        """One point with its vector, or None."""
        return self.points_by_id(collection, [point_id]).get(point_id)

    def version(self) -> str:
        """Such as ``1.20.0``."""
        with self._call("version") as client:
            return str(client.info().version)

    # -- writes: clean-up, and what the suite's own proofs plant

    def create_collection(self, collection: str, size: int, distance: str = "Cosine") -> None:
        """Make a collection with one unnamed vector; ``distance`` is Cosine, Dot or Euclid."""
        with self._call(f"create {collection}") as client:
            client.create_collection(
                collection, models.VectorParams(size=size, distance=models.Distance(distance))
            )

    def delete_collection(self, collection: str) -> bool:
        """Remove a collection; False if there was none."""
        with self._call(f"delete {collection}") as client:
            return client.delete_collection(collection)

    def upsert_raw(self, collection: str, points: Sequence[Point]) -> None:
        """Write points as they are, around the platform; applied when this returns."""
        structs = [
            models.PointStruct(
                id=_wire(point.id),
                vector=[] if point.vector is None else point.vector.tolist(),
                payload=dict(point.payload),
            )
            for point in points
        ]
        with self._call(f"upsert {len(points)} points into {collection}") as client:
            client.upsert(collection, structs, wait=True)

    def delete_points(self, collection: str, ids: Sequence[PointId]) -> None:
        """Remove points around the platform; applied when this returns."""
        selector = models.PointIdsList(points=[_wire(each) for each in ids])
        with self._call(f"delete {len(ids)} points of {collection}") as client:
            client.delete(collection, selector, wait=True)

    def close(self) -> None:
        """Close the connections."""
        self._client.close()


class _Scroll:
    """A connection for the pages of one scroll, each asked for while the one before is worked on.

    The server works while this process does, without a thread: one would wait its turn for Python's lock
    before it could even send a request, and no two things would happen at once.
    """

    def __init__(self, place: tuple[str, str | None, int], collection: str, asked: dict[str, Any]) -> None:
        url, api_key, timeout_s = place
        at = addresses.of(url)
        port = at.port or addresses.QDRANT_PORT
        self._connection = (
            HTTPSConnection(at.host, port, timeout=timeout_s, context=addresses.trusted())
            if at.scheme == "https"
            else HTTPConnection(at.host, port, timeout=timeout_s)
        )
        self._path = f"{at.path}/collections/{quote(collection, safe='')}/points/scroll"
        self._what = f"scroll {collection}"
        self._asked = asked
        self._headers = {"content-type": "application/json", **({"api-key": api_key} if api_key else {})}

    def ask(self, offset: int | str | None) -> None:
        """Send for the page at ``offset``. Raises ``StoreUnreachable``."""
        body = orjson.dumps({**self._asked, "offset": offset})
        with self._no_answer():
            self._connection.request("POST", self._path, body, self._headers)

    def answer(self) -> bytes:
        """The page asked for. Raises ``StoreUnreachable`` or ``NoSuchCollection``."""
        with self._no_answer():
            answer = self._connection.getresponse()
            content = answer.read()
        if answer.status != 200:
            kind = NoSuchCollection if answer.status == 404 else StoreUnreachable
            excerpt = content[:200].decode(errors="replace")
            raise kind(STORE, f"{self._what}: status {answer.status}: {excerpt}")
        return content

    def start_again(self) -> None:
        """Forget what was asked for."""
        self._connection.close()

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    @contextmanager
    def _no_answer(self) -> Iterator[None]:
        try:
            yield
        except (OSError, HTTPException) as error:
            raise StoreUnreachable(STORE, f"{self._what}: {type(error).__name__}: {error}") from error


# The last member of a page; a quote within a string would be escaped.
_FOLLOWING = re.compile(rb'"next_page_offset":\s*(?:"([0-9a-f-]{36})"|([0-9]+))')


def _likely_following(content: bytes) -> int | str | None:
    """What most probably follows a page, told from its end before the whole is read."""
    matches = list(_FOLLOWING.finditer(content, max(0, len(content) - TAIL)))
    if not matches:
        return None
    found = matches[-1]
    return found[1].decode() if found[1] else int(found[2])


def _reaches(following: int | str, stop: UUID | None) -> bool:
    return stop is not None and isinstance(following, str) and following >= str(stop)


def _sheet(collection: str, content: bytes, stop: UUID | None) -> PointPage:
    """A page of a scroll, without what lies from ``stop`` on."""
    try:
        result = orjson.loads(content)["result"]
        records, following = result["points"], result["next_page_offset"]
        # UUIDs in their usual form sort as text as they do by bytes.
        places = [(isinstance(record["id"], str), record["id"]) for record in records]
    except (ValueError, KeyError, TypeError) as error:
        raise StoreUnreachable(STORE, f"scroll {collection}: no answer of Qdrant: {error!r}") from error
    if following is not None:
        places.append((isinstance(following, str), following))
    if any(left >= right for left, right in pairwise(places)):
        raise StoreUnreachable(STORE, f"scroll {collection}: ids do not ascend")
    if stop is not None:
        end = (True, str(stop))
        if following is not None and _reaches(following, stop):
            following = None
        if places and places[-1] >= end:
            records = records[: bisect_left(places, end)]
    return PointPage(records, following)


def _read(collection: str, record: Mapping[str, Any]) -> Point:
    given, numbers = record["id"], record.get("vector")
    vector = np.asarray(numbers, np.float32) if isinstance(numbers, list) else None
    point_id = given if isinstance(given, int) else UUID(given)
    return Point(collection, point_id, vector, record.get("payload") or {})


def _wire(point_id: PointId) -> int | str:
    return point_id if isinstance(point_id, int) else str(point_id)


def _point(collection: str, record: models.Record) -> Point:
    vector = np.asarray(record.vector, np.float32) if isinstance(record.vector, list) else None
    point_id = record.id if isinstance(record.id, int) else UUID(str(record.id))
    return Point(collection, point_id, vector, record.payload or {})
