"""Hostile requests: odd contents, sizes, addresses and framing, and what a caller could write into a log."""

from __future__ import annotations

import gzip
import json
import secrets
from collections.abc import Iterator, Mapping

from hamcrest import assert_that

from support.drivers.gateway import Answer, GatewayUnreachable
from support.matchers.answers import succeeded
from support.vocabulary import documents, stores
from support.vocabulary.hostile_words import insert, search
from support.world import World

LARGEST_BYTES = 10 * 1024 * 1024
PART = 64 * 1024
EVIL_HOST = "evil.example"

# Contents of a request to embed a text, by what is wrong with them.
CONTENTS: Mapping[str, bytes] = {
    "nothing": b"",
    "half of a request": b'{"text": "a te',
    "two requests in one": b'{"text": "a"} {"text": "b"}',
    "something after its end": b'{"text": "a"}]',
    "remarks": b'{"text": "a" /* a remark */}',
    "single quotes": b"{'text': 'a'}",
    "a comma too many": b'{"text": "a",}',
    "a number that is none": b'{"text": "a", "n": NaN}',
    "bytes of no script": b'{"text": "\xff\xfe\xfd"}',
    "half a letter": b'{"text": "\xc3"}',
    "a letter written too long": b'{"text": "\xc0\xaf"}',
    "another encoding": '{"text": "a"}'.encode("utf-16"),
    "a line break inside a word": b'{"text": "a\nb"}',
    "a hundred thousand brackets": b"[" * 100_000,
    "a packed request": gzip.compress(b'{"text": "a"}'),
    "a form": b"text=a&model=b",
    "markup": b'<?xml version="1.0"?><text>a</text>',
    "a list": b'["a"]',
    "a bare word": b'"a"',
    "a bare number": b"1",
    "no value": b"null",
    "no members": b"{}",
    "a member too many": b'{"text": "a", "texts": ["b"]}',
}


def send_content(world: World, content: str) -> Answer:
    """One of ``CONTENTS`` where a request to embed a text belongs."""
    return _embed(world, CONTENTS[content])


def _embed(world: World, content: bytes | Iterator[bytes], **headers: str) -> Answer:
    return world.citadel.gateway.send(
        "POST",
        "/api/v1/embeddings/generate",
        content=content,
        key=world.key,
        headers={"Content-Type": "application/json", **headers},
        operation="generateEmbedding",
    )


KINDS = (
    "text/plain", "text/json", "application/x-www-form-urlencoded", "multipart/form-data; boundary=a",
    "application/xml", "application/octet-stream", "application/x-python-pickle", "application/jsonp",
    "application/problem+json", "*/*", "application/*", "json", "",
)  # fmt: skip


def kinds_taken(world: World) -> list[str]:
    """Kinds of content other than the promised one that were not refused as unsupported."""
    answers = {kind: _embed(world, b'{"text": "a text"}', **{"Content-Type": kind}) for kind in KINDS}
    return [f"{kind!r}: {each}" for kind, each in answers.items() if each.code != "unsupported-media-type"]


def send_largest(world: World) -> None:
    """A request of exactly the largest size and one of a byte more, each with and without its length.

    The text in it is longer than a text may be: so it is seen whether the request was read.
    """
    frame = len(b'{"text":""}')
    contents = [b'{"text":"' + b"a" * (size - frame) + b'"}' for size in (LARGEST_BYTES, LARGEST_BYTES + 1)]
    world.answers = [_embed(world, content) for content in contents]
    world.answers += [_embed(world, _parts(content)) for content in contents]


def _parts(content: bytes) -> Iterator[bytes]:
    yield from (content[start : start + PART] for start in range(0, len(content), PART))


def send_packed(world: World) -> Answer:
    """Ten kilobytes that unpack to more than the largest request."""
    packed = gzip.compress(b'{"text":"' + b"a" * LARGEST_BYTES + b'"}')
    return _embed(world, packed, **{"Content-Encoding": "gzip"})


def store_doubled(world: World, title: str) -> Answer:
    """A document whose id and text are given twice, with different values."""
    collection, item = documents.place(world, title)
    world.wrote = True
    told = json.dumps(item)
    content = (
        f'{{"collection":{json.dumps(collection)},"id":"shadow","id":{told},'
        f'"text":"The first text.","text":"The second text."}}'
    )
    answer = world.citadel.gateway.send(
        "POST",
        "/api/v1/vectors/insert",
        content=content.encode(),
        key=world.key,
        headers={"Content-Type": "application/json"},
        operation="insertVector",
    )
    if answer.ok:
        world.ledger.note(collection, answer.body["id"], answer)
    return answer


def read_differently(world: World, title: str) -> list[str]:
    """What the scenario's last write is for readers and in both stores, unless that is one and the same."""
    if world.last.code == "malformed-request":
        return []
    assert_that(world.last, succeeded())
    item = str(world.last.body["id"])
    collection, sent = documents.place(world, title)
    read = world.citadel.gateway.call("getVector", collection=collection, vector_id=item, key=world.key)
    told = {"readers": read.body.get("text")}
    if item == sent and world.citadel.rows is not None:
        row, point = stores.row_of(world, title), stores.point_of(world, title)
        told |= {"the metadata store": row and row.text, "the vector store": point and point.text}
    return [] if len(set(told.values())) == 1 else [f"{who}: {text}" for who, text in told.items()]


# First lines that have made servers see another address than the one whose key they checked.
SPELLINGS = (
    "GET //status", "GET /./status", "GET /health/../status", "GET /health/..;/status", "GET /%2e/status",
    "GET /health/%2e%2e/status", "GET /health%2f..%2fstatus", "GET /health/..%2fstatus", "GET /status/",
    "GET /STATUS", "GET /status%20", "GET /status%00", "GET /status%09", "GET /status;a=b",
    "GET /status?x=/health", "GET /status#/health", "GET /%73tatus", "GET /status%2f",
    "GET \\status", "GET /health\\..\\status",
    "GET http://localhost/status", "GET http://localhost/health/../status", "GET /health?/../status",
    "HEAD /status", "OPTIONS /status", "TRACE /status", "POST /status", "PUT /status", "get /status",
    "GET /api/v1/collections/", "GET //api/v1/collections", "GET /API/v1/collections",
    "GET /api/v1//collections", "GET /api/v1/./collections", "GET /api/v2/../v1/collections",
    "GET /metrics/../api/v1/collections",
)  # fmt: skip
# Headers with which a proxy tells a server that the address or the method is another one.
REDIRECTIONS = (
    "X-Original-URL: /status", "X-Rewrite-URL: /status", "X-Forwarded-Prefix: /status",
    "X-Original-URI: /status", "X-Override-URL: /status", "X-Forwarded-Path: /status",
)  # fmt: skip
# Members that only answers to holders of a key have.
PROTECTED = ("contract_version", "capabilities", "next_cursor")


def doors_opened_by_spelling(world: World) -> list[str]:
    """Spellings and redirections that show somebody without a key what is behind a door."""
    tries = [[f"{spelling} HTTP/1.1"] for spelling in SPELLINGS]
    tries += [["GET /health HTTP/1.1", header] for header in REDIRECTIONS]
    found = []
    for lines in tries:
        answer = _exact(world, lines)
        if answer is not None and any(member in answer.text for member in PROTECTED):
            found.append(str(answer))
    return found


def _exact(world: World, lines: list[str], body: bytes = b"") -> Answer | None:
    """The answer to a request byte by byte; None where the connection was closed instead."""
    try:
        return world.citadel.gateway.exact(
            [line.encode("latin-1") for line in lines], [body], label=" | ".join(lines)
        )
    except GatewayUnreachable:
        return None


# Requests that no two servers may read differently, by what is wrong with them.
FRAMES: Mapping[str, tuple[list[str], bytes]] = {
    "two lengths": (["Content-Length: 13", "Content-Length: 14"], b'{"text": "a"}'),
    "a length below zero": (["Content-Length: -1"], b'{"text": "a"}'),
    "a length that is a sum": (["Content-Length: 6+7"], b'{"text": "a"}'),
    "an unknown way to send": (["Transfer-Encoding: xchunked"], b'{"text": "a"}'),
    "a part of no length": (["Transfer-Encoding: chunked"], b'zz\r\n{"text": "a"}\r\n0\r\n\r\n'),
    "a blank after a name": (["Content-Length : 13"], b'{"text": "a"}'),
    "a header without a name": ([": 13", "Content-Length: 13"], b'{"text": "a"}'),
    "a NUL in a header": (["X-Note: a\x00b", "Content-Length: 13"], b'{"text": "a"}'),
    "a bare line feed in a header": (["X-Note: a\rb", "Content-Length: 13"], b'{"text": "a"}'),
    "two hosts": ([f"Host: {EVIL_HOST}", "Content-Length: 13"], b'{"text": "a"}'),
    "an endless header": ([f"X-Note: {'a' * 200_000}", "Content-Length: 13"], b'{"text": "a"}'),
}


def frames_taken(world: World) -> list[str]:
    """Malformed requests that were carried out."""
    taken = []
    for what, (headers, body) in FRAMES.items():
        first = ["POST /api/v1/embeddings/generate HTTP/1.1", f"X-API-Key: {world.key}"]
        answer = _exact(world, [*first, "Content-Type: application/json", *headers], body)
        if answer is not None and not 400 <= answer.status < 500:
            taken.append(f"{what}: answered {answer.status}")
    return taken


def forge_host(world: World) -> list[str]:
    """Where answers repeat a host that only the request claims."""
    headers = {"Host": EVIL_HOST, "X-Forwarded-Host": EVIL_HOST, "Forwarded": f"host={EVIL_HOST}"}
    gateway = world.citadel.gateway
    world.wrote = True
    collection, item = documents.place(world, "letter")
    made = gateway.call(
        "insertVector",
        json_body={"collection": collection, "id": item, "text": "A letter."},
        key=world.key,
        headers=headers,
    )
    assert_that(made, succeeded())
    world.ledger.note(collection, item, made)
    answers = [made, gateway.call("getStatus", key=world.key, headers=headers)]
    answers.append(gateway.send("GET", "/api/v1/nowhere", key=world.key, headers=headers))
    return [str(each) for each in answers if EVIL_HOST in each.text + str(dict(each.headers))]


def forged_lines(world: World) -> list[str]:
    """What a caller put wherever he can write, and what then was a line of a log or a counter."""
    sizes = {name: service.log_size() for name, service in world.citadel.services.items()}
    return _forged(world, _forge(world), sizes)


def _forge(world: World) -> str:
    """The mark that is in every line that was tried."""
    mark = f"forged{secrets.token_hex(6)}"
    line = json.dumps({"level": "ERROR", "event": mark})
    gateway, collection = world.citadel.gateway, world.names.collection(world.collection)
    for broken in (
        f"a\n{line}\n",
        f"a\r\n{line}\r\n",
        f"a\u2028{line}",
        f"a\x1b[2K\r{line}",
        f'a", {line[1:]}',
    ):
        gateway.call("getCollection", collection=broken, key=world.key)
        gateway.call("getVector", collection=collection, vector_id=broken, key=world.key)
        gateway.call("getJobStatus", job_id=broken, key=world.key)
        gateway.call("listVectors", collection=collection, query={"cursor": broken}, key=world.key)
        gateway.send("GET", f"/{mark}/{mark}", key=world.key)
        search(world, filter={broken: broken})
        insert(world, id=broken)
        insert(world, text=f"{broken}\x00")
    for header in ("X-Request-ID", "User-Agent", "X-API-Key", "Authorization", "Traceparent", "Referer"):
        for text in (f"a\x1b[2K{line}", f"a\t{line}", f'a","event":"{mark}', f"{mark}\x85{mark}"):
            _exact(world, ["GET /status HTTP/1.1", f"{header}: {text}"])
    _exact(world, [f"{mark.upper()} /status HTTP/1.1"])
    return mark


def _forged(world: World, mark: str, sizes: Mapping[str, int]) -> list[str]:
    found = []
    for name, service in world.citadel.services.items():
        for line in service.log_since(sizes.get(name, 0)).split("\n"):
            told = line.lower()
            if any(ord(letter) < ord(" ") for letter in line.rstrip("\r")) or _event(line) == mark:
                found.append(f"the log of {name}: {line!r}")
            elif mark in told and not line.startswith("{"):
                found.append(f"the log of {name}, not as a value of one line: {line!r}")
    counters = world.citadel.gateway.call("getMetrics", key="").text.lower()
    return found + [f"the counters: {line}" for line in counters.splitlines() if mark in line]


def _event(line: str) -> object:
    try:
        told = json.loads(line)
    except ValueError:
        return None
    return told.get("event") if isinstance(told, dict) else None
