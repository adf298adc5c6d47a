"""The load engine: one process that carries out a plan and tells what it measured.

    python -m support.load.engine

The plan is one line of JSON on standard input, which stays open: when its other end is closed, the parent is
gone and the engine ends itself. The measurement is one JSON object on standard output. Exit codes: 0 done,
2 plan refused, 3 stopped before the end (signal, or the parent is gone).

A process of its own because a latency is only as good as the clock that takes it: nothing else runs on this
event loop. Open-loop latencies count from the moment a journey was meant to start, so a stalled system is
charged for everybody who would have come meanwhile.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import re
import resource
import signal
import stat
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

import aiohttp
from yarl import URL

from support.load.histograms import Latencies
from support.load.journeys import Journey, LoadRequest
from support.load.plan import MOST_IN_FLIGHT, UNFINISHED, ClosedLoop, OpenLoop, Plan, PlanRefused
from support.load.statistics import warm_up_ends

REFUSED = 2
STOPPED = 3
WARM_UP = -1
# Different error texts kept; the rest is counted together.
MOST_ERROR_TEXTS = 50
OTHER_ERRORS = "other errors"
# Names of hops are few; a broken header must not fill the memory.
MOST_HOPS = 20
# Past the load's own end: time to gather and tell the results.
GRACE_S = 20.0

_VARIABLE = re.compile(r"\$\{(\w+)\}")


class Wrong(Exception):
    """A request's answer was not the right one; the message becomes the error's text."""


class EngineStopped(Exception):
    """The engine was told to end before the plan was done."""


@dataclass(frozen=True, slots=True)
class Timing:
    """One journey: seconds of the event loop's clock when it was meant to start, started and ended."""

    round: int
    intended: float
    sent: float
    done: float
    ok: bool


@dataclass(slots=True)
class Engine:
    """Carries out one plan; the fields are what it has seen so far."""

    plan: Plan
    session: aiohttp.ClientSession
    samples: list[Timing] = field(default_factory=list)
    errors: Counter[str] = field(default_factory=Counter)
    hops: dict[str, Latencies] = field(default_factory=lambda: defaultdict(Latencies))
    steps: dict[str, Latencies] = field(default_factory=lambda: defaultdict(Latencies))
    requests: int = 0
    in_flight: int = 0
    peak_in_flight: int = 0
    started: float = 0.0
    started_at: float = 0.0
    cpu_s: float = 0.0
    ended: float = 0.0
    # Numbers of the journeys that went well, warm-up included.
    right: list[int] = field(default_factory=list)
    _numbers: int = 0

    async def run(self) -> None:
        """Carry out the plan; returns within ``plan.ends_within_s``."""
        await asyncio.sleep(max(0.0, self.plan.start_at - time.time()))
        self.started, self.started_at = _now(), time.time()
        cpu = time.process_time()
        load = self.plan.load
        try:
            async with (
                asyncio.timeout_at(self.started + self.plan.ends_within_s),
                asyncio.TaskGroup() as group,
            ):
                if isinstance(load, OpenLoop):
                    await self._arrive(load, group)
                else:
                    self._live(load, group)
        except TimeoutError:
            # Each journey that was cut off has counted itself as a failure.
            pass
        self.cpu_s = time.process_time() - cpu
        self.ended = _now()

    async def _arrive(self, load: OpenLoop, group: asyncio.TaskGroup) -> None:
        """Start journeys at their times, whatever became of the earlier ones."""
        warm_up = round(load.rate * load.warm_up_s)
        rounds = [(WARM_UP, self.started, warm_up)] + [
            (number, self.started + load.warm_up_s + number * (load.round_s + load.pause_s), load.per_round)
            for number in range(load.rounds)
        ]
        for number, begins, arrivals in rounds:
            for arrival in range(self.plan.index, arrivals, self.plan.processes):
                intended = begins + arrival / load.rate
                await asyncio.sleep(max(0.0, intended - _now()))
                if self.in_flight < MOST_IN_FLIGHT:
                    group.create_task(self._journey(number, intended))

    def _live(self, load: ClosedLoop, group: asyncio.TaskGroup) -> None:
        """Let every user make their journeys one after the other."""
        users = range(self.plan.index, load.users, self.plan.processes)
        all_warm = asyncio.Barrier(len(users))
        for user in users:
            group.create_task(self._user(load, user, all_warm))

    async def _user(self, load: ClosedLoop, user: int, all_warm: asyncio.Barrier) -> None:
        await asyncio.sleep(load.ramp_s * user / load.users)
        await self._journey(WARM_UP, _now())
        await all_warm.wait()
        ends = _now() + load.for_s
        for number in itertools.count():
            if _now() >= ends if load.for_s else number >= load.journeys_each:
                return
            if number and load.think_s:
                await asyncio.sleep(load.think_s)
            await self._journey(number, _now())

    async def _journey(self, round_: int, intended: float) -> None:
        """Make one journey and keep what came of it; no failure of it leaves here."""
        sent = _now()
        self.in_flight += 1
        self.peak_in_flight = max(self.peak_in_flight, self.in_flight)
        problem: str | None = UNFINISHED
        try:
            problem = await self._walk(round_)
        finally:
            self.in_flight -= 1
            self.samples.append(Timing(round_, intended, sent, _now(), problem is None))
            if problem is not None and round_ != WARM_UP:
                known = problem in self.errors or len(self.errors) < MOST_ERROR_TEXTS
                self.errors[problem if known else OTHER_ERRORS] += 1

    async def _walk(self, round_: int) -> str | None:
        """Make a journey's requests; returns what went wrong."""
        journey = self.plan.journey
        number = self._numbers * self.plan.processes + self.plan.index
        self._numbers += 1
        known: dict[str, Any] = {"run": self.plan.run, "n": number}
        known |= {name: values[number % len(values)] for name, values in journey.draws.items()}
        for request in journey.requests:
            try:
                await self._ask(journey, request, known, counts=round_ != WARM_UP)
            except Wrong as wrong:
                return f"{request.name}: {wrong}"
            except TimeoutError:
                return f"{request.name}: no answer within {self.plan.timeout_s:g} s"
            except aiohttp.ClientError as error:
                return f"{request.name}: {type(error).__name__}"
        self.right.append(number)
        return None

    async def _ask(
        self, journey: Journey, request: LoadRequest, known: dict[str, Any], *, counts: bool
    ) -> None:
        """Make one request and extract from its answer; raises ``Wrong`` unless that is the right one."""
        body = None if request.body is None else json.dumps(filled(request.body, known)).encode()
        headers = dict(journey.headers) | ({"Content-Type": "application/json"} if body else {})
        path = filled_path(request.path, known)
        began = _now()
        async with self.session.request(
            request.method,
            URL(journey.base_url.rstrip("/") + path, encoded=True),
            data=body,
            headers=headers,
            allow_redirects=False,
        ) as answer:
            content = await answer.read()
        if counts:
            self.requests += 1
            self.steps[request.name].record(_now() - began)
            for name, seconds in hops_of(answer.headers.getall("Server-Timing", [])):
                if name in self.hops or len(self.hops) < MOST_HOPS:
                    self.hops[name].record(seconds)
        if answer.status not in request.statuses:
            raise Wrong(f"{answer.status} {_problem_code(content)}".rstrip())
        if request.checks or request.extract:
            parsed = _json(content)
            for check in request.checks:
                seen = _at(parsed, check.pointer)
                if check.equals is not None and seen != filled(check.equals, known):
                    raise Wrong(f"wrong content at {check.pointer}")
            known |= {name: _at(parsed, pointer) for name, pointer in request.extract.items()}

    def measurement(self) -> dict[str, Any]:
        """Everything measured, as plain values; durations in ms, moments in seconds since the epoch."""
        load = self.plan.load
        counted = [sample for sample in self.samples if sample.round != WARM_UP]
        endless = isinstance(load, ClosedLoop) and load.for_s
        planned = len(counted) if endless else _own_part(load, self.plan)
        latency, lag = Latencies(), Latencies()
        for sample in counted:
            latency.record(sample.done - sample.intended)
            lag.record(sample.sent - sample.intended)
        return {
            "planned": planned,
            "n": len(counted),
            "ok": sum(sample.ok for sample in counted),
            "dropped": planned - len(counted),
            "requests": self.requests,
            "errors": dict(self.errors),
            "right": self.right,
            "latency": latency.to_json(),
            "rounds": self._rounds(counted),
            "timeline": self._timeline(),
            "hops": {name: seen.to_json() for name, seen in self.hops.items()},
            "steps": {name: seen.to_json() for name, seen in self.steps.items()},
            "arriving_s": self._arriving_s(counted),
            "send_lag": lag.to_json(),
            "cpu_s": self.cpu_s,
            "seconds": self.ended - self.started,
            "started_at": self.started_at,
            "peak_in_flight": self.peak_in_flight,
            "warm_up": self._warm_up(),
        }

    def _rounds(self, counted: Iterable[Timing]) -> list[dict[str, Any]]:
        grouped: dict[int, list[Timing]] = defaultdict(list)
        for sample in counted:
            grouped[sample.round].append(sample)
        offset = self.started_at - self.started
        return [
            {
                "number": number,
                "n": len(samples),
                "ok": sum(sample.ok for sample in samples),
                "sum_ms": sum(sample.done - sample.intended for sample in samples) * 1000.0,
                "started_at": offset + min(sample.intended for sample in samples),
                "ended_at": offset + max(sample.done for sample in samples),
            }
            for number, samples in sorted(grouped.items())
        ]

    def _timeline(self) -> list[dict[str, Any]]:
        """Per second: latencies by the intended start, journeys completed and failed by their end."""
        latencies: dict[int, list[float]] = defaultdict(list)
        completed, failed = Counter[int](), Counter[int]()
        for sample in self.samples:
            latencies[int(sample.intended - self.started)].append(sample.done - sample.intended)
            ended = int(sample.done - self.started)
            completed[ended] += sample.ok
            failed[ended] += not sample.ok
        timeline = []
        for second in range(max([*latencies, *completed], default=-1) + 1):
            seen = Latencies()
            for seconds in latencies[second]:
                seen.record(seconds)
            timeline.append(
                {
                    "second": second,
                    "completed": completed[second],
                    "failed": failed[second],
                    "latency": seen.to_json(),
                }
            )
        return timeline

    def _arriving_s(self, counted: list[Timing]) -> float:
        """Seconds in which the counted arrivals really came: per round to its last start, or to its end."""
        load = self.plan.load
        if not isinstance(load, OpenLoop):
            return 0.0
        latest: dict[int, float] = {}
        for sample in counted:
            latest[sample.round] = max(sample.sent, latest.get(sample.round, sample.sent))
        begins = self.started + load.warm_up_s
        return sum(
            max(load.round_s, sent - (begins + number * (load.round_s + load.pause_s)))
            for number, sent in latest.items()
        )

    def _warm_up(self) -> dict[str, Any]:
        """How long it was, and whether MSER-5 would have cut more from the series than it."""
        in_order = sorted(self.samples, key=lambda sample: sample.intended)
        n = sum(sample.round == WARM_UP for sample in in_order)
        counted = [sample.intended for sample in in_order if sample.round != WARM_UP]
        return {
            "n": n,
            "failed": sum(sample.round == WARM_UP and not sample.ok for sample in in_order),
            "seconds": (counted[0] if counted else self.ended) - self.started,
            "enough": warm_up_ends([sample.done - sample.intended for sample in in_order]) <= n,
        }


def filled(template: Any, known: dict[str, Any]) -> Any:
    """``template`` with the variables in all its strings replaced; an unknown one raises ``KeyError``."""
    if isinstance(template, str):
        if whole := _VARIABLE.fullmatch(template):
            return known[whole[1]]
        return _VARIABLE.sub(lambda match: str(known[match[1]]), template)
    if isinstance(template, dict):
        return {name: filled(value, known) for name, value in template.items()}
    if isinstance(template, list):
        return [filled(value, known) for value in template]
    return template


def filled_path(template: str, known: dict[str, Any]) -> str:
    """A path with its variables replaced and percent-encoded."""
    return _VARIABLE.sub(lambda match: quote(str(known[match[1]]), safe=""), template)


def hops_of(headers: Iterable[str]) -> list[tuple[str, float]]:
    """Names and seconds of ``Server-Timing`` headers; entries without a duration are left out."""
    hops = []
    for header in headers:
        for entry in header.split(","):
            name, *parameters = (part.strip() for part in entry.split(";"))
            for parameter in parameters:
                key, _equals, value = parameter.partition("=")
                if key.strip().lower() == "dur" and (milliseconds := _number(value.strip(' "'))) is not None:
                    hops.append((name, milliseconds / 1000.0))
    return hops


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def _json(content: bytes) -> Any:
    try:
        return json.loads(content)
    except ValueError:
        raise Wrong("the answer is not JSON") from None


def _at(document: Any, pointer: str) -> Any:
    """What ``document`` holds at a JSON pointer (RFC 6901); raises ``Wrong`` where there is nothing."""
    here = document
    for part in pointer.split("/")[1:]:
        key: Any = part.replace("~1", "/").replace("~0", "~")
        try:
            here = here[int(key)] if isinstance(here, list) else here[key]
        except (LookupError, TypeError, ValueError):
            raise Wrong(f"nothing at {pointer}") from None
    return here


def _problem_code(content: bytes) -> str:
    """The code of a problem document, or nothing."""
    try:
        problem = json.loads(content)
    except ValueError:
        return ""
    return str(problem.get("code", ""))[:40] if isinstance(problem, dict) else ""


def _own_part(load: OpenLoop | ClosedLoop, plan: Plan) -> int:
    """How many of the plan's journeys are this process's."""
    if isinstance(load, OpenLoop):
        return load.rounds * len(range(plan.index, load.per_round, plan.processes))
    return load.journeys_each * len(range(plan.index, load.users, plan.processes))


def _now() -> float:
    return asyncio.get_running_loop().time()


async def carry_out(plan: Plan) -> dict[str, Any]:
    """Carry out a checked plan and return the measurement."""
    session = aiohttp.ClientSession(
        # Below the 75 s that the services keep idle connections: a request on one just closed would fail.
        connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=60.0),
        timeout=aiohttp.ClientTimeout(total=plan.timeout_s),
        cookie_jar=aiohttp.DummyCookieJar(),
    )
    async with session:
        engine = Engine(plan, session)
        await engine.run()
        return engine.measurement()


async def _until_stopped(work: Callable[[], Awaitable[dict[str, Any]]]) -> dict[str, Any]:
    """The work's result; raises ``EngineStopped`` at a signal, or when the parent closes our stdin."""
    loop = asyncio.get_running_loop()
    stopped: asyncio.Future[str] = loop.create_future()

    def stop(why: str) -> None:
        if not stopped.done():
            stopped.set_result(why)

    def look_at_parent() -> None:
        if not os.read(sys.stdin.fileno(), 4096):
            stop("the parent is gone")

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop, f"received {number.name}")
    if stat.S_ISFIFO(os.fstat(sys.stdin.fileno()).st_mode):
        loop.add_reader(sys.stdin.fileno(), look_at_parent)
    task = asyncio.ensure_future(work())
    either: list[asyncio.Future[Any]] = [task, stopped]
    await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
    if task.done():
        return task.result()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    raise EngineStopped(stopped.result())


def main() -> int:
    """Read the plan, carry it out, print the measurement; returns the exit code."""
    plan = Plan.from_json(json.loads(sys.stdin.readline()))
    try:
        plan.check()
    except PlanRefused as refusal:
        print(refusal, file=sys.stderr)
        return REFUSED
    # The last resort: the system ends this process even if its event loop no longer turns.
    signal.alarm(int(plan.ends_within_s + max(0.0, plan.start_at - time.time()) + GRACE_S) + 1)
    _soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    try:
        measurement = asyncio.run(_until_stopped(lambda: carry_out(plan)))
    except EngineStopped as stopped:
        print(stopped, file=sys.stderr)
        return STOPPED
    json.dump(measurement, sys.stdout)
    return 0


if __name__ == "__main__":
    sys.exit(main())
