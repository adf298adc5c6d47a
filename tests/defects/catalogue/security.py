"""Defects of access control, rate limits and secrets, and in dealing with hostile requests."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import unicodedata
from collections.abc import Mapping
from typing import Any

from tests.defects.defect import defect


@defect(
    "the end of a key's time is not looked at",
    key="invalid-keys-refused",
    message=r"get status: expected unauthenticated, was succeeded",
)
def keys_never_expire() -> None:
    from support.reference.gateway.access import Principal

    def usable(self: Principal) -> bool:
        return self.revoked_at is None

    Principal.usable = usable  # type: ignore[method-assign]


@defect(
    "of a header sent twice the last one counts",
    key="malformed-keys-refused",
    message=r"expected unauthenticated, was succeeded - [\w ]+ with their key after another one",
)
def last_of_two_keys_wins() -> None:
    from support.reference.gateway import app

    def last(lines: Any) -> dict[str, str]:
        return {name.decode("latin-1"): value.decode("latin-1") for name, value in lines}

    app._headers = last


@defect(
    "an editor is let in where only an administrator may go",
    key="roles-grant-exact-operations",
    message=r"an editor: invalidate cache: expected forbidden - ",
)
def editors_may_all() -> None:
    from support.reference.gateway.access import Principal

    def may(self: Principal, role: str) -> bool:
        return role == "readonly" or self.role != "readonly"

    Principal.may = may  # type: ignore[method-assign]


@defect(
    "the role of a key is only checked for administrators",
    key="reader-cannot-write",
    message=r"stores the document \"statute\": insertVector answered 20",
)
def readers_may_write() -> None:
    from support.reference.gateway.access import Principal

    def may(self: Principal, role: str) -> bool:
        return role != "admin" or self.role == "admin"

    Principal.may = may  # type: ignore[method-assign]


@defect(
    "the count of requests is read and written in two steps",
    key="rate-limit-exact-under-concurrency",
    message=r"Expected: 10 succeeded, 30 rate-limited\s+but: 40 succeeded",
)
def limit_read_and_then_written() -> None:
    from support.reference.gateway.access import RateLimit, Window

    made: dict[Any, int] = {}

    async def in_two_steps(self: RateLimit, principal: Any) -> Window:
        count = made.get(principal.user_id, 0)
        await asyncio.sleep(0.01)
        made[principal.user_id] = count + 1
        return Window(principal.rate_limit_rpm, count + 1, 60.0)

    RateLimit.admit = in_two_steps  # type: ignore[method-assign]


@defect(
    "requests are counted by the address that a header claims",
    key="spoofed-headers-share-rate-limit",
    message=r"with header X-Forwarded-For 203\.0\.113\.7, 198\.51\.100\.9: listModels answered 200",
)
def limit_counted_by_address() -> None:
    import uuid

    from support.reference.gateway.access import Keys

    authenticate = Keys.authenticate

    async def by_address(self: Keys, headers: Mapping[str, str]) -> Any:
        found = await authenticate(self, headers)
        address = headers.get("x-forwarded-for", "")
        return dataclasses.replace(
            found, user_id=uuid.uuid5(found.user_id, address) if address else found.user_id
        )

    Keys.authenticate = by_address  # type: ignore[method-assign]


@defect(
    "every route has an allowance of its own",
    key="health-and-metrics-exempt-from-rate-limit",
    message=r"list collections: expected rate-limited, was succeeded",
)
def limit_counted_by_route() -> None:
    import uuid
    from contextvars import ContextVar

    from support.reference.gateway.access import RateLimit
    from support.reference.gateway.app import GatewayApp

    asked: ContextVar[str] = ContextVar("asked", default="")
    route, admit = GatewayApp._route, RateLimit.admit

    def remembering(self: GatewayApp, request: Any) -> Any:
        found = route(self, request)
        asked.set(found.template)
        return found

    async def by_route(self: RateLimit, principal: Any) -> Any:
        return await admit(
            self, dataclasses.replace(principal, user_id=uuid.uuid5(principal.user_id, asked.get()))
        )

    GatewayApp._route = remembering  # type: ignore[method-assign]
    RateLimit.admit = by_route  # type: ignore[method-assign]


@defect(
    "the counters are counted and refused like any request",
    key="health-and-metrics-exempt-from-rate-limit",
    message=r"getMetrics does not document status 429",
)
def counters_need_a_key() -> None:
    from support.reference.gateway import app

    table = app._table

    def locked(do: Any) -> Any:
        return [
            dataclasses.replace(each, role="readonly") if each.template == "/metrics" else each
            for each in table(do)
        ]

    app._table = locked


@defect(
    "the rest of the allowance is told as before the request",
    key="rate-limit-headers-correct",
    message=r"expected RateLimit-Remaining 3, was 4",
)
def rest_told_one_too_high() -> None:
    from support.reference.gateway.access import Window

    headers = Window.headers

    def generous(self: Window) -> dict[str, str]:
        return headers(dataclasses.replace(self, count=self.count - 1))

    Window.headers = generous  # type: ignore[method-assign]


@defect(
    "a request is carried out before it is refused as one too many",
    key="rate-limited-request-not-executed",
    message=r"'points': <4>|: 4\b",
)
def limit_looked_at_afterwards() -> None:
    from support.reference.gateway.access import RateLimit
    from support.reference.gateway.app import GatewayApp

    answer, check = GatewayApp._answer, RateLimit.check

    async def checking_last(self: GatewayApp, operation: Any, request: Any, body: Any, scope: Any) -> Any:
        reply = await answer(self, operation, request, body, scope)
        if request.window is not None:
            check(request.window)
        return reply

    RateLimit.check = staticmethod(lambda window: None)  # type: ignore[method-assign]
    GatewayApp._answer = checking_last  # type: ignore[method-assign]


@defect(
    "the refusal of somebody else's job tells that there is one",
    key="foreign-job-looks-missing",
    message=r"detail: .* in another editor reads the status of an unknown job(?s:.)*belongs to somebody else",
)
def jobs_of_others_are_told_of() -> None:
    from support.reference.gateway.jobs import Jobs
    from support.reference.gateway.problems import Problem

    status = Jobs.status

    async def telling(self: Any, job_id: str, caller: Any) -> Any:
        try:
            return await status(self, job_id, caller)
        except Problem:
            await status(self, job_id, dataclasses.replace(caller, role="admin"))
            raise Problem("job-not-found", "The job belongs to somebody else.") from None

    Jobs.status = telling  # type: ignore[method-assign]


@defect(
    "whose jobs a page shows is read from the cursor",
    key="foreign-cursor-useless",
    message=r"expected number of jobs absent or 0, was [1-3]",
)
def list_trusts_its_cursor() -> None:
    import base64
    import json
    import uuid

    from support.reference.gateway.jobs import Jobs

    page = Jobs.page

    async def trusting(self: Any, caller: Any, status: Any, limit: int, cursor: Any) -> Any:
        if cursor:
            scope = json.loads(base64.urlsafe_b64decode(cursor))[0]
            caller = dataclasses.replace(caller, user_id=uuid.UUID(scope.removeprefix("jobs:")))
        return await page(self, caller, status, limit, cursor)

    Jobs.page = trusting  # type: ignore[method-assign]


@defect(
    "a repeated search is answered before the key is looked at",
    key="cache-hit-requires-authorization",
    message=r"an anonymous caller searches for .*: searchVectors answered 200",
)
def answers_remembered_before_the_key() -> None:
    from support.reference.gateway.app import GatewayApp

    answer = GatewayApp._answer
    remembered: dict[str, Any] = {}

    async def remembering(self: GatewayApp, operation: Any, request: Any, body: Any, scope: Any) -> Any:
        if not operation.template.endswith("/vectors/search"):
            return await answer(self, operation, request, body, scope)
        data = await body.json()

        async def read() -> Any:
            return data

        body.json = read
        asked = repr(data)
        if asked in remembered:
            reply, request.user, request.window = remembered[asked]
            return reply
        reply = await answer(self, operation, request, body, scope)
        if reply.headers.get("X-Cache") == "HIT":
            remembered[asked] = reply, request.user, request.window
        return reply

    GatewayApp._answer = remembering  # type: ignore[method-assign]


@defect(
    "a header tells the caller's role",
    key="role-headers-ignored",
    message=r"with header X-User-Role admin: insertVector answered 201",
)
def role_from_a_header() -> None:
    from support.reference.gateway.access import Keys

    authenticate = Keys.authenticate

    async def believing(self: Keys, headers: Mapping[str, str]) -> Any:
        found = await authenticate(self, headers)
        return dataclasses.replace(found, role=headers.get("x-user-role", found.role))

    Keys.authenticate = believing  # type: ignore[method-assign]


@defect(
    "a header stands for the method of a request",
    key="method-override-ignored",
    message=r"GET /api/v1/collections/\S+ answered 200 against the contract(?s:.)*\"deleted\": true",
)
def method_from_a_header() -> None:
    from support.reference.gateway.app import GatewayApp

    route = GatewayApp._route

    def overriding(self: GatewayApp, request: Any) -> Any:
        request.method = request.headers.get("x-http-method-override", request.method)
        return route(self, request)

    GatewayApp._route = overriding  # type: ignore[method-assign]


@defect(
    "members that a request may not have are dropped in silence",
    key="platform-fields-not-settable",
    message=r"with field point_id [\w-]+: insertVector answered 20[01]",
)
def unknown_members_dropped() -> None:
    from support.reference.gateway import models

    for model in (models.Insert, models.CollectionCreate, models.JobRequest):
        model.model_config = {**model.model_config, "extra": "ignore"}
        model.model_rebuild(force=True)


@defect(
    "metadata named like the platform's own members are dropped",
    key="reserved-names-in-metadata-kept",
    message=r"\"note\": expected metadata",
)
def metadata_lose_the_platforms_names() -> None:
    from support.reference.gateway.models import Insert

    findings = Insert.findings

    def reserving(self: Insert) -> Any:
        for name in ("id", "version", "text"):
            self.metadata.pop(name, None)
        return findings(self)

    Insert.findings = reserving  # type: ignore[method-assign]


@defect(
    "names in an address are used as they come",
    key="hostile-names-refused",
    message=r"500 is always a defect",
    row="name of a collection",
)
def names_in_addresses_unchecked() -> None:
    from support.reference.gateway import models

    models.check = lambda kind, name, value, pattern: value


@defect(
    "values are brought into a normal form",
    key="hostile-values-stored-verbatim",
    message=r"\"fullwidth-letters\": expected metadata",
)
def values_are_tidied() -> None:
    from support.reference.gateway.models import Insert

    findings = Insert.findings

    def tidying(self: Insert) -> Any:
        for name, value in self.metadata.items():
            self.metadata[name] = unicodedata.normalize("NFKC", value) if isinstance(value, str) else value
        return findings(self)

    Insert.findings = tidying  # type: ignore[method-assign]


@defect(
    "a filter is handed on without a look at it",
    key="filters-are-never-executed",
    message=r"searchVectors answered 200|500 is always a defect",
)
def filters_unchecked() -> None:
    from support.reference.gateway import models

    models.filter_findings = lambda conditions: iter(())


@defect(
    "the refusal of what cannot be read tells where in the program that was",
    key="unreadable-requests-refused",
    message=r"the error tells of the inside: a stack trace",
    row="a truncated object",
)
def refusals_tell_the_inside() -> None:
    import traceback

    from support.reference.gateway import app
    from support.reference.gateway.problems import Problem

    parse = app._tolerant_json

    def telling(raw: bytes) -> object:
        try:
            return parse(raw)
        except Problem:
            raise Problem("malformed-request", traceback.format_exc()) from None

    app._tolerant_json = telling


@defect(
    "the kind of a content is not looked at",
    key="content-types-enforced",
    message=r"with header Content-Type text/plain: generateEmbedding answered 200",
)
def any_kind_of_content_read() -> None:
    from support.reference.gateway import app

    init = app._Incoming.__init__

    def taking(self: Any, headers: Any, receive: Any) -> None:
        init(self, {**headers, "content-type": "application/json"}, receive)

    app._Incoming.__init__ = taking  # type: ignore[method-assign]


@defect(
    "the size of a request is only looked at where the caller tells it",
    key="request-size-limit-exact",
    message=r"10485761 bytes without its length: generateEmbedding answered 422",
)
def size_believed_not_measured() -> None:
    from support.reference.gateway import app

    json_of, largest = app._Incoming.json, app.LARGEST_BODY

    async def believing(self: Any) -> object:
        app.LARGEST_BODY = largest if "content-length" in self._headers else 1 << 40
        return await json_of(self)

    app._Incoming.json = believing  # type: ignore[method-assign]


@defect(
    "a packed content is unpacked, whatever its size",
    key="compressed-requests-not-expanded",
    message=r"bytes compressed: generateEmbedding answered 422",
)
def packed_content_unpacked() -> None:
    import gzip

    from support.reference.gateway import app

    parse = app._json
    app._json = lambda raw: parse(gzip.decompress(raw) if raw[:2] == b"\x1f\x8b" else raw)


@defect(
    "of a member given twice one store gets the first value and the other the second",
    key="duplicate-members-have-one-value",
    message=r"\"The first text\.\" in Qdrant",
)
def doubled_members_read_twice() -> None:
    from support.reference.gateway.writes import Item

    point = Item.point

    def other(self: Item) -> dict[str, object]:
        written: Any = point(self)
        if written["payload"]["text"] == "The second text.":
            written["payload"]["text"] = "The first text."
        return dict(written)

    Item.point = other  # type: ignore[method-assign]


@defect(
    "whether an address is open is judged before its dots are resolved",
    key="path-spellings-do-not-bypass-authentication",
    message=r"contract_version' stands in the content of the answer: an anonymous caller sends GET "
    r"/health/\.\./status",
)
def lock_looks_at_the_beginning() -> None:
    import posixpath

    from support.reference.gateway.app import GatewayApp

    route = GatewayApp._route

    def folding(self: GatewayApp, request: Any) -> Any:
        is_open = request.path.startswith("/health")
        request.path = posixpath.normpath(request.path)
        found = route(self, request)
        return dataclasses.replace(found, role=None) if is_open else found

    GatewayApp._route = folding  # type: ignore[method-assign]


@defect(
    "of two lengths the first one counts",
    key="request-smuggling-refused",
    message=r"a request with two lengths: ",
)
def first_of_two_lengths_counts() -> None:
    from h11 import _events, _headers

    normalize = _headers.normalize_and_validate

    def lenient(headers: Any, _parsed: bool = False) -> Any:
        lengths = [each for each in headers if each[-2].lower() == b"content-length"]
        return normalize([each for each in headers if each not in lengths[1:]], _parsed)

    vars(_events)["normalize_and_validate"] = lenient


@defect(
    "where a new document is, is told with the host that the request claims",
    key="host-header-not-trusted",
    message=r"'evil\.example' stands in the headers of the answer: .*insertVector answered 201",
)
def location_from_the_host() -> None:
    from support.reference.gateway.operations import Operations

    insert = Operations.insert

    async def absolute(self: Operations, request: Any) -> Any:
        reply = await insert(self, request)
        if "Location" in reply.headers:
            reply.headers["Location"] = f"http://{request.headers['host']}{reply.headers['Location']}"
        return reply

    Operations.insert = absolute  # type: ignore[method-assign]


@defect(
    "the address of a request is written to the log unquoted",
    key="log-injection-prevented",
    message=r"the log of gateway(, not as a value of one line)?: '",
)
def addresses_logged_as_they_are() -> None:
    from support.reference.gateway.app import GatewayApp

    route = GatewayApp._route

    def telling(self: GatewayApp, request: Any) -> Any:
        print(f"{request.method} {request.path}", flush=True)
        return route(self, request)

    GatewayApp._route = telling  # type: ignore[method-assign]


@defect(
    "every address that was ever asked for becomes a counter of its own",
    key="log-injection-prevented",
    message=r"the metrics: gateway_requests_total",
)
def addresses_counted_as_they_are() -> None:
    from support.reference.gateway.app import GatewayApp
    from support.reference.gateway.problems import Problem

    route = GatewayApp._route

    def counting(self: GatewayApp, request: Any) -> Any:
        try:
            return route(self, request)
        except Problem:
            self.metrics.requests.labels(request.method, request.path, "404").inc()
            raise

    GatewayApp._route = counting  # type: ignore[method-assign]


@defect(
    "what lies in the cache is unpickled",
    key="poisoned-cache-entry-rejected",
    message=r"a program from the cache was executed",
    row="a pickled program$",
)
def cache_holds_objects() -> None:
    import pickle

    from support.reference.gateway import cache

    opened = cache._opened

    def unpickling(raw: Any, valid: Any) -> Any:
        if raw is not None:
            with contextlib.suppress(Exception):
                pickle.loads(raw)
        return opened(raw, valid)

    cache._opened = unpickling


@defect(
    "cached results are served whatever they are made of",
    key="poisoned-cache-entry-rejected",
    message=r"the body at /results/0/version: '1' is not of type 'integer'",
    row="from numbers to texts",
)
def cache_types_ignored() -> None:
    from support.reference.gateway import search

    search._valid = lambda wanted, body: True


@defect(
    "the refusal of a wrong type crashes where there is no further reason to tell",
    key="random-requests-keep-contract",
    message=r"POST /api/v1/\S+.*: Server error",
)
def refusal_crashes() -> None:
    from support.reference.gateway import models

    translated = models._translated

    def with_reason(found: Any) -> Any:
        return translated({**found, "msg": f"{found['msg']}: {found['ctx']['error']}"})

    models._translated = with_reason


@defect(
    "the cache counts requests under the callers' keys",
    key="no-secret-in-outputs",
    message=r"key of \S*editor in the cache",
)
def limit_counted_by_the_key_itself() -> None:
    from contextvars import ContextVar

    from support.reference.gateway.access import Keys
    from support.reference.gateway.cache import Cache

    shown: ContextVar[str] = ContextVar("shown", default="nobody")
    authenticate, hit_window = Keys.authenticate, Cache.hit_window

    async def remembering(self: Keys, headers: Mapping[str, str]) -> Any:
        shown.set(headers.get("x-api-key", "nobody"))
        return await authenticate(self, headers)

    async def by_key(self: Cache, key: str, window_s: int) -> Any:
        return await hit_window(self, f"{key}:{shown.get()}", window_s)

    Keys.authenticate = remembering  # type: ignore[method-assign]
    Cache.hit_window = by_key  # type: ignore[method-assign]


@defect(
    "the record of changes holds the callers' keys",
    key="no-secret-in-outputs",
    message=r"key of \S*editor in audit_log.target",
)
def keys_in_the_audit_log() -> None:
    from contextvars import ContextVar

    from support.reference.gateway.access import Keys
    from support.reference.gateway.audit import AuditLog

    shown: ContextVar[str] = ContextVar("shown", default="nobody")
    authenticate, note = Keys.authenticate, AuditLog.note

    async def remembering(self: Keys, headers: Mapping[str, str]) -> Any:
        shown.set(headers.get("x-api-key", "nobody"))
        return await authenticate(self, headers)

    def with_key(
        self: AuditLog, request_id: str, user_id: Any, action: str, target: str, status: int
    ) -> None:
        note(self, request_id, user_id, action, f"{target} by {shown.get()}", status)

    Keys.authenticate = remembering  # type: ignore[method-assign]
    AuditLog.note = with_key  # type: ignore[method-assign]


@defect(
    "the gateway logs the keys in base64",
    key="no-secret-in-outputs",
    message=r"key of \S*editor in the log of gateway",
)
def keys_logged_encoded() -> None:
    import base64

    from support.reference.gateway import logs
    from support.reference.gateway.access import Keys

    authenticate = Keys.authenticate

    async def telling(self: Keys, headers: Mapping[str, str]) -> Any:
        credentials = f"key:{headers.get('x-api-key', '')}"
        logs.info("authenticating", authorization=base64.b64encode(credentials.encode()).decode())
        return await authenticate(self, headers)

    Keys.authenticate = telling  # type: ignore[method-assign]
