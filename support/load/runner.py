"""Carries out a load in engine processes of its own and returns what they measured, merged."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import IO, Any

from support.load.histograms import Latencies
from support.load.machine import Signals, Watch
from support.load.plan import ClosedLoop, OpenLoop, Plan

MOST_PROCESSES = 16
# Starting Python, importing aiohttp and telling the results take a second or two.
OVERHEAD_S = 30.0
# Several processes agree on a start that far ahead.
HEAD_START_S = 1.5
ENDS_WITHIN_S = 2.0
PROJECT = Path(__file__).resolve().parents[2]


class LoadFailed(Exception):
    """The load was not carried out: an engine refused, died or did not end. Says which and why."""


@dataclass(frozen=True, slots=True)
class Round:
    """Journeys of one round, by their intended start; moments are seconds since the epoch.

    In a closed loop round *k* holds the *k*-th journey of every user.
    """

    number: int
    n: int
    ok: int
    mean_ms: float
    started_at: float
    ended_at: float


@dataclass(frozen=True, slots=True)
class Second:
    """One second of the load: latencies (ms) of journeys meant to start in it, journeys that ended in it."""

    second: int
    arrived: int
    completed: int
    failed: int
    p50_ms: float | None
    p95_ms: float | None
    p99_ms: float | None


@dataclass(frozen=True, slots=True)
class LoadResult:
    """What a load measured. Warm-up counts nowhere but in ``timeline`` and ``warm_up_*``.

    ``latency`` is that of whole journeys, right or wrong; in an open loop from their intended start.
    ``hops``: the platform's own ``Server-Timing``, per request. ``steps``: each request of a journey, from
    its sending. ``dropped``: planned journeys that never started. ``achieved_rate`` is None in a closed loop.
    ``generator_cpu``: the busiest engine's share of one processor.
    """

    journey: str
    load: OpenLoop | ClosedLoop
    n: int
    ok: int
    planned: int
    dropped: int
    requests: int
    errors: Mapping[str, int]
    latency: Latencies
    rounds: Sequence[Round]
    timeline: Sequence[Second]
    hops: Mapping[str, Latencies]
    steps: Mapping[str, Latencies]
    achieved_rate: float | None
    send_lag: Latencies
    generator_cpu: float
    processes: int
    peak_in_flight: int
    started_at: float
    seconds: float
    warm_up_n: int
    warm_up_failed: int
    warm_up_s: float
    warm_up_enough: bool
    machine: Signals | None = None
    # Numbers of the journeys that went well, warm-up included.
    right: Sequence[int] = ()


def run(plan: Plan, *, processes: int = 1, pids: Sequence[int] = ()) -> LoadResult:
    """Carry out ``plan`` in that many engine processes; returns when all have ended.

    ``pids`` are the platform's processes, where they are known: the machine is watched for them meanwhile.
    Raises ``PlanRefused`` or ``LoadFailed``; no engine outlives the call.
    """
    plan.check()
    if not 1 <= processes <= MOST_PROCESSES:
        raise LoadFailed(f"{processes} engine processes: between 1 and {MOST_PROCESSES} are possible")
    start_at = time.time() + HEAD_START_S if processes > 1 else 0.0
    parts = [replace(plan, index=index, processes=processes, start_at=start_at) for index in range(processes)]
    watch = Watch(pids)
    measured = _carry_out(parts)
    signals = watch.signals(sum(part["cpu_s"] for part in measured))
    return replace(merged(plan, measured), machine=signals)


def _carry_out(parts: Sequence[Plan]) -> list[dict[str, Any]]:
    deadline = time.monotonic() + parts[0].ends_within_s + OVERHEAD_S
    with ExitStack() as running:
        engines = [running.enter_context(_engine(part)) for part in parts]
        return [engine.measurement(deadline) for engine in engines]


@dataclass(frozen=True, slots=True)
class _Engine:
    """A running engine process and what it writes."""

    process: subprocess.Popen[bytes]
    out: IO[bytes]
    err: IO[bytes]

    def measurement(self, deadline: float) -> dict[str, Any]:
        """What the engine measured, once it has ended; ``deadline`` in seconds of ``time.monotonic()``."""
        try:
            code = self.process.wait(max(0.1, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            raise LoadFailed("a load engine did not end in its time and was stopped") from None
        if code != 0:
            last_words = _text(self.err).strip().splitlines()[-1:] or ["no last words"]
            raise LoadFailed(f"a load engine ended with exit code {code}: {last_words[0][:300]}")
        try:
            return dict(json.loads(_text(self.out)))
        except ValueError as error:
            raise LoadFailed(f"a load engine's results cannot be read: {error}") from None


@contextmanager
def _engine(plan: Plan) -> Iterator[_Engine]:
    """An engine carrying out ``plan``; ended afterwards. Its standard input stays open: our sign of life."""
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        command = [sys.executable, "-m", "support.load.engine"]
        process = subprocess.Popen(command, cwd=PROJECT, stdin=subprocess.PIPE, stdout=out, stderr=err)
        assert process.stdin is not None
        try:
            # A broken pipe: it died at once, and measurement() tells why.
            with suppress(BrokenPipeError):
                process.stdin.write(json.dumps(plan.to_json()).encode() + b"\n")
                process.stdin.flush()
            yield _Engine(process, out, err)
        finally:
            _end(process, process.stdin)


def _end(process: subprocess.Popen[bytes], sign_of_life: IO[bytes]) -> None:
    with suppress(BrokenPipeError):
        sign_of_life.close()
    try:
        process.wait(ENDS_WITHIN_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait(ENDS_WITHIN_S)


def _text(file: IO[bytes]) -> str:
    file.seek(0)
    return file.read().decode(errors="replace")


def merged(plan: Plan, measured: Sequence[Mapping[str, Any]]) -> LoadResult:
    """The measurements of all parts of one load as one result: counts added, histograms added."""
    n = _total(measured, "n")
    arriving_s = max(part["arriving_s"] for part in measured)
    errors: Counter[str] = Counter()
    for part in measured:
        errors.update(part["errors"])
    return LoadResult(
        journey=plan.journey.name,
        load=plan.load,
        n=n,
        ok=_total(measured, "ok"),
        planned=_total(measured, "planned"),
        dropped=_total(measured, "dropped"),
        requests=_total(measured, "requests"),
        errors=dict(errors.most_common()),
        right=[number for part in measured for number in part["right"]],
        latency=_added(part["latency"] for part in measured),
        rounds=_rounds(measured),
        timeline=_timeline(measured),
        hops=_added_by_name(measured, "hops"),
        steps=_added_by_name(measured, "steps"),
        achieved_rate=n / arriving_s if arriving_s else None,
        send_lag=_added(part["send_lag"] for part in measured),
        generator_cpu=max(part["cpu_s"] / part["seconds"] for part in measured),
        processes=len(measured),
        peak_in_flight=_total(measured, "peak_in_flight"),
        started_at=min(part["started_at"] for part in measured),
        seconds=max(part["seconds"] for part in measured),
        warm_up_n=sum(part["warm_up"]["n"] for part in measured),
        warm_up_failed=sum(part["warm_up"]["failed"] for part in measured),
        warm_up_s=min(part["warm_up"]["seconds"] for part in measured),
        warm_up_enough=all(part["warm_up"]["enough"] for part in measured),
    )


def _total(measured: Iterable[Mapping[str, Any]], name: str) -> int:
    return sum(int(part[name]) for part in measured)


def _added(histograms: Iterable[Mapping[str, Any]]) -> Latencies:
    whole = Latencies()
    for part in histograms:
        whole.add(Latencies.from_json(part))
    return whole


def _added_by_name(measured: Sequence[Mapping[str, Any]], member: str) -> dict[str, Latencies]:
    names = sorted({name for part in measured for name in part[member]})
    return {name: _added(part[member][name] for part in measured if name in part[member]) for name in names}


def _grouped(
    measured: Sequence[Mapping[str, Any]], member: str, key: str
) -> Iterable[tuple[int, list[Mapping[str, Any]]]]:
    everything = [item for part in measured for item in part[member]]
    for value in sorted({item[key] for item in everything}):
        yield value, [item for item in everything if item[key] == value]


def _rounds(measured: Sequence[Mapping[str, Any]]) -> list[Round]:
    return [
        Round(
            number=number,
            n=_total(parts, "n"),
            ok=_total(parts, "ok"),
            mean_ms=sum(part["sum_ms"] for part in parts) / _total(parts, "n"),
            started_at=min(part["started_at"] for part in parts),
            ended_at=max(part["ended_at"] for part in parts),
        )
        for number, parts in _grouped(measured, "rounds", "number")
    ]


def _timeline(measured: Sequence[Mapping[str, Any]]) -> list[Second]:
    timeline = []
    for second, parts in _grouped(measured, "timeline", "second"):
        latency = _added(part["latency"] for part in parts)
        p50, p95, p99 = (latency.quantile_ms(q) if latency.n else None for q in (0.5, 0.95, 0.99))
        timeline.append(
            Second(
                second=second,
                arrived=latency.n,
                completed=_total(parts, "completed"),
                failed=_total(parts, "failed"),
                p50_ms=p50,
                p95_ms=p95,
                p99_ms=p99,
            )
        )
    return timeline


def figures(result: LoadResult) -> dict[str, Any]:
    """The result as plain values for a JSON attachment; durations in ms, the whole histogram as base64."""
    shown: dict[str, Any] = {
        "journey": result.journey,
        "load": asdict(result.load),
        "counts": {name: getattr(result, name) for name in ("planned", "n", "ok", "dropped", "requests")},
        "errors": dict(result.errors),
        "latency_ms": summary(result.latency),
        "hops_ms": {name: summary(seen) for name, seen in result.hops.items()},
        "steps_ms": {name: summary(seen) for name, seen in result.steps.items()},
        "rounds": [asdict(one) for one in result.rounds],
        "generator": {
            "processes": result.processes,
            "cpu_of_one_processor": round(result.generator_cpu, 3),
            "send_lag_ms": summary(result.send_lag),
            "achieved_rate": result.achieved_rate,
            "peak_in_flight": result.peak_in_flight,
        },
        "warm_up": {
            "n": result.warm_up_n,
            "failed": result.warm_up_failed,
            "seconds": result.warm_up_s,
            "enough": result.warm_up_enough,
        },
        "machine": None if result.machine is None else asdict(result.machine),
        "histogram": result.latency.to_json()["hdr"],
    }
    return shown


def summary(latencies: Latencies) -> dict[str, float]:
    """``n``, ``mean`` and percentiles in ms; only ``n`` when nothing was recorded."""
    if not latencies.n:
        return {"n": 0}
    quantiles = {"p50": 0.5, "p95": 0.95, "p99": 0.99, "max": 1.0}
    return {
        "n": latencies.n,
        "mean": round(latencies.mean_ms, 3),
        **{name: latencies.quantile_ms(share) for name, share in quantiles.items()},
    }
