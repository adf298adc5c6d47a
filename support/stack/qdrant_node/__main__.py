"""``python -m support.stack.qdrant_node --data DIR --port N``: serve Qdrant's REST interface until SIGTERM.

The key may also come in ``QDRANT_NODE_API_KEY``, where no process list shows it; without one, all may call.
"""

from __future__ import annotations

import argparse
import os
import signal
import socket
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson
import uvicorn

from support.stack.qdrant_node.app import ENGINE, Node
from support.stack.qdrant_node.engine import Catalogue, DataDirectoryUnusable

KEEP_ALIVE_S = 75
DRAIN_S = 5


def log(level: str, event: str, **details: Any) -> None:
    """One JSON line on standard output."""
    line = {"at": datetime.now(UTC), "level": level, "service": "qdrant", "event": event, **details}
    sys.stdout.buffer.write(orjson.dumps(line) + b"\n")
    sys.stdout.buffer.flush()


def _listen(host: str, port: int) -> socket.socket:
    """A bound socket whose connections send at once.

    The protocol is named because asyncio switches Nagle's delay off only for sockets that name it; otherwise
    every answer on a kept connection waits 40 ms for the caller's delayed acknowledgement.
    """
    listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listening.bind((host, port))
    return listening


def main() -> int:
    """Listen, load the collections, serve. Exit status 0 after SIGTERM, 1 when the node cannot start."""
    parser = argparse.ArgumentParser(prog="python -m support.stack.qdrant_node", description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--api-key", default=os.environ.get("QDRANT_NODE_API_KEY"))
    arguments = parser.parse_args()
    # uvicorn repeats the signal after its orderly stop: this turns it into exit status 0.
    signal.signal(signal.SIGTERM, lambda _number, _frame: sys.exit(0))
    try:
        listening = _listen(arguments.host, arguments.port)
        catalogue = Catalogue(arguments.data, log)
    except OSError as error:
        log("ERROR", "cannot start", error=f"{arguments.host}:{arguments.port}: {error.strerror}")
        return 1
    except DataDirectoryUnusable as error:
        log("ERROR", "cannot start", error=str(error))
        return 1
    log("INFO", "started", engine=ENGINE, port=arguments.port, collections=len(catalogue.names()))
    config = uvicorn.Config(
        Node(catalogue, arguments.api_key or None, log),
        loop="asyncio",
        lifespan="on",
        timeout_keep_alive=KEEP_ALIVE_S,
        timeout_graceful_shutdown=DRAIN_S,
        access_log=False,
        log_level="warning",
    )
    uvicorn.Server(config).run(sockets=[listening])
    return 0


if __name__ == "__main__":
    sys.exit(main())
