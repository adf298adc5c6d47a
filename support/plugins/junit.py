"""Makes behave's JUnit files valid and complete: any text, redacted, each skip with its reason.

behave 1.3.3 cleans the text of elements but not their attributes, writes a half file on a full disk, gives
features of one name in two folders one file, and shows scenarios that a broken ``before_feature`` kept from
running as skipped without a reason.
"""

from __future__ import annotations

import contextlib
import io
import os
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

from behave.model_type import Status
from behave.reporter import junit as stock

from support.plugins import worker_context
from support.reporting import write_errors

FEATURES = "features/"
NOT_STARTED = "TESTS-not-started.xml"


def install() -> None:
    """Let behave's reporter write trees that hold any text; a second call changes nothing."""
    stock.ElementTreeWithCDATA = ValidTree


def replace(config: Any) -> None:
    """Take the place of behave's own reporter, where there is one; a dry run has no results."""
    config.reporters = [
        TruthfulJUnit(config) if type(each) is stock.JUnitReporter else each
        for each in config.reporters
        if not (config.dry_run and isinstance(each, stock.JUnitReporter))
    ]


class ValidTree(stock.ElementTreeWithCDATA):  # type: ignore[misc]  # behave has no types
    """A document that any XML parser reads."""

    def write(self, file: Any, encoding: str) -> None:
        """Write all of it or nothing."""
        for element in self.iter():
            element.text = element.text and worker_context.OWN.shown(element.text)
            for name, value in element.attrib.items():
                element.set(name, worker_context.OWN.shown(value))
        written = io.BytesIO()
        super().write(written, encoding)
        try:
            with file:
                file.write(written.getvalue())
        except OSError:
            with contextlib.suppress(OSError):
                os.unlink(file.name)
            raise


class TruthfulJUnit(stock.JUnitReporter):  # type: ignore[misc]  # behave has no types
    """behave's reporter, which goes on without a file that cannot be written."""

    def feature(self, feature: Any) -> None:
        """Write the file of a feature."""
        with write_errors.kept(f"JUnit's file of {feature.filename}"):
            super().feature(feature)

    def make_feature_filename(self, feature: Any) -> str:
        """By the feature's whole path: two that share a name in two folders are two files."""
        path: str = os.path.relpath(feature.filename, self.config.base_dir).replace(os.sep, "/")
        return path.removeprefix(FEATURES).rsplit(".", 1)[0].replace("/", ".")

    def _process_scenario(self, scenario: Any, report: Any) -> None:
        before = len(report.testcases)
        super()._process_scenario(scenario, report)
        for case in report.testcases[before:]:
            for skipped in case.findall("skipped"):
                broken = report.feature.status.is_hook_error() and scenario.status is Status.untested
                if broken:
                    message = report.feature.error_message or report.feature.status.name
                    case.remove(skipped)
                    case.insert(0, _problem(f"not run, because of its feature: {message}"))
                    report.counts_skipped -= 1
                    report.counts_errors += 1
                else:
                    skipped.set("message", scenario.skip_reason or "not run")


def report_refusal(folder: str, name: str, message: str) -> None:
    """One broken test case, because a run without any would look green."""
    suite = ET.Element("testsuite", name=name, tests="1", errors="1", failures="0", skipped="0", time="0")
    case = ET.SubElement(suite, "testcase", classname=name, name=name, status="error", time="0")
    case.append(_problem(message))
    with write_errors.kept("JUnit's file of the refusal"):
        os.makedirs(folder, exist_ok=True)
        with Path(folder, NOT_STARTED).open("wb") as file:
            ValidTree(suite).write(file, "UTF-8")


def _problem(message: str) -> ET.Element:
    return ET.Element("error", type="NotRun", message=message)
