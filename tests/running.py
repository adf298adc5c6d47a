"""The suite run as a user runs it: in a process of its own, with an output directory of its own."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from support.isolation import processes
from support.reporting.output import MARK
from support.settings import PROVIDER_KEYS, PROVIDER_URLS, ROOT, VARIABLES

RUN_WITHIN_S = 240.0
UP_WITHIN_S = 60.0
DOWN_WITHIN_S = 30.0


@dataclass(frozen=True, slots=True)
class SuiteRun:
    """What a run of the suite left: its exit code, what it printed, where its results lie."""

    code: int
    printed: str
    output: Path

    @property
    def summary(self) -> dict[str, Any]:
        """``summary.json``. Raises ``FileNotFoundError`` for a run that did not begin."""
        return dict(json.loads((self.output / "results" / "summary.json").read_text()))


def bare_environment(**given: str) -> dict[str, str]:
    """This process's environment without any of the suite's variables, then ``given``."""
    own = {*VARIABLES.values(), *PROVIDER_KEYS.values(), "CITADEL_GATEWAY_URL"}
    own |= {variable for variable, _url in PROVIDER_URLS.values()}
    # A user's shell does not have it: what it starts may outlive it.
    own.add(processes.MARK)
    kept = {name: value for name, value in os.environ.items() if name not in own}
    return {**kept, **given}


def behave(
    output: Path, *arguments: str, environ: Mapping[str, str] | None = None, within_s: float = RUN_WITHIN_S
) -> SuiteRun:
    """Run plain ``behave`` in the project with ``environ`` as the only settings (one process by default).

    Raises ``subprocess.TimeoutExpired`` if it does not end within ``within_s``.
    """
    # Tests put files of their own beside the results.
    output.mkdir(parents=True, exist_ok=True)
    (output / MARK).touch()
    command = [
        sys.executable, "-m", "behave", "--no-color",
        "-D", f"output={output}", "-D", f"allure_results={output / 'allure-results'}", *arguments,
    ]  # fmt: skip
    done = subprocess.run(
        command,
        cwd=ROOT,
        # pytest runs several of these at a time already.
        env=bare_environment(**{"TEST_PARALLEL_WORKERS": "1", **(environ or {})}),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=within_s,
    )
    return SuiteRun(done.returncode, done.stdout, output)


def support(*arguments: str, environ: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    """Run ``python -m support``."""
    return subprocess.run(
        [sys.executable, "-m", "support", *arguments],
        cwd=ROOT,
        env=bare_environment(**(environ or {})),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=UP_WITHIN_S,
    )


@contextmanager
def stack_up(environ: Mapping[str, str] | None = None) -> Iterator[dict[str, str]]:
    """``python -m support up`` in another process; the variables it prints, until it is told to stop."""
    process = subprocess.Popen(
        [sys.executable, "-m", "support", "up"],
        cwd=ROOT,
        env=bare_environment(**(environ or {})),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    watchdog = threading.Timer(UP_WITHIN_S, process.kill)
    watchdog.start()
    try:
        variables = _variables(process)
        watchdog.cancel()
        yield variables
    finally:
        watchdog.cancel()
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(DOWN_WITHIN_S)
        except subprocess.TimeoutExpired:
            process.kill()
            raise AssertionError(f"the stack did not stop within {DOWN_WITHIN_S:g} s") from None


def _variables(process: subprocess.Popen[str]) -> dict[str, str]:
    assert process.stdout is not None
    printed: list[str] = []
    found: dict[str, str] = {}
    for line in process.stdout:
        printed.append(line)
        if match := re.fullmatch(r"export (\w+)='(.*)'\n", line):
            found[match[1]] = match[2]
        if line.startswith("Ctrl-C"):
            return found
    raise AssertionError("the stack did not start:\n" + "".join(printed))


def failures(printed: str) -> dict[str, str]:
    """What the console said of each scenario that failed, by its name: the messages.

    Not where it stands and in which step: that would be said whatever the reason.
    """
    found: dict[str, str] = {}
    for block in re.split(r"^(?=\[ *\d+)", printed.partition("\nResults\n")[0], flags=re.M):
        if failed := re.match(r"\[ *\d+(?:/\d+)?\] FAILED +[\d.]+ s +(?:w\d+ +)?(.+)", block):
            found[failed[1]] = re.sub(
                r"^ +(at \S+:\d+|\w+ in step: .*|repeat with: .*)\n", "", block, flags=re.M
            )
    return found
