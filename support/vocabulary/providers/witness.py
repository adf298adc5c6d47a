"""What reached the providers, by their own record of requests and their own clock."""

from __future__ import annotations

import itertools
import re
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from email.utils import parsedate_to_datetime

from hamcrest import all_of, equal_to, greater_than_or_equal_to, less_than_or_equal_to
from hamcrest.core.matcher import Matcher

from support.drivers.providers import Providers, SeenRequest
from support.vocabulary.words import Word
from support.world import World

KEY_HEADERS = ("authorization", "api-key", "x-goog-api-key", "x-api-key")
# Between the clocks of two processes, and of a timer.
TOLERANCE_S = 0.02


@dataclass(frozen=True, slots=True)
class Quantity:
    """A number of requests, or the bounds of one."""

    least: int
    most: int | None

    def matcher(self) -> Matcher[int]:
        """Match a number within the bounds."""
        if self.least == self.most:
            return equal_to(self.least)
        bounds: list[Matcher[int]] = [greater_than_or_equal_to(self.least)]
        bounds += [] if self.most is None else [less_than_or_equal_to(self.most)]
        return all_of(*bounds)


def _quantity(text: str) -> Quantity:
    found = [int(each) for each in re.findall(r"\d+", text)]
    if text.startswith("at least"):
        return Quantity(found[0], None)
    if text.startswith("at most"):
        return Quantity(0, found[0])
    return Quantity(*found) if text.startswith("from") else Quantity(sum(found), sum(found))


QUANTITY = Word(
    "quantity",
    "how many: no, exactly 3, at least 2, at most 16, from 1 to 16",
    r"no|exactly \d+|at least \d+|at most \d+|from \d+ to \d+",
    _quantity,
)


def witness(world: World) -> Providers:
    """The emulators: what reached them, and how they are told to answer."""
    assert world.citadel.providers is not None, "the providers cannot be seen in this mode"
    return world.citadel.providers


def received(world: World, provider: str) -> list[SeenRequest]:
    """What has arrived at a provider for the scenario's last requests to providers."""
    return witness(world).seen(provider, after=world.provider_mark)


def received_by_any(world: World) -> list[str]:
    """The providers that have received anything since the scenario began."""
    began = time.time() - (time.monotonic() - world.begun)
    return [request.provider for request in witness(world).seen() if request.at >= began]


def sent_key(request: SeenRequest) -> str:
    """The credential a provider was shown, without its scheme."""
    shown = [request.headers[name] for name in KEY_HEADERS if name in request.headers]
    return shown[0].removeprefix("Bearer ").removeprefix("bearer ") if shown else ""


def early_retries(world: World, provider: str) -> list[str]:
    """Retries that came before the time that the refusal had named; a refusal without a retry is one too."""
    wrong = []
    for refused, retry in _with_hint(world, provider):
        if retry is None:
            wrong.append(f"request {refused.number} was not retried")
        elif (early := _due(refused) - TOLERANCE_S - retry.at) > 0:
            wrong.append(f"request {retry.number} came {early:.3f} s before the time that was named")
    return wrong


def hints(world: World, provider: str) -> int:
    """How many refusals have named a time."""
    return len(list(_with_hint(world, provider)))


def _with_hint(world: World, provider: str) -> Iterator[tuple[SeenRequest, SeenRequest | None]]:
    for requests in by_caller(world, provider):
        for refused, retry in itertools.zip_longest(requests, requests[1:]):
            if refused.retry_after is not None:
                yield refused, retry


def _due(refused: SeenRequest) -> float:
    hint = str(refused.retry_after)
    return refused.at + float(hint) if hint.isdecimal() else parsedate_to_datetime(hint).timestamp()


def by_caller(world: World, provider: str) -> list[Sequence[SeenRequest]]:
    """The requests that arrived, by the request of the platform's caller for which they were made."""
    found: dict[str, list[SeenRequest]] = {}
    for request in received(world, provider):
        found.setdefault(request.headers.get("x-request-id", ""), []).append(request)
    return list(found.values())


def retry_waits_s(world: World, provider: str) -> list[float]:
    """Seconds from the first request of each caller to its second."""
    return [each[1].at - each[0].at for each in by_caller(world, provider) if len(each) > 1]
