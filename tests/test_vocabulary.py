"""The vocabulary page, and what is said of a sentence, a word or a column that does not exist."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml
from behave.parser import parse_feature

from support.contract.promises import PROBLEMS, PROMISES, TARGETS
from support.faults.wording import written as written_faults
from support.plugins import sentences, tags, vocabulary
from support.reporting.vocabulary import PAGE, Vocabulary, as_page, as_text, write
from support.vocabulary import actors, failures, requests, time_limits, words
from support.vocabulary.glossary import GLOSSARY

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="module")
def collected() -> Vocabulary:
    return vocabulary.collect(ROOT)


def complaints(*steps: str) -> list[str]:
    sentences.load(ROOT)
    feature = parse_feature("Feature: F\n  Scenario: S\n" + "\n".join(f"    {step}" for step in steps))
    return sentences.complaints(feature.walk_scenarios())


def test_every_sentence_says_what_it_does(collected: Vocabulary) -> None:
    assert [each.pattern for each in collected.sentences if not each.meaning] == []
    assert [each.pattern for each in collected.asked if not each.meaning] == []
    # The page has an order of its own: what "the same" means would be lost.
    meanings = [each.meaning for each in collected.sentences] + [each.meaning for each in collected.asked]
    assert [meaning for meaning in meanings if meaning.startswith(("The same", "Likewise"))] == []


def test_every_sentence_has_an_example(collected: Vocabulary) -> None:
    definitions = {each.pattern: each for each in sentences.definitions()}
    for each in collected.sentences:
        (first, *_) = each.example()
        assert definitions[each.pattern].regexp.match(first.partition(" ")[2]), (each.pattern, first)


def test_every_parameter_says_what_it_may_be(collected: Vocabulary) -> None:
    assert [each.name for each in collected.parameters if not each.meaning] == []
    named = {each.name: dict(each.words) for each in collected.parameters}
    patterns = [each.pattern for each in collected.sentences] + [each.pattern for each in collected.asked]
    assert {name for pattern in patterns for name in re.findall(r"\{(\w+)\}", pattern)} == {*named}
    for word in words.OF_REQUESTS:
        assert named.get(word.name, dict(word.known)) == dict(word.known), word.name


def test_every_link_of_the_page_leads_somewhere(collected: Vocabulary) -> None:
    page = as_page(collected)
    anchors = re.findall(r' id="([^"]+)"', page)
    assert len(anchors) == len(set(anchors))
    assert {*re.findall(r'href="#([^"]+)"', page)} <= {*anchors}


def test_every_code_of_the_contract_has_a_meaning() -> None:
    contract = yaml.safe_load((ROOT / "support" / "contract" / "openapi.yaml").read_text(encoding="utf-8"))
    assert {*PROBLEMS} == {*contract["components"]["schemas"]["ProblemCode"]["enum"]}


def test_every_request_is_an_example_of_itself() -> None:
    for kind in requests.KINDS:
        assert requests.parse(kind.example).kind is kind, kind.pattern


def test_every_fault_is_worded_once_and_read_back() -> None:
    worded = [wording for wording, *_ in written_faults()]
    assert len(worded) == len(set(worded)) > 40
    for wording, target, failure in written_faults():
        named = failures.parse(wording)
        assert (named.target, named.failure) == (target, failure)


def test_page_and_text_hold_every_sentence_fault_and_promise(collected: Vocabulary, tmp_path: Path) -> None:
    text = as_text(collected)
    for each in collected.sentences:
        assert each.pattern in text
    for wording in [wording for wording, *_ in written_faults()]:
        assert wording in text
    for tag in (*PROMISES, *TARGETS, *tags.MEANINGS):
        assert f"@{tag}" in text
    for word in (*actors.ACTORS, *time_limits.NAMED, *PROBLEMS, *GLOSSARY):
        assert word in text
    path = write(collected, tmp_path / "report")
    page = path.read_text(encoding="utf-8")
    assert path.name == PAGE and page == as_page(collected)
    assert "$" not in re.sub(r"\$\{[\w. ?']+\}", "", page), "the template is filled in"
    assert "src=" not in page and 'href="http' not in page, "the page needs nothing else"


def test_what_is_defined_is_no_complaint() -> None:
    assert complaints('Given the collection "handbook"', 'When a reader searches for "lunch"') == []


def test_a_misspelt_sentence_ends_with_the_nearest_ones() -> None:
    (told,) = complaints('Given the colection "handbook"')
    assert told.startswith("<string>:3: no such sentence: Given the colection")
    assert "Given the collection(s) {ids}(:)" in told and told.count("near:") == sentences.NEAREST


@pytest.mark.parametrize(
    ("step", "expected"),
    [
        ('When an intern searches for "lunch"', "an administrator, an anonymous caller"),
        ('When a reader serches for "lunch"', "{actor} searches for {string}"),
        ("When Qdrant explodes", "Qdrant freezes"),
        (
            "Then within the recovry limit every document is in both stores or in neither",
            '"the recovry limit" is no limit; known are: the PostgreSQL limit',
        ),
    ],
)
def test_an_unknown_word_ends_with_the_list_of_what_exists(step: str, expected: str) -> None:
    (told,) = complaints(step)
    assert expected in told


def test_an_unknown_option_or_request_in_a_table_ends_with_the_list_of_what_exists() -> None:
    (option,) = complaints('When a reader searches for "lunch" with:', "| option | value |", "| limmit | 5 |")
    assert "there is no option 'limmit'; known are: cache, field <name>, filter" in option
    (request,) = complaints(
        "When these requests are made:", "| actor | request |", '| a reader | finds "lunch" |'
    )
    assert "there is no request 'finds \"lunch\"'" in request
