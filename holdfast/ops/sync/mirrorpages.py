"""Mirrors as people and programs read them. Pure.

Of JSON the field names stay; times are ISO 8601 in UTC, null: never.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from holdfast.durations import seconds
from holdfast.ops.console import bytes_text, listed, row, table
from holdfast.ops.sync.mirrors import content_text, counts_text
from holdfast.ops.sync.pages import ago, when

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from rich.table import Table

    from holdfast.meta.mirrorruns import Failure
    from holdfast.ops.console import JsonObject
    from holdfast.ops.sync.mirrors import Mirror


def configured(mirrors: Iterable[Mirror], now: float) -> Table:
    made = table("entry", "direction", "urls", "content", "on demand", "every", "next run")
    for one in mirrors:
        registry = one.registry
        row(
            made,
            one.entry.id,
            one.entry.direction,
            listed(one.urls),
            content_text(registry),
            "yes" if registry.on_demand else "no",
            registry.poll_interval or "",
            next_text(one, now),
        )
    return made


def next_text(one: Mirror, now: float) -> str:
    """When it runs, in words."""
    if not one.can_run:
        return "when clients ask"
    if one.standing.is_paused:
        return "paused"
    if one.standing.run.is_running:
        return "running"
    if one.is_wanted:
        return "as soon as a worker has time"
    if not one.registry.poll_interval:
        return "when `sync run` asks for it"
    left_seconds = round((one.next_seconds or now) - now)
    return f"in {seconds(left_seconds)}" if left_seconds > 0 else "now"


def history(mirrors: Iterable[Mirror], now: float) -> Table:
    """What came of runs."""
    made = table("entry", "mirror", "state", "images", "came over", "last success", "last failure")
    for one in mirrors:
        run = one.standing.run
        failure = run.failure
        row(
            made,
            one.entry.id,
            f"{one.entry.direction} {listed(one.urls, 1)}",
            next_text(one, now) if not run.is_running else state_of(one),
            counts_text(one) if run.number else "",
            bytes_text(run.counts.size_bytes) if run.number else "",
            ago(run.succeeded_seconds, now),
            ago(failure.seconds, now) if failure else "never",
        )
    return made


def failures(mirrors: Iterable[Mirror]) -> Iterator[str]:
    """The last failure of each that is not over yet: the last run had it."""
    for one in mirrors:
        failure = one.standing.run.failure
        if failure is not None and one.standing.run.has_failed:
            yield f"problem: {one.title}: {failure_text(failure)}"


def state_of(one: Mirror) -> str:
    """Of a mirror that runs, with what is being copied."""
    word = "paused in the middle" if one.standing.is_paused else "running"
    held = [f"{part.repository} by {part.worker}" for part in one.parts if part.worker and not part.is_done]
    return f"{word}: {listed(held, 3)}" if held else word


def failure_text(failure: Failure) -> str:
    """What failed, and why."""
    what = f"{failure.repository}:{failure.tag}" if failure.tag else failure.repository
    return f"{what}: {failure.message}" if what else failure.message


def as_json(one: Mirror) -> JsonObject:
    """``nextRun`` null: only when asked, at once, or not for a clock to say; ``state`` tells which."""
    registry, standing = one.registry, one.standing
    return {
        "entry": one.entry.id,
        "direction": one.entry.direction,
        "urls": one.urls,
        "content": [
            {"prefix": content.prefix, "destination": content.destination, "stripPrefix": content.strip_prefix}
            for content in registry.content
        ],
        "onDemand": registry.on_demand,
        "pollInterval": str(registry.poll_interval) if registry.poll_interval else None,
        "paused": standing.is_paused,
        "asked": one.is_wanted,
        "nextRun": when(one.next_seconds),
        "run": run_json(one) if standing.run.number else None,
    }


def run_json(one: Mirror) -> JsonObject:
    """The run under way, or the last one."""
    run = one.standing.run
    counts, failure = run.counts, run.failure
    return {
        "number": run.number,
        "running": run.is_running,
        "failed": run.has_failed,
        "began": when(run.started_seconds),
        "ended": None if run.is_running else when(run.ended_seconds),
        "lastSuccess": when(run.succeeded_seconds),
        "lastFailure": {
            "at": when(failure.seconds),
            "reason": failure.message,
            "repository": failure.repository or None,
            "tag": failure.tag or None,
        }
        if failure
        else None,
        "images": {
            "seen": counts.seen,
            "changed": counts.changed,
            "skipped": counts.skipped,
            "failed": counts.failed,
        },
        "bytes": counts.size_bytes,
        "repositories": [
            {
                "repository": part.repository,
                "worker": part.worker or None,
                "lastTag": part.cursor or None,
                "done": part.is_done,
            }
            for part in one.parts
        ],
    }
