"""What must never be shown is masked wherever it stands, and only its label is ever told."""

from __future__ import annotations

import base64
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.drivers.journal import Journal, union_of_seconds
from support.redaction import MASK, Secrets

VALUES = st.text(alphabet="abcdefghijklmnopqrstuvwxyz0123456789_-", min_size=6, max_size=40)
# What a mask itself consists of cannot be hidden by it.
UNMASKED = VALUES.filter(lambda value: value not in MASK)


@given(st.lists(UNMASKED, min_size=1, max_size=5), st.text(max_size=50))
def test_no_secret_survives(values: list[str], between: str) -> None:
    shown = Secrets(values).redact(between.join(values) + between)
    assert not [value for value in values if value in shown.replace(MASK, "\0")]


def test_a_secret_inside_a_longer_one_does_not_leave_its_rest() -> None:
    secrets = Secrets(["canary", "canary-and-more"])
    assert secrets.redact("key canary-and-more!") == f"key {MASK}!"


@pytest.mark.parametrize("value", [None, "", "short"])
def test_what_would_mask_words_is_no_secret(value: str | None) -> None:
    secrets = Secrets()
    secrets.add(value)
    assert secrets.redact("a short text") == "a short text"


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("postgresql://user:s3cret-word@db:5432/x", f"login {MASK}"),
        ("postgresql://user:s3cret%2Dword@db:5432/x", f"login {MASK}"),
        ("postgresql://db/x?user=u&password=s3cret-word", f"login {MASK}"),
        ("redis://:s3cret-word@cache/1", f"login {MASK}"),
        ("redis://cache/1", "login s3cret-word"),
        (None, "login s3cret-word"),
    ],
)
def test_the_password_of_a_url_is_a_secret(url: str | None, shown: str) -> None:
    secrets = Secrets()
    secrets.add_password_of(url, "password")
    assert secrets.redact("login s3cret-word") == shown


def test_findings_name_the_label_never_the_value() -> None:
    secrets = Secrets()
    secrets.add("canary-1", "key of the editor")
    secrets.add("canary-2", "key of the reader")
    assert secrets.found_in("a log with canary-2 and canary-1") == ["key of the editor", "key of the reader"]
    assert secrets.found_in("a clean log") == []
    found = secrets.found_by(lambda value: ["the cache"] if value == "canary-1" else [])
    assert found == ["key of the editor in the cache"]


def test_the_journal_keeps_no_secret() -> None:
    journal = Journal(Secrets(["canary-1"]))
    with pytest.raises(ValueError, match="canary-1"), journal.call("gateway", "POST canary-1") as call:
        call.detail = "sent canary-1"
        raise ValueError("refused canary-1")
    with journal.call("redis", "PING"):
        pass
    text = journal.text()
    assert "canary" not in text
    assert f"POST {MASK} -> ValueError: refused {MASK}" in text
    assert [entry.driver for entry in journal.since(1)] == ["redis"]


@pytest.mark.parametrize(
    ("spans", "seconds"),
    [([], 0.0), ([(1, 3), (2, 4)], 3.0), ([(5, 6), (1, 2)], 2.0), ([(1, 9), (2, 3)], 8.0)],
)
def test_overlapping_calls_count_once(spans: list[tuple[float, float]], seconds: float) -> None:
    assert union_of_seconds(spans) == seconds


@given(UNMASKED.filter(lambda value: len(value) >= 16), st.binary(max_size=5), st.binary(max_size=5))
def test_a_secret_is_found_in_every_form_that_is_easily_read(value: str, before: bytes, after: bytes) -> None:
    secrets = Secrets()
    secrets.add(value, "canary")
    raw = value.encode()
    encoded = base64.b64encode(before + raw + after).decode()
    for text in (f"({value})", raw.hex(), encoded, quote(value, safe="")):
        assert secrets.found_in_any_form(f"it says {text}.") == ["canary"]


def test_what_only_looks_like_a_form_of_a_secret_is_none() -> None:
    secrets = Secrets(["canary-0123456789-abcdef"])
    assert secrets.found_in_any_form("canary-0123456789-abcde ZGVm Y2FuYXJ5 63616e617279") == []
