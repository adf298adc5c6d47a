"""``python -m support.reference.emulators --port N``: serve on the loopback interface until SIGTERM.

The environment variable ``EMULATOR_KEYS`` holds a JSON object: provider id -> the key that it accepts. A
provider without one accepts no key.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import socket
import sys

import uvicorn

from support.reference.emulators.app import create_app
from support.reference.emulators.request_recorder import RequestRecorder

KEEP_ALIVE_S = 75
DRAIN_S = 3


class Server(uvicorn.Server):
    """A server whose orderly stop does not wait for requests that are held on purpose."""

    def __init__(self, config: uvicorn.Config, recorder: RequestRecorder) -> None:
        super().__init__(config)
        self._recorder = recorder

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Let held requests go, then stop."""
        self._recorder.reset()
        await super().shutdown(sockets)


def main() -> None:
    """Listen."""
    parser = argparse.ArgumentParser(prog="python -m support.reference.emulators", description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    port: int = parser.parse_args().port
    # uvicorn repeats the signal after its orderly stop: this turns it into exit status 0.
    signal.signal(signal.SIGTERM, lambda _number, _frame: sys.exit(0))
    recorder = RequestRecorder(json.loads(os.environ.get("EMULATOR_KEYS", "{}")))
    config = uvicorn.Config(
        create_app(recorder),
        host="127.0.0.1",
        port=port,
        loop="asyncio",
        timeout_keep_alive=KEEP_ALIVE_S,
        timeout_graceful_shutdown=DRAIN_S,
        access_log=False,
        log_level="warning",
    )
    Server(config, recorder).run()


if __name__ == "__main__":
    main()
