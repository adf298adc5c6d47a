"""One vocabulary of faults over processes, links, the inside of stores and the user's own programs.

No fault outlives the scenario that asked for it, nor the suite.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from support.errors import Unavailable
from support.faults import store_faults
from support.faults.capabilities import Capabilities
from support.faults.commands import Commanded, Pairs, ProgramsEnder
from support.faults.fault_types import LINK_KINDS, LONGEST_S, TARGETS
from support.faults.guard import Guard
from support.faults.injectors import LINK_INJECTORS, PROCESS_INJECTORS, Injector, Link, Service
from support.faults.store_faults import Store
from support.faults.toxiproxy import Toxiproxy, ToxiproxyError
from support.faults.wiretap import Wiretap


class FaultError(Exception):
    """A fault could not be injected or ended; the message says which and why."""


class Reaper(ProgramsEnder, Protocol):
    """Ends faults when the suite is dead, or has let one last too long."""

    def end_fault(
        self, fault: str, rollback: Mapping[str, Any], within_s: float, *, outlives: bool
    ) -> str: ...


@dataclass(slots=True)
class Fault:
    """A fault that is in force until it ends; times are seconds of ``time.monotonic()``."""

    target: str
    kind: str
    parameters: Mapping[str, object]
    _injector: Injector
    _active: list[Fault] = field(repr=False)
    injected_at: float = 0.0
    ended_at: float | None = None
    # What it had hit when it ended.
    hit: int | None = None
    # Why it could not be ended the last time.
    removal_error: str = ""
    _forget: Callable[[], None] | None = None

    def hits(self) -> int:
        """What the fault has hit so far. Where nothing counts hits, 1 while it is in force, else 0."""
        return self._injector.hits()

    def end(self) -> None:
        """End it; returns when the target works again, does nothing if it has ended. Raises ``FaultError``.

        A fault that could not be removed stays active, so that its end is tried again and reported. One that
        has lasted too long is an error as well: the dead-man process has ended it, so what was seen since
        shows nothing.
        """
        if self not in self._active:
            return
        try:
            if self.hit is None:
                self.hit = self._counted()
            self._injector.undo()
        except Exception as error:
            self.removal_error = f"{self} could not be removed: {error}"
            raise FaultError(self.removal_error) from error
        self._active.remove(self)
        self.removal_error = ""
        self.ended_at = time.monotonic()
        if self._forget is not None:
            self._forget()
        lasted = self.ended_at - self.injected_at
        if lasted > LONGEST_S:
            raise FaultError(f"{self} has lasted {lasted:.0f} s, longer than the {LONGEST_S:g} s it may last")

    def watch(self, reaper: Reaper, *, outlives: bool) -> None:
        """Have it ended also if the suite dies; ``outlives``: it is a fault of another machine."""
        rollback = self._injector.rollback()
        if rollback is not None:
            registration = reaper.end_fault(str(self), rollback, LONGEST_S, outlives=outlives)
            self._forget = lambda: reaper.forget(registration)

    def _counted(self) -> int | None:
        # Evidence only: a proxy that does not answer must not keep the fault from being ended.
        try:
            return self._injector.hits()
        except Exception:
            return None

    def __str__(self) -> str:
        shown = ", ".join(f"{name}={value}" for name, value in self.parameters.items())
        return f"{self.target} {self.kind}" + (f" ({shown})" if shown else "")

    def __eq__(self, other: object) -> bool:
        return self is other


class Faults:
    """The faults of one platform: ``links`` by target at ``links_url``, ``services`` that the suite started.

    ``listed`` holds the targets (``redis``) and faults (``redis:cut``) that the user allows on what the suite
    did not start; where the ``guard`` is given, that is the whole platform. ``stores`` are those whose inside
    may be changed, ``pairs`` the user's programs.
    """

    def __init__(
        self,
        links_url: str | None,
        links: Mapping[str, str],
        services: Mapping[str, Service],
        listed: Collection[str] = (),
        *,
        stores: Mapping[str, Store] | None = None,
        pairs: Pairs | None = None,
        reaper: Reaper | None = None,
        guard: Guard | None = None,
    ) -> None:
        self._control = Toxiproxy(links_url) if links_url else None
        self._links = links if links_url else {}
        self._services = services
        self._stores = stores or {}
        self._pairs = pairs or {}
        self._reaper = reaper
        self._guard = guard
        self._listed = listed
        self._active: list[Fault] = []
        # Every fault that was injected, in that order.
        self.history: list[Fault] = []
        # Set by every fault; what waits for the platform to recover resets it. On a platform of
        # others nothing is injected before it was seen to be healthy.
        self.shaken = guard is not None and bool(listed)

    @classmethod
    def deployed(
        cls,
        links_url: str | None,
        listed: Collection[str],
        guard: Guard,
        pairs: Pairs | None = None,
        reaper: Reaper | None = None,
    ) -> Faults:
        """Faults of a platform that others run: only what is listed, only by links and by their programs."""
        links = {target: target for target in TARGETS}
        return cls(links_url, links, {}, listed, pairs=pairs, reaper=reaper, guard=guard)

    @property
    def capabilities(self) -> Capabilities:
        """What faults are possible here."""
        return Capabilities(
            started=set(self._services),
            linked=set(self._links),
            opened=set(self._stores),
            commanded=set(self._pairs),
            listed=set(self._listed),
            deployed=self._guard is not None,
        )

    def inject(self, target: str, kind: str, **parameters: object) -> Fault:
        """Make ``target`` fail; the fault is known before it begins, so it is ended whatever happens.

        Kinds: crashed, stopped, frozen (processes); cut, hang, mute, slow and drip with ``ms``, torn with
        ``after``, reset, choke with ``on`` (links); those of ``fault_types.STATE_KINDS`` (stores). Raises
        ``Unavailable`` where this mode cannot do or does not allow it, ``FaultError`` where it fails.
        """
        injector = self._injector(target, kind, parameters)
        fault = Fault(target, kind, parameters, injector, self._active)
        try:
            self._pass_guard(target, kind)
            injector.check()
            fault.injected_at = time.monotonic()
            self._active.append(fault)
            self.shaken = True
            if self._reaper is not None:
                fault.watch(self._reaper, outlives=not self._ends_with_us(target, kind))
            injector.do()
        except Unavailable:
            raise
        except Exception as error:
            # Half done is possible: an answer may have been lost after the harm was done.
            fault.end()
            raise FaultError(f"{fault} could not be injected: {error}") from error
        self.history.append(fault)
        return fault

    def tap(self, target: str) -> Wiretap:
        """A listener for the link to ``target``, not yet started; it harms nothing but must be stopped.

        Raises ``Unavailable`` where there is no link, or where the platform is not the suite's own.
        """
        link = self._link(target)
        if link is None or self._guard is not None:
            raise Unavailable(f"the link to {target} is not the suite's own, so nobody may listen there")
        return Wiretap(link.control, link.name)

    def connections(self, target: str) -> int:
        """Connections opened to ``target`` so far. Raises ``Unavailable`` where they are not counted."""
        link = self._link(target)
        traffic = link.control.link(link.name).get("traffic") if link else None
        if traffic is None:
            raise Unavailable(f"the connections to {target} are not counted here")
        return int(traffic["connections"])

    def end_all(self) -> list[str]:
        """End what is still active; returns a text for each fault, with the reason if that failed.

        Newest first, but the gateway last: it is ready only when its dependencies are.
        """
        lines = []
        newest_first = self._active[::-1]
        for fault in sorted(newest_first, key=lambda fault: fault.target == "gateway"):
            text = str(fault)
            try:
                fault.end()
            except FaultError as error:
                text = str(error)
            lines.append(text)
        return lines

    def not_removed(self) -> str:
        """What could not be removed, tried again; empty where all are gone."""
        stuck = [fault for fault in self._active if fault.removal_error]
        if stuck:
            self.end_all()
        return "; ".join(fault.removal_error for fault in stuck if fault.removal_error)

    def close(self) -> None:
        """Give the lease of a platform of others back."""
        if self._guard is not None:
            self._guard.leave()

    def _ends_with_us(self, target: str, kind: str) -> bool:
        return "links" in self._services if kind in LINK_KINDS else target in self._services

    def _pass_guard(self, target: str, kind: str) -> None:
        if self._guard is None:
            return
        link = None
        if not self.capabilities.by_command(target, kind) and (found := self._link(target)) is not None:
            try:
                link = found.control.link(found.name)
            except ToxiproxyError as error:
                if not error.absent:
                    raise
        self._guard.enter(link)

    def _injector(self, target: str, kind: str, parameters: Mapping[str, object]) -> Injector:
        capabilities = self.capabilities
        if (reason := capabilities.why_not(target, kind)) is not None:
            raise Unavailable(reason)
        link = self._link(target)
        if capabilities.by_command(target, kind):
            seen = link if self._guard is None else None
            return Commanded(self._pairs[target, kind], seen, self._reaper)
        if kind in PROCESS_INJECTORS:
            return PROCESS_INJECTORS[kind](self._services[target], link)
        if kind in LINK_INJECTORS:
            assert link is not None
            return LINK_INJECTORS[kind](link, **parameters)
        return store_faults.injector(self._stores[target], kind, link)

    def _link(self, target: str) -> Link | None:
        if self._control is None or target not in self._links:
            return None
        return Link(self._control, self._links[target])
