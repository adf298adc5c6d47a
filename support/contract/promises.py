"""What the platform promises, in full words, by the tag of the scenarios that hold it.

Source: the contract's guarantees, what must never happen, and its numeric targets.
"""

from __future__ import annotations

from collections.abc import Mapping

GUARANTEES: Mapping[str, str] = {
    "G1": "An acknowledged write is durable: it survives a crash of the gateway right after the answer.",
    "G2": "Every client sees an acknowledged write at once.",
    "G3": "A deleted document is shown by no read, list or search, cached or not.",
    "G4": "A search served from the cache equals the same search without the cache.",
    "G5": "After concurrent writes both stores hold the same winner.",
    "G6": "A refused write leaves nothing; one with an unknown outcome ends up in both stores or in neither.",
    "G7": "With no write in flight, both stores hold the same number of documents.",
}
NEVER: Mapping[str, str] = {
    "N1": "An acknowledged write is lost.",
    "N2": "A document is in one store only once nothing is in flight.",
    "N3": "The two stores hold different content for one document.",
    "N4": "The cache serves an answer from before an acknowledged change.",
    "N5": "An outage is hidden behind an empty or partial success.",
    "N6": "An outage is reported as the caller's mistake, or a mistake of the caller as an outage.",
    "N7": "A collection holds vectors of another model or size.",
    "N8": "A secret appears in an answer, a log, a metric, a report or a store.",
    "N9": "A provider's rate limit is exceeded, or it is called while its circuit breaker is open.",
    "N10": "One caller is shown what belongs to another.",
    "N11": "One request is carried out twice.",
    "N12": "One collection affects another, or a re-created collection shows its past.",
    "N13": "A text is truncated silently, or a vector that is none is stored.",
    "N14": "Texts or vectors appear in cache keys, metrics or logs.",
    "N15": "A job counts an item twice, counts backwards or changes its final state.",
}
TARGETS: Mapping[str, str] = {
    "NFR-e2e": "The embedding workflow takes 145 ms on average.",
    "NFR-users": "With 100 concurrent users at least 95 % of the journeys succeed.",
    "NFR-hop": "Each hop between the services takes less than 50 ms.",
    "NFR-failover": "A failover takes one attempt's time-out and the next provider's answer.",
    "NFR-jobs": "A job processes more than 1,000 items per minute.",
}
# Why a request was refused, by the code that the answer holds.
PROBLEMS: Mapping[str, str] = {
    "malformed-request": "The content is no JSON, or the request cannot be read at all.",
    "unauthenticated": "There is no key, or it is unknown, expired or revoked.",
    "forbidden": "The key's role may not do this.",
    "route-not-found": "No operation has this address.",
    "collection-not-found": "No collection has this name.",
    "vector-not-found": "The collection has no document with this id.",
    "model-not-found": "No embedding model has this name.",
    "provider-not-found": "No provider has this name.",
    "job-not-found": "The caller has no job with this id.",
    "method-not-allowed": "This address has other operations.",
    "content-too-large": "The content has more than 10 MiB.",
    "unsupported-media-type": "The content is of a type that the operation does not accept.",
    "collection-exists": "A collection of this name exists already.",
    "collection-busy": "The collection is being created or deleted.",
    "job-not-cancellable": "The job has ended.",
    "validation-failed": "A field is missing, unknown, of the wrong type or outside its limits.",
    "dimension-mismatch": "The vector's size is not that of the collection.",
    "model-mismatch": "The model is not that of the collection.",
    "text-not-supported": "The collection has no model, so it accepts vectors only.",
    "zero-vector": "All numbers of the vector are zero, so it has no direction.",
    "duplicate-id": "A batch holds the same id more than once.",
    "reserved-name": "The name is reserved for the platform.",
    "rate-limited": "The key has made more requests in this minute than its rate limit allows.",
    "provider-rate-limited": "The provider's rate limit has been reached.",
    "internal-error": "The platform has a defect.",
    "provider-error": "The provider refused the request or answered something that cannot be used.",
    "dependency-unavailable": "A service that the request needs refused it or cannot be reached.",
    "provider-unavailable": "The provider cannot be reached.",
    "circuit-open": "The provider has failed repeatedly, so it is not called for a while.",
    "shutting-down": "The gateway is shutting down.",
    "dependency-timeout": "A service that is needed did not answer in time; a write may still be done.",
    "provider-timeout": "The provider did not answer in time.",
}
PROMISES: Mapping[str, str] = {**GUARANTEES, **NEVER}


def in_words(tag: str) -> str:
    """What the platform promises by this tag; what must never happen is told as such."""
    return f"Never: {NEVER[tag]}" if tag in NEVER else {**GUARANTEES, **TARGETS}.get(tag, tag)
