"""Requests that store one of the two bodies of real text."""

from __future__ import annotations

from support.corpus.knowledge_base import KnowledgeBase
from support.corpus.reference_texts import passages
from support.vocabulary.requests.documents import batches
from support.vocabulary.requests.grammar import Asking, Call, request


@request("stores the knowledge base", "stores the knowledge base")
def store_knowledge_base(ask: Asking) -> list[Call]:
    """Inserts about a hundred articles with their department and year as metadata."""
    articles = KnowledgeBase.load().articles
    return batches(
        ask,
        [
            {
                "id": each.id,
                "text": f"{each.title}. {each.text}",
                "metadata": {"department": each.department, "year": each.year},
            }
            for each in articles
        ],
    )


@request("stores {int} reference texts", "stores 200 reference texts")
def store_reference_texts(ask: Asking, count: int) -> list[Call]:
    """Inserts real passages, the same in every run, with their topic as metadata."""
    return batches(
        ask,
        [{"id": each.id, "text": each.text, "metadata": {"topic": each.topic}} for each in passages(count)],
    )
