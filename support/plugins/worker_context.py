"""Which process of a run this one is: the run itself (``w0``) or a worker, and what it has to tell."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from support.printable import printable


class CannotBegin(Exception):
    """This process cannot begin; the message says why, for people."""


@dataclass(slots=True)
class WorkerContext:
    """What a worker tells the run besides its scenarios; the hooks fill it in."""

    number: int = 0
    introduction: str = ""
    figures: Any = None
    redact: Callable[[str], str] = str

    @property
    def name(self) -> str:
        """Short name, part of logs and of the names of what its platform holds."""
        return f"w{self.number}"

    def shown(self, text: str) -> str:
        """``text`` as it may be shown: without secrets, printable."""
        return printable(self.redact(text))

    @property
    def is_worker(self) -> bool:
        """Whether another process hands out the features and collects the results."""
        return self.number > 0


OWN = WorkerContext()
