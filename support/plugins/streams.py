"""Standard output and formatters' files that take any text, and whose loss does not end the run."""

from __future__ import annotations

import codecs
import contextlib
import os
import re
import sys
from typing import Any, TextIO, cast

import behave.runner
from behave.formatter.base import StreamOpener

from support.printable import printable
from support.reporting import write_errors

# What an encoding cannot express is spelled out.
SPELL_OUT = "backslashreplace"
# What formatters themselves send to a terminal: colours, a line up, a line again. DEL is valid JSON as it is.
SENT_ON_PURPOSE = re.compile("(\x1b\\[[0-9;]*[mAK]|\r|\x7f)")


class EnduringStream:
    """A stream that goes on, silently, when its reader is gone or its disk is full.

    What people may read on a terminal (``spelling``) cannot steer it, whatever it says.
    """

    def __init__(self, stream: TextIO, name: str, *, spelling: bool) -> None:
        self._stream = stream
        self._name = name
        self._spelling = spelling

    def write(self, text: str) -> int:
        """Write, or note that it is lost."""
        if self._spelling and not text.isprintable():
            parts = SENT_ON_PURPOSE.split(text)
            text = "".join(part if number % 2 else printable(part) for number, part in enumerate(parts))
        try:
            return self._stream.write(text)
        except OSError as error:
            self._lose(error)
            return len(text)

    def writelines(self, lines: Any) -> None:
        for line in lines:
            self.write(line)

    def flush(self) -> None:
        """Flush, or note that what is left is lost."""
        try:
            self._stream.flush()
        except OSError as error:
            self._lose(error)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def _lose(self, error: OSError) -> None:
        # What is still in the buffer goes nowhere, else each later flush would fail again, Python's last too.
        with contextlib.suppress(OSError, ValueError):
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, self._stream.fileno())
            os.close(nowhere)
        write_errors.note(self._name, error)


def install() -> None:
    """Make the streams of this process and of behave's formatters endure; a second call changes nothing."""
    if isinstance(sys.stdout, EnduringStream):
        return
    sys.stdout = _enduring(sys.stdout, "standard output")
    sys.stderr = _enduring(sys.stderr, "standard error")
    StreamOpener.open = _open
    behave.runner.make_formatters = _with_enduring_streams(behave.runner.make_formatters)


def _enduring(stream: TextIO | None, name: str) -> TextIO:
    if stream is None:
        # The shell closed it (``>&-``).
        stream = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115  (lives as long as the process)
    if isinstance(stream, EnduringStream):
        return cast(TextIO, stream)
    enduring = EnduringStream(stream, name, spelling=True)
    # What behave has printed so far is written first, or lost now.
    enduring.flush()
    with contextlib.suppress(AttributeError):
        cast(Any, stream).reconfigure(errors=SPELL_OUT)
    return cast(TextIO, enduring)


def _with_enduring_streams(original: Any) -> Any:
    def make_formatters(config: Any, openers: list[Any]) -> Any:
        for opener in openers:
            # behave made these before it read the hooks.
            if opener.stream is not None or opener.name is None:
                opener.stream = _enduring(opener.stream, opener.name or "standard output")
        for reporter in config.reporters:
            if getattr(reporter, "stream", None) is not None:
                reporter.stream = _enduring(reporter.stream, "the summary")
        return original(config, openers)

    return make_formatters


def _open(self: Any) -> Any:
    """What ``StreamOpener.open`` does, for any text."""
    if not self.stream or self.stream.closed:
        self.ensure_dir_exists(os.path.dirname(self.name))
        file = codecs.open(self.name, "w", encoding=self.encoding, errors=SPELL_OUT)  # noqa: SIM115
        self.stream = EnduringStream(cast(TextIO, file), self.name, spelling=False)
        self.should_close_stream = True
    return self.stream
