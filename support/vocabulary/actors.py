"""Who acts in a scenario: the words of the features, and the key that goes with each."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from functools import partial

from support.drivers.gateway import Answer
from support.vocabulary.stores import rows
from support.waiting import eventually
from support.world import World

# Far above what a scenario sends in a minute.
UNLIMITED_RPM = 100_000
NO_KEY = ""
# Of the right form, and nobody's.
UNKNOWN_KEY = "ck_unknown_0123456789abcdef"
ROLES = {"a reader": "reader", "an editor": "editor", "an administrator": "administrator"}
_IN_THE_DATABASE = {"reader": "readonly", "editor": "user", "administrator": "admin"}
EDITOR = "an editor"
LIMITED = "the limited caller"


def _of_role(role: str, world: World) -> str:
    return world.citadel.keys[role]


def _of_another(role: str, world: World) -> str:
    return new_key(world, role)


def _expired(world: World) -> str:
    return new_key(world, "editor", expires_in_s=-60.0)


def _revoked(world: World) -> str:
    key = new_key(world, "editor")
    assert _asks(world, key).ok, "a new key does not work"
    rows(world).revoke_user(world.users[key])
    eventually(
        partial(_asks, world, key),
        lambda answer: answer.code == "unauthenticated",
        within=world.citadel.promises.key_snapshot_s + 1.0,
        what="a revoked key is refused",
    )
    return key


def _asks(world: World, key: str) -> Answer:
    return world.citadel.gateway.call("listModels", key=key)


def _limited(_world: World) -> str:
    raise AssertionError(
        "no caller with a rate limit was made in this scenario: begin with"
        " 'Given a reader with a rate limit of 5 requests per minute'"
    )


ACTORS: Mapping[str, tuple[str, Callable[[World], str]]] = {
    "a reader": ("the key of the role readonly: reads, searches, embeds", partial(_of_role, "reader")),
    "an editor": ("the key of the role user: writes and submits jobs, too", partial(_of_role, "editor")),
    "an administrator": (
        "the key of the role admin: repairs and invalidates the cache, too",
        partial(_of_role, "administrator"),
    ),
    "another reader": ("a key of its own, of the role readonly", partial(_of_another, "reader")),
    "another editor": ("a key of its own, of the role user", partial(_of_another, "editor")),
    "another administrator": ("a key of its own, of the role admin", partial(_of_another, "administrator")),
    "an anonymous caller": ("sends no key", lambda _world: NO_KEY),
    "a caller with an unknown key": ("a key that nobody was given", lambda _world: UNKNOWN_KEY),
    "a caller with an expired key": ("a key of an editor that expired a minute ago", _expired),
    "a caller with a revoked key": ("a key of an editor that worked until it was revoked", _revoked),
    LIMITED: ("whom the scenario has given a rate limit", _limited),
}


def key_of(world: World, actor: str) -> str:
    """The key that an actor sends; made at first use, and the same for the rest of the scenario."""
    if actor not in world.keys:
        world.keys[actor] = ACTORS[actor][1](world)
    return world.keys[actor]


def new_key(
    world: World, role: str, *, per_minute: int = UNLIMITED_RPM, expires_in_s: float | None = None
) -> str:
    """The key of a user of the scenario's own; its removal is registered first."""
    name = f"{world.names.prefix.replace('_', '-')}{role}-{secrets.token_hex(3)}"
    key = f"ck_{role}_{secrets.token_urlsafe(18)}"
    world.citadel.secrets.add(key, f"key of {name}")
    world.undo(partial(rows(world).remove_user, name))
    rows(world).add_user(name, _IN_THE_DATABASE[role], key, per_minute, expires_in_s=expires_in_s)
    world.users[key] = name
    return key


def revoke(world: World, actor: str) -> None:
    """Revoke the key of a user of the scenario's own, who must have acted."""
    own = {each: world.users[key] for each, key in world.keys.items() if key in world.users}
    assert actor in own, f"{actor} has no key of the scenario's own that has been used; there are: {[*own]}"
    rows(world).revoke_user(own[actor])


def limit(world: World, role: str, per_minute: int) -> None:
    """Make the limited caller of the scenario."""
    world.keys[LIMITED] = new_key(world, role, per_minute=per_minute)
