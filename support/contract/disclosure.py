"""What no error may tell: where in the program it arose, what was asked of a store, where a service is."""

from __future__ import annotations

import re

# What would be told, and how it is recognised.
SIGNS: dict[str, re.Pattern[str]] = {
    "a stack trace": re.compile(
        r"traceback|\bat 0x[0-9a-f]{6,}|\bFile \\?\"[^\"]+\\?\", line \d+|\.py\b", re.I
    ),
    "a folder of the server": re.compile(
        r"(?<![\w:/.])/(?:usr|home|root|opt|var|srv|tmp|app)/\w|site-packages", re.I
    ),
    "a part of the program": re.compile(
        r"\b(?:asyncpg|psycopg\w*|aiohttp|httpx|uvicorn|starlette|fastapi|pydantic\w*|orjson|hiredis|grpc)\b",
        re.I,
    ),
    "an exception": re.compile(r"\b[A-Z]\w+(?:Error|Exception)\b(?!\s*\()"),
    "a statement of the metadata store": re.compile(
        r"\bselect\s.+\sfrom\s|\binsert\s+into\s|\bupdate\s\w+\sset\s|\bdelete\s+from\s|relation \\?\"",
        re.I | re.S,
    ),
    "the address of a service": re.compile(
        r"\b127\.0\.0\.1\b|\blocalhost:\d|\b(?:postgres(?:ql)?|rediss?)://|\berrno\b|connect call failed",
        re.I,
    ),
}


def disclosed(text: str) -> list[str]:
    """What of the platform's inside a text tells, as words for a report."""
    return [f"{what} ({found[0][:40]!r})" for what, sign in SIGNS.items() if (found := sign.search(text))]
