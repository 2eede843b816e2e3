"""A backup made of a store."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Protocol

from holdfast.errors import ConfigError
from holdfast.meta import keys
from holdfast.meta.keeping import file
from holdfast.meta.keeping.file import Header, nothing_told
from holdfast.meta.keeping.frozen import Freezing, travels

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from holdfast.clock import Clock
    from holdfast.meta.keeping.file import Backup
    from holdfast.meta.store import Store

    class Source(Store, Freezing, Protocol):
        """Both adapters are."""


def backed_up(
    store: Source, to: Path, version: str, clock: Clock, told: Callable[[int], None] = nothing_told
) -> Backup:
    """``to``: the file, or a directory in which it gets a name.

    Raises:
        ConfigError: there is no registry in the store, or it is being copied there. UnavailableError: the file cannot be written.
        MetadataUnavailableError; CompactedError: begin again.
    """
    made = unless_same(store, to, version, clock, told)
    if made is None:
        raise AssertionError("every content is another than none")
    return made


def unless_same(
    store: Source,
    to: Path,
    version: str,
    clock: Clock,
    told: Callable[[int], None] = nothing_told,
    *,
    content: str = "",
) -> Backup | None:
    """As ``backed_up``; None: it would have the same content as one that is there, and was not written."""
    standing = store.get_many([keys.CLUSTER_ID, keys.CLUSTER_COPYING]).entries
    if keys.CLUSTER_ID not in standing or keys.CLUSTER_COPYING in standing:
        raise ConfigError("there is no registry in this metadata, or it is only being copied there: nothing to back up")
    cluster_id, now = standing[keys.CLUSTER_ID].value.decode(), clock.wall()
    if to.is_dir():
        moment = datetime.fromtimestamp(now, UTC).strftime("%Y%m%dT%H%M%SZ")
        to = to / f"holdfast-{cluster_id[:8]}-{moment}.backup"
    with store.frozen() as frozen:
        pairs = ((entry.key, entry.value) for entry in frozen.entries if travels(entry))
        header = Header(cluster_id, frozen.revision, now, version)
        return file.write(to, header, pairs, told, unless_content=content)
