"""Every service of the platform is used: what shows that it has got over a fault."""

from __future__ import annotations

from support.matchers.requests import told
from support.vocabulary import outcomes
from support.vocabulary.requests import making
from support.waiting import eventually
from support.world import World

EDITOR = "an editor"
# Whatever the scenario's own collection takes, or whether there is one.
PLACE = "after the fault"


def not_used(world: World, wording: str) -> list[str]:
    """Wait until every service is used again, within a limit; what still does not work then.

    An insert needs Qdrant, PostgreSQL and the embedding service, a provider is asked, and the second of two
    equal searches comes from Redis.
    """
    within = outcomes.limit(world, wording)
    last: list[str] = []

    def look() -> list[str]:
        last[:] = _look(world)
        return last

    eventually(look, lambda wrong: not wrong, within=within.seconds, what=f"every service is used ({within})")
    return last


def _look(world: World) -> list[str]:
    created = making.aside(world, EDITOR, f'creates the collection "{PLACE}"')
    if not created.ok and created.code != "collection-exists":
        return [told(created)]
    number = next(world.numbers)
    item, question = f"after-{number}", f"What is number {number} of {world.names.prefix}?"
    made = [
        making.aside(world, EDITOR, asked, collection=PLACE)
        for asked in (
            f'stores the document "{item}"',
            f'reads "{item}"',
            f'searches for "{question}"',
            f'searches for "{question}"',
            "asks OpenAI to embed 1 new texts",
        )
    ]
    wrong = [told(each) for each in made if not each.ok]
    cached = made[3]
    if cached.ok and cached.answer.headers.get("X-Cache") != "HIT":
        wrong.append(f"{cached.what}: X-Cache {cached.answer.headers.get('X-Cache')}, not HIT")
    return wrong
