"""How a provider can be told to answer, in the words of the features."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

from support.vocabulary.words import Word, any_of


@dataclass(frozen=True, slots=True)
class ProviderAnswer:
    """One way to answer: what it means, the emulators' name for it, and what they need to know besides."""

    meaning: str
    kind: str
    settings: Mapping[str, object] = field(default_factory=dict)


def _rejection(meaning: str, status: int) -> ProviderAnswer:
    return ProviderAnswer(meaning, "refusal", {"status": status})


ANSWERS: Mapping[str, ProviderAnswer] = {
    "a server error": ProviderAnswer("its own error for a failure of its own", "server_error"),
    "an overload error": ProviderAnswer("its own error for too much work", "overload"),
    "a rate limit": ProviderAnswer("its own rate limit error, with the hint it usually gives", "rate_limit"),
    "a timeout": ProviderAnswer("the request is accepted and never answered", "hang"),
    "an invalid-key error": ProviderAnswer("its own error for a wrong key", "bad_key"),
    "an unknown-model error": ProviderAnswer("its own error for a model it does not have", "unknown_model"),
    "a rejection as malformed": _rejection("the request is wrong: Bad Request", 400),
    "a rejection for an unpaid bill": _rejection("Payment Required", 402),
    "a rejection for a missing permission": _rejection("Forbidden", 403),
    "a rejection as not found": _rejection("the path has moved: Not Found", 404),
    "a rejection for its length": _rejection("Content Too Large", 413),
    "a rejection for its content": _rejection("Unprocessable Content", 422),
    "one embedding too few": ProviderAnswer("the last embedding is missing", "one_vector_less"),
    "one embedding too many": ProviderAnswer("the last embedding comes twice", "one_vector_more"),
    "embeddings of another size": ProviderAnswer("one dimension less than asked for", "shorter_vectors"),
    "zero vectors": ProviderAnswer("every number is 0", "vectors_of_nothing"),
    "null for every embedding": ProviderAnswer("no embedding where one is due", "null_vectors"),
    "null for a number": ProviderAnswer("the first number of each embedding is null", "null_number"),
    "text for a number": ProviderAnswer("the first number of each embedding is in quotes", "text_number"),
    "infinity for a number": ProviderAnswer(
        "the first number of each embedding is beyond all bounds", "endless_number"
    ),
    "NaN for a number": ProviderAnswer("the first number of each embedding is not a number", "no_number"),
    "the first index for every embedding": ProviderAnswer(
        "all embeddings claim to be of the first text", "one_place_for_all"
    ),
    "shuffled embeddings": ProviderAnswer("in another order than the texts, each with its index", "shuffled"),
    "an empty body": ProviderAnswer("a success without content", "empty"),
    "an HTML page": ProviderAnswer("a success with a page for people", "web_page"),
    "unreadable text": ProviderAnswer("a success with text instead of data", "not_json"),
    "a truncated body": ProviderAnswer("a success that breaks off in the middle", "cut_short"),
    "an error marked as a success": ProviderAnswer("its server error, as a success", "error_as_success"),
}
_TOLD_TO_WAIT = re.compile(r"a rate limit and a Retry-After (of|date) (\d+) s(?: ahead)?")
_SECONDS = r"a rate limit and a Retry-After of \d+ s"
_DATE = r"a rate limit and a Retry-After date \d+ s ahead"


def parse(text: str) -> ProviderAnswer:
    """The way to answer that ``text`` words; a date is so many seconds ahead of now."""
    told = _TOLD_TO_WAIT.fullmatch(text)
    if told is None:
        return ANSWERS[text]
    hint = told[2]
    if told[1] == "date":
        hint = format_datetime(datetime.now(UTC) + timedelta(seconds=int(told[2])), usegmt=True)
    return ProviderAnswer("its rate limit error with this hint", "rate_limit", {"retry_after": hint})


PROVIDER_ANSWER = Word(
    "provider_answer",
    "how a provider answers; its rate limit may carry a hint: a rate limit and a Retry-After of 1 s,"
    " a rate limit and a Retry-After date 2 s ahead",
    f"{_SECONDS}|{_DATE}|{any_of(ANSWERS)}",
    lambda text: text,
    {wording: answer.meaning for wording, answer in ANSWERS.items()},
)


def _times(text: str) -> int | None:
    return None if text == "every request" else int(re.sub(r"\D", "", text) or 1)


SPAN = Word(
    "span",
    "which requests a provider answers so: every request, the next request, the next 3 requests",
    r"every request|the next request|the next \d+ requests",
    _times,
)
