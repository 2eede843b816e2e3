"""Figures as a table for people and as JSON for programs.

The JSON's members keep their meaning within one ``schema`` number; times are in seconds, sizes in bytes, null means that it
was not or could not be measured.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from rich.table import Table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from holdfast.ops.bench.measure import Figure

SCHEMA: Final = 1
_EMPTY: Final = "-"


def as_record(url: str, figures: Sequence[Figure]) -> dict[str, Any]:
    """The whole run as JSON values."""
    return {
        "schema": SCHEMA,
        "url": url,
        "failed_requests": sum(figure.failed for figure in figures),
        "figures": [_figure_record(figure) for figure in figures],
    }


def _figure_record(figure: Figure) -> dict[str, Any]:
    tally, server = figure.tally, figure.server
    return {
        "scenario": figure.scenario,
        "case": figure.case,
        "skipped": figure.skipped or None,
        "requests": tally.requests if tally else 0,
        "failures": dict(tally.failures) if tally else {},
        "reconnects": tally.reconnects if tally else 0,
        "seconds": tally.seconds if tally else None,
        "moved_bytes": tally.moved_bytes if tally else 0,
        "bytes_per_second": figure.bytes_per_second,
        "requests_per_second": figure.requests_per_second,
        "p50_seconds": tally.latency.quantile(0.5) if tally else None,
        "p99_seconds": tally.latency.quantile(0.99) if tally else None,
        "first_byte_p50_seconds": tally.first_byte.quantile(0.5) if tally else None,
        "first_byte_p99_seconds": tally.first_byte.quantile(0.99) if tally else None,
        "server_cpu_seconds": server.cpu_seconds if server else None,
        "server_rss_before_bytes": server.rss_before_bytes if server else None,
        "server_rss_peak_bytes": server.rss_peak_bytes if server else None,
        "facts": figure.facts,
    }


def as_table(url: str, figures: Sequence[Figure]) -> Table:
    """The whole run for a terminal."""
    table = Table(title=f"{url}", title_justify="left")
    for name in ("scenario", "case"):
        table.add_column(name, overflow="fold")
    for name in ("MB/s", "req/s", "p50", "p99", "1st byte", "failed", "CPU", "RSS", "+RSS"):
        table.add_column(name, justify="right", no_wrap=True)
    for figure in figures:
        table.add_row(*row(figure), style="red" if figure.failed else None)
    return table


def row(figure: Figure) -> tuple[str, ...]:
    """The cells of one figure."""
    tally, server = figure.tally, figure.server
    if tally is None:
        return (figure.scenario, f"{figure.case}: {figure.skipped}", *(_EMPTY,) * 9)
    facts = "".join(f", {name} {value:g}" for name, value in figure.facts.items())
    return (
        figure.scenario,
        figure.case + facts,
        _number(figure.bytes_per_second, 1e-6) if figure.scenario in _MOVERS else _EMPTY,
        _number(figure.requests_per_second),
        duration(tally.latency.quantile(0.5)),
        duration(tally.latency.quantile(0.99)),
        duration(tally.first_byte.quantile(0.5)),
        str(figure.failed),
        f"{server.cpu_seconds:.1f} s" if server else _EMPTY,
        f"{server.rss_peak_bytes >> 20} MiB" if server else _EMPTY,
        f"{server.rss_growth_bytes >> 20} MiB" if server else _EMPTY,
    )


_MOVERS: Final = frozenset({"push", "pull", "mixed", "parallel-push", "footprint"})


def failures_of(figures: Sequence[Figure]) -> list[str]:
    """A line for each reason of failure, to be shown under the table."""
    return [
        f"{figure.scenario}, {figure.case}: {times} x {reason}"
        for figure in figures
        if figure.tally
        for reason, times in figure.tally.failures.items()
    ]


def _number(value: float | None, factor: float = 1.0) -> str:
    if value is None:
        return _EMPTY
    scaled = value * factor
    return f"{scaled:,.0f}" if scaled >= 100 else f"{scaled:.3g}"


def duration(seconds: float | None) -> str:
    """A time with three digits and the unit that suits it."""
    if seconds is None:
        return _EMPTY
    if seconds >= 1:
        return f"{seconds:.2f} s"
    return f"{seconds * 1e3:.3g} ms" if seconds >= 1e-3 else f"{seconds * 1e6:.0f} us"
