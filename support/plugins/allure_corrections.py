"""Makes the reports say what behave itself says; JUnit's corrections and the streams' have their own modules.

Stock allure-behave 2.16.2 takes a scenario's status from its steps alone: a broken hook or clean-up is shown
as passed or skipped, the scenarios of a broken ``before_feature`` are missing, a skip has no reason, steps of
unselected scenarios leak into the next one, and a run whose ``before_all`` failed leaves an empty report.
"""

# mypy: allow-untyped-calls
# (Allure's packages are only partly typed.)

from __future__ import annotations

import contextlib
import functools
import json
import os
import platform
import shutil
import socket
import sys
import traceback
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import allure_behave.formatter
import allure_commons
import attr
from allure_behave.listener import AllureListener
from allure_behave.utils import step_status_details
from allure_commons.logger import AllureFileLogger
from allure_commons.model2 import GlobalError, Globals, Label, Status, StatusDetails, TestResult
from allure_commons.types import AttachmentType, LabelType
from allure_commons.utils import format_traceback, md5, now, uuid4
from behave.formatter.base import StreamOpener
from behave.model_type import Status as Outcome
from behave.runner import ModelRunner

from support.plugins import junit, sanitizing, streams, worker_context
from support.reporting import write_errors

AllureFormatter = allure_behave.formatter.AllureFormatter

RESULTS = "allure_results"
NOT_STARTED = "The run could not start"
CATEGORIES = [
    {"name": "Promise not kept", "matchedStatuses": ["failed"]},
    {
        "name": "Something could not be reached",
        "matchedStatuses": ["broken"],
        "messageRegex": "[Uu]nreachable|[Rr]efused|[Tt]imed? ?[Oo]ut|ConnectError|not start",
    },
    {
        "name": "Hook or clean-up broken",
        "matchedStatuses": ["broken"],
        "messageRegex": "(HOOK|CLEANUP)-ERROR",
    },
    {"name": "Suite or platform broken", "matchedStatuses": ["broken"]},
    {"name": "Not possible here", "matchedStatuses": ["skipped"]},
]
# Variable that betrays the executor: its name, its type in Allure, the variable with the build's number.
EXECUTORS = {
    "GITHUB_ACTIONS": ("GitHub Actions", "github", "GITHUB_RUN_NUMBER"),
    "GITLAB_CI": ("GitLab CI", "gitlab", "CI_PIPELINE_ID"),
    "JENKINS_URL": ("Jenkins", "jenkins", "BUILD_NUMBER"),
}


def install() -> None:
    """Correct every formatter and reporter made from now on; a second call changes nothing."""
    if allure_behave.formatter.AllureListener is TruthfulListener:
        return
    streams.install()
    junit.install()
    allure_behave.formatter.AllureListener = TruthfulListener
    allure_behave.formatter.AllureFileLogger = EnduringLogger
    AllureFormatter.feature = _telling_the_feature(AllureFormatter.feature)
    ModelRunner.run_hook = _telling_of_the_run(ModelRunner.run_hook)
    ModelRunner.run_model = _red_if_results_are_lost(ModelRunner.run_model)


def attach_formatter(context: Any) -> None:
    """Let the corrected reports listen. Append the Allure formatter, unless the user chose one.

    It writes to userdata ``allure_results``, also what the report shows about the run (environment, executor,
    categories). Errors of clean-ups are told from now on. Called in ``before_all``.
    """
    context.on_cleanup_error = _note_cleanup_error
    runner, config = context._runner, context.config
    runner.formatters.insert(0, sanitizing.Cleaner(config))
    junit.replace(config)
    folder = config.userdata.get(RESULTS)
    if folder and not _formatters(runner):
        runner.formatters.append(AllureFormatter(StreamOpener(folder), config))
    for formatter in _formatters(runner):
        if not worker_context.OWN.is_worker:
            with write_errors.kept("what Allure shows about the run"):
                _describe_run(context, Path(formatter.stream_opener.name))


def report_refusal(context: Any, message: str) -> None:
    """Report that the run never began as one broken result and a global error: empty would look green.

    Results of an earlier run in the suite's own folder are removed: they are not this run's.
    """
    runner, config = context._runner, context.config
    loggers = [formatter.file_logger for formatter in _formatters(runner)]
    folder = config.userdata.get(RESULTS)
    if not loggers and folder:
        shutil.rmtree(folder, ignore_errors=True)
        loggers = [EnduringLogger(folder)]
    moment = now()
    result = TestResult(
        uuid=uuid4(),
        name=NOT_STARTED,
        fullName=NOT_STARTED,
        historyId=md5(NOT_STARTED),
        testCaseId=md5(NOT_STARTED),
        status=Status.BROKEN,
        statusDetails=StatusDetails(message=message),
        start=moment,
        stop=moment,
        labels=[Label(LabelType.EPIC, "Environment"), Label(LabelType.PARENT_SUITE, "Environment")],
    )
    for logger in loggers:
        logger.report_result(result)
        logger.report_globals(Globals(errors=[GlobalError(message=message, timestamp=moment)]))


class EnduringLogger(AllureFileLogger):
    """Writes results and attachments of any text, redacted; goes on without what cannot be written."""

    @allure_commons.hookimpl
    def report_attached_file(self, source: str, file_name: str) -> None:
        with write_errors.kept("an attachment of the Allure report"):
            super().report_attached_file(source, file_name)

    @allure_commons.hookimpl
    def report_attached_data(self, body: str | bytes, file_name: str) -> None:
        content = worker_context.OWN.shown(body).encode() if isinstance(body, str) else body
        self._write(file_name, content, "an attachment of the Allure report")

    def _report_item(self, item: Any) -> None:
        content = attr.asdict(
            item, filter=lambda _, value: bool(value) or value is False, value_serializer=_shown_value
        )
        name = item.file_pattern.format(prefix=uuid4())
        self._write(name, json.dumps(content, ensure_ascii=False).encode(), "a result of the Allure report")

    def _write(self, name: str, content: bytes, what: str) -> None:
        """All of it or nothing, because a report cannot be built from half a result."""
        part = self._report_dir / f"{name}.tmp"
        with write_errors.kept(what):
            try:
                part.write_bytes(content)
                os.replace(part, self._report_dir / name)
            except OSError:
                with contextlib.suppress(OSError):
                    part.unlink()
                raise


class TruthfulListener(AllureListener):  # type: ignore[misc]  # allure-behave has no types
    """Reports each selected scenario once, with behave's own verdict and its reason."""

    current_scenario_uuid: str | None
    current_step_uuid: str | None

    def __init__(self, behave_config: Any) -> None:
        super().__init__(behave_config)
        self.feature: Any = None
        self._selected = False
        self._begun: set[int] = set()

    def start_scenario(self, scenario: Any) -> None:
        """Open the result, under a name and a history that survive new rows in an outline."""
        super().start_scenario(scenario)
        self._selected = self._is_selected(scenario)
        self._begun.add(id(scenario))
        self._describe(self.logger.get_test(self.current_scenario_uuid), scenario)

    def stop_scenario(self, scenario: Any) -> None:
        """Close the result with the verdict of behave, hooks and clean-ups included, or drop it."""
        uuid = self.current_scenario_uuid
        if not self._selected:
            self.steps.clear()
            self.logger.drop_test(uuid)
        else:
            self.flush_steps()
            result = self.logger.get_test(uuid)
            result.stop = now()
            result.status = _verdict(scenario.status)
            result.statusDetails = self._details(scenario)
            if scenario.status.has_failed() and scenario.captured.has_output():
                text = scenario.captured.make_report()
                self.logger.attach_data(
                    uuid4(),
                    text,
                    name="Captured output",
                    attachment_type=AttachmentType.TEXT,
                    parent_uuid=uuid,
                )
            self.logger.close_test(uuid)
            self.group_context.append_test(uuid)
        self.group_context.exit()
        self.current_scenario_uuid = self.current_step_uuid = None

    def stop_behave_step(self, result: Any) -> None:
        """Close a step with behave's verdict on it."""
        details = self._step_details(result) if result.status.has_failed() else None
        self.logger.stop_step(
            self.current_step_uuid, stop=now(), status=_verdict(result.status), statusDetails=details
        )

    def stop_feature(self) -> None:
        """Report scenarios that a broken ``before_feature`` kept from running, and what broke after them."""
        feature = self.feature
        if feature is not None and feature.status.is_hook_error():
            message = feature.error_message or feature.status.name
            selected = [each for each in feature.walk_scenarios() if self._is_selected(each)]
            if selected and not any(id(each) in self._begun for each in selected):
                for scenario in selected:
                    self.report_not_run(scenario, f"not run, because of its feature: {message}")
            else:
                self.logger.global_error(message=f"{feature.name}: {message}")
        super().stop_feature()

    def report_not_run(self, scenario: Any, message: str) -> None:
        """Report a scenario of which nothing is known but why."""
        super().start_scenario(scenario)
        uuid = self.current_scenario_uuid
        result = self.logger.get_test(uuid)
        self._describe(result, scenario)
        result.stop = now()
        result.status = Status.BROKEN
        result.statusDetails = StatusDetails(message=message)
        self.logger.close_test(uuid)
        self.group_context.append_test(uuid)
        self.group_context.exit()
        self.current_scenario_uuid = None

    def _is_selected(self, scenario: Any) -> bool:
        """Whether tags, names and lines selected it; a reason shows that a hook skipped it later."""
        return bool(scenario.should_run(self.behave_config) or scenario.skip_reason)

    def _describe(self, result: TestResult, scenario: Any) -> None:
        # behave appends " -- @1.2 <name of the examples>" to a row's name: an inserted row renames the rest.
        name = scenario.name.rsplit(" -- @", 1)[0]
        row = scenario._row
        result.name = name
        result.historyId = md5(scenario.feature.name, name, *(row.cells if row else ()))
        area = in_words(Path(scenario.filename).parent.name)
        area = area[:1].upper() + area[1:]
        grouping = (LabelType.EPIC, LabelType.FEATURE, LabelType.STORY)
        for label in result.labels:
            if label.name in grouping and label.value != scenario.feature.name:
                label.value = in_words(label.value)
        if all(label.name != LabelType.EPIC for label in result.labels):
            result.labels.append(Label(LabelType.EPIC, area))
        result.labels += [
            Label(LabelType.PARENT_SUITE, area),
            Label(LabelType.SUITE, scenario.feature.name),
            Label(LabelType.HOST, socket.gethostname()),
            Label(LabelType.THREAD, f"worker {worker_context.OWN.number}"),
        ]

    def _details(self, scenario: Any) -> StatusDetails | None:
        if not scenario.status.has_failed():
            reason = scenario.skip_reason or ("not run" if scenario.status is Outcome.untested else None)
            return StatusDetails(message=reason) if reason else None
        failed = [self._step_details(step) for step in scenario.all_steps if step.status.has_failed()]
        messages = [details.message for details in failed if details.message]
        if scenario.error_message:
            messages.append(scenario.error_message)
        trace = failed[0].trace if failed else format_traceback(scenario.exc_traceback)
        return StatusDetails(message="\n\n".join(messages) or scenario.status.name, trace=trace or "")

    def _step_details(self, step: Any) -> StatusDetails:
        details = step_status_details(step) or StatusDetails(message=step.error_message or step.status.name)
        details.message = details.message.strip()
        details.trace = details.trace or ""
        return details


def _shown_value(_item: Any, _attribute: Any, value: Any) -> Any:
    return worker_context.OWN.shown(value) if isinstance(value, str) else value


def _verdict(status: Outcome) -> str:
    if status.is_failure():
        return str(Status.FAILED)
    if status.has_failed():
        return str(Status.BROKEN)
    return str(Status.PASSED if status.is_passed() else Status.SKIPPED)


def in_words(name: str) -> str:
    """The name of a tag or a folder, which cannot hold blanks, as people write it."""
    return name.replace("_", " ").replace("apis", "APIs")


def _telling_the_feature(original: Callable[[Any, Any], None]) -> Callable[[Any, Any], None]:
    @functools.wraps(original)
    def feature(self: Any, feature: Any) -> None:
        self.listener.feature = feature
        original(self, feature)

    return feature


def _telling_of_the_run(original: Callable[..., bool]) -> Callable[..., bool]:
    """Let an error in ``before_all`` or ``after_all`` reach the report; behave only prints it."""

    @functools.wraps(original)
    def run_hook(runner: Any, name: str, *arguments: Any) -> bool:
        if runner.config.dry_run:
            junit.replace(runner.config)
            return original(runner, name, *arguments)
        hook = runner.hooks.get(name)
        if hook is not None:
            around = _reported if name in ("before_all", "after_all") else _cleaned
            runner.hooks = {**runner.hooks, name: functools.partial(around, hook)}
        try:
            return original(runner, name, *arguments)
        finally:
            if hook is not None:
                runner.hooks = {**runner.hooks, name: hook}

    return run_hook


def _reported(hook: Callable[[Any], None], context: Any) -> None:
    before = hook.__name__ == "before_all"
    try:
        _cleaned(hook, context)
    except BaseException as error:
        message = f"{hook.__name__}: {_one_line(error)}"
        if before:
            report_refusal(context, message)
        else:
            _global_error(context, message)
        raise


def _cleaned(hook: Callable[..., None], *arguments: Any) -> None:
    """Run the hook; behave prints its error at once."""
    try:
        hook(*arguments)
    except Exception as error:
        shown = sanitizing.cleaned(error)
        if shown is error:
            raise
        raise shown from None


def _red_if_results_are_lost(original: Callable[..., bool]) -> Callable[..., bool]:
    @functools.wraps(original)
    def run_model(runner: Any, features: Any = None) -> bool:
        failed = original(runner, features)
        sys.stdout.flush()
        return failed or bool(write_errors.LOST)

    return run_model


def _note_cleanup_error(context: Any, _cleanup: Callable[[], None], error: Exception) -> None:
    """behave counts the error but keeps no text: keep it where the reports look for it."""
    text = worker_context.OWN.shown(f"CLEANUP-ERROR: {_one_line(error)}")
    broken = context.scenario if "scenario" in context else context.feature
    if broken is None:
        print(worker_context.OWN.shown("".join(traceback.format_exception(error))), file=sys.stderr)
        _global_error(context, text)
    elif broken.error_message:
        broken.error_message += f"\n{text}"
    else:
        broken.store_exception_context(sanitizing.cleaned(error))
        broken.error_message = text


def report_problem(context: Any, message: str) -> None:
    """Report something that broke outside of scenarios."""
    _global_error(context, message)


def leave_file(formatter: Any) -> None:
    """Close what ``uri`` opened, where another process reports the feature."""
    formatter.listener.group_context.exit()


def _global_error(context: Any, message: str) -> None:
    for formatter in _formatters(context._runner):
        formatter.listener.logger.global_error(message=message)


def _one_line(error: BaseException) -> str:
    return traceback.format_exception_only(error)[-1].strip()


def _formatters(runner: Any) -> list[Any]:
    return [formatter for formatter in runner.formatters if isinstance(formatter, AllureFormatter)]


def _describe_run(context: Any, folder: Path) -> None:
    (folder / "categories.json").write_text(json.dumps(CATEGORIES, indent=2), encoding="utf-8")
    (folder / "executor.json").write_text(json.dumps(_executor()), encoding="utf-8")
    shown = {
        "python": platform.python_version(),
        "behave": version("behave"),
        "system": platform.platform(),
    }
    if "settings" in context:
        shown = {"mode": str(context.settings.mode), **shown, **context.settings.shown()}
    if "capabilities" in context:
        secret = context.settings.secrets()
        shown |= {f"faults.{each.target}": secret.redact(str(each)) for each in context.capabilities.table()}
    lines = (f"{name} = {' '.join(worker_context.OWN.shown(value).split())}" for name, value in shown.items())
    (folder / "environment.properties").write_text("\n".join(lines) + "\n", encoding="utf-8")


def _executor() -> dict[str, object]:
    for variable, (name, kind, number) in EXECUTORS.items():
        if variable in os.environ:
            return {"name": name, "type": kind, "buildName": f"#{os.environ.get(number, '?')}"}
    return {"name": "local run", "type": "local"}
