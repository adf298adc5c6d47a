"""What must never be shown: a registry of secret values and the text without them."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Iterable
from urllib.parse import parse_qs, quote, unquote, urlsplit

SHORTEST_SECRET = 6
# Shorter pieces of base64 may stand in any text by chance.
SURE_LENGTH = 12
MASK = "[redacted]"
_IN_AUTHORITY = re.compile(r"(://[^:/?#@]*:)[^/?#@]+@")
_IN_QUERY = re.compile(r"([?&]password=)[^&#]+")


class Secrets:
    """Values that no output may contain. Values shorter than six characters are refused: they mask words."""

    def __init__(self, values: Iterable[str] = ()) -> None:
        self._values: dict[str, str] = {}
        for value in values:
            self.add(value)

    def add(self, value: str | None, label: str = "secret") -> None:
        """Remember ``value`` as secret under ``label``; nothing happens for None or a very short value."""
        if value and len(value) >= SHORTEST_SECRET:
            self._values[value] = label

    def add_password_of(self, url: str | None, label: str) -> None:
        """Remember the password inside a connection URL, if it has one, encoded or not."""
        if not url:
            return
        parts = urlsplit(url)
        for password in (parts.password, *parse_qs(parts.query).get("password", ())):
            self.add(password, label)
            self.add(unquote(password or ""), label)

    def redact(self, text: str) -> str:
        """``text`` with every known secret masked."""
        for value in sorted(self._values, key=len, reverse=True):
            text = text.replace(value, MASK)
        return text

    def found_in(self, text: str) -> list[str]:
        """Labels of the secrets that appear in ``text``; the values themselves are never returned."""
        return sorted({label for value, label in self._values.items() if value in text})

    def found_in_any_form(self, text: str) -> list[str]:
        """Labels of the secrets that appear in ``text`` as they are, or in a form that is easily read."""
        found = {label for value, label in self._values.items() for form in _forms(value) if form in text}
        return sorted(found)

    def found_by(self, search: Callable[[str], list[str]]) -> list[str]:
        """What ``search`` finds for any secret, with the secret's label; the values are never returned."""
        return [f"{label} in {place}" for value, label in self._values.items() for place in search(value)]


def _forms(value: str) -> set[str]:
    """A value as it is, encoded for an address, in hexadecimal, and in base64 alone or inside of more.

    Base64 changes with what stands before: only what lies within whole groups of three letters is the same.
    """
    raw = value.encode()
    ends = [(shift, shift + (len(raw) - shift) // 3 * 3) for shift in range(3)]
    inside = {base64.b64encode(raw[start:end]).decode() for start, end in ends}
    return {value, quote(value, safe=""), raw.hex(), *(each for each in inside if len(each) >= SURE_LENGTH)}


def without_password(url: str) -> str:
    """A connection URL for a person to read: its password masked, however short it is."""
    return _IN_QUERY.sub(rf"\1{MASK}", _IN_AUTHORITY.sub(rf"\1{MASK}@", url))
