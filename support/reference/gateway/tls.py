"""TLS with servers behind links: their certificates are for their own names, not for the links'."""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from redis.asyncio.connection import SSLConnection


class _Named(ssl.SSLContext):
    """Holds the certificate to ``name``, whatever address was asked for."""

    name: str

    def wrap_bio(
        self, incoming: ssl.MemoryBIO, outgoing: ssl.MemoryBIO, *_of_the_address: Any, **_also: Any
    ) -> ssl.SSLObject:
        return super().wrap_bio(incoming, outgoing, server_hostname=self.name)


def of_postgresql(url: str, name: str) -> ssl.SSLContext:
    """What `sslmode=verify-full` in the URL asks for, with the certificate's name."""
    said = dict(parse_qsl(urlsplit(url).query))
    context = _Named(ssl.PROTOCOL_TLS_CLIENT)
    context.name = name
    context.load_verify_locations(said["sslrootcert"])
    if "sslcert" in said:
        context.load_cert_chain(said["sslcert"], said.get("sslkey"), said.get("sslpassword", ""))
    for bound in ("minimum", "maximum"):
        version = said.get(f"ssl_{bound[:3]}_protocol_version", "")
        if version:
            setattr(context, f"{bound}_version", ssl.TLSVersion[version.replace(".", "_")])
    return context


def of_redis(name: str) -> type[SSLConnection]:
    """A connection as redis-py makes it, to a server with this name in its certificate."""

    class Named(SSLConnection):
        def _connection_arguments(self) -> Mapping[str, Any]:
            return {**super()._connection_arguments(), "server_hostname": name}

    return Named
