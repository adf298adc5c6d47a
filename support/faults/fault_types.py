"""The closed vocabulary of faults: what can fail, and how."""

from __future__ import annotations

# A deployed Toxiproxy is expected to call its links by these names.
TARGETS = ("qdrant", "postgresql", "redis", "embedding", "providers", "gateway")
PROCESS_KINDS = ("crashed", "stopped", "frozen")
# Its clock is wrong by SKEW_S.
CLOCK_KINDS = ("clock_ahead", "clock_behind")
LINK_KINDS = ("cut", "hang", "mute", "slow", "reset", "drip", "torn", "choke")
# Faults inside a server that goes on running, by the server that knows them.
STATE_KINDS = {
    "postgresql": (
        "read_only",
        "no_connections",
        "disconnected",
        "locked",
        "full",
        "conflicting",
        "uncommittable",
    ),
    "redis": ("full", "refuses_writes", "paused", "no_connections"),
}
# No fault may last longer: one that is forgotten is ended by the dead-man process.
LONGEST_S = 30.0
# As by a wrong time zone: more than any limit of a minute or half an hour that a clock could be asked for.
SKEW_S = 3600


def kinds_of(target: str) -> tuple[str, ...]:
    """Every kind of fault that the suite knows for ``target``."""
    return (*PROCESS_KINDS, *CLOCK_KINDS, *LINK_KINDS, *STATE_KINDS.get(target, ()))


def unknown(listed: str) -> str | None:
    """What is wrong with an entry of CITADEL_FAULTS (``redis`` or ``redis:cut``); None if nothing is."""
    target, _, kind = listed.partition(":")
    if target not in TARGETS:
        return f"no such target: {target!r}; known are: {', '.join(TARGETS)}"
    if ":" in listed and kind not in kinds_of(target):
        return f"no such fault of {target}: {kind!r}; known are: {', '.join(kinds_of(target))}"
    return None
