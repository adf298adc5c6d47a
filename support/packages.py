"""Tells a missing package by name before anything tries to import it. Needs nothing but Python itself."""

from __future__ import annotations

import importlib.metadata
import re
from pathlib import Path

REQUIREMENTS = Path(__file__).resolve().parent.parent / "requirements.txt"
STACK_SECTION = "# --- the embedded stack"
MEND = "pip install -r requirements.txt (or: make acceptance, which does it)"


def pins(*, with_stack: bool = True) -> dict[str, str]:
    """Pinned versions by package name; without the embedded stack's own where a deployed system is tested."""
    text = REQUIREMENTS.read_text()
    if not with_stack:
        text = text.partition(STACK_SECTION)[0]
    return dict(re.findall(r"^([A-Za-z0-9._-]+)==(\S+)", text, re.M))


def problems(*, with_stack: bool = True) -> list[str]:
    """Packages that are missing or not of the pinned version, as sentences."""
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


def ensure_installed() -> None:
    """Raise ``ModuleNotFoundError`` naming what every mode needs and is not there, and the mending."""
    missing = [problem for problem in problems(with_stack=False) if problem.endswith("is missing")]
    if missing:
        raise ModuleNotFoundError(f"{'; '.join(missing)}. Mend it with: {MEND}")
