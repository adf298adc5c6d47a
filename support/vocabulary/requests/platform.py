"""Requests about the platform itself: its models, its cache, its health."""

from __future__ import annotations

from functools import partial

from support.drivers.gateway import Answer
from support.vocabulary import tables
from support.vocabulary.requests.grammar import Asking, Call, request
from support.vocabulary.tables import Option

CACHE_KINDS = ("search", "metadata", "embedding", "external")


@request("lists the models", "lists the models")
def list_models(ask: Asking) -> list[Call]:
    """Reads the list of the embedding models: the smallest request that needs a key."""
    return [Call(f"{ask.actor} lists the models", partial(ask.call, "listModels"))]


@request("reads the model {string}", 'reads the model "all-MiniLM-L6-v2"')
def read_model(ask: Asking, model: str) -> list[Call]:
    """Reads what the platform says of an embedding model."""
    return [Call(f'{ask.actor} reads the model "{model}"', partial(ask.call, "getModel", model=model))]


@request("lists the providers", "lists the providers")
def list_providers(ask: Asking) -> list[Call]:
    """Reads the list of the external providers."""
    return [Call(f"{ask.actor} lists the providers", partial(ask.call, "listProviders"))]


@request("reads the status of {provider}", "reads the status of OpenAI")
def provider_status(ask: Asking, provider: str) -> list[Call]:
    """Reads the circuit breaker and the rate limit of a provider."""
    make = partial(ask.call, "getProviderStatus", provider=provider)
    return [Call(f"{ask.actor} reads the status of {provider}", make)]


@request("reads the cache statistics", "reads the cache statistics")
def cache_statistics(ask: Asking) -> list[Call]:
    """Reads what the platform counts of its cache."""
    return [Call(f"{ask.actor} reads the cache statistics", partial(ask.call, "getCacheStats"))]


@request(
    "invalidates the cache",
    "invalidates the cache",
    options={"kinds": Option("kinds", f"which of {', '.join(CACHE_KINDS)} (all but external)", tables.names)},
)
def invalidate_cache(ask: Asking) -> list[Call]:
    """Drops cached searches, documents and embeddings."""
    kinds = ask.members.get("kinds", ["search", "metadata", "embedding"])
    make = partial(ask.call, "invalidateCache", json_body={"kinds": kinds})
    return [Call(f"{ask.actor} invalidates the cache", make)]


@request("reads the health report", "reads the health report")
def health(ask: Asking) -> list[Call]:
    """Reads what the platform says of its services."""
    return [Call(f"{ask.actor} reads the health report", partial(ask.call, "getHealth"))]


@request("reads the readiness report", "reads the readiness report")
def readiness(ask: Asking) -> list[Call]:
    """Asks whether the platform accepts work."""
    return [Call(f"{ask.actor} reads the readiness report", partial(ask.call, "getReadiness"))]


@request("reads the status of the platform", "reads the status of the platform")
def status(ask: Asking) -> list[Call]:
    """Reads the version of the contract and the capabilities."""
    return [Call(f"{ask.actor} reads the status of the platform", partial(ask.call, "getStatus"))]


@request("reads the metrics", "reads the metrics")
def metrics(ask: Asking) -> list[Call]:
    """Reads the gateway's metrics."""
    return [Call(f"{ask.actor} reads the metrics", partial(ask.call, "getMetrics"))]


@request("asks for an unknown path", "asks for an unknown path")
def unknown_path(ask: Asking) -> list[Call]:
    """Asks for something that no operation of the contract is."""
    return [Call(f"{ask.actor} asks for an unknown path", partial(_send, ask, "GET", "/api/v1/nowhere"))]


@request("asks with a method that is not allowed", "asks with a method that is not allowed")
def forbidden_method(ask: Asking) -> list[Call]:
    """Asks for the platform's status with a method that it does not have."""
    return [
        Call(f"{ask.actor} asks with a method that is not allowed", partial(_send, ask, "PUT", "/status"))
    ]


def _send(ask: Asking, method: str, path: str) -> Answer:
    return ask.world.citadel.gateway.send(method, path, key=ask.key)
