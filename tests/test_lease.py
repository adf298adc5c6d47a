"""A Redis database is leased only where it is empty, by one run alone, and the search for one ends."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import pytest
import redis
from redis.connection import parse_url

from support.isolation import lease
from support.isolation.heartbeat import Superseded
from support.isolation.names import Run
from support.stack import servers
from support.stack.ports import free_ports
from tests.own_stores import workshop_of

DATABASES = 16


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """A Redis of somebody else's, with every database empty."""
    with workshop_of(Run.current()) as (workshop, closing):
        (port,) = free_ports(1)
        valkey = servers.valkey(workshop, port)
        closing.callback(valkey.service.stop)
        valkey.service.start()
        yield valkey.url


@pytest.fixture
def url(server: str) -> Iterator[str]:
    yield server
    client = lease.connect(server)
    client.flushall()
    client.close()


def keys(url: str) -> dict[int, set[bytes]]:
    """All keys of all databases."""
    found = {}
    for index in range(DATABASES):
        client = lease.connect(lease.with_index(url, index))
        found[index] = set(client.scan_iter())
        client.close()
    return {index: some for index, some in found.items() if some}


@pytest.mark.parametrize(
    ("given", "index"),
    [
        ("redis://h", 0),
        ("redis://h/", 0),
        ("redis://h:6379/3", 3),
        ("redis:///3", 3),
        ("redis://h:6379?db=4", 4),
        ("redis://h:6379/?db=4", 4),
        ("redis://h:6379/3?db=4", 4),
        ("redis://u:p%40w@h:6379/3?socket_timeout=5&db=4&client_name=a%20b", 4),
        ("rediss://[::1]:6380/2?ssl_cert_reqs=none", 2),
        ("unix:///run/redis.sock", 0),
        ("unix://u:w@/run/redis.sock?db=5", 5),
    ],
)
def test_the_index_is_read_and_set_wherever_a_url_has_it(given: str, index: int) -> None:
    assert lease.index_of(given) == index
    other = lease.with_index(given, 7)
    assert lease.index_of(other) == 7
    read: Callable[[str], dict[str, object]] = parse_url
    assert read(other) == {**read(given), "db": 7}, "nothing else has changed"


@pytest.mark.parametrize("form", ["{}", "{}/?db=0", "{}?db=0", "{}/3?db=0"])
def test_the_first_empty_database_is_leased_in_every_form_of_url(url: str, form: str) -> None:
    given = form.format(url.removesuffix("/0"))
    client = lease.connect(url)
    client.set("somebody:else", "not yours")
    taken = lease.take(given, Run.current())
    assert lease.index_of(taken.url) == 1
    taken.release()
    assert keys(url) == {0: {b"somebody:else"}}
    client.close()


@pytest.mark.parametrize("form", ["{}/{}", "{}?db={}"])
def test_a_full_server_ends_the_search(url: str, form: str) -> None:
    for index in range(DATABASES):
        client = redis.Redis.from_url(lease.with_index(url, index))
        client.set("somebody:else", index)
        client.close()
    before = keys(url)
    with pytest.raises(lease.NoFreeDatabase, match="no empty database from index 3 on"):
        lease.take(form.format(url.removesuffix("/0"), 3), Run.current())
    assert keys(url) == before


def test_runs_that_take_at_the_same_moment_never_get_the_same(url: str) -> None:
    together = threading.Barrier(DATABASES)

    def take(_number: int) -> lease.Lease:
        together.wait(10)
        return lease.take(url, Run.current())

    with ThreadPoolExecutor(DATABASES) as pool:
        taken = list(pool.map(take, range(DATABASES)))
    assert sorted(lease.index_of(each.url) for each in taken) == list(range(DATABASES))
    with pytest.raises(lease.NoFreeDatabase):
        lease.take(url, Run.current())
    for each in taken:
        each.release()
    assert keys(url) == {}


def test_a_key_of_somebody_else_that_comes_while_a_database_is_taken_keeps_it_his(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = lease._now
    came: list[object] = []

    def somebody_is_faster(client: redis.Redis) -> float | None:
        if not came:
            came.append(client.set("somebody:else", "not yours"))
        return now(client)

    # Asked after the database was found empty and before it is claimed.
    monkeypatch.setattr(lease, "_now", somebody_is_faster)
    taken = lease.take(url, Run.current())
    assert lease.index_of(taken.url) == 1
    taken.release()
    assert keys(url) == {0: {b"somebody:else"}}


def test_a_lease_that_is_another_runs_by_now_is_neither_renewed_nor_emptied(url: str) -> None:
    taken, other = lease.take(url, Run.current()), Run.current()
    with closing(lease.connect(taken.url)) as client:
        client.set(lease.LEASE_KEY, lease.Claim(other, 1, None).written())
        client.set("citadel:v1:key", "of the other run")
        with pytest.raises(Superseded):
            taken._beat()
        taken.release()
        assert not lease.give_back(taken.url, taken.run)
        assert keys(url) == {0: {lease.LEASE_KEY.encode(), b"citadel:v1:key"}}
        assert lease.give_back(taken.url, other)
        assert keys(url) == {}


def test_more_keys_than_one_page_are_removed_and_those_of_others_stay(url: str) -> None:
    taken = lease.take(url, Run.current())
    with closing(lease.connect(taken.url)) as client:
        client.mset({f"citadel:v1:{number}": "x" for number in range(3 * lease.SCAN_PAGE + 1)})
        client.set("somebody:else", "not yours")
    taken.release()
    assert keys(url) == {0: {b"somebody:else"}}
