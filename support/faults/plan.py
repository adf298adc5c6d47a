"""Which faults are possible and how they are made, without making any: the plan of a run's faults."""

from __future__ import annotations

from support.faults import store_faults
from support.faults.capabilities import Capabilities
from support.faults.commands import Pairs
from support.faults.fault_types import CLOCK_KINDS, LINK_KINDS, PROCESS_KINDS

MEANINGS = {
    "crashed": "its process is killed, later started again",
    "stopped": "its process is told to end, later started again",
    "frozen": "its process stands still, later goes on",
    "clock_ahead": "its process restarts with a clock that is an hour fast, later with the right one",
    "clock_behind": "its process restarts with a clock that is an hour slow, later with the right one",
    "cut": "its link closes all connections and refuses new ones, later accepts them again",
    "hang": "its link swallows what is asked, by a toxic of the suite's own that is later removed",
    "mute": "its link swallows what is answered, by a toxic of the suite's own that is later removed",
    "slow": "its link delays what is answered, by a toxic of the suite's own that is later removed",
    "drip": "its link passes answers byte by byte, by a toxic of the suite's own that is later removed",
    "torn": "its link breaks every answer off, by a toxic of the suite's own that is later removed",
    "choke": "its link leads to a listener of the suite that lets no deadly request pass, later back to it",
    "reset": "its link resets connections, by a toxic of the suite's own that is later removed",
}


def plan(capabilities: Capabilities, pairs: Pairs) -> list[str]:
    """A line for every fault that is allowed, with the programs in full where the user gave them."""
    return [
        f"{possible.target} {kind}: {_meaning(capabilities, pairs, possible.target, kind)}"
        for possible in capabilities.table()
        for kind in possible.kinds
    ]


def _meaning(capabilities: Capabilities, pairs: Pairs, target: str, kind: str) -> str:
    if capabilities.by_command(target, kind):
        pair = pairs[target, kind]
        return f"{' '.join(pair.do)} | rolled back by: {' '.join(pair.undo)}"
    if kind in (*PROCESS_KINDS, *CLOCK_KINDS, *LINK_KINDS):
        return MEANINGS[kind]
    return store_faults.meaning(target, kind)
