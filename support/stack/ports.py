"""Free loopback ports for the servers the suite starts, kept over their restarts."""

from __future__ import annotations

import random
import socket
import sys

# Below the ephemeral range (32768 on Linux), so that no outgoing connection takes a port while its
# server is down.
FIRST, LAST = 20_000, 32_000


# Names that this process holds until it ends, so that no other stack takes a port before its server is up.
_CLAIMS: list[socket.socket] = []


class NoFreePort(Exception):
    """Every port of the range is taken."""


def free_ports(count: int) -> list[int]:
    """``count`` different ports of 20000-32000 that can be bound on 127.0.0.1 right now."""
    found: list[int] = []
    candidates = list(range(FIRST, LAST))
    random.SystemRandom().shuffle(candidates)
    for port in candidates:
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        if not claim(port):
            continue
        found.append(port)
        if len(found) == count:
            return found
    raise NoFreePort(f"no {count} free ports between {FIRST} and {LAST} on 127.0.0.1")


def claim(port: int) -> bool:
    """Keep a port from other processes of the suite until this one ends; False if it is another stack's.

    Two stacks that start at once would otherwise find the same port free. By an abstract socket, which
    vanishes with its process however that ends; only Linux has them.
    """
    if sys.platform != "linux":
        return True
    mark = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        mark.bind(f"\0citadel-acceptance-{port}")
    except OSError:
        mark.close()
        return False
    _CLAIMS.append(mark)
    return True
