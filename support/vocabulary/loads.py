"""Loads: many users at once or arrivals in a steady stream, and what is claimed of how they were served."""

from __future__ import annotations

import os
import re
import statistics
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from support.citadel import Inconclusive
from support.drivers.gateway import Answer
from support.limits import CONTRACT
from support.load import journeys, runner, verdicts
from support.load.journeys import Target
from support.load.machine import Watch
from support.load.plan import ClosedLoop, OpenLoop, Plan
from support.load.runner import LoadResult
from support.load.verdicts import Decision, Sequential, Verdict
from support.matchers.requests import told
from support.reporting import plots
from support.settings import Mode
from support.vocabulary import tables
from support.vocabulary.texts import sentences
from support.vocabulary.time_limits import UNITS
from support.vocabulary.words import Word, any_of, unquoted
from support.world import Exhibit, World

# Different texts of one load, and the sentences of a paragraph.
TEXTS = 50
PARAGRAPH = 4
HOPS = ("gateway", "qdrant", "postgresql", "redis", "embedding", "total")
_STEP = rf"(?:{journeys.BATCH.pattern.replace('(', '(?:')}|{any_of(journeys.STEPS)})"
JOURNEY = Word(
    "journey",
    'what each user does, one after another, in quotes; also "store a batch of 25"',
    rf'"{_STEP}(?:, {_STEP})*"',
    lambda text: unquoted(text).split(", "),
    {f'"{step}"': meaning for step, meaning in journeys.STEPS.items()},
)


@dataclass(frozen=True, slots=True)
class Extent:
    """So many journeys of each user, or so many seconds."""

    times: int = 0
    seconds: float = 0.0


def _extent(text: str) -> Extent:
    if counted := _TIMES.fullmatch(text):
        return Extent(times=int(counted[1]))
    amount, unit = text.removeprefix("for ").split()
    return Extent(seconds=float(amount) * UNITS[unit])


_TIMES = re.compile(r"(\d+) times each")
EXTENT = Word(
    "extent",
    'how long users go on: "10 times each" or "for 30 seconds"',
    rf"\d+ times each|for \d+ (?:{any_of(UNITS)})",
    _extent,
)
Judge = Callable[[LoadResult], Verdict]
Draw = Callable[[LoadResult, Verdict], Mapping[str, str]]


@dataclass(slots=True)
class Load:
    """A load of the scenario, and what it measured when it was last carried out."""

    words: Sequence[str]
    shape: OpenLoop | ClosedLoop
    result: LoadResult
    repeated: bool = False


def arrive(world: World, words: Sequence[str], rate: float, rounds: int, round_s: float) -> None:
    """Journeys begin so many times a second, whoever still waits."""
    _carry_out(world, words, OpenLoop(rate, rounds, round_s))


def let_users_work(world: World, words: Sequence[str], users: int, extent: Extent) -> None:
    """Users make journeys at the same time, each without a pause: so many each, or for a time."""
    _carry_out(world, words, ClosedLoop(users, extent.times, for_s=extent.seconds))


def wait_as_contracted(world: World, server: str) -> None:
    """Let the suite's own gateway wait for ``server`` as long as the contract allows; others do so anyway."""
    stack = world.citadel.stack
    if stack is None:
        return
    # The first search after a start is not yet what the others are.
    world.citadel.faults.shaken = True
    world.undo(partial(stack.set_patience, server, world.citadel.promises.backend_s[server]))
    stack.set_patience(server, CONTRACT.backend_s[server])


def journeys_succeed(world: World, share: float) -> Verdict:
    """Whether that share (0 to 1) of the last load's journeys succeeds; raises ``Inconclusive``."""
    shape = _load(world).shape
    # How many journeys a time holds is up to the platform; the bound alone tells then whether they suffice.
    timed = isinstance(shape, ClosedLoop) and shape.for_s > 0
    fewest = 1 if timed else verdicts.FEWEST_JOURNEYS
    judge = partial(verdicts.success_at_least, share=share, fewest_journeys=fewest)
    return _concluded(world, "users", judge, partial(_journeys_drawn, limit_ms=None))


def mean_latency(world: World, limit_s: float) -> Verdict:
    """Whether the mean of the last load, or of the last requests, is at most the limit; ``Inconclusive``."""
    limit_ms = limit_s * 1000.0
    if world.attempts:
        return _mean_of_requests(world, limit_ms)
    load = _load(world)
    assert isinstance(load.shape, OpenLoop), (
        "users who wait for their answers do not show a mean latency: nobody comes while the platform stands"
        f' still. Write: When "{", ".join(load.words)}" is run 10 times per second in 10 rounds of 5 seconds'
    )
    judge = partial(verdicts.mean_at_most, limit_ms=limit_ms)
    name = "e2e_embedding_ms" if load.words == ["store a paragraph"] else f"mean of {', '.join(load.words)}"
    return _concluded(world, name, judge, partial(_journeys_drawn, limit_ms=limit_ms))


def _mean_of_requests(world: World, limit_ms: float) -> Verdict:
    last = world.last_request
    name = f"{last.actor} {last.request}" if last else "requests"
    latencies = [
        each.outcome.elapsed_ms if isinstance(each.outcome, Answer) else limit_ms for each in world.attempts
    ]
    errors = Counter(each.code for each in world.attempts if not each.ok)
    verdict = verdicts.mean_of_sequence(Sequential(name, latencies, errors, Watch.now()), limit_ms)
    world.exhibits.append(Exhibit(f"Verdict, {verdict.outcome}", "json", verdict.plain()))
    return _decided(world, f"mean of {name}", verdict)


def hops_are_below(world: World, share: float, rows: Sequence[Mapping[str, str]]) -> Verdict:
    """Whether that share of the last load's requests spends less in each hop; raises ``Inconclusive``."""
    limits: dict[str, float] = {}
    for row in rows:
        for column in row.keys() - {"hop", "limit"}:
            raise tables.unknown("column", column, ("hop", "limit"))
        if (hop := row["hop"].strip()) not in HOPS:
            raise tables.unknown("hop", hop, HOPS)
        amount, unit = row["limit"].split()
        limits[hop] = float(amount) * UNITS[unit] * 1000.0

    def judge(result: LoadResult) -> Verdict:
        return verdicts.all_of(
            {hop: verdicts.hop_below(result, hop, limit, share) for hop, limit in limits.items()}
        )

    name = "hop_ms" if share == verdicts.HOP_QUANTILE else f"hop_ms {share:.1%}"
    return _concluded(world, name, judge, partial(_hops_drawn, limits=limits))


def share_of_time_with_cache(world: World) -> tuple[float, str]:
    """Median time of the last answers from the cache, as a share of that without it; both in words."""
    times: dict[str, list[float]] = {"HIT": [], "BYPASS": []}
    for each in world.attempts:
        assert each.ok, told(each)
        times.get(str(each.answer.headers.get("X-Cache")), []).append(each.answer.elapsed_ms)
    cached, without = times["HIT"], times["BYPASS"]
    assert cached and len(cached) == len(without), (
        f"{len(cached)} answers came from the cache, {len(without)} passed it by: there must be as many"
    )
    medians = statistics.median(cached), statistics.median(without)
    return medians[0] / medians[1], f"{medians[0]:.1f} ms with the cache, {medians[1]:.1f} ms without"


def _load(world: World) -> Load:
    assert world.load is not None, "no load has been run in this scenario yet"
    return world.load


def _target(world: World, words: Sequence[str]) -> Target:
    length = PARAGRAPH if "store a paragraph" in words else 1
    single = sentences(TEXTS * length, f"{world.names.prefix}load")
    texts = [" ".join(single[start : start + length]) for start in range(0, len(single), length)]
    collection = world.names.collection(world.collection)
    prefix = f"load-{next(world.numbers)}"
    return Target(world.citadel.gateway.url, world.key, collection, prefix, texts, dict(world.texts))


def _carry_out(world: World, words: Sequence[str], shape: OpenLoop | ClosedLoop) -> None:
    # What is judged from here on is the load.
    world.attempts, world.answer = [], None
    world.load = Load(words, shape, _measured(world, words, shape))


def _measured(world: World, words: Sequence[str], shape: OpenLoop | ClosedLoop) -> LoadResult:
    """Carry out a load; its documents are entered in the ledger, and its time is no time of the framework."""
    citadel = world.citadel
    target = _target(world, words)
    # Who names a deployed gateway and selects these scenarios asks for a load on it.
    plan = Plan(journeys.journey(words, target), shape, allow_remote=citadel.mode is Mode.DEPLOYED)
    pids = [service.pid for service in citadel.services.values() if service.running()]
    world.wrote = True
    with citadel.journal.call("load", f'"{plan.journey.name}" by {shape}') as call:
        result = runner.run(plan, pids=pids)
        call.outcome = f"{result.ok} of {result.n} succeeded, {result.dropped} never started"
    _enter(world, words, target, plan, result)
    return result


def _enter(world: World, words: Sequence[str], target: Target, plan: Plan, result: LoadResult) -> None:
    """Enter the load's documents: acknowledged where the journey went well, else nobody knows."""
    right = set(result.right)
    for number in range(result.warm_up_n + result.n):
        stored = journeys.stored_items(words, target.id_prefix, plan.run, number)
        items = {(target.collection, item): version for item, version in stored.items()}
        if number in right:
            world.ledger.acknowledged.update(items)
        else:
            world.ledger.unknown.update(items)


def _concluded(world: World, name: str, judge: Judge, draw: Draw) -> Verdict:
    """Judge the last load; if nothing can be said, once more after the same load again.

    The figures go into the run's results, sentence and drawings into the report. Raises ``Inconclusive`` if
    nothing can be said the second time either.
    """
    load = _load(world)
    verdict = _judged(world, load, judge, draw)
    if verdict.outcome is Decision.INCONCLUSIVE and not load.repeated:
        load.repeated = True
        load.result = _measured(world, load.words, load.shape)
        verdict = _judged(world, load, judge, draw)
    return _decided(world, name, verdict)


def _decided(world: World, name: str, verdict: Verdict) -> Verdict:
    world.citadel.performance[name] = dict(verdict.figures)
    if verdict.outcome is Decision.INCONCLUSIVE:
        raise Inconclusive(verdict.reason)
    return verdict


def _judged(world: World, load: Load, judge: Judge, draw: Draw) -> Verdict:
    verdict = judge(load.result)
    again = " (repeated)" if load.repeated else ""
    shown = {**verdict.plain(), "load": runner.figures(load.result), "processors": os.cpu_count()}
    world.exhibits.append(Exhibit(f"Verdict, {verdict.outcome}{again}", "json", shown))
    for name, svg in draw(load.result, verdict).items():
        world.exhibits.append(Exhibit(f"{name}{again}", "svg", svg))
    if load.result.latency.n:
        histogram = load.result.latency.spectrum()
        world.exhibits.append(Exhibit(f"Histogram in ms, HdrHistogram{again}", "text", histogram))
    return verdict


def _journeys_drawn(result: LoadResult, verdict: Verdict, limit_ms: float | None) -> dict[str, str]:
    between = verdict.figures.get("ci95")
    return {
        "Latency spectrum": plots.spectrum(
            f"Latency of {result.journey}",
            {"journeys": result.latency},
            limit_ms=limit_ms,
            mean_ms=tuple(between) if between else None,
        ),
        "Latency over time": plots.timeline(
            f"Latency of {result.journey}, second by second",
            result.timeline,
            limit_ms=limit_ms,
            warm_up_s=result.warm_up_s,
        ),
    }


def _hops_drawn(result: LoadResult, _verdict: Verdict, limits: Mapping[str, float]) -> dict[str, str]:
    hops = {hop: result.hops[hop] for hop in limits if hop in result.hops}
    drawn = plots.spectrum("Time spent in each hop", hops, limit_ms=max(limits.values()))
    return {"Hop spectrum": drawn}
