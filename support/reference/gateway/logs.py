"""JSON log lines on standard output. No text, vector or key is ever given to them."""

from __future__ import annotations

import asyncio
import json
import logging
import sys
from datetime import UTC, datetime
from typing import Any

_log = logging.getLogger("citadel.gateway")


class _JsonLines(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, object] = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "service": "gateway",
            "event": record.getMessage(),
        }
        line.update(getattr(record, "fields", {}))
        if record.exc_info and record.exc_info[0]:
            # The trace names code only: an exception's text may quote a request or an address.
            frames = []
            trace = record.exc_info[2]
            while trace is not None:
                frames.append(f"{trace.tb_frame.f_code.co_qualname}:{trace.tb_lineno}")
                trace = trace.tb_next
            line["error"] = record.exc_info[0].__name__
            line["trace"] = frames
        return json.dumps(line, default=str)


def set_up() -> None:
    """Send every log record of the process to standard output as one JSON line."""
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(_JsonLines())
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
    _log.setLevel(logging.INFO)


def info(event: str, **fields: object) -> None:
    """Something worth knowing."""
    _log.info(event, extra={"fields": fields})


def warning(event: str, **fields: object) -> None:
    """A dependency failed."""
    _log.warning(event, extra={"fields": fields})


def unhandled(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """The event loop's handler of what nobody awaits: a connection lost after it was given up is no bug."""
    error = context.get("exception")
    if isinstance(error, OSError):
        warning("connection-lost", reason=type(error).__name__)
    else:
        loop.default_exception_handler(context)


def defect(event: str, **fields: object) -> None:
    """A bug of the gateway: call it while the exception is handled."""
    _log.error(event, exc_info=True, extra={"fields": fields})
