"""Nothing of a scenario may outlive it: the check that runs after its clean-up."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from support.citadel import Citadel
    from support.isolation.names import Names


class Residue(AssertionError):
    """A scenario left something behind; the message names each thing and its store."""


def check(citadel: Citadel, names: Names) -> None:
    """Raise ``Residue`` if a store still holds a collection, row, point, open event or job of the scenario.

    Jobs that have ended are history: they stay until the schema is dropped.
    """
    left = found(citadel, names.prefix)
    if left:
        raise Residue("left behind after the clean-up: " + "; ".join(left))


def found(citadel: Citadel, prefix: str) -> list[str]:
    """Everything whose name starts with ``prefix``, as sentences, where the stores can be seen."""
    left = []
    if citadel.rows is not None:
        left += [f"collection {item.name} in PostgreSQL" for item in citadel.rows.collections(prefix)]
        left += [
            f"open event {event.operation} of {event.collection}"
            for event in citadel.rows.open_events(prefix)
        ]
        left += [f"{state} job of {name}" for state, name in citadel.rows.unfinished_jobs(prefix)]
    if citadel.vectors is not None:
        left += [f"collection {name} in Qdrant" for name in citadel.vectors.collections(prefix)]
    return left
