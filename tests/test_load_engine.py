"""The load engine against a small server that counts, stalls, fails and says what it saw."""

from __future__ import annotations

import asyncio
import json
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import pytest
from aiohttp import web

from support.load import engine, journeys, runner
from support.load.journeys import Expectation, Journey, LoadRequest, Target
from support.load.plan import UNFINISHED, ClosedLoop, OpenLoop, Plan, PlanRefused

KEY = "ck_user_of_the_fake_server"
COLLECTION = "at_notes"
# Seconds of a slow answer of the fake server; longer than any time limit of a request here.
SLOW_S = 0.4
STALL_S = 0.5
KNOWN = [("known.0", "The archive opens at seven."), ("known.1", "The boiler was repaired.")]
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class FakeGateway:
    """Stores and finds like the gateway, in memory; one thread with an event loop of its own."""

    def __init__(self) -> None:
        self.stored: dict[str, str] = {}
        self.seen: list[str] = []
        self.keys: set[str | None] = set()
        self.stall_at = 0
        self.at_once = self.most_at_once = 0
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)

    def start(self) -> None:
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self._serve(), self._loop).result(5)

    def stop(self) -> None:
        asyncio.run_coroutine_threadsafe(self._server.cleanup(), self._loop).result(5)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(5)

    async def _serve(self) -> None:
        app = web.Application(middlewares=[self._watched])
        app.router.add_post("/api/v1/vectors/insert", self._insert)
        app.router.add_post("/api/v1/vectors/search", self._search)
        app.router.add_get("/api/v1/vectors/{collection}/{id}", self._get)
        app.router.add_get("/behave/{how}", self._behave)
        self._server = web.AppRunner(app, shutdown_timeout=0.1)
        await self._server.setup()
        site = web.TCPSite(self._server, "127.0.0.1", 0)
        await site.start()
        self.url = f"http://127.0.0.1:{self._server.addresses[0][1]}"

    @web.middleware
    async def _watched(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        self.seen.append(request.path)
        self.keys.add(request.headers.get("X-API-Key"))
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            if len(self.seen) == self.stall_at:
                # On purpose on the event loop: nobody is served meanwhile.
                time.sleep(STALL_S)
            return await handler(request)
        finally:
            self.at_once -= 1

    async def _insert(self, request: web.Request) -> web.Response:
        told = await request.json()
        created = told["id"] not in self.stored
        self.stored[told["id"]] = told["text"]
        body = {
            "id": told["id"],
            "outcome": "created" if created else "unchanged",
            "stored": {"qdrant": True, "postgresql": True},
        }
        timing = {"Server-Timing": "gateway;dur=1.5, qdrant;dur=2, total;dur=4, broken, redis;dur=x"}
        return web.json_response(body, status=201, headers=timing)

    async def _get(self, request: web.Request) -> web.Response:
        item = request.match_info["id"]
        if item not in self.stored:
            return web.json_response({"code": "vector-not-found"}, status=404)
        return web.json_response({"id": item, "text": self.stored[item]})

    async def _search(self, request: web.Request) -> web.Response:
        told = await request.json()
        found = [{"id": item} for item, text in KNOWN if text == told["query_text"]]
        return web.json_response({"results": found})

    async def _behave(self, request: web.Request) -> web.StreamResponse:
        how = request.match_info["how"]
        if how == "slow":
            await asyncio.sleep(SLOW_S)
        if how == "leave":
            assert request.transport is not None
            request.transport.abort()
        if how == "refuse":
            return web.json_response({"code": "dependency-unavailable"}, status=503)
        if how == "mumble":
            return web.Response(text="not JSON")
        return web.json_response({"how": how, "a/b": {"~": [1, 2]}})


@pytest.fixture
def gateway() -> Iterator[FakeGateway]:
    fake = FakeGateway()
    fake.start()
    yield fake
    fake.stop()


def mixed(gateway: FakeGateway, texts: list[str]) -> Journey:
    """Store, read, search for a document that is known."""
    target = Target(gateway.url, KEY, COLLECTION, "note", texts, dict(KNOWN))
    return journeys.journey(["store", "read", "search"], target)


def behaving(gateway: FakeGateway, *how: str) -> Journey:
    """One request a journey, in turn for each behaviour; right is the answer "well"."""
    request = LoadRequest("ask", "GET", "/behave/${how}", (200,), checks=(Expectation("/how", "well"),))
    return Target(gateway.url, KEY).journey("request", [request], {"how": list(how)})


def carried_out(plan: Plan) -> runner.LoadResult:
    """The plan's result, measured in this process."""
    plan.check()
    return runner.merged(plan, [asyncio.run(engine.carry_out(plan))])


def test_an_open_loop_counts_everything_once(gateway: FakeGateway) -> None:
    journey = journeys.journey(["store"], Target(gateway.url, KEY, COLLECTION, "note", ["one", "two"]))
    result = runner.run(Plan(journey, OpenLoop(40, 5, 0.25, pause_s=0.05, warm_up_s=0.25)))
    assert (result.n, result.ok, result.planned, result.dropped) == (50, 50, 50, 0)
    assert (result.warm_up_n, result.warm_up_failed, result.errors) == (10, 0, {})
    assert [one.n for one in result.rounds] == [10] * 5
    assert result.requests == result.steps["insert"].n == result.latency.n == 50
    assert result.achieved_rate == pytest.approx(40, rel=0.1)
    assert sum(second.arrived for second in result.timeline) == 60
    assert sum(second.completed for second in result.timeline) == 60
    assert result.machine is not None
    assert len(gateway.stored) == len(gateway.seen) == 60
    assert gateway.keys == {KEY}


def test_hops_are_those_the_server_tells(gateway: FakeGateway) -> None:
    journey = journeys.journey(["store"], Target(gateway.url, KEY, COLLECTION, "note", ["one"]))
    hops = carried_out(Plan(journey, OpenLoop(100, 1, 0.1, warm_up_s=0.05))).hops
    assert {name: hop.n for name, hop in hops.items()} == {"gateway": 10, "qdrant": 10, "total": 10}
    assert hops["gateway"].mean_ms == pytest.approx(1.5)


def test_journeys_carry_on_what_was_answered(gateway: FakeGateway) -> None:
    gateway.stored.update(KNOWN)
    journey = mixed(gateway, ["one", "two", "three"])
    result = carried_out(Plan(journey, ClosedLoop(3, 2, ramp_s=0.05)))
    assert (result.ok, result.n, dict(result.errors)) == (6, 6, {})
    assert {name: step.n for name, step in result.steps.items()} == {"insert": 6, "get": 6, "search": 6}
    # Three warm-up journeys as well, each with a number of its own.
    assert len(gateway.stored) == len(KNOWN) + 9
    assert len(set(gateway.stored.values())) == len(KNOWN) + 9


def test_a_wrong_answer_ends_its_journey(gateway: FakeGateway) -> None:
    journey = journeys.journey(
        ["search"], Target(gateway.url, KEY, COLLECTION, known={"one": "nobody knows"})
    )
    result = carried_out(Plan(journey, OpenLoop(100, 1, 0.1, warm_up_s=0.0)))
    assert (result.ok, dict(result.errors)) == (0, {"search: nothing at /results/0/id": 10})


def test_errors_are_counted_by_their_text(gateway: FakeGateway) -> None:
    journey = behaving(gateway, "well", "refuse", "mumble", "badly", "slow", "leave")
    result = carried_out(Plan(journey, OpenLoop(120, 1, 0.1, warm_up_s=0.0), timeout_s=0.3))
    assert (result.n, result.ok) == (12, 2)
    assert result.errors == {
        "ask: 503 dependency-unavailable": 2,
        "ask: the answer is not JSON": 2,
        "ask: wrong content at /how": 2,
        "ask: no answer within 0.3 s": 2,
        "ask: ServerDisconnectedError": 2,
    }
    assert sum(second.failed for second in result.timeline) == 10


def test_nobody_listens(unused_port: int) -> None:
    request = LoadRequest("ask", "GET", "/", (200,))
    journey = Target(f"http://127.0.0.1:{unused_port}", KEY).journey("request", [request])
    result = carried_out(Plan(journey, OpenLoop(50, 1, 0.1, warm_up_s=0.0)))
    assert result.errors == {"ask: ClientConnectorError": 5}


@pytest.fixture
def unused_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def test_a_stall_is_charged_to_all_who_would_have_come(gateway: FakeGateway) -> None:
    """An open loop at 50 a second sees about 25 slow journeys; one user after another sees a single one."""
    gateway.stall_at = 10
    stream = carried_out(Plan(behaving(gateway, "well"), OpenLoop(50, 1, 1.2, warm_up_s=0.0)))
    assert stream.n == stream.ok == 60
    assert 0.45 < _share_below(stream, 50.0) < 0.75
    assert stream.latency.quantile_ms(1.0) == pytest.approx(STALL_S * 1000, rel=0.2)
    assert stream.latency.mean_ms > 75.0
    gateway.seen.clear()
    users = carried_out(Plan(behaving(gateway, "well"), ClosedLoop(1, 60)))
    assert _share_below(users, 50.0) > 0.95


def _share_below(result: runner.LoadResult, limit_ms: float) -> float:
    below = [rank for rank in range(1, result.n + 1) if result.latency.ranked_ms(rank) < limit_ms]
    return len(below) / result.n


def test_arrivals_count_from_when_they_were_due(
    gateway: FakeGateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A generator that itself stalls is late in sending: the latency and the send lag tell it."""
    ask = engine.Engine._ask

    async def busy_once(*arguments: Any, **named: Any) -> None:
        if arguments[3]["n"] == 2:
            time.sleep(0.3)
        await ask(*arguments, **named)

    monkeypatch.setattr(engine.Engine, "_ask", busy_once)
    result = carried_out(Plan(behaving(gateway, "well"), OpenLoop(50, 1, 0.4, warm_up_s=0.0)))
    assert result.send_lag.quantile_ms(0.99) > 200.0
    assert result.latency.quantile_ms(0.5) > 50.0
    assert result.steps["ask"].quantile_ms(0.5) < 50.0


def test_arrivals_beyond_the_bound_are_dropped_and_counted(
    gateway: FakeGateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine, "MOST_IN_FLIGHT", 4)
    result = carried_out(Plan(behaving(gateway, "slow"), OpenLoop(50, 1, 0.3, warm_up_s=0.0)))
    assert (result.planned, result.n, result.dropped, result.peak_in_flight) == (15, 4, 11, 4)
    assert result.n == len(gateway.seen)


def test_all_users_are_there_at_once(gateway: FakeGateway) -> None:
    result = carried_out(Plan(behaving(gateway, "slow"), ClosedLoop(8, 2, ramp_s=0.05)))
    assert (result.n, result.planned, result.dropped, result.warm_up_n) == (16, 16, 0, 8)
    assert [one.n for one in result.rounds] == [8, 8]
    assert gateway.most_at_once == result.peak_in_flight == 8
    assert result.achieved_rate is None


def test_what_is_not_done_in_time_is_cut_off(gateway: FakeGateway) -> None:
    load = ClosedLoop(4, 5, ramp_s=0.0, within_s=2.2 * SLOW_S)
    began = time.monotonic()
    result = carried_out(Plan(behaving(gateway, "slow"), load))
    assert time.monotonic() - began < 4 * SLOW_S
    assert result.errors[UNFINISHED] == 4
    assert (result.n, result.dropped) == (8, 12)


def test_several_processes_make_one_load(gateway: FakeGateway) -> None:
    journey = journeys.journey(["store"], Target(gateway.url, KEY, COLLECTION, "note", ["one"]))
    result = runner.run(Plan(journey, OpenLoop(50, 2, 0.25, warm_up_s=0.1)), processes=2)
    assert (result.n, result.ok, result.dropped, result.processes) == (24, 24, 0, 2)
    assert len(gateway.stored) == 24 + result.warm_up_n
    assert result.latency.n == 24


def test_a_load_on_somebody_elses_machine_is_refused() -> None:
    request = LoadRequest("ask", "GET", "/", (200,))
    journey = Target("http://citadel.example:8000", KEY).journey("request", [request])
    with pytest.raises(PlanRefused, match=r"citadel\.example is refused"):
        runner.run(Plan(journey, OpenLoop(1, 1, 1)))


@pytest.mark.parametrize(
    "load",
    [
        OpenLoop(10, 0, 5),
        OpenLoop(1000, 100, 5),
        OpenLoop(0.1, 10, 100),
        ClosedLoop(2001, 1),
        ClosedLoop(1, 1, within_s=1000),
    ],
)
def test_an_impossible_load_is_refused(load: OpenLoop | ClosedLoop) -> None:
    request = LoadRequest("ask", "GET", "/", (200,))
    with pytest.raises(PlanRefused):
        Plan(Target("http://127.0.0.1:1", KEY).journey("request", [request]), load).check()


def test_an_engine_that_dies_says_why(gateway: FakeGateway) -> None:
    request = LoadRequest("ask", "GET", "/behave/${nobody_knows}", (200,))
    journey = Target(gateway.url, KEY).journey("request", [request])
    with pytest.raises(runner.LoadFailed, match="ended with exit code 1"):
        runner.run(Plan(journey, ClosedLoop(1, 1, ramp_s=0.0)))


def test_an_engine_ends_with_its_parent(gateway: FakeGateway) -> None:
    plan = Plan(behaving(gateway, "well"), OpenLoop(10, 10, 5))
    with subprocess.Popen(
        [sys.executable, "-m", "support.load.engine"],
        cwd=runner.PROJECT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stdin is not None
        process.stdin.write(json.dumps(plan.to_json()).encode() + b"\n")
        process.stdin.close()
        assert process.wait(10) == engine.STOPPED


def test_a_plan_survives_its_journey_to_the_engine(gateway: FakeGateway) -> None:
    for load in (OpenLoop(10, 2, 5), ClosedLoop(3, 4)):
        plan = Plan(mixed(gateway, ["one"]), load)
        assert Plan.from_json(json.loads(json.dumps(plan.to_json()))) == plan
        assert KEY not in repr(plan)


def test_users_go_on_for_a_time(gateway: FakeGateway) -> None:
    result = carried_out(Plan(behaving(gateway, "well"), ClosedLoop(3, 0, ramp_s=0.0, for_s=0.2)))
    assert result.ok == result.n == result.planned > 3
    assert (result.dropped, len(result.right)) == (0, result.n + result.warm_up_n)
