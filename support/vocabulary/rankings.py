"""Rankings held against brute force over the vectors that Qdrant really holds."""

from __future__ import annotations

import numpy as np
from hamcrest import assert_that

from support.matchers.requests import all_succeeded
from support.vocabulary import stores
from support.world import World

# How many results a search shows.
LIMIT = 10
# Scores closer than this count as a tie: the engine computes in float32.
TIE = 1e-5


def ranked_otherwise(world: World) -> list[str]:
    """Searches by the text of a document whose scores are not those of the stored vectors, place by place."""
    assert_that(world.attempts, all_succeeded())
    name = world.names.collection(world.collection)
    points = list(stores.vectors(world).points(name))
    matrix = np.stack([np.asarray(point.vector, dtype=np.float64) for point in points])
    row_of = {str(point.external_id): row for row, point in enumerate(points)}
    wrong = []
    for each in world.attempts:
        hits = each.answer.body["results"]
        asked = matrix[row_of[each.about[0]]]
        expected = np.sort(matrix @ asked)[::-1][:LIMIT]
        told = np.asarray([hit["score"] for hit in hits])
        own = np.asarray([matrix[row_of[hit["id"]]] @ asked for hit in hits])
        if (
            len(hits) != len(expected)
            or np.abs(told - expected).max() > TIE
            or np.abs(told - own).max() > TIE
        ):
            wrong.append(
                f"{each.what}: the platform tells {told.round(5)}, the vectors give {expected.round(5)}"
            )
    return wrong
