"""One vocabulary of faults over processes and links; no fault outlives the scenario that asked for it."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from support.errors import Unavailable
from support.faults.harms import LINK_KINDS, PROCESS_KINDS, Harm, Link, Service
from support.faults.toxiproxy import Toxiproxy
from support.faults.wiretap import Wiretap

# What a fault can strike; a deployed Toxiproxy is expected to call its links by these names.
TARGETS = ("qdrant", "postgresql", "redis", "embedding", "providers", "gateway")


class FaultError(Exception):
    """A fault could not be done or lifted; the message says which and why."""


@dataclass(slots=True)
class Fault:
    """A fault that is in force until it is lifted."""

    target: str
    kind: str
    parameters: Mapping[str, object]
    _harm: Harm
    _active: list[Fault] = field(repr=False)

    def hits(self) -> int:
        """What the fault has struck so far. Where nobody counts, 1 while it is really in force, else 0."""
        return self._harm.hits()

    def lift(self) -> None:
        """Heal; returns when the target works again, does nothing if it was lifted. Raises ``FaultError``.

        A fault that could not be lifted stays active, so that lifting is tried again and told.
        """
        if self not in self._active:
            return
        try:
            self._harm.undo()
        except Exception as error:
            raise FaultError(f"{self} could not be lifted: {error}") from error
        self._active.remove(self)

    def __str__(self) -> str:
        shown = ", ".join(f"{name}={value}" for name, value in self.parameters.items())
        return f"{self.target} {self.kind}" + (f" ({shown})" if shown else "")

    def __eq__(self, other: object) -> bool:
        return self is other


class Faults:
    """The faults of one platform: ``links`` by target at ``links_url``, ``services`` that the suite started.

    ``listed`` holds the targets (``redis``) and faults (``redis:cut``) allowed on a deployed platform; None
    allows all, on what the suite itself started.
    """

    def __init__(
        self,
        links_url: str | None,
        links: Mapping[str, str],
        services: Mapping[str, Service],
        listed: Collection[str] | None = None,
    ) -> None:
        self._control = Toxiproxy(links_url) if links_url else None
        self._links = links
        self._services = services
        self._listed = listed
        self._active: list[Fault] = []
        # Set by every fault; whoever waits for the platform to get over them resets it.
        self.shaken = False

    @classmethod
    def deployed(cls, links_url: str | None, listed: Collection[str]) -> Faults:
        """Faults of a platform that others run: only links, only what is listed."""
        return cls(links_url, {target: target for target in TARGETS}, {}, listed)

    def inject(self, target: str, kind: str, **parameters: object) -> Fault:
        """Make ``target`` fail; the fault is known before it strikes, so it is lifted whatever happens.

        Kinds: crashed, stopped, frozen (processes); cut, hang, mute, slow and drip with ``ms``, torn with
        ``after``, narrow with ``kb_per_s`` and ``stream``, reset, choke with ``on`` (links). Raises
        ``Unavailable`` where this mode cannot do or does not allow it, ``FaultError`` where it fails.
        """
        harm = self._harm(target, kind, parameters)
        fault = Fault(target, kind, parameters, harm, self._active)
        try:
            harm.check()
            self._active.append(fault)
            self.shaken = True
            harm.do()
        except Unavailable:
            raise
        except Exception as error:
            # Half done is possible: an answer may have been lost after the harm.
            fault.lift()
            raise FaultError(f"{fault} could not be done: {error}") from error
        return fault

    def tap(self, target: str) -> Wiretap:
        """A listener for the link to ``target``, not yet started; it harms nothing but must be stopped.

        Raises ``Unavailable`` where there is no link, or where the platform is not the suite's own.
        """
        self._refuse_to_listen(target)
        link = self._link(target)
        assert link is not None
        return Wiretap(link.control, link.name)

    def _refuse_to_listen(self, target: str) -> None:
        if self._link(target) is None or self._listed is not None:
            raise Unavailable(f"the link to {target} is not the suite's own, so nobody may listen there")

    def connections(self, target: str) -> int:
        """Connections opened to ``target`` so far. Raises ``Unavailable`` where nobody counts them."""
        link = self._link(target)
        traffic = link.control.link(link.name).get("traffic") if link else None
        if traffic is None:
            raise Unavailable(f"nobody counts the connections to {target}")
        return int(traffic["connections"])

    def lift_all(self) -> list[str]:
        """Lift what is still active; returns a text for each fault, with the reason if lifting failed.

        Newest first, but the gateway last: it is ready only when its dependencies are.
        """
        told = []
        newest_first = self._active[::-1]
        for fault in sorted(newest_first, key=lambda fault: fault.target == "gateway"):
            text = str(fault)
            try:
                fault.lift()
            except FaultError as error:
                text = str(error)
            told.append(text)
        return told

    def _harm(self, target: str, kind: str, parameters: Mapping[str, object]) -> Harm:
        if target not in TARGETS:
            raise ValueError(f"no such target: {target!r}; known are: {', '.join(TARGETS)}")
        if self._listed is not None and not {target, f"{target}:{kind}"} & set(self._listed):
            raise Unavailable(
                f"the fault {target}:{kind} is not allowed on this platform (CITADEL_FAULTS does not list it)"
            )
        link = self._link(target)
        if kind in PROCESS_KINDS:
            if target not in self._services:
                raise Unavailable(f"{target} was not started by the suite, so it cannot be {kind}")
            return PROCESS_KINDS[kind](self._services[target], link)
        if kind not in LINK_KINDS:
            raise ValueError(
                f"no such fault: {kind!r}; known are: {', '.join([*PROCESS_KINDS, *LINK_KINDS])}"
            )
        if link is None:
            raise Unavailable(f"there is no link in front of {target} (set TOXIPROXY_URL)")
        if kind == "choke":
            self._refuse_to_listen(target)
        return LINK_KINDS[kind](link, **parameters)

    def _link(self, target: str) -> Link | None:
        if self._control is None or target not in self._links:
            return None
        return Link(self._control, self._links[target])
