"""Integration coverage: which documented answers of the platform a run has really seen."""

from __future__ import annotations

from dataclasses import dataclass, field

from support.contract.validator import Contract


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

    def merge(self, other: Coverage) -> None:
        """Add what another worker has seen."""
        for pair, times in other.seen.items():
            self.seen[pair] = self.seen.get(pair, 0) + times
