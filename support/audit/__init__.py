"""The three-store auditor: do PostgreSQL, Qdrant and Redis tell one story?"""

from __future__ import annotations

from support.audit.auditor import audit
from support.audit.cached import decode, opaque
from support.audit.report import Finding, Kind, Report, Sample, Verdict, Versions
from support.audit.terms import EVERYTHING, Counts, Ledger, Options, Progress, Scope, Stores, pause

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
