"""What a seeded defect is, and how it enters the catalogue."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

Change = Callable[[], None]
"""Changes the code of the process it is called in."""


@dataclass(frozen=True, slots=True)
class Defect:
    """One mistake of a few lines in one service.

    ``key``: the tag, without ``@key.``, of the scenario or outline that must turn red; ``message``: a regular
    expression that its failure must match, so that the message names the cause; ``row``: of an outline, a
    regular expression that tells which rows: what it is found in are the cells and, if the row holds a cell
    of the fault matrix, its id, as in ``the cache | is cut | redis.cut``.
    """

    what: str
    service: str
    apply: Change
    key: str
    message: str
    row: str = ""


KNOWN: dict[str, Defect] = {}


def defect(
    what: str, *, key: str, message: str, row: str = "", service: str = "gateway"
) -> Callable[[Change], Change]:
    """Enter a change into the catalogue, under the name of its function with hyphens.

    Raises ``ValueError`` if there is one of that name.
    """

    def enter(change: Change) -> Change:
        name = change.__name__.replace("_", "-")
        if name in KNOWN:
            raise ValueError(f"two defects are called {name}")
        KNOWN[name] = Defect(what, service, change, key, message, row)
        return change

    return enter
