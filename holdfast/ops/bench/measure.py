"""What was measured: times in a histogram, failures by reason, one :class:`Figure` a case.

A :class:`Histogram` has buckets 1 % apart from 1 microsecond to about 20 minutes, so its size does not depend on how much
is measured, two of them can be added, and a percentile is off by at most half a percent.

Throughput is what succeeded over the time in which it was tried. A failure has no latency.
"""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass, field
from typing import Final

_FLOOR_SECONDS: Final = 1e-6
_STEP: Final = math.log(1.01)
_LAST_BUCKET: Final = 2100


def _bucket(seconds: float) -> int:
    bucket = int(math.log(seconds / _FLOOR_SECONDS) / _STEP) if seconds > _FLOOR_SECONDS else 0
    return min(bucket, _LAST_BUCKET)


class Histogram:
    """Times in seconds."""

    def __init__(self, counts: dict[int, int] | None = None, peak_seconds: float = 0.0) -> None:
        self.counts: Counter[int] = Counter(counts or {})
        self.peak_seconds = peak_seconds

    def __len__(self) -> int:
        return self.counts.total()

    def add(self, seconds: float) -> None:
        self.counts[_bucket(seconds)] += 1
        self.peak_seconds = max(self.peak_seconds, seconds)

    def add_many(self, seconds: float, times: int) -> None:
        if times:
            self.add(seconds)
            self.counts[_bucket(seconds)] += times - 1

    def merge(self, other: Histogram) -> None:
        self.counts.update(other.counts)
        self.peak_seconds = max(self.peak_seconds, other.peak_seconds)

    def quantile(self, part: float) -> float | None:
        """The smallest time that at least ``part`` (0..1) of all were within; None when nothing was measured."""
        total = len(self)
        if not total:
            return None
        wanted = max(1, math.ceil(part * total))
        seen = 0
        for bucket in sorted(self.counts):
            seen += self.counts[bucket]
            if seen >= wanted:
                break
        return min(_FLOOR_SECONDS * math.exp((bucket + 0.5) * _STEP), self.peak_seconds)


@dataclass(slots=True)
class Tally:
    """What one client or one loop saw. Not shared between threads: each has its own, then they are merged."""

    latency: Histogram = field(default_factory=Histogram)
    first_byte: Histogram = field(default_factory=Histogram)
    failures: Counter[str] = field(default_factory=Counter)
    moved_bytes: int = 0
    seconds: float = 0.0
    reconnects: int = 0

    @property
    def requests(self) -> int:
        """What succeeded."""
        return len(self.latency)

    def succeed(self, seconds: float, moved_bytes: int = 0, first_byte_seconds: float | None = None) -> None:
        self.latency.add(seconds)
        self.moved_bytes += moved_bytes
        if first_byte_seconds is not None:
            self.first_byte.add(first_byte_seconds)

    def fail(self, reason: str) -> None:
        self.failures[reason] += 1

    def merge(self, other: Tally) -> None:
        """Add another's counts. ``seconds`` is wall clock of the whole and so is the caller's to set."""
        self.latency.merge(other.latency)
        self.first_byte.merge(other.first_byte)
        self.failures.update(other.failures)
        self.moved_bytes += other.moved_bytes
        self.reconnects += other.reconnects


@dataclass(frozen=True, slots=True)
class ServerUse:
    """What the server's process tree took while a case ran."""

    cpu_seconds: float
    rss_before_bytes: int
    rss_peak_bytes: int

    @property
    def rss_growth_bytes(self) -> int:
        return self.rss_peak_bytes - self.rss_before_bytes


@dataclass(frozen=True, slots=True)
class Figure:
    """The result of one case of a scenario. ``skipped`` says why nothing was measured; ``facts`` are further numbers."""

    scenario: str
    case: str
    tally: Tally | None = None
    server: ServerUse | None = None
    facts: dict[str, float] = field(default_factory=dict)
    skipped: str = ""

    @property
    def failed(self) -> int:
        return self.tally.failures.total() if self.tally else 0

    @property
    def bytes_per_second(self) -> float | None:
        tally = self.tally
        return tally.moved_bytes / tally.seconds if tally and tally.moved_bytes and tally.seconds else None

    @property
    def requests_per_second(self) -> float | None:
        tally = self.tally
        return tally.requests / tally.seconds if tally and tally.requests and tally.seconds else None
