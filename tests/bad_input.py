"""What users give by mistake, or on purpose, where something else is wanted."""

from __future__ import annotations

from pathlib import Path

SECRET = "hunter2-canary"
TEXTS = {
    "nothing": "",
    "blanks": "   ",
    "an emoji": "🙂",
    "half a pair": "\udcff\udcfe",
    "control characters": "\x1b[2J\x07\x01",
    "a line feed": "a\nb",
    "a very long word": "x" * 5000,
    "a negative number": "-1",
    "zero": "0",
    "a huge number": "9" * 400,
    "a fraction": "1.5",
    "infinity": "inf",
    "not a number": "nan",
    "an exponent": "1e999",
    "other digits": "٣",
    "a word": "rubbish",
    "an option": "--help-me",
    "an address with a password": f"postgresql://me:{SECRET}@127.0.0.1:1/x",
    "a path of nobody": "/proc/1/nothing/here",
    "a path upwards": "../../../../../../proc/nothing",
    "JSON": '{"a": [1]}',
}


def files(folder: Path) -> dict[str, str]:
    """Paths of things that are not what was wanted, made in ``folder``."""
    (folder / "directory").mkdir()
    (folder / "foreign").mkdir()
    (folder / "foreign" / "thesis.txt").write_text("mine")
    (folder / "binary").write_bytes(bytes(range(256)))
    (folder / "empty").write_bytes(b"")
    (folder / "deep.json").write_text("[" * 100_000)
    (folder / "numbers.json").write_text('{"a": NaN, "b": -1, "c": "x"}')
    (folder / "loop").symlink_to(folder / "loop")
    return {
        "a directory": str(folder / "directory"),
        "somebody's directory": str(folder / "foreign"),
        "a missing file": str(folder / "missing"),
        "a binary file": str(folder / "binary"),
        "an empty file": str(folder / "empty"),
        "a file as a directory": str(folder / "empty" / "below"),
        "JSON that is too deep": str(folder / "deep.json"),
        "JSON of another kind": str(folder / "numbers.json"),
        "a link to itself": str(folder / "loop"),
    }
