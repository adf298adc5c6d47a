"""The hunt for mutants: a fair sample that can be repeated, and scenarios that really meet the copy."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from support.settings import ROOT
from tests.mutation.__main__ import GATEWAY, NEAREST, Copy, Fate, Mutant, sample, stages_of, write

# Two places with many mutants, eight with one.
MUTANTS = [Mutant("cache", f"core/O{n}", n, 1, place) for place in (1, 2) for n in range(50)]
MUTANTS += [Mutant("search", "core/O", place, place, 1) for place in range(8)]


def test_a_sample_takes_one_mutant_of_a_place_however_many_it_has() -> None:
    places = Counter((mutant.module, mutant.line, mutant.column) for mutant in sample(MUTANTS, 100, 1))
    assert len(places) == 10 and set(places.values()) == {1}


def test_the_same_seed_gives_the_same_sample_and_a_larger_one_begins_with_it() -> None:
    assert sample(MUTANTS, 4, 7) == sample(MUTANTS, 4, 7) == sample(MUTANTS, 9, 7)[:4]
    assert sample(MUTANTS, 9, 7) != sample(MUTANTS, 9, 8)


@pytest.mark.parametrize("module", NEAREST)
def test_the_features_that_a_mutant_meets_exist(module: str) -> None:
    assert (ROOT / GATEWAY / f"{module}.py").is_file()
    for arguments, _own in stages_of(module):
        named = [argument for argument in arguments if argument.startswith("features/")]
        assert named and all((ROOT / name).exists() for name in named), named


def test_a_gateway_of_the_copy_runs_the_code_of_the_copy(tmp_path: Path) -> None:
    copy = Copy(tmp_path, Path("cosmic-ray"))
    copy.check()
    (tmp_path / GATEWAY / "app.py").unlink()
    with pytest.raises(Exception, match="exit status 1"):
        copy.check()


def test_survivors_are_shown_with_their_change(tmp_path: Path) -> None:
    fates = [
        Fate("search:1:2 AddNot", "-if a:\n+if not a:", "", "", 2, 9.0),
        Fate("search:3:4 AddNot", "-if b:\n+if not b:", "It works", "no", 1, 3.0),
    ]
    write(fates, {"killed": 1}, tmp_path)
    page = (tmp_path / "mutants.md").read_text()
    assert "### search:1:2 AddNot\n\n```diff\n-if a:\n+if not a:\n```" in page
    assert "| search:3:4 AddNot | It works | 3 |" in page
