"""Latencies as mergeable histograms: percentiles of several processes come from their sum."""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import Any

from hdrh.histogram import HdrHistogram

# Microseconds, three significant digits: an error of at most 0.1 % between 1 us and 120 s.
LOWEST_US = 1
HIGHEST_US = 120_000_000
DIGITS = 3


class Latencies:
    """A distribution of durations: exact count and mean, percentiles to 0.1 %.

    Recorded in microseconds (longer than 120 s counts as 120 s), told in milliseconds.
    """

    def __init__(self) -> None:
        self._histogram: Any = HdrHistogram(LOWEST_US, HIGHEST_US, DIGITS)
        self._sum_us = 0

    def record(self, seconds: float) -> None:
        """Add one duration."""
        microseconds = min(max(round(seconds * 1e6), LOWEST_US), HIGHEST_US)
        self._histogram.record_value(microseconds)
        self._sum_us += microseconds

    def add(self, other: Latencies) -> None:
        """Add all durations of ``other``."""
        self._histogram.add(other._histogram)
        self._sum_us += other._sum_us

    @property
    def n(self) -> int:
        """Number of durations."""
        return int(self._histogram.get_total_count())

    @property
    def mean_ms(self) -> float:
        """Arithmetic mean; raises ``ValueError`` when nothing was recorded."""
        if not self.n:
            raise ValueError("no mean: nothing was recorded")
        return self._sum_us / self.n / 1000.0

    def quantile_ms(self, share: float) -> float:
        """The duration that this share (0 to 1) of the recorded ones does not exceed."""
        if not self.n:
            raise ValueError("no quantile: nothing was recorded")
        return float(self._histogram.get_value_at_percentile(share * 100.0)) / 1000.0

    def ranked_ms(self, rank: int) -> float:
        """The ``rank``-th shortest duration, counted from 1."""
        return self.quantile_ms(rank / self.n)

    def spectrum(self) -> str:
        """The percentile distribution in ms as ``.hgrm`` text, which HdrHistogram's plotters read."""
        text = io.BytesIO()
        self._histogram.output_percentile_distribution(text, 1000.0)
        return text.getvalue().decode()

    def to_json(self) -> dict[str, Any]:
        """``n``, ``sum_us`` and ``hdr``, the standard base64 encoding of a compressed HdrHistogram."""
        return {"n": self.n, "sum_us": self._sum_us, "hdr": self._histogram.encode().decode("ascii")}

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Latencies:
        """The inverse of ``to_json``; raises ``ValueError`` when count and histogram disagree."""
        latencies = cls()
        if document["n"]:
            latencies._histogram.decode_and_add(document["hdr"])
        latencies._sum_us = int(document["sum_us"])
        if latencies.n != document["n"]:
            raise ValueError(f"a histogram of {latencies.n} durations says that it holds {document['n']}")
        return latencies
