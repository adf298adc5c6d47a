"""What a seeded defect is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


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
    apply: Callable[[], None]
    key: str
    message: str
    row: str = ""
