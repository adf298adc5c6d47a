"""What the user asks of a run with ``-D name=value``: every name, what it may hold, and the remedy else."""

from __future__ import annotations

import contextlib
import io
import json
import math
import os
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from behave.configuration import Configuration

from support.options import one_line
from support.plugins import worker_context
from support.printable import quoted
from support.reporting.output import ALLURE, JUNIT
from support.reporting.shards import NotDivided, Shard
from support.settings import ROOT

# Hands the seed of random data on to the workers.
SEED = "CITADEL_ACCEPTANCE_SEED"
MOST = 2**32 - 1
# Where behave writes if nobody tells it: in this suite, into the folder of all results.
UNTOLD = "reports"
DEFAULT = Path(".acceptance")
# What behave and Allure look for themselves.
OTHERS = ("AllureFormatter.", "behave.")


class NotUnderstood(Exception):
    """An option holds something unusable; the message names it and the remedy."""


@dataclass(frozen=True, slots=True)
class UserOptions:
    """The options of a run; ``times`` are seconds by feature file."""

    output: Path = DEFAULT
    order: int | None = None
    seed: int = 0
    shard: Shard | None = None
    times: Mapping[str, float] = field(default_factory=dict)


def configuration(arguments: list[str]) -> Any:
    """What behave makes of its arguments. Raises ``NotUnderstood`` where it would complain."""
    content = io.StringIO()
    try:
        with contextlib.redirect_stderr(content), contextlib.chdir(ROOT):
            return Configuration(arguments)
    except SystemExit as end:
        if not end.code:
            raise
        reason = content.getvalue().rpartition(" error: ")[2]
    except Exception as error:
        reason = f"{type(error).__name__}: {error}"
    raise NotUnderstood(one_line(reason))


def place(config: Any) -> Path:
    """The folder of all results. Raises ``NotUnderstood``."""
    given = config.userdata.get("output")
    return DEFAULT if given is None else Path(_parsed("output", str(given)))


def read(config: Any) -> UserOptions:
    """What behave's configuration holds for this suite. Raises ``NotUnderstood``."""
    given = {str(name): str(value) for name, value in config.userdata.items()}
    for name in given:
        if name not in PARSERS and not name.startswith(OTHERS):
            raise NotUnderstood(f"-D {quoted(name)}: there is no such option; there are: {NAMES}")
    values = {name: _parsed(name, given[name]) for name in PARSERS if name in given}
    output = place(config)
    for option, value, folder in (
        ("-D allure_results", given.get("allure_results"), output / ALLURE),
        ("--junit-directory", config.junit_directory, output / JUNIT),
    ):
        if value not in (None, UNTOLD) and Path(os.path.abspath(value)) != Path(os.path.abspath(folder)):
            raise NotUnderstood(f"{option}: all results lie in one folder; name it with -D output=FOLDER")
    if "shard_times" in values and "shard" not in values:
        raise NotUnderstood("-D shard_times: it needs -D shard=NUMBER/PARTS too")
    if worker_context.OWN.is_worker:
        seed = int(os.environ[SEED])
    else:
        seed = values.get("seed", random.randrange(MOST + 1))
        os.environ[SEED] = str(seed)
    return UserOptions(output, values.get("order"), seed, values.get("shard"), values.get("shard_times", {}))


def _parsed(name: str, text: str) -> Any:
    if not text.strip() or not text.isprintable():
        raise NotUnderstood(f"-D {name}: {quoted(text)} is empty or cannot be printed; {HOW[name]}")
    try:
        return PARSERS[name](text)
    except (ValueError, NotDivided):
        raise NotUnderstood(f"-D {name}: {quoted(text)} cannot be used; {HOW[name]}") from None


def _folder(text: str) -> Path:
    if "://" in text:
        raise ValueError(text)
    return Path(text)


def number(text: str) -> int:
    """A whole number from 0 to 4294967295. Raises ``ValueError``."""
    if not (text.isascii() and text.isdecimal() and len(text) <= 10 and int(text) <= MOST):
        raise ValueError(text)
    return int(text)


def _times(text: str) -> dict[str, float]:
    """Seconds by feature file, as a former run noted them."""
    try:
        content = json.loads(Path(text).read_text(encoding="utf-8"))
    except (OSError, RecursionError) as error:
        raise ValueError(text) from error
    if not isinstance(content, dict) or not all(map(_is_time, content.values())):
        raise ValueError(text)
    return {str(file): float(seconds) for file, seconds in content.items()}


def _is_time(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < math.inf


PARSERS: dict[str, Callable[[str], Any]] = {
    "output": _folder,
    "order": number,
    "seed": number,
    "shard": Shard.parse,
    "shard_times": _times,
    # Only where all results lie; a project of its own may have another place.
    "allure_results": str,
}
NAMES = ", ".join(name for name in PARSERS if name != "allure_results")
HOW = {
    "output": "name a folder for the results, as in -D output=results",
    "order": "give a whole number from 0 to 4294967295, as in -D order=7",
    "seed": "give a whole number from 0 to 4294967295, as in -D seed=7",
    "shard": "the second of three parts is -D shard=2/3",
    "shard_times": "name the file of seconds that a former run left, .acceptance/durations.json",
    "allure_results": "leave it out",
}
