"""The three-store auditor: do PostgreSQL, Qdrant and Redis tell one story?"""

from __future__ import annotations

from support.audit.auditor import audit
from support.audit.cache_keys import decode, opaque
from support.audit.parameters import EVERYTHING, Counts, Ledger, Options, Progress, Scope, Stores, pause
from support.audit.report import Finding, Kind, Report, Sample, Verdict, Versions

__all__ = [
    "EVERYTHING",
    "Counts",
    "Finding",
    "Kind",
    "Ledger",
    "Options",
    "Progress",
    "Report",
    "Sample",
    "Scope",
    "Stores",
    "Verdict",
    "Versions",
    "audit",
    "decode",
    "opaque",
    "pause",
]
