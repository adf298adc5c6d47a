"""``python -m support.reference.emulators --port N``: serve on the loopback interface until SIGTERM.

The environment variable ``EMULATOR_KEYS`` holds a JSON object: provider id -> the key that it accepts. A
provider without one accepts no key.
"""

from __future__ import annotations

import json
import os
import socket

import uvicorn

from support.reference import serving
from support.reference.emulators.app import create_app
from support.reference.emulators.request_recorder import RequestRecorder

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
    port = serving.port_asked_for("support.reference.emulators", __doc__)
    recorder = RequestRecorder(json.loads(os.environ.get("EMULATOR_KEYS", "{}")))
    Server(serving.configured(create_app(recorder), port, DRAIN_S), recorder).run()


if __name__ == "__main__":
    main()
