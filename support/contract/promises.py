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
PROMISES: Mapping[str, str] = {**GUARANTEES, **NEVER}
