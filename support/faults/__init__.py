"""Faults for the failure scenarios: one vocabulary over process faults and link faults."""

from __future__ import annotations

from support.faults.faults import Fault, FaultError, Faults

__all__ = ["Fault", "FaultError", "Faults"]
