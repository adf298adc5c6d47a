"""The two bodies of real text: stored as a whole, searched, and ranked a second time by brute force."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from support.corpus.knowledge_base import KnowledgeBase
from support.corpus.reference_texts import passages
from support.matchers.rankings import Hit
from support.vocabulary import documents, searches, stores
from support.world import World

LIMIT = 10
EACH = 5
# Long texts: so many are embedded well within the embedding service's limit on a busy machine too.
BATCH = 16
# Scores closer than this count as a tie: the engine computes in float32.
TIE = 1e-5


@dataclass(frozen=True, slots=True)
class Quality:
    """At which place each question found its answer; 0 where it did not."""

    places: dict[str, int]

    def share_within(self, places: int) -> float:
        """Share of questions answered within so many results."""
        return sum(0 < place <= places for place in self.places.values()) / len(self.places)

    def mean_reciprocal_rank(self) -> float:
        """Mean of 1/place, 0 for a question without its answer."""
        return sum(1 / place for place in self.places.values() if place) / len(self.places)

    def told(self) -> str:
        """The figures and the questions that went wrong."""
        wrong = [
            f"{question} (place {place or 'none'})" for question, place in self.places.items() if place != 1
        ]
        return (
            f"{len(self.places)} questions, first place {self.share_within(1):.1%}, first five"
            f" {self.share_within(5):.1%}, mean reciprocal rank {self.mean_reciprocal_rank():.3f};"
            f" not first: {'; '.join(wrong)}"
        )


def store_knowledge_base(world: World) -> None:
    """Store every article under its own id, with department and year as metadata."""
    articles = KnowledgeBase.load().articles
    _store(
        world,
        [(a.id, f"{a.title}. {a.text}", {"department": a.department, "year": a.year}) for a in articles],
    )


def ask_all_questions(world: World) -> Quality:
    """Ask every question and note the place of the first article that answers it."""
    places = {}
    for question in KnowledgeBase.load().questions:
        ranking = searches.ranking(world, searches.ask(world, question.text, limit=LIMIT))
        found = [place for place, hit in enumerate(ranking, 1) if hit.title in question.answers]
        places[question.text] = found[0] if found else 0
    return Quality(places)


def store_passages(world: World, count: int) -> None:
    """Store the first ``count`` passages of the reference texts."""
    chosen = passages(count)
    _store(world, [(passage.id, passage.text, {"topic": passage.topic}) for passage in chosen])
    world.evidence["passages"] = {passage.id: passage.text for passage in chosen}


def search_each_fifth(world: World) -> None:
    """Search every fifth passage by its own text and keep the rankings."""
    chosen = list(world.evidence["passages"].items())[::EACH]
    world.evidence["rankings"] = {
        title: searches.ranking(world, searches.ask(world, text, limit=LIMIT)) for title, text in chosen
    }


def not_first(world: World) -> list[str]:
    """Passages that another one beats at their own text."""
    rankings: dict[str, list[Hit]] = world.evidence["rankings"]
    return [
        f"{title}: {ranking[0].title} comes first"
        for title, ranking in rankings.items()
        if ranking[0].title != title
    ]


def ranked_otherwise(world: World) -> list[str]:
    """Searches whose scores differ from brute force over the stored vectors, place by place."""
    name = world.names.collection(world.collection)
    points = list(stores.vectors(world).points(name))
    matrix = np.stack([np.asarray(point.vector, dtype=np.float64) for point in points])
    row_of = {world.names.alias_of(str(point.external_id)): row for row, point in enumerate(points)}
    rankings: dict[str, list[Hit]] = world.evidence["rankings"]
    wrong = []
    for title, ranking in rankings.items():
        expected = np.sort(matrix @ matrix[row_of[title]])[::-1][:LIMIT]
        got = np.asarray([hit.score for hit in ranking])
        own = np.asarray([matrix[row_of[hit.title]] @ matrix[row_of[title]] for hit in ranking])
        if len(got) != len(expected) or np.abs(got - expected).max() > TIE or np.abs(got - own).max() > TIE:
            wrong.append(f"{title}: the platform says {got.round(5)}, the stored vectors {expected.round(5)}")
    return wrong


def _store(world: World, texts: list[tuple[str, str, dict[str, object]]]) -> None:
    for start in range(0, len(texts), BATCH):
        batch = [
            {"title": title, "text": text, "metadata": metadata}
            for title, text, metadata in texts[start : start + BATCH]
        ]
        documents.have_batch(world, batch)
