"""Faults begin and end in a scenario, in the words of the features."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from support.drivers.providers import DISPLAY_NAMES
from support.faults import Fault
from support.faults.wording import DEPENDENCIES, LINKED, NAMES, Failure, fixed, written
from support.vocabulary import clocks
from support.vocabulary.words import any_of
from support.world import World


@dataclass(frozen=True, slots=True)
class Named:
    """A fault as a feature words it: what is struck, and how."""

    text: str
    target: str
    failure: Failure

    def __str__(self) -> str:
        return self.text


_DELAYED = re.compile(r"delays responses by (\d+) ms")
_FATAL = re.compile(r'the embedding service crashes on texts that contain "([^"]+)"')
_WRITTEN = {wording: Named(wording, target, failure) for wording, target, failure in written()}
_DELAY = r"the connection to (?:" + any_of(NAMES[each] for each in LINKED) + r") delays responses by \d+ ms"
# As after a power cut: all processes at once.
POWER_CUT, EVERYTHING = "every server crashes", "everything"
REGEXP = f"{POWER_CUT}|{any_of(_WRITTEN)}|{_DELAY}|{_FATAL.pattern.replace('(', '(?:', 1)}"


def parse(text: str) -> Named:
    """The fault that ``text`` words."""
    if text == POWER_CUT:
        failure = Failure("all processes are killed, the gateway last", "crashed", tuple(NAMES))
        return Named(text, EVERYTHING, failure)
    if (fatal := _FATAL.fullmatch(text)) is not None:
        failure = Failure("it is killed by every such text", "choke", ("embedding",), fixed(on=fatal[1]))
        return Named(text, "embedding", failure)
    delayed = _DELAYED.search(text)
    if delayed is None:
        return _WRITTEN[text]
    name = text.removeprefix("the connection to ").partition(" delays")[0]
    failure = Failure("every response comes so much later", "slow", LINKED, fixed(ms=int(delayed[1])))
    return Named(text, DEPENDENCIES[name], failure)


def begin(world: World, named: Named) -> None:
    """Make the fault; its end is registered first."""
    if named.target == EVERYTHING:
        for target in NAMES:
            inject(world, target, named.failure.kind)
        return
    if named.failure.kind in clocks.KINDS:
        clocks.before(world, named.target)
        inject(world, named.target, named.failure.kind)
        clocks.get_over(world, named.target)
        return
    parameters = named.failure.parameters(named.target, world.citadel.promises)
    inject(world, named.target, named.failure.kind, **parameters)


def inject(world: World, target: str, kind: str, **parameters: object) -> Fault:
    """Make ``target`` fail; its healing is registered first and due at the scenario's end at the latest."""
    world.wrote = True
    fault = world.citadel.faults.inject(target, kind, **parameters)
    world.undo(fault.end)
    world.faults.append(fault)
    return fault


def end(world: World, target: str | None = None) -> None:
    """End the faults of ``target``, or all; each must have hit something, or it proved nothing.

    The gateway comes last: it is ready only when its dependencies are.
    """
    ended = [fault for fault in world.faults if target in (None, fault.target)]
    assert ended, f"no fault of {_shown(target)} is in force"
    for fault in sorted(ended, key=lambda fault: fault.target == "gateway"):
        world.faults.remove(fault)
        hits = fault.hits()
        fault.end()
        assert hits > 0, f"the fault was never exercised (0 hits): {fault}"
    if world.citadel.rows is not None:
        # The suite's own session may have ended with the fault; the next look opens another.
        world.citadel.rows.close()
    for fault in ended:
        if fault.kind in clocks.KINDS:
            clocks.get_over(world, fault.target)


def _shown(target: str | None) -> str:
    return {**NAMES, **DISPLAY_NAMES}[target] if target else "anything"


def struck(world: World) -> list[str]:
    """What the faults in force have struck."""
    return [fault.target for fault in world.faults]


def restart(world: World, named: Named) -> None:
    """The fault begins and ends again at once."""
    begin(world, named)
    end(world, None if named.target == EVERYTHING else named.target)


def event(world: World, named: Named, *, and_ends: bool) -> Callable[[], None]:
    """What happens in the middle of the requests."""
    return partial(restart if and_ends else begin, world, named)
