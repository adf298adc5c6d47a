"""Texts under way are shared: a crowd with one text costs one call, and nobody pays for another's failure."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any, cast

import numpy as np
import pytest

from support.reference.gateway import embedding
from support.reference.gateway.cache import Cache, Lookup
from support.reference.gateway.config import Config
from support.reference.gateway.embedding import Embeddings, TextVector
from support.reference.gateway.problems import DependencyDown
from support.reference.gateway.timing import Call, begin

MODEL = "all-MiniLM-L6-v2"
SIZE = 384
TAKES_S = 0.05


class NoCache:
    """A cache that has nothing."""

    async def get_many(self, keys: Sequence[str], valid: Callable[..., bool]) -> list[Lookup]:
        return [Lookup("miss", key) for key in keys]

    def bypass(self, key: str) -> Lookup:
        return Lookup("bypass", key)


class Service:
    """The embedding service: the calls it got; it fails at every text that contains "bad"."""

    def __init__(self) -> None:
        self.calls: list[list[str]] = []

    async def fetch(self, texts: list[str], model: str, size: int) -> list[dict[str, Any]]:
        self.calls.append(texts)
        await asyncio.sleep(TAKES_S)
        if any("bad" in text for text in texts):
            raise DependencyDown("embedding", "died")
        vector = np.ones(size, dtype=np.float32)
        return [{"vector": vector, "truncated": False, "token_count": 1} for _ in texts]


@pytest.fixture
def service() -> Service:
    return Service()


@pytest.fixture
def embeddings(service: Service, monkeypatch: pytest.MonkeyPatch) -> Embeddings:
    config = cast(Config, type("Given", (), {"embedding_url": "", "embedding_timeout_s": 1.0}))
    made = Embeddings(config, cast(Any, None), cast(Cache, NoCache()))
    monkeypatch.setattr(made, "_fetch", service.fetch)
    return made


async def embed(embeddings: Embeddings, *texts: str, use_cache: bool = True) -> list[TextVector]:
    begin(Call("test"))
    return await embeddings.embed(texts, MODEL, use_cache=use_cache)


def together(*callers: Any) -> list[Any]:
    async def all_of_them() -> list[Any]:
        return await asyncio.gather(*callers, return_exceptions=True)

    return asyncio.run(all_of_them())


def test_a_crowd_with_one_text_costs_one_call(embeddings: Embeddings, service: Service) -> None:
    found = together(*(embed(embeddings, "one") for _ in range(50)))
    assert all(len(each[0].vector) == SIZE for each in found)
    assert service.calls == [["one"]]


def test_who_comes_just_afterwards_still_gets_it_but_nobody_for_ever(
    embeddings: Embeddings, service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(embedding, "_HANDED_ON_S", 0.1)

    async def one_after_the_other() -> None:
        await embed(embeddings, "one")
        await embed(embeddings, "one")
        assert service.calls == [["one"]]
        await asyncio.sleep(0.2)
        await embed(embeddings, "one")

    asyncio.run(one_after_the_other())
    assert service.calls == [["one"], ["one"]]


def test_a_text_that_fails_alone_fails_for_all_who_wait_for_it(
    embeddings: Embeddings, service: Service
) -> None:
    found = together(*(embed(embeddings, "bad") for _ in range(5)))
    assert all(isinstance(each, DependencyDown) for each in found)
    assert service.calls == [["bad"]]
    assert isinstance(together(embed(embeddings, "bad"))[0], DependencyDown)
    assert len(service.calls) == 2, "a failure is not remembered"


def test_nobody_pays_for_a_text_of_another(embeddings: Embeddings, service: Service) -> None:
    batch, single = together(embed(embeddings, "good", "bad"), embed(embeddings, "good"))
    assert isinstance(batch, DependencyDown)
    assert len(single[0].vector) == SIZE
    assert service.calls == [["good", "bad"], ["good"]]


def test_who_gives_up_leaves_the_others_to_themselves(embeddings: Embeddings, service: Service) -> None:
    async def given_up() -> list[TextVector]:
        first = asyncio.create_task(embed(embeddings, "one"))
        second = asyncio.create_task(embed(embeddings, "one"))
        await asyncio.sleep(TAKES_S / 5)
        first.cancel()
        return await second

    assert len(asyncio.run(given_up())[0].vector) == SIZE
    assert service.calls == [["one"], ["one"]]


def test_two_batches_that_share_texts_do_not_wait_for_each_other_for_ever(
    embeddings: Embeddings, service: Service
) -> None:
    found = together(
        embed(embeddings, "a", "b"), embed(embeddings, "b", "a", "c"), embed(embeddings, "c", "a")
    )
    assert [len(each) for each in found] == [2, 3, 2]
    assert service.calls == [["a", "b"], ["c"]]


def test_without_the_cache_nothing_is_shared(embeddings: Embeddings, service: Service) -> None:
    together(*(embed(embeddings, "one", use_cache=False) for _ in range(3)))
    assert service.calls == [["one"]] * 3
