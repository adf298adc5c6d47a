"""``python -m support.reference.embedding --port N``: serve on the loopback interface until SIGTERM."""

from __future__ import annotations

import time

import uvicorn

from support.reference import serving
from support.reference.embedding.app import create_app, log
from support.reference.embedding.model import NAME, MiniLM

DRAIN_S = 5


def main() -> None:
    """Load the model, then listen."""
    port = serving.port_asked_for("support.reference.embedding", __doc__)
    started = time.monotonic()
    model = MiniLM()
    model.embed("The first run is slower than the others.")
    log("INFO", "model loaded", model=NAME, duration_ms=round((time.monotonic() - started) * 1000, 3))
    uvicorn.Server(serving.configured(create_app(model), port, DRAIN_S)).run()


if __name__ == "__main__":
    main()
