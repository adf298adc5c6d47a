"""The hostile strings: each place of the vocabulary is one that a request knows, and no string is a name."""

from __future__ import annotations

import re

from support.vocabulary import words
from support.vocabulary.requests import hostile

COLLECTION = r"[a-z][a-z0-9_]{0,62}"
ID = r"[A-Za-z0-9][A-Za-z0-9._:-]{0,127}"


def test_every_place_of_the_vocabulary_has_its_request() -> None:
    assert set(words.PLACES) == set(hostile.PLACES)


def test_no_hostile_string_is_a_name() -> None:
    assert not [each for each in hostile.STRINGS.values() if re.fullmatch(ID, each)]
    assert not [each for each in hostile.STRINGS.values() if re.fullmatch(COLLECTION, each)]
