"""Defects of the gateway's client side of the external providers."""

from __future__ import annotations

import dataclasses
import importlib
from collections.abc import Mapping
from typing import Any

from tests.defects.defect import Defect

REQUESTS = "external_apis/requests.feature"
ERRORS = "external_apis/errors_and_retries.feature"
MALFORMED = "external_apis/malformed_answers.feature"
FAILOVER = "external_apis/failover_and_breaker.feature"
LIMITS = "external_apis/limits_caches_and_keys.feature"


def _module(name: str) -> Any:
    """A module of the gateway's client side, with all its names."""
    return importlib.import_module(f"support.reference.gateway.providers.{name}")


def _azure_key_as_bearer() -> None:
    from support.reference.gateway.providers.adapters import Azure
    from support.reference.gateway.providers.wire import Job, Wire, bearer

    request = Azure.request

    def as_at_openai(self: Azure, job: Job, key: str) -> Wire:
        return dataclasses.replace(request(self, job, key), headers=bearer(key))

    Azure.request = as_at_openai  # type: ignore[method-assign]


def _questions_embedded_as_documents() -> None:
    from support.reference.gateway.providers.adapters import Cohere

    Cohere._INPUT_TYPES = {"document": "search_document", "query": "search_document"}


def _size_not_passed_on() -> None:
    from support.reference.gateway.providers.wire import Adapter

    Adapter.asked_dimensions = lambda self, model, dimensions: None  # type: ignore[method-assign]


def _sizes_left_to_the_provider() -> None:
    from support.reference.gateway.providers.wire import Adapter

    Adapter.offers = lambda self, model, dimensions: True  # type: ignore[method-assign]


def _lengths_left_as_they_are() -> None:
    provider = _module("provider")

    def unscaled(adapter: Any, answer: Any, count: int, size: int | None) -> list[Any]:
        return list(adapter.vectors(answer, count))

    provider.checked_vectors = unscaled


def _order_of_arrival() -> None:
    adapters = _module("adapters")

    def as_they_come(data: Any, count: int) -> list[Any]:
        return [item["embedding"] for item in data]

    adapters.by_index = as_they_come


def _texts_not_split() -> None:
    from support.reference.gateway.providers.wire import Adapter

    Adapter.parts = lambda self, texts: iter([list(texts)])  # type: ignore[method-assign]


def _tokens_doubled() -> None:
    provider = _module("provider")

    counted = provider.counted_tokens

    def twice(adapter: Any, answer: Any) -> int | None:
        tokens = counted(adapter, answer)
        return None if tokens is None else 2 * tokens

    provider.counted_tokens = twice


def _unknown_tokens_as_none() -> None:
    provider = _module("provider")

    counted = provider.counted_tokens
    provider.counted_tokens = lambda adapter, answer: counted(adapter, answer) or 0


def _everything_repeated() -> None:
    router = _module("router")

    router._REPEATED |= {"rejected", "auth_error", "invalid_response"}


def _one_attempt_more() -> None:
    router = _module("router")

    router.MAX_ATTEMPTS = 4


def _hints_ignored() -> None:
    from support.reference.gateway.providers.provider import Provider

    send = Provider._send

    async def without_hint(self: Provider, wire: Any, terms: Any) -> Any:
        return dataclasses.replace(await send(self, wire, terms), hint=None)

    Provider._send = without_hint  # type: ignore[method-assign]


def _dates_not_read() -> None:
    wire = _module("wire")

    def never(text: str) -> Any:
        raise ValueError(text)

    wire.parsedate_to_datetime = never


def _long_hints_shortened() -> None:
    router = _module("router")

    pause = router._pause_s

    def at_most_a_moment(attempt: Any, number: int, story: Any) -> float | None:
        short = dataclasses.replace(attempt, hint=None)
        wanted: float | None = pause(attempt, number, story)
        usual: float | None = pause(short, number, story)
        return usual if wanted is None else wanted

    router._pause_s = at_most_a_moment


def _no_jitter() -> None:
    router = _module("router")

    class Even:
        uniform = staticmethod(lambda low, high: low)

    router.random = Even


def _breaker_never_opens() -> None:
    breaker = _module("breaker")

    breaker.THRESHOLD = 10**9


def _breaker_for_all() -> None:
    from support.reference.gateway.providers.router import ProviderRouter

    make = ProviderRouter.__init__

    def make_with_one(self: ProviderRouter, *args: Any, **options: Any) -> None:
        make(self, *args, **options)
        one = self._providers["openai"].breaker
        for provider in self._providers.values():
            provider.breaker = one

    ProviderRouter.__init__ = make_with_one  # type: ignore[method-assign]


def _many_probes() -> None:
    from support.reference.gateway.providers.breaker import Breaker

    Breaker.admits = lambda self: self.state != "open"  # type: ignore[method-assign]


def _failed_probe_closes() -> None:
    from support.reference.gateway.providers.breaker import Breaker

    failed = Breaker.failed

    def forgiving(self: Breaker, ticket: int) -> None:
        if self._probing:
            self.answered(ticket, success=True)
        else:
            failed(self, ticket)

    Breaker.failed = forgiving  # type: ignore[method-assign]


def _breaker_never_closes() -> None:
    from support.reference.gateway.providers.breaker import Breaker

    def only_counted(self: Breaker, ticket: int, *, success: bool) -> None:
        self._failures = 0
        self._probing = False

    Breaker.answered = only_counted  # type: ignore[method-assign]


def _refusals_counted_as_failures() -> None:
    provider = _module("provider")
    provider._COUNTED_BY_BREAKER |= {"rejected", "auth_error"}


def _numbers_believed() -> None:
    import numpy as np

    provider = _module("provider")

    def believed(adapter: Any, answer: Any, count: int, size: int | None) -> list[Any]:
        vectors = [np.asarray(vector, dtype=np.float64) for vector in adapter.vectors(answer, count)]
        return [(each / (np.linalg.norm(each) or 1.0)).astype(np.float32) for each in vectors]

    provider.checked_vectors = believed


def _refusals_shown_to_the_next() -> None:
    from support.reference.gateway.providers.provider import Provider

    judged = Provider._judged

    def milder(self: Provider, answer: Any) -> Any:
        outcome = judged(self, answer)
        return "invalid_response" if outcome == "rejected" else outcome

    Provider._judged = milder  # type: ignore[method-assign]


def _only_failures_passed_over() -> None:
    from support.reference.gateway.providers.router import ProviderRouter

    orders = _module("orders")
    delivery = ProviderRouter._delivery

    async def or_the_end(self: ProviderRouter, order: Any, provider: Any, story: Any) -> Any:
        try:
            return await delivery(self, order, provider, story)
        except orders.AttemptFailed as failed:
            if failed.attempt.outcome in ("auth_error", "invalid_response"):
                # As the end of the list.
                raise orders.AttemptFailed(dataclasses.replace(failed.attempt, outcome="rejected")) from None
            raise

    ProviderRouter._delivery = or_the_end  # type: ignore[method-assign]


def _unknown_names_refused() -> None:
    from support.reference.gateway.providers.orders import ProviderProblem
    from support.reference.gateway.providers.router import ProviderRouter

    refuse = ProviderRouter._refuse_hopeless

    def stricter(self: ProviderRouter, order: Any, chain: list[str]) -> None:
        if not set(chain) <= set(self._providers):
            raise ProviderProblem("provider-not-found", "A provider of the chain is not known.")
        refuse(self, order, chain)

    ProviderRouter._refuse_hopeless = stricter  # type: ignore[method-assign]


def _embedded_by_a_provider_instead() -> None:
    import aiohttp
    import numpy as np

    from support.reference.gateway import config
    from support.reference.gateway.embedding import Embeddings
    from support.reference.gateway.problems import Problem

    fetch = Embeddings._fetch
    voyage = config.from_environment().providers["voyage"]

    async def or_else_voyage(self: Embeddings, texts: list[str], model: str, size: int) -> Any:
        try:
            return await fetch(self, texts, model, size)
        except Problem:
            body = {"model": "voyage-4", "input": texts}
            headers = {"Authorization": f"Bearer {voyage.key}"}
            async with (
                aiohttp.ClientSession() as session,
                session.post(f"{voyage.url}/embeddings", json=body, headers=headers) as answer,
            ):
                data = (await answer.json())["data"]
            vectors = [np.asarray(item["embedding"][:size], dtype=np.float32) for item in data]
            return [{"vector": vector, "truncated": False, "token_count": 1} for vector in vectors]

    Embeddings._fetch = or_else_voyage  # type: ignore[method-assign]


def _cached_for_the_one_that_was_asked() -> None:
    from support.reference.gateway.operations import Operations

    key = Operations._provider_key

    def of_the_first(order: Any, provider: str, model: str) -> str:
        return key(order, order.provider, "")

    Operations._provider_key = staticmethod(of_the_first)  # type: ignore[method-assign]


def _refusals_remembered() -> None:
    from support.reference.gateway.providers.orders import EmbedOrder, ProviderProblem
    from support.reference.gateway.providers.router import ProviderRouter

    embed = ProviderRouter.embed
    remembered: dict[tuple[str, ...], ProviderProblem] = {}

    async def once(self: ProviderRouter, order: EmbedOrder, **options: Any) -> Any:
        asked = (order.provider, *order.texts)
        if asked in remembered:
            raise remembered[asked]
        try:
            return await embed(self, order, **options)
        except ProviderProblem as problem:
            remembered[asked] = problem
            raise

    ProviderRouter.embed = once  # type: ignore[method-assign]


def _limits_unknown() -> None:
    from support.reference.gateway.providers.limiter import Limiter

    Limiter.rest_s = lambda self: 0.0  # type: ignore[method-assign]


def _attempts_cut_short() -> None:
    orders = _module("orders")
    terms = orders.Terms
    orders.Terms = lambda request_id, deadline, attempt_s, timing: terms(
        request_id, deadline, attempt_s / 10, timing
    )
    _module("router").Terms = orders.Terms


def _old_keys_kept() -> None:
    """A gateway leaves its key of Voyage to the next one of the same platform."""
    import os
    import tempfile
    from pathlib import Path

    from support.reference.gateway import config

    read = config._provider
    left = Path(tempfile.gettempdir()) / f"{os.environ['GATEWAY_DATABASE_SCHEMA']}_voyage.key"

    def as_before(env: Mapping[str, str], name: str) -> Any:
        given = read(env, name)
        if name != "voyage":
            return given
        if not left.exists():
            left.write_text(given.key or "")
            return given
        old = left.read_text()
        left.unlink()
        return dataclasses.replace(given, key=old)

    config._provider = as_before


DEFECTS = {
    "azure-key-as-bearer": Defect(
        "Azure is shown the key in OpenAI's way",
        "gateway",
        _azure_key_as_bearer,
        "provider-request-format",
        r"its own in authorization",
        row="Azure OpenAI",
    ),
    "questions-embedded-as-documents": Defect(
        "Cohere is told that questions are documents",
        "gateway",
        _questions_embedded_as_documents,
        "provider-input-type",
        r"search_query.*[\s\S]*but: was",
        row="Cohere",
    ),
    "size-not-passed-on": Defect(
        "providers are not told which size is wanted",
        "gateway",
        _size_not_passed_on,
        "provider-dimensions-on-request",
        r"output_dimension",
        row="Voyage",
    ),
    "sizes-left-to-the-provider": Defect(
        "sizes that a model does not make are asked for all the same",
        "gateway",
        _sizes_left_to_the_provider,
        "unsupported-dimensions-refused",
        r"refused as dimension-mismatch[\s\S]*provider-error",
        row="Cohere",
    ),
    "lengths-left-as-they-are": Defect(
        "shortened embeddings are not brought to length 1",
        "gateway",
        _lengths_left_as_they_are,
        "shortened-embeddings-normalised",
        r"item 1 of 2.*differed",
    ),
    "order-of-arrival": Defect(
        "embeddings are taken in the order in which they come",
        "gateway",
        _order_of_arrival,
        "provider-response-order-restored",
        r"embeddings in the wrong place[\s\S]*text 1: .* apart",
        row="Jina",
    ),
    "texts-not-split": Defect(
        "a provider is sent more than it takes",
        "gateway",
        _texts_not_split,
        "long-provider-requests-split",
        r"requests[\s\S]*with length of <0>",
    ),
    "tokens-doubled": Defect(
        "tokens are counted twice",
        "gateway",
        _tokens_doubled,
        "provider-token-usage-reported",
        r"tokens[\s\S]*but: .*was <\d+>",
        row="Mistral",
    ),
    "unknown-tokens-as-none": Defect(
        "what a provider does not count is said to be free",
        "gateway",
        _unknown_tokens_as_none,
        "missing-token-usage-not-invented",
        r"tokens[\s\S]*was <0>",
        row="Google",
    ),
    "everything-repeated": Defect(
        "refusals are repeated like failures",
        "gateway",
        _everything_repeated,
        "permanent-provider-errors-not-retried",
        r"length of <1>[\s\S]*with length of <3>",
        row="length",
    ),
    "attempts-cut-short": Defect(
        "a provider is given up after a tenth of the time that an attempt may take",
        "gateway",
        _attempts_cut_short,
        "allowed-latency-changes-nothing",
        r"embedWithProvider: .*provider-timeout",
        row=r"providers\.slow_within_limit",
    ),
    "one-attempt-more": Defect(
        "a provider in trouble is asked four times",
        "gateway",
        _one_attempt_more,
        "provider-retries-limited",
        r"length of <3>[\s\S]*with length of <4>",
        row="overloaded",
    ),
    "hints-ignored": Defect(
        "what a provider says about coming back is not heeded",
        "gateway",
        _hints_ignored,
        "short-rate-limit-waited-out",
        r"seconds by which the repetition came too early[\s\S]*was <0\.[5-9]",
        row="Google",
    ),
    "dates-not-read": Defect(
        "a time of the day is no hint",
        "gateway",
        _dates_not_read,
        "retry-after-date-honoured",
        r"seconds by which the repetition came too early",
    ),
    "long-hints-shortened": Defect(
        "a hint that is too long is taken for none",
        "gateway",
        _long_hints_shortened,
        "long-rate-limit-passed-on",
        r"refused as provider-rate-limited[\s\S]*answered 200",
    ),
    "no-jitter": Defect(
        "all callers come back at the same moment",
        "gateway",
        _no_jitter,
        "retries-are-jittered",
        r"seconds between the shortest and the longest wait",
    ),
    "breaker-never-opens": Defect(
        "a provider that keeps failing is asked on and on",
        "gateway",
        _breaker_never_opens,
        "failing-provider-not-flooded",
        r"requests[\s\S]*was <36>",
    ),
    "numbers-believed": Defect(
        "nobody looks at the numbers that a provider sends",
        "gateway",
        _numbers_believed,
        "malformed-provider-response-rejected",
        r"refused as provider-error[\s\S]*answered 200",
        row="zeros",
    ),
    "refusals-shown-to-the-next": Defect(
        "a request that one provider refuses is sent to the next",
        "gateway",
        _refusals_shown_to_the_next,
        "bad-request-has-no-failover",
        r"refused as provider-error[\s\S]*answered 200",
    ),
    "only-failures-passed-over": Defect(
        "a refused key ends the list of providers",
        "gateway",
        _only_failures_passed_over,
        "failover-after-rejected-key",
        r"provider-error",
    ),
    "unknown-names-refused": Defect(
        "one wrong name spoils the whole list of providers",
        "gateway",
        _unknown_names_refused,
        "unknown-provider-in-failover-skipped",
        r"provider-not-found",
    ),
    "breaker-for-all": Defect(
        "one provider in trouble has all of them left alone",
        "gateway",
        _breaker_for_all,
        "breakers-are-per-provider",
        r"item 1 of 8: .*circuit-open",
    ),
    "many-probes": Defect(
        "everybody tries a provider that may be well again",
        "gateway",
        _many_probes,
        "half-open-breaker-sends-one-probe",
        r"length of <1>[\s\S]*with length of <\d+>",
    ),
    "failed-probe-closes": Defect(
        "a provider is taken for well after a failed trial",
        "gateway",
        _failed_probe_closes,
        "failed-probe-reopens-breaker",
        r"circuit-open|length of <1>",
    ),
    "breaker-never-closes": Defect(
        "a provider that is well again is asked by one caller at a time",
        "gateway",
        _breaker_never_closes,
        "successful-probe-closes-breaker",
        r"item \d of 8: .*circuit-open",
    ),
    "refusals-counted-as-failures": Defect(
        "a provider that refuses is given up like one that fails",
        "gateway",
        _refusals_counted_as_failures,
        "client-errors-do-not-open-breaker",
        r"length of <8>[\s\S]*with length of <5>",
        row="platform's key",
    ),
    "embedded-by-a-provider-instead": Defect(
        "documents are embedded by a provider while the embedding service is away",
        "gateway",
        _embedded_by_a_provider_instead,
        "documents-embedded-by-collection-model-only",
        r"answered 201",
    ),
    "cached-for-the-one-that-was-asked": Defect(
        "what another provider answered is cached as the requested one's",
        "gateway",
        _cached_for_the_one_that_was_asked,
        "failover-response-not-cached-as-original",
        r"length of <1>[\s\S]*with length of <0>|was <\[\]>",
    ),
    "refusals-remembered": Defect(
        "a refusal is remembered and repeated to later callers",
        "gateway",
        _refusals_remembered,
        "refused-provider-request-not-cached",
        r"provider-error",
    ),
    "limits-unknown": Defect(
        "nobody counts the requests to a provider",
        "gateway",
        _limits_unknown,
        "provider-request-limits-respected",
        r"length of <5>[\s\S]*with length of <12>",
    ),
    "old-keys-kept": Defect(
        "a key that was replaced is still used",
        "gateway",
        _old_keys_kept,
        "rotated-provider-key-used-after-restart",
        r"provider-error",
    ),
}
