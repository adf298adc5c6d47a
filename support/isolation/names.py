"""Names of everything the suite creates: they carry the run, and a run's name tells who owns it."""

from __future__ import annotations

import hashlib
import os
import re
import socket
import time
from dataclasses import dataclass, field

import psutil

PREFIX = "at_"
_DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"
_NAME = re.compile(r"at_([0-9a-z]{4})([0-9a-z]{5})([0-9a-z]{7})_")
# A run of another host is taken for dead after a day: the longest session lasts a few hours.
FOREIGN_RUN_DIES_AFTER_S = 24 * 3600


def _base36(number: int, width: int) -> str:
    digits = ""
    while number:
        number, rest = divmod(number, 36)
        digits = _DIGITS[rest] + digits
    return digits.rjust(width, "0")[-width:]


def _host() -> str:
    return _base36(int.from_bytes(hashlib.sha256(socket.gethostname().encode()).digest()[:6], "big"), 4)


@dataclass(frozen=True, slots=True)
class Run:
    """One run of the suite: host, process and start, packed into sixteen characters that fit any name."""

    host: str
    pid: int
    started: int

    @classmethod
    def current(cls) -> Run:
        return cls(_host(), os.getpid(), int(time.time()))

    @classmethod
    def of(cls, name: str) -> Run | None:
        """The run that made ``name``, or None if the suite did not make it."""
        match = _NAME.match(name)
        if not match:
            return None
        return cls(match[1], int(match[2], 36), int(match[3], 36))

    @property
    def id(self) -> str:
        return f"{self.host}{_base36(self.pid, 5)}{_base36(self.started, 7)}"

    @property
    def prefix(self) -> str:
        """What every name of this run starts with, such as ``at_k3f9000x10sk2m9a_``."""
        return f"{PREFIX}{self.id}_"

    @property
    def local(self) -> bool:
        """Whether the run belongs to this host, so that its process can be looked up."""
        return self.host == _host()

    def alive(self) -> bool:
        """Whether its process lives (same host), or it is younger than a day (another host)."""
        if not self.local:
            return time.time() - self.started < FOREIGN_RUN_DIES_AFTER_S
        try:
            return psutil.Process(self.pid).create_time() <= self.started + 1
        except psutil.Error:
            return False


def slug(alias: str) -> str:
    """``alias`` in lower case letters, digits and hyphens, at most 40 characters."""
    return re.sub(r"[^a-z0-9]+", "-", alias.lower()).strip("-")[:40] or "thing"


@dataclass(slots=True)
class Names:
    """The names of one scenario: a scenario speaks of "the handbook", the stores see unique names."""

    run: Run
    scenario: int
    _given: dict[tuple[str, str], str] = field(default_factory=dict)

    def collection(self, alias: str) -> str:
        """The store's name of the collection called ``alias`` in this scenario."""
        key = ("collection", alias)
        name = f"{self.prefix}{slug(alias).replace('-', '_')}_{len(self._given):02d}"
        return self._given.setdefault(key, name)

    def document(self, alias: str) -> str:
        """The client id of the document called ``alias``; ``alias`` itself if it can be one."""
        key = ("document", alias)
        if " " not in alias:
            return self._given.get(key, alias)
        return self._given.setdefault(
            key, f"{slug(alias)}.{self.run.id}.{self.scenario}.{len(self._given):02d}"
        )

    def known(self, alias: str) -> str:
        """The client id that ``alias`` stands for, or ``alias`` itself where it stands for none."""
        return self._given.get(("document", alias), alias)

    def call(self, alias: str, item: str) -> str:
        """Let ``alias`` stand for the client id ``item``, which must be of this run."""
        return self._given.setdefault(("document", alias), item)

    @property
    def prefix(self) -> str:
        """What every collection of this scenario starts with."""
        return f"{self.run.prefix}s{self.scenario:03d}_"

    def collections(self) -> list[tuple[str, str]]:
        """``(alias, name)`` of every collection the scenario has spoken of."""
        return [(alias, name) for (kind, alias), name in self._given.items() if kind == "collection"]

    def alias_of(self, name: str) -> str:
        """The alias behind a store's name, or the name itself."""
        return next((alias for (_kind, alias), given in self._given.items() if given == name), name)
