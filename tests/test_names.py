"""Names of what the suite creates: unique, allowed by every store, and they tell their run."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.contract.validator import Contract
from support.isolation.names import Names, Run, slug

DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"
RUNS = st.builds(Run, st.text(DIGITS, min_size=16, max_size=16))
ALIASES = st.text(min_size=1, max_size=200)


def pattern_of(schema: str) -> str:
    """The contract's own rule for a name."""
    return str(Contract.load()._look_up(f"#/components/schemas/{schema}")["pattern"])


# Read before the examples: reading the contract takes longer than one of them may.
COLLECTIONS = pattern_of("CollectionName")


@given(RUNS, st.integers(0, 2000), ALIASES)
def test_a_name_tells_the_run_that_made_it(run: Run, scenario: int, alias: str) -> None:
    name = Names(run, scenario).collection(alias)
    assert Run.of(name) == run
    assert name.startswith(run.prefix)


@pytest.mark.parametrize(
    "name", ["", "handbook", "at_", "at_short_", "at_0123456789ABCDEF_x", "prod_at_0123"]
)
def test_foreign_names_belong_to_no_run(name: str) -> None:
    assert Run.of(name) is None


@given(RUNS, ALIASES, ALIASES)
def test_names_fit_the_contract(run: Run, alias: str, other: str) -> None:
    names = Names(run, 7)
    for each in (alias, other):
        assert re.fullmatch(COLLECTIONS, names.collection(each))


@given(st.lists(ALIASES, min_size=2, max_size=20, unique=True), RUNS)
def test_different_aliases_never_share_a_name_and_one_alias_keeps_its_own(
    aliases: list[str], run: Run
) -> None:
    names = Names(run, 1)
    given_names = [names.collection(alias) for alias in aliases]
    assert len(set(given_names)) == len(given_names)
    assert [names.collection(alias) for alias in aliases] == given_names
    assert [names.alias_of(name) for name in given_names] == aliases
    assert names.collections() == list(zip(aliases, given_names, strict=True))


@given(RUNS, st.integers(0, 2000), st.integers(0, 2000), ALIASES)
def test_scenarios_do_not_meet(run: Run, one: int, other: int, alias: str) -> None:
    first, second = Names(run, one), Names(run, other)
    if one != other:
        assert not first.collection(alias).startswith(second.prefix)


def test_an_unknown_name_is_its_own_alias() -> None:
    assert Names(Run.current(), 1).alias_of("somebody-elses") == "somebody-elses"


@given(st.text())
def test_a_slug_is_plain_and_short(alias: str) -> None:
    assert re.fullmatch(r"[a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?", slug(alias))


def test_no_two_runs_have_one_id_whatever_process_host_or_second_they_start_in() -> None:
    assert len({Run.current().id for _ in range(1000)}) == 1000
