"""Tells an old Python and a missing package before anything needs them. Itself it needs only Python 3.7."""

from __future__ import annotations

import re
import sys
from pathlib import Path

REQUIREMENTS = Path(__file__).resolve().parent.parent / "requirements.txt"
OLDEST_PYTHON = (3, 11)
STACK_SECTION = "# --- the embedded stack"
FIX = "pip install -r requirements.txt (or: make acceptance, which does it)"


def pins(*, with_stack: bool = True) -> dict[str, str]:
    """Pinned versions by package name; without the embedded stack's own where a deployed system is tested."""
    text = REQUIREMENTS.read_text()
    if not with_stack:
        text = text.partition(STACK_SECTION)[0]
    return dict(re.findall(r"^([A-Za-z0-9._-]+)==(\S+)", text, re.M))


def problems(*, with_stack: bool = True) -> list[str]:
    """Packages that are missing or not of the pinned version, as sentences."""
    import importlib.metadata

    found = []
    for name, version in pins(with_stack=with_stack).items():
        try:
            installed = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            found.append(f"{name}=={version} is missing")
            continue
        if installed != version:
            found.append(f"{name} is {installed}, not {version}")
    return found


def exit_unless_installed() -> None:
    """End the process in one line, exit code 2, if Python is too old or what every mode needs is missing."""
    complaint = _complaint()
    if complaint:
        sys.stderr.write(f"Cannot run: {complaint}\n")
        sys.exit(2)


def _complaint() -> str | None:
    if sys.version_info < OLDEST_PYTHON:
        needed, this = (".".join(map(str, version[:2])) for version in (OLDEST_PYTHON, sys.version_info))
        return f"Python {needed} or newer is needed, this is {this}: start it with a newer one"
    missing = [problem for problem in problems(with_stack=False) if problem.endswith("is missing")]
    return f"{'; '.join(missing)}. Fix it with: {FIX}" if missing else None
