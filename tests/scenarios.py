"""The scenarios by the stable keys of their tags (``@key.<slug>``), whatever their wording."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from typing import Any

from behave.parser import parse_file

from support.faults import matrix
from support.settings import ROOT

KEY = "key."


@dataclass(frozen=True, slots=True)
class Scenario:
    """A scenario as it runs, an outline once per row.

    ``name`` is without behave's number of the row; ``row`` is what an outline's row says: its cells and, if
    it holds a cell of the fault matrix, that one, as in ``the cache | is cut | redis.cut``.
    """

    key: str
    name: str
    file: str
    row: str
    tags: frozenset[str]

    @property
    def area(self) -> str:
        """The folder of its feature."""
        return self.file.split("/")[1]


@cache
def scenarios() -> tuple[Scenario, ...]:
    """All scenarios of the suite, in the order of the files; ``key`` is empty for those without."""
    files = sorted((ROOT / "features").rglob("*.feature"))
    return tuple(
        _scenario(each, file.relative_to(ROOT).as_posix())
        for file in files
        for each in parse_file(str(file)).walk_scenarios()
    )


def _scenario(scenario: Any, file: str) -> Scenario:
    tags = frozenset(map(str, scenario.effective_tags))
    cells = list(scenario._row.cells) if scenario._row else []
    held = matrix.cell_of(tags)
    return Scenario(
        key=next((tag.removeprefix(KEY) for tag in tags if tag.startswith(KEY)), ""),
        name=scenario.name.rsplit(" -- @", 1)[0].strip(),
        file=file,
        row=" | ".join([*cells, held.id] if held else cells),
        tags=tags,
    )


def of_key(key: str, row: str = "") -> tuple[Scenario, ...]:
    """The scenarios of a key; of an outline those whose ``row`` the regular expression is found in.

    Raises ``LookupError`` if there is none.
    """
    found = tuple(each for each in scenarios() if each.key == key and re.search(row, each.row))
    if not found:
        raise LookupError(f"no scenario has the tag @{KEY}{key}{f' and a row with {row!r}' if row else ''}")
    return found


def arguments(chosen: Iterable[Scenario]) -> list[str]:
    """What behave is called with to run exactly these scenarios, all of which have keys."""
    some = list(chosen)
    keys = sorted({each.key for each in some})
    told = [*sorted({each.file for each in some}), "-t", " or ".join(f"@{KEY}{key}" for key in keys)]
    if len(some) < sum(each.key in keys for each in scenarios()):
        # Some rows only: what tells them apart is their name.
        told += [part for each in some for part in ("-n", f"^{re.escape(each.name)}(?: -- @|$)")]
    return told
