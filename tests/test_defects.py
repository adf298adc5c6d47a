"""Every seeded defect turns its scenario red with a message that names the cause; else all are green."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.settings import ROOT
from tests.defects.catalogue import DEFECTS
from tests.defects.defect import Defect
from tests.running import SuiteRun, behave, failures, stack_up

# Features with this tag may stop servers, so they need those that the suite starts itself.
NEED_OWN_SERVERS = "@outage"


@pytest.fixture(scope="module")
def stores() -> Iterator[dict[str, str]]:
    """Stores that stay up between the defects; only the services on top are started anew."""
    with stack_up() as variables:
        yield {name: variables[name] for name in ("TEST_DATABASE_URL", "TEST_REDIS_URL", "QDRANT_URL")} | {
            "QDRANT_API_KEY": variables["QDRANT_API_KEY"]
        }


def needs_own_servers(defect: Defect) -> bool:
    feature = (ROOT / "features" / defect.caught_by[0]).read_text(encoding="utf-8")
    return NEED_OWN_SERVERS in feature


def run(defects: list[tuple[str, Defect]], stores: dict[str, str], output: Path, **environ: str) -> SuiteRun:
    files = sorted({f"features/{defect.caught_by[0]}" for _name, defect in defects})
    names = [argument for _name, defect in defects for argument in ("-n", re.escape(defect.caught_by[1]))]
    own = any(needs_own_servers(defect) for _name, defect in defects)
    return behave(output, *files, *names, environ={**({} if own else stores), **environ})


def test_without_a_defect_every_one_of_their_scenarios_passes(stores: dict[str, str], tmp_path: Path) -> None:
    chosen = [(name, defect) for name, defect in DEFECTS.items() if not needs_own_servers(defect)]
    done = run(chosen, stores, tmp_path)
    assert done.code == 0, done.printed
    assert done.summary["scenarios"]["passed"] >= len({defect.caught_by for _name, defect in chosen})
    assert done.summary["scenarios"]["skipped"] == 0, done.printed


# One of each kind is seeded in every run of the tests; `make defects` seeds them all.
ALWAYS = {
    "answer-lacks-a-member",
    "cache-key-without-fence",
    "delete-forgets-vectors",
    "dropped-collections-stay",
    "embeddings-mixed-up",
    "filter-ignored",
    "hidden-crash",
    "keys-in-the-log",
    "outage-as-empty-answer",
    "pages-skip-an-item",
    "readers-may-write",
    "vectors-never-written",
}


@pytest.mark.parametrize(
    "name",
    [name if name in ALWAYS else pytest.param(name, marks=pytest.mark.catalogue) for name in DEFECTS],
)
def test_a_defect_is_found_and_named(name: str, stores: dict[str, str], tmp_path: Path) -> None:
    defect = DEFECTS[name]
    variable = f"CITADEL_{defect.service.upper()}_COMMAND"
    command = f"{sys.executable} -m tests.defects.launch {name} -- {defect.service}"
    done = run([(name, defect)], stores, tmp_path, **{variable: command})
    assert done.code == 1, f"{defect.what}: nobody noticed\n{done.printed}"
    said = failures(done.printed, [defect.caught_by[1]])
    assert said, f"{defect.what}: another scenario than expected is red\n{done.printed}"
    text = said[defect.caught_by[1]]
    assert re.search(defect.message, text), f"{defect.what}: the message does not name the cause\n{text}"
