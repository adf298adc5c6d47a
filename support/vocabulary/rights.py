"""Who may use what: the rule of each operation, and every way to show a key, held against the platform."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from support.contract.validator import Operation
from support.drivers.gateway import Answer
from support.vocabulary import access
from support.world import World

ANYBODY = "anybody"
# The roles, each of which may do all that the one before may.
ROLES = ("reader", "editor", "administrator")
# The least role for each operation. Written by hand and not taken from the contract's document: an operation
# that is new there stays without a rule until somebody has thought about it, and that fails the run.
RULES: Mapping[str, str] = {
    "getHealth": ANYBODY,
    "getLiveness": ANYBODY,
    "getReadiness": ANYBODY,
    "getMetrics": ANYBODY,
    "getStatus": "reader",
    "listCollections": "reader",
    "createCollection": "editor",
    "getCollection": "reader",
    "updateCollection": "editor",
    "deleteCollection": "editor",
    "getCollectionStatus": "reader",
    "listVectors": "reader",
    "validateCollection": "reader",
    "generateEmbedding": "reader",
    "generateEmbeddingBatch": "reader",
    "listModels": "reader",
    "getModel": "reader",
    "generateEmbeddingWithModel": "reader",
    "insertVector": "editor",
    "batchVectors": "editor",
    "searchVectors": "reader",
    "getVector": "reader",
    "updateVector": "editor",
    "deleteVector": "editor",
    "listProviders": "reader",
    "getProviderStatus": "reader",
    "embedWithProvider": "reader",
    "listJobs": "reader",
    "submitJob": "editor",
    "getJobStatus": "reader",
    "cancelJob": "editor",
    "getCacheStats": "reader",
    "invalidateCache": "administrator",
}
# What a larger right is needed for within one operation: its name, the content, the least role.
WITHIN = {"validateCollection": ("with repair", {"repair": True}, "administrator")}
# Addresses that servers of this kind often leave open though no contract mentions them.
BACK_DOORS = (
    "/docs", "/redoc", "/openapi.json", "/swagger", "/debug", "/debug/pprof/", "/admin", "/console",
    "/actuator/env", "/env", "/.env", "/.git/config", "/config", "/api", "/api/v1", "/api/v1/users",
    "/api/v1/keys", "/api/v1/admin", "/api/v1/cache", "/api/v1/cache/keys", "/api/v1/logs", "/graphql",
    "/dashboard", "/collections", "/telemetry", "/server-status",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Shown:
    """How a request shows a key: what it adds to the headers and to the address."""

    headers: Mapping[str, str | Sequence[str]] = field(default_factory=dict)
    query: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Door:
    """An operation as it is tried: with a content, where that makes a difference, and its least role."""

    operation: Operation
    name: str
    body: Mapping[str, object] | None
    least: str

    def lets_in(self, role: str) -> bool:
        """Whether the rule lets ``role`` in ("" is nobody)."""
        return self.least == ANYBODY or (role != "" and ROLES.index(role) >= ROLES.index(self.least))


def without_rule(world: World) -> list[str]:
    """Where the rules and the contract's document do not say the same, as sentences."""
    documented = {operation.id: _documented(operation) for operation in world.citadel.contract.operations()}
    wrong = [f"{name} has no rule" for name in documented.keys() - RULES.keys()]
    wrong += [f"{name} is no operation of the contract" for name in RULES.keys() - documented.keys()]
    wrong += [
        f"{name}: the rule says {rule}, the contract {documented[name]}"
        for name, rule in RULES.items()
        if documented.get(name, rule) != rule
    ]
    return sorted(wrong)


def disagreements(world: World, role: str, shown: Shown) -> list[str]:
    """Operations that do not treat what is shown as the key of ``role`` ("" is nobody), with answers."""
    wrong = []
    for door in doors(world):
        answer = _knock(world, door, shown)
        complaint = _complaint(door, role, answer)
        if complaint:
            wrong.append(f"{door.name}: {complaint}, but {answer}")
    return wrong


def doors(world: World) -> Iterator[Door]:
    """Every operation that this platform offers. Raises ``AssertionError`` for one without a rule."""
    for operation in access.offered(world):
        assert operation.id in RULES, f"no rule says who may use {operation.id}"
        reads = operation.method in ("GET", "DELETE")
        yield Door(operation, operation.id, None if reads else {}, RULES[operation.id])
        if operation.id in WITHIN:
            name, body, least = WITHIN[operation.id]
            yield Door(operation, f"{operation.id} {name}", body, least)


def turned_away(world: World, credential: str) -> list[str]:
    """Operations that let somebody in who shows one of ``CREDENTIALS``."""
    return disagreements(world, "", CREDENTIALS[credential](world))


def role_disagreements(world: World, role: str) -> list[str]:
    """Operations that let the owner of a role's key in against the rule, or turn him away against it."""
    return disagreements(world, role, plain(world.citadel.keys[role]))


def form_disagreements(world: World, role: str) -> list[str]:
    """Ways to send the key of ``role`` that do not open exactly what they are promised to open."""
    key = world.citadel.keys[role]
    return [
        f"the key {form}: {complaint}"
        for form, shown in FORMS.items()
        for complaint in disagreements(world, role, shown(key))
    ]


def back_doors(world: World) -> list[str]:
    """Addresses without a contract that show anything to somebody with or without the highest key."""
    found = []
    for key in ("", world.citadel.keys["administrator"]):
        for path in BACK_DOORS:
            answer = world.citadel.gateway.send("GET", path, key=key)
            if answer.code != "route-not-found":
                found.append(f"{path}: {answer}")
    return found


def plain(key: str) -> Shown:
    """The key in the header of its own."""
    return Shown({"X-API-Key": key})


def _knock(world: World, door: Door, shown: Shown) -> Answer:
    path = door.operation.path
    for name, value in access.PLACEHOLDERS.items():
        path = path.replace("{" + name + "}", value)
    return world.citadel.gateway.send(
        door.operation.method,
        path,
        json_body=door.body,
        key="",
        headers=shown.headers,
        query=shown.query,
        operation=door.operation.id,
    )


def _complaint(door: Door, role: str, answer: Answer) -> str:
    """What the rule asks for and the answer is not; "" where it agrees."""
    if door.lets_in(role):
        refused = answer.code in ("unauthenticated", "forbidden")
        return f"it is open to {role or ANYBODY}" if refused else ""
    if role == "":
        return "" if answer.code == "unauthenticated" else "nobody may use it without a valid key"
    return "" if answer.code == "forbidden" else f"{door.least} is the least role that may use it"


def _documented(operation: Operation) -> str:
    if operation.open:
        return ANYBODY
    return {None: "reader", "readonly": "reader", "user": "editor", "admin": "administrator"}[operation.role]


def _highest(world: World) -> str:
    """The key that opens most: what is made of it wrongly must open nothing."""
    return world.citadel.keys["administrator"]


def _expired(world: World) -> Shown:
    access.new_caller(world, "admin", 1000, expires_in_s=-1.0)
    return plain(str(world.evidence["caller key"]))


def _withdrawn(world: World) -> Shown:
    access.new_caller(world, "admin", 1000)
    assert access.ask_as_caller(world).ok, "the key does not work before it is withdrawn"
    access.withdraw(world)
    access.refused_at_last(world)
    return plain(str(world.evidence["caller key"]))


def _basic(key: str) -> str:
    return "Basic " + base64.b64encode(f"admin:{key}".encode()).decode()


# None of these is a key.
CREDENTIALS: Mapping[str, Callable[[World], Shown]] = {
    "a made-up key": lambda world: plain(access.MADE_UP_KEY),
    "a made-up bearer token": lambda world: Shown({"Authorization": f"Bearer {access.MADE_UP_KEY}"}),
    "a key cut short by one letter": lambda world: plain(_highest(world)[:-1]),
    "a key with one letter more": lambda world: plain(_highest(world) + "a"),
    "a key in the other case": lambda world: plain(_highest(world).swapcase()),
    "the beginning of a key": lambda world: plain(_highest(world)[:8]),
    "the hash of a key": lambda world: plain(hashlib.sha256(_highest(world).encode()).hexdigest()),
    "a key in the address": lambda world: Shown(
        query={name: _highest(world) for name in ("api_key", "apikey", "key", "token", "X-API-Key")}
    ),
    "a key in a cookie": lambda world: Shown({"Cookie": f"X-API-Key={_highest(world)}"}),
    "a key as a password": lambda world: Shown({"Authorization": _basic(_highest(world))}),
    "a key without its scheme": lambda world: Shown({"Authorization": _highest(world)}),
    "a key under another name": lambda world: Shown(
        {name: _highest(world) for name in ("X-Auth-Token", "X-Access-Key", "Proxy-Authorization")}
    ),
    "an empty key": lambda world: plain(""),
    "a key that is code": lambda world: plain("' OR '1'='1' --"),
    "two different keys": lambda world: Shown(
        {
            "X-API-Key": world.citadel.keys["reader"],
            "Authorization": f"Bearer {world.citadel.keys['editor']}",
        }
    ),
    "two keys under one name": lambda world: Shown(
        {"X-API-Key": [world.citadel.keys["reader"], _highest(world)]}
    ),
    "two keys in one value": lambda world: plain(f"{world.citadel.keys['reader']}, {_highest(world)}"),
    "an expired key": _expired,
    "a withdrawn key": _withdrawn,
}
# All of these are.
FORMS: Mapping[str, Callable[[str], Shown]] = {
    "as a bearer token": lambda key: Shown({"Authorization": f"Bearer {key}"}),
    "with the scheme in small letters": lambda key: Shown({"Authorization": f"bearer {key}"}),
    "under its name in capitals": lambda key: Shown({"X-API-KEY": key}),
    "in both headers": lambda key: Shown({"X-API-Key": key, "Authorization": f"Bearer {key}"}),
}
