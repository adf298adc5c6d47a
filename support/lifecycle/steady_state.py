"""Steady state: a scenario begins only when the platform has got over the faults of the one before.

After an outage a gateway passes what was away by for a moment, rightly. What a later scenario finds then
would be the earlier one's doing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from support.drivers.embedding import DEFAULT_MODEL
from support.drivers.gateway import GatewayUnreachable
from support.waiting import eventually

if TYPE_CHECKING:
    from support.citadel import Citadel

PROBE = "steady"
SIZE = 384


def regain(citadel: Citadel) -> None:
    """Where faults have been since the last call: wait until a search is complete and its repetition cached.

    Raises ``AssertionError`` if the platform does not get over them within the promised time, or if one could
    not be removed: then nothing that follows would show anything.
    """
    stuck = citadel.faults.not_removed()
    assert not stuck, f"{stuck}: aborting"
    if not citadel.faults.shaken:
        return
    citadel.faults.shaken = False
    name = f"{citadel.run.prefix}{PROBE}"
    try:
        eventually(
            lambda: _unsteady(citadel, name),
            lambda complaint: not complaint,
            within=citadel.promises.recovers_s,
            what="the platform has got over the faults of the scenario before",
            transient=(GatewayUnreachable,),
        )
    finally:
        citadel.gateway.call("deleteCollection", collection=name)


def _unsteady(citadel: Citadel, name: str) -> str:
    """What still shows the faults; empty when nothing does."""
    ready = citadel.gateway.call("getReadiness", key="")
    if not ready.ok or ready.body["degraded"]:
        return f"{ready}, degraded: {ready.body.get('degraded')}"
    made = citadel.gateway.call(
        "createCollection", json_body={"name": name, "vector_size": SIZE, "model": DEFAULT_MODEL}
    )
    if not made.ok and made.code != "collection-exists":
        return str(made)
    for _ in range(2):
        found = citadel.gateway.call(
            "searchVectors", json_body={"collection": name, "query_text": "Has everything recovered?"}
        )
        if not found.ok or found.body["degraded"]:
            return f"{found}, degraded: {found.body.get('degraded')}"
    return "" if found.body["cache_info"]["cache_hit"] else "a repeated search does not come from the cache"
