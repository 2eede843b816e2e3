"""Workers, fetches and upstreams as people and programs read them. Pure.

Of JSON the field names stay; times are ISO 8601 in UTC, null: never.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from rich.progress_bar import ProgressBar
from rich.text import Text

from holdfast.durations import seconds
from holdfast.ops.console import bytes_text, listed, row, table

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from rich.table import Table

    from holdfast.ops.console import JsonObject
    from holdfast.ops.sync.workers import Asked, Running
    from holdfast.rpc.syncstatus import RunningFetch, UpstreamSeen

_BAR_WIDTH: Final = 20
_DIGEST_CHARACTERS: Final = 19  # sha256: and twelve of its digits


def when(at_seconds: float | None) -> str | None:
    """Seconds since 1970 for programs."""
    return datetime.fromtimestamp(at_seconds, UTC).isoformat(timespec="seconds") if at_seconds else None


def ago(at_seconds: float | None, now: float) -> str:
    """For people. Another machine's clock may be ahead of ours."""
    return f"{seconds(max(0, round(now - at_seconds)))} ago" if at_seconds else "never"


def workers_json(asked: Iterable[Asked]) -> list[JsonObject]:
    return [
        {
            "worker": one.living.process_id,
            "version": one.living.version,
            "address": one.living.address,
            "answers": one.status is not None,
            "trouble": one.trouble or None,
            "metrics": [
                {"name": sample.name, "upstream": sample.upstream or None, "value": sample.value}
                for sample in (one.status.samples if one.status else ())
            ],
        }
        for one in asked
    ]


def fetches_table(running: Iterable[Running]) -> Table:
    numbers = ("received", "speed", "followers", "for")
    made = table("blob", "repository", "from", "worker", "", *numbers, right=numbers)
    for one in running:
        fetch = one.fetch
        made.add_row(
            *(Text(text, overflow="fold") for text in _names(one)),
            _bar(fetch),
            *(Text(text) for text in _numbers(fetch)),
        )
    return made


def _names(one: Running) -> tuple[str, str, str, str]:
    fetch = one.fetch
    upstream = fetch.upstream or "waiting for an answer"
    return str(fetch.digest)[:_DIGEST_CHARACTERS], listed(fetch.repositories, 2), upstream, one.worker


def _bar(fetch: RunningFetch) -> ProgressBar | Text:
    if not fetch.total_bytes:
        return Text("length unknown")
    return ProgressBar(total=fetch.total_bytes, completed=fetch.offset_bytes, width=_BAR_WIDTH)


def _numbers(fetch: RunningFetch) -> tuple[str, str, str, str]:
    of_all = f" of {bytes_text(fetch.total_bytes)}" if fetch.total_bytes else ""
    return (
        f"{bytes_text(fetch.offset_bytes)}{of_all}",
        f"{bytes_text(fetch.bytes_per_second)}/s",
        "?" if fetch.followers is None else str(fetch.followers),
        str(seconds(round(fetch.running_seconds))),
    )


def fetch_json(one: Running) -> JsonObject:
    """``followers`` null: its storage node does not say."""
    fetch = one.fetch
    return {
        "digest": str(fetch.digest),
        "repositories": list(fetch.repositories),
        "upstream": fetch.upstream or None,
        "worker": one.worker,
        "upload": fetch.upload_id or None,
        "receivedBytes": fetch.offset_bytes,
        "totalBytes": fetch.total_bytes or None,
        "bytesPerSecond": round(fetch.bytes_per_second),
        "followers": fetch.followers,
        "began": when(fetch.began_seconds),
        "runningSeconds": round(fetch.running_seconds, 1),
    }


def upstreams_table(upstreams: Iterable[UpstreamSeen], now: float) -> Table:
    numbers = ("requests", "received", "429")
    made = table("upstream", "last success", "last failure", "left alone", *numbers, right=numbers)
    for seen in upstreams:
        held = f"{seconds(round(seen.held_seconds))}{', as it asked' if seen.is_throttled else ''}"
        row(
            made,
            seen.url,
            ago(seen.last_success_seconds, now),
            ago(seen.last_failure_seconds, now),
            held if seen.held_seconds else "",
            seen.requests,
            bytes_text(seen.received_bytes),
            seen.refused_for_pace,
        )
    return made


def failures(upstreams: Iterable[UpstreamSeen]) -> Iterator[str]:
    """Of those whose last word was one."""
    for seen in upstreams:
        if (seen.last_failure_seconds or 0.0) > (seen.last_success_seconds or 0.0):
            yield f"notice: {seen.url} failed last: {seen.last_failure}"


def upstream_json(seen: UpstreamSeen) -> JsonObject:
    failed = seen.last_failure_seconds
    return {
        "url": seen.url,
        "lastSuccess": when(seen.last_success_seconds),
        "lastFailure": {"at": when(failed), "reason": seen.last_failure} if failed else None,
        "heldSeconds": round(seen.held_seconds, 1),
        "throttled": seen.is_throttled,
        "requests": seen.requests,
        "receivedBytes": seen.received_bytes,
        "refusedForPace": seen.refused_for_pace,
    }
