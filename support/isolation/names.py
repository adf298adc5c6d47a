"""Names of everything the suite creates: they carry the run."""

from __future__ import annotations

import re
import secrets
from dataclasses import dataclass, field

PREFIX = "at_"
_DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"
_NAME = re.compile(r"at_([0-9a-z]{16})_")


@dataclass(frozen=True, slots=True)
class Run:
    """One run of the suite, or one worker of it.

    Its id is random and tells nothing: two containers start processes of one number, in one second, on
    hosts of one name.
    """

    id: str

    @classmethod
    def current(cls) -> Run:
        """A new run."""
        return cls("".join(secrets.choice(_DIGITS) for _ in range(16)))

    @classmethod
    def of(cls, name: str) -> Run | None:
        """The run that a name of this form belongs to, or None; whether the suite made it, a mark tells."""
        match = _NAME.match(name)
        return cls(match[1]) if match else None

    @property
    def prefix(self) -> str:
        """What every name of this run starts with, such as ``at_k3f9000x10sk2m9a_``."""
        return f"{PREFIX}{self.id}_"


def slug(alias: str) -> str:
    """``alias`` in lower case letters, digits and hyphens, at most 40 characters."""
    return re.sub(r"[^a-z0-9]+", "-", alias.lower()).strip("-")[:40].rstrip("-") or "thing"


@dataclass(slots=True)
class Names:
    """The names of one scenario: a scenario speaks of "the handbook", the stores see unique names."""

    run: Run
    scenario: int
    _given: dict[str, str] = field(default_factory=dict)

    def collection(self, alias: str) -> str:
        """The store's name of the collection called ``alias`` in this scenario."""
        name = f"{self.prefix}{slug(alias).replace('-', '_')}_{len(self._given):02d}"
        return self._given.setdefault(alias, name)

    @property
    def prefix(self) -> str:
        """What every collection of this scenario starts with."""
        return f"{self.run.prefix}s{self.scenario:03d}_"

    def collections(self) -> list[tuple[str, str]]:
        """``(alias, name)`` of every collection the scenario has spoken of."""
        return list(self._given.items())

    def alias_of(self, name: str) -> str:
        """The alias behind a store's name, or the name itself."""
        return next((alias for alias, given in self._given.items() if given == name), name)
