"""``python -m support.stack.links --port N``: links on the loopback interface, controlled on that port."""

from __future__ import annotations

import argparse
import asyncio
import resource
import signal
import sys

from support.stack.links.server import listen


async def serve(port: int) -> None:
    """Serve until SIGTERM or SIGINT. Raises ``OSError`` where the port is taken."""
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopped.set)
    server = await listen("127.0.0.1", port)
    print(f"control API on 127.0.0.1:{port}", flush=True)
    await stopped.wait()
    server.close()


def main() -> int:
    """Listen. Exit status 0 after SIGTERM, 1 when the port is taken."""
    parser = argparse.ArgumentParser(prog="python -m support.stack.links", description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    port: int = parser.parse_args().port
    # Every connection takes two descriptors; under load the usual limit is soon reached.
    _soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    try:
        asyncio.run(serve(port))
    except OSError as error:
        print(f"cannot start: {error}", flush=True)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
