"""Toxiproxy's HTTP control API over a set of links: routes, checks and error bodies."""

from __future__ import annotations

import json
from typing import Any

from support.stack.links.proxy import Proxy
from support.stack.links.toxics import STAGES, STREAMS, Toxic

VERSION = "acceptance-links"
Reply = tuple[int, Any]


class Refusal(Exception):
    """An error answer: ``{"error": message, "status": status}``."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status

    def reply(self) -> Reply:
        """Status and body."""
        return self.status, {"error": str(self), "status": self.status}


class Control:
    """The links of this process and what may be done with them."""

    def __init__(self) -> None:
        self._proxies: dict[str, Proxy] = {}

    async def answer(self, method: str, path: str, body: bytes) -> Reply:
        """Carry out one request; returns status and JSON body (None: empty)."""
        try:
            return await self._route(method, path.strip("/").split("/"), body)
        except Refusal as refusal:
            return refusal.reply()
        except (OSError, ValueError) as error:
            return Refusal(500, str(error)).reply()

    async def _route(self, method: str, path: list[str], body: bytes) -> Reply:
        match method, path:
            case "GET", ["version"]:
                return 200, {"version": VERSION}
            case "GET", ["proxies"]:
                return 200, {name: proxy.shown() for name, proxy in self._proxies.items()}
            case "POST", ["proxies"]:
                return 201, (await self._create(_object(body))).shown()
            case "POST", ["populate"]:
                return 201, {"proxies": [proxy.shown() for proxy in await self._populate(body)]}
            case "POST", ["reset"]:
                return await self._reset()
            case "GET", ["proxies", name]:
                return 200, self._proxy(name).shown()
            case "POST" | "PATCH", ["proxies", name]:
                return 200, (await self._update(self._proxy(name), _object(body))).shown()
            case "DELETE", ["proxies", name]:
                self._proxy(name).stop()
                del self._proxies[name]
                return 204, None
            case _, ["proxies", name, "toxics", *rest]:
                return _toxics(self._proxy(name), method, rest, body)
        raise Refusal(404, "404 page not found")

    def _proxy(self, name: str) -> Proxy:
        if name not in self._proxies:
            raise Refusal(404, "proxy not found")
        return self._proxies[name]

    async def _create(self, given: dict[str, Any]) -> Proxy:
        proxy = _proxy_of(given)
        if proxy.name in self._proxies:
            raise Refusal(409, "proxy already exists")
        await proxy.set_enabled(_value(given, "enabled", bool, True))
        self._proxies[proxy.name] = proxy
        return proxy

    async def _update(self, proxy: Proxy, given: dict[str, Any]) -> Proxy:
        listen = _value(given, "listen", str, proxy.listen)
        upstream = _value(given, "upstream", str, proxy.upstream)
        enabled = _value(given, "enabled", bool, proxy.enabled)
        if (listen, upstream) != (proxy.listen, proxy.upstream):
            await proxy.move(listen, upstream)
        await proxy.set_enabled(enabled)
        return proxy

    async def _populate(self, body: bytes) -> list[Proxy]:
        """Create what is missing; a link with other addresses is replaced, an equal one keeps its toxics."""
        given = _json(body)
        if not isinstance(given, list):
            raise Refusal(400, "bad request body: not an array")
        wanted = [(_proxy_of(each), _value(each, "enabled", bool, True)) for each in given]
        populated = []
        for proxy, enabled in wanted:
            present = self._proxies.get(proxy.name)
            if present and (present.listen, present.upstream) == (proxy.listen, proxy.upstream):
                proxy = present
            elif present:
                present.stop()
            await proxy.set_enabled(enabled)
            self._proxies[proxy.name] = proxy
            populated.append(proxy)
        return populated

    async def _reset(self) -> Reply:
        for proxy in self._proxies.values():
            proxy.clear()
            await proxy.start()
        return 204, None


def _toxics(proxy: Proxy, method: str, rest: list[str], body: bytes) -> Reply:
    match method, rest:
        case "GET", []:
            return 200, [toxic.shown() for toxic in proxy.toxics]
        case "POST", []:
            toxic = _new_toxic(proxy, _object(body))
            proxy.add(toxic)
            return 200, toxic.shown()
        case "GET", [name]:
            return 200, _toxic(proxy, name).shown()
        case "POST" | "PATCH", [name]:
            toxic, given = _toxic(proxy, name), _object(body)
            toxicity = _value(given, "toxicity", float, toxic.toxicity)
            toxic.attributes = _attributes(toxic.kind, given, toxic.attributes)
            toxic.toxicity = toxicity
            proxy.changed(toxic.stream)
            return 200, toxic.shown()
        case "DELETE", [name]:
            proxy.remove(_toxic(proxy, name))
            return 204, None
    raise Refusal(404, "404 page not found")


def _toxic(proxy: Proxy, name: str) -> Toxic:
    toxic = proxy.toxic(name)
    if toxic is None:
        raise Refusal(404, "toxic not found")
    return toxic


def _new_toxic(proxy: Proxy, given: dict[str, Any]) -> Toxic:
    kind = _value(given, "type", str, "")
    stream = _value(given, "stream", str, "downstream").lower()
    if stream not in STREAMS:
        raise Refusal(400, "stream was invalid, can be either upstream or downstream")
    name = _value(given, "name", str, "") or f"{kind}_{stream}"
    if kind not in STAGES:
        raise Refusal(400, "invalid toxic type")
    if proxy.toxic(name) is not None:
        raise Refusal(409, "toxic already exists")
    toxicity = _value(given, "toxicity", float, 1.0)
    return Toxic(name, kind, stream, toxicity, _attributes(kind, given, {}))


def _attributes(kind: str, given: dict[str, Any], present: dict[str, int]) -> dict[str, int]:
    """The toxic's attributes: given, else as they are, else 0; unknown ones are ignored."""
    attributes = _value(given, "attributes", dict, {})
    return {name: _value(attributes, name, int, present.get(name, 0)) for name in STAGES[kind].attributes}


def _proxy_of(given: Any) -> Proxy:
    if not isinstance(given, dict):
        raise Refusal(400, "bad request body: not an object")
    for name in ("name", "upstream"):
        if not _value(given, name, str, ""):
            raise Refusal(400, f"missing required field: {name}")
    return Proxy(given["name"], _value(given, "listen", str, "") or "127.0.0.1:0", given["upstream"])


def _value(given: dict[str, Any], name: str, kind: type, default: Any) -> Any:
    """A member of a JSON object; raises ``Refusal`` if it has another type."""
    value = given.get(name)
    if value is None:
        return default
    allowed = (int, float) if kind is float else (kind,)
    if not isinstance(value, allowed) or (isinstance(value, bool) and kind is not bool):
        raise Refusal(400, f"bad request body: {name} is not of the type {kind.__name__}")
    return value


def _json(body: bytes) -> Any:
    try:
        return json.loads(body)
    except ValueError as error:
        raise Refusal(400, f"bad request body: {error}") from None


def _object(body: bytes) -> dict[str, Any]:
    given = _json(body)
    if not isinstance(given, dict):
        raise Refusal(400, "bad request body: not an object")
    return given
