"""``holdfast sync status``: what the sync workers are at, and how their upstreams are.

Exit 0: every worker that lives has answered, and no mirror's last run failed; else 1. ``--watch`` goes on until it is interrupted,
also while the metadata does not answer.

``--json`` writes {trouble, workers, fetches, mirrors, upstreams}; ``trouble`` null: the metadata answered.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Final

import typer

from holdfast.errors import UnavailableError
from holdfast.ops import console
from holdfast.ops.console import counted
from holdfast.ops.reach import AsJson  # noqa: TC001 - typer reads annotations
from holdfast.ops.sync import mirrorpages, pages, workers
from holdfast.ops.sync.mirrors import read
from holdfast.ops.sync.reaching import ConfigFile, reached
from holdfast.ops.watching import watch as watch_until_ended

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.console import RenderableType

    from holdfast.ops.console import JsonObject
    from holdfast.ops.sync.mirrors import Mirror
    from holdfast.ops.sync.reaching import SyncAccess
    from holdfast.ops.sync.workers import Asked

_EVERY_SECONDS: Final = 1.0


@dataclass(frozen=True, slots=True)
class Report:
    """``at``: seconds since 1970, by this machine. ``trouble`` "": the metadata could be read."""

    at: float
    asked: tuple[Asked, ...] = ()
    mirrors: tuple[Mirror, ...] = ()
    trouble: str = ""

    @property
    def is_well(self) -> bool:
        answered = bool(self.asked) and all(one.status is not None for one in self.asked)
        return answered and not any(one.standing.run.has_failed for one in self.mirrors)


def status(
    config: ConfigFile = None,
    watch: Annotated[bool, typer.Option("--watch", "-w", help="Again every second, until interrupted.")] = False,
    json_output: AsJson = False,
) -> None:
    """Show running fetches and runs with their progress, and of each upstream the last success and failure.

    Exit 1 if no sync worker lives, one does not answer, or a mirror's last run failed.

    Examples: holdfast sync status --watch; holdfast sync status --json | jq .fetches
    """
    with reached(config) as found:
        if watch:
            watch_until_ended(lambda: look(found), describe, as_json if json_output else None, _EVERY_SECONDS)
        report = look(found)
    if json_output:
        console.show_json(as_json(report))
    else:
        console.show(*describe(report))
    raise typer.Exit(0 if report.is_well else 1)


def look(found: SyncAccess) -> Report:
    """One reading. Metadata that does not answer is what it reports."""
    try:
        return Report(time.time(), tuple(workers.ask_all(found)), tuple(read(found)))
    except UnavailableError as error:
        return Report(time.time(), trouble=error.message)


def describe(report: Report) -> Iterator[RenderableType]:
    if report.trouble:
        yield f"nothing can be told: {report.trouble}"
        return
    if not report.asked:
        yield "no sync worker is alive: what is stored is served, and nothing is fetched"
    for one in report.asked:
        name = f"worker {one.living.process_id} ({one.living.version})"
        yield f"{name}: does not answer: {one.trouble}" if one.status is None else name
    running = workers.fetches(report.asked)
    if running:
        yield counted(len(running), "fetch under way", "fetches under way")
        yield pages.fetches_table(running)
    else:
        yield "nothing is being fetched"
    seen = workers.upstreams(report.asked)
    if seen:
        yield pages.upstreams_table(seen, report.at)
        yield from pages.failures(seen)
    repeated = [one for one in report.mirrors if one.can_run]
    if repeated:
        yield mirrorpages.history(repeated, report.at)
        yield from mirrorpages.failures(repeated)


def as_json(report: Report) -> JsonObject:
    return {
        "trouble": report.trouble or None,
        "workers": pages.workers_json(report.asked),
        "fetches": [pages.fetch_json(one) for one in workers.fetches(report.asked)],
        "mirrors": [mirrorpages.as_json(one) for one in report.mirrors],
        "upstreams": [pages.upstream_json(seen) for seen in workers.upstreams(report.asked)],
    }
