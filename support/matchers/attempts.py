"""Matchers for operations tried during an outage."""

from __future__ import annotations

from dataclasses import dataclass

from hamcrest.core.base_matcher import BaseMatcher
from hamcrest.core.description import Description

from support.drivers.gateway import Answer
from support.matchers.answers import explain


@dataclass(frozen=True, slots=True)
class Attempt:
    """One operation tried during an outage."""

    activity: str
    answer: Answer

    def __str__(self) -> str:
        return f"{self.activity}: {self.answer}"


class _InTime(BaseMatcher[Attempt]):
    def __init__(self, within_s: float) -> None:
        self._within_s = within_s

    def _late(self, item: Attempt) -> bool:
        return item.answer.elapsed_ms > self._within_s * 1000.0

    def describe_mismatch(self, item: Attempt, mismatch_description: Description) -> None:
        late = f" - later than {self._within_s:g} s" if self._late(item) else ""
        mismatch_description.append_text(f"{item.activity}: {explain(item.answer)}{late}")


class AdmitsOutage(_InTime):
    """Refused in time with a code that admits the outage."""

    def __init__(self, codes: tuple[str, ...], within_s: float) -> None:
        super().__init__(within_s)
        self._codes = codes

    def _matches(self, item: Attempt) -> bool:
        return item.answer.code in self._codes and not self._late(item)

    def describe_to(self, description: Description) -> None:
        description.append_text(f"a refusal as {' or '.join(self._codes)} within {self._within_s:g} s")


def admits_outage(codes: tuple[str, ...], within_s: float) -> AdmitsOutage:
    """Match an attempt that was refused honestly and in time."""
    return AdmitsOutage(codes, within_s)
