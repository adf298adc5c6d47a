"""Texts for scenarios that need many: distinct, plain, and the same in every run."""

from __future__ import annotations

_SUBJECTS = (
    "The archive",
    "The boiler",
    "The canteen",
    "The delivery",
    "The elevator",
    "The forecast",
    "The garage",
)
_EVENTS = (
    "is inspected every spring",
    "was moved to the second floor",
    "needs a signed form",
    "is closed on public holidays",
    "has been repaired twice",
    "costs less than last year",
    "is described in the handbook",
    "opens at seven in the morning",
    "was praised by visitors",
    "depends on the weather",
    "is paid for by the head office",
)


# A word of one token: the window of a model is counted in tokens.
_WORD = "window"


def of_words(count: int) -> str:
    """A text of so many words."""
    return " ".join([_WORD] * count)


def sentences(count: int, about: str = "") -> list[str]:
    """``count`` different sentences; ``about`` makes them different from those of another scenario."""
    made = []
    for number in range(count):
        subject = _SUBJECTS[number % len(_SUBJECTS)]
        event = _EVENTS[(number // len(_SUBJECTS)) % len(_EVENTS)]
        made.append(f"{subject} {event}, says note {number}{f' of {about}' if about else ''}.")
    return made
