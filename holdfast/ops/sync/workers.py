"""All sync workers that live, asked at once, and what they say put together.

Promises: one that hangs costs a few seconds, whatever their number, and is named with the reason.
"""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from holdfast.errors import HoldfastError, WorkerUnreachableError
from holdfast.meta import versions
from holdfast.rpc.syncstatus import UpstreamSeen

if TYPE_CHECKING:
    from collections.abc import Iterable

    from holdfast.meta.versions import Living
    from holdfast.ops.sync.reaching import SyncAccess
    from holdfast.rpc.syncstatus import RunningFetch, WorkerStatus

_PATIENCE_SECONDS: Final = 3.0
_PAUSE_SECONDS: Final = 0.2
_AT_ONCE: Final = 16


@dataclass(frozen=True, slots=True)
class Asked:
    """A worker that holds a lease, and what it answered. ``trouble`` "": it did."""

    living: Living
    status: WorkerStatus | None
    trouble: str = ""


@dataclass(frozen=True, slots=True)
class Running:
    """A fetch and the worker that is at it."""

    worker: str
    fetch: RunningFetch


def ask_all(found: SyncAccess) -> list[Asked]:
    """In the order of their ids. Raises MetadataUnavailableError."""
    living = [worker for worker in versions.workers(found.store) if worker.address]
    if not living:
        return []
    with ThreadPoolExecutor(min(len(living), _AT_ONCE)) as pool:
        return list(pool.map(lambda worker: _ask(found, worker), living))


def _ask(found: SyncAccess, living: Living) -> Asked:
    try:
        client = found.connect(living.address)
    except HoldfastError as error:
        return Asked(living, None, error.message)
    until = time.monotonic() + _PATIENCE_SECONDS
    try:
        while True:
            try:
                return Asked(living, client.status(_PATIENCE_SECONDS))
            except WorkerUnreachableError:
                # A connection is given up after a moment, in which a busy machine may not have made it.
                if time.monotonic() > until:
                    raise
                time.sleep(_PAUSE_SECONDS)
    except HoldfastError as error:
        return Asked(living, None, error.message)
    finally:
        client.close()


def fetches(asked: Iterable[Asked]) -> list[Running]:
    """Of all workers, those that began first first."""
    found = [Running(one.living.process_id, fetch) for one in asked if one.status for fetch in one.status.fetches]
    return sorted(found, key=lambda running: (running.fetch.began_seconds, str(running.fetch.digest)))


def upstreams(asked: Iterable[Asked]) -> list[UpstreamSeen]:
    """By URL, in the configuration's order: the last success and failure that any worker saw, and the sums."""
    found: dict[str, UpstreamSeen] = {}
    for one in asked:
        for seen in dict.fromkeys(one.status.upstreams if one.status else ()):
            found[seen.url] = _together(found[seen.url], seen) if seen.url in found else seen
    return list(found.values())


def _together(one: UpstreamSeen, other: UpstreamSeen) -> UpstreamSeen:
    failed = max(one, other, key=lambda seen: seen.last_failure_seconds or 0.0)
    held = max(one, other, key=lambda seen: seen.held_seconds)
    return UpstreamSeen(
        url=one.url,
        last_success_seconds=max(one.last_success_seconds or 0.0, other.last_success_seconds or 0.0) or None,
        last_failure_seconds=failed.last_failure_seconds,
        last_failure=failed.last_failure,
        held_seconds=held.held_seconds,
        is_throttled=held.is_throttled,
        requests=one.requests + other.requests,
        received_bytes=one.received_bytes + other.received_bytes,
        refused_for_pace=one.refused_for_pace + other.refused_for_pace,
    )
