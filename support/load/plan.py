"""What a load is: a journey, how often or by how many, and the bounds no load may exceed."""

from __future__ import annotations

import ipaddress
import secrets
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any
from urllib.parse import urlsplit

from support.load.journeys import Journey

MOST_JOURNEYS = 200_000
MOST_USERS = 2_000
MOST_SECONDS = 900.0
# Arrivals beyond this many journeys under way are dropped and counted.
MOST_IN_FLIGHT = 1_000
# The error of a journey that was cut off.
UNFINISHED = "not finished when the load's time was over"


class PlanRefused(ValueError):
    """A load that may not run as planned; the message says why."""


@dataclass(frozen=True, slots=True)
class OpenLoop:
    """Arrivals that do not wait for answers: ``rate`` a second for ``round_s`` seconds, in ``rounds``.

    Between the rounds nobody arrives for ``pause_s`` seconds, so that the same number of journeys sees more
    of the machine's moods. A warm-up of ``warm_up_s`` seconds at that rate comes first and does not count.
    """

    rate: float
    rounds: int
    round_s: float
    pause_s: float = 0.5
    warm_up_s: float = 2.0

    @property
    def per_round(self) -> int:
        """Arrivals in one round."""
        return round(self.rate * self.round_s)

    @property
    def journeys(self) -> int:
        """Arrivals that count."""
        return self.rounds * self.per_round

    @property
    def lasts_s(self) -> float:
        """Seconds until the last arrival."""
        return self.warm_up_s + self.rounds * (self.round_s + self.pause_s)


@dataclass(frozen=True, slots=True)
class ClosedLoop:
    """Users who each make ``journeys_each`` journeys, the next one ``think_s`` seconds after the last.

    With ``for_s`` they go on for so many seconds instead. Before that each makes one that does not count,
    spread over ``ramp_s`` seconds; all begin together when the last has ended. What is not done ``within_s``
    seconds (after ``for_s``) is cut off.
    """

    users: int
    journeys_each: int
    think_s: float = 0.0
    ramp_s: float = 1.0
    within_s: float = 120.0
    for_s: float = 0.0

    @property
    def journeys(self) -> int:
        """Journeys that count; of users who go on for a time at least one each."""
        return self.users * (1 if self.for_s else self.journeys_each)

    @property
    def lasts_s(self) -> float:
        """Seconds after which the load is cut off."""
        return self.for_s + self.within_s


@dataclass(frozen=True, slots=True)
class Plan:
    """A load to be carried out. ``timeout_s`` is the time limit of one request.

    ``index`` of ``processes`` says which part of the arrivals or users one engine process takes; all of them
    begin at ``start_at`` (seconds since the epoch; 0: at once).
    """

    journey: Journey
    load: OpenLoop | ClosedLoop
    timeout_s: float = 30.0
    allow_remote: bool = False
    run: str = field(default_factory=lambda: secrets.token_hex(4))
    index: int = 0
    processes: int = 1
    start_at: float = 0.0

    @property
    def ends_within_s(self) -> float:
        """Seconds within which the load is over, whatever the target does."""
        return self.load.lasts_s + (self.timeout_s if isinstance(self.load, OpenLoop) else 0.0)

    def check(self) -> None:
        """Raise ``PlanRefused`` unless the load is possible, bounded and meant for its target."""
        load = self.load
        if not self.allow_remote and not is_loopback(self.journey.base_url):
            raise PlanRefused(
                f"a load on {urlsplit(self.journey.base_url).hostname} is refused: it is not this machine,"
                " and the plan does not allow a remote target"
            )
        if load.journeys < 1 or self.timeout_s <= 0 or not self.journey.requests:
            raise PlanRefused("a load of no journeys, no requests or no time is refused")
        if load.journeys > MOST_JOURNEYS:
            raise PlanRefused(f"{load.journeys} journeys are refused: at most {MOST_JOURNEYS} in a load")
        if isinstance(load, ClosedLoop) and load.users > MOST_USERS:
            raise PlanRefused(f"{load.users} users are refused: at most {MOST_USERS} in a load")
        if self.ends_within_s > MOST_SECONDS:
            raise PlanRefused(f"{self.ends_within_s:g} s are refused: a load ends within {MOST_SECONDS:g} s")
        if empty := [name for name, values in self.journey.draws.items() if not values]:
            raise PlanRefused(f"nothing to draw from: the list {empty[0]!r} is empty")

    def to_json(self) -> dict[str, Any]:
        """Plain values; they hold the key and go to an engine's standard input only."""
        document = asdict(self)
        document["load"]["kind"] = "open" if isinstance(self.load, OpenLoop) else "closed"
        return document

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Plan:
        """The inverse of ``to_json``."""
        load = dict(document["load"])
        kind = OpenLoop if load.pop("kind") == "open" else ClosedLoop
        return cls(**{**document, "journey": Journey.from_json(document["journey"]), "load": kind(**load)})


def is_loopback(url: str) -> bool:
    """Whether a URL's host is this machine by its loopback address."""
    host = urlsplit(url).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
