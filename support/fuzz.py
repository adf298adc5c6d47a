"""The contract held against random requests, on a stack that is thrown away afterwards."""

from __future__ import annotations

import json
import os
import re
import secrets
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from support.audit import Options, Scope, Stores, audit
from support.citadel import WIDE_LIMIT_RPM, Citadel
from support.contract import validator
from support.isolation.names import Run
from support.lifecycle import diagnosis
from support.settings import ROOT, Settings

CONFIG = Path(__file__).with_name("contract") / "schemathesis.toml"
HOOKS = "support.contract.fuzz_hooks"
TEXTS, VECTORS, SIZE = "fuzz_texts", "fuzz_vectors", 4
MOST_SEEDS = 2**32
# A round is for breadth and the same amount of work on any machine: ten random requests to every operation.
# With two, a crash at every missing member went unnoticed in 3 of 8 rounds; the stack takes most of the time.
# A run of so many seconds does all that there is, and repeats what is random until its time is up.
ROUND = ("--phases", "fuzzing", "--max-examples", "10", "--no-shrink")
WHOLE = ("--phases", "examples,coverage,fuzzing,stateful")
# How long a round may take on a busy machine.
ROUND_WITHIN_S = 240.0
# A run that is over its time is ended by force after so long.
ENDS_WITHIN_S = 60.0
LONGEST_MESSAGE = 600
LONGEST_EXAMPLES = 8000


@dataclass(frozen=True, slots=True)
class FuzzResult:
    """What a run has shown: the number of requests and of operations asked, and what is wrong, in words."""

    seed: int
    requests: int
    operations: int
    complaints: tuple[str, ...]
    examples: str = ""

    def __str__(self) -> str:
        lines = [f"{self.requests} random requests to {self.operations} operations, seed {self.seed}"]
        lines += self.complaints or ("every answer keeps the contract, and the stores agree",)
        return "\n".join([*lines, self.examples]).rstrip()


class NotRun(Exception):
    """The run could not be made; the message says why."""


def run(seconds: int | None, seed: int | None, logs: Path) -> FuzzResult:
    """Start a stack, ask it at random, audit what was stored, throw the stack away.

    ``seconds`` None is one round, a few requests to each operation; else all kinds of requests for so long.

    The settings of this process's environment that name services are not heeded: nothing but the stack of
    its own is asked. Raises ``NotRun`` without a result.
    """
    seed = secrets.randbelow(MOST_SEEDS) if seed is None else seed
    commands = ("CITADEL_GATEWAY_COMMAND", "CITADEL_EMBEDDING_COMMAND", "CITADEL_QDRANT_BINARY")
    own = {name: os.environ[name] for name in commands if name in os.environ}
    citadel = Citadel.open(Settings.load(own, dotenv=None), Run.current(), logs, "fuzz")
    try:
        key = _prepared(citadel)
        began = diagnosis.marks(citadel)
        assert citadel.stack is not None
        report, printed = _ask(citadel.gateway.url, key, seconds, seed, citadel.stack.directory)
        complaints = [*_failures(report), *diagnosis.unexpected_errors(citadel, began)]
        complaints += [*diagnosis.leaked_secrets(citadel, began), *_disagreements(citadel)]
    finally:
        citadel.close()
    hide = citadel.secrets.redact
    return FuzzResult(
        seed,
        requests=report["test_cases"]["generated"],
        operations=report["operations"]["tested"],
        complaints=tuple(hide(each) for each in complaints),
        examples=hide(_examples(printed)),
    )


def main(seconds: int | None, seed: int | None, logs: Path, report: Path | None) -> int:
    """The command: 0 all is as promised, 1 it is not, 2 nothing could be shown."""
    began = time.monotonic()
    try:
        outcome = run(seconds, seed, logs)
    except NotRun as error:
        print(error, file=sys.stderr)
        return 2
    print(f"{outcome}\nin {time.monotonic() - began:.0f} s; repeat with --seed {outcome.seed}")
    if report is not None:
        shown = {"seed": outcome.seed, "requests": outcome.requests, "operations": outcome.operations}
        report.write_text(json.dumps({**shown, "complaints": outcome.complaints}))
    return 1 if outcome.complaints else 0


def _prepared(citadel: Citadel) -> str:
    """A key of the run's own, and collections for the requests that are about something that exists."""
    assert citadel.rows is not None
    key = f"ck_fuzz_{secrets.token_urlsafe(18)}"
    citadel.secrets.add(key, "key of the random caller")
    citadel.rows.add_user("at.fuzz", "admin", key, WIDE_LIMIT_RPM)
    for body in (
        {"name": TEXTS, "vector_size": 384, "model": "all-MiniLM-L6-v2"},
        {"name": VECTORS, "vector_size": SIZE, "distance": "dot"},
    ):
        made = citadel.gateway.call("createCollection", json_body=body, key=key)
        assert made.ok, f"a collection for the random requests: {made}"
    return key


def _ask(url: str, key: str, seconds: int | None, seed: int, directory: Path) -> tuple[dict[str, Any], str]:
    """Run schemathesis in a directory that is removed whatever happens; its report, and what it printed."""
    with tempfile.TemporaryDirectory(dir=directory) as folder:
        report = Path(folder) / "report.json"
        command = [
            sys.executable, "-m", "schemathesis.cli", "--config-file", str(CONFIG), "run",
            str(validator.FILE), "--url", url, "--seed", str(seed), "--workers", "1",
            *(ROUND if seconds is None else (*WHOLE, "--max-time", str(seconds))),
            "--continue-on-failure", "--no-color", "--report", "json", "--report-json-path", str(report),
        ]  # fmt: skip
        environment = {
            **_without_proxies(), "CITADEL_FUZZ_KEY": key, "SCHEMATHESIS_HOOKS": HOOKS,
            "PYTHONPATH": str(ROOT),
        }  # fmt: skip
        try:
            done = subprocess.run(
                command,
                cwd=folder,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                timeout=ROUND_WITHIN_S if seconds is None else seconds + ENDS_WITHIN_S,
            )
        except subprocess.TimeoutExpired as late:
            raise NotRun(f"schemathesis did not end within {late.timeout:g} s") from late
        if not report.exists():
            raise NotRun(f"schemathesis ended with {done.returncode}:\n{done.stdout.replace(key, '***')}")
        return dict(json.loads(report.read_text())), done.stdout


def _without_proxies() -> dict[str, str]:
    """This process's environment for a client that would look there for a proxy, or in a file for a login."""
    kept = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}
    return {**kept, "NETRC": os.devnull}


def _failures(report: Mapping[str, Any]) -> Iterator[str]:
    """One sentence for each kind of failure, with the operations that showed it."""
    for failure in report["failures"]:
        yield f"{', '.join(failure['operations'])}: {failure['title']} ({failure['count']} times)"
    yield from (f"could not be asked: {json.dumps(error)[:LONGEST_MESSAGE]}" for error in report["errors"])


def _examples(printed: str) -> str:
    """What was printed of failures and errors: an example of each, and the call that shows it again."""
    found = re.findall(r"^=+ (?:FAILURES|ERRORS) =+\n(.*?)(?=^=+ [A-Z]+ =+$)", printed, re.M | re.S)
    return "\n".join(each.strip() for each in found)[:LONGEST_EXAMPLES]


def _disagreements(citadel: Citadel) -> list[str]:
    """What the audit of everything that the random requests have stored finds."""
    assert citadel.rows is not None and citadel.vectors is not None
    options = Options(t_max_s=citadel.promises.converges_s, own_cache=True)
    report = audit(Stores(citadel.rows, citadel.vectors, citadel.cache), Scope(("",)), options)
    return [] if report.clean else [f"the stores disagree after the random requests:\n{report.text()}"]
