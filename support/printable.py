"""Text as it may be shown: a terminal obeys none of it, XML and UTF-8 can hold all of it."""

from __future__ import annotations

import json
import re

# Control characters but tab and line feed, halves of surrogate pairs, what Unicode calls no character, and
# the marks that turn the direction of what stands around them.
_UNSAFE = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069"
    "\ud800-\udfff\ufdd0-\ufdef"
    + "".join(f"{chr(plane * 0x10000 + 0xFFFE)}{chr(plane * 0x10000 + 0xFFFF)}" for plane in range(17))
    + "]"
)


def printable(text: str) -> str:
    """``text`` with what cannot or must not be printed spelled out: ``\\x1b``, ``\\ud800``.

    Tab and line feed stay; what is printable stays as it is, so that a second time changes nothing.
    """
    return _UNSAFE.sub(_spelled, text.replace("\r\n", "\n"))


def printable_all(value: object) -> object:
    """``value`` as data for JSON, every text in it printable; what JSON does not know becomes text."""
    if isinstance(value, str):
        return printable(value)
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, dict):
        return {printable(str(key)): printable_all(each) for key, each in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [printable_all(each) for each in value]
    return printable(str(value))


def as_json(value: object, indent: int | None = None) -> str:
    """``value`` as JSON that every reader takes: no control character, no half of a pair in it."""
    return json.dumps(printable_all(value), indent=indent, ensure_ascii=False)


def quoted(text: str, longest: int = 60) -> str:
    """What a user gave, for a message of one line: printable, in quotes, cut, without a password in it."""
    if "://" in text or "@" in text:
        return "what was given (not shown: it may hold a password)"
    shown = printable(text).replace("\n", "\\n").replace("\t", "\\t")
    return f'"{shown[:longest]}..."' if len(shown) > longest else f'"{shown}"'


def _spelled(found: re.Match[str]) -> str:
    code = ord(found[0])
    if code < 0x100:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
