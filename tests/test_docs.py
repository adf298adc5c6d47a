"""The documents for readers say what the code says: nothing undocumented, nothing invented, no dead link."""

from __future__ import annotations

import argparse
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from behave.parser import parse_feature

from support.__main__ import parser
from support.contract.promises import PROMISES, TARGETS
from support.faults import fault_types
from support.plugins import sentences, tags, user_options
from support.settings import PROVIDER_KEYS, PROVIDER_URLS, ROOT, VARIABLES
from support.stack import stack
from tests import architecture, bench_audit
from tests.defects import proof
from tests.defects.catalogue import DEFECTS
from tests.mutation import __main__ as mutation

DOCS = ROOT / "docs"
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md", *sorted(DOCS.glob("*.md"))]
REFERENCE = (DOCS / "reference.md").read_text(encoding="utf-8")
OWN_PLATFORM = (DOCS / "own-platform.md").read_text(encoding="utf-8")
# The suite's own tests read them, or the libraries that the suite uses.
OTHER_VARIABLES = {"CITADEL_GATEWAY_URL", "ATTACHED_DATABASE_URL", "ATTACHED_REDIS_URL"}
README_LINES = 120


def section(page: str, title: str) -> str:
    """What stands below a heading, up to the next of its level or above."""
    level, rest = re.findall(rf"^(#+) {re.escape(title)}\n(.*)", page, re.MULTILINE | re.DOTALL)[0]
    return re.split(rf"^#{{1,{len(level)}}} ", rest, maxsplit=1, flags=re.MULTILINE)[0]


def first_cells(text: str) -> list[str]:
    """What stands in backquotes in the first column of the tables."""
    rows = re.findall(r"^\| (`.*?) \|", text, re.MULTILINE)
    return [name for row in rows for name in re.findall(r"`([^`]+)`", row)]


def options_of(command: argparse.ArgumentParser) -> set[str]:
    return {
        name
        for action in command._actions
        for name in action.option_strings
        if name.startswith("--") and name != "--help"
    }


def documented(title: str) -> set[str]:
    return {cell.split()[0] for cell in first_cells(section(REFERENCE, title)) if cell.startswith("--")}


def commands() -> dict[str, argparse.ArgumentParser]:
    (found,) = (action for action in parser()._actions if isinstance(action, argparse._SubParsersAction))
    return dict(found.choices)


@pytest.mark.parametrize("name", [*commands()])
def test_every_command_is_documented_with_its_options(name: str) -> None:
    assert f"`python -m support {name}" in section(REFERENCE, name)
    assert documented(name) == options_of(commands()[name])


def test_no_command_is_invented() -> None:
    told = set(re.findall(r"^### (\w+)$", section(REFERENCE, "python -m support"), re.MULTILINE))
    assert told == {*commands()}
    everywhere = "\n".join(page.read_text(encoding="utf-8") for page in PAGES)
    assert set(re.findall(r"python -m support (\w+)", everywhere)) <= {*commands()}


@pytest.mark.parametrize(
    ("name", "main"),
    [
        ("tests.defects.proof", proof.main),
        ("tests.mutation", mutation.main),
        ("tests.bench_audit", bench_audit.main),
    ],
)
def test_every_tool_of_the_tests_is_documented_with_its_options(
    name: str, main: Callable[[list[str]], int], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        main(["--help"])
    offered = set(re.findall(r"^  (--[a-z-]+)", capsys.readouterr().out, re.MULTILINE))
    assert documented(name) == offered


def test_the_targets_of_make_are_documented() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = re.findall(r"^([a-z]+):.*##", makefile, re.MULTILINE)
    told = section(REFERENCE, "make")
    assert {*first_cells(told)} == {f"make {name}" for name in targets}
    used = set(re.findall(r"\$\(([A-Z]+)\)|\(or \$\(([A-Z]+)\)", makefile))
    taken = {name for pair in used for name in pair if name} - {"VENV", "RUN", "SDKS", "MAKEFILE"}
    assert set(re.findall(r"`([A-Z]+)=", told)) == taken


def test_the_options_of_a_run_are_documented() -> None:
    told = set(re.findall(r"`-D (\w+)=", section(REFERENCE, "behave")))
    # Only to name the one place where Allure's results lie anyway.
    assert told == {*user_options.PARSERS} - {"allure_results"}
    everywhere = "\n".join(page.read_text(encoding="utf-8") for page in PAGES)
    assert set(re.findall(r"-D (\w+)=", everywhere)) <= told


def known_variables() -> set[str]:
    addresses = {variable for variable, _usual in PROVIDER_URLS.values()}
    return {*VARIABLES.values(), *PROVIDER_KEYS.values(), *addresses, *OTHER_VARIABLES}


def test_every_variable_is_documented_and_none_is_invented() -> None:
    told = re.findall(r"`([A-Z][A-Z0-9_]{3,})`", "\n".join(_rows(section(REFERENCE, "Variables"))))
    assert set(told) == known_variables()


def _rows(text: str) -> Iterator[str]:
    return (line for line in text.splitlines() if line.startswith("| "))


def test_the_example_of_a_file_of_variables_holds_known_ones() -> None:
    example = (ROOT / ".env.example").read_text(encoding="utf-8")
    assert set(re.findall(r"^#([A-Z_]+)=", example, re.MULTILINE)) <= known_variables()


def test_a_gateway_of_ones_own_is_told_every_variable_that_it_gets() -> None:
    source = Path(stack.__file__).read_text(encoding="utf-8")
    given = set(re.findall(r'"(GATEWAY_[A-Z_]+)"', source))
    given |= {f"GATEWAY_PROVIDER_<NAME>{end}" for end in re.findall(r'\{variable\}(_[A-Z]+)"', source)}
    assert {cell for cell in first_cells(OWN_PLATFORM) if cell.startswith("GATEWAY_")} == given
    assert all(name.upper() in OWN_PLATFORM for name in stack.PROVIDER_PATHS)


def test_every_tag_is_documented_with_its_meaning() -> None:
    told = {cell.removeprefix("@") for cell in first_cells(section(REFERENCE, "Tags"))}
    plain = {tag for tag in told if re.fullmatch(r"[a-z]+", tag)}
    assert plain == {*tags.MEANINGS}
    told_families = {tag.partition("=")[0] for tag in told - plain}
    shown = {part.partition("=")[0] for part in re.findall(r"[^\s,]+", " ".join(tags.FAMILIES))}
    assert told_families == shown - {"..."}
    assert {"G7", "N15"} <= {*PROMISES} and not {"G8", "N16"} & {*PROMISES} and TARGETS


def test_every_fault_is_documented_with_its_servers() -> None:
    told = section(REFERENCE, "Faults")
    every = {kind for target in fault_types.TARGETS for kind in fault_types.kinds_of(target)}
    assert set(first_cells(told)) == every
    for row in re.findall(r"^\| (`.*?) \| (.*?) \|", told, re.MULTILINE):
        for kind in re.findall(r"`([^`]+)`", row[0]):
            of = {target for target, kinds in fault_types.STATE_KINDS.items() if kind in kinds}
            assert not of or of == set(row[1].split(", ")), kind


def modules() -> set[str]:
    """The packages and modules of ``support/``; of the one that has layers inside it, its modules."""
    found = set()
    for path in (ROOT / "support").iterdir():
        if path.name == "lifecycle":
            found |= {f"lifecycle.{each.stem}" for each in path.glob("[!_]*.py")}
        elif path.suffix == ".py" or (path / "__init__.py").exists():
            found.add(path.stem)
    return found - {"__init__"}


def test_the_picture_of_the_architecture_is_that_of_the_code() -> None:
    drawn = architecture.PICTURE.read_text(encoding="utf-8")
    assert drawn == architecture.picture(), "make lint draws it again"
    assert set(re.findall(r'data-module="([^"]+)"', drawn)) == modules()
    every = {*fault_types.TARGETS, "links"}
    assert (
        set(re.findall(r'data-server="([^"]+)"', drawn))
        == every
        == {each.name for each in architecture.servers()}
    )
    assert all((ROOT / path).exists() for path in re.findall(r'data-path="([^"]+)"', drawn))


def test_the_architecture_says_where_every_part_is_changed() -> None:
    page = (DOCS / "architecture.md").read_text(encoding="utf-8")
    told = set(re.findall(r"`support/([a-z_]+)", section(page, "Where to change what")))
    assert told == {module.partition(".")[0] for module in modules()}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_scenario_that_a_document_shows_can_be_run(page: Path) -> None:
    sentences.load(ROOT)
    for shown in re.findall(r"```gherkin\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL):
        if "Scenario:" in shown:
            feature = parse_feature(shown if "Feature:" in shown else f"Feature: F\n{shown}")
            assert sentences.complaints(feature.walk_scenarios()) == []


def test_the_defect_of_the_guide_exists() -> None:
    guide = (DOCS / "write-a-scenario.md").read_text(encoding="utf-8")
    named = re.findall(r"tests.defects.launch ([a-z-]+) -- gateway", guide)
    assert named and {*named} <= {*DEFECTS}


def test_the_readme_is_short() -> None:
    assert len((ROOT / "README.md").read_text(encoding="utf-8").splitlines()) <= README_LINES


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_leads_somewhere(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    for target in re.findall(r"\]\(([^)]+)\)", text):
        if target.startswith(("http://", "https://")):
            continue
        path, _, anchor = target.partition("#")
        file = (page.parent / path).resolve() if path else page
        assert file.exists(), f"{page.name} links to {target}"
        if anchor:
            assert anchor in anchors(file), f"{page.name} links to {target}"


def anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", each.lower()).replace(" ", "-") for each in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_file_that_a_document_names_exists(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    named = re.findall(r"`((?:features|steps|support|tests|docs)/[\w./-]*)`", text)
    # The guide has its reader write a feature of his own.
    missing = [name for name in named if not (ROOT / name).exists() and page.name != "write-a-scenario.md"]
    assert missing == []
