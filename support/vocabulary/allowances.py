"""The allowance of a caller: how many requests a minute, told exactly, and got round by nothing."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from hamcrest import assert_that

from support.drivers.gateway import Answer
from support.matchers.answers import refused_as, succeeded
from support.matchers.every import every_item
from support.vocabulary import access, documents
from support.world import World

WINDOW_S = 60
# Headers with which a caller looks like many, or like one who is not counted.
DISGUISES: Mapping[str, str] = {
    "X-Forwarded-For": "203.0.113.7, 198.51.100.9",
    "X-Real-IP": "203.0.113.8",
    "X-Client-IP": "203.0.113.9",
    "True-Client-IP": "203.0.113.10",
    "CF-Connecting-IP": "203.0.113.11",
    "Forwarded": "for=203.0.113.12",
    "X-Forwarded-Host": "internal",
    "X-Originating-IP": "127.0.0.1",
    "X-Request-ID": "another-request",
    "User-Agent": "kube-probe/1.30",
    "X-RateLimit-Bypass": "true",
    "X-Internal": "true",
    "X-User-Id": "00000000-0000-4000-8000-000000000009",
    "Cache-Control": "no-cache",
    "Connection": "close",
    "Cookie": "session=another",
}
# Other things the caller may ask for; each counts like the first.
ROUTES = ("listCollections", "listModels", "getStatus", "listProviders", "getCacheStats", "listJobs")
EXEMPT = ("getHealth", "getLiveness", "getReadiness", "getMetrics")


@dataclass(frozen=True, slots=True)
class Disguise:
    """A way for the same caller to ask once more."""

    name: str
    operation: str = "listModels"
    headers: Mapping[str, str] = field(default_factory=dict)
    query: Mapping[str, str] = field(default_factory=dict)


def ask_at_once(world: World, times: int) -> list[Answer]:
    """So many requests of the new caller at the same moment."""
    return documents.together([partial(access.ask_as_caller, world)] * times)


def use_up(world: World, count: int) -> None:
    """Ask until nothing is left, and make sure that it is."""
    assert_that([access.ask_as_caller(world) for _ in range(count)], every_item(succeeded()))
    assert_that(access.ask_as_caller(world), refused_as("rate-limited"))


def disguises_that_helped(world: World) -> list[str]:
    """Ways in which a caller whose allowance is used up is answered all the same."""
    helped = []
    for disguise in _disguises(str(world.evidence["caller key"])):
        answer = world.citadel.gateway.call(
            disguise.operation, key="", headers=disguise.headers, query=disguise.query
        )
        if answer.code != "rate-limited":
            helped.append(f"{disguise.name}: {answer}")
    return helped


def _disguises(key: str) -> Iterator[Disguise]:
    plain = {"X-API-Key": key}
    yield Disguise("no disguise", headers=plain)
    yield from (
        Disguise(f"{name}: {value}", headers={**plain, name: value}) for name, value in DISGUISES.items()
    )
    yield from (Disguise(f"by {operation}", operation, plain) for operation in ROUTES)
    yield Disguise("all headers at once", headers={**plain, **DISGUISES})
    yield Disguise("the key as a bearer token", headers={"Authorization": f"Bearer {key}"})
    yield Disguise("the key in both headers", headers={**plain, "Authorization": f"bearer {key}"})
    yield Disguise("the header's name in capitals", headers={"X-API-KEY": key})
    yield Disguise("another address", headers=plain, query={"unknown": "1"})


def refused_although_exempt(world: World) -> list[str]:
    """Health and counters that are not shown to a caller whose allowance is used up."""
    answers = [world.citadel.gateway.call(each, key=str(world.evidence["caller key"])) for each in EXEMPT]
    return [str(each) for each in answers if not each.ok]


def told_wrongly(answers: list[Answer], allowed: int) -> list[str]:
    """Answers that tell another limit, another rest or another end of the window than there is."""
    wrong = []
    ends: list[int] = []
    for number, answer in enumerate(answers, 1):
        told = [answer.headers.get(f"RateLimit-{name}") for name in ("Limit", "Remaining")]
        expected = [str(allowed), str(max(0, allowed - number))]
        if told != expected:
            wrong.append(f"request {number} tells limit and rest {told}, not {expected}")
        ends.append(int(answer.headers.get("RateLimit-Reset", "-1")))
        wait = int(answer.headers.get("Retry-After", "0"))
        if answer.code == "rate-limited" and not (1 <= wait <= WINDOW_S and abs(wait - ends[-1]) <= 1):
            wrong.append(f"request {number} says to wait {wait} s, and that the window ends in {ends[-1]} s")
    if not WINDOW_S - 1 <= ends[0] <= WINDOW_S:
        wrong.append(f"the window begins with the first request, but that says it ends in {ends[0]} s")
    if any(not 0 <= end <= WINDOW_S for end in ends) or any(a < b for a, b in itertools.pairwise(ends)):
        wrong.append(f"the window ends in {ends} s")
    return wrong


def store_beyond(world: World, allowed: int) -> list[Answer]:
    """The new caller stores one document more than he may ask; the answers, in order."""
    collection, key = world.names.collection(world.collection), str(world.evidence["caller key"])
    world.wrote = True
    answers = []
    for number in range(allowed + 1):
        body: dict[str, Any] = {
            "collection": collection,
            "id": world.names.document(f"letter {number}"),
            "text": f"Letter number {number}.",
        }
        answer = world.citadel.gateway.call("insertVector", json_body=body, key=key)
        world.ledger.note(collection, body["id"], answer)
        answers.append(answer)
    return answers
