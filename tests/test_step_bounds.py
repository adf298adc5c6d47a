"""No step can hang the run, and what cannot be had is skipped with its reason: in a synthetic project."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

from support.settings import ROOT

ENVIRONMENT = """
import time
from types import SimpleNamespace

from support.plugins import steps
from support.settings import Mode


def before_all(context):
    settings = SimpleNamespace(timeout_s=2.0)
    context.citadel = SimpleNamespace(settings=settings, mode=Mode(context.config.userdata["mode"]))
    steps.bound_every_step(context)


def before_scenario(context, scenario):
    context.world = SimpleNamespace(begun=time.monotonic())
"""
STEPS = """
import time

from behave import given

from support.citadel import Inconclusive, Unavailable


@given("a store that never answers")
def hangs(context):
    try:
        time.sleep(60)
    except Exception:
        pass


@given("a fault that cannot be had")
def unavailable(context):
    raise Unavailable("nobody started that server")


@given("a noisy machine")
def inconclusive(context):
    raise Inconclusive("too much noise")


@given("all is well")
def well(context):
    pass
"""
FEATURE = """
Feature: Bounds
  Scenario: hangs
    Given a store that never answers
  Scenario: goes on
    Given all is well
  Scenario: cannot be had
    Given a fault that cannot be had
    And all is well
  Scenario: cannot be told
    Given a noisy machine
"""


def run(folder: Path, mode: str) -> tuple[str, float]:
    for name, text in (
        ("environment.py", ENVIRONMENT),
        ("steps/steps.py", STEPS),
        ("features/bounds.feature", FEATURE),
    ):
        path = folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    started = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-m", "behave", "--no-color", "-f", "plain", "-D", f"mode={mode}", "features"],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=60,
    )
    return done.stdout, time.monotonic() - started


def test_a_hanging_step_fails_in_bounded_time_and_the_run_goes_on(tmp_path: Path) -> None:
    printed, seconds = run(tmp_path, "attached")
    assert "the step did not end within 2 s, what was left of the scenario's ceiling" in printed
    assert "INTEGRATION_TEST_TIMEOUT" in printed
    assert seconds < 30
    assert "1 scenario passed, 1 failed, 2 skipped" in printed, printed


def test_what_cannot_be_had_is_an_error_where_the_suite_starts_everything(tmp_path: Path) -> None:
    printed, _seconds = run(tmp_path, "embedded")
    assert "1 scenario passed, 1 failed, 1 error, 1 skipped" in printed, printed
    assert "nobody started that server" in printed
