"""Every variable fed with rubbish: one line that names it and quotes nothing, or taken without harm."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from support import doctor
from support.settings import PROVIDER_KEYS, PROVIDER_URLS, VARIABLES, Settings, SettingsError
from tests.running import support

# Stands for what nobody may see; a part of each kind of rubbish that can hold it.
WORD = "Geheim0Geheim0Geheim0"
RUBBISH = {
    "blanks": " \t ",
    "a word": WORD,
    "NUL": f"{WORD}\0{WORD}",
    "a control character": f"{WORD}\x1b[31m",
    "a newline": f"{WORD}\n{WORD}",
    "bytes that are no text": os.fsdecode(b"\xff\xfe" + WORD.encode()),
    "emoji": f"{WORD}\N{FIRE}",
    "very long": WORD * 1000,
    "negative": "-1",
    "a huge number": "9" * 5000,
    "a large number": "99999999999",
    "not a number": "nan",
    "infinite": "inf",
    "half an address": "[::1",
    "half an address with a scheme": f"postgresql://u:{WORD}@[::1",
    "a port that is none": f"http://{WORD}:99999",
    "the wrong scheme": f"gopher://u:{WORD}@h/x",
    "no scheme": f"u:{WORD}@h/x",
    "a slash missing": f"redis:/:{WORD}@h/0",
    "a slash in the password": f"redis://:{WORD}/x@h/0",
    "a hash in the password": f"postgresql://u:{WORD}#x@h/d",
    "a question mark in the password": f"https://u:{WORD}?x@h",
    "an at in the password": f"postgresql://u:{WORD}@x@h/d",
    "a token as the user": f"redis://{WORD}@h",
    "a token for Qdrant": f"https://{WORD}@h:6333",
    "an unknown option": f"redis://h/0?{WORD}={WORD}",
    "an unknown option of libpq": f"postgresql://h/d?{WORD}={WORD}",
    "pairs": f"host=h password='{WORD} sslmode=x",
    "quotes": f"\"{WORD}'",
    "a directory": "/tmp",
    "no file": f"/no/such/{WORD}",
    "a percent sign": f"postgresql://u:{WORD}%@h/d",
    "commas": ",,,,",
    "a long name": f"http://{'a' * 300}.example",
}
OF_A_PROVIDER = {*PROVIDER_KEYS.values(), *(variable for variable, _usual in PROVIDER_URLS.values())}
# What these hold is a name, and is shown.
NAMES = {"CITADEL_ENVIRONMENT", "INTEGRATION_TEST_HOST", "CITADEL_GATEWAY_URL"}
ALL = sorted({*VARIABLES.values(), "CITADEL_GATEWAY_URL", *OF_A_PROVIDER})


@pytest.mark.parametrize("variable", ALL)
def test_bad_input_is_refused_in_a_line_or_does_no_harm(variable: str) -> None:
    wrong = {kind: told for kind, value in RUBBISH.items() if (told := _taken(variable, value))}
    assert wrong == {}


def _taken(variable: str, value: str) -> str:
    """What is wrong with how a value is taken, if anything."""
    # The address of a provider alone asks for nothing: only with a key is it looked at.
    keys = {url: PROVIDER_KEYS[provider] for provider, (url, _usual) in PROVIDER_URLS.items()}
    key = {keys[variable]: "a-key-for-the-provider"} if variable in keys else {}
    try:
        settings = Settings.load({variable: value, **key}, dotenv=None)
    except SettingsError as refused:
        told = str(refused)
        good = told.startswith(variable) and told.isprintable() and WORD not in told
        return "" if good else told
    if settings.faults:
        found = doctor._faults(settings)
        return (
            "" if not found.ok and found.seen.isprintable() and "CITADEL_FAULTS" in found.fix else str(found)
        )
    return repr(settings) if variable not in NAMES and WORD in repr(settings) else ""


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("TEST_PARALLEL_WORKERS=3\n".encode("utf-16"), "UTF-8"),
        ("TEST_PARALLEL_WORKERS=3\n".encode("utf-16-le"), "UTF-8"),
        (b"CITADEL_ENVIRONMENT=\xe4\xf6\n", "UTF-8"),
        (b"CITADEL_ENVIRONMENT=a\0b\n", "UTF-8"),
    ],
)
def test_a_file_of_settings_in_another_encoding_is_refused(
    content: bytes, words: str, tmp_path: Path
) -> None:
    file = tmp_path / ".env"
    file.write_bytes(content)
    with pytest.raises(SettingsError, match=words) as refused:
        Settings.load({}, dotenv=file)
    assert "\n" not in str(refused.value)


def test_a_file_of_settings_may_begin_with_a_mark_of_its_encoding(tmp_path: Path) -> None:
    file = tmp_path / ".env"
    file.write_bytes(b"\xef\xbb\xbfTEST_PARALLEL_WORKERS=3\n")
    assert Settings.load({}, dotenv=file).workers == 3


def test_a_directory_in_place_of_the_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="cannot be read"):
        Settings.load({}, dotenv=tmp_path)


@pytest.mark.parametrize(
    ("command", "variable", "value"),
    [
        ("doctor", "TEST_DATABASE_URL", f"postgresql://u:{WORD}/x@h/d"),
        ("clean", "TEST_REDIS_URL", f"redis://{WORD}@h"),
        ("audit", "QDRANT_URL", f"https://{WORD}@h"),
        ("doctor", "TEST_PARALLEL_WORKERS", os.fsdecode(b"\xff")),
    ],
)
def test_the_commands_end_with_one_line_and_code_2(command: str, variable: str, value: str) -> None:
    done = support(command, environ={variable: value})
    assert done.returncode == 2
    assert len(done.stdout.splitlines()) == 1, done.stdout
    assert done.stdout.startswith(variable)
    assert WORD not in done.stdout
