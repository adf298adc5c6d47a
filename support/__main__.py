"""``python -m support``: run the acceptance suite, diagnose, keep a stack running, clean up, report."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

from support.packages import exit_unless_installed

exit_unless_installed()

# ruff: noqa: E402
from support import doctor, fuzz, internal_errors, options
from support.audit import command
from support.citadel import Citadel
from support.faults import capabilities, plan
from support.faults import commands as fault_commands
from support.faults.commands import CommandsError
from support.isolation.names import Run
from support.isolation.processes import Identity, own_mark
from support.lifecycle.sweep import STORE_ERRORS, end_processes, leftovers, sweep
from support.reporting import allure_report, flakiness, output, shards
from support.settings import ROOT, Settings, SettingsError

OUTPUT = output.DEFAULT
REFUSED = options.REFUSED
MOST_RUNS, MOST_SECONDS, MOST_SEED = 10_000, 7 * 86_400, 2**32 - 1


def main(arguments: list[str] | None = None) -> int:
    """Run one command; returns the exit code (0 good, 1 bad news, 2 could not be done)."""
    try:
        return _run(arguments)
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
    except BrokenPipeError:
        # Whoever read the output has seen enough; Python would complain again at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except Exception as error:
        print(f"Cannot go on: {internal_errors.noted(error, _redact, OUTPUT)}", file=sys.stderr)
    return REFUSED


def _redact(text: str) -> str:
    try:
        return Settings.load().secrets().redact(text)
    except Exception:
        # What the settings hold cannot be told apart: nothing is shown that may be an address.
        return options.one_line(text)


def parser() -> options.Parser:
    """Every command with its options."""
    parser = options.Parser(prog="python -m support", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("acceptance", help="run behave with the arguments that follow, then build the report")
    commands.add_parser("doctor", help="what would be tested, what is reachable, how to fix what is not")
    commands.add_parser("faults", help="the plan: every fault that would be allowed here; none is done")
    commands.add_parser("up", help="start the stack, print the variables to use it, keep it until Ctrl-C")
    clean = commands.add_parser("clean", help="remove what dead runs left, kept stacks included")
    clean.add_argument("--check", action="store_true", help="only tell; exit code 1 if there is something")
    audit = commands.add_parser(
        "audit",
        help="compare the stores that the settings name: 0 clean, 1 findings, 2 unknown",
        description="Compare PostgreSQL, Qdrant and Redis of one platform, without writing to any of them.",
    )
    command.add_arguments(audit)
    words = commands.add_parser("vocabulary", help="every sentence that a feature can use, as a page")
    words.add_argument("--text", action="store_true", help="print it instead")
    report = commands.add_parser("report", help="build the Allure HTML report from the last results")
    report.add_argument("--output", type=options.place, default=OUTPUT, help="where they lie (.acceptance)")
    merge = commands.add_parser("merge", help="put the results of all parts of a divided run together")
    merge.add_argument(
        "folders", nargs="+", type=options.folder, help="what each part left in its .acceptance"
    )
    merge.add_argument(
        "--output", type=options.place, default=OUTPUT, help="where the whole goes (.acceptance)"
    )
    flaky = commands.add_parser("flakiness", help="repeat a selection, tell how often what fails")
    flaky.add_argument(
        "--runs",
        type=options.whole(1, MOST_RUNS),
        default=10,
        help="how often (10); then arguments for behave",
    )
    random = commands.add_parser("fuzz", help="hold the contract against random requests on its own stack")
    random.add_argument(
        "--seconds", type=options.whole(1, MOST_SECONDS), help="how long to ask; without it one short round"
    )
    random.add_argument(
        "--seed", type=options.whole(0, MOST_SEED), help="the same seed makes the same requests"
    )
    random.add_argument("--json", type=options.new_file, metavar="FILE", help="the outcome for machines too")
    return parser


def _run(arguments: list[str] | None) -> int:
    # What follows "acceptance" or "flakiness" is behave's to understand, options included.
    asked, others = parser().parse_known_args(arguments)
    if asked.command in ("acceptance", "flakiness"):
        # behave itself: nothing that the other commands should pay for.
        from support.plugins.user_options import NotUnderstood, configuration

        try:
            config = configuration(others)
        except NotUnderstood as reason:
            print(f"Cannot run: {reason}", file=sys.stderr)
            return REFUSED
        if asked.command == "acceptance":
            return _acceptance(others, Path(str(config.userdata.get("output", OUTPUT))))
        return flakiness.measure(asked.runs, others, OUTPUT)
    if others:
        parser().error(f"unknown arguments: {' '.join(others)}")
    if asked.command == "report":
        return _report(asked.output)
    if asked.command == "vocabulary":
        return _vocabulary(OUTPUT, as_text=asked.text)
    if asked.command == "fuzz":
        return fuzz.main(asked.seconds, asked.seed, OUTPUT / "logs-fuzz", asked.json)
    if asked.command == "merge":
        return _merge(asked.folders, asked.output)
    try:
        settings = Settings.load()
        if asked.command == "doctor":
            return _doctor(settings)
        if asked.command == "faults":
            return _faults(settings)
        if asked.command == "audit":
            return command.run(settings, asked)
        if asked.command == "clean":
            return _clean(settings, only_tell=asked.check)
        return _up(settings)
    except SettingsError as error:
        print(error, file=sys.stderr)
        return REFUSED


def _acceptance(arguments: list[str], results: Path) -> int:
    """Run behave, then build the report of what it has written, if it has come so far."""
    before = output.began(results)
    # By this behave knows that it is to end when this process is gone.
    own_mark()
    run = subprocess.Popen([sys.executable, "-m", "behave", *arguments], cwd=ROOT)
    identity = Identity.of(run.pid)
    # Ctrl-C and SIGTERM are behave's to handle; this process only waits for it to unwind.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, lambda *_: run.terminate())
    code = run.wait()
    if code < 0:
        # Should its dead-man process have been killed as well, this is what is left.
        if identity is not None:
            end_processes(owner=identity)
        print(
            f"behave was ended by {signal.Signals(-code).name}: its results are incomplete", file=sys.stderr
        )
        code = 1
    if code <= 1 and output.began(results) != before:
        # The run's own verdict counts: where there is no Node there is no page.
        _report(results)
    return code


def _merge(folders: list[Path], whole: Path) -> int:
    try:
        table, good = shards.merge(folders, whole)
    except (shards.NotMerged, output.NotUsable) as reason:
        print(f"Cannot merge: {reason}", file=sys.stderr)
        return REFUSED
    print(table)
    _report(whole)
    return 0 if good else 1


def _report(results: Path) -> int:
    built = allure_report.build(results / output.ALLURE, results / output.REPORT, results / "history.jsonl")
    if built is not None:
        print(f"  Allure report: {built}")
    if (results / output.ALLURE).is_dir():
        _vocabulary(results, as_text=False)
    return REFUSED if built is None else 0


def _vocabulary(results: Path, *, as_text: bool) -> int:
    # behave and all step modules: nothing that the other commands should pay for.
    from support.plugins import vocabulary
    from support.reporting import vocabulary as page

    collected = vocabulary.collect(ROOT)
    text = (
        page.as_text(collected)
        if as_text
        else f"  vocabulary: {page.write(collected, results / output.REPORT)}"
    )
    print(text)
    return 0


def _doctor(settings: Settings) -> int:
    findings = doctor.examine(settings, OUTPUT)
    print(doctor.table(settings, findings))
    print(settings.secrets().redact(capabilities.text(doctor.faults(settings).table())))
    return 0 if all(finding.ok for finding in findings) else REFUSED


def _faults(settings: Settings) -> int:
    try:
        pairs = fault_commands.load(settings.fault_commands)
    except CommandsError as error:
        print(error, file=sys.stderr)
        return REFUSED
    lines = plan.plan(doctor.faults(settings), pairs)
    print(settings.secrets().redact("\n".join(lines) or "no fault is possible here: see the doctor"))
    return 0


def _clean(settings: Settings, *, only_tell: bool) -> int:
    """0: nothing is left; 1: something is; 2: a store could not be asked."""
    try:
        if only_tell:
            left = leftovers(settings, also_kept=True)
            print("\n".join(f"{kind} {name}" for kind, name in left) or "nothing is left")
            return 1 if left else 0
        print("\n".join(sweep(settings, also_kept=True)) or "nothing was left")
    except STORE_ERRORS as error:
        reason = options.one_line(settings.secrets().redact(f"{type(error).__name__}: {error}"))
        print(f"could not look into a store: {reason}; python -m support doctor names it", file=sys.stderr)
        return REFUSED
    return 0


def _up(settings: Settings) -> int:
    findings = doctor.examine(settings, OUTPUT)
    if not all(finding.ok for finding in findings):
        print(doctor.table(settings, findings), file=sys.stderr)
        return REFUSED
    stopped = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stopped.set())
    citadel = Citadel.open(settings, Run.current(), OUTPUT / "logs-up")
    try:
        print(citadel.introduction())
        print("To test this stack from another terminal:\n")
        for name, value in citadel.variables().items():
            print(f"export {name}='{value}'")
        print("\nCtrl-C stops it.", flush=True)
        stopped.wait()
    finally:
        citadel.close()
    return 0


if __name__ == "__main__":
    for stream in (sys.stdout, sys.stderr):
        # What an encoding cannot express is spelled out.
        getattr(stream, "reconfigure", lambda **_: None)(errors="backslashreplace")
    sys.exit(main())
