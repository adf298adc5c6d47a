"""Lints of features, steps and layers: what behave does not complain about, or only when it is too late."""

from __future__ import annotations

import ast
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from behave.parser import parse_file
from behave.runner_util import load_step_modules
from behave.step_registry import registry

from support.faults import matrix, wording
from support.faults.fault_types import LINK_KINDS, PROCESS_KINDS, TARGETS
from support.plugins import parameter_types, tags
from tests.scenarios import scenarios

ROOT = Path(__file__).resolve().parent.parent
FEATURES = sorted((ROOT / "features").rglob("*.feature"))
STEP_FILES = sorted((ROOT / "steps").glob("*.py"))
SUPPORT_FILES = sorted((ROOT / "support").rglob("*.py"))

AREAS = {
    "environment",
    "end_to_end",
    "cross_service",
    "data_consistency",
    "performance",
    "external_apis",
    "failure_scenarios",
    "security",
}
# The original plan's eight tests, by the key of the scenario that each became.
PLANNED = {
    "complete embedding workflow": "stored-document-found-by-meaning",
    "search and retrieval workflow": "knowledge-base-search-quality",
    "API to Qdrant communication": "accepted-vectors-reach-qdrant",
    "embedding to storage flow": "computed-embedding-is-stored",
    "Qdrant/PostgreSQL sync": "acknowledged-write-in-both-stores",
    "cache consistency": "repeated-search-is-cache-hit",
    "concurrent embedding generation": "concurrent-embeddings-correct",
    "all external providers": "nine-providers-embed",
}
# Words of the wire, which a sentence of the business does not need.
TECHNICAL = re.compile(
    r"https?://|localhost|/v\d+/|\bHTTP\b|\bJSON\b|\b(?:GET|POST|PUT|PATCH|DELETE) /"
    r"|\bSELECT\b|\bINSERT INTO\b|\bUPDATE \w+ SET\b|\bDELETE FROM\b|[{\[]\s*\""
    r"|\bstatus code|\bport \d|\b(?:20[1-9]|4\d\d|5\d\d)\b(?! ms)|\bsleeps?\b|\bwaits? (?:for )?\d",
)
# Of keys that stand for any, in tests of what reads them.
MADE_UP_KEYS = {"memory-kept", "nobody"}
# When and Then; what is given may take more room where a table would be unnatural.
MOST_STEPS, MOST_STEPS_OF_A_FAILURE = 8, 12
LONGEST_STEP_BODY = 6
STEP_DECORATORS = {"given", "when", "then"}
# What the hooks put on behave's context for the steps, and behave's own table and text.
CONTEXT = {"world", "table", "text", "marks", "output"}
# Steps know neither the clients nor the stack; `step` and `execute_steps` hide what a sentence is.
FORBIDDEN_IMPORTS = {
    "httpx",
    "aiohttp",
    "requests",
    "psycopg2",
    "redis",
    "qdrant_client",
    "subprocess",
    "time",
    "steps",
    "support.drivers",
    "support.stack",
    "support.reference",
    "support.waiting",
}
FORBIDDEN_CALLS = {"sleep", "execute_steps", "step", "print", "eval", "exec"}
BRANCHES = (ast.For, ast.While, ast.Try, ast.If, ast.IfExp, ast.With, ast.Return, ast.Assert, ast.Lambda)


@pytest.fixture(scope="module", autouse=True)
def step_definitions() -> None:
    """The step modules as behave loads them, with the suite's own parameter types."""
    parameter_types.install()
    registry.clear()
    load_step_modules([str(ROOT / "steps")])


def features() -> list[Any]:
    return [parse_file(str(path)) for path in FEATURES]


def written() -> Iterator[Any]:
    """Scenarios and outlines as they stand in the files."""
    for feature in features():
        yield from (each for each in feature.walk_scenarios(with_outlines=True) if not _is_row(each))


def rows() -> Iterator[Any]:
    """Scenarios as they run: an outline once per row."""
    for feature in features():
        yield from feature.walk_scenarios()


def _is_row(scenario: Any) -> bool:
    return getattr(scenario, "_row", None) is not None


def _name(scenario: Any) -> str:
    return str(scenario.name).rsplit(" -- @", 1)[0]


def _area(scenario: Any) -> str:
    return Path(scenario.filename).parent.name


def _trees(paths: list[Path]) -> Iterator[tuple[Path, ast.Module]]:
    for path in paths:
        yield path.relative_to(ROOT), ast.parse(path.read_text(encoding="utf-8"))


def _step_functions() -> Iterator[tuple[str, ast.FunctionDef]]:
    for path, tree in _trees(STEP_FILES):
        for node in tree.body:
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                assert isinstance(node, ast.FunctionDef), f"{path}:{node.lineno} is asynchronous"
                yield f"{path}:{node.lineno} {node.name}", node


def _called(node: ast.AST) -> Iterator[str]:
    for each in ast.walk(node):
        if isinstance(each, ast.Call):
            yield _last_name(each.func)


def _last_name(node: ast.AST) -> str:
    return node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""


def _imported(tree: ast.Module) -> Iterator[str]:
    """Dotted names of everything a module imports, also inside functions."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def _within(name: str, package: str) -> bool:
    return name == package or name.startswith(f"{package}.")


# --- features


def test_every_area_has_features() -> None:
    assert {path.parent.name for path in FEATURES} == AREAS
    assert all(path.parent.parent == ROOT / "features" for path in FEATURES)


def test_names_of_scenarios_are_unique_in_the_suite() -> None:
    counts = Counter((_name(scenario)) for scenario in rows())
    assert [name for name, count in counts.items() if count > 1] == []
    features_named = Counter(feature.name for feature in features())
    assert max(features_named.values()) == 1


def test_the_planned_tests_exist_as_smoke_scenarios() -> None:
    smoke = {each.key for each in scenarios() if "smoke" in each.tags}
    assert {plan: key for plan, key in PLANNED.items() if key not in smoke} == {}


def test_keys_are_unique_in_the_suite_and_stand_at_the_scenario() -> None:
    keys = Counter(tag for scenario in written() for tag in scenario.tags if tag.startswith("key."))
    assert [key for key, count in keys.items() if count > 1] == []
    several = [each for each in written() if sum(tag.startswith("key.") for tag in each.tags) > 1]
    assert [str(each.location) for each in several] == []
    elsewhere = [tag for feature in features() for tag in feature.tags if tag.startswith("key.")]
    assert elsewhere == [], "a feature has no key"


def test_every_key_that_is_referred_to_exists() -> None:
    keys = {each.key for each in scenarios()}
    files = [*(ROOT / "tests").rglob("*.py"), *ROOT.rglob("*.md")]
    told = {
        (path.relative_to(ROOT).as_posix(), key)
        for path in files
        if ".venv" not in path.parts
        for key in re.findall(r"(?:@key\.|of_key\(\")([a-z0-9-]+)", path.read_text(encoding="utf-8"))
    }
    assert len(told) > 10
    assert sorted((path, key) for path, key in told if key not in keys and key not in MADE_UP_KEYS) == []


def test_every_feature_says_why_and_uses_no_rule() -> None:
    for feature in features():
        assert 1 <= len(feature.description) <= 4, f"{feature.filename}: two to four lines on why it matters"
        assert not feature.rules, f"{feature.filename}: scenarios under a Rule never reach the report"


def test_tags_are_of_the_closed_families() -> None:
    tagged = [(feature.filename, tag) for feature in features() for tag in feature.tags]
    tagged += [(scenario.location, tag) for scenario in written() for tag in scenario.tags]
    assert [
        (str(place), tag)
        for place, tag in tagged
        if tag not in tags.MEANINGS and not tags.FAMILY.fullmatch(tag)
    ] == []
    assert [(str(place), tag) for place, tag in tagged if tag == "wip"] == []


def test_every_promise_about_data_has_a_scenario() -> None:
    """The others are listed in the results of a run that did not put them to the test."""
    promised = {*(f"G{number}" for number in range(1, 8))}
    promised |= {f"N{number}" for number in (1, 2, 3, 4, 7, 10, 11, 12, 13)}
    tagged = {tag for scenario in written() for tag in scenario.effective_tags}
    assert promised - tagged == set()


def test_every_dependency_is_put_under_every_fault_or_a_reason_is_given() -> None:
    held = Counter(cell for cell in (matrix.cell_of(each.tags) for each in scenarios()) if cell is not None)
    assert {str(cell): held[cell] for cell in matrix.CELLS if held[cell] != (cell not in matrix.WAIVED)} == {}
    # Faults are made elsewhere; what a service dies of has scenarios of its own.
    kinds = {*PROCESS_KINDS, *LINK_KINDS} - {"choke"}
    assert kinds == {matrix.kind_of(fault) for fault in matrix.FAULTS}
    assert set(TARGETS) == set(wording.NAMES)


def test_scenarios_are_short_and_end_in_what_is_observed() -> None:
    for scenario in rows():
        failure = _area(scenario) == "failure_scenarios"
        steps = [step for step in scenario.steps if step.step_type != "given"]
        most = MOST_STEPS_OF_A_FAILURE if failure else MOST_STEPS
        assert len(steps) <= most, f"{scenario.location} has {len(steps)} steps, more than {most}"
        assert any(step.step_type == "when" for step in steps), f"{scenario.location} has no When"
        assert steps[-1].step_type == "then", f"{scenario.location} does not end in what is observed"


def test_backgrounds_are_short_and_only_set_the_scene() -> None:
    for feature in features():
        steps = feature.background.steps if feature.background else []
        assert len(steps) <= 2, feature.filename
        assert {step.step_type for step in steps} <= {"given"}, feature.filename


def test_features_speak_the_language_of_the_business() -> None:
    for scenario in written():
        for text in (scenario.name, *(step.name for step in scenario.steps)):
            found = TECHNICAL.search(text)
            assert not found, f"{scenario.location}: {found and found[0]!r} in {text!r}"
            assert not re.match(r"I\b", text), f"{scenario.location}: third person: {text!r}"
            assert not re.search(r"\bshould\b", text), f"{scenario.location}: the present tense: {text!r}"


def test_a_cell_is_known_by_its_id_and_by_the_words_of_the_features() -> None:
    for cell in matrix.CELLS:
        for tag in (f"fault.{cell.id}", f"fault.{cell}".replace(" ", "_")):
            assert matrix.cell_of(["outage", tag]) == cell
            assert matrix.by_id(tag) == f"fault.{cell.id}"
    for tag in ("fault.redis.burnt", "fault.nobody.cut", "fault.redis", "outage"):
        assert matrix.cell_of([tag]) is None and not matrix.names_a_cell(tag) and matrix.by_id(tag) == tag


def test_every_tag_of_the_matrix_names_a_cell() -> None:
    tagged = [(each.name, tag) for each in scenarios() for tag in each.tags if tag.startswith(matrix.TAG)]
    assert [(name, tag) for name, tag in tagged if not matrix.names_a_cell(tag)] == []


@pytest.mark.parametrize(
    "sentence",
    [
        'a client sends POST /api/v1/vectors with {"text": "x"}',
        "the status code is 201",
        "the answer is 404",
        "SELECT count(*) FROM vectors gives 1",
        "the tester sleeps for 2 seconds",
        "the gateway listens at http://127.0.0.1:8000",
    ],
)
def test_the_language_lint_sees(sentence: str) -> None:
    assert TECHNICAL.search(sentence)


# --- sentences and definitions


def test_every_sentence_has_exactly_one_definition() -> None:
    wrong: list[str] = []
    for scenario in rows():
        for step in scenario.all_steps:
            hits = [each for each in registry.steps[step.step_type] if each.match(step.name)]
            if len(hits) != 1:
                wrong.append(f"{step.location} {step.name!r} -> {[hit.pattern for hit in hits]}")
    assert wrong == [], "undefined or ambiguous"


def test_every_step_function_is_given_when_or_then_and_says_what_it_proves() -> None:
    for place, function in _step_functions():
        decorators = {_last_name(each.func) for each in function.decorator_list if isinstance(each, ast.Call)}
        assert len(function.decorator_list) > 0, f"{place}: not a step; it belongs in support/"
        assert decorators <= STEP_DECORATORS, f"{place}: {decorators}"
        assert ast.get_docstring(function), f"{place}: no docstring"


def test_step_bodies_are_short_and_plain() -> None:
    own = {function.name for _place, function in _step_functions()}
    for place, function in _step_functions():
        body = function.body[1:]
        assert body, f"{place}: does nothing"
        lines = (body[-1].end_lineno or 0) - body[0].lineno + 1
        assert lines <= LONGEST_STEP_BODY, f"{place}: {lines} lines"
        branches = [
            type(node).__name__ for part in body for node in ast.walk(part) if isinstance(node, BRANCHES)
        ]
        assert not branches, f"{place}: {branches} belong in support/"
        direct = {node.func.id for node in ast.walk(function) if _is_plain_call(node)}  # type: ignore[attr-defined]
        assert not direct & own, f"{place}: calls the step {direct & own}"


def _is_plain_call(node: ast.AST) -> bool:
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Name)


def test_steps_touch_only_the_world_and_the_table() -> None:
    for place, function in _step_functions():
        touched = {
            node.attr
            for node in ast.walk(function)
            if isinstance(node, ast.Attribute) and _last_name(node.value) == "context"
        }
        assert touched <= CONTEXT, f"{place}: context.{touched - CONTEXT}"


def test_steps_call_and_import_nothing_forbidden() -> None:
    for path, tree in _trees(STEP_FILES):
        calls = set(_called(tree)) & FORBIDDEN_CALLS
        assert not calls, f"{path} calls {calls}"
        imports = [
            name for name in _imported(tree) if any(_within(name, package) for package in FORBIDDEN_IMPORTS)
        ]
        assert not imports, f"{path} imports {imports}"


def test_every_assertion_has_a_matcher() -> None:
    """``assert_that(value, "text")`` passes for anything true: the second argument is a matcher."""
    for path, tree in _trees([*STEP_FILES, *(ROOT / "support" / "vocabulary").glob("*.py")]):
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and _last_name(node.func) == "assert_that":
                assert len(node.args) >= 2, f"{path}:{node.lineno} has no matcher"
                matcher = node.args[1]
                plain = isinstance(matcher, ast.Constant | ast.JoinedStr) or (
                    isinstance(matcher, ast.Call) and _last_name(matcher.func) in ("str", "repr")
                )
                assert not plain, f"{path}:{node.lineno} has a reason where the matcher belongs"


# --- layers of support/, beyond those in pyproject.toml


def test_only_the_plugins_know_behave_and_allure() -> None:
    packages = ("behave", "allure_behave", "allure_commons", "allure")
    for path, tree in _trees(SUPPORT_FILES):
        if not path.is_relative_to("support/plugins"):
            found = [name for name in _imported(tree) if any(_within(name, each) for each in packages)]
            assert not found, f"{path} imports {found}"


def test_only_waiting_waits() -> None:
    allowed = [
        "support/waiting.py",
        "support/load/engine.py",  # its pauses are the load: arrivals and thinking users
        "support/stack",
        "support/reference",
    ]
    for path, tree in _trees(SUPPORT_FILES):
        if not any(path.is_relative_to(each) for each in allowed):
            assert "sleep" not in set(_called(tree)), f"{path} sleeps"
