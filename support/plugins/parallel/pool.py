"""The run's side: hands feature files to workers and gives behave their results as if it had run them."""

from __future__ import annotations

import contextlib
import functools
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from multiprocessing import Pipe
from multiprocessing.connection import Connection, wait
from pathlib import Path
from types import FrameType
from typing import Any

from behave.model_type import Status

from support.isolation import processes
from support.lifecycle import sweep
from support.plugins import allure_corrections, worker_context
from support.plugins.parallel import endings, times
from support.plugins.parallel.endings import Ending
from support.plugins.parallel.replay import Call, calls_of_unreported, replay
from support.plugins.parallel.worker import LINE, STOP, Task

ROOT = Path(__file__).resolve().parents[3]
# Only these features run in the run itself, after the workers have stopped: they must not share the machine.
ALONE = "alone"
# After Ctrl-C a worker may take so long to clean up; what is left then its dead-man process removes.
ENDS_WITHIN_S = 15.0
SHOWN_LOG_LINES = 12


class NoWorker(Exception):
    """Not one worker could begin; the message is the first one's."""


@dataclass(slots=True)
class FeatureJob:
    """A feature file and what has become of it."""

    feature: Any
    expected_s: float
    begun: bool = False
    over: bool = False
    failed: bool = False
    settled: bool = False
    running: int | None = None
    unreported: list[int] = field(default_factory=list)
    calls: list[Call] = field(default_factory=list)
    took_s: float = 0.0

    @property
    def file(self) -> str:
        return str(self.feature.filename)


@dataclass(slots=True)
class Worker:
    """A worker process as the run sees it."""

    lane: worker_context.WorkerContext
    process: subprocess.Popen[bytes]
    line: Connection
    log: Path
    identity: processes.Identity | None
    ready: bool = False
    refusal: str = ""
    finished: bool = False
    job: FeatureJob | None = None

    def say(self, what: object) -> None:
        """Send something; a worker that is gone is noticed when its line ends."""
        with contextlib.suppress(OSError):
            self.line.send(what)

    def ended_how(self) -> str:
        """How the process ended, in one line."""
        code = self.process.returncode
        how = f"was ended by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"
        return f"worker {self.lane.name} {how}"

    def ended_how_in_full(self) -> str:
        """How the process ended, and the end of its log if it wrote any."""
        lines = self.log.read_text(encoding="utf-8", errors="replace").splitlines()[-SHOWN_LOG_LINES:]
        return worker_context.OWN.shown(
            "\n".join([self.ended_how(), *([f"the end of {self.log}:", *lines] if lines else [])])
        )


class Workers:
    """The workers of a run. Everything happens in the calling thread, while behave waits for a feature."""

    def __init__(self, context: Any, jobs: Iterable[FeatureJob], logs: Path, memory: Path | None) -> None:
        self._context = context
        self._runner = context._runner
        self._jobs = list(jobs)
        self._logs = logs
        self._memory = memory
        self._queue: list[FeatureJob] = []
        self._workers: list[Worker] = []
        self._endings: list[threading.Thread] = []
        self._started = 0
        self._refusals: list[str] = []
        self._complaints: list[str] = []
        self._begun = False
        self._stopping = False
        self._done = False
        self._interrupts = 0
        self._deadline: float | None = None
        self._before: dict[int, Any] = {}
        self._bell, self._rung = socket.socketpair()
        self.figures: list[Any] = []

    # --- begin and end

    def start(self, count: int) -> None:
        """Start so many workers and return when one is ready. Raises ``NoWorker`` if none can begin."""
        longest_first = self._context.config.userdata.get("order") is None
        self._queue = (
            sorted(self._jobs, key=lambda job: -job.expected_s) if longest_first else list(self._jobs)
        )
        processes.own_mark()
        self._listen_to_signals()
        for _ in range(count):
            self._start_worker()
        self._until(lambda: self._begun)
        if self._interrupts:
            self.finish()
            raise KeyboardInterrupt
        if not self._begun:
            self._done = True
            self._hand_signals_back()
            raise NoWorker(self._refusals[0])

    def run(self, job: FeatureJob, _runner: Any) -> bool:
        """What ``feature.run`` does in the run: wait for the worker, then tell. Returns whether it failed."""
        self._until(lambda: job.over or (self._stopping and not self._busy()))
        for formatter in self._allure():
            allure_corrections.leave_file(formatter)
        failed = self._settle(job)
        if self._interrupts:
            self.finish()
        if self._interrupts or (failed and self._stopping):
            # behave goes no further, but the others have got somewhere too.
            for other in self._jobs:
                if other.begun and not other.settled:
                    for formatter in self._heard():
                        formatter.uri(other.feature.filename)
                    self._settle(other)
            return True
        return failed

    def finish(self) -> None:
        """Wait until every worker has ended. Again does nothing."""
        if self._done:
            return
        self._done = True
        self._until(lambda: not self._workers)
        for ending in self._endings:
            ending.join()
        self._hand_signals_back()
        if self._interrupts:
            self._runner.abort(reason="KeyboardInterrupt")
        if self._memory is not None:
            times.remember(self._memory, {job.file: job.took_s for job in self._jobs if _whole(job)})

    def broken(self, job: FeatureJob, message: str, mark: str = "") -> None:
        """Whatever is not known of the job's scenarios is broken, for this reason; ``mark`` is the lane."""
        feature = job.feature
        scenarios = feature.walk_scenarios()
        left = [number for number in job.unreported if scenarios[number].should_run(self._runner.config)]
        if not job.calls:
            job.calls += [("feature", 0), *([("background", 0)] if feature.background else [])]
        for number in left:
            scenario = scenarios[number]
            text = message
            if job.running not in (None, number):
                text = f'not run: {message.splitlines()[0]} in "{scenarios[job.running].name.strip()}"'
            # The steps are left as they are: nobody knows how far it came.
            scenario.error_message = text
            scenario.set_status(Status.error)
            for formatter in self._allure():
                formatter.listener.report_not_run(scenario, text)
            self._show("ended", scenario, mark)
        if not left:
            feature.hook_failed, feature.error_message = True, message
            feature.set_status(Status.hook_error)
            allure_corrections.report_problem(self._context, f"{feature.name}: {message}")
        job.calls += [*calls_of_unreported(feature, left), ("eof", 0)]
        job.begun = job.over = job.failed = True
        job.unreported, job.running = [], None

    # --- what workers tell

    def _until(self, done: Callable[[], bool]) -> None:
        """Listen to the workers until then."""
        while True:
            self._mind_interrupts()
            if done() or not self._workers:
                return
            left = None if self._deadline is None else max(0.0, self._deadline - time.monotonic())
            lines = {worker.line: worker for worker in self._workers}
            heard = wait([*lines, self._bell], left)
            for each in heard:
                if each is self._bell:
                    self._bell.recv(64)
                else:
                    self._hear(lines[each])  # type: ignore[index]

    def _hear(self, worker: Worker) -> None:
        try:
            what, *details = worker.line.recv()
        except Exception:
            # The end of the line, or half a message of a worker that died while it spoke.
            worker.process.kill()
            self._bury(worker)
            return
        getattr(self, f"_on_{what}")(worker, *details)

    def _on_ready(self, worker: Worker, introduction: str) -> None:
        worker.ready = self._begun = True
        if introduction:
            print("\n".join(f"{worker.lane.name}: {line}" for line in introduction.splitlines()), flush=True)
        self._complain_of_workers()

    def _on_failed(self, worker: Worker, message: str) -> None:
        worker.refusal = message

    def _on_idle(self, worker: Worker) -> None:
        worker.job = None
        if not self._queue or self._stopping:
            worker.say(None)
            return
        job = worker.job = self._queue.pop(0)
        job.begun = True
        job.unreported = list(range(len(job.feature.walk_scenarios())))
        worker.say(job.file)

    def _on_began(self, worker: Worker, number: int) -> None:
        assert worker.job is not None
        worker.job.running = number
        self._show("began", worker.job.feature.walk_scenarios()[number], worker.lane.name)

    def _on_scenario(self, worker: Worker, number: int, ending: Ending, calls: list[Call]) -> None:
        job = worker.job
        assert job is not None
        job.running = None
        job.calls += calls
        scenario = self._enter(job, number, ending)
        self._show("ended", scenario, worker.lane.name)
        if scenario.status.has_failed() and self._runner.config.stop:
            self._stop()

    def _on_feature(
        self,
        worker: Worker,
        ending: Ending,
        left: Mapping[int, Ending],
        calls: list[Call],
        failed: bool,
        seconds: float,
    ) -> None:
        job = worker.job
        assert job is not None
        for number, each in left.items():
            self._enter(job, number, each)
        endings.enter_feature(job.feature, ending)
        job.calls += calls
        job.over, job.failed, job.took_s = True, failed, seconds
        self._show("ended_feature", job.feature, worker.lane.name)
        if failed and self._runner.config.stop:
            self._stop()

    def _on_ended(self, worker: Worker, figures: Any, broken: str) -> None:
        worker.finished = True
        if figures is not None:
            self.figures.append(figures)
        if broken and not worker.refusal:
            # Its own Allure results say so already.
            self._complain(f"worker {worker.lane.name}: {broken}", reported=True)

    def _bury(self, worker: Worker) -> None:
        """A line has ended: of a worker that is done, or that could not begin, or that has died."""
        worker.line.close()
        worker.process.wait()
        self._workers.remove(worker)
        job, worker.job = worker.job, None
        died = not worker.finished
        if died and worker.identity is not None:
            # Its dead-man process does that, unless it was ended as well.
            ending = threading.Thread(
                target=sweep.end_processes, kwargs={"owner": worker.identity}, name="left by a worker"
            )
            ending.start()
            self._endings.append(ending)
        if died and not worker.ready and not worker.refusal:
            worker.refusal = worker.ended_how_in_full()
        if worker.refusal:
            self._refusals.append(worker.refusal)
            self._complaints.append(f"worker {worker.lane.name} could not begin: {worker.refusal}")
        elif died and job is None:
            self._complaints.append(worker.ended_how_in_full())
        self._complain_of_workers()
        if job is not None and not job.over:
            if self._interrupts:
                job.over = job.failed = True
            else:
                self.broken(job, worker.ended_how_in_full(), worker.lane.name)
                if self._runner.config.stop:
                    self._stop()
        if self._queue and not self._stopping and not self._interrupts:
            if worker.ready:
                self._start_worker()
            elif not self._workers and self._begun:
                for lost in self._queue:
                    self.broken(lost, self._refusals[-1])
                self._queue.clear()

    # --- helpers

    def _start_worker(self) -> None:
        self._started += 1
        own = worker_context.WorkerContext(self._started)
        log = self._logs / own.name / "worker.log"
        log.parent.mkdir(parents=True, exist_ok=True)
        here, there = Pipe()
        path = os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
        with log.open("ab") as output:
            process = subprocess.Popen(
                [sys.executable, "-m", "support.plugins.parallel", *sys.argv[1:]],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env={
                    **os.environ,
                    "PYTHONPATH": path,
                    "PYTHONUNBUFFERED": "1",
                    LINE: str(there.fileno()),
                },
                pass_fds=[there.fileno()],
                # Ctrl-C is for the run, which tells its workers.
                start_new_session=True,
            )
        there.close()
        worker = Worker(own, process, here, log, processes.Identity.of(process.pid))
        folders = tuple(str(formatter.stream_opener.name) for formatter in self._allure())
        worker.say(Task(own.number, folders))
        self._workers.append(worker)

    def _enter(self, job: FeatureJob, number: int, ending: Ending) -> Any:
        scenario = job.feature.walk_scenarios()[number]
        endings.enter_scenario(scenario, ending)
        with contextlib.suppress(ValueError):
            job.unreported.remove(number)
        self._runner.undefined_steps.extend(step for step in scenario.all_steps if step.status.is_undefined())
        return scenario

    def _settle(self, job: FeatureJob) -> bool:
        """Tell the run's formatters all of it at once; returns whether it failed."""
        if not job.begun or job.settled:
            return False
        job.settled = True
        if ("feature", 0) in job.calls and job.calls[-1] != ("eof", 0):
            job.calls.append(("eof", 0))
        replay(job.calls, job.feature, self._runner.step_registry, self._heard())
        return job.failed

    def _complain(self, message: str, *, reported: bool = False) -> None:
        """Something broke outside of features: the run is red, and says so once."""
        self._runner.hook_failures += 1
        print(message, file=sys.stderr, flush=True)
        if not reported:
            allure_corrections.report_problem(self._context, message)

    def _complain_of_workers(self) -> None:
        """If none can begin, the run itself will say why."""
        while self._begun and self._complaints and not self._interrupts:
            self._complain(self._complaints.pop(0))

    def _show(self, what: str, about: Any, mark: str) -> None:
        """Tell the formatters that show scenarios as they end."""
        for formatter in self._runner.formatters:
            if _is_live(formatter):
                getattr(formatter, what)(about, mark)

    def _heard(self) -> list[Any]:
        """The formatters that learn of a feature when it is over: all but the live ones and Allure's."""
        return [
            formatter
            for formatter in self._runner.formatters
            if not _is_live(formatter) and not isinstance(formatter, allure_corrections.AllureFormatter)
        ]

    def _allure(self) -> list[Any]:
        return [
            formatter
            for formatter in self._runner.formatters
            if isinstance(formatter, allure_corrections.AllureFormatter)
        ]

    def _busy(self) -> bool:
        return any(worker.job is not None for worker in self._workers)

    def _stop(self) -> None:
        """Begin nothing more; what runs may end (``--stop``)."""
        if not self._stopping:
            self._stopping = True
            self._queue.clear()
            for worker in self._workers:
                worker.say(STOP)

    # --- signals

    def _listen_to_signals(self) -> None:
        """Until the workers have ended, Ctrl-C and SIGTERM only ring a bell: nothing is torn apart."""
        self._bell.setblocking(False)
        self._rung.setblocking(False)
        signal.set_wakeup_fd(self._rung.fileno(), warn_on_full_buffer=False)
        for number in (signal.SIGINT, signal.SIGTERM):
            self._before[number] = signal.signal(number, self._ring)

    def _hand_signals_back(self) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
        signal.set_wakeup_fd(-1)
        self._bell.close()
        self._rung.close()

    def _ring(self, _number: int, _frame: FrameType | None) -> None:
        self._interrupts += 1

    def _mind_interrupts(self) -> None:
        """The first interrupt asks the workers to end, the second one does not ask."""
        if not self._interrupts:
            return
        if self._deadline is None:
            self._stopping = True
            self._queue.clear()
            self._deadline = time.monotonic() + ENDS_WITHIN_S
            print("\ninterrupted: the workers are cleaning up; again to leave at once", flush=True)
            for worker in self._workers:
                worker.process.terminate()
        elif self._interrupts > 1 or time.monotonic() > self._deadline:
            for worker in self._workers:
                worker.process.kill()


def distribute(
    context: Any,
    workers: int,
    *,
    logs: Path,
    memory: Path | None = None,
    before_alone: Callable[[Any], None] | None = None,
    cores: int | None = None,
) -> bool:
    """Let workers run the selected features, in ``before_all``; returns whether it is worth while.

    Features with an ``@alone`` scenario stay with the run itself and come last, after the workers have
    stopped and ``before_alone`` has been called. ``memory`` is the file that remembers how long features
    took. Raises ``NoWorker`` if not one worker can begin.
    """
    runner = context._runner
    if worker_context.OWN.is_worker or context.config.dry_run:
        return False
    alone = [feature for feature in runner.features if _selected(feature, context.config, ALONE)]
    shared = [
        feature
        for feature in runner.features
        if _selected(feature, context.config) and not any(feature is each for each in alone)
    ]
    files = [str(feature.filename) for feature in shared]
    count = min(workers, _cores() if cores is None else cores, len(files))
    # A file that was named twice has two features: only behave itself can tell them apart.
    if count < 2 or len(set(files)) < len(files):
        return False
    expected = times.expected(files, times.recall(memory) if memory else {})
    jobs = [FeatureJob(feature, expected[file]) for feature, file in zip(shared, files, strict=True)]
    pool = Workers(context, jobs, logs, memory)
    print(f"{len(files)} feature files in {count} workers", flush=True)
    pool.start(count)
    context.add_cleanup(pool.finish)
    runner.parallel = pool
    for job in jobs:
        job.feature.run = functools.partial(pool.run, job)
    ready = _Once(pool, before_alone)
    for feature in alone:
        feature.run = functools.partial(_run_alone, feature.run, feature, pool, ready)
    runner.features.sort(key=lambda feature: any(feature is each for each in alone))
    return True


def figures(context: Any) -> list[Any] | None:
    """What each worker has measured, after all have ended; None where there were no workers."""
    pool: Workers | None = getattr(context._runner, "parallel", None)
    if pool is None:
        return None
    pool.finish()
    return pool.figures


class _Once:
    """What has to happen before the first feature that runs alone."""

    def __init__(self, pool: Workers, action: Callable[[Any], None] | None) -> None:
        self._pool = pool
        self._action = action

    def __call__(self, context: Any) -> None:
        self._pool.finish()
        action, self._action = self._action, None
        if action is not None:
            action(context)


def _run_alone(
    original: Callable[[Any], bool], feature: Any, pool: Workers, ready: _Once, runner: Any
) -> bool:
    try:
        ready(runner.context)
    except Exception as error:
        job = FeatureJob(feature, 0.0, unreported=list(range(len(feature.walk_scenarios()))))
        pool.broken(job, str(error))
        return pool.run(job, runner)
    if runner.aborted:
        raise KeyboardInterrupt
    return original(runner)


def _selected(feature: Any, config: Any, tag: str | None = None) -> bool:
    """Whether a scenario of it is selected that has the tag."""
    return any(
        scenario.should_run(config) and (tag is None or tag in scenario.effective_tags)
        for scenario in feature.walk_scenarios()
    )


def _whole(job: FeatureJob) -> bool:
    """Whether all of it ran, so that its time can be remembered."""
    return job.took_s > 0 and all(
        scenario.status.is_passed() or scenario.skip_reason for scenario in job.feature.walk_scenarios()
    )


def _is_live(formatter: Any) -> bool:
    return bool(getattr(formatter, "shows_workers", False))


def _cores() -> int:
    """Processors this process may use."""
    with contextlib.suppress(AttributeError):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
