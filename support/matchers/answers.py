"""Matchers for answers of the gateway."""

from __future__ import annotations

from hamcrest.core.base_matcher import BaseMatcher
from hamcrest.core.description import Description

from support.drivers.gateway import Answer


class Succeeded(BaseMatcher[Answer]):
    """The request was carried out (2xx)."""

    def _matches(self, item: Answer) -> bool:
        return item.ok

    def describe_to(self, description: Description) -> None:
        description.append_text("a request that was carried out")

    def describe_mismatch(self, item: Answer, mismatch_description: Description) -> None:
        mismatch_description.append_text(explain(item))


def explain(answer: Answer) -> str:
    """What an answer says, with what a person needs to look it up in the logs."""
    line = f"{answer} (request id {answer.request_id})"
    if answer.ok or not isinstance(answer.body, dict):
        return line
    named = [
        f"{name}={answer.body[name]}" for name in ("dependency", "provider", "detail") if name in answer.body
    ]
    errors = [
        f"{error['pointer']}: {error.get('message', error['code'])}"
        for error in answer.body.get("errors", [])
    ]
    return "; ".join([line, *named, *errors])


def succeeded() -> Succeeded:
    """Match an answer in the 2xx range."""
    return Succeeded()
