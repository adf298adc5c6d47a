"""What an error tells of the platform's inside is recognised; what a refusal needs to say is not."""

from __future__ import annotations

import pytest

from support.contract.disclosure import disclosed


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("Traceback (most recent call last):", "a stack trace"),
        (r"File \"/app/main.py\", line 3, in insert", "a stack trace"),
        ("object at 0x7f3c2a1b0d90", "a stack trace"),
        ("cannot open /var/lib/postgresql/18/main", "a folder of the server"),
        ("asyncpg refused it", "a part of the program"),
        ("UndefinedTableError: no such table", "an exception"),
        ("SELECT * FROM users WHERE", "a statement of the metadata store"),
        ('relation "users" does not exist', "a statement of the metadata store"),
        ("cannot connect to 127.0.0.1:6379", "the address of a service"),
        ("redis://cache/0 is away", "the address of a service"),
        ("[Errno 111] Connect call failed", "the address of a service"),
    ],
)
def test_the_inside_is_recognised(text: str, what: str) -> None:
    assert what in " ".join(disclosed(text))


@pytest.mark.parametrize(
    "text",
    [
        '{"title": "Internal error", "code": "internal-error", "request_id": "0x"}',
        "must match [A-Za-z0-9][A-Za-z0-9._:/-]{0,127}",
        "a condition is any, or bounds gt, gte, lt, lte",
        "Send a key as X-API-Key or as bearer token. Select one of the documented routes.",
        '{"pointer": "/items/3/vector", "message": "Input should be a valid list"}',
    ],
)
def test_a_plain_refusal_tells_nothing(text: str) -> None:
    assert disclosed(text) == []
