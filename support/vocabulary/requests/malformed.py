"""Requests that are malformed: in content, size, framing or address, or by what they tell a log."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial

from support.drivers.gateway import Answer
from support.vocabulary.requests.grammar import Asking, Call, request

JSON = {"Content-Type": "application/json"}
DEEP = 5000
PART = 64 * 1024
FORGED_HOST = "evil.example"

EMBED, INSERT, SEARCH = "generateEmbedding", "insertVector", "searchVectors"
# By what is wrong with it: the operation, and the content with the collection in the place of $.
CONTENTS: Mapping[str, tuple[str, bytes]] = {
    "no content": (EMBED, b""),
    "a truncated object": (EMBED, b'{"text": "a te'),
    "two objects": (EMBED, b'{"text": "a"} {"text": "b"}'),
    "a character after the object": (EMBED, b'{"text": "a"}]'),
    "a comment": (EMBED, b'{"text": "a" /* a remark */}'),
    "single quotes": (EMBED, b"{'text': 'a'}"),
    "a trailing comma": (EMBED, b'{"text": "a",}'),
    "NaN": (EMBED, b'{"text": "a", "n": NaN}'),
    "invalid UTF-8": (EMBED, b'{"text": "\xff\xfe\xfd"}'),
    "truncated UTF-8": (EMBED, b'{"text": "\xc3"}'),
    "overlong UTF-8": (EMBED, b'{"text": "\xc0\xaf"}'),
    "UTF-16": (EMBED, '{"text": "a"}'.encode("utf-16")),
    "a line break within a string": (EMBED, b'{"text": "a\nb"}'),
    "100,000 nested lists": (EMBED, b"[" * 100_000),
    "5,000 nested objects in a filter": (
        SEARCH,
        b'{"collection":"$","query_text":"a","filter":' + b'{"a":' * DEEP + b"1" + b"}" * DEEP + b"}",
    ),
    "gzip content without its header": (EMBED, gzip.compress(b'{"text": "a"}')),
    "a form": (EMBED, b"text=a&model=b"),
    "XML": (EMBED, b'<?xml version="1.0"?><text>a</text>'),
    "a list for the object": (EMBED, b'["a"]'),
    "a string for the object": (EMBED, b'"a"'),
    "a number for the object": (EMBED, b"1"),
    "null for the object": (EMBED, b"null"),
    "an empty object": (EMBED, b"{}"),
    "a field too many": (EMBED, b'{"text": "a", "texts": ["b"]}'),
    "a field named __proto__": (SEARCH, b'{"collection":"$","query_text":"a","__proto__":{"admin":true}}'),
    "a NUL in the text": (INSERT, b'{"collection":"$","id":"bad","text":"before\\u0000after"}'),
    "a lone surrogate in the text": (INSERT, b'{"collection":"$","id":"bad","text":"\\ud83d alone"}'),
    "a list for the text": (INSERT, b'{"collection":"$","id":"bad","text":["one","two"]}'),
    "a number beyond float64": (INSERT, b'{"collection":"$","id":"bad","text":"a","metadata":{"n":1e999}}'),
}
CONTENT = b'{"text": "a"}'
# Headers, with the content, that no two servers may read differently, by what is wrong with them.
FRAMINGS: Mapping[str, tuple[Sequence[str], bytes]] = {
    "two lengths": (["Content-Length: 13", "Content-Length: 14"], CONTENT),
    "a negative length": (["Content-Length: -1"], CONTENT),
    "a sum as its length": (["Content-Length: 6+7"], CONTENT),
    "an unknown transfer encoding": (["Transfer-Encoding: xchunked"], CONTENT),
    "a chunk without a length": (
        ["Transfer-Encoding: chunked"],
        b"zz\r\n" + CONTENT + b"\r\n0\r\n\r\n",
    ),
    "a space after a header name": (["Content-Length : 13"], CONTENT),
    "a header without a name": ([": 13", "Content-Length: 13"], CONTENT),
    "a NUL in a header": (["X-Note: a\x00b", "Content-Length: 13"], CONTENT),
    "a bare carriage return in a header": (["X-Note: a\rb", "Content-Length: 13"], CONTENT),
    "two hosts": ([f"Host: {FORGED_HOST}", "Content-Length: 13"], CONTENT),
    "a header of 200,000 characters": ([f"X-Note: {'a' * 200_000}", "Content-Length: 13"], CONTENT),
}
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
# Headers with which a proxy tells a server that the address is another one.
REDIRECTIONS = (
    "X-Original-URL: /status", "X-Rewrite-URL: /status", "X-Forwarded-Prefix: /status",
    "X-Original-URI: /status", "X-Override-URL: /status", "X-Forwarded-Path: /status",
)  # fmt: skip


@request("sends a request with {malformed}", "sends a request with truncated UTF-8")
def send(ask: Asking, part: str) -> list[Call]:
    """Sends one request of which one thing is malformed, its content or its framing."""
    ask.world.wrote = True
    make = _framed if part in FRAMINGS else _with_content
    return [Call(f"{ask.actor} sends a request with {part}", partial(make, ask, part))]


def _with_content(ask: Asking, part: str) -> Answer:
    operation, content = CONTENTS[part]
    name = ask.world.names.collection(ask.world.collection).encode()
    return _send(ask, operation, content.replace(b"$", name))


def _send(
    ask: Asking, operation: str, content: bytes | Iterator[bytes], headers: Mapping[str, str] | None = None
) -> Answer:
    described = ask.world.citadel.contract.by_id(operation)
    return ask.send(
        described.method,
        described.path,
        content=content,
        headers={**JSON, **(headers or {})},
        operation=operation,
    )


def _framed(ask: Asking, part: str) -> Answer:
    headers, content = FRAMINGS[part]
    described = ask.world.citadel.contract.by_id(EMBED)
    first = [f"{described.method} {described.path} HTTP/1.1", f"X-API-Key: {ask.key}"]
    return _exact(ask, [*first, "Content-Type: application/json", *headers], content)


def _exact(ask: Asking, lines: Sequence[str], content: bytes = b"") -> Answer:
    shown = " | ".join(line for line in lines if "X-API-Key" not in line)
    return ask.world.citadel.gateway.exact([line.encode("latin-1") for line in lines], [content], label=shown)


@request("sends a request of {int} bytes", "sends a request of 10485760 bytes")
def send_size(ask: Asking, size: int) -> list[Call]:
    """Asks for the embedding of a text that fills a request of exactly so many bytes."""
    return [_sized(ask, size, "", partial(_send, ask, EMBED, _filled(size)))]


@request(
    "sends a request of {int} bytes without its length", "sends a request of 100 bytes without its length"
)
def send_size_untold(ask: Asking, size: int) -> list[Call]:
    """Asks for an embedding with exactly so many bytes in chunks, so that their number is not sent first."""
    return [_sized(ask, size, " without its length", lambda: _send(ask, EMBED, _chunks(_filled(size))))]


@request("sends a request of {int} bytes compressed", "sends a request of 10485761 bytes compressed")
def send_compressed(ask: Asking, size: int) -> list[Call]:
    """Asks for an embedding with so many bytes compressed with gzip, and with the header that says so."""
    encoded = {"Content-Encoding": "gzip"}
    make = partial(_send, ask, EMBED, gzip.compress(_filled(size)), encoded)
    return [_sized(ask, size, " compressed", make)]


def _sized(ask: Asking, size: int, how: str, make: Callable[[], Answer]) -> Call:
    return Call(f"{ask.actor} sends a request of {size} bytes{how}", make)


def _filled(size: int) -> bytes:
    frame = len(b'{"text":""}')
    return b'{"text":"' + b"a" * (size - frame) + b'"}'


def _chunks(content: bytes) -> Iterator[bytes]:
    yield from (content[start : start + PART] for start in range(0, len(content), PART))


@request(
    "stores a document with the ids {ids} and the texts {ids} in one object",
    'stores a document with the ids "one" and "two" and the texts "A." and "B." in one object',
)
def store_doubled(ask: Asking, items: list[str], texts: list[str]) -> list[Call]:
    """Inserts one document whose fields are given several times, each time with another value."""
    world, collection = ask.world, ask.collection
    fields = [
        ("collection", collection),
        *(("id", item) for item in items),
        *(("text", text) for text in texts),
    ]
    content = "{" + ",".join(f"{json.dumps(name)}:{json.dumps(value)}" for name, value in fields) + "}"

    def make() -> Answer:
        world.wrote = True
        answer = _send(ask, INSERT, content.encode())
        if answer.ok:
            world.ledger.note(collection, answer.body["id"], answer)
        return answer

    return [Call(f"{ask.actor} stores a document with the ids {items}", make)]


@request("calls protected routes in every spelling", "calls protected routes in every spelling")
def spell(ask: Asking) -> list[Call]:
    """Asks for the status and the collections by addresses and headers that servers have misread."""
    tries = [[f"{spelling} HTTP/1.1"] for spelling in SPELLINGS]
    tries += [["GET /health HTTP/1.1", header] for header in REDIRECTIONS]
    return [Call(f"{ask.actor} sends {' | '.join(lines)}", partial(_exact, ask, lines)) for lines in tries]


@request("calls an unknown route", "calls an unknown route")
def call_unknown(ask: Asking) -> list[Call]:
    """Asks for an address that nothing has."""
    return [Call(f"{ask.actor} calls an unknown route", partial(ask.send, "GET", "/api/v1/nowhere"))]


@request("writes log lines that say {string}", 'writes log lines that say "forged-{unique}"')
def write_log_lines(ask: Asking, event: str) -> list[Call]:
    """Puts what looks like a log line wherever a caller can write: paths, ids, filters, texts, headers."""
    ask.world.log_event = event.lower()
    ask.world.log_sizes = {name: each.log_size() for name, each in ask.world.citadel.services.items()}
    ask.world.wrote = True
    line = json.dumps({"level": "ERROR", "event": event})
    starts = ("a\n{}\n", "a\r\n{}\r\n", "a\u2028{}", "a\x1b[2K\r{}", 'a", {}')
    broken = [start.format(line) for start in starts[:-1]] + [starts[-1].format(line[1:])]
    makes: list[Callable[[], Answer]] = []
    for text in broken:
        makes += _places(ask, text, event)
    headers = ("X-Request-ID", "User-Agent", "X-API-Key", "Authorization", "Traceparent", "Referer")
    for header in headers:
        for text in (f"a\x1b[2K{line}", f"a\t{line}", f'a","event":"{event}', f"{event}\x85{event}"):
            makes.append(partial(_exact, ask, ["GET /status HTTP/1.1", f"{header}: {text}"]))
    makes.append(partial(_exact, ask, [f"{event.upper()} /status HTTP/1.1"]))
    return [Call(f"{ask.actor} writes a log line", make) for make in makes]


def _places(ask: Asking, text: str, event: str) -> list[Callable[[], Answer]]:
    named = {"collection": ask.collection}
    return [
        partial(ask.call, "getCollection", collection=text),
        partial(ask.call, "getVector", vector_id=text, **named),
        partial(ask.call, "getJobStatus", job_id=text),
        partial(ask.call, "listVectors", query={"cursor": text}, **named),
        partial(ask.send, "GET", f"/{event}/{event}"),
        partial(ask.call, SEARCH, json_body={**named, "query_text": "a", "filter": {text: text}}),
        partial(ask.call, INSERT, json_body={**named, "id": text, "text": "A text."}),
        partial(ask.call, INSERT, json_body={**named, "id": "log", "text": f"{text}\x00"}),
    ]
