"""The matrix of dependencies and faults in the words of the features: what must be struck, and what need not.

A cell is held by the scenario whose name ends in its words ("...: the link to the cache is cut"), by the
scenario named in ``ELSEWHERE``, or waived with a reason. A test holds the features to it, and the results
of a run tell what became of each cell.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

# The names that features give to what a fault can strike.
DEPENDENCIES = {
    "the vector store": "qdrant",
    "the metadata store": "postgresql",
    "the cache": "redis",
    "the embedding service": "embedding",
    "the providers": "providers",
    "the gateway": "gateway",
}
# What can happen to a process, and to the link that leads to it, by the kind of fault that does it.
PROCESS_FAULTS = {"crashes": "crashed", "stops in good order": "stopped", "freezes": "frozen"}
LINK_FAULTS = {
    "is cut": "cut",
    "resets every connection": "reset",
    "passes nothing on": "hang",
    "loses every answer": "mute",
    "breaks every answer off": "torn",
    "lets answers drip": "drip",
    "is slower than the limit": "slow",
    "is slow within the limit": "slow",
}
TO_THE_LINK = "the link to "


@dataclass(frozen=True, slots=True)
class Cell:
    """One fault of one dependency, both in words."""

    dependency: str
    fault: str

    def __str__(self) -> str:
        return f"{TO_THE_LINK if self.fault in LINK_FAULTS else ''}{self.dependency} {self.fault}"


FAULTS = (*PROCESS_FAULTS, *LINK_FAULTS)
CELLS = tuple(Cell(dependency, fault) for dependency in DEPENDENCIES for fault in FAULTS)

# Held by scenarios that ask another question, by their names.
ELSEWHERE: Mapping[Cell, str] = {
    Cell("the gateway", "crashes"): "A killed gateway has lost nothing that it acknowledged",
    Cell("the gateway", "stops in good order"): "A gateway that is told to stop finishes what it began",
}
_NO_LINK = "the way to the gateway is the clients' own: the platform can promise nothing on it"
_AS_A_CRASH = "nothing of the end reaches the gateway but the closed connections, as in a crash"
_NO_STATE = "it keeps nothing, so that a lost answer is the same as a lost request"
_CLOSED = "its connection is closed at the limit, so that an answer that comes later meets nobody"
_KEEP_NOTHING = ("the embedding service", "the providers")
WAIVED: Mapping[Cell, str] = {
    **{Cell(each, "stops in good order"): _AS_A_CRASH for each in _KEEP_NOTHING},
    **{
        Cell(each, "freezes"): "the link that passes nothing on shows the gateway the same"
        for each in _KEEP_NOTHING
    },
    **{Cell(each, "loses every answer"): _NO_STATE for each in _KEEP_NOTHING},
    **{Cell(each, "is slower than the limit"): _CLOSED for each in _KEEP_NOTHING},
    Cell("the gateway", "freezes"): "nobody is left to answer: how long to wait is the client's decision",
    **{Cell("the gateway", fault): _NO_LINK for fault in LINK_FAULTS},
}

NOT_RUN, WAIVED_CELL = "not run", "waived"

_NAMED = re.compile(
    rf"(?:: |^)(?:{TO_THE_LINK})?({'|'.join(DEPENDENCIES)}) ({'|'.join(FAULTS)})(?: -- @.*)?$"
)


def cell_of(name: str) -> Cell | None:
    """The cell that a scenario of this name holds, None if it holds none."""
    found = _NAMED.search(name)
    cell = Cell(found[1], found[2]) if found else None
    return cell if cell and str(cell) in name else None


def verdicts(outcomes: Iterable[tuple[str, str]]) -> dict[Cell, str]:
    """What became of every cell: the verdict of its scenario, waived, or not run.

    ``outcomes`` are names and verdicts of the scenarios of a run.
    """
    elsewhere = {name: cell for cell, name in ELSEWHERE.items()}
    told = {cell: WAIVED_CELL if cell in WAIVED else NOT_RUN for cell in CELLS}
    for name, verdict in outcomes:
        cell = elsewhere.get(name) or cell_of(name)
        if cell is not None:
            told[cell] = verdict
    return told
