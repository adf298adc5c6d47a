"""Requests at the limits of the contract: each measure is one member of one request."""

from __future__ import annotations

from dataclasses import replace

from support.vocabulary import tables
from support.vocabulary.requests.grammar import Asking, Call, parse, request
from support.vocabulary.words import MEASURES


@request("tries {measure} of {int}", "tries a search limit of 1000")
def try_measure(ask: Asking, measure: str, value: int) -> list[Call]:
    """Makes the request that the vocabulary names for the measure, with the value in its place."""
    wanted = parse(MEASURES[measure].format(value))
    options = tables.options(wanted.options, wanted.kind.options)
    return wanted.kind.prepare(replace(ask, options=options), *wanted.arguments)
