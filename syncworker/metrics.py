"""What a sync worker counts and measures: the names, the interface, and implementations that keep the numbers in memory,
or none.

Counters only grow; a histogram takes seconds. Each number may belong to one upstream (its URL, of which the configuration names a
few), so that whoever exports them has few series.

Never: waits, or fails: what is measured must not notice.
"""

from __future__ import annotations

import threading
from collections import Counter as Counts
from enum import StrEnum
from typing import TYPE_CHECKING, Final, Protocol

from holdfast.meters import Family

if TYPE_CHECKING:
    from collections.abc import Iterable


class Counter(StrEnum):
    """``tags_*``: checks of tags for gateways. hit: answered without asking an upstream; checked: an upstream was asked and nothing
    had changed, or it could not say; fetched: there was something new. ``run*`` belong to
    the URL that the configuration names first.
    """

    FETCHES_BEGUN = "fetches_begun"
    FETCHES_STORED = "fetches_stored"
    FETCHES_ELSEWHERE = "fetches_elsewhere"  # another worker is at it
    FETCHES_FAILED = "fetches_failed"
    TAGS_HIT = "tags_hit"
    TAGS_CHECKED = "tags_checked"
    TAGS_FETCHED = "tags_fetched"
    UPSTREAM_REQUESTS = "upstream_requests"
    UPSTREAM_BYTES = "upstream_bytes"
    UPSTREAM_THROTTLED = "upstream_throttled"
    UPSTREAM_FAILURES = "upstream_failures"
    RUNS_BEGUN = "runs_begun"
    RUNS_SUCCEEDED = "runs_succeeded"
    RUNS_FAILED = "runs_failed"
    RUN_IMAGES_CHANGED = "run_images_changed"
    RUN_IMAGES_FAILED = "run_images_failed"


class Histogram(StrEnum):
    """``upstream_latency_seconds``: from a request to the head of its answer."""

    UPSTREAM_LATENCY = "upstream_latency_seconds"


class Metrics(Protocol):
    """Whatever takes the numbers. Shared by threads."""

    def add(self, counter: Counter, amount: int = 1, upstream: str = "") -> None: ...

    def observe(self, histogram: Histogram, seconds: float, upstream: str = "") -> None: ...


class Silent:
    """Implements ``Metrics`` by forgetting: for whoever is not asked."""

    def add(self, counter: Counter, amount: int = 1, upstream: str = "") -> None:
        """Nothing is counted."""

    def observe(self, histogram: Histogram, seconds: float, upstream: str = "") -> None:
        """Nothing is measured."""


SILENT: Final = Silent()


class Tally:
    """Implements ``Metrics`` in memory: sums, and of histograms ``_count`` and ``_sum`` as Prometheus calls them."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._values: Counts[tuple[str, str]] = Counts()
        self._seconds: dict[tuple[str, str], float] = {}

    def add(self, counter: Counter, amount: int = 1, upstream: str = "") -> None:
        with self._lock:
            self._values[counter.value, upstream] += amount

    def observe(self, histogram: Histogram, seconds: float, upstream: str = "") -> None:
        with self._lock:
            self._values[f"{histogram.value}_count", upstream] += 1
            key = f"{histogram.value}_sum", upstream
            self._seconds[key] = self._seconds.get(key, 0.0) + seconds

    def value(self, counter: Counter, upstream: str = "") -> int:
        with self._lock:
            return self._values[counter.value, upstream]

    def families(self) -> Iterable[Family]:
        """For whoever shows them with what the host's other processes count."""
        with self._lock:
            values, seconds = dict(self._values), dict(self._seconds)
        found: dict[str, Family] = {}
        for (name, upstream), value in values.items():
            if name.endswith("_count"):
                name = name.removesuffix("_count")  # noqa: PLW2901 - of a histogram, which is known by its sum
                family = found.setdefault(name, Family("summary", f"holdfast_sync_{name}", "Waiting.", ("upstream",)))
                family.add((upstream,), [value, seconds.get((f"{name}_sum", upstream), 0.0)])
            else:
                family = found.setdefault(name, Family("counter", f"holdfast_sync_{name}", "Mirroring.", ("upstream",)))
                family.add((upstream,), [value])
        return found.values()

    def all(self) -> list[tuple[str, str, float]]:
        """Name, upstream and value, sorted."""
        with self._lock:
            return sorted([(*key, float(value)) for key, value in {**self._values, **self._seconds}.items()])
