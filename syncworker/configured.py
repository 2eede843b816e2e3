"""From the configured entries to the mirrors that are run: those that name content.

Promises: an entry without a ``pollInterval`` is run when somebody asks for it, and never by itself.

Never: connects to anything.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from holdfast.mirrors.entries import entries
from syncworker.share import Mirror
from syncworker.upstream.assembly import retry_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from holdfast.config.sync import Sync, SyncRegistry
    from holdfast.mirrors.entries import Entry
    from syncworker.jobs import Job


def mirrors(sync: Sync, job_of: Callable[[Entry, SyncRegistry], Job | None]) -> tuple[Mirror, ...]:
    """In the configuration's order. ``job_of`` gives None for what is not run."""
    found = []
    for entry in entries(sync):
        registry = sync.registries[entry.number]
        job = job_of(entry, registry) if registry.content else None
        if job is not None:
            interval = registry.poll_interval
            found.append(
                Mirror(
                    entry=entry,
                    job=job,
                    interval_seconds=interval.seconds if interval else 0.0,
                    at_once=registry.req_concurrent,
                    timeout_seconds=registry.sync_timeout.seconds,
                    retry=retry_of(registry),
                )
            )
    return tuple(found)
