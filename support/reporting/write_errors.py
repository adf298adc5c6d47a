"""Results that could not be written: told at once and once each, and the run is not green because of them."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator

from support.printable import printable

# What was lost in this process, as sentences.
LOST: list[str] = []


@contextlib.contextmanager
def kept(what: str) -> Iterator[None]:
    """Go on without ``what`` if it cannot be written: a full disk, a folder that is gone."""
    try:
        yield
    except OSError as error:
        note(what, error)


def note(what: str, error: OSError) -> None:
    """Remember that ``what`` is lost; the first time say so on standard error."""
    reason = printable(error.strerror or type(error).__name__)
    sentence = f"{what} could not be written: {reason}"
    if sentence in LOST:
        return
    LOST.append(sentence)
    with contextlib.suppress(OSError, ValueError):
        print(f"\n{sentence}; the run goes on without it and will not be green", file=sys.stderr, flush=True)
