"""What faults are possible here, and why the rest cannot: one rule for injecting and for telling."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field

from support.faults import clocks
from support.faults.commands import Pairs
from support.faults.fault_types import CLOCK_KINDS, LINK_KINDS, PROCESS_KINDS, STATE_KINDS, TARGETS, kinds_of
from support.settings import Mode, Settings

# Ending them needs a way in that a server of others does not promise.
OWN_SERVER_ONLY = {("redis", "no_connections"), ("postgresql", "no_connections")}
# Done by a listener that sees all that passes.
LISTENING = {"choke"}


@dataclass(frozen=True, slots=True)
class Capabilities:
    """``started``: servers of the suite; ``linked``: targets with a link; ``opened``: stores whose inside the
    suite may change; ``commanded``: faults that the user's programs do.

    ``listed`` holds the targets (``redis``) and faults (``redis:cut``) that the user allows on what is not
    the suite's own; ``deployed``: nothing is.
    """

    started: Collection[str] = ()
    linked: Collection[str] = ()
    opened: Collection[str] = ()
    commanded: Collection[tuple[str, str]] = ()
    listed: Collection[str] = ()
    deployed: bool = False
    # Why no fault at all is allowed on a platform of others.
    refused: str = ""
    no_link: str = "there is no link in front of {target} (set TOXIPROXY_URL)"

    @classmethod
    def expected(
        cls, settings: Settings, pairs: Pairs, links: Collection[str] = (), refused: str = ""
    ) -> Capabilities:
        """What a run with these settings will reach; ``links``: those that a platform of others has."""
        if settings.mode is Mode.DEPLOYED:
            return cls(
                linked=links,
                commanded=list(pairs),
                listed=settings.faults,
                deployed=True,
                refused=refused,
                no_link="the Toxiproxy of TOXIPROXY_URL has no link {target}",
            )
        given = {
            "postgresql": settings.database_url,
            "redis": settings.redis_url,
            "qdrant": settings.qdrant_url,
        }
        return cls(
            started=[target for target in TARGETS if not given.get(target)],
            linked=[target for target in TARGETS if target != "gateway"],
            opened=list(STATE_KINDS),
            commanded=list(pairs),
            listed=settings.faults,
        )

    def why_not(self, target: str, kind: str) -> str | None:
        """Why this fault cannot be had here; None where it can. Raises ``ValueError`` for no such fault."""
        if target not in TARGETS:
            raise ValueError(f"no such target: {target!r}; known are: {', '.join(TARGETS)}")
        if kind not in kinds_of(target):
            raise ValueError(f"no such fault of {target}: {kind!r}; known are: {', '.join(kinds_of(target))}")
        allowed = bool({target, f"{target}:{kind}"} & set(self.listed))
        if self.deployed and not allowed:
            return (
                f"the fault {target}:{kind} is not allowed on this platform (CITADEL_FAULTS does not list it)"
            )
        if self.refused:
            return self.refused
        own = target in self.started
        if self.by_command(target, kind):
            return None if allowed else self._unlisted(target, kind)
        if kind in PROCESS_KINDS:
            return None if own else f"{target} was not started by the suite, so it cannot be {kind}"
        if kind in CLOCK_KINDS:
            return clocks.why_right() if own else f"{target} was not started by the suite, nor its clock set"
        if kind in LISTENING and self.deployed:
            return f"the link to {target} is not the suite's own, so nobody may listen there"
        if kind in LINK_KINDS:
            return None if target in self.linked else self.no_link.format(target=target)
        return self._why_not_inside(target, kind, own=own, allowed=allowed)

    def by_command(self, target: str, kind: str) -> bool:
        """Whether the user's programs do it: never to a server that the suite has started itself."""
        return target not in self.started and (target, kind) in self.commanded

    def _why_not_inside(self, target: str, kind: str, *, own: bool, allowed: bool) -> str | None:
        if target not in self.opened:
            return f"the inside of {target} is not the suite's to change (CITADEL_FAULT_COMMANDS could)"
        if not own and (target, kind) in OWN_SERVER_ONLY:
            return f"{target} was not started by the suite, which could lock itself out"
        return None if own or allowed else self._unlisted(target, kind)

    @staticmethod
    def _unlisted(target: str, kind: str) -> str:
        return f"{target} was not started by the suite (CITADEL_FAULTS does not list {target}:{kind})"

    def of(self, target: str) -> Possible:
        """All faults of one target."""
        possible = Possible(target)
        for kind in kinds_of(target):
            reason = self.why_not(target, kind)
            if reason is None:
                possible.kinds.append(kind)
            else:
                # One reason for many kinds, told once.
                general = reason.replace(f"{target}:{kind}", target).replace(f"be {kind}", "be broken")
                possible.reasons.setdefault(general, []).append(kind)
        return possible

    def table(self) -> list[Possible]:
        """All faults of all targets."""
        return [self.of(target) for target in TARGETS]


@dataclass(slots=True)
class Possible:
    """What can be done to one target, and the kinds that cannot be, by reason."""

    target: str
    kinds: list[str] = field(default_factory=list)
    reasons: dict[str, list[str]] = field(default_factory=dict)

    def __str__(self) -> str:
        parts = [", ".join(self.kinds) or "nothing"]
        parts += [f"not {', '.join(kinds)}: {reason}" for reason, kinds in self.reasons.items()]
        return "; ".join(parts)


def text(table: Iterable[Possible]) -> str:
    """The table for a terminal."""
    lines = ["faults that are possible here:"]
    for possible in table:
        lines.append(f"  {possible.target:<11} {', '.join(possible.kinds) or '(none)'}")
        lines += [
            f"  {'':<11}   not {', '.join(kinds)}: {reason}" for reason, kinds in possible.reasons.items()
        ]
    return "\n".join(lines)
