"""How an actor sends a key: the forms that are promised, and what is no valid key although it comes near."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from support.vocabulary import tables
from support.world import World

KEY = "X-API-Key"
BEARER = "Authorization"


@dataclass(frozen=True, slots=True)
class Shown:
    """What a request shows of a key: the key, sent as usual, or headers and parameters of the query."""

    key: str = ""
    headers: Mapping[str, str | Sequence[str]] = field(default_factory=dict)
    query: Mapping[str, str] = field(default_factory=dict)


def _headers(**lines: str | Sequence[str]) -> Shown:
    return Shown(headers={name.replace("_", "-"): value for name, value in lines.items()})


def _basic(key: str) -> Shown:
    return _headers(Authorization="Basic " + base64.b64encode(f"admin:{key}".encode()).decode())


def _anywhere(names: Sequence[str], key: str) -> dict[str, str]:
    return dict.fromkeys(names, key)


# Each with its meaning, made of the actor's key and a reader's.
FORMS: Mapping[str, tuple[str, Callable[[str, str], Shown]]] = {
    "as a bearer token": ("promised", lambda key, _other: _headers(Authorization=f"Bearer {key}")),
    "with a scheme in small letters": (
        "promised",
        lambda key, _other: _headers(Authorization=f"bearer {key}"),
    ),
    "with a header name in capitals": ("promised", lambda key, _other: Shown(headers={KEY.upper(): key})),
    "in both headers": (
        "promised",
        lambda key, _other: Shown(headers={KEY: key, BEARER: f"Bearer {key}"}),
    ),
    "without its last character": ("one too few", lambda key, _other: Shown(key[:-1])),
    "with one more character": ("one too many", lambda key, _other: Shown(key + "a")),
    "in the other case": ("capitals for small letters", lambda key, _other: Shown(key.swapcase())),
    "cut to 8 characters": ("its beginning", lambda key, _other: Shown(key[:8])),
    "as its SHA-256 hash": (
        "what the platform stores",
        lambda key, _other: Shown(hashlib.sha256(key.encode()).hexdigest()),
    ),
    "in the query": (
        "under every usual name",
        lambda key, _other: Shown(query=_anywhere(("api_key", "apikey", "key", "token", KEY), key)),
    ),
    "in a cookie": ("under the name of the header", lambda key, _other: _headers(Cookie=f"{KEY}={key}")),
    "as a Basic password": ("of the user admin", lambda key, _other: _basic(key)),
    "without its scheme": ("in Authorization", lambda key, _other: _headers(Authorization=key)),
    "in other headers": (
        "which other platforms use",
        lambda key, _other: Shown(
            headers=_anywhere(("X-Auth-Token", "X-Access-Key", "Proxy-Authorization"), key)
        ),
    ),
    "left empty": ("the header without a value", lambda _key, _other: Shown(headers={KEY: ""})),
    "replaced by an SQL condition": (
        "always true",
        lambda _key, _other: Shown(headers={KEY: "' OR '1'='1' --"}),
    ),
    "beside another one": (
        "another key in the other header",
        lambda key, other: Shown(headers={KEY: other, BEARER: f"Bearer {key}"}),
    ),
    "after another one": (
        "the header twice, another key first",
        lambda key, other: Shown(headers={KEY: [other, key]}),
    ),
    "after a comma": ("two keys in one header", lambda key, other: Shown(headers={KEY: f"{other}, {key}"})),
}


def read(text: str) -> str:
    """A form of ``FORMS``. Raises ``TableError`` for another word."""
    form = str(tables.words(text))
    if form not in FORMS:
        raise tables.unknown("form of a key", form, FORMS)
    return form


def shown(world: World, key: str, form: str | None) -> Shown:
    """What a request shows of a key in one of ``FORMS``, or as usual."""
    return Shown(key) if form is None else FORMS[form][1](key, world.citadel.keys["reader"])
