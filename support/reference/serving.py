"""How the embedding service and the emulators are served: on the loopback interface, until SIGTERM."""

from __future__ import annotations

import argparse
import signal
import sys

import uvicorn
from starlette.applications import Starlette


def port_asked_for(program: str, about: str | None) -> int:
    """The option ``--port``; SIGTERM ends the process with exit status 0 from here on."""
    parser = argparse.ArgumentParser(prog=f"python -m {program}", description=about)
    parser.add_argument("--port", type=int, required=True)
    port: int = parser.parse_args().port
    # uvicorn repeats the signal after its orderly stop: this turns it into exit status 0.
    signal.signal(signal.SIGTERM, lambda _number, _frame: sys.exit(0))
    return port


def configured(app: Starlette, port: int, drain_s: int) -> uvicorn.Config:
    """The server's configuration; at its end requests under way have ``drain_s`` seconds."""
    return uvicorn.Config(
        app,
        port=port,
        loop="asyncio",
        timeout_keep_alive=75,
        timeout_graceful_shutdown=drain_s,
        access_log=False,
        log_level="warning",
    )
