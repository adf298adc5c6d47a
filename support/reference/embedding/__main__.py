"""``python -m support.reference.embedding --port N``: serve on the loopback interface until SIGTERM."""

from __future__ import annotations

import argparse
import signal
import sys
import time

import uvicorn

from support.reference.embedding.app import create_app, log
from support.reference.embedding.model import NAME, MiniLM

KEEP_ALIVE_S = 75
DRAIN_S = 5


def main() -> None:
    """Load the model, then listen."""
    parser = argparse.ArgumentParser(prog="python -m support.reference.embedding", description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    port: int = parser.parse_args().port
    # uvicorn repeats the signal after its orderly stop: this turns it into exit status 0.
    signal.signal(signal.SIGTERM, lambda _number, _frame: sys.exit(0))
    started = time.monotonic()
    model = MiniLM()
    model.embed("The first run is slower than the others.")
    log("INFO", "model loaded", model=NAME, duration_ms=round((time.monotonic() - started) * 1000, 3))
    uvicorn.run(
        create_app(model),
        host="127.0.0.1",
        port=port,
        loop="asyncio",
        timeout_keep_alive=KEEP_ALIVE_S,
        timeout_graceful_shutdown=DRAIN_S,
        access_log=False,
        log_level="warning",
    )


if __name__ == "__main__":
    main()
