"""Takes secrets and unprintable characters out of what failed, before any formatter or reporter sees it.

Names, tables and texts of the features are left as they are, because steps get them; each report that shows
them takes care of them itself.
"""

from __future__ import annotations

from typing import Any

from behave.formatter.base import Formatter, StreamOpener

from support.plugins import worker_context


class Cleaner(Formatter):  # type: ignore[misc]  # behave has no types
    """The first formatter of a run: what it has cleaned the others show."""

    name = "citadel.cleaner"

    def __init__(self, config: Any) -> None:
        super().__init__(StreamOpener("unused"), config)

    def result(self, step: Any) -> None:
        """A step has ended, its messages and its captured output complete."""
        clean(step)

    def close(self) -> None:
        """There is no stream to close."""


def clean(entity: Any) -> None:
    """Clean what a step, a scenario or a feature says of its end."""
    show = worker_context.OWN.shown
    if entity.error_message:
        entity.error_message = show(entity.error_message)
    if getattr(entity, "skip_reason", None):
        entity.skip_reason = show(entity.skip_reason)
    if entity.exception is not None:
        entity.exception = cleaned(entity.exception)
    for part in entity.captured.captures:
        part.stdout, part.stderr, part.log = show(part.stdout), show(part.stderr), show(part.log)
        part._reset_cached()
    entity.captured._reset_cached()


def cleaned(error: BaseException) -> BaseException:
    """The error itself if its text may be shown, else one of the same name with the text that may."""
    try:
        text = str(error)
    except Exception as broken:
        text = f"(its text cannot be had: {type(broken).__name__})"
    else:
        if worker_context.OWN.shown(text) == text:
            return error
    return stand_in(
        type(error).__name__, worker_context.OWN.shown(text), failure=isinstance(error, AssertionError)
    ).with_traceback(error.__traceback__)


def stand_in(kind: str, text: str, *, failure: bool = False) -> Exception:
    """An exception of a class of that name; ``failure`` says that a check failed."""
    base = AssertionError if failure else Exception
    made: Exception = type(kind, (base,), {"__module__": "builtins"})(text)
    return made
