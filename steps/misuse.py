"""Steps about flawed documents."""

from __future__ import annotations

from behave import when

from support.vocabulary import misuse


@when("an editor submits a document with {flaw}")
def submit_flawed(context, flaw):
    """One document, wrong in one way."""
    context.world.answer = misuse.FLAWS[flaw](context.world)
