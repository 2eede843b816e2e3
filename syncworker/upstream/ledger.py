"""What one URL of an upstream has answered lately, and what it has cost: for operators and metrics.

Invariants: ``url`` is an origin and a path; nothing secret is in it. A failure is kept beside the success that came after it.

Never: decides anything; that is the mark's part (``pace.Mark``).
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING

from syncworker.metrics import Counter, Histogram

if TYPE_CHECKING:
    from holdfast.clock import Clock
    from syncworker.metrics import Metrics


@dataclass(frozen=True, slots=True)
class Last:
    """Seconds since 1970; None: never. ``failure``: why the last failure was one."""

    success_seconds: float | None = None
    failure_seconds: float | None = None
    failure: str = ""


class Ledger:
    """Shared by threads."""

    def __init__(self, url: str, clock: Clock, metrics: Metrics) -> None:
        self.url = url
        self._clock = clock
        self._metrics = metrics
        self._lock = threading.Lock()
        self._last = Last()

    @property
    def last(self) -> Last:
        with self._lock:
            return self._last

    def answered(self, status: int, seconds: float) -> None:
        """One request has the head of its answer."""
        self._metrics.add(Counter.UPSTREAM_REQUESTS, upstream=self.url)
        self._metrics.observe(Histogram.UPSTREAM_LATENCY, seconds, self.url)
        if status == 429:
            self._metrics.add(Counter.UPSTREAM_THROTTLED, upstream=self.url)

    def received(self, size_bytes: int) -> None:
        """So many more bytes of a body."""
        self._metrics.add(Counter.UPSTREAM_BYTES, size_bytes, self.url)

    def succeeded(self) -> None:
        """A question has its answer; "there is none" is one."""
        now = self._clock.wall()
        with self._lock:
            self._last = Last(now, self._last.failure_seconds, self._last.failure)

    def failed(self, why: str) -> None:
        self._metrics.add(Counter.UPSTREAM_FAILURES, upstream=self.url)
        now = self._clock.wall()
        with self._lock:
            self._last = Last(self._last.success_seconds, now, why)
