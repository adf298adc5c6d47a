"""Plain English of today: words that nobody says any more, in code, messages and documents."""

from __future__ import annotations

import re

from support.settings import ROOT

# What stands for it now.
ARCHAIC = {
    r"for ever\b": "without end, has no TTL",
    r"\banew\b|\bafresh\b": "again, restarts, re-creates",
    r"otherwise than": "differs from",
    r"worked off": "processed",
    r"well again|\bis whole again": "recovered",
    r"in good order": "gracefully",
    r"turned away": "refused",
    r"\bof use\b": "useful",
    r"in vain": "for nothing",
    r"thrown out": "evicted",
    r"\bspoilt\b": "malformed",
    r"once more\b": "again",
    r"\bshall\b": "must",
    r"\b(un)?lift(s|ed|ing)?\b|\bheal(s|ed|ing)?\b": "ends the fault",
    r"\bmend(s|ed|ing)?\b": "fix",
    r"poisoned environment|environment poisoned": "the fault could not be removed: aborting",
    r"\b(hitherto|therein|thereof|whence|thither|lest)\b": "plain words",
}
PLACES = ("support/**/*.py", "docs/*.md", "*.md", "environment.py", "tests/*.py")
# They have a rule of their own for the words of the features.
ELSEWHERE = ("support/vocabulary/", "tests/test_wording.py")


def test_no_word_is_archaic() -> None:
    found = []
    for path in sorted({path for place in PLACES for path in ROOT.glob(place)}):
        name = str(path.relative_to(ROOT))
        if name.startswith(ELSEWHERE):
            continue
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
            for pattern, plain in ARCHAIC.items():
                if said := re.search(pattern, line):
                    found.append(f"{name}:{number}: {said[0]!r}; say: {plain}")
    assert found == [], "\n".join(found)
