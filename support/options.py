"""Options of commands: what each may hold, said in one line that names the option, with exit code 2."""

from __future__ import annotations

import argparse
import contextlib
import math
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NoReturn

from support.printable import printable, quoted

REFUSED = 2
LONGEST_MESSAGE = 300


class Parser(argparse.ArgumentParser):
    """Takes no abbreviation and no option twice, and complains in one line without a password."""

    def __init__(self, **named: Any) -> None:
        super().__init__(**{"allow_abbrev": False, **named})
        self.register("action", None, _Once)
        self.register("action", "store", _Once)

    def error(self, message: str) -> NoReturn:
        """End the process."""
        print(f"{self.prog}: {one_line(message)}; --help lists what there is", file=sys.stderr)
        raise SystemExit(REFUSED)


class _Once(argparse._StoreAction):
    """Stores a value; a second one would silently replace the first."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: str | Sequence[Any] | None,
        option_string: str | None = None,
    ) -> None:
        given: set[str] = namespace.__dict__.setdefault("_given", set())
        if option_string is not None and self.dest in given:
            raise argparse.ArgumentError(self, "is given twice")
        given.add(self.dest)
        super().__call__(parser, namespace, values, option_string)


def one_line(message: str) -> str:
    """A message for people in one line, cut, and without what may hold a password."""
    words = ["[not shown]" if "://" in word or "@" in word else printable(word) for word in message.split()]
    line = " ".join(words)
    return line if len(line) <= LONGEST_MESSAGE else f"{line[:LONGEST_MESSAGE]}..."


def whole(lowest: int, highest: int) -> Callable[[str], int]:
    """A whole number from ``lowest`` to ``highest``."""

    def parse(text: str) -> int:
        plain = text.isascii() and text.isdecimal() and len(text) <= len(str(highest))
        if not plain or not lowest <= int(text) <= highest:
            raise argparse.ArgumentTypeError(f"{quoted(text)} is no whole number from {lowest} to {highest}")
        return int(text)

    return parse


def seconds(text: str) -> float:
    """A time in seconds, up to a week."""
    week = 7 * 86_400
    with contextlib.suppress(ValueError):
        number = float(text) if text.isascii() else math.nan
        if 0 < number <= week:
            return number
    raise argparse.ArgumentTypeError(f"{quoted(text)} is no number of seconds above 0, up to {week}")


def words(text: str) -> str:
    """A text that is not empty and can be printed."""
    if not text.strip() or not text.isprintable():
        raise argparse.ArgumentTypeError(f"{quoted(text)} is empty or cannot be printed")
    return text


def folder(text: str) -> Path:
    """A folder that is there."""
    with contextlib.suppress(OSError):
        if Path(words(text)).is_dir():
            return Path(text)
    raise argparse.ArgumentTypeError(f"{quoted(text)} is no folder that is there")


def place(text: str) -> Path:
    """A folder to make or to use."""
    if "://" in words(text):
        raise argparse.ArgumentTypeError("an address is no folder")
    return Path(text)


def new_file(text: str) -> Path:
    """A file that can be written."""
    path = Path(words(text))
    try:
        there = path.exists()
        path.open("ab").close()
        if not there:
            path.unlink()
    except OSError as error:
        raise argparse.ArgumentTypeError(
            f"{quoted(text)} cannot be written ({error.strerror}): name a file in a folder that is there"
        ) from None
    return path


def new_file_or_output(text: str) -> str:
    """A file that can be written, or ``-`` for standard output."""
    return text if text == "-" else str(new_file(text))
