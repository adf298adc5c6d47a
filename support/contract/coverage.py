"""Integration coverage: which documented answers of the platform a run has really seen."""

from __future__ import annotations

from dataclasses import dataclass, field

from support.contract.validator import Contract

# Why a documented answer may not be seen, by operation and status, or by status alone: the first that fits.
# In the acceptance profile every answer of an operation that the platform offers can be seen; these are for
# runs of a part of the features and for platforms that nobody may break. None is left out of the percentage.
REASONS: dict[tuple[str | None, int], str] = {
    (None, 403): "needs a key of a role that may not, and none was given or tried",
    (
        None,
        429,
    ): "needs a key with a small limit, which the suite gives itself only where it sees the metadata store",
    (None, 503): "needs an outage, and nothing was broken, or may be broken, in this run",
    (None, 504): "needs a service that hangs, and nothing was made to hang, or may be, in this run",
}
NOT_OFFERED = "the platform does not offer this operation: nothing of the capability {} was answered"
NO_REASON = "not asked for in this run"


@dataclass(slots=True)
class Coverage:
    """Counts observed (operation, status) pairs against the documented ones (500 is never one)."""

    contract: Contract
    seen: dict[tuple[str, int], int] = field(default_factory=dict)

    @property
    def documented(self) -> set[tuple[str, int]]:
        """Every pair the contract documents."""
        return self.contract.documented_pairs()

    @property
    def observed(self) -> set[tuple[str, int]]:
        """Documented pairs seen so far."""
        return self.documented & self.seen.keys()

    def observe(self, operation_id: str, status: int) -> None:
        """Count one answer."""
        pair = operation_id, status
        self.seen[pair] = self.seen.get(pair, 0) + 1

    def percent(self) -> float:
        """Observed in percent of documented."""
        return 100.0 * len(self.observed) / len(self.documented)

    def missing(self) -> list[tuple[str, int]]:
        """Documented pairs not seen, sorted."""
        return sorted(self.documented - self.observed)

    def reason(self, operation_id: str, status: int) -> str:
        """Why a documented answer was not seen."""
        capability = self.contract.by_id(operation_id).capability
        if capability and not self._offers(capability):
            return NOT_OFFERED.format(capability)
        return REASONS.get((operation_id, status)) or REASONS.get((None, status)) or NO_REASON

    def _offers(self, capability: str) -> bool:
        """Whether an operation of the capability gave a documented answer."""
        return any(self.contract.by_id(name).capability == capability for name, _status in self.observed)

    def merge(self, other: Coverage) -> None:
        """Add what another worker has seen."""
        for pair, times in other.seen.items():
            self.seen[pair] = self.seen.get(pair, 0) + times
