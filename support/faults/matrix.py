"""The matrix of dependencies and faults: which must be tested, and which need not.

A cell is held by the scenario with its tag, ``@fault.redis.cut``, or waived with a reason. In an outline the
fault's wording stands in the tag (``@fault.<fault>``): the words of the rows are known here, and the run puts
the ids in their place. A test holds the features to it, and the results of a run tell what became of
each cell.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from support.faults import wording

# Begins the tag of a scenario that holds a cell.
TAG = "fault."
TO_THE_LINK = "the connection to "
# The faults of processes and of connections, by their names in the matrix, with the words of the features.
PROCESS_FAULTS = {failure.in_matrix: words for words, failure in wording.OF_PROCESSES.items()}
LINK_FAULTS = {
    failure.in_matrix: words for words, failure in wording.OF_CONNECTIONS.items() if failure.in_matrix
}


def kind_of(fault: str) -> str:
    """The kind of fault, in the fault engine's words, that makes this fault of the matrix."""
    return "slow" if fault.startswith("slow_") else fault


@dataclass(frozen=True, slots=True)
class Cell:
    """One fault of one dependency, by the names that the fault engine has for both."""

    dependency: str
    fault: str

    @property
    def id(self) -> str:
        """As in the tag: ``redis.cut``."""
        return f"{self.dependency}.{self.fault}"

    def __str__(self) -> str:
        """In the words of the features."""
        link = TO_THE_LINK if self.fault in LINK_FAULTS else ""
        return f"{link}{wording.NAMES[self.dependency]} {FAULTS[self.fault]}"


FAULTS = {**PROCESS_FAULTS, **LINK_FAULTS}
CELLS = tuple(Cell(dependency, fault) for dependency in wording.NAMES for fault in FAULTS)
_NO_LINK = "the way to the gateway is the clients' own: the platform can promise nothing on it"
_AS_A_CRASH = "nothing of the end reaches the gateway but the closed connections, as in a crash"
_NO_STATE = "it keeps nothing, so that a lost answer is the same as a lost request"
_CLOSED = "its connection is closed at the limit, so that an answer that comes later meets nobody"
_KEEP_NOTHING = ("embedding", "providers")
WAIVED: Mapping[Cell, str] = {
    **{Cell(each, "stopped"): _AS_A_CRASH for each in _KEEP_NOTHING},
    **{
        Cell(each, "frozen"): "the connection that blackholes all traffic shows the gateway the same"
        for each in _KEEP_NOTHING
    },
    **{Cell(each, "mute"): _NO_STATE for each in _KEEP_NOTHING},
    **{Cell(each, "slow_beyond_limit"): _CLOSED for each in _KEEP_NOTHING},
    Cell("gateway", "frozen"): "nobody is left to answer: how long to wait is the client's decision",
    **{Cell("gateway", fault): _NO_LINK for fault in LINK_FAULTS},
}

NOT_RUN, WAIVED_CELL = "not run", "waived"


# A placeholder of an outline stands for the fault in the words of the features, as behave tags them.
_OF_TAG = {f"{TAG}{spelling}": cell for cell in CELLS for spelling in (cell.id, str(cell).replace(" ", "_"))}


def names_a_cell(tag: str) -> bool:
    """Whether the tag names a cell, by its id or by the words of the features."""
    return tag in _OF_TAG


def by_id(tag: str) -> str:
    """A tag that names a cell in the words of the features, by the cell's id; any other as it is."""
    return f"{TAG}{_OF_TAG[tag].id}" if tag in _OF_TAG else tag


def cell_of(tags: Iterable[str]) -> Cell | None:
    """The cell that a scenario with these tags holds, None if it holds none."""
    return next((_OF_TAG[tag] for tag in tags if tag in _OF_TAG), None)


def verdicts(outcomes: Iterable[tuple[Iterable[str], str]]) -> dict[Cell, str]:
    """What became of every cell: the verdict of its scenario, waived, or not run.

    ``outcomes`` are tags and verdicts of the scenarios of a run.
    """
    found = {cell: WAIVED_CELL if cell in WAIVED else NOT_RUN for cell in CELLS}
    for tags, verdict in outcomes:
        cell = cell_of(tags)
        if cell is not None:
            found[cell] = verdict
    return found
