"""Keys and roles: every operation of the contract tried with every kind of credential."""

from __future__ import annotations

import secrets
from dataclasses import dataclass

from support.contract.validator import Operation
from support.drivers.gateway import Answer
from support.vocabulary import collections
from support.vocabulary.stores import rows
from support.waiting import eventually
from support.world import World

MADE_UP_KEY = "ck_made_up_0123456789abcdef"
# Something valid to fill into a path; whether it exists does not matter, access is checked before.
PLACEHOLDERS = {
    "collection": "at_nobody_knows",
    "vector_id": "nothing",
    "model": "all-MiniLM-L6-v2",
    "provider": "openai",
    "job_id": "00000000-0000-4000-8000-000000000000",
}
READING = {"GET", "HEAD"}
# Reading operations that are sent with POST because a question does not fit an address.
ASKING = {
    "searchVectors",
    "generateEmbedding",
    "generateEmbeddingBatch",
    "generateEmbeddingWithModel",
    "embedWithProvider",
    "validateCollection",
}


@dataclass(frozen=True, slots=True)
class Try:
    """One operation tried with one credential."""

    operation: str
    open: bool
    answer: Answer

    def __str__(self) -> str:
        return str(self.answer)


def try_all(world: World, key: str) -> list[Try]:
    """Every operation of the contract that this platform offers, with ``key`` ("" sends none)."""
    return [Try(operation.id, operation.open, _try(world, operation, key)) for operation in offered(world)]


def try_changes(world: World, key: str) -> list[Try]:
    """Every operation that changes something, with ``key``."""
    changing = [
        operation
        for operation in offered(world)
        if operation.method not in READING and operation.id not in ASKING and not operation.open
    ]
    return [Try(operation.id, False, _try(world, operation, key)) for operation in changing]


def offered(world: World) -> list[Operation]:
    """Operations without a capability, or whose capability the platform says it has."""
    if "capabilities" not in world.evidence:
        told = world.citadel.gateway.call("getStatus", key=world.key).body["capabilities"]
        world.evidence["capabilities"] = set(told)
    capabilities = world.evidence["capabilities"]
    return [
        operation
        for operation in world.citadel.contract.operations()
        if operation.capability is None or operation.capability in capabilities
    ]


def answered(tries: list[Try]) -> list[str]:
    """Operations that did not refuse the credential."""
    return sorted(one.operation for one in tries if one.answer.code not in ("unauthenticated", "forbidden"))


def open_by_design(world: World) -> list[str]:
    """Operations that need no key according to the contract."""
    return sorted(operation.id for operation in offered(world) if operation.open)


def not_refused_as(tries: list[Try], code: str) -> list[str]:
    """Operations that need a key and did not refuse with ``code``, with what they answered."""
    return [str(one) for one in tries if not one.open and one.answer.code != code]


def try_to_empty_cache(world: World, role: str) -> Answer:
    """The operation that only an administrator may use."""
    return world.citadel.gateway.call(
        "invalidateCache", json_body={"kinds": ["search"]}, key=world.citadel.keys[role]
    )


def new_caller(world: World, role: str, per_minute: int, *, expires_in_s: float | None = None) -> str:
    """A caller of the suite's own; the removal is registered first. Returns its name."""
    name = f"{world.names.prefix.replace('_', '-')}{role}-{secrets.token_hex(3)}"
    key = f"ck_{role}_{secrets.token_urlsafe(18)}"
    world.citadel.secrets.add(key, f"key of {name}")
    world.undo(lambda: rows(world).remove_user(name))
    rows(world).add_user(name, role, key, per_minute, expires_in_s=expires_in_s)
    world.evidence["caller"], world.evidence["caller key"] = name, key
    return name


def ask_as_caller(world: World) -> Answer:
    """A small request with the new caller's key."""
    return world.citadel.gateway.call("listModels", key=str(world.evidence["caller key"]))


def withdraw(world: World) -> None:
    """Revoke the new caller's key."""
    rows(world).revoke_user(str(world.evidence["caller"]))


def refused_at_last(world: World) -> Answer:
    """The caller's answer once the platform has noticed the withdrawal."""
    return eventually(
        lambda: ask_as_caller(world),
        lambda answer: answer.code == "unauthenticated",
        within=world.citadel.promises.key_snapshot_s + 1.0,
        what="the withdrawn key is refused",
    )


def works(world: World, alias: str) -> Answer:
    """A sign of life of a collection: its live counts."""
    return collections.status(world, alias)


def _try(world: World, operation: Operation, key: str) -> Answer:
    path = operation.path
    for name, value in PLACEHOLDERS.items():
        path = path.replace("{" + name + "}", value)
    reads = operation.method in READING or operation.method == "DELETE"
    body: dict[str, object] | None = None if reads else {}
    return world.citadel.gateway.send(operation.method, path, json_body=body, key=key, operation=operation.id)


def try_as_editor(world: World) -> Answer:
    """The same small request with another caller's key."""
    return world.citadel.gateway.call("listModels", key=world.citadel.keys["editor"])
