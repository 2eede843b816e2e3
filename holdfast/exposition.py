"""What processes count (``holdfast.meters``), in Prometheus' text format; and a port of its own for a process that has no other.

Promises: a scrape asks nobody outside of this process: it never waits for a disk, another node or the metadata. A port tells
measurements alone, to whoever connects; so it is for this machine, or for a network that is trusted.

Never: names of repositories or users.
"""

from __future__ import annotations

import logging
import os
from typing import TYPE_CHECKING, Final

from prometheus_client import CollectorRegistry, generate_latest, start_http_server
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    SummaryMetricFamily,
)
from prometheus_client.exposition import CONTENT_TYPE_LATEST

from holdfast import __version__
from holdfast.addresses import parse_host_port
from holdfast.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from prometheus_client import Metric

    from holdfast.meters import Family, Source

CONTENT_TYPE: Final = CONTENT_TYPE_LATEST
_LOG: Final = logging.getLogger("holdfast.metrics")


class _Shown:
    """A collector of prometheus_client over families of ours."""

    def __init__(self, families: Callable[[], Iterable[Family]]) -> None:
        self._families = families

    def collect(self) -> Iterator[Metric]:
        info = GaugeMetricFamily("holdfast_info", "This program.", labels=("version",))
        info.add_metric((__version__,), 1)
        yield info
        for family in self._families():
            yield _metric(family)


class Port:
    """``start`` once, ``stop`` once. ``listen``: host:port."""

    def __init__(self, listen: str, sources: Sequence[Source]) -> None:
        """Raises ValueError: no host:port."""
        self._at = parse_host_port(listen)
        self._sources = sources
        self._end: Callable[[], None] = lambda: None

    def start(self) -> int:
        """The port as bound. Raises ConfigError: something else is there."""
        registry = _registry(lambda: (family for source in self._sources for family in source()))
        try:
            server, thread = start_http_server(self._at.port, self._at.host, registry)
        except OSError as error:
            reason = os.strerror(error.errno) if error.errno else "no such address"
            raise ConfigError(f"metrics cannot be served on {self._at}: {reason}; name another port") from error

        def end() -> None:
            server.shutdown()
            server.server_close()
            thread.join()

        self._end = end
        _LOG.info("metrics are served", extra={"listen": f"{self._at.host}:{server.server_port}"})
        return server.server_port

    def start_or_tell(self) -> None:
        """As ``start``; where that fails the log says so, and the process goes on: what it serves matters more than its numbers."""
        try:
            self.start()
        except ConfigError as error:
            _LOG.error("metrics are not served", extra={"reason": error.message})

    def stop(self) -> None:
        """Also where it was never started."""
        self._end()


def shown(families: Iterable[Family]) -> bytes:
    """In Prometheus' text format."""
    return generate_latest(_registry(lambda: families))


def _registry(families: Callable[[], Iterable[Family]]) -> CollectorRegistry:
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Shown(families))
    return registry


def _metric(family: Family) -> Metric:
    name, text, labels = family.name, family.text, family.labels
    if family.kind == "histogram":
        histogram = HistogramMetricFamily(name, text, labels=labels)
        for values, (total, *counts) in family.samples.items():
            histogram.add_metric(values, list(_cumulated(family.bounds, counts)), total)
        return histogram
    if family.kind == "summary":
        summary = SummaryMetricFamily(name, text, labels=labels)
        for values, (count, total) in family.samples.items():
            summary.add_metric(values, int(count), total)
        return summary
    numbers = (CounterMetricFamily if family.kind == "counter" else GaugeMetricFamily)(name, text, labels=labels)
    for values, (number,) in family.samples.items():
        numbers.add_metric(values, number)
    return numbers


def _cumulated(bounds: tuple[float, ...], counts: list[float]) -> Iterator[tuple[str, float]]:
    total = 0.0
    for bound, count in zip([*map(str, bounds), "+Inf"], counts, strict=True):
        total += count
        yield bound, total
