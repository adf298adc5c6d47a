"""What nobody expected: one line for people, the details in a file, no secret in either."""

from __future__ import annotations

import contextlib
import tempfile
import traceback
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from support.printable import printable

FILE = "errors.log"
LONGEST = 300


def noted(error: BaseException, redact: Callable[[str], str], folder: Path | None) -> str:
    """One line about ``error``, which names the file that holds the details.

    The file lies in ``folder``, or where temporary files lie if it cannot.
    """

    def shown(text: str) -> str:
        return printable(redact(text))

    message = " ".join(shown(str(error)).split())
    line = f"{type(error).__name__}: {message[:LONGEST]}" if message else type(error).__name__
    details = shown("".join(traceback.format_exception(error)))
    for place in (folder, Path(tempfile.gettempdir(), "citadel-acceptance")):
        if place is None:
            continue
        with contextlib.suppress(OSError):
            place.mkdir(parents=True, exist_ok=True)
            with (place / FILE).open("a", encoding="utf-8") as file:
                file.write(f"{datetime.now(UTC).isoformat(timespec='seconds')}\n{details}\n")
            return f"{line}; the details are in {place / FILE}"
    return line
