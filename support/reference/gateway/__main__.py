"""Run the gateway: `python -m support.reference.gateway`, configured by `GATEWAY_*` variables."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import socket
import sys
import time
from collections.abc import Iterator

import aiohttp
import uvicorn

from support.reference.gateway import logs
from support.reference.gateway.app import GatewayApp
from support.reference.gateway.config import Config, from_environment

_DRAIN_S = 20.0
"""How long requests in flight may take to finish after SIGTERM; exit is promised within 30 s."""
_FAREWELL_S = 0.3
"""How long requests are refused before connections are closed: who is just sending is told, not cut off."""
_CLOSE_S = 3
_CONNECTIONS_PER_BACKEND = 128


class _Server(uvicorn.Server):
    """uvicorn, with the signals left to us: new requests get 503 while the old ones finish."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


async def _serve(config: Config, listener: socket.socket) -> None:
    connector = aiohttp.TCPConnector(
        limit=0, limit_per_host=_CONNECTIONS_PER_BACKEND, keepalive_timeout=30, force_close=False
    )
    async with aiohttp.ClientSession(connector=connector, trust_env=False, auto_decompress=True) as session:
        gateway = GatewayApp(config, session)
        server = _Server(
            uvicorn.Config(
                gateway,
                loop="asyncio",
                lifespan="off",
                access_log=False,
                log_config=None,
                timeout_keep_alive=75,
                timeout_graceful_shutdown=_CLOSE_S,
                server_header=False,
            )
        )
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(logs.unhandled)
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stop.set)
        gateway.start()
        logs.info("started", port=config.port, environment=config.environment)
        serving = asyncio.create_task(server.serve(sockets=[listener]))
        stopped = asyncio.create_task(stop.wait())
        await asyncio.wait({serving, stopped}, return_when=asyncio.FIRST_COMPLETED)
        stopped.cancel()
        gateway.stopping = True
        logs.info("draining", in_flight=gateway.in_flight)
        until = time.monotonic() + _DRAIN_S
        while gateway.in_flight and time.monotonic() < until:
            await asyncio.sleep(0.02)
        await asyncio.sleep(_FAREWELL_S)
        server.should_exit = True
        await serving
        await gateway.shut_down()
    logs.info("stopped")


def main() -> int:
    """Serve until SIGTERM; the exit code."""
    logs.set_up()
    config = from_environment()
    try:
        # The protocol is named because asyncio switches Nagle's delay off only for sockets that name it.
        listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", config.port))
    except OSError as taken:
        logs.warning("port-not-usable", port=config.port, reason=taken.strerror)
        return 1
    asyncio.run(_serve(config, listener))
    return 0


if __name__ == "__main__":
    sys.exit(main())
