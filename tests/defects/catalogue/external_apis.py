"""Defects on the way to the external providers: requests, retries, failover, circuit breakers, caching."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from tests.defects.defect import defect
from tests.defects.shared import providers_module


@defect(
    "refusals are repeated like failures",
    key="permanent-provider-errors-not-retried",
    message=r"length of <1>[\s\S]*with length of <3>",
    row="length",
)
def everything_repeated() -> None:
    router = providers_module("router")

    router._REPEATED |= {"rejected", "auth_error", "invalid_response"}


@defect(
    "a provider in trouble is asked four times",
    key="provider-retries-limited",
    message=r"length of <3>[\s\S]*with length of <4>",
    row="overload",
)
def one_attempt_more() -> None:
    router = providers_module("router")

    router.MAX_ATTEMPTS = 4


@defect(
    "what a provider says about coming back is not heeded",
    key="short-rate-limit-waited-out",
    message=r"came 0\.[5-9]\d* s before the time that was named",
    row="Google",
)
def hints_ignored() -> None:
    from support.reference.gateway.providers.provider import Provider

    send = Provider._send

    async def without_hint(self: Provider, wire: Any, terms: Any) -> Any:
        return dataclasses.replace(await send(self, wire, terms), hint=None)

    Provider._send = without_hint  # type: ignore[method-assign]


@defect(
    "a time of the day is no hint",
    key="retry-after-date-honoured",
    message=r"came \d+\.\d+ s before the time that was named",
)
def dates_not_read() -> None:
    wire = providers_module("wire")

    def never(text: str) -> Any:
        raise ValueError(text)

    wire.parsedate_to_datetime = never


@defect(
    "a hint that is too long is taken for none",
    key="long-rate-limit-passed-on",
    message=r"refused with provider-rate-limited[\s\S]*answered 200",
)
def long_hints_shortened() -> None:
    router = providers_module("router")

    pause = router._pause_s

    def at_most_a_moment(attempt: Any, number: int, story: Any) -> float | None:
        short = dataclasses.replace(attempt, hint=None)
        wanted: float | None = pause(attempt, number, story)
        usual: float | None = pause(short, number, story)
        return usual if wanted is None else wanted

    router._pause_s = at_most_a_moment


@defect(
    "all callers come back at the same moment",
    key="retries-are-jittered",
    message=r"seconds between the shortest and the longest wait",
)
def no_jitter() -> None:
    router = providers_module("router")

    class Even:
        uniform = staticmethod(lambda low, high: low)

    router.random = Even


@defect(
    "a provider that keeps failing is asked on and on",
    key="failing-provider-not-flooded",
    message=r"requests that openai received[\s\S]*with length of <36>",
)
def breaker_never_opens() -> None:
    breaker = providers_module("breaker")

    breaker.THRESHOLD = 10**9


@defect(
    "a refused key ends the list of providers",
    key="failover-after-rejected-key",
    message=r"provider-error",
)
def only_failures_passed_over() -> None:
    from support.reference.gateway.providers.router import ProviderRouter

    orders = providers_module("orders")
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


@defect(
    "a request that one provider refuses is sent to the next",
    key="bad-request-has-no-failover",
    message=r"refused with provider-error[\s\S]*answered 200",
)
def refusals_shown_to_the_next() -> None:
    from support.reference.gateway.providers.provider import Provider

    judged = Provider._judged

    def milder(self: Provider, answer: Any) -> Any:
        outcome = judged(self, answer)
        return "invalid_response" if outcome == "rejected" else outcome

    Provider._judged = milder  # type: ignore[method-assign]


@defect(
    "one wrong name spoils the whole list of providers",
    key="unknown-provider-in-failover-skipped",
    message=r"provider-not-found",
)
def unknown_names_refused() -> None:
    from support.reference.gateway.providers.orders import ProviderProblem
    from support.reference.gateway.providers.router import ProviderRouter

    refuse = ProviderRouter._refuse_hopeless

    def stricter(self: ProviderRouter, order: Any, chain: list[str]) -> None:
        if not set(chain) <= set(self._providers):
            raise ProviderProblem("provider-not-found", "A provider of the chain is not known.")
        refuse(self, order, chain)

    ProviderRouter._refuse_hopeless = stricter  # type: ignore[method-assign]


@defect(
    "a provider that was given up is never tried again",
    key="breaker-opens-and-recovers",
    message=r"asks OpenAI to embed 1 texts: .*circuit-open",
)
def breaker_stays_open() -> None:
    from support.reference.gateway.providers.breaker import Breaker

    def admits(self: Breaker) -> bool:
        return self.state == "closed"

    Breaker.admits = admits  # type: ignore[method-assign]


@defect(
    "one provider in trouble has all of them left alone",
    key="breakers-are-per-provider",
    message=r"of 8 requests: 8 circuit-open",
)
def breaker_for_all() -> None:
    from support.reference.gateway.providers.router import ProviderRouter

    make = ProviderRouter.__init__

    def make_with_one(self: ProviderRouter, *args: Any, **options: Any) -> None:
        make(self, *args, **options)
        one = self._providers["openai"].breaker
        for provider in self._providers.values():
            provider.breaker = one

    ProviderRouter.__init__ = make_with_one  # type: ignore[method-assign]


@defect(
    "everybody tries a provider that may have recovered",
    key="half-open-breaker-sends-one-probe",
    message=r"length of <1>[\s\S]*with length of <\d+>",
)
def many_probes() -> None:
    from support.reference.gateway.providers.breaker import Breaker

    Breaker.admits = lambda self: self.state != "open"  # type: ignore[method-assign]


@defect(
    "a provider is taken for well after a failed trial",
    key="failed-probe-reopens-breaker",
    message=r"circuit-open|length of <1>",
)
def failed_probe_closes() -> None:
    from support.reference.gateway.providers.breaker import Breaker

    failed = Breaker.failed

    def forgiving(self: Breaker, ticket: int) -> None:
        if self._probing:
            self.answered(ticket, success=True)
        else:
            failed(self, ticket)

    Breaker.failed = forgiving  # type: ignore[method-assign]


@defect(
    "a provider that has recovered is asked by one caller at a time",
    key="successful-probe-closes-breaker",
    message=r"of 8 requests: .*circuit-open",
)
def breaker_never_closes() -> None:
    from support.reference.gateway.providers.breaker import Breaker

    def only_counted(self: Breaker, ticket: int, *, success: bool) -> None:
        self._failures = 0
        self._probing = False

    Breaker.answered = only_counted  # type: ignore[method-assign]


@defect(
    "a provider that refuses is given up like one that fails",
    key="client-errors-do-not-open-breaker",
    message=r"of 8 requests: 5 provider-error, 3 circuit-open",
    row="invalid-key",
)
def refusals_counted_as_failures() -> None:
    provider = providers_module("provider")
    provider._COUNTED_BY_BREAKER |= {"rejected", "auth_error"}


@defect(
    "a cached answer of a provider is believed whatever the size of its embeddings",
    key="damaged-provider-cache-entry-replaced",
    message=r"embedding 1 of 2 has 4 dimensions, not 1536",
    row="another size",
)
def kept_provider_answers_believed() -> None:
    from support.reference.gateway import operations

    def valid(order: Any, _declared: int | None) -> Any:
        return lambda body: len(body["vectors"]) == len(order.texts)

    operations._valid_provider_entry = valid  # type: ignore[assignment]


@defect(
    "what another provider answered is cached as the requested one's",
    key="failover-response-not-cached-as-original",
    message=r"length of <1>[\s\S]*with length of <0>",
)
def cached_for_the_one_that_was_asked() -> None:
    from support.reference.gateway.operations import Operations

    key = Operations._provider_key

    def of_the_first(order: Any, provider: str, model: str) -> str:
        return key(order, order.provider, "")

    Operations._provider_key = staticmethod(of_the_first)  # type: ignore[method-assign]


@defect(
    "a refusal is remembered and repeated to later callers",
    key="refused-provider-request-not-cached",
    message=r"provider-error",
)
def refusals_remembered() -> None:
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


@defect(
    "a key that was replaced is still used",
    key="rotated-provider-key-used-after-restart",
    message=r"provider-error",
)
def old_keys_kept() -> None:
    """A gateway leaves its key of Voyage to the next one of the same platform."""
    import os
    import tempfile
    from pathlib import Path

    from support.reference.gateway import config

    read = config._provider
    # In the run's own directory, so that it goes with it.
    (own,) = Path(tempfile.gettempdir()).glob(f"{os.environ['GATEWAY_DATABASE_SCHEMA']}_*/")
    left = own / "voyage.key"

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


@defect(
    "nobody counts the requests to a provider",
    key="provider-request-limits-respected",
    message=r"length of <5>[\s\S]*with length of <12>",
)
def limits_unknown() -> None:
    from support.reference.gateway.providers.limiter import Limiter

    Limiter.rest_s = lambda self: 0.0  # type: ignore[method-assign]


@defect(
    "nobody looks at the numbers that a provider sends",
    key="malformed-provider-response-rejected",
    message=r"refused with provider-error[\s\S]*answered 200",
    row="zero vectors",
)
def numbers_believed() -> None:
    import numpy as np

    provider = providers_module("provider")

    def believed(adapter: Any, answer: Any, count: int, size: int | None) -> list[Any]:
        vectors = [np.asarray(vector, dtype=np.float64) for vector in adapter.vectors(answer, count)]
        return [(each / (np.linalg.norm(each) or 1.0)).astype(np.float32) for each in vectors]

    provider.checked_vectors = believed


@defect(
    "Azure is shown the key in OpenAI's way",
    key="provider-request-format",
    message=r"its own in authorization",
    row="Azure OpenAI",
)
def azure_key_as_bearer() -> None:
    from support.reference.gateway.providers.adapters import Azure
    from support.reference.gateway.providers.wire import Job, Wire, bearer

    request = Azure.request

    def as_at_openai(self: Azure, job: Job, key: str) -> Wire:
        return dataclasses.replace(request(self, job, key), headers=bearer(key))

    Azure.request = as_at_openai  # type: ignore[method-assign]


@defect(
    "Cohere is told that questions are documents",
    key="provider-input-type",
    message=r"search_query.*[\s\S]*but: was",
    row="Cohere",
)
def questions_embedded_as_documents() -> None:
    from support.reference.gateway.providers.adapters import Cohere

    Cohere._INPUT_TYPES = {"document": "search_document", "query": "search_document"}


@defect(
    "providers are not told which size is wanted",
    key="provider-dimensions-on-request",
    message=r"output_dimension",
    row="Voyage",
)
def size_not_passed_on() -> None:
    from support.reference.gateway.providers.wire import Adapter

    Adapter.asked_dimensions = lambda self, model, dimensions: None  # type: ignore[method-assign]


@defect(
    "shortened embeddings are not brought to length 1",
    key="shortened-embeddings-normalised",
    message=r"embedding 1 of 2 has a length of 0\.\d+, not 1",
)
def lengths_left_as_they_are() -> None:
    provider = providers_module("provider")

    def unscaled(adapter: Any, answer: Any, count: int, size: int | None) -> list[Any]:
        return list(adapter.vectors(answer, count))

    provider.checked_vectors = unscaled


@defect(
    "sizes that a model does not make are asked for all the same",
    key="unsupported-dimensions-refused",
    message=r"refused with dimension-mismatch[\s\S]*provider-error",
    row="Cohere",
)
def sizes_left_to_the_provider() -> None:
    from support.reference.gateway.providers.wire import Adapter

    Adapter.offers = lambda self, model, dimensions: True  # type: ignore[method-assign]


@defect(
    "embeddings are taken in the order in which they come",
    key="provider-response-order-restored",
    message=r"text 1 .*: .* apart",
    row="Jina",
)
def order_of_arrival() -> None:
    adapters = providers_module("adapters")

    def as_they_come(data: Any, count: int) -> list[Any]:
        return [item["embedding"] for item in data]

    adapters.by_index = as_they_come


@defect(
    "a provider is sent more than it takes",
    key="long-provider-requests-split",
    message=r"requests[\s\S]*with length of <0>",
)
def texts_not_split() -> None:
    from support.reference.gateway.providers.wire import Adapter

    Adapter.parts = lambda self, texts: iter([list(texts)])  # type: ignore[method-assign]


@defect(
    "tokens are counted twice",
    key="provider-token-usage-reported",
    message=r"tokens[\s\S]*but: .*was <\d+>",
    row="Mistral",
)
def tokens_doubled() -> None:
    provider = providers_module("provider")

    counted = provider.counted_tokens

    def twice(adapter: Any, answer: Any) -> int | None:
        tokens = counted(adapter, answer)
        return None if tokens is None else 2 * tokens

    provider.counted_tokens = twice


@defect(
    "what a provider does not count is said to be free",
    key="missing-token-usage-not-invented",
    message=r"usage\.input tokens: expected absent, was 0",
    row="Google",
)
def unknown_tokens_as_none() -> None:
    provider = providers_module("provider")

    counted = provider.counted_tokens
    provider.counted_tokens = lambda adapter, answer: counted(adapter, answer) or 0
