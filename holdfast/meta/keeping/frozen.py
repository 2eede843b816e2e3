"""Everything in a store as of one revision: what a backup is made of.

    excluded    keys under a lease (who lives, sessions, what ends with a process), ``cluster/copying`` and ``cluster/restored``,
                ``fetch/`` (who brings what from an upstream at this moment)

Promises: both adapters give it while everything goes on, and no writer waits for it. What does not travel says what processes of
this moment do, and none of them lives where it would be restored.

Never: a lock; a long copy holds back only the forgetting of old states (SQLite's log grows meanwhile, etcd compacts past it).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol

from holdfast.meta import keys

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager

    from holdfast.meta.store import Entry

_STAYS: Final = (keys.CLUSTER_COPYING, keys.CLUSTER_RESTORED)


@dataclass(frozen=True, slots=True)
class Frozen:
    """``entries`` in the order of their keys, once. They raise MetadataUnavailableError, and CompactedError where the store has
    forgotten the revision meanwhile.
    """

    revision: int
    entries: Iterator[Entry]


class Freezing(Protocol):
    """A store that can do it."""

    def frozen(self) -> AbstractContextManager[Frozen]: ...


def travels(entry: Entry) -> bool:
    return not entry.lease_id and entry.key not in _STAYS and not entry.key.startswith(keys.FETCHES[0])
