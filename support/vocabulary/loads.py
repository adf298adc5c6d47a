"""Loads: many callers at once or in a steady stream, and what can be claimed about how they were served."""

from __future__ import annotations

import os
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from hamcrest import assert_that, equal_to

from support.citadel import Inconclusive
from support.drivers.gateway import Answer
from support.load import journeys, runner, verdicts
from support.load.histograms import Latencies
from support.load.journeys import Journey, Target
from support.load.plan import ClosedLoop, OpenLoop, Plan
from support.load.runner import LoadResult
from support.load.verdicts import Decision, Verdict
from support.matchers.answers import succeeded
from support.reporting import plots
from support.settings import Mode
from support.vocabulary import caches, documents, searches
from support.vocabulary.texts import sentences
from support.world import Exhibit, World

# Hops that storing a text uses; the embedding itself is the work and no hop between services.
HOPS = ("gateway", "qdrant", "postgresql", "redis")
# A text of a steady load is a paragraph of about a hundred tokens, a note of a user is one sentence.
TEXTS = 50
SENTENCES_EACH = 4

Judge = Callable[[LoadResult], Verdict]
Draw = Callable[[LoadResult, Verdict], Mapping[str, str]]


@dataclass(slots=True)
class Load:
    """A load of the scenario, and what it measured when it was last carried out."""

    journey: Journey
    shape: OpenLoop | ClosedLoop
    id_prefix: str
    result: LoadResult
    repeated: bool = False


def store_unseen_texts(world: World, rate: float, rounds: int, round_s: float) -> None:
    """Texts that nobody has stored before arrive in the scenario's collection, whoever still waits."""
    id_prefix = world.names.document("unseen text")
    collection = world.names.collection(world.collection)
    journey = journeys.embedding_workflow(
        _target(world), collection, _texts(world, SENTENCES_EACH), id_prefix
    )
    _carry_out(world, journey, OpenLoop(rate, rounds, round_s), id_prefix)


def let_users_work(world: World, users: int, journeys_each: int) -> None:
    """Users store, read and search at the same time; they search for the documents stored before."""
    id_prefix = world.names.document("note of a user")
    collection = world.names.collection(world.collection)
    known = [
        (world.names.document(title), documents.read(world, title).body["text"])
        for title in world.evidence["titles"]
    ]
    journey = journeys.mixed_user(_target(world), collection, _texts(world, 1), known, id_prefix)
    _carry_out(world, journey, ClosedLoop(users, journeys_each), id_prefix)


def end_to_end_average(world: World, limit_s: float) -> Verdict:
    """Whether the average of the last load is at most the limit; raises ``Inconclusive``."""
    limit_ms = limit_s * 1000.0
    judge = partial(verdicts.mean_at_most, limit_ms=limit_ms)
    return _concluded(world, "e2e_embedding_ms", judge, partial(_journeys_drawn, limit_ms=limit_ms))


def hops_are_below(world: World, limit_s: float) -> Verdict:
    """Whether each hop of the last load takes less 95 of 100 times; raises ``Inconclusive``."""
    limit_ms = limit_s * 1000.0

    def judge(result: LoadResult) -> Verdict:
        return verdicts.all_of({hop: verdicts.hop_below(result, hop, limit_ms) for hop in HOPS})

    return _concluded(world, "hop_ms", judge, partial(_hops_drawn, limit_ms=limit_ms))


def journeys_succeed(world: World, share: float) -> Verdict:
    """Whether that share (0 to 1) of the last load's journeys succeeds; raises ``Inconclusive``."""
    judge = partial(verdicts.success_at_least, share=share)
    return _concluded(world, "users", judge, partial(_journeys_drawn, limit_ms=None))


def ask_with_and_without_cache(world: World, count: int) -> None:
    """Ask each question without the cache and, once its answer is cached, with it; keep both answers."""
    pairs = []
    for number in range(count):
        question = f"what is written in note {number}"
        fresh = searches.ask(world, question, use_cache=False)
        assert_that(searches.ask(world, question), succeeded(), "filling the cache")
        cached = searches.ask(world, question)
        assert_that(fresh, succeeded(), "a search without the cache")
        assert_that(caches.came_from_cache(cached), equal_to(True), f"with a warm cache: {cached}")
        pairs.append((fresh, cached))
    world.evidence["pairs"] = pairs


def typical_ms_without_and_with_cache(world: World) -> tuple[float, float]:
    """Medians over the questions, as the caller sees them."""
    pairs: Sequence[tuple[Answer, Answer]] = world.evidence["pairs"]
    without = statistics.median(fresh.elapsed_ms for fresh, _cached in pairs)
    return without, statistics.median(cached.elapsed_ms for _fresh, cached in pairs)


def _target(world: World) -> Target:
    return Target(world.citadel.gateway.url, world.key)


def _texts(world: World, length: int) -> list[str]:
    """Different texts of so many sentences."""
    single = sentences(TEXTS * length, f"{world.names.prefix}load")
    return [" ".join(single[start : start + length]) for start in range(0, len(single), length)]


def _carry_out(world: World, journey: Journey, shape: OpenLoop | ClosedLoop, id_prefix: str) -> None:
    result = _measured(world, journey, shape, id_prefix)
    world.evidence["load"] = Load(journey, shape, id_prefix, result)


def _measured(world: World, journey: Journey, shape: OpenLoop | ClosedLoop, id_prefix: str) -> LoadResult:
    """Carry out a load; its documents are entered in the ledger, and its time is no time of the framework."""
    citadel = world.citadel
    # Who names a deployed gateway and selects these scenarios asks for a load on it.
    plan = Plan(journey, shape, allow_remote=citadel.mode is Mode.DEPLOYED)
    pids = [service.pid for service in citadel.services.values() if service.running()]
    world.wrote = True
    with citadel.journal.call("load", f"{journey.name}: {shape.journeys} journeys") as call:
        result = runner.run(plan, pids=pids)
        call.outcome = f"{result.ok} of {result.n} succeeded, {result.dropped} never started"
    _enter(world, plan, result, id_prefix)
    return result


def _enter(world: World, plan: Plan, result: LoadResult, id_prefix: str) -> None:
    """Enter the load's documents: acknowledged if all journeys were right, else nobody knows which were."""
    collection = world.names.collection(world.collection)
    started = result.warm_up_n + result.n
    items = [(collection, journeys.stored_id(id_prefix, plan.run, n)) for n in range(started)]
    if result.ok == result.n and not result.warm_up_failed:
        world.ledger.acknowledged.update(dict.fromkeys(items, 1))
    else:
        world.ledger.unknown.update(items)


def _concluded(world: World, name: str, judge: Judge, draw: Draw) -> Verdict:
    """Judge the last load; if nothing can be said, once more after the same load again.

    The figures go into the run's results, sentence and drawings into the report. Raises ``Inconclusive`` if
    nothing can be said the second time either.
    """
    load: Load = world.evidence["load"]
    verdict = _judged(world, load, judge, draw)
    if verdict.outcome is Decision.INCONCLUSIVE and not load.repeated:
        load.repeated = True
        load.result = _measured(world, load.journey, load.shape, load.id_prefix)
        verdict = _judged(world, load, judge, draw)
    world.citadel.performance[name] = dict(verdict.figures)
    if verdict.outcome is Decision.INCONCLUSIVE:
        raise Inconclusive(verdict.reason)
    return verdict


def _judged(world: World, load: Load, judge: Judge, draw: Draw) -> Verdict:
    verdict = judge(load.result)
    again = " (repeated)" if load.repeated else ""
    told = {**_told(verdict), "load": runner.figures(load.result), "processors": os.cpu_count()}
    world.exhibits.append(Exhibit(f"Verdict, {verdict.outcome}{again}", "json", told))
    for name, svg in draw(load.result, verdict).items():
        world.exhibits.append(Exhibit(f"{name}{again}", "svg", svg))
    if load.result.latency.n:
        histogram = load.result.latency.spectrum()
        world.exhibits.append(Exhibit(f"Histogram in ms, HdrHistogram{again}", "text", histogram))
    return verdict


def _told(verdict: Verdict) -> dict[str, Any]:
    return {"verdict": str(verdict.outcome), "reason": verdict.reason, "figures": dict(verdict.figures)}


def _journeys_drawn(result: LoadResult, verdict: Verdict, limit_ms: float | None) -> dict[str, str]:
    between = verdict.figures.get("ci95")
    latencies: dict[str, Latencies] = {"journeys": result.latency}
    return {
        "Latency spectrum": plots.spectrum(
            f"Latency of the {result.journey}",
            latencies,
            limit_ms=limit_ms,
            mean_ms=tuple(between) if between else None,
        ),
        "Latency over time": plots.timeline(
            f"Latency of the {result.journey}, second by second",
            result.timeline,
            limit_ms=limit_ms,
            warm_up_s=result.warm_up_s,
        ),
    }


def _hops_drawn(result: LoadResult, _verdict: Verdict, limit_ms: float) -> dict[str, str]:
    hops = {hop: result.hops[hop] for hop in HOPS if hop in result.hops}
    return {"Hop spectrum": plots.spectrum("Time spent in each hop", hops, limit_ms=limit_ms)}
