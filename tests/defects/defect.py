"""What a seeded defect is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Defect:
    """One mistake of a few lines in one service.

    ``caught_by``: feature file and scenario that must turn red; ``message``: a regular expression that its
    failure must match, so that the message names the cause.
    """

    what: str
    service: str
    apply: Callable[[], None]
    caught_by: tuple[str, str]
    message: str
