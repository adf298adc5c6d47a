"""Embeddings asked of the gateway without storing anything."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np
from hamcrest import assert_that

from support.corpus.golden import golden
from support.drivers.embedding import Embedding, Work
from support.drivers.gateway import Answer
from support.errors import Unavailable
from support.matchers.answers import succeeded
from support.matchers.every import every_item
from support.reporting import diagnosis
from support.vocabulary import documents
from support.vocabulary.texts import sentences
from support.waiting import eventually
from support.world import World

# Largest difference in any number between two embeddings of the same text.
SAME = 1e-5
# A word of one token: the model's window is counted in tokens.
LONG_WORD = "window "
# The log is written a moment after the answer.
LOGGED_WITHIN_S = 3.0


def embed(world: World, text: str, **options: Any) -> Answer:
    """One text, one vector."""
    return world.citadel.gateway.call("generateEmbedding", json_body={"text": text, **options}, key=world.key)


def embed_batch(world: World, texts: Sequence[str], **options: Any) -> Answer:
    """Up to 32 texts, one vector each, in order."""
    return world.citadel.gateway.call(
        "generateEmbeddingBatch", json_body={"texts": list(texts), **options}, key=world.key
    )


def new_texts(world: World, count: int, about: str = "texts") -> list[str]:
    """Sentences that nobody has embedded before: they name this run and scenario."""
    return sentences(count, f"{world.names.prefix}{about}")


def long_text(words: int) -> str:
    """A text of so many words."""
    return (LONG_WORD * words).strip()


def embed_differing_at_the_end(world: World, words: int) -> list[Answer]:
    """Two texts of so many words that differ in the last one, each embedded without the cache."""
    head = long_text(words - 1)
    answers = [embed(world, f"{head} {last}", use_cache=False) for last in ("garden", "invoice")]
    assert_that(answers, every_item(succeeded()))
    return answers


def service(world: World) -> Embedding:
    """The embedding service, asked directly. Raises ``Unavailable`` where it cannot be."""
    if world.citadel.embedding is None:
        raise Unavailable("the embedding service cannot be seen in this mode")
    return world.citadel.embedding


def work_since(world: World, before: Work) -> Work:
    """What the embedding service has done since ``before``."""
    now = service(world).work()
    return Work(now.requests - before.requests, now.texts - before.texts)


def furthest_apart(one: Sequence[float], other: Sequence[float]) -> float:
    """Largest difference between two vectors in any component."""
    return max(abs(a - b) for a, b in zip(one, other, strict=True))


def times_asked(world: World, since: diagnosis.Marks) -> int:
    """How often the embedding service was asked for the scenario's last request, by its log."""

    def look() -> int:
        log = world.citadel.services["embedding"].log_since(since.logs.get("embedding", 0))
        return sum(world.last.request_id in line for line in log.splitlines())

    return eventually(look, bool, within=LOGGED_WITHIN_S, what="the embedding service has logged the request")


def alone_and_batched(world: World) -> tuple[list[float], list[float]]:
    """The embedding of a short text alone, and between longer ones in a batch, without the cache."""
    short = "a short text"
    alone = embed(world, short, use_cache=False)
    batch = embed_batch(world, [long_text(150), short, long_text(60)], use_cache=False)
    assert_that([alone, batch], every_item(succeeded()))
    return alone.body["embedding"], batch.body["embeddings"][1]


def shuffled(known: Sequence[str], new: Sequence[str]) -> list[str]:
    """Known and new texts in turn, the rest at the end."""
    paired = [text for pair in zip(new, known, strict=False) for text in pair]
    return paired + list(known[len(new) :]) + list(new[len(known) :])


def embed_and_watch(world: World, texts: Sequence[str]) -> None:
    """Embed a batch and remember what the service had to do for it."""
    before = service(world).work()
    world.answer = embed_batch(world, texts)
    assert_that(world.answer, succeeded())
    world.evidence["work"] = work_since(world, before)
    world.evidence["embedded"] = list(zip(texts, world.answer.body["embeddings"], strict=True))


def embed_together(world: World, texts: Sequence[str]) -> None:
    """Embed each text by a request of its own, all at the same moment."""
    answers = documents.together([partial(embed, world, text) for text in texts])
    assert_that(answers, every_item(succeeded()))
    world.evidence["embedded"] = [
        (text, answer.body["embedding"]) for text, answer in zip(texts, answers, strict=True)
    ]


def furthest_from_service(world: World) -> float:
    """Largest difference in a component between the gateway's answers and the service's own embeddings."""
    embedded: list[tuple[str, list[float]]] = world.evidence["embedded"]
    own = embed_directly(world, [text for text, _vector in embedded])
    return max(
        furthest_apart(vector, expected) for (_text, vector), expected in zip(embedded, own, strict=True)
    )


def embed_directly(world: World, texts: Sequence[str]) -> list[list[float]]:
    """A second opinion: the service's own where it can be seen, else the gateway's, uncached, one by one."""
    if world.citadel.embedding is not None:
        return world.citadel.embedding.embed(list(texts))
    return [list(embed(world, text, use_cache=False).body["embedding"]) for text in texts]


def least_like_golden(world: World) -> tuple[float, str]:
    """The golden text whose fresh embedding is least like its golden vector, and how like it is (cosine)."""
    expected = golden()
    answer = embed_batch(world, list(expected), use_cache=False)
    assert_that(answer, succeeded())
    world.evidence["vectors"] = answer.body["embeddings"]
    alike = {
        text: cosine(vector, own)
        for (text, own), vector in zip(expected.items(), answer.body["embeddings"], strict=True)
    }
    text = min(alike, key=alike.__getitem__)
    return alike[text], text


def furthest_from_length_one(world: World) -> float:
    """How far the length of one of the scenario's embeddings is from 1 at most."""
    return max(abs(float(np.linalg.norm(vector)) - 1.0) for vector in world.evidence["vectors"])


def embed_pairs(world: World, pairs: Sequence[tuple[str, str]]) -> None:
    """Embed both texts of every pair and keep how like each is to its own and to every other partner."""
    answer = embed_batch(world, [text for pair in pairs for text in pair])
    assert_that(answer, succeeded())
    vectors = answer.body["embeddings"]
    firsts, seconds = vectors[::2], vectors[1::2]
    world.evidence["alike"] = {
        (one, other): cosine(firsts[i], seconds[j])
        for i, (one, _) in enumerate(pairs)
        for j, (_, other) in enumerate(pairs)
    }
    world.evidence["pairs"] = list(pairs)


def least_related(world: World) -> tuple[float, str]:
    """The pair of the same meaning that is least alike."""
    return min((alike, f"{one} / {other}") for (one, other), alike in _related(world, True).items())


def most_alike_unrelated(world: World) -> tuple[float, str]:
    """The two texts of different pairs that are most alike."""
    return max((alike, f"{one} / {other}") for (one, other), alike in _related(world, False).items())


def _related(world: World, related: bool) -> dict[tuple[str, str], float]:
    pairs = world.evidence["pairs"]
    return {texts: alike for texts, alike in world.evidence["alike"].items() if (texts in pairs) is related}


def cosine(one: Sequence[float], other: Sequence[float]) -> float:
    """Cosine of the angle between two vectors."""
    a, b = np.asarray(one, dtype=np.float64), np.asarray(other, dtype=np.float64)
    return float(a @ b / (np.linalg.norm(a) * np.linalg.norm(b)))
