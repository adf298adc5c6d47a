"""What must never be shown: a registry of secret values and the text without them."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterable
from urllib.parse import quote, quote_plus

from support import addresses
from support.addresses import MASK as MASK

SHORTEST_SECRET = 6
# Shorter pieces of base64 may stand in any text by chance.
SURE_LENGTH = 12


class Secrets:
    """Values that no output may contain. Values shorter than six characters are refused: they mask words."""

    def __init__(self, values: Iterable[str] = ()) -> None:
        self._values: dict[str, str] = {}
        self._forms: dict[str, str] = {}
        for value in values:
            self.add(value)

    def add(self, value: str | None, label: str = "secret") -> None:
        """Remember ``value`` as secret under ``label``; nothing happens for None or a very short value."""
        if value and len(value) >= SHORTEST_SECRET:
            self._values[value] = label
            forms = {**self._forms, **dict.fromkeys(_forms(value), label)}
            # The longest first: one may hold another.
            self._forms = dict(sorted(forms.items(), key=lambda form: len(form[0]), reverse=True))

    def add_password_of(self, url: str | None, label: str) -> None:
        """Remember the secrets inside an address; all of it, where it cannot be read."""
        try:
            found = list(addresses.of(url).secrets()) if url else []
        except addresses.AddressError:
            found = [url or ""]
        for secret in found:
            self.add(secret, label)

    def redact(self, text: str) -> str:
        """``text`` with every known secret masked, in any form that is easily read."""
        for form in self._forms:
            text = text.replace(form, MASK)
        return text

    def found_in(self, text: str) -> list[str]:
        """Labels of the secrets that appear in ``text``; the values themselves are never returned."""
        return sorted({label for value, label in self._values.items() if value in text})

    def found_in_any_form(self, text: str) -> list[str]:
        """Labels of the secrets that appear in ``text`` as they are, or in a form that is easily read."""
        return sorted({label for form, label in self._forms.items() if form in text})

    def found_by(self, search: Callable[[str], list[str]]) -> list[str]:
        """What ``search`` finds for any secret, with the secret's label; the values are never returned."""
        return [f"{label} in {place}" for value, label in self._values.items() for place in search(value)]


def _forms(value: str) -> set[str]:
    """A value as it is, as it stands in an address, in JSON or in Python's quotes, in hexadecimal, and in
    base64 alone or inside of more.

    Base64 changes with what stands before: only what lies within whole groups of three letters is the same.
    """
    raw = value.encode("utf-8", "surrogateescape")
    ends = [(shift, shift + (len(raw) - shift) // 3 * 3) for shift in range(3)]
    inside = {base64.b64encode(raw[start:end]).decode() for start, end in ends}
    written = {quote(raw, safe=""), quote(raw), quote_plus(raw), raw.hex(), repr(value)[1:-1]}
    written |= {json.dumps(value)[1:-1], json.dumps(value, ensure_ascii=False)[1:-1]}
    return {value, *written, *(each for each in inside if len(each) >= SURE_LENGTH)}
