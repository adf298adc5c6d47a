"""The run: what is selected, the platform's start and end, the results."""

from __future__ import annotations

import os
import random
import re
import shutil
import signal
import sys
import time
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn

from support import doctor
from support.citadel import Citadel
from support.isolation.names import Run
from support.isolation.sweep import sweep
from support.plugins import allure_corrections
from support.reporting import results
from support.settings import Settings, SettingsError

TAGS = {
    "smoke",
    "slow",
    "outage",
    "alone",
    "wip",
    "quarantine",
    "blocker",
    "critical",
    "normal",
    "minor",
    "trivial",
}
TAG_FAMILIES = re.compile(
    r"(allure\.issue:.+|(use|not)\.with_(mode|stores|providers|live)=.+|fixture\..+|G[1-7]|N(1[0-5]|[1-9])|NFR-.+)"
)
REFUSED = 2


def interrupt_on_sigterm() -> None:
    """Make SIGTERM unwind like Ctrl-C, so that every clean-up runs."""
    signal.signal(signal.SIGTERM, _interrupt)


def _interrupt(_signal: int, _frame: FrameType | None) -> NoReturn:
    raise KeyboardInterrupt


def choose(context: Any) -> None:
    """Refuse an unknown tag and an empty selection; put the features in the order asked for."""
    runner = context._runner
    tags = {tag for feature in runner.features for tag in _all_tags(feature)}
    unknown = sorted(tag for tag in tags if not _allowed(tag))
    if unknown:
        refuse(context, f"unknown tags in the features: {', '.join('@' + tag for tag in unknown)}")
    asked = [tag.lstrip("@") for tag in re.findall(r"@[\w.:=-]+", " ".join(context.config.tags or ()))]
    misspelt = sorted(tag for tag in asked if not _allowed(tag) and tag not in tags)
    if misspelt:
        refuse(context, f"no such tag: {', '.join('@' + tag for tag in misspelt)}; known are: {_known(tags)}")
    if not any(scenario.should_run(context.config) for scenario in _scenarios(runner.features)):
        refuse(
            context, f"nothing is selected: check the file, the name and the tags; known are: {_known(tags)}"
        )
    order = context.config.userdata.get("order")
    if order is not None:
        random.Random(order).shuffle(runner.features)
        print(f"features in random order, repeat with: -D order={order}")


def open_platform(context: Any) -> None:
    """Diagnose the environment, sweep dead runs, then start the platform or connect to it."""
    output = Path(context.config.userdata.get("output", ".acceptance"))
    try:
        settings = Settings.load()
    except SettingsError as error:
        refuse(context, str(error))
    findings = doctor.examine(settings, output)
    if not all(finding.ok for finding in findings):
        refuse(context, "the environment is not ready\n" + doctor.table(settings, findings))
    for name in ("allure-results", "junit", "logs"):
        shutil.rmtree(output / name, ignore_errors=True)
    run = Run.current()
    for line in sweep(settings):
        print(line)
    try:
        citadel = Citadel.open(settings, run, output / "logs")
    except Exception as error:
        refuse(context, f"the platform did not start: {settings.secrets().redact(str(error))}")
    citadel.seed = _seed(context)
    context.citadel = citadel
    context.output = output
    context.started = time.monotonic()
    context.add_cleanup(citadel.close)
    print(citadel.introduction())
    print(f"random data of seed {citadel.seed}, repeat with: -D seed={citadel.seed}")


def _seed(context: Any) -> int:
    """The number that random data are made from: the user's, else a new one."""
    given = context.config.userdata.get("seed")
    return random.randrange(2**32) if given is None else int(given)


def open_report(context: Any) -> None:
    """Let Allure listen, unless the user chose formatters of his own."""
    allure_corrections.attach_formatter(context)


def close_platform(context: Any) -> None:
    """Stop what the suite started; keep it where the user asked for that."""
    if "citadel" in context:
        context.citadel.close()


def tell_results(context: Any) -> None:
    """Write the summary and the results document, and end with the table."""
    if "citadel" not in context:
        return
    outcomes = [
        results.Outcome(
            area=Path(scenario.filename).parent.name.replace("_", " ").replace("apis", "APIs"),
            name=scenario.name,
            location=str(scenario.location),
            status=scenario.status.name,
            seconds=scenario.duration,
            reason=scenario.skip_reason or "",
            tags=tuple(scenario.effective_tags),
        )
        for scenario in _scenarios(context._runner.features)
        if scenario.should_run(context.config) or scenario.skip_reason
    ]
    wall_s = time.monotonic() - context.started
    where = f"{context.output}/results, {context.output}/allure-results (make report)"
    print(results.write(context.citadel, outcomes, wall_s, context.output, where))


def refuse(context: Any, message: str) -> NoReturn:
    """End the run before it began, with one message and a report that says so."""
    allure_corrections.report_refusal(context, message)
    print(f"\nCannot run: {message}", file=sys.stderr)
    sys.stdout.flush()
    sys.stderr.flush()
    # Nothing has been started or everything was stopped; behave would go on and call it "aborted by user".
    os._exit(REFUSED)


def _scenarios(features: list[Any]) -> Any:
    for feature in features:
        yield from feature.walk_scenarios()


def _all_tags(feature: Any) -> Any:
    yield from feature.tags
    for scenario in feature.walk_scenarios(with_outlines=True):
        yield from scenario.tags


def _allowed(tag: str) -> bool:
    return tag in TAGS or TAG_FAMILIES.fullmatch(tag) is not None


def _known(tags: set[str]) -> str:
    return ", ".join(sorted("@" + tag for tag in TAGS | tags))
