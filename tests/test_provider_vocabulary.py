"""What the sentences about providers judge: what reached a provider, and what an answer may not repeat."""

from __future__ import annotations

import base64
from email.utils import formatdate
from types import SimpleNamespace
from typing import Any
from urllib.parse import quote

import pytest

from support.drivers.gateway import Answer
from support.drivers.providers import SeenRequest
from support.limits import ACCEPTANCE
from support.redaction import Secrets
from support.reference.emulators.request_recorder import KINDS
from support.vocabulary.providers import answers, embeddings, witness
from support.vocabulary.tables import TableError
from support.world import Attempt, Order

KEY = "pk-Zm9v/YmFy+YmF6cXV4cXV1eA"


def seen(number: int, at: float, caller: str = "one", hint: str | None = None) -> SeenRequest:
    headers = {"x-request-id": caller, "authorization": f"Bearer {KEY}"}
    status = 200 if hint is None else 429
    return SeenRequest(
        number, "openai", at, "POST", "/openai/v1/embeddings", {}, headers, {}, status, 3, "ok", hint
    )


def answer(body: dict[str, Any], headers: dict[str, str] | None = None) -> Answer:
    return Answer("embedWithProvider", 200, headers or {}, body, str(body), 5.0)


def world(
    *requests: SeenRequest, said: Answer | None = None, texts: tuple[str, ...] = ("hello",), **alone: Any
) -> Any:
    """A scenario whose provider has recorded ``requests`` and whose last answer is ``said``."""
    secrets = Secrets()
    secrets.add(KEY, "key of openai")
    citadel = SimpleNamespace(
        providers=SimpleNamespace(seen=lambda provider=None, after=0: list(requests)),
        stack=SimpleNamespace(provider_keys={"openai": KEY}),
        secrets=secrets,
        promises=ACCEPTANCE,
    )
    order = Order("openai", texts, lambda text: alone[text[0]])
    attempts = [] if said is None else [Attempt("a reader asks OpenAI", said, order=order)]
    return SimpleNamespace(citadel=citadel, provider_mark=0, attempts=attempts, last=said)


def test_every_answer_is_one_that_the_emulators_know() -> None:
    assert {each.kind for each in answers.ANSWERS.values()} <= set(KINDS)
    assert [wording for wording, each in answers.ANSWERS.items() if not each.meaning] == []


@pytest.mark.parametrize(
    ("wording", "hint"),
    [
        ("a rate limit and a Retry-After of 7 s", "7"),
        ("a rate limit and a Retry-After date 2 s ahead", "GMT"),
    ],
)
def test_a_rate_limit_may_carry_a_hint(wording: str, hint: str) -> None:
    answer = answers.parse(wording)
    assert answer.kind == "rate_limit" and str(answer.settings["retry_after"]).endswith(hint)


@pytest.mark.parametrize(
    ("wording", "times"), [("every request", None), ("the next request", 1), ("the next 12 requests", 12)]
)
def test_the_requests_that_are_answered_so(wording: str, times: int | None) -> None:
    assert answers.SPAN.parse(wording) == times


@pytest.mark.parametrize(
    ("wording", "fitting"),
    [
        ("no", {0}),
        ("exactly 2", {2}),
        ("at least 2", {2, 3, 4}),
        ("at most 2", {0, 1, 2}),
        ("from 1 to 3", {1, 2, 3}),
    ],
)
def test_a_quantity_fits_its_numbers_only(wording: str, fitting: set[int]) -> None:
    matcher = witness.QUANTITY.parse(wording).matcher()
    assert {number for number in range(5) if matcher.matches(number)} == fitting


@pytest.mark.parametrize(
    ("requests", "wrong"),
    [
        ([seen(1, 100.0, hint="2"), seen(2, 102.0)], None),
        ([seen(1, 100.0, hint="2"), seen(2, 101.5)], "request 2 came 0.480 s before"),
        ([seen(1, 100.0, hint=formatdate(103, usegmt=True)), seen(2, 103.1)], None),
        (
            [seen(1, 100.0, hint=formatdate(103, usegmt=True)), seen(2, 102.0)],
            "request 2 came 0.980 s before",
        ),
        ([seen(1, 100.0, hint="2")], "request 1 was not retried"),
        # Another caller's request is no retry.
        ([seen(1, 100.0, hint="2"), seen(2, 103.0, "other")], "request 1 was not retried"),
        ([seen(1, 100.0, hint="2"), seen(2, 100.1, "other"), seen(3, 102.0)], None),
        ([seen(1, 100.0, hint="1"), seen(2, 101.0, hint="2"), seen(3, 102.0)], "request 3 came 0.980 s"),
    ],
)
def test_a_retry_comes_no_earlier_than_it_was_told(requests: list[SeenRequest], wrong: str | None) -> None:
    found = witness.early_retries(world(*requests), "openai")
    assert (found == []) if wrong is None else (len(found) == 1 and wrong in found[0]), found


def test_the_wait_of_each_caller_counts() -> None:
    requests = [seen(1, 10.0, "a"), seen(2, 10.5, "b"), seen(3, 11.0, "b"), seen(4, 12.0, "a"), seen(5, 13.0)]
    assert sorted(witness.retry_waits_s(world(*requests), "openai")) == [0.5, 2.0]


@pytest.mark.parametrize(
    "shown",
    [
        KEY,
        quote(KEY, safe=""),
        KEY.encode().hex(),
        base64.b64encode(KEY.encode()).decode(),
        base64.b64encode(f"Bearer {KEY}".encode()).decode(),
        KEY[5:14],
        f"{KEY[:4]}********",
        f"********{KEY[-4:]}",
        "Incorrect API key provided",
        "see platform.openai.com",
        "your subscription has ended",
    ],
)
@pytest.mark.parametrize("place", ["body", "header"])
def test_nothing_of_a_key_or_of_a_providers_words_is_repeated(shown: str, place: str) -> None:
    said = answer({"detail": shown}) if place == "body" else answer({}, {"X-Detail": shown})
    assert embeddings.repeated(world(said=said), "openai") != []


def test_the_platforms_own_words_are_not_the_providers() -> None:
    said = answer({"code": "provider-error", "detail": "The provider refused the platform's access."})
    assert embeddings.repeated(world(said=said), "openai") == []


@pytest.mark.parametrize(
    ("vectors", "wrong"),
    [
        ([[0.6, 0.8]], None),
        ([[0.6, 0.8], [1.0, 0.0]], "2 embeddings for 1 texts"),
        ([[1.0, 0.0, 0.0]], "embedding 1 of 1 has 3 dimensions, not 2"),
        ([[0.6, 0.7]], "embedding 1 of 1 has a length of 0.9220, not 1"),
        ([[float("nan"), 0.0]], "a length of nan"),
    ],
)
def test_embeddings_have_their_size_and_unit_length(vectors: list[list[float]], wrong: str | None) -> None:
    said = answer({"provider": "openai", "embeddings": vectors})
    found = embeddings.misshapen(world(said=said), 2)
    assert (found == []) if wrong is None else (len(found) == 1 and wrong in found[0]), found


@pytest.mark.parametrize(
    ("vectors", "wrong"),
    [
        ([[1.0, 0.0], [0.0, 1.0]], 0),
        ([[0.0, 1.0], [1.0, 0.0]], 2),
        ([[1.0, 0.0], [0.01, 1.0]], 1),
        ([[1.0, 0.0], [0.0, 1.0, 0.0]], 1),
        ([[1.0, 0.0], [float("nan"), 1.0]], 1),
    ],
)
def test_an_embedding_is_that_of_its_text_alone(vectors: list[list[float]], wrong: int) -> None:
    alone = {"one": answer({"embeddings": [[1.0, 0.0]]}), "two": answer({"embeddings": [[0.0, 1.0]]})}
    made = world(said=answer({"embeddings": vectors}), texts=("one", "two"), **alone)
    assert len(embeddings.otherwise_alone(made, 0.001)) == wrong


@pytest.mark.parametrize(("took_ms", "fits"), [(799.0, True), (801.0, False), (0, False), (None, False)])
def test_a_failover_is_reported_and_within_the_limit(took_ms: float | None, fits: bool) -> None:
    said = answer({"failover_time_ms": took_ms})
    assert (embeddings.failovers_beyond(world(said=said), "the failover limit") == []) == fits


def test_a_table_of_attempts_has_two_columns() -> None:
    row = {"provider": "Azure OpenAI", "outcome": "success"}
    assert embeddings.wanted_attempts([row]) == [{"provider": "azure", "outcome": "success"}]
    with pytest.raises(TableError, match="there is no column 'colour'; known are: outcome, provider"):
        embeddings.wanted_attempts([{**row, "colour": "blue"}])
