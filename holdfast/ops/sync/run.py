"""``holdfast sync run``: have a mirror run now, and follow it to its end.

Promises: the run that is followed began after this command asked for it; one that was under way before is waited for. Ctrl-C ends
the looking on, not the run.

Exit 0: it ended, and every image is there (or, with ``--no-wait``, it was asked for); 1: something failed, or it did not end in
time. ``--json`` writes the run as ``sync ls`` does.
"""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated

import typer

from holdfast.clock import SystemClock
from holdfast.meta import versions
from holdfast.ops import console
from holdfast.ops.console import bytes_text, counted
from holdfast.ops.reach import AsJson, Timeout  # noqa: TC001 - typer reads annotations
from holdfast.ops.sync import mirrorpages
from holdfast.ops.sync.mirrors import counts_text, find, runs
from holdfast.ops.sync.pause import EntryName, require_runs
from holdfast.ops.sync.reaching import ConfigFile, reached
from holdfast.ops.waiting import Look, follow

if TYPE_CHECKING:
    from holdfast.ops.sync.mirrors import Mirror
    from holdfast.ops.sync.reaching import SyncAccess

NoWait = Annotated[bool, typer.Option("--no-wait", help="Ask for it, and end.")]


def run(
    entry: EntryName,
    config: ConfigFile = None,
    no_wait: NoWait = False,
    timeout: Timeout = 0.0,
    json_output: AsJson = False,
) -> None:
    """Run a mirror now, whatever its interval, and show its progress until it ends.

    Example: holdfast sync run ghcr.io --timeout 3600
    """
    with reached(config) as found:
        mirror = find(found, entry)
        require_runs(mirror)
        if mirror.standing.is_paused:
            raise console.refuse([f"{mirror.title} is paused; `holdfast sync resume {mirror.entry.id}` first"])
        _require_workers(found, mirror, no_wait=no_wait)
        asked = runs(found).ask(mirror.entry.id)
        if not no_wait:
            mirror = _followed(found, mirror, asked, timeout)
    if no_wait:
        _tell_asked(mirror, json_output=json_output)
    else:
        _tell_end(mirror, json_output=json_output)


def _require_workers(found: SyncAccess, mirror: Mirror, *, no_wait: bool) -> None:
    if versions.workers(found.store):
        return
    if not no_wait:
        raise console.refuse([f"no sync worker is alive, so nobody would run {mirror.title}; start one"])
    console.warn("no sync worker is alive: it runs when one is started")


def _followed(found: SyncAccess, mirror: Mirror, asked: int, timeout_seconds: float) -> Mirror:
    """As it stands when the run is over.

    Raises:
        typer.Exit: 1; it was paused, or did not end in time.
    """
    last = mirror

    def look() -> Look:
        nonlocal last
        last = _looked(found, mirror)
        return _how_far(last, asked, is_alone=not versions.workers(found.store))

    if not follow(look, SystemClock(), time.sleep, timeout_seconds):
        raise console.refuse(
            [f"{mirror.title} has not ended in time; it goes on, `holdfast sync status` tells how far"]
        )
    if last.standing.is_paused and not _is_over(last, asked):
        raise console.refuse([f"{mirror.title} was paused; `holdfast sync resume {mirror.entry.id}` lets it go on"])
    return last


def _looked(found: SyncAccess, mirror: Mirror) -> Mirror:
    book = runs(found)
    standing = book.look(mirror.entry.id)
    parts = tuple(part for part in book.parts(mirror.entry.id) if part.number == standing.run.number)
    return replace(mirror, standing=standing, parts=parts)


def _is_over(mirror: Mirror, asked: int) -> bool:
    run = mirror.standing.run
    return run.answered >= asked and not run.is_running


def _how_far(mirror: Mirror, asked: int, *, is_alone: bool) -> Look:
    """How many repositories there are nobody knows before the end: those that were begun with are counted."""
    if _is_over(mirror, asked):
        return Look(1, 1, _summary(mirror))
    run, done = mirror.standing.run, sum(part.is_done for part in mirror.parts)
    if mirror.standing.is_paused:
        return Look(1, 1, "paused")
    if is_alone:
        return Look(0, 1, "waiting: no sync worker is alive any more")
    if run.answered < asked:
        return Look(0, 1, "waiting for the run before to end" if run.is_running else "waiting for a worker to begin")
    return Look(done, len(mirror.parts) + 1, f"{counted(done, 'repository', 'repositories')} done; {_summary(mirror)}")


def _summary(mirror: Mirror) -> str:
    return f"{counts_text(mirror)}; {bytes_text(mirror.standing.run.counts.size_bytes)} came over"


def _tell_asked(mirror: Mirror, *, json_output: bool) -> None:
    if json_output:
        console.show_json({"entry": mirror.entry.id, "asked": True})
    else:
        console.show(f"{mirror.title} runs as soon as a worker has time; `holdfast sync status` tells how far it is")


def _tell_end(mirror: Mirror, *, json_output: bool) -> None:
    ended = mirror.standing.run
    if json_output:
        console.show_json({"entry": mirror.entry.id, **mirrorpages.run_json(mirror)})
    else:
        console.show(f"{mirror.title} has run: {_summary(mirror)}")
    if ended.has_failed and ended.failure is not None:
        raise console.refuse([f"the last failure of this run: {mirrorpages.failure_text(ended.failure)}"])
