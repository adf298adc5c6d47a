"""The gateway's driver: one long-lived client; every answer is timed, journaled, held to the contract."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

import httpx

from support import addresses
from support.contract.coverage import Coverage
from support.contract.disclosure import disclosed
from support.contract.validator import Contract
from support.drivers import wire
from support.drivers.journal import Journal
from support.redaction import Secrets

CONNECT_S = 2.0
# Longer than any time limit of the contract's operations except the consistency check (60 s).
READ_S = 35.0
# A request that is refused as it stands waits for nobody.
EXACT_S = 5.0
_TIMING = re.compile(r"([a-z]+);dur=([0-9.]+)")


class ContractViolation(AssertionError):
    """An answer of the gateway is not what the contract promises."""


class GatewayUnreachable(AssertionError):
    """The gateway gave no answer. If ``sent`` it may have got the request: a write is unknown."""

    def __init__(self, message: str, *, sent: bool) -> None:
        super().__init__(message)
        self.sent = sent


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer of the gateway. ``body`` is the parsed JSON, or the text where it is not JSON."""

    operation: str
    status: int
    headers: Mapping[str, str]
    body: Any
    text: str
    elapsed_ms: float

    @property
    def ok(self) -> bool:
        """Whether the request succeeded (2xx)."""
        return 200 <= self.status < 300

    @property
    def code(self) -> str | None:
        """The problem code of a refusal, None for a success."""
        return (
            str(self.body["code"])
            if not self.ok and isinstance(self.body, dict) and "code" in self.body
            else None
        )

    @property
    def request_id(self) -> str:
        """The correlation id the gateway answered with."""
        return self.headers.get("X-Request-ID", "")

    @property
    def hops_ms(self) -> dict[str, float]:
        """Milliseconds per hop from ``Server-Timing`` (gateway, qdrant, postgresql, ..., total)."""
        return {name: float(ms) for name, ms in _TIMING.findall(self.headers.get("Server-Timing", ""))}

    def __str__(self) -> str:
        summary = self.code or (self.body.get("outcome", "") if isinstance(self.body, dict) else "")
        shown = f" {summary}" if summary else ""
        return f"{self.operation} answered {self.status}{shown} in {self.elapsed_ms:.0f} ms"


@dataclass(slots=True)
class Gateway:
    """Calls operations by the contract's names, with ``key`` unless a call says otherwise."""

    url: str
    key: str
    contract: Contract
    coverage: Coverage
    journal: Journal
    secrets: Secrets
    # The URL of an HTTP proxy on the way; no variable of other programs is heeded.
    proxy: str | None = None
    _client: httpx.Client = field(init=False)

    def __post_init__(self) -> None:
        self._client = httpx.Client(
            base_url=self.url,
            timeout=httpx.Timeout(READ_S, connect=CONNECT_S, pool=READ_S),
            limits=httpx.Limits(max_connections=64, max_keepalive_connections=64),
            trust_env=False,
            verify=addresses.trusted(),
            proxy=self.proxy,
        )

    def another(self) -> Gateway:
        """A client of the same platform with connections of its own."""
        return Gateway(
            self.url, self.key, self.contract, self.coverage, self.journal, self.secrets, self.proxy
        )

    def call(
        self,
        operation: str,
        *,
        json_body: Any = None,
        query: Mapping[str, Any] | None = None,
        key: str | None = None,
        headers: Mapping[str, str | Sequence[str]] | None = None,
        **path: str,
    ) -> Answer:
        """Call a contract operation by its operationId; ``path`` fills the template's variables.

        Raises ``GatewayUnreachable`` without an answer and ``ContractViolation`` for one that breaks the
        contract (shape, headers, undocumented status).
        """
        described = self.contract.by_id(operation)
        filled = described.path
        for name, value in path.items():
            filled = filled.replace("{" + name + "}", quote(value, safe=""))
        return self.send(
            described.method,
            filled,
            json_body=json_body,
            query=query,
            key=key,
            headers=headers,
            operation=operation,
        )

    def send(
        self,
        method: str,
        path: str,
        *,
        json_body: Any = None,
        content: bytes | Iterable[bytes] | None = None,
        query: Mapping[str, Any] | None = None,
        key: str | None = None,
        headers: Mapping[str, str | Sequence[str]] | None = None,
        operation: str | None = None,
    ) -> Answer:
        """Send any request, also one the contract does not know; an empty ``key`` sends none.

        A header with several values is sent once for each; ``content`` in parts is sent without its length.
        """
        sent = _header_lines(self.key if key is None else key, headers or {}, json_body is not None)
        if json_body is not None:
            content = json.dumps(json_body, ensure_ascii=False).encode("utf-8", "surrogatepass")
        label = operation or f"{method} {path}"
        with self.journal.call("gateway", f"{label} {_brief(path, json_body)}") as call:
            try:
                answer = self._client.request(method, path, content=content, params=query, headers=sent)
            except httpx.HTTPError as error:
                sent_it = not isinstance(error, httpx.ConnectError | httpx.ConnectTimeout)
                message = f"{label}: no answer ({type(error).__name__}: {error})"
                raise GatewayUnreachable(message, sent=sent_it) from error
            call.outcome = f"{answer.status_code} [{answer.headers.get('X-Request-ID', 'no request id')}]"
            if answer.status_code >= 400:
                call.detail = answer.text
        self._hold_to_contract(method, path, answer)
        return Answer(
            operation=label,
            status=answer.status_code,
            headers=answer.headers,
            body=_parsed(answer),
            text=answer.text,
            elapsed_ms=answer.elapsed.total_seconds() * 1000.0,
        )

    def exact(self, lines: Sequence[bytes], body: Iterable[bytes] = (), *, label: str) -> Answer:
        """Send a request byte by byte: its first line and its headers, without a key unless they hold one.

        The contract is not demanded of the answer, for this need be no request that it knows; a secret or
        a 500 is a violation all the same. Raises ``GatewayUnreachable`` without an answer.
        """
        began = time.monotonic()
        with self.journal.call("gateway", label) as call:
            try:
                answer = wire.exchange(self.url, lines, body, within_s=EXACT_S, proxy=self.proxy)
            except OSError as error:
                raise GatewayUnreachable(f"{label}: {error}", sent=True) from error
            call.outcome = str(answer.status_code)
        complaints = self._defects(answer)
        if complaints:
            raise ContractViolation(f"{label}: answered {answer.status_code}: {'; '.join(complaints)}")
        elapsed_ms = (time.monotonic() - began) * 1000.0
        return Answer(label, answer.status_code, answer.headers, _parsed(answer), answer.text, elapsed_ms)

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def _defects(self, answer: httpx.Response) -> list[str]:
        """What no answer may be, whatever was asked."""
        found = ["500 is always a defect of the platform"] if answer.status_code == 500 else []
        leaked = self.secrets.found_in(answer.text) + self.secrets.found_in(str(answer.headers.multi_items()))
        found += [f"the answer shows a secret: {', '.join(leaked)}"] if leaked else []
        secrets = disclosed(answer.text) if answer.status_code >= 400 else []
        return [*found, f"the error tells of the inside: {', '.join(secrets)}"] if secrets else found

    def _hold_to_contract(self, method: str, path: str, answer: httpx.Response) -> None:
        described = self.contract.operation(method, path)
        if described is not None:
            self.coverage.observe(described.id, answer.status_code)
        complaints = self.contract.check(method, path, answer.status_code, answer.headers, answer.content)
        complaints += self._defects(answer)
        if complaints:
            raise ContractViolation(
                f"{method} {path} answered {answer.status_code} against the contract:\n  "
                + "\n  ".join(complaints)
            )


def _header_lines(
    key: str, given: Mapping[str, str | Sequence[str]], has_json: bool
) -> list[tuple[str, str]]:
    """The headers as they are sent: those given win, and a name of them stands as it was given."""
    named = {name.lower() for name in given}
    lines = [("X-API-Key", key)] if key and "x-api-key" not in named else []
    if has_json and "content-type" not in named:
        lines.append(("Content-Type", "application/json"))
    for name, values in given.items():
        lines += [(name, value) for value in ([values] if isinstance(values, str) else values)]
    return lines


def _parsed(answer: httpx.Response) -> Any:
    # An answer to HEAD has the headers of its content alone.
    if "json" in answer.headers.get("Content-Type", "") and answer.content:
        return answer.json()
    return answer.text


def _brief(path: str, body: Any) -> str:
    """What a reader of the journal needs of a request: collection, ids, and the start of a text."""
    if not isinstance(body, dict):
        return path.rpartition("/api/v1")[2]
    shown = []
    for name in ("collection", "name", "id", "text", "query_text", "operation", "limit"):
        if name in body:
            value = str(body[name])
            shown.append(f"{name}={value[:40]}{'...' if len(value) > 40 else ''}")
    for name in ("items", "texts", "ids", "vector", "query_vector"):
        if isinstance(body.get(name), list):
            shown.append(f"{name}[{len(body[name])}]")
    return " ".join(shown)
