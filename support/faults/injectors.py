"""How each kind of fault is done, undone and counted: signals to processes, changes at links."""

from __future__ import annotations

import contextlib
import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

import psutil

from support.errors import Unavailable
from support.faults import clocks, rollbacks
from support.faults.clocks import Clock
from support.faults.fault_types import SKEW_S
from support.faults.rollbacks import Rollback
from support.faults.toxiproxy import Toxiproxy, ToxiproxyError
from support.faults.wiretap import Wiretap
from support.waiting import eventually

READY_WITHIN_S = 30.0
# Far more than asking for the time takes, and far less than a clock is made wrong by.
CLOCK_TOLERANCE_S = 60.0
# What our toxics are called, so that those of others on a shared Toxiproxy are told apart.
OWN = f"acceptance_{secrets.token_hex(4)}_"


class Service(Protocol):
    """What a process fault needs of a server that the suite started."""

    @property
    def name(self) -> str: ...

    @property
    def ready(self) -> Callable[[], None]: ...

    @property
    def pid(self) -> int: ...

    @property
    def clock(self) -> Clock: ...

    environment: Mapping[str, str]

    def start(self) -> None: ...

    def stop(self) -> None: ...

    def kill(self) -> None: ...

    def pause(self) -> None: ...

    def resume(self) -> None: ...

    def running(self) -> bool: ...

    def log_since(self, offset: int) -> str: ...

    def log_size(self) -> int: ...


class Injector(Protocol):
    """One fault. ``check`` only looks; ``undo`` works whether ``do`` was carried out whole, half or not.

    ``rollback`` is what ends it if the suite is dead, known after ``check``; None where nothing of the fault
    outlives the suite.
    """

    def check(self) -> None: ...

    def rollback(self) -> Rollback | None: ...

    def do(self) -> None: ...

    def undo(self) -> None: ...

    def hits(self) -> int: ...


@dataclass(frozen=True, slots=True)
class Link:
    """The link in front of a dependency."""

    control: Toxiproxy
    name: str

    def arrivals(self) -> int | None:
        """Connections and chunks from clients so far; None where the proxy does not count (Toxiproxy)."""
        traffic = self.control.link(self.name).get("traffic")
        return None if traffic is None else int(traffic["connections"]) + int(traffic["chunks"])

    def check(self) -> None:
        """Raise ``Unavailable`` if there is no such link, or somebody else is at work on it."""
        try:
            link = self.control.link(self.name)
        except ToxiproxyError as error:
            if not error.absent:
                raise
            raise Unavailable(f'the Toxiproxy at {self.control.url} has no link "{self.name}"') from None
        foreign = [toxic["name"] for toxic in link["toxics"] if not toxic["name"].startswith(OWN)]
        if foreign or not link["enabled"]:
            state = f"has the toxics {foreign}, not made by this suite" if foreign else "is disabled already"
            raise Unavailable(f'the link "{self.name}" {state}')


@dataclass(slots=True)
class Cut:
    """A link that has closed its connections and refuses new ones.

    Nobody sees a refused connection but the one that is refused. So the hits are the connections that were
    cut, and one more while the link really refuses.
    """

    link: Link
    _before: int = 0

    def check(self) -> None:
        self.link.check()

    def do(self) -> None:
        self._before = self._state()[1]
        self.link.control.disable(self.link.name)

    def undo(self) -> None:
        self.link.control.enable(self.link.name)

    def rollback(self) -> Rollback:
        return rollbacks.by_enabling_link(self.link.control.url, self.link.name)

    def hits(self) -> int:
        refuses, cut = self._state()
        return cut - self._before + int(refuses)

    def _state(self) -> tuple[bool, int]:
        """Whether it refuses, and how many connections it has cut (0 where the proxy does not count)."""
        link = self.link.control.link(self.link.name)
        return not link["enabled"], int(link.get("traffic", {}).get("cut", 0))


class Down:
    """A server that was killed without warning.

    Its link is cut as well: in front of a dead server it would accept connections and close them, and a
    caller could not tell whether its request had arrived. Without a link such a connection is refused.
    """

    def __init__(self, service: Service, link: Link | None) -> None:
        self._service = service
        self._cut = Cut(link) if link else None

    def check(self) -> None:
        assert self._service.running(), f"{self._service.name} is not running"
        if self._cut:
            self._cut.check()

    def do(self) -> None:
        self._strike()
        if self._cut:
            self._cut.do()

    def undo(self) -> None:
        """Start it on its port and wait until it has shown who it is; only then let callers in."""
        if not self._service.running():
            self._service.start()
        if self._cut:
            self._cut.undo()

    def rollback(self) -> Rollback | None:
        """The link's: servers of the suite end with it."""
        return self._cut.rollback() if self._cut else None

    def hits(self) -> int:
        """As for a cut link; 1 while it is down where there is no link."""
        if self._service.running():
            return 0
        return self._cut.hits() if self._cut else 1

    def _strike(self) -> None:
        self._service.kill()


class Stopped(Down):
    """A server that was shut down gracefully: what it answers to the last reaches its callers."""

    def _strike(self) -> None:
        self._service.stop()


class Frozen:
    """A server that stands still; its connections stay open. What its link sees arriving are the hits."""

    def __init__(self, service: Service, link: Link | None) -> None:
        self._service = service
        self._link = link
        self._before: int | None = None

    def check(self) -> None:
        assert self._service.running(), f"{self._service.name} is not running"

    def do(self) -> None:
        self._before = self._arrivals()
        self._service.pause()

    def undo(self) -> None:
        """Let it go on and wait until it has shown who it is."""
        self._service.resume()
        eventually(
            self._answers,
            bool,
            within=READY_WITHIN_S,
            what=f"{self._service.name} goes on",
            transient=(Exception,),
        )

    def rollback(self) -> Rollback | None:
        """None: servers of the suite end with it, also those that stand still."""
        return None

    def hits(self) -> int:
        """What has come for it since; 1 while it stands still and nothing counts."""
        if not self._stands_still():
            return 0
        now = self._arrivals()
        return 1 if now is None or self._before is None else now - self._before

    def _arrivals(self) -> int | None:
        return self._link.arrivals() if self._link else None

    def _answers(self) -> bool:
        self._service.ready()
        return True

    def _stands_still(self) -> bool:
        with contextlib.suppress(psutil.Error):
            return psutil.Process(self._service.pid).status() == psutil.STATUS_STOPPED
        return False


class WrongClock:
    """A server that was shut down gracefully and restarted with a clock that is off by ``off_s``."""

    def __init__(self, service: Service, off_s: int) -> None:
        self._service = service
        self._off_s = off_s

    def check(self) -> None:
        assert self._service.running(), f"{self._service.name} is not running"

    def do(self) -> None:
        self._restart(clocks.settings(self._service.clock.library, self._off_s))
        clocks.tidy(self._service.pid)

    def undo(self) -> None:
        """Restart it with the right clock and wait until it has shown who it is."""
        self._restart({})

    def rollback(self) -> Rollback | None:
        """None: servers of the suite end with it."""
        return None

    def hits(self) -> int:
        """1 while the server itself tells the wrong time."""
        deviation = self._service.clock.tell() - time.time() if self._service.running() else 0.0
        return int(abs(deviation - self._off_s) < CLOCK_TOLERANCE_S)

    def _restart(self, settings: Mapping[str, str]) -> None:
        self._service.stop()
        self._service.environment = {**clocks.without(self._service.environment), **settings}
        self._service.start()


def ahead(service: Service, _link: Link | None) -> Injector:
    """Its clock is fast."""
    return WrongClock(service, SKEW_S)


def behind(service: Service, _link: Link | None) -> Injector:
    """Its clock is slow."""
    return WrongClock(service, -SKEW_S)


@dataclass(slots=True)
class ToxicHarm:
    """A toxic at a link, under a name of the suite's own."""

    link: Link
    kind: str
    stream: str
    attributes: dict[str, int]

    @property
    def name(self) -> str:
        return f"{OWN}{self.kind}_{self.stream}"

    def check(self) -> None:
        self.link.check()

    def do(self) -> None:
        self.link.control.add_toxic(
            self.link.name, self.name, self.kind, stream=self.stream, **self.attributes
        )

    def undo(self) -> None:
        try:
            self.link.control.remove_toxic(self.link.name, self.name)
        except ToxiproxyError as error:
            if not error.absent:
                raise

    def rollback(self) -> Rollback:
        return rollbacks.by_removing_toxic(self.link.control.url, self.link.name, self.name)

    def hits(self) -> int:
        """How often the toxic has acted; 1 for its presence where the proxy does not count (Toxiproxy)."""
        try:
            toxic = self.link.control.toxic(self.link.name, self.name)
        except ToxiproxyError as error:
            if error.absent:
                return 0
            raise
        return int(toxic.get("hits", 1))


def hang(link: Link) -> Injector:
    """Requests never arrive and no answer comes; connections stay open."""
    return ToxicHarm(link, "timeout", "upstream", {"timeout": 0})


def mute(link: Link) -> Injector:
    """Requests arrive and are carried out, but no answer comes back; connections stay open."""
    return ToxicHarm(link, "timeout", "downstream", {"timeout": 0})


def slow(link: Link, *, ms: int) -> Injector:
    """Every answer comes ``ms`` milliseconds later."""
    return ToxicHarm(link, "latency", "downstream", {"latency": ms})


def drip(link: Link, *, ms: int) -> Injector:
    """Every answer comes byte by byte, ``ms`` milliseconds apart: always something, never the whole."""
    return ToxicHarm(
        link, "slicer", "downstream", {"average_size": 1, "size_variation": 0, "delay": ms * 1000}
    )


def torn(link: Link, *, after: int) -> Injector:
    """Every connection breaks off once ``after`` bytes of answers have come over it."""
    return ToxicHarm(link, "limit_data", "downstream", {"bytes": after})


def reset(link: Link) -> Injector:
    """A connection is reset as soon as something is asked on it; the request does not arrive."""
    return ToxicHarm(link, "reset_peer", "upstream", {"timeout": 0})


@dataclass(slots=True)
class Choke:
    """A service that dies of every request that contains ``on``, and answers all others."""

    link: Link
    tap: Wiretap

    def check(self) -> None:
        self.link.check()

    def do(self) -> None:
        self.tap.start()

    def undo(self) -> None:
        self.tap.stop()

    def rollback(self) -> Rollback | None:
        """None: it is done to links of the suite only, which end with it."""
        return None

    def hits(self) -> int:
        """The requests that it died of."""
        return self.tap.broken


def choke(link: Link, *, on: str) -> Injector:
    """The service closes the connection of every request that contains ``on``, and answers all others."""
    return Choke(link, Wiretap(link.control, link.name, on.encode()))


PROCESS_INJECTORS: dict[str, Callable[[Service, Link | None], Injector]] = {
    "crashed": Down,
    "stopped": Stopped,
    "frozen": Frozen,
    "clock_ahead": ahead,
    "clock_behind": behind,
}
LINK_INJECTORS: dict[str, Callable[..., Injector]] = {
    "cut": Cut,
    "hang": hang,
    "mute": mute,
    "slow": slow,
    "drip": drip,
    "torn": torn,
    "reset": reset,
    "choke": choke,
}
