"""A server for the tests of processes and faults: answers who it is, and counts what it was asked.

``python -m tests.tiny_server PORT NAME [end | deaf]``: ``end`` ends at once with a complaint, ``deaf`` does
not obey SIGTERM.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Handler(BaseHTTPRequestHandler):
    """Answers every GET; connections stay open."""

    protocol_version = "HTTP/1.1"
    asked = 0

    def do_GET(self) -> None:
        """Tell name, process id and how often this has been asked."""
        Handler.asked += 1
        body = json.dumps({"name": sys.argv[2], "pid": os.getpid(), "asked": Handler.asked}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *arguments: object) -> None:
        """Say nothing."""


def main() -> None:
    """Serve until SIGTERM."""
    mode = sys.argv[3] if len(sys.argv) > 3 else ""
    if mode == "end":
        print("line of the log\ncannot find my configuration", flush=True)
        sys.exit(3)
    if mode == "deaf":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    else:
        signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(0))
    server = ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler)
    print("listening", flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
