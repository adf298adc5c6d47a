"""``python -m support``: run the acceptance suite, diagnose, keep a stack running, clean up, report."""

from __future__ import annotations

import argparse
import signal
import subprocess
import sys
import threading
from pathlib import Path

from support import doctor, fuzz
from support.audit import command
from support.citadel import Citadel
from support.faults import commands as fault_commands
from support.faults import plan, reach
from support.faults.commands import CommandsError
from support.isolation.names import Run
from support.isolation.sweep import leftovers, sweep
from support.reporting import allure_report, flakiness, shards
from support.settings import ROOT, Settings, SettingsError

OUTPUT = ROOT / ".acceptance"
REFUSED = 2


def main(arguments: list[str] | None = None) -> int:
    """Run one command; returns the exit code (0 good, 1 bad news, 2 could not be done)."""
    parser = argparse.ArgumentParser(prog="python -m support", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("acceptance", help="run behave with the arguments that follow, then build the report")
    commands.add_parser("doctor", help="what would be tested, what is reachable, what to mend")
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
    commands.add_parser("report", help="build the Allure HTML report from the last results")
    merge = commands.add_parser("merge", help="put the results of all parts of a divided run together")
    merge.add_argument("folders", nargs="+", type=Path, help="what each part left in its .acceptance")
    merge.add_argument("--output", type=Path, default=OUTPUT, help="where the whole goes (.acceptance)")
    flaky = commands.add_parser("flakiness", help="repeat a selection, tell how often what fails")
    flaky.add_argument("--runs", type=_positive, default=10, help="how often (10); then arguments for behave")
    random = commands.add_parser("fuzz", help="hold the contract against random requests on its own stack")
    random.add_argument("--seconds", type=_positive, help="how long to ask; without it one short round")
    random.add_argument("--seed", type=int, help="the same seed makes the same requests")
    random.add_argument("--json", type=Path, metavar="FILE", help="the outcome for machines too")
    # What follows "acceptance" or "flakiness" is behave's to understand, options included.
    options, others = parser.parse_known_args(arguments)
    if options.command == "acceptance":
        return _acceptance(others)
    if options.command == "flakiness":
        return flakiness.measure(options.runs, others, OUTPUT)
    if others:
        parser.error(f"unknown arguments: {' '.join(others)}")
    if options.command == "report":
        return _report()
    if options.command == "vocabulary":
        return _vocabulary(OUTPUT, as_text=options.text)
    if options.command == "fuzz":
        return fuzz.main(options.seconds, options.seed, OUTPUT / "logs-fuzz", options.json)
    if options.command == "merge":
        return _merge(options.folders, options.output)
    try:
        settings = Settings.load()
        if options.command == "doctor":
            return _doctor(settings)
        if options.command == "faults":
            return _faults(settings)
        if options.command == "audit":
            return command.run(settings, options)
        if options.command == "clean":
            return _clean(settings, only_tell=options.check)
        return _up(settings)
    except SettingsError as error:
        print(error, file=sys.stderr)
        return REFUSED


def _acceptance(arguments: list[str]) -> int:
    run = subprocess.Popen([sys.executable, "-m", "behave", *arguments], cwd=ROOT)
    # Ctrl-C and SIGTERM are behave's to handle; this process only waits for it to unwind.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, lambda *_: run.terminate())
    code = run.wait()
    if code not in (0, 1):
        return code
    return max(code, _report())


def _positive(text: str) -> int:
    if int(text) < 1:
        raise ValueError(text)
    return int(text)


def _merge(folders: list[Path], output: Path) -> int:
    try:
        table, good = shards.merge(folders, output)
    except shards.NotMerged as reason:
        print(f"Cannot merge: {reason}", file=sys.stderr)
        return REFUSED
    print(table)
    _report(output)
    return 0 if good else 1


def _report(output: Path = OUTPUT) -> int:
    built = allure_report.build(output / "allure-results", output / "report", output / "history.jsonl")
    if built is not None:
        print(f"  Allure report: {built}")
    return _vocabulary(output, as_text=False)


def _vocabulary(output: Path, *, as_text: bool) -> int:
    # behave and all step modules: nothing that the other commands should pay for.
    from support.plugins import vocabulary
    from support.reporting import vocabulary as page

    collected = vocabulary.collect(ROOT)
    told = page.as_text(collected) if as_text else f"  vocabulary: {page.write(collected, output / 'report')}"
    print(told)
    return 0


def _doctor(settings: Settings) -> int:
    findings = doctor.examine(settings, OUTPUT)
    print(doctor.table(settings, findings))
    print(settings.secrets().redact(reach.text(doctor.faults(settings).table())))
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
    if only_tell:
        left = leftovers(settings, also_kept=True)
        print("\n".join(f"{kind} {name}" for kind, name in left) or "nothing is left")
        return 1 if left else 0
    print("\n".join(sweep(settings, also_kept=True)) or "nothing was left")
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
    sys.exit(main())
