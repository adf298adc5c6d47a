"""The three-store auditor: do PostgreSQL, Qdrant and Redis tell one story?"""

from __future__ import annotations

from support.audit.auditor import audit
from support.audit.cache_keys import decode, opaque
from support.audit.parameters import EVERYTHING, Counts, Ledger, Options, ScanProgress, Scope, Stores, pause
from support.audit.report import Breach, Conclusion, Finding, Report, SampledPart, Versions

__all__ = [
    "EVERYTHING",
    "Breach",
    "Conclusion",
    "Counts",
    "Finding",
    "Ledger",
    "Options",
    "Report",
    "SampledPart",
    "ScanProgress",
    "Scope",
    "Stores",
    "Versions",
    "audit",
    "decode",
    "opaque",
    "pause",
]
