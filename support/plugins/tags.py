"""The tags that a feature may carry: a closed list, so that a misspelt one is told."""

from __future__ import annotations

import re

from support.faults import matrix

MEANINGS = {
    "smoke": "one of the original plan's eight tests, or the first that a person wants to see",
    "slow": "takes longer than the ceiling of a scenario allows others",
    "outage": "breaks something on purpose",
    "alone": "must not share the machine with other scenarios",
    "wip": "not ready: is not run",
    "quarantine": "known to be flaky: is not run",
    "blocker": "Allure's severity: nothing works without it",
    "critical": "Allure's severity: a promise that matters most",
    "normal": "Allure's severity",
    "minor": "Allure's severity",
    "trivial": "Allure's severity",
}
# Tags with a name or a value of their own.
FAMILIES = {
    "use.with_mode=..., not.with_mode=...": "runs only in this mode, or not in it",
    "use.with_stores=visible": "looks into the stores",
    "use.with_providers=visible": "controls the provider emulators",
    "use.with_live=...": "asks the live service of this provider",
    "G1 ... G7, N1 ... N15, NFR-...": "the promise that the scenario holds, see the promises",
    "key.<slug>": "the name by which seeded defects and records refer to the scenario; it stays",
    "fault.<dependency>.<fault>": "the cell of the fault matrix that the scenario covers",
    "allure.issue:...": "a link to an issue in the report",
}
FAMILY = re.compile(
    r"(allure\.issue:.+|(use|not)\.with_(mode|stores|providers|live)=.+|fixture\..+|key\.[a-z0-9]+(-[a-z0-9]+)*|fault\..+|G[1-7]|N(1[0-5]|[1-9])|NFR-.+)"
)


def allowed(tag: str) -> bool:
    """Whether a feature may carry this tag."""
    if tag.startswith(matrix.TAG) and "<" not in tag:
        return matrix.names_a_cell(tag)
    return tag in MEANINGS or FAMILY.fullmatch(tag) is not None
