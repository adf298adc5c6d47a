"""Makes behave refuse in one line, with exit code 2, what it cannot run: also before its first hook.

behave 1.3.3 reads its settings only where it is started, calls no hook in a dry run, and ends with exit code
1, as if a scenario had failed, for a missing file, a feature or a step module it cannot read.
"""

from __future__ import annotations

import contextlib
import functools
import sys
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import behave.runner

from support.internal_errors import noted
from support.plugins import run, worker_context
from support.settings import ROOT


def install() -> None:
    """Do so from now on. Ends the process with exit code 2 if it does not stand in the project's root."""
    if not Path.cwd().samefile(ROOT):
        print(f"Cannot run: behave finds its settings only in {ROOT}: change to it first", file=sys.stderr)
        raise SystemExit(run.REFUSED)
    runner = behave.runner.Runner
    runner.load_step_definitions = _asking(runner.load_step_definitions)
    runner.feature_locations = _refusing(runner.feature_locations)
    # Where the other corrections of it stand, so that neither hides the other.
    behave.runner.ModelRunner.run_model = _rehearsing(behave.runner.ModelRunner.run_model)


@contextlib.contextmanager
def refusing_what_breaks(context: Any) -> Iterator[None]:
    """Refuse a run that an unexpected error keeps from beginning; the details are written to a file."""
    try:
        yield
    except worker_context.CannotBegin:
        raise
    except Exception as error:
        if worker_context.OWN.is_worker:
            raise
        run.refuse(
            context, noted(error, worker_context.OWN.redact, context.output if "output" in context else None)
        )


def _asking(original: Callable[..., None]) -> Callable[..., None]:
    """Right after the hooks were read: understand the options, then read the steps."""

    @functools.wraps(original)
    def load_step_definitions(runner: Any, *arguments: Any) -> None:
        run.ask(runner)
        try:
            original(runner, *arguments)
        except Exception as error:
            where = traceback.extract_tb(error.__traceback__)[-1]
            run.refuse(runner.context, f"a step module cannot be read: {_line(error)} ({_place(where)})")

    return load_step_definitions


def _refusing(original: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Where behave looks for the features, then reads them."""

    @functools.wraps(original)
    def feature_locations(runner: Any) -> Any:
        behave.runner.parse_features = functools.partial(_parsed, runner, PARSE_FEATURES)
        try:
            return original(runner)
        except Exception as error:
            run.refuse(runner.context, f"{_line(error)}: name a feature file or a folder of them")

    return feature_locations


PARSE_FEATURES = behave.runner.parse_features


def _parsed(runner: Any, original: Callable[..., Any], *arguments: Any, **named: Any) -> Any:
    try:
        return original(*arguments, **named)
    except Exception as error:
        run.refuse(runner.context, f"a feature cannot be read: {_line(error)}")


def _rehearsing(original: Callable[..., bool]) -> Callable[..., bool]:
    """Refuse a dry run like a run: behave calls no hook in it."""

    @functools.wraps(original)
    def run_model(runner: Any, features: Any = None) -> bool:
        if runner.config.dry_run:
            runner.step_registry = runner.step_registry or behave.runner.the_step_registry
            run.choose(runner.context)
        return original(runner, features)

    return run_model


def _line(error: Exception) -> str:
    return f"{type(error).__name__}: {' '.join(str(error).split())}"


def _place(frame: traceback.FrameSummary) -> str:
    path = Path(frame.filename)
    return f"{path.relative_to(ROOT) if path.is_relative_to(ROOT) else path}:{frame.lineno}"
