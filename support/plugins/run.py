"""The run: what is selected, the platform's start and end, the results."""

from __future__ import annotations

import os
import random
import re
import shlex
import signal
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn

from behave.model import Tag

from support import doctor
from support.citadel import Citadel
from support.faults import matrix
from support.isolation import processes
from support.isolation.names import Run
from support.lifecycle.sweep import sweep
from support.plugins import (
    allure_corrections,
    console,
    junit,
    parallel,
    sentences,
    user_options,
    vocabulary,
    worker_context,
)
from support.plugins.tags import MEANINGS, allowed
from support.plugins.user_options import NotUnderstood, UserOptions
from support.reporting import output, results, shards, write_errors
from support.reporting.flakiness import fingerprint
from support.reporting.results import Figures
from support.reporting.vocabulary import PAGE, write
from support.settings import ROOT, Mode, Settings, SettingsError

REFUSED = 2
# How long a run may take to unwind when the command that started it is gone.
ORPHAN_ENDS_WITHIN_S = 90.0


@dataclass(slots=True)
class Begun:
    """How far a run has come: what was asked of it, and the folder that it has for its results."""

    options: UserOptions = field(default_factory=UserOptions)
    claim: output.FolderClaim | None = None


BEGUN = Begun()


def interrupt_on_sigterm() -> None:
    """Make SIGTERM unwind like Ctrl-C, so that every clean-up runs; a worker does that by itself."""
    if not worker_context.OWN.is_worker:
        signal.signal(signal.SIGTERM, _interrupt)
        processes.end_with_owner(ORPHAN_ENDS_WITHIN_S)


def _interrupt(_signal: int, _frame: FrameType | None) -> NoReturn:
    raise KeyboardInterrupt


def ask(runner: Any) -> None:
    """Understand what is asked, and take the folder of results: what lies there is not this run's.

    A dry run leaves the last results alone.
    """
    context, config = runner.context, runner.config
    try:
        place = user_options.place(config)
        if not (worker_context.OWN.is_worker or config.dry_run):
            BEGUN.claim = output.claim(place, "-D output")
            _lead_to(place, config)
        BEGUN.options = user_options.read(config)
    except (output.NotUsable, NotUnderstood) as reason:
        refuse(context, str(reason))


def _lead_to(place: Path, config: Any) -> None:
    """Let Allure's and JUnit's reports go where all results go, unless the user named another place."""
    config.userdata.setdefault(allure_corrections.RESULTS, str(place / output.ALLURE))
    if config.junit_directory == user_options.UNTOLD:
        config.junit_directory = str(place / output.JUNIT)


def choose(context: Any) -> None:
    """Refuse an unknown tag and an empty selection; put the features in the order asked for."""
    _name_cells(context)
    if worker_context.OWN.is_worker:
        return
    runner = context._runner
    tags = {tag for feature in runner.features for tag in _all_tags(feature)}
    unknown = sorted(tag for tag in tags if not allowed(tag))
    if unknown:
        refuse(context, f"unknown tags in the features: {', '.join('@' + tag for tag in unknown)}")
    wanted = [tag.lstrip("@") for tag in re.findall(r"@[\w.:=-]+", " ".join(context.config.tags or ()))]
    misspelt = sorted(tag for tag in wanted if not allowed(tag) and tag not in tags)
    if misspelt:
        refuse(context, f"no such tag: {', '.join('@' + tag for tag in misspelt)}; known are: {_known(tags)}")
    if not any(scenario.should_run(context.config) for scenario in _scenarios(runner.features)):
        refuse(
            context, f"nothing is selected: check the file, the name and the tags; known are: {_known(tags)}"
        )
    selected = [each for each in _scenarios(runner.features) if each.should_run(context.config)]
    if undefined := sentences.complaints(selected, runner.step_registry):
        refuse(context, "\n".join(["the features use what is not defined:", *undefined]))
    _take_share(context)
    order = BEGUN.options.order
    if order is not None:
        random.Random(order).shuffle(runner.features)
        print(f"features in random order, repeat with: -D order={order}")


def _name_cells(context: Any) -> None:
    """Let the tags of an outline's rows name a cell of the fault matrix by its id, not by the row's words."""
    for scenario in _scenarios(context._runner.features):
        scenario.tags = [Tag(matrix.by_id(tag), scenario.line) for tag in scenario.tags]


def _take_share(context: Any) -> None:
    """Leave the features of other machines out (``-D shard=2/3``); the plan is kept for the results."""
    context.shard, context.plan = None, {}
    if BEGUN.options.shard is None:
        return
    runner, known = context._runner, BEGUN.options.times
    chosen = {
        str(feature.filename): [each for each in feature.walk_scenarios() if each.should_run(context.config)]
        for feature in runner.features
    }
    tags = {file: [each.effective_tags for each in some] for file, some in chosen.items() if some}
    alone = [file for file, some in tags.items() if any(parallel.ALONE in each for each in some)]
    # What this machine remembers of earlier runs is of no use: all must come to the same plan.
    seconds = {file: known.get(file, sum(map(shards.guess, some))) for file, some in tags.items()}
    try:
        context.shard = BEGUN.options.shard
        context.plan = shards.divide(seconds, alone, context.shard.of)
    except shards.NotDivided as error:
        refuse(context, str(error))
    runner.features[:] = [
        feature
        for feature in runner.features
        if context.plan.get(str(feature.filename)) == context.shard.number
    ]
    print(f"part {context.shard}: {len(runner.features)} of {len(seconds)} feature files")


def prepare(context: Any) -> None:
    """Read the settings, diagnose the environment, remove what dead runs left."""
    context.started = time.monotonic()
    try:
        settings = Settings.load()
    except SettingsError as error:
        refuse(context, str(error))
    context.settings, context.output = settings, BEGUN.options.output
    worker_context.OWN.redact = settings.secrets().redact
    if worker_context.OWN.is_worker:
        return
    findings = doctor.examine(settings, context.output)
    context.capabilities = doctor.faults(settings)
    if not all(finding.ok for finding in findings):
        refuse(context, "the environment is not ready\n" + doctor.table(settings, findings))
    for line in sweep(settings):
        print(line)
    print(f"random data of seed {BEGUN.options.seed}, repeat with: -D seed={BEGUN.options.seed}")


def open_report(context: Any) -> None:
    """Let Allure listen, unless the user chose formatters of his own; let the console count."""
    allure_corrections.attach_formatter(context)
    if not worker_context.OWN.is_worker:
        console.announce(context, BEGUN.options.seed)


def start(context: Any) -> None:
    """Start workers, each of which starts a platform of its own; where that cannot be, the platform."""
    try:
        if not _hand_out(context):
            open_platform(context)
    except (parallel.NoWorker, worker_context.CannotBegin) as error:
        refuse(context, str(error))


def _hand_out(context: Any) -> bool:
    settings = context.settings
    # A deployed platform is one for all, as is a given server that is to fail; servers to be kept for a
    # look are wanted once.
    struck = settings.mode is Mode.ATTACHED and settings.faults
    if settings.mode is Mode.DEPLOYED or struck or not settings.cleanup:
        return False
    return parallel.distribute(
        context,
        settings.workers,
        logs=context.output / "logs",
        # Known to every run, wherever it leaves its results.
        memory=ROOT / ".acceptance" / "durations.json",
        before_alone=open_platform,
    )


def open_platform(context: Any) -> None:
    """Start the platform or connect to it. Raises ``CannotBegin`` if that cannot be done."""
    settings, own = context.settings, worker_context.OWN
    context.opened = time.monotonic()
    logs = context.output / "logs"
    try:
        citadel = Citadel.open(settings, Run.current(), logs / own.name if own.is_worker else logs, own.name)
    except Exception as error:
        message = f"the platform did not start: {settings.secrets().redact(str(error))}"
        raise worker_context.CannotBegin(message) from error
    citadel.seed = BEGUN.options.seed
    context.citadel = citadel
    own.redact = citadel.secrets.redact
    own.introduction = citadel.introduction()
    context.add_cleanup(citadel.close)
    if not own.is_worker:
        print(own.introduction)


def close_platform(context: Any) -> None:
    """Stop what the suite started; keep it where the user asked for that."""
    if "citadel" in context:
        context.citadel.close()


def tell_results(context: Any) -> None:
    """Write the summary and the results document, and end with the table; a worker only tells the run."""
    parts = list(parallel.figures(context) or [])
    if "citadel" in context:
        parts.append(Figures.of(context.citadel, time.monotonic() - context.opened))
    if worker_context.OWN.is_worker:
        worker_context.OWN.figures = parts[0] if parts else None
        return
    if not parts:
        return
    outcomes = [
        _outcome(scenario)
        for scenario in _scenarios(context._runner.features)
        if scenario.should_run(context.config) or scenario.skip_reason
    ]
    redact = context.citadel.secrets.redact if "citadel" in context else context.settings.secrets().redact
    wall_s = time.monotonic() - context.started
    where = f"{context.output}/results, {context.output}/allure-results ({_reporting(context.output)})"
    print(results.write(parts, outcomes, wall_s, context.output, where, redact, BEGUN.options.seed))
    _write_vocabulary(context)
    if context.shard is not None:
        record = shards.Record(
            shard=context.shard,
            plan=context.plan,
            code=fingerprint(ROOT),
            seed=BEGUN.options.seed,
            wall_s=wall_s,
            broken=context._runner.hook_failures,
            parts=parts,
            outcomes=outcomes,
        )
        record.write(context.output, redact)


def _write_vocabulary(context: Any) -> None:
    """The page that the results lead to: also what a failed scenario's sentences mean."""
    page = context.output / output.REPORT / PAGE
    with write_errors.kept(str(page)):
        write(vocabulary.collect(ROOT, context._runner.step_registry), page.parent)


def _reporting(place: Path) -> str:
    """The command that makes the report of the results there."""
    if place == user_options.DEFAULT:
        return "make report"
    return f"python -m support report --output {shlex.quote(str(place))}"


def _outcome(scenario: Any) -> results.ScenarioResult:
    longest = max(scenario.all_steps, key=lambda step: step.duration, default=None)
    return results.ScenarioResult(
        area=allure_corrections.in_words(Path(scenario.filename).parent.name),
        name=scenario.name.strip(),
        location=str(scenario.location),
        status=scenario.status.name,
        seconds=scenario.duration,
        reason=worker_context.OWN.shown(scenario.skip_reason or ""),
        tags=tuple(map(str, scenario.effective_tags)),
        longest_step=f"{longest.keyword} {longest.name}" if longest else "",
        longest_step_s=longest.duration if longest else 0.0,
    )


def refuse(context: Any, message: str) -> NoReturn:
    """End the run before it began, with one message and a report that says so; a worker leaves that to it."""
    if worker_context.OWN.is_worker:
        raise worker_context.CannotBegin(message)
    if BEGUN.claim is not None:
        allure_corrections.report_refusal(context, message)
        junit.report_refusal(context.config.junit_directory, allure_corrections.NOT_STARTED, message)
    print(f"\nCannot run: {worker_context.OWN.shown(message)}", file=sys.stderr)
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


def _known(tags: set[str]) -> str:
    several = {tag for tag in tags if tag.startswith(("key.", matrix.TAG))}
    return ", ".join(
        [*sorted("@" + tag for tag in {*MEANINGS} | tags - several), "@key.*", f"@{matrix.TAG}*.*"]
    )
